# SPDX-License-Identifier: GPL-2.0-or-later
"""What resizing means for the host: memory is taken late and given back."""

import os
import subprocess
import tempfile
import time
import unittest

from case import GuestCase, device
from memory import MiB

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
    """The memory of a device that populates comes from a small file system."""

    directory = tempfile.mkdtemp(prefix="virtio-mem-")
    ARGUMENTS = (
        "-m", "1G,maxmem=20G", "-object",
        f"memory-backend-file,id=mem0,size=4G,share=on,mem-path={directory}",
        "-device", "virtio-mem-pci,id=vm0,memdev=mem0,prealloc=on")

    @classmethod
    def boot(cls) -> None:
        cls.allow("256m", "-t", "tmpfs", "none")
        super().boot()

    @classmethod
    def tearDownClass(cls) -> None:
        try:
            super().tearDownClass()
        finally:
            subprocess.run(["umount", cls.directory], check=True)
            os.rmdir(cls.directory)

    @classmethod
    def allow(cls, size: str, *options: str) -> None:
        """Let the file system have so much memory."""
        subprocess.run(["mount", "-o", f"size={size}", *options,
                        cls.directory], check=True)

    def test_a_resize_goes_on_when_the_host_has_memory_again(self):
        self.vm.resize("vm0", 512 * MiB)
        self.vm.until(True, lambda: self.vm.sizes()["vm0"] > 128 * MiB,
                      "that some of it is plugged")
        time.sleep(5)
        stuck = self.vm.sizes()["vm0"]
        self.assertLessEqual(stuck, 256 * MiB, "bytes plugged")
        self.assertEqual(self.vm.sh("echo alive"), "alive")
        self.allow("1g", "-o", "remount")
        self.vm.wait_sizes(vm0=512 * MiB, timeout=12)


if __name__ == "__main__":
    unittest.main()
