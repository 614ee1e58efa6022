# SPDX-License-Identifier: GPL-2.0-or-later
"""What a device costs that may be large, with nothing plugged: a QEMU starts, beside
one that has no device."""

import re
import statistics
import subprocess
import time
from pathlib import Path

from bench.machine import BINARIES, GiB

SIZES = (8, 1024, 16 * 1024)        # GiB
NONE = 0
SETTLES = 0.1                       # seconds until all threads have begun
Costs = dict[tuple[str, int], list[tuple[float, float]]]


def measure(rounds: int) -> Costs:
    """Milliseconds until the monitor answers, and MiB, by binary and GiB."""
    costs: Costs = {}
    for number in range(rounds):
        for size in (NONE, *SIZES):
            for who in list(BINARIES)[::-1 if number % 2 else 1]:
                costs.setdefault((who, size), []).append(
                    once(BINARIES[who], size * GiB))
    return costs


def once(binary: Path, size: int) -> tuple[float, float]:
    """One VM."""
    device = ("-object", f"memory-backend-ram,id=mem0,size={size},reserve=off",
              "-device", "virtio-mem-pci,id=vm0,memdev=mem0") if size else ()
    began = time.perf_counter()
    with subprocess.Popen(
            [str(binary), "-machine", "q35", "-accel", "tcg", "-cpu",
             "qemu64,phys-bits=48", "-m", "256M,maxmem=32T", "-nodefaults",
             "-no-user-config", "-display", "none", "-S", "-qmp", "stdio", *device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as vm:
        vm.stdout.readline()
        start = 1000 * (time.perf_counter() - began)
        time.sleep(SETTLES)
        status = Path(f"/proc/{vm.pid}/status").read_text(encoding="ascii")
        vm.kill()
    return start, int(re.search(r"VmRSS:\s*(\d+)", status).group(1)) / 1024


def table(costs: Costs) -> str:
    """Medians; memory is what a QEMU without the device does not take."""
    def median(who: str, size: int, what: int) -> float:
        return statistics.median(seen[what] for seen in costs[who, size])

    lines = ["| maximum | start, ms: stock | ours | memory of QEMU, MiB: stock | "
             "ours |", "| --- | --- | --- | --- | --- |"]
    for size in (NONE, *SIZES):
        cells = [f"{median(who, size, 0):.3g}" for who in BINARIES]
        cells += [f"{median(who, size, 1) - median(who, NONE, 1):.3g}"
                  for who in BINARIES]
        lines.append(f"| {f'{size} GiB' if size else 'no device'} | "
                     f"{' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
