# SPDX-License-Identifier: GPL-2.0-or-later
"""Suspend to RAM: waking up is a reset of devices, but memory stays."""

import re
import unittest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB

DATA = 64 * MiB


class Suspend(GuestCase):
    """One device and a machine that can sleep."""

    ARGUMENTS = ("-m", "1G,maxmem=20G", *device(0, "8G"))

    def test_plugged_memory_and_what_is_in_it_outlive_a_suspend(self):
        if "mem" not in self.vm.sh("cat /sys/power/state").split():
            self.skipTest("this guest's kernel cannot suspend to RAM")
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        free = self.free_movable()
        self.vm.sh("mount -t tmpfs none /tmp && "
                   f"dd if=/dev/urandom of=/tmp/data bs=1M count={DATA // MiB}")
        self.assertLess(self.free_movable(), free - DATA // 2,
                        "the data should be in plugged memory")
        before = self.vm.sh("md5sum /tmp/data")
        self.vm.sh("(echo deep > /sys/power/mem_sleep; "
                   "echo mem > /sys/power/state; "
                   "echo > /dev/ttyS1; echo @awake > /dev/ttyS1) "
                   "> /dev/null 2>&1 &")
        self.vm.event_wait("SUSPEND", 30)
        self.assertEqual(self.vm.sizes(), {"vm0": GiB}, "while asleep")
        self.vm.cmd("system_wakeup")
        self.vm.wait_said("@awake", "the guest to wake up", 60)
        self.assertEqual(self.vm.sh("md5sum /tmp/data"), before)
        self.vm.wait_sizes(vm0=GiB)
        self.vm.sh("umount /tmp")
        self.vm.resize("vm0", 512 * MiB)
        self.vm.wait_sizes(vm0=512 * MiB)

    def free_movable(self) -> int:
        """How much of the plugged memory is free: all of it is movable, and
        nothing else in this guest is."""
        zones = self.vm.sh("cat /proc/zoneinfo")
        [pages] = re.findall(r"zone +Movable\n +pages free +(\d+)", zones)
        return int(pages) * 4096
