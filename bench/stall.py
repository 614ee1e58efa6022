# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the monitor is silent while gigabytes come and go, and how fast they
come (metrics 5 to 7).

The guest plugs or unplugs all in one request. Meanwhile `query-status` is asked
again and again, and once more hardly at all, when the speed is measured: who asks
and who answers would take half of a processor. An answer may be late because the
processors have other work: what the three threads that take part in it (QEMU's main loop, QEMU's thread for
the monitor, and this program) waited for a processor is taken off, and so is what
the hypervisor, if there is one, took of a processor.
"""

import operator
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from driver import ui
from bench.machine import (BACKENDS, DEVICE, GiB, MEMFD, SMALL, THP, Backend, Guest,
                     interleaved, warm)
from bench.table import Row

SIZE = 4 * GiB
PAUSE = 0.0001          # seconds between questions
REST = 0.05             # seconds between them while the speed is measured
IDLE = 0.05             # seconds before and after that are measured, too
LONGEST = 60            # seconds that a request may take
STEAL = 8               # where a line of /proc/stat has it, in ticks
TICK = 1 / os.sysconf("SC_CLK_TCK")
THROTTLE = 1.2          # seconds after which an event is sent at once
PLUG_GOALS = {THP: 100, SMALL: 100, MEMFD: 1000}
UNPLUG_GOALS = {THP: 10, SMALL: 10, MEMFD: 500}
DISCARD_GOALS = {THP: 1.3, SMALL: 1.3, MEMFD: 1}


@dataclass
class Answer:
    """One question: when, and how long until the answer, in seconds."""

    at: float
    gross: float
    net: float          # without the time without a processor


@dataclass
class Change:
    """What was seen while the guest plugged or unplugged."""

    answers: list[Answer]
    around: list[Answer]    # shortly before and after, for comparison
    seconds: float          # as the guest measured it

    def longest(self, kind: str) -> float:
        """The longest round trip in milliseconds, gross or net; never less
        than the shortest while nothing happened."""
        least = min(answer.gross for answer in self.around)
        return 1000 * max(least, *(getattr(answer, kind)
                                   for answer in self.answers))


class Waits:
    """How long the threads that answer have waited for a processor."""

    def __init__(self, pid: int):
        monitor = [task for task in Path(f"/proc/{pid}/task").iterdir()
                   if (task / "comm").read_text().startswith("IO mon")]
        if len(monitor) != 1:
            raise ui.Fail("of QEMU's threads the one of its monitor, which is "
                          "called 'IO mon', could not be told")
        self.files = [os.open(f"{task}/schedstat", os.O_RDONLY) for task in
                      (f"/proc/{pid}/task/{pid}", *monitor, "/proc/self")]
        self.stat = os.open("/proc/stat", os.O_RDONLY)

    def now(self) -> list[float]:
        """Seconds since the machine began: the sum of the waits, and what the
        hypervisor took of each processor."""
        lines = os.pread(self.stat, 100 * (os.cpu_count() + 1), 0).splitlines()
        return [sum(int(os.pread(file, 100, 0).split()[1])
                    for file in self.files) / 1e9,
                *(int(line.split()[STEAL]) * TICK
                  for line in lines[1:] if line.startswith(b"cpu")
                  and line.count(b" ") > STEAL)]

    def since(self, then: list[float]) -> float:
        """How long since now() said that. What a processor did not get is
        counted once, for the one that got least, and up to the next tick."""
        waited, *stolen = map(operator.sub, self.now(), then)
        most = max(stolen)
        return waited + (most + TICK if most else 0)

    def close(self) -> None:
        """Nothing is to be asked any more."""
        for file in (self.stat, *self.files):
            os.close(file)


class Monitor:
    """A VM whose answers are timed."""

    def __init__(self, vm: Guest, speed: float):
        self.vm, self.speed = vm, speed
        self.waits = Waits(vm.child.pid)

    def timed(self, since: float, command: str, **arguments) -> Answer:
        """Ask once."""
        before, began = self.waits.now(), time.perf_counter()
        self.vm.ask(command, **arguments)
        gross = time.perf_counter() - began
        return Answer(began - since, gross, gross - self.waits.since(before))

    def change(self, size: int, pause: float = PAUSE) -> Change:
        """Have the guest change to that size, and ask all the time."""
        return self.follow(size, pause, "qom-set", path=DEVICE,
                           property="requested-size", value=size)

    def reset(self) -> Change:
        """Reset the system, which unplugs all, and ask all the time."""
        return self.follow(0, PAUSE, "system_reset")

    def follow(self, size: int, pause: float, command: str,
               **arguments) -> Change:
        """Give a command, and ask until that size is plugged."""
        time.sleep(THROTTLE)
        if size:
            warm(size * 9 // 8)
        around = self.idle(time.perf_counter() + IDLE)
        self.vm.events.clear()
        began = time.perf_counter()
        answers = [self.timed(began, command, **arguments)]
        while not self.reached(size):
            if time.perf_counter() - began > LONGEST:
                raise ui.Fail("the size of the measured guest did not change "
                              f"within {LONGEST} s: see "
                              f"{ui.shown(self.vm.log)}")
            answers.append(self.timed(began, "query-status"))
            time.sleep(pause)
        around += self.idle(began)
        return Change(answers, around, self.vm.ticks()[-1] / self.speed)

    def idle(self, since: float) -> list[Answer]:
        """Ask for a while in which nothing happens."""
        answers, until = [], time.perf_counter() + IDLE
        while time.perf_counter() < until:
            answers.append(self.timed(since, "query-status"))
            time.sleep(PAUSE)
        return answers

    def reached(self, size: int) -> bool:
        """Whether the news of that size has come."""
        return any(event["event"] == "MEMORY_DEVICE_SIZE_CHANGE"
                   and event["data"]["size"] == size
                   for event in self.vm.events)


def changes(binary: Path, backend: Backend, speed: float, number: int
            ) -> tuple[list[tuple[Change, Change]], Change]:
    """All plugged and all unplugged: once while hardly anything is asked, and
    then so many times; before that once uncounted. And a system reset."""
    with Guest(binary, "l", backend, SIZE, ",prealloc=on") as vm:
        monitor = Monitor(vm, speed)
        try:
            pairs = [(monitor.change(SIZE, pause), monitor.change(0, pause))
                     for pause in (REST, REST, *number * [PAUSE])][1:]
            monitor.change(SIZE)
            return pairs, monitor.reset()
        finally:
            monitor.waits.close()


def measure(rounds: int, number: int, speed: float) -> tuple[list[Row], dict]:
    """The rows, and the first changes of each binary for the plots."""
    rows, series = [], {}
    for backend in BACKENDS:
        table = rows_of(backend)
        for who, binary in interleaved(rounds):
            ((plug, unplug), *asked), reset = changes(binary, backend, speed,
                                                      number)
            table["populate"].values[who].append(SIZE / GiB / plug.seconds)
            table["discard"].values[who].append(1000 * unplug.seconds)
            series.setdefault((backend.name, who), asked[0])
            for plug, unplug in asked:
                note_stalls(table, who, plug, unplug)
                table["populate asked"].values[who].append(
                    SIZE / GiB / plug.seconds)
                table["discard asked"].values[who].append(1000 * unplug.seconds)
            for kind in ("net", "gross"):
                table[f"reset {kind}"].values[who].append(reset.longest(kind))
        rows += table.values()
    return sorted(rows, key=lambda row: row.number), series


def rows_of(backend: Backend) -> dict[str, Row]:
    """The rows of one backend."""
    name = backend.name
    return {
        "plug net": Row(5, "longest stall of the monitor, 4 GiB PLUG with "
                        f"prealloc, {name}", "ms", PLUG_GOALS[backend]),
        "plug gross": Row(5, f"the same, gross, {name}", "ms"),
        "unplug net": Row(6, "longest stall of the monitor, 4 GiB populated "
                          f"UNPLUG, {name}", "ms", UNPLUG_GOALS[backend]),
        "unplug gross": Row(6, f"the same, gross, {name}", "ms"),
        "reset net": Row(6, "longest stall of the monitor, system reset with "
                         f"4 GiB populated, {name}", "ms"),
        "reset gross": Row(6, f"the same, gross, {name}", "ms"),
        "populate": Row(7, f"populate, warm, {name}", "GiB/s", 1.3, more=True),
        "idle": Row(5, f"for comparison: median when nothing happens, {name}",
                    "ms"),
        "populate asked": Row(7, f"the same, asked all the time, {name}", "GiB/s",
                              more=True),
        "discard": Row(7, f"time of that UNPLUG, {name}", "ms",
                       DISCARD_GOALS[backend]),
        "discard asked": Row(7, f"the same, asked all the time, {name}", "ms", 1),
    }


def note_stalls(table: dict[str, Row], who: str, plug: Change,
                unplug: Change) -> None:
    """Add what was seen."""
    for kind in ("net", "gross"):
        table[f"plug {kind}"].values[who].append(plug.longest(kind))
        table[f"unplug {kind}"].values[who].append(unplug.longest(kind))
    table["idle"].values[who].append(1000 * statistics.median(
        answer.gross for answer in plug.around))
