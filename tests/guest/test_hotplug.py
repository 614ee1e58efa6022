# SPDX-License-Identifier: GPL-2.0-or-later
"""The device itself comes and goes while the guest runs."""

import pytest

from vmtest.case import GuestCase
from vmtest.memory import GiB, MiB
from vmtest.target import TARGET

pytestmark = pytest.mark.targets

ROUNDS = 10


class Hotplug(GuestCase):
    """A VM with an empty slot for the device."""

    SLOT = {"bus": "rp0"} if TARGET.root_port else {}
    ARGUMENTS = ("-m", "2G,maxmem=20G", *(
        ("-device", "pcie-root-port,id=rp0,bus=pcie.0") if SLOT else ()))

    def known(self) -> str:
        """The devices that the guest knows."""
        return self.vm.sh("ls /sys/bus/pci/devices /sys/bus/ccw/devices 2> /dev/null; :")

    def add(self, **options) -> None:
        """Add the device, and the memory behind it."""
        self.before = self.known()
        self.vm.cmd("object-add", qom_type="memory-backend-ram", id="mem0",
                    size=4 * GiB, reserve=False)
        self.vm.cmd("device_add", driver=TARGET.transport, id="vm0",
                    memdev="mem0", **self.SLOT, **options)

    def remove(self) -> None:
        """Remove both; the guest has to agree to it."""
        self.vm.cmd("device_del", id="vm0")
        self.vm.event_wait("DEVICE_DELETED", 30, {"data": {"device": "vm0"}})
        self.assertEqual(self.vm.devices(), {})
        self.vm.cmd("object-del", id="mem0")
        # A channel device leaves without asking. Linux loses one that comes at its
        # number before it has noticed.
        self.vm.until(self.before, self.known, "the devices of the guest", 30)

    def restore(self) -> None:
        """The slot has to be empty again."""
        self.assertEqual(self.vm.devices(), {})
        self.vm.wait_sizes()

    def test_a_device_comes_is_resized_and_goes_several_times(self):
        for number in range(ROUNDS):
            with self.subTest(round=number):
                self.add()
                for size in (GiB, 256 * MiB, 0):
                    self.vm.resize("vm0", size)
                    self.vm.wait_sizes(vm0=size)
                self.remove()

    def test_a_device_added_with_a_size_is_filled_at_once(self):
        for name in ("size", "requested_size"):
            with self.subTest(property=name):
                self.add(**{name: 512 * MiB})
                self.vm.wait_sizes(vm0=512 * MiB)
                self.vm.resize("vm0", 0)
                self.vm.wait_sizes(vm0=0)
                self.remove()

    def test_removal_is_refused_until_the_device_is_empty(self):
        self.add()
        self.vm.resize("vm0", 256 * MiB)
        self.vm.wait_sizes(vm0=256 * MiB)
        self.assert_refused("device_del", "still plugged", id="vm0")
        self.vm.cmd("stop")     # plugged, but no longer requested
        self.vm.resize("vm0", 0)
        self.assert_refused("device_del", "still plugged", id="vm0")
        self.vm.cmd("cont")
        self.vm.wait_sizes(vm0=0)
        self.vm.cmd("stop")     # requested, but not yet plugged
        self.vm.resize("vm0", 256 * MiB)
        self.assert_refused("device_del", "'requested-size'", id="vm0")
        self.vm.resize("vm0", 0)
        self.vm.cmd("cont")
        self.vm.wait_sizes(vm0=0)
        self.remove()
