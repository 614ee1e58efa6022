# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux on a device whose memory comes and goes in slots."""

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB
from vmtest.target import TARGET

pytestmark = pytest.mark.targets

SLOT = 256 * MiB
SLOTS = 16
SUM = "md5sum /tmp/a"


class Memslots(GuestCase):
    """16 slots of 256 MiB; the guest itself has 512 MiB."""

    ARGUMENTS = ("-m", "512M,maxmem=8G",
                 *device(0, "4G", f"dynamic-memslots=on,memslot-size={SLOT}"))

    def mapped(self) -> int:
        """How many slots are mapped; the guest must not see it happen."""
        data = self.vm.devices()["vm0"]
        self.assertEqual(data["memslots"], SLOTS)
        return data["mapped-memslots"]

    def test_as_many_as_what_is_plugged_needs(self):
        for size in (SLOT, 4 * SLOT, 4 * SLOT + 128 * MiB, SLOTS * SLOT):
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
            self.assertGreaterEqual(self.mapped(), -(-size // SLOT))
        self.assertEqual(self.mapped(), SLOTS)
        self.vm.resize("vm0", 0)
        self.vm.wait_sizes(vm0=0)
        self.vm.until(0, self.mapped, "the mapped slots", 30)

    def test_content_stays_while_neighbours_come_and_go(self):
        self.vm.resize("vm0", 2 * GiB)
        self.vm.wait_sizes(vm0=2 * GiB)
        self.vm.sh("mount -t tmpfs none /tmp && "
                   "dd if=/dev/urandom of=/tmp/a bs=1M count=400", 120)
        before = self.vm.sh(SUM, 120)
        for size in (4 * GiB, GiB, 3 * GiB + TARGET.step, GiB, 4 * GiB, GiB):
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
            self.assertEqual(self.vm.sh(SUM, 120), before)
        self.vm.sh("umount /tmp")

    def test_a_reboot_unmaps_and_maps_again(self):
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        self.vm.cmd("stop")
        self.vm.cmd("system_reset")
        self.vm.until(0, self.mapped, "the mapped slots after a reset", 10)
        self.vm.cmd("cont")
        self.vm.wait_ready()
        self.vm.wait_sizes(vm0=GiB)
        self.assertGreaterEqual(self.mapped(), GiB // SLOT)
