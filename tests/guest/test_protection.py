# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux uses nothing that it has unplugged: no false alarm, however often it resizes."""

import os
import random

import pytest

from vmtest.case import GuestCase
from vmtest.memory import GiB, MiB

FEW, MANY = 6, 200     # resizes


class Userfaultfd(GuestCase):
    """Each access to an unplugged block is caught."""

    protection = "userfaultfd"
    ARGUMENTS = (
        "-m", "1G,maxmem=8G", "-object",
        "memory-backend-ram,id=mem0,size=4G,reserve=off", "-device",
        "virtio-mem-pci,id=vm0,memdev=mem0,unplugged-protection=userfaultfd,"
        "unplugged-protection-interval=10")

    def setUp(self) -> None:
        if self.protection == "userfaultfd" and \
                not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
            self.skipTest("this user may not open /dev/userfaultfd")
        super().setUp()

    def check_no_alarm(self, resizes: int) -> None:
        """Resize the guest while it works in its memory."""
        self.vm.sh("mount -t tmpfs none /tmp && dd if=/dev/urandom of=/tmp/a bs=1M "
                   "count=64 && md5sum /tmp/a > /tmp/sum", 120)
        self.vm.sh("(until test -e /tmp/end; do cp /tmp/a /tmp/b && "
                   "cmp /tmp/a /tmp/b || touch /tmp/damaged; done; "
                   "touch /tmp/over) > /dev/null 2>&1 &")
        chosen = random.Random(0)
        for _ in range(resizes):
            size = chosen.randrange(0, 2 * GiB, 2 * MiB)
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
        self.vm.sh("touch /tmp/end; until test -e /tmp/over; do sleep 0.1; done", 60)
        self.assertEqual(self.vm.sh("md5sum -c -s /tmp/sum; echo $?; ls /tmp", 60)
                         .split(), ["0", "a", "b", "end", "over", "sum"])
        data = self.vm.devices()["vm0"]
        self.assertEqual((data["unplugged-protection"], data["unplugged-accesses"]),
                         (self.protection, 0))
        self.vm.sh("umount -l /tmp")

    def test_resizes(self):
        self.check_no_alarm(FEW)

    @pytest.mark.full
    def test_many_resizes(self):
        self.check_no_alarm(MANY)

    def test_a_reboot(self):
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        self.vm.cmd("system_reset")
        self.vm.wait_ready()
        self.vm.wait_sizes(vm0=GiB)
        self.assertEqual(self.vm.devices()["vm0"]["unplugged-accesses"], 0)


class Discard(Userfaultfd):
    """What is found in unplugged blocks is counted."""

    protection = "discard"
    ARGUMENTS = tuple(word.replace("userfaultfd", "discard")
                      for word in Userfaultfd.ARGUMENTS)
