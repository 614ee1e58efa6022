# SPDX-License-Identifier: GPL-2.0-or-later
"""What things cost when the device is large, or much of it is plugged."""

import statistics
import time
from pathlib import Path
from typing import Callable

from bench.machine import GiB, THP, Guest, interleaved
from bench.kicks import BATCH, LONG, WARM

SIZES = (8, 32, 128, 256, 512, 1024)        # GiB
SOME = GiB                                  # plugged while the maximum varies
KICKS = 150
WHATS = ("PLUG of a block, µs", "UNPLUG of a block, µs",
         "start of QEMU, ms", "system reset, ms")
Costs = dict[tuple[str, str, str, int], list[float]]


def measure(rounds: int, speed: float) -> Costs:
    """Costs by what varies, what is done, who does it, and GiB."""
    costs: Costs = {}
    for size in SIZES:
        for who, binary in interleaved(rounds):
            for varied, plugged in (("maximum", SOME), ("plugged", size * GiB)):
                seen = once(binary, size * GiB, plugged, speed)
                for what, value in zip(WHATS, seen):
                    costs.setdefault((varied, what, who, size),
                                     []).append(value)
    return costs


def once(binary: Path, size: int, plugged: int,
         speed: float) -> tuple[float, ...]:
    """One VM, and what is done to it, in the order of WHATS."""
    began = time.perf_counter()
    with Guest(binary, f"f{KICKS}", THP, size,
               f",requested-size={plugged},ioeventfd=off") as vm:
        vm.wait_done(LONG)
        ticks = vm.ticks()
        plug, unplug = (
            statistics.median(1e6 * value / speed / BATCH
                              for value in part[WARM:])
            for part in (ticks[::2], ticks[1::2]))
        start = vm.greeted - began
        reset = duration(lambda: (vm.ask("system_reset"),
                                  vm.ask("query-status")))
    return plug, unplug, 1000 * start, 1000 * reset


def duration(work: Callable) -> float:
    """How many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def largest(costs: Costs) -> str:
    """A table: each cost at both ends of the scale."""
    lines = ["| varied | cost | stock 8 GiB | stock 1 TiB | ours 8 GiB | "
             "ours 1 TiB |", "| --- | --- | --- | --- | --- | --- |"]
    for varied in ("maximum", "plugged"):
        for what in WHATS:
            cells = (f"{statistics.median(costs[varied, what, who, size]):.3g}"
                     for who in ("stock", "ours")
                     for size in (SIZES[0], SIZES[-1]))
            lines.append(f"| {varied} | {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
