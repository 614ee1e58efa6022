# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest is what its row of python/vmtest/target.py says.

What it tells is kept in the results, for the table of the manual.
"""

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB
from vmtest.target import TARGET

pytestmark = pytest.mark.targets

AT_PAGESZ = 6
PATIENCE = 20       # seconds; the device's is 5


class Row(GuestCase):
    """One device with the block size that this host chooses."""

    ARGUMENTS = ("-m", "2G,maxmem=20G", *device(0, "8G"),
                 "-trace", "virtio_mem_resized_usable_region")

    @pytest.fixture(autouse=True)
    def keep(self, record_property):
        """Where to write what the guest tells."""
        self.record = record_property

    def test_the_guest_has_pages_of_this_size(self):
        words = self.vm.sh("od -An -v -t d8 /proc/self/auxv").split()
        pages = dict(zip(words[::2], words[1::2]))[str(AT_PAGESZ)]
        self.assertEqual(int(pages), TARGET.page)
        self.record("kernel", self.vm.sh("uname -r"))
        self.record("page", pages)

    def test_it_is_started_with_acpi_or_a_device_tree(self):
        status, _ = self.vm.status("test -d /sys/firmware/acpi/tables")
        self.assertEqual(status == 0, TARGET.acpi)

    def test_so_much_is_usable_beyond_the_requested_size(self):
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        self.assertIn(f"new_size=0x{GiB + TARGET.extent:x}\n",
                      self.vm.qemu_log.read_text())

    def test_the_smallest_step(self):
        """Less is possible only where a block is smaller than that, and then the
        guest plugs nothing."""
        block = self.vm.devices()["vm0"]["block-size"]
        step = max(block, TARGET.step)
        if block < step:
            self.vm.resize("vm0", step - block)
            self.vm.until("guest",
                          lambda: self.vm.devices()["vm0"]["resize"].get("reason"),
                          "why the resize is blocked", PATIENCE)
            self.assertEqual(self.vm.sizes(), {"vm0": 0})
        for size in (step, 2 * step, step, 0):
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
        self.record("block", block)
        self.record("step", step)
