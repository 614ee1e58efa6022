# SPDX-License-Identifier: GPL-2.0-or-later
"""Amounts of memory, and what a Linux kernel says about its own."""

import re
from typing import NamedTuple

MiB = 1 << 20
GiB = 1 << 30


class Memory(NamedTuple):
    """What the guest's kernel counts as its memory, in bytes."""

    total: int
    nodes: dict[int, int]

    @classmethod
    def parse(cls, text: str) -> "Memory":
        """Read the kernel's meminfo files, one after the other."""
        [total] = re.findall(r"^MemTotal: +(\d+) kB$", text, re.M)
        nodes = re.findall(r"^Node (\d+) MemTotal: +(\d+) kB$", text, re.M)
        return cls(int(total) * 1024,
                   {int(node): int(kib) * 1024 for node, kib in nodes})

    def since(self, base: "Memory") -> "Memory":
        """How much more it is than `base` was."""
        return Memory(self.total - base.total,
                      {node: size - base.nodes.get(node, 0)
                       for node, size in self.nodes.items()})
