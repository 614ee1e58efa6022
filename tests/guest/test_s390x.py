# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the resets that s390x has unplug memory, and which leave it."""

import os
import tempfile

import pytest

from vmtest.case import GuestCase, device
from vmtest.gdb import Gdb
from vmtest.memory import GiB

pytestmark = pytest.mark.targets("s390x")

# Registers, as QEMU's gdbstub numbers them.
PSW_MASK, PSW_ADDRESS, R3 = 0, 1, 5
PLAIN = 0x0000000180000000          # 64-bit code, no address translation, no interrupts
CODE = 0x20000
DIAG = bytes.fromhex("83130308")    # diag %r1,%r3,0x308: the subcode is in %r3
STAY = bytes.fromhex("a7f40000")    # j .
# What a CPU goes on with after subcodes 0 and 1 stands at address 0, in 31-bit form.
NEXT = (0x0008000080000000 | (CODE + len(DIAG))).to_bytes(8, "big")


class Resets(GuestCase):
    """A guest with 1 GiB plugged, which each test resets in its own way."""

    directory = tempfile.mkdtemp(prefix="virtio-mem-")
    ARGUMENTS = ("-m", "1G,maxmem=8G", *device(0, "4G"), "-chardev",
                 f"socket,id=gdb,path={directory}/gdb,server=on,wait=off",
                 "-gdb", "chardev:gdb")

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        os.rmdir(cls.directory)

    def setUp(self) -> None:
        super().setUp()
        with self.killing_on_failure():
            self.vm.resize("vm0", GiB)
            self.vm.wait_sizes(vm0=GiB)

    def restore(self) -> None:
        """The next test has a guest of its own if this one's has gone."""
        if f"addr {CODE + len(DIAG):016x}" in self.vm.hmp("info registers"):
            self.vm.cmd("system_reset")
            self.vm.wait_ready()
        super().restore()

    def diagnose(self, subcode: int) -> None:
        """Have the CPU run diagnose 308. It must not wait for an interrupt then."""
        self.vm.sh("(while :; do :; done) > /dev/null 2>&1 &")
        with Gdb(f"{self.directory}/gdb") as gdb:
            gdb.register(PSW_MASK, PLAIN.to_bytes(8, "big"))
            gdb.register(PSW_ADDRESS, CODE.to_bytes(8, "big"))
            gdb.register(R3, subcode.to_bytes(8, "big"))
            gdb.write(CODE, DIAG + STAY)
            gdb.write(0, NEXT)

    def driver_is_there(self) -> bool:
        """Whether the device has a driver, or has been reset."""
        status = self.vm.cmd("x-query-virtio-status", path=(
            "/machine/peripheral/vm0/virtio-backend"))["status"]
        return any("DRIVER_OK" in text for text in status["statuses"])

    def assert_stays(self, subcode: int) -> None:
        """The subsystem is reset, devices with it; memory stays as it is."""
        self.assertTrue(self.driver_is_there())
        self.diagnose(subcode)
        self.vm.until(False, self.driver_is_there, "the driver's being there", 10)
        self.assertIn(f"addr {CODE + len(DIAG):016x}", self.vm.hmp("info registers"))
        self.assertEqual(self.vm.sizes(), {"vm0": GiB})

    def assert_goes_and_comes(self) -> None:
        """All memory is unplugged; the new kernel plugs what is requested."""
        self.vm.event_wait("RESET", 30)
        self.vm.until({"vm0": 0}, self.vm.sizes, "sizes before the guest is up", 1)
        self.vm.wait_ready()
        self.vm.wait_sizes(vm0=GiB)

    def test_subcode_0_modified_clear_leaves_memory(self):
        self.assert_stays(0)

    def test_subcode_1_load_normal_leaves_memory(self):
        self.assert_stays(1)

    def test_subcode_3_load_clear_unplugs(self):
        self.diagnose(3)
        self.assert_goes_and_comes()

    def test_a_reboot_of_linux_unplugs(self):
        self.vm.sh("(sleep 1; reboot -f) > /dev/null 2>&1 &")
        self.assert_goes_and_comes()

    def test_system_reset_unplugs(self):
        self.vm.cmd("system_reset")
        self.assert_goes_and_comes()
