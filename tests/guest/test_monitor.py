# SPDX-License-Identifier: GPL-2.0-or-later
"""The human monitor, as a user types into it; no guest is needed for that."""

import os
import subprocess
import unittest

from driver import paths

from vmtest.case import device
from vmtest.vm import default_binary


class HumanMonitor(unittest.TestCase):
    """QEMU with its monitor on a pipe, where the line editor works as well."""

    def typed(self, *lines: str) -> str:
        """What QEMU prints while these lines are typed."""
        return subprocess.run(
            [default_binary(), "-nodefaults",
             "-no-user-config", "-display", "none", "-S", "-machine", "q35",
             "-monitor", "stdio", "-m", "256M,maxmem=8G", *device(0, "1G"),
             "-device", "virtio-rng-pci,id=vmrng",
             "-object", "memory-backend-ram,id=other,size=1G,reserve=off",
             "-device", "virtio-mem-pci,id=xmem,memdev=other"],
            input="\n".join((*lines, "info memory-devices", "quit", "")),
            capture_output=True, text=True, timeout=60, check=True).stdout

    def test_tab_completes_the_id_of_a_memory_device(self):
        output = self.typed("memory-device-resize v\t 512")
        self.assertIn("requested-size: 536870912", output)

    def test_tab_offers_memory_devices_only(self):
        output = self.typed("memory-device-resize \t\t")
        offered, _, _ = output.partition("info memory-devices")
        self.assertIn("vm0", offered)
        self.assertIn("xmem", offered)
        self.assertNotIn("vmrng", offered)
