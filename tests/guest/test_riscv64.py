# SPDX-License-Identifier: GPL-2.0-or-later
"""The region for memory devices that a patch gives RISC-V's machine."""

import re
import subprocess

import pytest

from driver import paths

pytestmark = pytest.mark.targets("riscv64")

QEMU = paths.HERE / "qemu-system-riscv64"
DEVICE = ("-object", "memory-backend-ram,id=m,size=1G", "-device",
          "virtio-mem-pci,memdev=m")


def start(memory: str, *words: str) -> subprocess.CompletedProcess:
    """Start it without a guest, ask for its addresses, and end it."""
    return subprocess.run(
        [QEMU, "-M", "virt", "-m", memory, "-bios", "none", "-S", "-display", "none",
         "-serial", "none", "-monitor", "stdio", *words], input="info mtree\nquit\n",
        capture_output=True, text=True, check=False, timeout=60)


def region(memory: str, *words: str) -> tuple[int, int] | None:
    """Where it lies: its first and last address."""
    said = start(memory, *words)
    assert said.returncode == 0 and "riscv_virt_board.ram" in said.stdout, said
    found = re.search(r"\n *([0-9a-f]{16})-([0-9a-f]{16}) .*: device-memory",
                      said.stdout)
    return found and (int(found[1], 16), int(found[2], 16))


@pytest.mark.parametrize("memory, expected", [
    ("1G,maxmem=3G", (0x800000000, 0x87fffffff)),
    ("1G,maxmem=3G,slots=2", (0x800000000, 0x8ffffffff)),
    ("15G,maxmem=16G", (0xc00000000, 0xc3fffffff)),       # the window has moved up
    ("1G", None)])
def test_it_is_behind_the_high_window_of_pci(memory, expected):
    assert region(memory, *(DEVICE if expected else ())) == expected


def test_it_ends_within_the_addresses_of_the_processor():
    top = 2 ** 56 - 0x800000000 + 2 ** 30
    first, last = region(f"1G,maxmem={top}B")
    assert (first, last) == (0x800000000, 2 ** 56 - 1)
    said = start(f"1G,maxmem={top + 2 ** 30}B")
    assert said.returncode == 1
    assert (f"maxmem=0x{top + 2 ** 30:x} is too large: memory devices would be beyond "
            "56 bits of physical addresses") in said.stderr


def test_without_maxmem_the_device_is_refused():
    said = start("1G", *DEVICE)
    assert said.returncode == 1 and "consider specifying the maxmem option" in said.stderr
