# SPDX-License-Identifier: GPL-2.0-or-later
"""How long QEMU takes to learn what of 1 TiB is unplugged, in both series of QEMU.

A migration asks that when it begins (ram_discard_manager_replay_discarded()), and so
does each device that needs a mapping of the guest's memory. Linux notes when the
function is entered and left (uprobes; only root may ask for that).
"""

import contextlib
import os
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Iterator

from bench.machine import BLOCK, LOGS
from driver import paths, ui
from vmtest import bare, image
from vmtest.memory import GiB

SIZE = 1024 * GiB
FUNCTION = "ram_discard_manager_replay_discarded"
TRACING = Path("/sys/kernel/tracing")
GROUP = f"virtio_mem_{os.getpid()}"
BINARIES = {f"{who} {series}": paths.place(series) / name / "qemu-system-x86_64"
            for series in ("10.0", "11.1")
            for who, name in (("stock", "stock"), ("ours", "."))}
CASES = {"nothing": "idle", "every second block": "board"}
GOAL = 100              # 11.1, nothing plugged
Costs = dict[tuple[str, str], list[float]]


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    """Have Linux's files of tracing, if it lets us."""
    mounted = (TRACING / "uprobe_events").exists()
    if not mounted:
        subprocess.run(["mount", "-t", "tracefs", "none", TRACING], check=False)
    try:
        if not (TRACING / "uprobe_events").exists():
            raise ui.Fail("this part needs uprobes: be root, on a kernel that has them")
        yield
    finally:
        if not mounted:
            subprocess.run(["umount", "--lazy", TRACING], check=False)


def offset(binary: Path) -> int:
    """Where the function is in the file."""
    def said(*words: str) -> str:
        return subprocess.run([*words, binary], check=True, text=True,
                              capture_output=True).stdout

    address = int(re.search(rf"^(\w+) [tT] {FUNCTION}$", said("nm"), re.M)[1], 16)
    for place, start, size in re.findall(
            r"LOAD\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)", said("readelf", "-lW")):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return address - int(start, 16) + int(place, 16)
    raise ui.Fail(f"{ui.shown(binary)} does not load {FUNCTION}()")


@contextlib.contextmanager
def watched(binary: Path) -> Iterator[None]:
    """Calls of the function are noted meanwhile."""
    place = f"{binary.resolve()}:{offset(binary.resolve()):#x}"
    events, switch = TRACING / "uprobe_events", TRACING / "events" / GROUP / "enable"
    with open(events, "a", encoding="ascii") as file:
        file.write(f"p:{GROUP}/entered {place}\nr:{GROUP}/left {place}\n")
    try:
        (TRACING / "trace").write_text("")
        switch.write_text("1")
        yield
    finally:
        switch.write_text("0")
        with open(events, "a", encoding="ascii") as file:
            file.write(f"-:{GROUP}/entered\n-:{GROUP}/left\n")


def calls() -> list[float]:
    """Microseconds that each call took."""
    times: dict[str, list[float]] = {"entered": [], "left": []}
    for seconds, what in re.findall(r" (\d+\.\d+): (entered|left): ",
                                    (TRACING / "trace").read_text()):
        times[what].append(1e6 * float(seconds))
    return [left - entered for entered, left in zip(*times.values())]


def once(binary: Path, mode: str, migrations: int) -> float:
    """The least of the longest call of several migrations that begin, in µs."""
    machine = ("-machine", "q35", "-cpu", "max,phys-bits=48", "-accel", "tcg",
               "-m", f"128M,maxmem={SIZE + GiB}B", "-nodefaults", "-no-user-config",
               "-display", "none",
               "-object", f"memory-backend-ram,id=mem0,size={SIZE},reserve=off",
               "-device", f"virtio-mem-pci,id=vm0,memdev=mem0,block-size={BLOCK},"
                          f"requested-size={SIZE}")
    with bare.VM(binary, image.IMAGE, mode, LOGS / "replay.log", machine) as vm:
        vm.ask("stop")
        vm.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 20})
        seen = []
        for _ in range(migrations):
            with watched(binary):
                vm.ask("migrate", uri="exec:cat > /dev/null")
                deadline = time.monotonic() + 30
                while not (found := calls()) and time.monotonic() < deadline:
                    time.sleep(0.02)
            vm.ask("migrate_cancel")
            while vm.ask("query-migrate").get("status") != "cancelled":
                time.sleep(0.02)
            if not found:
                raise ui.Fail(f"{ui.shown(binary)} did not call {FUNCTION}()")
            seen.append(max(found))
        return min(seen)


def measure(rounds: int) -> Costs:
    """Microseconds, by what is plugged and binary; nothing if one is not built."""
    for binary in BINARIES.values():
        if not binary.exists():
            ui.progress(f"{ui.shown(binary)} is not built: make and make stock do that, "
                        "with QEMU=11.1 for that series")
            return {}
    LOGS.mkdir(parents=True, exist_ok=True)
    image.build()
    costs: Costs = {}
    with tracing():
        for number in range(rounds):
            for what, mode in CASES.items():
                for who in list(BINARIES)[::-1 if number % 2 else 1]:
                    costs.setdefault((what, who), []).append(
                        once(BINARIES[who], mode, 3))
    return costs


def table(costs: Costs) -> str:
    """Medians, and the smallest and the largest value."""
    if not costs:
        return "Not measured: QEMU 11.1 is not built.\n"
    lines = [f"| plugged | {' | '.join(BINARIES)} |", "| --- " * 5 + "|"]
    for what in CASES:
        cells = [f"{statistics.median(seen):.3g} ({min(seen):.3g}–{max(seen):.3g})"
                 for seen in (costs[what, who] for who in BINARIES)]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    ratio = statistics.median(costs["nothing", "stock 11.1"]) / statistics.median(
        costs["nothing", "ours 11.1"])
    return "\n".join(lines) + (
        f"\n\n11.1, nothing plugged: {ratio:.3g} times faster; the goal is {GOAL}.\n")
