# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one libFuzzer program for a time and say what it did and found."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 60  # seconds to start, to load the corpus and to end


@dataclass
class Fuzzer:
    """A program, its inputs to start from, and what it needs."""

    name: str
    command: list
    corpus: list[Path]      # read, never written
    options: list[str] = field(default_factory=list)
    env: dict = field(default_factory=dict)
    cwd: Path | None = None
    files: str = ""         # beginning of the names of the files it is aimed at
    reach: tuple = ()       # functions in them that a good run gets into


@dataclass
class Outcome:
    """What a run has come to; `problem` is empty when nothing was found."""

    executions: int = 0
    rate: int = 0
    edges: int = 0
    features: int = 0
    aim: str = ""           # what was reached of the files aimed at
    problem: str = ""
    finding: Path | None = None


def run(fuzzer: Fuzzer, seconds: int, logs: Path, work: Path) -> Outcome:
    """Fuzz for so many seconds; new inputs and findings are kept in `work`.

    Both are tried first in the next run, so that a finding fails until what
    it found is repaired.
    """
    grown, findings = work / fuzzer.name, work / f"{fuzzer.name}-findings"
    for directory in (grown, findings):
        directory.mkdir(parents=True, exist_ok=True)
    log = logs / f"{fuzzer.name}.log"
    command = [*fuzzer.command, f"-max_total_time={seconds}", "-timeout=60",
               f"-artifact_prefix={findings}/", "-print_final_stats=1",
               "-report_slow_units=60", *fuzzer.options,
               f"-print_coverage={int(bool(fuzzer.files))}", grown, *fuzzer.corpus, findings]
    with open(log, "w", encoding="utf-8") as out:
        try:
            status = subprocess.run(
                [str(word) for word in command], stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, cwd=fuzzer.cwd,
                env={**os.environ, **fuzzer.env}, check=False,
                timeout=seconds + GRACE).returncode
        except subprocess.TimeoutExpired:
            status = f"no end within {seconds + GRACE} s"
    text = log.read_text(errors="replace")
    outcome = judge(text, status)
    if fuzzer.files and not outcome.problem:
        outcome.aim, outcome.problem = aim(text, fuzzer)
    return outcome


def aim(text: str, fuzzer: Fuzzer) -> tuple[str, str]:
    """What was reached of the files aimed at, and what should have been."""
    lines = re.findall(r"(?m)^(?:UN)?COVERED_FUNC: hits: \d+ edges: "
                       rf"(\d+)/(\d+) (\S+) \S*/{fuzzer.files}\S*$", text)
    functions = {name for reached, _, name in lines if int(reached)}
    missed = [name for name in fuzzer.reach if name not in functions]
    told = (f"{len(functions)} of {len(lines)} functions and "
            f"{sum(int(reached) for reached, _, _ in lines)} of "
            f"{sum(int(edges) for _, edges, _ in lines)} edges of "
            f"{fuzzer.files}*")
    return told, f"{', '.join(missed)} not reached" if missed else ""


def judge(text: str, status: int | str) -> Outcome:
    """Read the outcome from the program's output and its exit status."""
    def numbers(pattern: str) -> list[int]:
        return [int(number) for number in re.findall(pattern, text)]

    outcome = Outcome(
        executions=max(numbers(r"(?m)^#(\d+)\s"), default=0),
        edges=max(numbers(r" cov: (\d+)"), default=0),
        features=max(numbers(r" ft: (\d+)"), default=0))
    outcome.executions = max([outcome.executions, *numbers(
        r"stat::number_of_executed_units:\s+(\d+)")])
    outcome.rate = max(numbers(r"stat::average_exec_per_sec:\s+(\d+)"),
                       default=0)
    if status:
        saved = re.search(r"Test unit written to (\S+)", text)
        outcome.finding = Path(saved[1]) if saved else None
        outcome.problem = cause(text) or f"ended with {status}"
    elif not outcome.executions or not outcome.edges:
        outcome.problem = "executed no input"
    return outcome


def cause(text: str) -> str:
    """The line of the output that says what is wrong."""
    for pattern in (r"^ERROR:[^\n]*", r"^[^\n]*runtime error:[^\n]*",
                    r"^[^\n]*Assertion[^\n]*failed[^\n]*",
                    r"==\d+==ERROR: [^\n]*", r"==\d+== ERROR: [^\n]*"):
        match = re.search(pattern, text, re.M)
        if match:
            return match[0]
    return ""
