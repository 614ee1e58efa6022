# SPDX-License-Identifier: GPL-2.0-or-later
"""A resize that does not go on says why, and goes on when that is over."""

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB
from vmtest.vm import VM

pytestmark = pytest.mark.targets

ARGUMENTS = ("-m", "1G,maxmem=20G", *device(0, "8G", "resize-events=on"))
PATIENCE = 60       # seconds; the device's is 5, but a guest may be slow to give up


def status(vm: VM) -> tuple[str, str | None]:
    """What query-memory-devices says of the resize."""
    resize = vm.devices()["vm0"]["resize"]
    return resize["status"], resize.get("reason")


class StatusCase(GuestCase):
    """Tests of one VM, with the device vm0."""

    ARGUMENTS = ARGUMENTS

    def assert_becomes(self, *expected: str | None) -> None:
        """The status does, and there is an event that says so."""
        self.vm.until(expected, lambda: status(self.vm), "the status",
                      PATIENCE)
        self.vm.event_wait("MEMORY_DEVICE_RESIZE_STATUS", PATIENCE, {
            "data": {"status": expected[0]}})


class Settling(StatusCase):
    """A guest that does what it is asked."""

    def test_a_resize_is_resizing_and_then_settled(self):
        self.vm.resize("vm0", 4 * GiB)
        self.assertEqual(status(self.vm), ("resizing", None))
        self.assert_becomes("settled", None)
        self.assertEqual(self.vm.sizes(), {"vm0": 4 * GiB})

    def test_memory_in_use_blocks_the_guest_until_it_is_free(self):
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        self.vm.fill(1200 * MiB)
        self.vm.resize("vm0", 0)
        self.assert_becomes("blocked", "guest")
        self.vm.sh("umount /tmp/full")
        self.vm.resize("vm0", 0)
        self.assert_becomes("settled", None)


class NoDriver(StatusCase):
    """A guest whose driver is loaded later."""

    APPEND = "vm.nodriver"

    def test_without_a_driver_it_is_blocked_until_there_is_one(self):
        self.vm.resize("vm0", 256 * MiB)
        self.assert_becomes("blocked", "no-driver")
        self.vm.sh("load-driver")
        self.assert_becomes("settled", None)


class NotOnlined(StatusCase):
    """A guest that does not use memory that it has been given."""

    APPEND = "memhp_default_state=offline"
    ONLINE = ("for s in /sys/devices/system/memory/memory*/state; do "
              "grep -q offline $s && echo online_movable > $s; done; true")

    def restore(self) -> None:
        """Nothing: what was onlined by hand need not come back."""

    def test_memory_that_is_not_onlined_blocks_until_it_is(self):
        self.vm.resize("vm0", 4 * GiB)
        self.assert_becomes("blocked", "guest")
        size = self.vm.sizes()["vm0"]
        self.assertLess(size, 2 * GiB)
        self.assertGreater(size, 512 * MiB)
        for _ in range(20):
            self.vm.sh(self.ONLINE)
            if self.vm.sizes()["vm0"] == 4 * GiB:
                break
        self.assert_becomes("settled", None)
