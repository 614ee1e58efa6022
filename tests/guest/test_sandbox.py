# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that is confined as libvirt confines it, while threads populate."""

import re
import unittest
from pathlib import Path

from vmtest.case import GuestCase
from vmtest.memory import MiB
from vmtest.pool import Pool

SIZE = 512 * MiB        # Linux plugs 128 MiB by a request: several threads
SANDBOX = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
           "resourcecontrol=deny")
DEVICE = ("-device", "virtio-mem-pci,id=vm0,memdev=mem0,prealloc=on,"
          "prealloc-threads=4")


class Confined(GuestCase):
    """The guest grows and shrinks; a subclass says on which memory."""

    def check_it_resizes(self) -> None:
        """Grow, see that the host's memory is there, and shrink, twice."""
        self.assertIn("\nSeccomp:\t2\n", self.file_of_qemu("status"))
        for _ in range(2):
            self.vm.resize("vm0", SIZE)
            self.vm.wait_sizes(vm0=SIZE)
            self.assertGreaterEqual(self.taken(), SIZE)
            self.vm.resize("vm0", 0)
            self.vm.wait_sizes(vm0=0)
            self.vm.until(0, self.taken, "the host's memory for the device")

    def file_of_qemu(self, name: str) -> str:
        """What the kernel says of the process."""
        return Path(f"/proc/{self.vm.get_pid()}/{name}").read_text()

    def taken(self) -> int:
        """How much of the host's node 0 the bound backend has, in bytes."""
        return sum(int(pages) * int(kib) * 1024 for pages, kib in re.findall(
            r"^\S+ bind:0 .*\bN0=(\d+) .*kernelpagesize_kB=(\d+)",
            self.file_of_qemu("numa_maps"), re.M))


class Memfd(Confined):
    """Ordinary pages, bound to a node."""

    ARGUMENTS = ("-m", "1G,maxmem=20G", *SANDBOX, *DEVICE, "-object",
                 "memory-backend-memfd,id=mem0,size=4G,reserve=off,"
                 "host-nodes=0,policy=bind")

    def test_threads_populate_and_the_guest_resizes(self):
        self.check_it_resizes()


class HugePages(Confined):
    """Huge pages, bound to a node."""

    ARGUMENTS = ("-m", "1G,maxmem=20G", *SANDBOX, *DEVICE, "-object",
                 "memory-backend-memfd,id=mem0,size=4G,reserve=off,hugetlb=on,"
                 "hugetlbsize=2M,host-nodes=0,policy=bind")

    def setUp(self) -> None:
        pool = self.enterContext(Pool())
        pool.allow(SIZE)
        if not pool.has(SIZE):
            self.skipTest(f"the host cannot make {SIZE // MiB} MiB of huge pages")
        super().setUp()
        self.addCleanup(self.forget, kill=True)

    def test_threads_populate_and_the_guest_resizes(self):
        self.check_it_resizes()
