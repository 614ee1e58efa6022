# SPDX-License-Identifier: GPL-2.0-or-later
"""The VMs that the benchmark measures, with the guest that times itself."""

import ctypes
import mmap
import struct
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from driver import paths, ui
from vmtest import bare, image

BINARIES = {"stock": paths.STOCK, "ours": paths.QEMU}
SOURCE = image.HERE / "bench.c"
IMAGE = paths.BUILD / "bench" / "guest.bin"
LOGS = paths.LOGS / "bench"
SAMPLES = 0x210000      # where bench.c has them: now, number, ticks
DONE = 2                # its last stage
DEVICE = "/machine/peripheral/vm0"
MiB, GiB = 1 << 20, 1 << 30
BLOCK = 2 * MiB
THP_DISABLE = 41        # of prctl()
POPULATE_WRITE = 23     # of madvise()
CALIBRATION = 0.3       # seconds


@dataclass(frozen=True)
class Backend:
    """Memory of the host, and how large its pages may be."""

    name: str
    kind: str
    huge: bool


THP = Backend("anonymous, huge pages", "memory-backend-ram", True)
SMALL = Backend("anonymous, 4 KiB pages", "memory-backend-ram", False)
MEMFD = Backend("memfd", "memory-backend-memfd", True)
BACKENDS = (THP, SMALL, MEMFD)


def interleaved(rounds: int) -> Iterator[tuple[str, Path]]:
    """Both binaries in turn, and who is first changes."""
    for number in range(rounds):
        order = list(BINARIES.items())
        yield from order[::-1] if number % 2 else order


@contextmanager
def pages(huge: bool) -> Iterator[None]:
    """Whether QEMUs that are started now get huge pages."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(THP_DISABLE, int(not huge), 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(THP_DISABLE, 0, 0, 0, 0)


class Guest(bare.VM):
    """QEMU with bench.c; `size` is that of the device."""

    def __init__(self, binary: Path, mode: str, backend: Backend, size: int,
                 options: str = "", prefix: tuple = ()):
        LOGS.mkdir(parents=True, exist_ok=True)
        machine = (
            "-machine", "q35", "-cpu", "max,phys-bits=48", "-accel", "tcg",
            "-name", "measured,debug-threads=on",
            "-m", f"128M,maxmem={size + GiB}B", "-nodefaults",
            "-no-user-config", "-display", "none",
            "-object", f"{backend.kind},id=mem0,size={size},reserve=off",
            "-device", "virtio-mem-pci,id=vm0,memdev=mem0,"
                       f"block-size={BLOCK}{options}")
        with pages(backend.huge):
            super().__init__(binary, IMAGE, mode, LOGS / f"{mode}.log",
                             machine, prefix)

    def wait_done(self, seconds: float) -> None:
        """Until the guest has made all its requests."""
        deadline = time.monotonic() + seconds
        while (counters := self.counters())[2] != DONE:
            if time.monotonic() > deadline:
                raise ui.Fail(f"the measured guest made only {counters[0]} "
                              f"requests in {seconds} s: see "
                              f"{ui.shown(self.log)}")
            time.sleep(0.05)
        if counters[1]:
            raise ui.Fail(f"{counters[1]} of the {counters[0]} requests of "
                          "the measured guest got other answers than ACK")

    def words(self, at: int, number: int) -> tuple[int, ...]:
        """So many numbers of 8 bytes out of the guest's memory."""
        with tempfile.NamedTemporaryFile() as file:
            self.ask("pmemsave", val=at, size=8 * number, filename=file.name)
            return struct.unpack(f"<{number}Q", Path(file.name).read_bytes())

    def ticks(self) -> tuple[int, ...]:
        """What the guest has measured so far."""
        number = self.words(SAMPLES + 8, 1)[0]
        return self.words(SAMPLES + 16, number) if number else ()


def ticks_per_second() -> float:
    """How fast the counter runs that guests read."""
    with Guest(paths.STOCK, "s1", THP, GiB, f",requested-size={GiB}") as vm:
        vm.wait_done(60)
        first, began = vm.words(SAMPLES, 1)[0], time.monotonic()
        time.sleep(CALIBRATION)
        last, ended = vm.words(SAMPLES, 1)[0], time.monotonic()
    return (last - first) / (ended - began)


def warm(size: int) -> None:
    """Have the host find so much of the memory that it will give next. What
    was never used, or lay idle for some seconds, is ten times slower in a
    host that is itself a VM."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, size, flags=flags) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        memory.madvise(POPULATE_WRITE)
