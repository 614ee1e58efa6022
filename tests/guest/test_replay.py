# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded guest that plugs memory can be replayed.

What the device does must then depend on nothing but the recorded events: not on
when a thread of the host is done, nor on the host's clock.
"""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from vmtest.memory import GiB
from driver import paths
from vmtest.vm import LOGS, base_arguments, default_binary

TIMEOUT = 280   # for each of two runs; on a busy host one took 30 s
PLUGGED = GiB


class Replay(unittest.TestCase):
    """Two runs of one guest: one that is recorded, one that is replayed."""

    MEMORY = f"memory-backend-memfd,id=mem0,size={4 * GiB}"
    DEVICE = ("virtio-mem-pci,id=vm0,memdev=mem0,prealloc=on,"
              f"requested-size={PLUGGED}")

    def run_guest(self, mode: str, directory: str) -> str:
        """Let the guest boot, plug and power off; return its console."""
        console = LOGS / f"replay.{mode}.console.log"
        LOGS.mkdir(parents=True, exist_ok=True)
        console.unlink(missing_ok=True)
        words = ["setpriv", "--pdeathsig", "KILL",
                 default_binary(),
                 *base_arguments(f"vm.poweroff={PLUGGED // 1024}",
                                 kind="tcg,thread=single"), "-machine", "q35",
                 "-display", "none", "-no-reboot", "-m", "1G,maxmem=8G",
                 "-object", self.MEMORY, "-device", self.DEVICE,
                 "-serial", f"file:{console}",
                 "-icount", f"shift=3,rr={mode},rrfile={directory}/recording"]
        try:
            result = subprocess.run(words, timeout=TIMEOUT, check=False,
                                    stdin=subprocess.DEVNULL, text=True,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            self.fail(f"expected the guest to end within {TIMEOUT} s ({mode}); "
                      f"it still runs, and its console ends with:\n"
                      f"{tail(console)}\n  guest's console: {console}")
        self.assertEqual(result.returncode, 0, f"status of QEMU ({mode}), which"
                         f" said:\n{result.stdout}\n"
                         f"  guest's console: {console}")
        return console.read_text(errors="replace")

    def test_memory_that_is_populated_is_plugged_again_in_a_replay(self):
        with tempfile.TemporaryDirectory() as directory:
            recorded = self.run_guest("record", directory)
            self.assertIn("MemTotal:", recorded)
            self.assertIn("Power down", recorded)
            replayed = self.run_guest("replay", directory)
        self.assertEqual(replayed, recorded)


def tail(file: Path) -> str:
    """The last lines of a log, if there is one."""
    return file.read_text(errors="replace")[-1500:] if file.exists() else ""
