# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's driver comes late, is taken away, comes back."""

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB

pytestmark = pytest.mark.targets

DRIVER = "/sys/bus/virtio/drivers/virtio_mem"


class Driver(GuestCase):
    """The guest boots without the driver; the tests load it."""

    ARGUMENTS = ("-m", "2G,maxmem=20G", *device(0, "8G"))
    APPEND = "vm.nodriver"

    def restore(self) -> None:
        """Go back to a guest that never had the driver."""
        self.vm.resize("vm0", 0)
        self.vm.cmd("system_reset")
        self.vm.wait_ready()
        self.vm.wait_sizes(vm0=0)

    def test_a_size_asked_for_before_the_driver_is_loaded_is_picked_up(self):
        self.vm.resize("vm0", GiB)
        self.assertEqual(self.vm.sh("lsmod").count("virtio_mem"), 0)
        self.assertEqual(self.vm.sizes(), {"vm0": 0})
        self.vm.sh("load-driver")
        self.vm.wait_sizes(vm0=GiB)

    def test_the_driver_can_be_unbound_and_bound_with_nothing_plugged(self):
        self.vm.sh("load-driver")
        self.vm.resize("vm0", 512 * MiB)
        self.vm.wait_sizes(vm0=512 * MiB)
        self.vm.resize("vm0", 0)
        self.vm.wait_sizes(vm0=0)
        name = self.vm.sh(f"cd {DRIVER} && echo virtio*")
        self.vm.sh(f"echo {name} > {DRIVER}/unbind")
        self.assertFalse(self.vm.sh(f"cd {DRIVER} && ls -d virtio*",
                                    check=False).startswith("virtio0"))
        self.vm.resize("vm0", GiB)
        self.vm.sh(f"echo {name} > {DRIVER}/bind")
        self.vm.wait_sizes(vm0=GiB)

    def test_unloading_the_driver_leaves_plugged_memory_in_use(self):
        """Linux keeps the memory and will not load the driver over it; the
        device must not take away what is still in use."""
        self.vm.sh("load-driver")
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        self.vm.sh("rmmod virtio_mem")
        self.vm.wait_sizes(vm0=GiB)
        self.vm.resize("vm0", 512 * MiB)
        self.vm.sh("load-driver")
        self.assertIn("virtio_mem", self.vm.sh("lsmod"))
        self.assertRegex(self.vm.sh("dmesg"),
                         r"virtio_mem: probe of virtio\d+ failed with error "
                         r"-16|virtio\d+: probe with driver virtio_mem failed "
                         r"with error -16")
        self.vm.wait_sizes(vm0=GiB)
