# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk of vhost-user whose back end is a real one, QEMU's storage daemon.

The back end maps what the VM has as memory. The guest reads the disk into
plugged memory while slots of that come and go.
"""

import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from driver import paths
from vmtest.case import GuestCase
from vmtest.memory import GiB, MiB
from vmtest.vm import LOGS, Unexpected

DISK = 48 * MiB
SLOT = 128 * MiB
# Reads the whole disk again and again, past the cache and through it, until
# something is not as it was.
READ = ("(while echo 1 > /proc/sys/vm/drop_caches &&"
        " test \"$(dd if=/dev/vda bs=32M iflag=direct 2>/dev/null | md5sum)\" = \"$1\" &&"
        " test \"$(md5sum < /dev/vda)\" = \"$1\"; do echo >> /run/rounds; done;"
        " echo > /run/damaged) > /dev/null 2>&1 &")
WITHIN = 10     # seconds in which the back end has to be there


class VhostUserBlk(GuestCase):
    """The guest reads more at once than its own 256 MiB leave."""

    ARGUMENTS = (
        "-m", "256M,maxmem=8G", "-machine", "memory-backend=ram",
        "-object", "memory-backend-memfd,id=ram,size=256M",
        "-object", "memory-backend-memfd,id=mem0,size=4G,reserve=off",
        "-device", "virtio-mem-pci,id=vm0,memdev=mem0,dynamic-memslots=on,"
                   f"memslot-size={SLOT}")
    own = ARGUMENTS
    directory: Path
    daemon: subprocess.Popen

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(tempfile.mkdtemp(prefix="vhost-user-"))
        with open(cls.directory / "disk", "wb") as disk:
            for number in range(DISK // MiB):
                disk.write(random.Random(number).randbytes(MiB))
        where = cls.directory / "socket"
        with open(LOGS / "storage-daemon.log", "w", encoding="utf-8") as log:
            cls.daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(paths.STORAGE_DAEMON),
                 "--blockdev", f"file,node-name=disk,filename={cls.directory}/disk,"
                               "read-only=on",
                 "--export", "vhost-user-blk,id=export,node-name=disk,"
                             f"addr.type=unix,addr.path={where}"],
                stdout=log, stderr=log)
        deadline = time.monotonic() + WITHIN
        while not where.exists():
            if cls.daemon.poll() is not None or time.monotonic() > deadline:
                raise Unexpected(f"no back end: see {log.name}")
            time.sleep(0.05)
        cls.ARGUMENTS = (*cls.own, "-chardev", f"socket,id=disk,path={where}",
                         "-device", "vhost-user-blk-pci,chardev=disk")

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.daemon.terminate()
        cls.daemon.wait()
        shutil.rmtree(cls.directory)

    def mapped(self) -> int:
        """How much of the device's memory the back end maps."""
        maps = Path(f"/proc/{self.daemon.pid}/maps").read_text()
        return sum(int(end, 16) - int(start, 16) for start, end in (
            line.split()[0].split("-") for line in maps.splitlines()
            if "memfd:" in line)) - 256 * MiB

    def rounds(self) -> int:
        """How often the guest has read it all, without a fault."""
        self.assertEqual(self.vm.status("test -e /run/damaged")[0], 1)
        return int(self.vm.sh("cat /run/rounds 2>/dev/null | wc -l"))

    def test_reading_goes_on_while_slots_come_and_go(self):
        self.assertEqual(self.vm.devices()["vm0"]["memslots"], 4 * GiB // SLOT)
        self.vm.resize("vm0", GiB)
        self.vm.wait_sizes(vm0=GiB)
        whole = self.vm.sh("md5sum < /dev/vda", 60)
        self.vm.sh(f"set -- '{whole}'; {READ}")
        for size in (2 * GiB, 512 * MiB, 3 * GiB + 2 * MiB, 512 * MiB, GiB, 0):
            before = self.rounds()
            self.vm.resize("vm0", size)
            self.vm.wait_sizes(vm0=size)
            self.assertGreaterEqual(self.mapped(), size)
            self.vm.until(True, lambda: self.rounds() > before,
                          "the disk to be read once more", 120)
        self.vm.until(0, self.mapped, "what the back end maps of the device", 30)
