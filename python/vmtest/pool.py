# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's pool of huge pages of 2 MiB, for one test at a time."""

import fcntl
import re
from pathlib import Path

from vmtest.memory import MiB

POOL = Path("/proc/sys/vm/nr_hugepages")
PAGE = 2 * MiB


class Pool:
    """The pool while a test has it; afterwards it is as it was.

    All tests of this machine wait for each other here.
    """

    def __enter__(self) -> "Pool":
        self.lock = POOL.open(encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.before = POOL.read_text(encoding="ascii")
        return self

    def __exit__(self, *_) -> None:
        POOL.write_text(self.before, encoding="ascii")
        self.lock.close()

    def allow(self, size: int) -> None:
        """Have so many bytes of pages, or as many as the host can make."""
        POOL.write_text(str(size // PAGE), encoding="ascii")

    def has(self, size: int) -> bool:
        """Whether there are so many."""
        return int(POOL.read_text(encoding="ascii")) * PAGE >= size

    @staticmethod
    def free() -> int:
        """How many bytes of them nobody uses."""
        [pages] = re.findall(r"^HugePages_Free: +(\d+)$",
                             Path("/proc/meminfo").read_text(encoding="ascii"), re.M)
        return int(pages) * PAGE
