# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the monitor takes to answer while a guest floods the device: a table,
ours beside QEMU's own (`make flood`).

The two binaries take turns, a fresh VM each time, so that whatever else the
machine does meets both alike.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from driver import paths, ui
from vmtest import image
from vmtest.bare import VM, NoAnswer

CASES = {
    "idle": "the guest does nothing",
    "control": "reads a register of another device in a loop",
    "doorbell": "kicks in a loop, and an empty ring",
    "state": "a ring full of STATE",
    "unplug-all": "a ring full of UNPLUG ALL with nothing plugged",
    "plug": "a ring full of PLUG 64 MiB and UNPLUG ALL in turn",
    "memory": "PLUG 64 MiB, write to every page, UNPLUG ALL, again",
}
ROUNDS = 4
LIMIT = 0.050   # seconds, for 99 of 100 answers
LOGS = paths.LOGS / "flood"


@dataclass
class Result:
    """What was measured of one binary in one case."""

    seconds: list = field(default_factory=list)
    answered: int = 0       # requests of the guest during the measurement
    unexpected: int = 0     # of them, answers other than ACK
    time: float = 0.0

    def quantile(self, share: float) -> float:
        """The time within which that share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    def figures(self) -> str:
        """p50, p99 and the longest in milliseconds, and the guest's rate."""
        times = "".join(f"{1000 * self.quantile(share):9.2f}"
                        for share in (0.50, 0.99, 1))
        rate = self.answered / self.time if self.time else 0
        return f"{times} {rate:12.0f}"


def measure(result: Result, binary: Path, case: str, count: int) -> None:
    """One round: start the VM, let it flood, ask `count` times."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{binary.parent.name}-{case}.log"
    try:
        with VM(binary, image.IMAGE, case, log) as vm:
            time.sleep(0.1)
            before, began = vm.counters(), time.monotonic()
            seconds = vm.time_answers(count)
            result.seconds += seconds
            result.time += time.monotonic() - began
            if seconds[-1] < math.inf:
                after = vm.counters()
                result.answered += after[0] - before[0]
                result.unexpected += after[1]
    except NoAnswer:
        result.seconds.append(math.inf)


def compare(count: int) -> int:
    """Print the table; ours must stay below the limit."""
    binaries = {"ours": paths.QEMU, "stock": paths.STOCK}
    for verb, binary in zip(("make", "make stock"), binaries.values()):
        if not binary.exists():
            raise ui.Fail(f"{ui.shown(binary)} is missing: run {verb} first")
    print(f"milliseconds for an answer to query-status ({count} times each) "
          "under flood;\nrequests of the guest answered in a second\n")
    print(f"{'':18}{'p50':>9}{'p99':>9}{'max':>9} {'requests/s':>12}")
    slow = 0
    for case, text in CASES.items():
        results = {name: Result() for name in binaries}
        for number in range(ROUNDS):
            order = list(binaries.items())
            for name, binary in order[::-1] if number % 2 else order:
                measure(results[name], binary, case, count // ROUNDS)
        print(f"{case}: {text}")
        for name, result in results.items():
            print(f"  {name:16}{result.figures()}", flush=True)
        slow += results["ours"].quantile(0.99) >= LIMIT
    if slow:
        raise ui.Fail(f"in {slow} cases the monitor of ours needed more than "
                      f"{1000 * LIMIT:.0f} ms: repeat it on an idle machine, "
                      "then look at how long the device holds the main loop")
    return 0


def main() -> int:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000,
                        help="how often to ask in each case")
    image.build()
    return compare(parser.parse_args().count)


if __name__ == "__main__":
    sys.exit(ui.main(main))
