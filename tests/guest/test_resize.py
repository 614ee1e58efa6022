# SPDX-License-Identifier: GPL-2.0-or-later
"""Resizing a running guest: every view of its memory changes alike."""

import time

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB
from vmtest.target import TARGET

pytestmark = pytest.mark.targets

NEWS = 1.3      # events come at most once a second, so the last may be late


def nodes(size: int) -> dict[int, int]:
    """All that is plugged, by node: without NUMA there is none."""
    return {0: size} if TARGET.nodes else {}


class Resize(GuestCase):
    """One device; the machine has no NUMA options and the device no node."""

    ARGUMENTS = ("-m", "2G,maxmem=20G", *device(0, "8G"))

    def test_0_to_4_to_1_to_0_GiB_is_the_same_in_all_views(self):
        for size in (4 * GiB, GiB, 0):
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
            self.assertEqual(self.plugged_by_node(), nodes(size), "info numa")
            self.assertEqual(self.vm.devices()["vm0"]["requested-size"], size)

    def test_a_device_without_a_node_belongs_to_node_0(self):
        self.vm.resize("vm0", 256 * MiB)
        self.vm.wait_sizes(vm0=256 * MiB)
        self.assertEqual(self.vm.devices()["vm0"]["node"], 0)
        self.assertEqual(self.vm.gained().nodes, nodes(256 * MiB))

    def test_a_few_blocks_can_be_plugged_alone(self):
        """Less than a memory block of Linux: the usable region has slack."""
        self.vm.resize("vm0", 3 * TARGET.step)
        self.vm.wait_sizes(vm0=3 * TARGET.step)

    def test_targets_changed_without_waiting_converge_to_the_last(self):
        for size in (3 * GiB, 64 * MiB, 2 * GiB, 0, 1536 * MiB, TARGET.step,
                     768 * MiB):
            self.vm.resize("vm0", size)
            time.sleep(0.05)
        self.vm.wait_sizes(vm0=768 * MiB)

    def test_a_resize_to_the_same_size_changes_nothing(self):
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        time.sleep(NEWS)
        self.vm.size_changes()
        self.vm.resize("vm0", GiB)
        time.sleep(NEWS)
        self.assertEqual(self.vm.sizes(), {"vm0": GiB})
        self.assertEqual(self.vm.size_changes(), [])

    def test_a_resize_while_paused_waits_for_cont(self):
        self.vm.cmd("stop")
        self.vm.resize("vm0", GiB)
        time.sleep(0.3)
        self.assertEqual(self.vm.sizes(), {"vm0": 0})
        self.vm.cmd("cont")
        self.vm.wait_sizes(vm0=GiB)

    def test_events_name_the_device_and_end_with_the_final_size(self):
        time.sleep(NEWS)
        self.vm.size_changes()
        for size in (2 * GiB, 512 * MiB):
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
            time.sleep(NEWS)
            news = self.vm.size_changes()
            self.assertTrue(news, "no MEMORY_DEVICE_SIZE_CHANGE at all")
            for data in news:
                self.assertEqual(data["id"], "vm0")
                self.assertEqual(data["qom-path"], "/machine/peripheral/vm0")
                self.assertEqual(data["size"] % (2 * MiB), 0)
            self.assertEqual(news[-1]["size"], size, "the last event's size")


class Reset(GuestCase):
    """What a system reset does to plugged memory."""

    ARGUMENTS = Resize.ARGUMENTS

    def test_a_reset_unplugs_all_and_the_driver_plugs_what_is_requested(self):
        self.vm.resize("vm0", 3 * GiB)
        self.vm.wait_sizes(vm0=3 * GiB)
        self.vm.cmd("system_reset")
        self.vm.event_wait("RESET", 30)
        self.vm.until({"vm0": 0}, self.vm.sizes, "sizes before the guest is up",
                      1)
        self.vm.wait_ready()
        self.vm.wait_sizes(vm0=3 * GiB)

    def test_after_a_reset_with_nothing_requested_nothing_is_plugged(self):
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        self.vm.cmd("stop")     # the guest must not come to unplugging itself
        self.vm.resize("vm0", 0)
        self.assertEqual(self.vm.sizes(), {"vm0": GiB})
        self.vm.cmd("system_reset")
        self.vm.event_wait("RESET", 30)
        self.assertEqual(self.vm.sizes(), {"vm0": 0})
        self.vm.cmd("cont")
        self.vm.wait_ready()
        self.vm.wait_sizes(vm0=0)
