# SPDX-License-Identifier: GPL-2.0-or-later
"""Block sizes from the usual one to that of Linux's own memory blocks."""

import pytest

from vmtest.case import GuestCase, device
from vmtest.memory import GiB, MiB
from vmtest.target import TARGET

pytestmark = pytest.mark.targets


class BlockSize(GuestCase):
    """One VM with a device of each block size."""

    ARGUMENTS = ("-m", "2G,maxmem=30G", *(
        word for block in TARGET.blocks
        for word in device(block // MiB, "4G", f"block-size={block}")))

    def test_whole_blocks_up_and_down_to_the_very_last_one(self):
        for block in TARGET.blocks:
            with self.subTest(block=block):
                name, unit = f"vm{block // MiB}", max(block, TARGET.step)
                self.assertEqual(self.vm.devices()[name]["block-size"], block)
                for size in (unit, GiB + unit, 3 * unit, unit, 0):
                    self.vm.resize(name, size)
                    self.vm.wait_sizes(**{name: size})
