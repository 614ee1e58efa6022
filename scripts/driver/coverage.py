# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines and branches of the device's modules the tests reach.

gcov comes with the compiler and tells it in JSON; a module is compiled several
times (for QEMU, for the unit tests, for a qtest of its own), so what it says
of one file is added up.
"""

import gzip
import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import check
import paths
import private
import qemu
import suites
import ui
from flavours import COVERED

MODULES = paths.ROOT / "hw" / "virtio"
COUNTING_SLOW = 3  # how much more time the programs are given
NEVER = paths.BUILD / "coverage" / "never-reached.txt"


@dataclass
class Module:
    """What was counted in one file."""

    lines: dict = field(default_factory=lambda: defaultdict(int))
    branches: dict = field(default_factory=dict)  # line -> how often each

    def add(self, line: dict) -> None:
        """Add what one compilation counted in one line."""
        number = line["line_number"]
        self.lines[number] += line["count"]
        counts = [branch["count"] for branch in line["branches"]]
        known = self.branches.get(number)
        if known is None or len(known) != len(counts):
            # Compiled differently: keep the one that says more.
            better = known is None or len(counts) > len(known)
            self.branches[number] = counts if better else known
        else:
            self.branches[number] = [a + b for a, b in zip(known, counts)]

    def figures(self) -> tuple[int, int, int, int]:
        """Lines, of them reached; branches, of them taken."""
        taken = [count for counts in self.branches.values()
                 for count in counts]
        return (len(self.lines), sum(map(bool, self.lines.values())),
                len(taken), sum(map(bool, taken)))


def report() -> int:
    """Build with counters, run the tests, print a table of the modules."""
    qemu.build(suites.qtest_targets(), COVERED)
    env = private.tools()
    forget()
    failed = 0
    for name, suite in (("unit", suites.unit), ("qtest", suites.qtest)):
        programs = suite(env, COVERED)
        for program in programs:
            program.seconds *= COUNTING_SLOW
        failed += check.run_programs(name, lambda: programs, set())[1]
    modules = read()
    if not modules:
        raise ui.Fail("the tests left no counters behind: run make clean and "
                      "make coverage again")
    show(modules)
    return 1 if failed else 0


def counters() -> list[Path]:
    """The files that the programs leave when they end."""
    return [file for top in (COVERED.obj, COVERED.unit)
            for file in top.rglob("*virtio-mem*.gcda")]


def forget() -> None:
    """Start to count from nothing."""
    for file in counters():
        file.unlink()


def read() -> dict[str, Module]:
    """What all programs counted, by the name of the module's file."""
    modules: dict[str, Module] = defaultdict(Module)
    ours = {file.relative_to(MODULES).as_posix()
            for file in MODULES.rglob("*.[ch]")}
    for file in counters():
        told = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities",
             file], cwd=file.parent, capture_output=True, check=True).stdout
        if told[:2] == b"\x1f\x8b":
            told = gzip.decompress(told)
        for text in told.splitlines():
            for source in json.loads(text)["files"]:
                name = source["file"].partition("hw/virtio/")[2]
                if name in ours:
                    for line in source["lines"]:
                        modules[name].add(line)
    return dict(sorted(modules.items()))


def show(modules: dict[str, Module]) -> None:
    """Print the table, and write down which lines no test reaches."""
    print(f"\n{'module':34}{'lines':>7}{'reached':>9}{'branches':>10}"
          f"{'taken':>9}")
    total = [0, 0, 0, 0]
    for name, module in modules.items():
        figures = module.figures()
        total = [a + b for a, b in zip(total, figures)]
        print(row(name, figures))
    print(row("all", total))
    with open(NEVER, "w", encoding="utf-8") as out:
        for name, module in modules.items():
            text = (MODULES / name).read_text().splitlines()
            for number, count in sorted(module.lines.items()):
                if not count:
                    out.write(f"{name}:{number}: {text[number - 1].strip()}\n")
    print(f"\nlines that no test reaches: {ui.shown(NEVER)}")


def row(name: str, figures) -> str:
    """One line of the table."""
    lines, reached, branches, taken = figures
    return (f"{name:34}{lines:7}{share(reached, lines)}{branches:10}"
            f"{share(taken, branches)}")


def share(part: int, whole: int) -> str:
    """A percentage; a dash where there is nothing to reach."""
    return f"{100 * part / whole:8.1f}%" if whole else f"{'-':>9}"
