# SPDX-License-Identifier: GPL-2.0-or-later
"""What the protection of unplugged memory costs: none, discard and userfaultfd."""

import statistics
import time
from pathlib import Path

from bench.kicks import BATCH, LONG, WARM
from bench.machine import BACKENDS, BINARIES, Backend, GiB, Guest, MiB, warm
from driver import ui
from vmtest import image
from vmtest.rom import CPU, PLUG, WINDOW, Rom

KINDS = ("none", "discard", "userfaultfd")
SIZE = 4 * GiB          # in one request
BOARD = 64 * GiB        # every second block of it
KICKS = 150
FAULTS = 100_000
PAUSE = 0.001           # between questions
Costs = dict[tuple[str, str], list[float]]


def options(kind: str, more: str = "") -> str:
    """Properties of the device."""
    return f",unplugged-protection={kind},ioeventfd=off{more}"


def measure(rounds: int, speed: float) -> Costs:
    """Values by what was measured and how memory is protected."""
    costs: Costs = {}
    image.build_rom()

    def note(kind: str, values: dict[str, float]) -> None:
        for what, value in values.items():
            costs.setdefault((what, kind), []).append(value)
    for number in range(rounds):
        for kind in KINDS[::-1 if number % 2 else 1]:
            for backend in BACKENDS:
                note(kind, requests(kind, backend, speed))
                note(kind, gigabytes(kind, backend, speed))
            note(kind, checkerboard(kind))
            if kind == "userfaultfd":
                note(kind, faults())
    return costs


def requests(kind: str, backend: Backend, speed: float) -> dict[str, float]:
    """PLUG and UNPLUG of a block, 64 a kick."""
    with Guest(BINARIES["ours"], f"r{KICKS}", backend, GiB,
               options(kind, f",requested-size={GiB}")) as vm:
        vm.wait_done(LONG)
        ticks = vm.ticks()
    return {f"{what} of a block, µs, {backend.name}": statistics.median(
        1e6 * value / speed / BATCH for value in part[WARM:])
        for what, part in (("PLUG", ticks[::2]), ("UNPLUG", ticks[1::2]))}


def gigabytes(kind: str, backend: Backend, speed: float) -> dict[str, float]:
    """4 GiB in one request, populated."""
    found = {}
    with Guest(BINARIES["ours"], "l", backend, SIZE,
               options(kind, ",prealloc=on")) as vm:
        for number, (what, size) in enumerate((("PLUG", SIZE), ("UNPLUG", 0))):
            if size:
                warm(SIZE + SIZE // 8)
            vm.ask("qom-set", path="vm0", property="requested-size", value=size)
            deadline = time.monotonic() + LONG
            while len(ticks := vm.ticks()) <= number:
                if time.monotonic() > deadline:
                    raise ui.Fail(f"{what} of 4 GiB took more than {LONG} s")
                time.sleep(0.05)
            found[f"{what} of 4 GiB, ms, {backend.name}"] = \
                1000 * ticks[number] / speed
    return found


def checkerboard(kind: str) -> dict[str, float]:
    """Every second block of 64 GiB, a request each."""
    with rom(kind, BOARD) as vm:
        vm.resize("vm0", BOARD)
        blocks = BOARD // (2 * MiB)
        before, began = mappings(vm), time.monotonic()
        for first in range(0, blocks, 128):
            if vm.numbers("stripe", PLUG, first) != [0]:
                raise ui.Fail("a PLUG of the checkerboard was refused")
        seconds = time.monotonic() - began
        return {"checkerboard of 64 GiB, µs a PLUG": 1e6 * seconds / (blocks / 2),
                "its mappings": float(mappings(vm) - before)}


def faults() -> dict[str, float]:
    """Round trips of the monitor while a guest uses unplugged memory."""
    with rom("userfaultfd", GiB) as vm:
        vm.numbers("window")
        answers = [asked(vm) for _ in range(200)]
        quiet = statistics.quantiles(answers, n=100)[98]
        vm.numbers("load", WINDOW + 64 * MiB)
        answers, began = [], time.monotonic()
        while vm.devices()["vm0"]["unplugged-accesses"] < FAULTS:
            answers += [asked(vm) for _ in range(50)]
        seconds = time.monotonic() - began
    return {"monitor, p99 in ms, nobody there": 1000 * quiet,
            f"monitor, p99 in ms, during {FAULTS} faults":
                1000 * statistics.quantiles(answers, n=100)[98],
            "faults in a second": FAULTS / seconds}


def asked(vm: Rom) -> float:
    """Seconds of one question."""
    began = time.perf_counter()
    vm.cmd("query-status")
    seconds = time.perf_counter() - began
    time.sleep(PAUSE)
    return seconds


def rom(kind: str, size: int) -> "Running":
    """A VM with the guest of tests/kvm, on TCG."""
    return Running(
        "tcg", f"protection.{kind}", "-m", f"maxmem={size + GiB}B", "-cpu",
        f"{CPU},phys-bits=48", device=(
            "-object", f"memory-backend-ram,id=mem0,size={size},reserve=off",
            "-device", "virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M,"
                       f"unplugged-protection={kind}"))


class Running(Rom):
    """A VM that is ready; it is killed at the end."""

    def __enter__(self) -> "Running":
        super().__enter__()
        self.wait_ready()
        return self

    def __exit__(self, *_) -> None:
        self.stop(kill=True)


def mappings(vm: Rom) -> int:
    """How many the process has."""
    return len(Path(f"/proc/{vm.get_pid()}/maps").read_text().splitlines())


def table(costs: Costs) -> str:
    """Medians."""
    whats = list(dict.fromkeys(what for what, _ in costs))
    lines = [["protection", *KINDS], ["---"] * (len(KINDS) + 1)]
    lines += [[what, *(f"{statistics.median(costs[what, kind]):.3g}"
                       if (what, kind) in costs else "–" for kind in KINDS)]
              for what in whats]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
