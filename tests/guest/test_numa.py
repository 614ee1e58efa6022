# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices on NUMA nodes: each gives its memory to its own node only."""

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB
from vmtest.target import TARGET

pytestmark = pytest.mark.targets


@pytest.mark.skipif(not TARGET.acpi, reason="only ACPI tells a guest of a device's node")
class Numa(GuestCase):
    """Two nodes with memory, a third that has none but the device's.

    One CPU for all. With three, emulated in parallel (see vmtest/vm.py), a guest once
    did not follow a resize for a minute, of two devices, while its shell answered;
    why is not known, and in 90 more runs it did not happen again.
    """

    ARGUMENTS = (
        "-m", "2G,maxmem=30G",
        "-object", "memory-backend-ram,id=ram0,size=1G",
        "-object", "memory-backend-ram,id=ram1,size=1G",
        "-numa", "node,nodeid=0,cpus=0,memdev=ram0",
        "-numa", "node,nodeid=1,memdev=ram1",
        "-numa", "node,nodeid=2",
        *device(0, "8G", "node=0"), *device(1, "4G", "node=1"),
        *device(2, "4G", "node=2"))

    def test_two_nodes_grow_and_shrink_independently(self):
        for first, second in ((GiB, 0), (GiB, 2 * GiB), (0, 2 * GiB),
                              (512 * MiB, 128 * MiB)):
            self.vm.resize("vm0", first)
            self.vm.resize("vm1", second)
            self.vm.wait_sizes(vm0=first, vm1=second, vm2=0)
            self.assertEqual(self.plugged_by_node(),
                             {0: first, 1: second, 2: 0}, "info numa")

    def test_a_node_without_memory_is_filled_by_its_device_alone(self):
        self.assertEqual(self.vm.boot.nodes.get(2, 0), 0)
        for size in (GiB, 256 * MiB, 0):
            self.vm.resize("vm2", size)
            self.vm.wait_sizes(vm0=0, vm1=0, vm2=size)
            self.assertEqual(self.vm.node_memory(2), size)
            self.assertEqual(self.plugged_by_node()[2], size, "info numa")
