# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes who needs the device at rest, while a request of any size is on
its way.

The guest plugs or unplugs all in one request. A moment later the VM is stopped, reset
or ended; what is measured is the time until the monitor answers, with the waits for a
processor taken off, as in stall.py, or until QEMU has ended, with them, and with what
Linux needs to take its memory back.
"""

import statistics
import time
from pathlib import Path

from bench.machine import BINARIES, DEVICE, GiB, MEMFD, THP, Backend, Guest, warm
from bench.stall import Monitor

# Bytes and memory. Of 256 GiB only what is populated in the moment is ever there,
# and QEMU's own device would not stop before the host has no memory left.
CASES = ((2, MEMFD, BINARIES), (16, THP, BINARIES), (256, THP, ("ours",)))
COMMANDS = ("stop", "system_reset", "quit")
MOMENT = 0.03           # seconds
Costs = dict[tuple[int, str, str, str], list[float]]


def measure(rounds: int) -> Costs:
    """Milliseconds, by GiB, request, command and binary."""
    costs: Costs = {}
    for number in range(rounds):
        for size, backend, whose in CASES:
            for command in COMMANDS:
                for who in list(whose)[::-1 if number % 2 else 1]:
                    for plug in (True, False):
                        if not plug and size > 16:
                            continue    # it would have to be there
                        costs.setdefault(
                            (size, "PLUG" if plug else "UNPLUG", command, who), []
                        ).append(once(BINARIES[who], backend, size * GiB, plug,
                                      command))
    return costs


def once(binary: Path, backend: Backend, size: int, plug: bool, command: str
         ) -> float:
    """One VM."""
    with Guest(binary, "l", backend, size, ",prealloc=on") as vm:
        monitor = Monitor(vm, 1)
        try:
            if not plug:
                monitor.change(size)
            elif size <= 16 * GiB:
                warm(size)
            vm.socket.settimeout(60)
            vm.ask("qom-set", path=DEVICE, property="requested-size",
                   value=size if plug else 0)
            time.sleep(MOMENT)
            began = time.perf_counter()
            if command != "quit":
                return 1000 * max(0, monitor.timed(began, command).net)
            vm.ask(command)
            vm.child.wait()
            return 1000 * (time.perf_counter() - began)
        finally:
            monitor.waits.close()


def table(costs: Costs) -> str:
    """Medians, and the smallest and the largest value."""
    lines = ["| on its way | then | stock, ms | ours, ms |", "| --- | --- | --- | --- |"]
    for size, what, command in dict.fromkeys(key[:3] for key in costs):
        cells = []
        for who in BINARIES:
            seen = costs.get((size, what, command, who))
            cells.append(f"{statistics.median(seen):.3g} ({min(seen):.3g}–"
                         f"{max(seen):.3g})" if seen else "not tried")
        lines.append(f"| {what} of {size} GiB | `{command}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
