# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl with real VMs: a Linux guest, and QEMU's own device."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from driver import paths
from vmtest.case import GuestCase, device
from vmtest.metrics import export, value
from vmtest.peer import (CONNECTION, DONE, INTERRUPTED, PAUSED, REFUSED, TIME,
                         Clock, GiB, MiB, greeting, run, start)


class Linux(GuestCase):
    """A guest that takes and gives back what it is asked for."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.path = f"{cls.directory}/ctl"
        cls.ARGUMENTS = (
            "-m", "2G,maxmem=40G", *device(0, "8G"),
            *device(1, "16G", "resize-events=on"),
            "-chardev", f"socket,id=ctl,path={cls.path},server=on,wait=off",
            "-mon", "chardev=ctl,mode=control,pretty=on")

    def vmemctl(self, status: int, *words: str) -> str:
        """Run it; it has to end with this status. Return what it says."""
        done = run("-s", self.path, "--limit", "20", *words)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, said)
        return said

    def test_grow_and_shrink(self):
        for size, expected in (("3G", 3 * GiB), ("-1G", 2 * GiB),
                               ("+512M", 2560 * MiB), ("50%", 4 * GiB),
                               ("0", 0)):
            said = self.vmemctl(DONE, "resize", "vm0", size, "--wait")
            self.assertIn("vm0: has ", said)
            self.assertEqual(self.vm.sizes(), {"vm0": expected, "vm1": 0})
            self.vm.wait_sizes(vm0=expected)

    def test_a_device_that_tells_of_its_resizes(self):
        for size in ("256M", "0"):
            self.vmemctl(DONE, "resize", "vm1", size, "--wait")

    def test_list(self):
        self.vm.resize("vm1", GiB)
        self.vm.wait_sizes(vm1=GiB)
        lines = [line.split() for line
                 in self.vmemctl(DONE, "list").splitlines()]
        self.assertEqual([line[:10] for line in lines[1:]], [
            "vm0 0 0 B 0 B 8 GiB 2 MiB".split(),
            "vm1 0 1 GiB 1 GiB 16 GiB 2 MiB".split()])

    def test_export(self):
        before = export(self.path)
        self.vm.resize("vm1", GiB)
        self.vm.wait_sizes(vm1=GiB)
        text = export(self.path)
        self.assertEqual(value(text, "virtio_mem_size_bytes", device="vm1"), GiB)
        self.assertEqual(value(text, "virtio_mem_size_bytes", device="vm0"), 0)
        plugged = "virtio_mem_plugged_bytes_total"
        self.assertEqual(value(text, plugged, device="vm1") -
                         value(before, plugged, device="vm1"), GiB)
        self.assertGreater(
            value(text, "virtio_mem_requests_total", device="vm1",
                  request="plug", answer="ack"), 0)
        self.assertEqual(value(text, "virtio_mem_resize_status", device="vm1",
                               status="settled"), 1)

    def test_a_paused_vm(self):
        self.vm.cmd("stop")
        said = self.vmemctl(PAUSED, "resize", "vm0", "1G", "--wait",
                            "--timeout", "1")
        self.assertIn("0%, 0 B of 1 GiB, paused\n", said)
        self.assertIn("does not run (paused)", said)
        self.assertIn("paused", self.vmemctl(DONE, "list"))
        self.vm.cmd("cont")
        self.vmemctl(DONE, "resize", "vm0", "1G", "--wait")

    def test_the_guest_reboots_meanwhile(self):
        self.vm.cmd("stop")     # it must not be done before
        with start("-s", self.path, "resize", "vm0", "3G", "--wait") as child:
            self.vm.until(3 * GiB, lambda: self.vm.devices()["vm0"]
                          ["requested-size"], "the requested size")
            self.vm.cmd("system_reset")
            self.vm.cmd("cont")
            self.vm.wait_ready()
            said = child.communicate(timeout=TIME)
        self.assertEqual(child.returncode, DONE, said)
        self.vm.wait_sizes(vm0=3 * GiB)

    def test_watch_follows_the_guest(self):
        with start("-s", self.path, "watch", "vm0") as child:
            self.assertIn("vm0", child.stdout.readline() +
                          child.stdout.readline())
            self.vm.resize("vm0", 1536 * MiB)
            while "1.5 GiB    1.5 GiB" not in \
                    (line := child.stdout.readline()):
                self.assertTrue(line, "it ended")
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=TIME)
        self.assertEqual(child.returncode, INTERRUPTED, said)

    def test_another_client_is_connected(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(self.path)
            self.assertIn("QMP", greeting(other))
            done = run("-s", self.path, "--limit", "1", "list")
            self.assertEqual(done.returncode, CONNECTION)
            self.assertIn("is busy", done.stderr)
            # It gets its turn when the other one leaves.
            with start("-s", self.path, "--limit", "20", "list") as child:
                time.sleep(0.5)
                self.assertIsNone(child.poll())
                other.close()
                said = child.communicate(timeout=TIME)
        self.assertEqual(child.returncode, DONE, said)

    def test_refused(self):
        said = self.vmemctl(REFUSED, "resize", "vm0", "1M")
        self.assertIn("block size, 2 MiB", said)
        said = self.vmemctl(REFUSED, "resize", "mem0", "1G")
        self.assertIn("there is vm0, vm1", said)


class Own(unittest.TestCase):
    """QEMU's own device, in a VM that runs nothing."""

    def setUp(self) -> None:
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.path = f"{directory}/ctl"
        self.qemu = subprocess.Popen([
            paths.STOCK, "-nodefaults", "-display", "none", "-S",
            "-machine", "q35", "-m", "1G,maxmem=20G", *device(0, "8G"),
            "-qmp", f"unix:{self.path},server=on,wait=off"])
        self.addCleanup(self.qemu.wait)
        self.addCleanup(self.qemu.kill)
        clock = Clock()
        while run("-s", self.path, "list").returncode != DONE:
            self.assertLess(clock.seconds(), TIME)
            time.sleep(0.1)

    def test_it_is_resized_by_its_property(self):
        done = run("-s", self.path, "resize", "vm0", "4G")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn("  4 GiB  8 GiB", run("-s", self.path, "list").stdout)
        self.assertEqual(value(export(self.path),
                               "virtio_mem_requested_size_bytes"), 4 * GiB)

    def test_watch_shares_the_monitor(self):
        with start("-s", self.path, "watch", "--json") as child:
            child.stdout.readline()
            for size in ("1G", "2G", "3G"):
                done = run("-s", self.path, "resize", "vm0", size, "--wait",
                           "--timeout", "1")
                self.assertEqual(done.returncode, PAUSED, done.stderr)
                self.assertIn(f'"requested-size":{int(size[0]) * GiB}',
                              child.stdout.readline())
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=TIME)
        self.assertEqual(child.returncode, INTERRUPTED, said)

    def test_it_quits_meanwhile(self):
        with start("-s", self.path, "resize", "vm0", "4G", "--wait") as child:
            child.stdout.readline()
            self.qemu.terminate()
            said = child.communicate(timeout=TIME)[1]
        self.assertEqual(child.returncode, CONNECTION)
        self.assertEqual(said, "vmemctl: the VM has quit\n")

    def test_it_is_killed_meanwhile(self):
        with start("-s", self.path, "--limit", "1", "resize", "vm0", "4G",
                   "--wait") as child:
            child.stdout.readline()
            self.qemu.kill()
            said = child.communicate(timeout=TIME)[1]
        self.assertEqual(child.returncode, CONNECTION)
        self.assertIn("the VM is gone: cannot connect", said)
