# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that cannot give back all that is asked for."""

import time

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import MiB

pytestmark = pytest.mark.targets

PLUGGED = 512 * MiB
DATA = 640 * MiB        # more than fits into the boot memory


class Partial(GuestCase):
    """A guest with less memory of its own than data to keep."""

    ARGUMENTS = ("-m", "512M,maxmem=20G", *device(0, "8G"))

    def test_a_shrink_the_guest_cannot_complete_goes_on_when_it_can(self):
        self.vm.resize("vm0", PLUGGED)
        self.vm.wait_sizes(vm0=PLUGGED)
        self.vm.fill(DATA)
        self.vm.resize("vm0", 0)
        self.vm.until(True, lambda: self.vm.sizes()["vm0"] < PLUGGED,
                      "that the guest has freed some")
        stuck = self.settled_size()
        self.assertEqual(self.vm.devices()["vm0"]["requested-size"], 0)
        self.assertGreater(stuck, 0, "the guest cannot have freed everything")
        self.vm.wait_sizes(vm0=stuck)
        self.vm.sh("umount /tmp/full")
        # Linux tries again after 50 seconds, or when it hears from the device.
        self.vm.resize("vm0", 0)
        self.vm.wait_sizes(vm0=0, timeout=20)

    def settled_size(self) -> int:
        """What is plugged once it has not changed for three seconds."""
        size, since = self.vm.sizes()["vm0"], time.monotonic()
        while time.monotonic() - since < 3:
            time.sleep(0.1)
            now = self.vm.sizes()["vm0"]
            if now != size:
                size, since = now, time.monotonic()
        return size
