# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold docs/devel/spec-matrix.md to its word.

Every demand of the specification has to name code that exists and tests that
ran and passed.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from driver import paths

MATRIX = paths.ROOT / "docs" / "devel" / "spec-matrix.md"
DEVICE = paths.ROOT / "hw" / "virtio"
DEMANDS = [*map(str, range(1, 47)), "N1"]  # B1, B2, … go on without an end
NUMBER = re.compile(r"\d+|[A-Z]\d+")


@dataclass
class Row:
    """One demand: its number, and the text of its columns Code and Tests."""

    number: str
    code: str
    tests: str


def check(ran: set[str], matrix: Path = MATRIX,
          device: Path = DEVICE) -> list[str]:
    """All that is wrong with the matrix, given the names of the tests run."""
    rows = read(matrix.read_text(encoding="utf-8"))
    problems = check_numbers([row.number for row in rows])
    for row in rows:
        problems += [f"demand {row.number}: {problem}" for problem in
                     (*check_code(row.code, device),
                      *check_tests(row.tests, ran))]
    return problems


def read(text: str) -> list[Row]:
    """The rows of all tables whose first column is a demand's number."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and NUMBER.fullmatch(cells[0]):
            code, tests = (cells + [""] * 5)[3:5]
            rows.append(Row(cells[0], code, tests))
    return rows


def check_numbers(numbers: list[str]) -> list[str]:
    """Each demand once, and the B's without a gap."""
    beyond = sum(number.startswith("B") for number in set(numbers))
    wanted = [*DEMANDS, *(f"B{i}" for i in range(1, max(beyond, 1) + 1))]
    problems = [f"demand {number} has no row" for number in wanted
                if number not in numbers]
    for number in dict.fromkeys(numbers):
        if number not in wanted:
            problems.append(f"there is no demand {number}")
        elif numbers.count(number) > 1:
            problems.append(f"demand {number} has {numbers.count(number)} rows")
    return problems


def check_code(code: str, device: Path) -> list[str]:
    """`file.c: function, function; file.c: …`, each of them defined."""
    problems = []
    for part in code.split(";"):
        name, _, functions = (text.strip() for text in part.partition(":"))
        file = device / name
        if not name or not file.is_file():
            problems.append(f"there is no file '{name}' in hw/virtio" if name
                            else "names no code")
            continue
        if not functions:
            problems.append(f"names no function of {name}")
            continue
        source = file.read_text(encoding="utf-8")
        problems += [f"{name} has no function '{function}'"
                     for function in map(str.strip, functions.split(","))
                     if not defines(source, function)]
    return problems


def defines(source: str, function: str) -> bool:
    """Does C source in QEMU's style define the function?"""
    return re.search(rf"^(?:\w[^\n;=(]*[\s*])?{re.escape(function)}"
                     r"\([^;{]*\)\n\{", source, re.M) is not None


def check_tests(tests: str, ran: set[str]) -> list[str]:
    """`name`; `name`; …, each of them run, and nothing else."""
    names = re.findall(r"`([^`]*)`", tests)
    rest = re.sub(r"`[^`]*`", "", tests).replace(";", "").strip()
    problems = [] if names else ["names no test"]
    if rest:
        problems.append(f"'{rest}' is no name of a test in backticks")
    problems += [f"the test '{name}' does not exist or did not run"
                 for name in names if not did_run(name, ran)]
    return problems


def did_run(name: str, ran: set[str]) -> bool:
    """Is it a name as meson or pytest has it, or the end of one?

    Classes of Python are written file.Class.test.
    """
    tails = tuple("/" + way.removeprefix("/")
                  for way in (name, name.replace(".", "/")))
    return name in ran or any(full.endswith(tails) for full in ran)
