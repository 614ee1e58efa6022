# SPDX-License-Identifier: GPL-2.0-or-later
"""What resizing means for the host: memory is taken late and given back."""

import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from vmtest.case import GuestCase, device
from vmtest.memory import MiB
from vmtest.pool import Pool

SIZE = 256 * MiB
SLACK = 64 * MiB        # for what QEMU and the guest do besides


class HostMemory(GuestCase):
    """A device of the usual kind, and one that populates what it plugs."""

    ARGUMENTS = ("-m", "1G,maxmem=20G",
                 *device(0, "4G"), *device(1, "4G", "prealloc=on"))

    def assert_change(self, expected: int, since: int, when: str) -> None:
        """The memory QEMU occupies has changed by about so much."""
        self.assertAlmostEqual(self.vm.host_memory() - since, expected,
                               delta=SLACK, msg=f"bytes of host memory, {when}")

    def test_plugged_memory_is_taken_when_used_and_given_back_when_unplugged(
            self):
        start = self.vm.host_memory()
        self.vm.resize("vm0", SIZE + 128 * MiB)
        self.vm.wait_sizes(vm0=SIZE + 128 * MiB)
        self.assert_change(0, start, "plugged but not used")
        self.vm.sh("mount -t tmpfs none /tmp && "
                   f"dd if=/dev/zero of=/tmp/data bs=1M count={SIZE // MiB}")
        self.assert_change(SIZE, start, "after the guest used it")
        self.vm.sh("umount /tmp")
        self.assert_change(SIZE, start, "after the guest freed it")
        self.vm.resize("vm0", 0)
        self.vm.wait_sizes(vm0=0)
        self.assert_change(0, start, "after it was unplugged")

    def test_with_prealloc_on_memory_is_taken_when_plugged(self):
        start = self.vm.host_memory()
        self.vm.resize("vm1", SIZE)
        self.vm.wait_sizes(vm1=SIZE)
        self.assert_change(SIZE, start, "plugged but not used")
        self.vm.resize("vm1", 0)
        self.vm.wait_sizes(vm1=0)
        self.assert_change(0, start, "after it was unplugged")


class Shortage(GuestCase):
    """A device that populates, on memory of which the test allows little.

    A subclass says where it comes from.
    """

    SIZE = 512 * MiB
    SHORT: str  # what QEMU has to say of it

    def restore(self) -> None:
        """Nothing: the test ends with memory plugged, and so does the VM."""

    def allow(self, size: int) -> None:
        """Let the device have so much memory."""
        raise NotImplementedError

    def check_it_goes_on(self) -> None:
        """The resize stops at what there is, and completes when there is more."""
        self.vm.resize("vm0", self.SIZE)
        self.vm.until(True, lambda: self.vm.sizes()["vm0"] > self.SIZE // 4,
                      "that some of it is plugged")
        time.sleep(5)
        self.assertLessEqual(self.vm.sizes()["vm0"], self.SIZE // 2, "plugged")
        self.assertEqual(self.vm.sh("echo alive"), "alive")
        self.assertIn(self.SHORT, self.vm.qemu_log.read_text(), "the warning")
        self.allow(2 * self.SIZE)
        self.vm.wait_sizes(vm0=self.SIZE, timeout=12)


class FullFileSystem(Shortage):
    """Memory from a tmpfs."""

    directory = tempfile.mkdtemp(prefix="virtio-mem-")
    SHORT = f"the file system of '{directory}' has 0 B free"
    ARGUMENTS = (
        "-m", "1G,maxmem=20G", "-object",
        f"memory-backend-file,id=mem0,size=4G,share=on,mem-path={directory}",
        "-device", "virtio-mem-pci,id=vm0,memdev=mem0,prealloc=on")

    def setUp(self) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE // 2}",
                        "none", self.directory], check=True)
        super().setUp()

    @classmethod
    def tearDownClass(cls) -> None:
        try:
            super().tearDownClass()
        finally:
            subprocess.run(["umount", cls.directory], check=False)
            os.rmdir(cls.directory)

    def allow(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.directory],
                       check=True)

    def test_a_resize_goes_on_when_the_host_has_memory_again(self):
        self.check_it_goes_on()


class TooFewHugePages(Shortage):
    """Memory from the host's pool of huge pages."""

    SHORT = "the host's pool of huge pages of 2 MiB has 0 free pages"
    ARGUMENTS = (
        "-m", "1G,maxmem=20G", "-object",
        "memory-backend-memfd,id=mem0,size=4G,hugetlb=on,hugetlbsize=2M,"
        "reserve=off", "-device",
        "virtio-mem-pci,id=vm0,memdev=mem0,prealloc=on")

    def setUp(self) -> None:
        self.pool = self.enterContext(Pool())
        self.allow(self.SIZE // 2)
        super().setUp()
        self.addCleanup(self.forget, kill=True)

    def allow(self, size: int) -> None:
        self.pool.allow(size)

    def test_a_resize_goes_on_when_there_are_more_huge_pages(self):
        self.check_it_goes_on()
