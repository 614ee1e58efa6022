# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a guest has memory that is populated in advance (prealloc-reserve)."""

import statistics
import time
from pathlib import Path

from driver import paths, ui
from bench.machine import BACKENDS, DEVICE, GiB, Backend, Guest, warm

SIZE = GiB
FILLED_WITHIN = 60      # seconds
WAYS = {
    "stock, without prealloc": (paths.STOCK, ""),
    "stock, prealloc": (paths.STOCK, ",prealloc=on"),
    "ours, without prealloc": (paths.QEMU, ""),
    "ours, prealloc": (paths.QEMU, ",prealloc=on"),
    "ours, from the reserve": (paths.QEMU, f",prealloc=on,prealloc-reserve={SIZE}"),
}
Costs = dict[tuple[str, str], list[float]]


def measure(rounds: int, speed: float) -> Costs:
    """Milliseconds of a PLUG of 1 GiB, as the guest sees it, by memory and way."""
    costs: Costs = {}
    for number in range(rounds):
        for backend in BACKENDS:
            for way in list(WAYS)[::-1 if number % 2 else 1]:
                costs.setdefault((backend.name, way), []).append(
                    1000 * once(*WAYS[way], backend, speed))
    return costs


def once(binary: Path, options: str, backend: Backend, speed: float) -> float:
    """Seconds, in one VM."""
    with Guest(binary, "l", backend, 2 * SIZE, options) as vm:
        warm(SIZE)
        if "reserve" in options:
            await_reserve(vm)
        vm.ask("qom-set", path=DEVICE, property="requested-size", value=SIZE)
        while not vm.ticks():
            time.sleep(0.01)
        return vm.ticks()[-1] / speed


def await_reserve(vm: Guest) -> None:
    """Until all of it is there."""
    deadline = time.monotonic() + FILLED_WITHIN
    while vm.ask("query-memory-devices")[0]["data"]["prealloc-reserve"] < SIZE:
        if time.monotonic() > deadline:
            raise ui.Fail("the reserve was not populated within "
                          f"{FILLED_WITHIN} s: see {ui.shown(vm.log)}")
        time.sleep(0.05)


def table(costs: Costs) -> str:
    """Medians, and the smallest and the largest value."""
    lines = ["| memory | " + " | ".join(WAYS) + " |",
             "| --- " * (len(WAYS) + 1) + "|"]
    for name in dict.fromkeys(key[0] for key in costs):
        cells = [f"{statistics.median(seen):.3g} ({min(seen):.3g}–{max(seen):.3g})"
                 for seen in (costs[name, way] for way in WAYS)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
