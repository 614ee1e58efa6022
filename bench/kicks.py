# SPDX-License-Identifier: GPL-2.0-or-later
"""What a request costs: instructions, time, system calls (metrics 1 to 4)."""

import re
import statistics
from pathlib import Path

from bench.machine import (BACKENDS, BINARIES, BLOCK, GiB, LOGS, THP, Backend, Guest,
                     interleaved)
from driver import ui
from bench.table import Row

BATCH = 64              # requests a kick
TIMES = 250             # kicks of each kind in a VM
WARM = 50               # of them, those left out
CALLGRIND = 32          # kicks that are counted: an event is rare
# A kick begins in the one. Ours yields to the main loop after a while, which
# goes on in the other.
ENTRANCES = ("virtio_queue_notify", "handle_more")
PLAIN = ("env", "GLIBC_TUNABLES=glibc.cpu.x86_rep_stosb_threshold=1000000000")
LONG = 600              # seconds; under callgrind it takes two minutes


def instructions() -> list[Row]:
    """Instructions of the device and all it calls, while it is kicked."""
    rows = []
    for mode, name, goal, plain in (("p", "PLUG", 3.9, False),
                                    ("p", "PLUG", None, True),
                                    ("s", "STATE", None, False)):
        row = Row(1, f"instructions, {name} of one block"
                  f"{', memset without rep stos' if plain else ''}",
                  "thousand", goal)
        for who, binary in BINARIES.items():
            row.values[who].append(
                count(binary, f"{mode}{CALLGRIND}", plain) / 1000)
        rows.append(row)
    return rows


def count(binary: Path, mode: str, plain: bool) -> float:
    """Instructions per request, as callgrind counts them.

    It takes a repeated store for as many instructions as it stores bytes.
    `plain` keeps libc from using one.
    """
    out = LOGS / f"callgrind.{binary.parent.name}.{mode}"
    prefix = (*(PLAIN if plain else ()),
              "valgrind", "--tool=callgrind", "--fair-sched=yes",
              "--collect-atstart=no",
              *(f"--toggle-collect={name}" for name in ENTRANCES),
              f"--callgrind-out-file={out}")
    size = CALLGRIND * BATCH * BLOCK
    with Guest(binary, mode, THP, size, f",requested-size={size},ioeventfd=off",
               prefix) as vm:
        vm.wait_done(LONG)
        vm.ask("quit")
        vm.child.wait()
    text, requests = out.read_text(), CALLGRIND * BATCH
    if (seen := called(text, "virtqueue_push")) != requests:
        raise ui.Fail(f"callgrind counted the instructions of {seen} instead "
                      f"of {requests} requests: see {ui.shown(out)}")
    total = re.search(r"(?m)^(?:totals|summary): (\d+)", text)
    return int(total[1]) / requests


def called(text: str, function: str) -> int:
    """How often callgrind has seen a function called."""
    number = re.search(rf"(?m)^c?fn=(\(\d+\)) {function}$", text)
    calls_of, total = "", 0
    for line in text.splitlines():
        if line.startswith("cfn="):
            calls_of = line[4:].partition(" ")[0]
        elif line.startswith("calls=") and number and calls_of == number[1]:
            total += int(line[6:].partition(" ")[0])
    return total


def times(rounds: int, speed: float) -> list[Row]:
    """Microseconds per request when 64 of them wait at a kick."""
    rows = []
    for backend in BACKENDS:
        plug = Row(2, f"PLUG, 64 a kick, {backend.name}", "µs", 3.3)
        unplug = Row(3, f"UNPLUG, 64 adjacent empty blocks a kick, "
                        f"{backend.name}", "µs", 3.5)
        for who, binary in interleaved(rounds):
            ticks = batches(binary, backend)
            for row, part in ((plug, ticks[::2]), (unplug, ticks[1::2])):
                each = [1e6 * value / speed / BATCH for value in part[WARM:]]
                row.values[who].append(statistics.median(each))
        rows += [plug, unplug]
    return rows


def batches(binary: Path, backend: Backend) -> tuple[int, ...]:
    """Ticks of kicks, PLUG and UNPLUG in turn."""
    with Guest(binary, f"r{TIMES}", backend, GiB,
               f",requested-size={GiB},ioeventfd=off") as vm:
        vm.wait_done(LONG)
        return vm.ticks()


def discards() -> list[Row]:
    """System calls that discard, for one kick of 64 UNPLUG requests."""
    rows = []
    for backend in BACKENDS:
        row = Row(4, f"discard system calls for that kick, {backend.name}",
                  "calls", 64)
        for who, binary in BINARIES.items():
            few, many = (calls(binary, backend, kicks) for kicks in (2, 12))
            row.values[who].append((many - few) / 10)
        rows.append(row)
    return rows


def calls(binary: Path, backend: Backend, kicks: int) -> int:
    """How many there were in all, of blocks."""
    out = LOGS / f"strace.{binary.parent.name}"
    prefix = ("strace", "-f", "-e", "trace=madvise,fallocate", "-o", str(out))
    with Guest(binary, f"r{kicks}", backend, GiB,
               f",requested-size={GiB},ioeventfd=off", prefix) as vm:
        vm.wait_done(LONG)
        vm.ask("quit")
        vm.child.wait()
    lengths = re.findall(r"madvise\(0x\w+, (\d+), MADV_(?:DONTNEED|REMOVE)|"
                         r"PUNCH_HOLE, \w+, (\d+)", out.read_text())
    return sum(int(one or other) % BLOCK == 0 for one, other in lengths)
