# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the tests: `make check`.

Every failing test is named with its message and its log; the last line says
how many passed, failed and were skipped, and nothing else.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import matrix
import paths
import private
import qemu
import sanitizer
import suites
import ui
from tap import NOT_RUN, Report

LIVE = sys.stdout.isatty()
SAY_EVERY = 30  # seconds between lines when the output is no terminal


def check(names: list[str], default: tuple[str, ...] = suites.GATE) -> int:
    """Build what the chosen suites need, run them, return the exit status."""
    chosen = suites.choose(names, default)
    env = prepare(chosen)
    totals, ran = [0, 0, 0], set()
    for name in chosen:
        counts = run_suite(name, env, ran)
        totals = [total + count for total, count in zip(totals, counts)]
    if set(suites.GATE) <= set(chosen):
        totals[check_matrix(ran)] += 1
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def prepare(chosen: list[str]) -> dict[str, str]:
    """Build every QEMU, and the guest, that a chosen suite runs."""
    needed = [suites.SUITES[name] for name in chosen]
    builds: dict = {}
    for suite in needed:
        if suite.flavour:
            builds.setdefault(suite.flavour, []).extend(suite.targets())
    for flavour, targets in builds.items():
        qemu.build(tuple(dict.fromkeys(targets)), flavour)
    if not builds:
        qemu.prepare()
    if any(suite.stock for suite in needed):
        qemu.build_stock()
    if any(suite.guest for suite in needed):
        import guest
        guest.build(paths.LOGS / "guest-image.log")
    return private.tools()


def check_matrix(ran: set[str]) -> int:
    """Hold the matrix of demands to the tests that ran: 0 is good, 1 bad."""
    problems = matrix.check(ran)
    for problem in problems:
        print(f"FAIL {ui.shown(matrix.MATRIX)}: {problem}")
    ui.progress(f"matrix of demands: {len(problems)} problems")
    return 1 if problems else 0


def run_suite(name: str, env: dict, ran: set) -> tuple[int, int, int]:
    """Run one of the suites; add the names of its tests to `ran`."""
    return run_programs(name, lambda: suites.SUITES[name].programs(env), ran)


def run_programs(name: str, prepared, ran: set) -> tuple[int, int, int]:
    """Run a suite's programs; print its failures and its line."""
    started = time.monotonic()
    counter = Counter(name)
    try:
        programs = prepared()
    except ui.Fail as fail:
        print(f"{fail.details}\nFAIL {name}: {fail}", flush=True)
        return 0, 1, 0
    for program in programs:
        log = paths.LOGS / "check" / name / f"{program.name}.log"
        report = run_program(program, log, counter)
        counter.add(report)
        ran.update(report.passed, (test for test, _ in report.failed))
        tell(name, program, report, log)
    passed, failed, skipped = counter.counts
    if passed + failed == 0:
        print(f"FAIL {name}: the suite ran no test", flush=True)
        failed = 1
    ui.progress(f"{name}: {passed} passed, {failed} failed, {skipped} skipped "
                f"in {time.monotonic() - started:.0f} s")
    return passed, failed, skipped


class Counter:
    """The live line of one suite."""

    def __init__(self, name: str):
        self.name, self.counts = name, (0, 0, 0)
        self._said = time.monotonic()

    def add(self, report: Report) -> None:
        """A program has ended: add its results."""
        self.counts = self._with(report)
        if LIVE:
            print("\r\033[K", end="", flush=True)

    def _with(self, report: Report) -> tuple[int, int, int]:
        new = (len(report.passed), len(report.failed), len(report.skipped))
        return tuple(a + b for a, b in zip(self.counts, new))

    def show(self, program: str, report: Report) -> None:
        """Say how far the suite is: on a terminal at each result."""
        passed, failed, skipped = self._with(report)
        text = (f"{self.name}: {passed} passed, {failed} failed, {skipped} "
                f"skipped; running {program}")
        if LIVE:
            print(f"\r\033[K{text[:78]}", end="", flush=True)
        elif time.monotonic() - self._said > SAY_EVERY:
            ui.progress(text)
            self._said = time.monotonic()


def run_program(program, log: Path, counter: Counter) -> Report:
    """Run one test program to its end, or to the end of its time."""
    report = Report()
    if program.sanitizers:
        sanitizer.forget()
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(word) for word in program.command]
    with open(log, "w", encoding="utf-8") as out:
        try:
            child = subprocess.Popen(
                command, cwd=program.cwd, env={**os.environ, **program.env},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
                start_new_session=True)
        except OSError as error:
            report.end(f"cannot be started: {error.strerror}")
            return report
        late = threading.Event()
        timer = threading.Timer(program.seconds, end_group, (child, late))
        timer.start()
        try:
            read(child, out, report, counter, program.name)
        finally:
            timer.cancel()
            end_group(child)
    report.end(f"gave no end within {program.seconds} s" if late.is_set()
               else child.returncode)
    if program.sanitizers:
        report.failed += [("no report of a sanitizer", text)
                          for text in sanitizer.findings(log)]
    return report


def read(child, out, report: Report, counter: Counter, name: str) -> None:
    """Copy the program's output to its log and to the report."""
    counter.show(name, report)
    for line in child.stdout:
        out.write(line)
        out.flush()
        if report.line(line.rstrip("\n")):
            counter.show(name, report)
    child.wait()


def end_group(child, late: threading.Event | None = None) -> None:
    """Leave nothing of a test program behind: it leads its own group."""
    if late is not None:
        late.set()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def tell(suite: str, program, report: Report, log: Path) -> None:
    """Print what the user must know about one program's results."""
    for name, reason in report.skipped:
        print(f"SKIP {suite}/{program.name}: {name}: "
              f"{program.skips.get(name) or reason or 'no reason given'}",
              flush=True)
    for name, message in report.failed:
        if (name, message) == NOT_RUN:
            continue
        print(f"FAIL {suite}/{program.name}: {name}")
        for line in message.splitlines():
            print(f"    {line}")
        print(f"    log: {ui.shown(log)}", flush=True)
    not_run = report.failed.count(NOT_RUN)
    if not_run:
        print(f"FAIL {suite}/{program.name}: later tests did not run: "
              f"{not_run}", flush=True)
