# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure our device beside QEMU's own, and write build/bench/report.md.

    python3 -m bench [--quick] [--only PART...] [--rounds N]

docs/devel/performance.md explains what is measured and how.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import (kicks, linux, machine, memslots, moves, plots, rom, size, stall,
                   table, ways)
from bench import comparison as compared
from bench import maximum as possible
from bench import protection as protected
from bench import replay as replayed
from bench import reserve as ahead
from bench import rest as waits
from driver import packages, paths, ui
from vmtest import image

OUT = paths.BUILD / "bench"
PRIORITY = -15          # as nice takes it; QEMU inherits it


@dataclass
class Report:
    """All that was measured."""

    quick: bool
    rounds: int | None
    load: float
    speed: float = 0.0
    rows: list[table.Row] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)

    def times(self, full: int, quick: int) -> int:
        """How many rounds, unless the user has said."""
        return self.rounds or (quick if self.quick else full)

    def text(self) -> str:
        """The report."""
        rows = sorted(self.rows, key=lambda row: row.number)
        missed = [row for row in rows if row.met() is False]
        return "\n".join([
            "# Our device beside QEMU's own\n", about(self.quick),
            f"The machine's load was {self.load:.1f} when it began.\n",
            "Medians, and the smallest and the largest value of all rounds.\n",
            table.markdown(rows),
            f"{len(missed)} goals missed.\n", *self.sections])


def instructions(report: Report) -> None:
    """Metric 1."""
    report.rows += kicks.instructions()


def requests(report: Report) -> None:
    """Metrics 2 and 3."""
    report.rows += kicks.times(report.times(15, 5), report.speed)


def discards(report: Report) -> None:
    """Metric 4."""
    report.rows += kicks.discards()


def stalls(report: Report) -> None:
    """Metrics 5 to 7."""
    rows, series = stall.measure(report.times(3, 1), 1 if report.quick else 2,
                                 report.speed)
    report.rows += rows
    plots.stalls(series, OUT / "stall.svg")
    plots.monitor(series, OUT / "monitor.svg")
    report.sections.append(
        "## The monitor during a plug and an unplug of 4 GiB\n\n"
        "![round trips of the monitor](stall.svg)\n")


def migrations(report: Report) -> None:
    """Metrics 8 to 10."""
    report.rows += moves.measure(report.times(4, 1))


def resizes(report: Report) -> None:
    """Metric 11."""
    rows, timelines = linux.measure(report.times(5, 2), 2)
    report.rows += rows
    plots.timeline(timelines, OUT / "timeline.svg")
    report.sections.append("## A resize of Linux\n\n"
                           "![what is plugged](timeline.svg)\n")


def other_ways(report: Report) -> None:
    """Metric 12."""
    rows, timelines = ways.measure(report.times(7, 2))
    report.rows += rows
    plots.ways(timelines, OUT / "ways.svg")
    report.sections.append("## Other ways to take memory back\n\n"
                           "![what is given back](ways.svg)\n")


def kvm(report: Report) -> None:
    """Metrics 13 to 15."""
    report.rows += rom.measure(report.times(7, 3))


def sizes(report: Report) -> None:
    """Costs against size."""
    costs = size.measure(report.times(3, 1), report.speed)
    plots.against_size(costs, OUT / "size.svg")
    report.sections.append(
        "## What size costs\n\nMedians.\n\n" + size.largest(costs)
        + "\n![costs against size](size.svg)\n")


def maximum(report: Report) -> None:
    """Costs of what may be plugged."""
    costs = possible.measure(report.times(9, 3))
    report.sections.append("## What the maximum costs\n\nMedians.\n\n"
                           + possible.table(costs))


def slots(report: Report) -> None:
    """Costs of memory slots."""
    costs = memslots.measure(report.times(3, 1))
    report.sections.append("## What memory slots cost\n\nMedians.\n\n"
                           + memslots.table(costs))


def rest(report: Report) -> None:
    """Who waits for the host's memory."""
    costs = waits.measure(report.times(3, 1))
    report.sections.append("## Who needs the device at rest\n\nMedians.\n\n"
                           + waits.table(costs))


def reserve(report: Report) -> None:
    """What a reserve is good for."""
    costs = ahead.measure(report.times(5, 2), report.speed)
    report.sections.append("## PLUG of 1 GiB from a reserve, ms\n\nMedians.\n\n"
                           + ahead.table(costs))


def replay(report: Report) -> None:
    """What it takes to learn what is plugged, in both series of QEMU."""
    costs = replayed.measure(report.times(3, 1))
    report.sections.append("## Replay of what is plugged of 1 TiB, µs\n\nMedians.\n\n"
                           + replayed.table(costs))


def protection(report: Report) -> None:
    """Costs of the protection of unplugged memory."""
    costs = protected.measure(report.times(3, 1), report.speed)
    report.sections.append("## What protection costs\n\nMedians.\n\n"
                           + protected.table(costs))


def comparison(report: Report) -> None:
    """The other ways to change the memory of a guest."""
    found = compared.measure()
    report.sections.append("## Ways to change the memory of a guest\n\n"
                           + compared.table(found))


PARTS = {part.__name__: part for part in (
    requests, stalls, discards, instructions, sizes, maximum, rest, reserve, slots,
    protection, resizes, other_ways, comparison, migrations, kvm, replay)}


def about(quick: bool) -> str:
    """Where and of what the figures are."""
    cpu = re.search(r"model name\s*: (.*)",
                    Path("/proc/cpuinfo").read_text(encoding="ascii"))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    huge = Path("/sys/kernel/mm/transparent_hugepage")
    modes = ", ".join(
        f"{name} {file.read_text().partition('[')[2].partition(']')[0]}"
        for name, file in (("anonymous", huge / "enabled"),
                           ("shmem", huge / "shmem_enabled")) if file.exists())
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=paths.ROOT,
        capture_output=True, text=True, check=False).stdout.strip()
    return (f"Commit {commit}, {time.strftime('%Y-%m-%d %H:%M')}"
            f"{', quick' if quick else ''}. {os.cpu_count()} processors"
            f"{f' ({cpu[1]})' if cpu else ''}, {pages / machine.GiB:.0f} GiB, "
            f"Linux {platform.release()}, huge pages: {modes}. "
            "QEMU with TCG where it does not say KVM.\n")


def go_first() -> None:
    """Be served before the machine's other work, if that is allowed."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    except PermissionError:
        ui.progress("other work on this machine will be measured, too: only "
                    "root may keep it back")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true",
                        help="fewer rounds: about five minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS),
                        help="leave the other parts out")
    parser.add_argument("--rounds", type=int, help="of each part")
    return parser.parse_args()


def main() -> int:
    """Measure all, and write the report."""
    chosen = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    packages.ensure("bench")
    go_first()
    image.build(machine.SOURCE, machine.IMAGE)
    report = Report(chosen.quick, chosen.rounds, os.getloadavg()[0],
                    machine.ticks_per_second())
    for name in chosen.only:
        ui.progress(f"measuring {name} …")
        PARTS[name](report)
        (OUT / "report.md").write_text(report.text(), encoding="utf-8")
    print(report.text())
    ui.progress(f"{ui.shown(OUT / 'report.md')} is written")
    return 0


if __name__ == "__main__":
    sys.exit(ui.main(main))
