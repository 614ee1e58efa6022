# SPDX-License-Identifier: GPL-2.0-or-later
"""Block sizes from the usual one to that of Linux's own memory blocks."""

import unittest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB


class BlockSize(GuestCase):
    """One VM with a device of each block size."""

    ARGUMENTS = (
        "-m", "2G,maxmem=30G",
        *device(2, "4G", "block-size=2M"), *device(4, "4G", "block-size=4M"),
        *device(128, "4G", "block-size=128M"))

    def grow_and_shrink(self, name: str, block: int) -> None:
        """Whole blocks only, up and down, to the very last one."""
        self.assertEqual(self.vm.devices()[name]["block-size"], block)
        for size in (block, GiB + block, 3 * block, block, 0):
            self.vm.resize(name, size)
            self.vm.wait_sizes(**{name: size})

    def test_blocks_of_2_MiB_grow_and_shrink(self):
        self.grow_and_shrink("vm2", 2 * MiB)

    def test_blocks_of_4_MiB_grow_and_shrink(self):
        self.grow_and_shrink("vm4", 4 * MiB)

    def test_blocks_of_128_MiB_grow_and_shrink(self):
        self.grow_and_shrink("vm128", 128 * MiB)
