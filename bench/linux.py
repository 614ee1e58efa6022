# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a real Linux takes to grow and to shrink (metric 11)."""

import time
from pathlib import Path

from bench.machine import DEVICE, GiB, interleaved
from bench.moves import device
from bench.table import Row
from vmtest.vm import VM

SIZE = 12 * GiB
LOOK = 0.01             # seconds between looks at the size
LONGEST = 120
Timeline = list[tuple[float, float]]    # seconds, GiB


def change(vm: VM, size: int) -> Timeline:
    """Ask for a size and watch until it is reached."""
    began = time.perf_counter()
    vm.cmd("qom-set", path=DEVICE, property="requested-size", value=size)
    seen, timeline = -1, []
    while seen != size:
        seen = vm.cmd("qom-get", path=DEVICE, property="size")
        timeline.append((time.perf_counter() - began, seen / GiB))
        if timeline[-1][0] > LONGEST:
            raise AssertionError(vm.report(
                f"{size} bytes plugged within {LONGEST} s", str(seen)))
        time.sleep(LOOK)
    return timeline


def measure(rounds: int, number: int) -> tuple[list[Row], dict]:
    """The rows, and one timeline of each for the plots."""
    grow = Row(11, "Linux grows by 12 GiB", "s", 0.98)
    shrink = Row(11, "Linux shrinks by 12 GiB", "s", 0.98)
    timelines = {}
    for who, binary in interleaved(rounds):
        for pair in resizes(binary, number):
            for row, timeline in zip((grow, shrink), pair):
                row.values[who].append(timeline[-1][0])
            timelines.setdefault(who, pair)
    return [grow, shrink], timelines


def resizes(binary: Path, number: int) -> list[tuple[Timeline, Timeline]]:
    """So many times up and down in a VM, after once uncounted."""
    with VM("bench-linux", "-m", "1G,maxmem=24G", *device("16G"),
            binary=str(binary)) as vm:
        vm.wait_ready()
        return [(change(vm, SIZE), change(vm, 0))
                for _ in range(number + 1)][1:]
