# SPDX-License-Identifier: GPL-2.0-or-later
"""How long QEMU takes to learn what of 1 TiB is plugged, in both series of QEMU.

A dump asks for what is populated, a migration for what is discarded; so does each
device that needs a mapping of the guest's memory. Linux notes when the function is
entered and left (uprobes; only root may ask for that). When something is plugged,
QEMU 11.1 without our patch does not survive the question of a dump, so it is that of
a migration, and clearing bits for each run is in the time.
"""

import contextlib
import json
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
DUMP = ("ram_discard_manager_replay_populated", "dump-guest-memory",
        {"paging": False, "protocol": "file:/dev/null", "begin": 0, "length": 4096})
MIGRATION = ("ram_discard_manager_replay_discarded", "migrate",
             {"uri": "exec:cat > /dev/null"})
TRACING = Path("/sys/kernel/tracing")
GROUP = f"virtio_mem_{os.getpid()}"
BINARIES = {f"{who} {series}": paths.place(series) / name / "qemu-system-x86_64"
            for series in ("10.0", "11.1")
            for who, name in (("stock", "stock"), ("ours", "."))}
CASES = {"nothing": ("idle", DUMP), "every second block": ("board", MIGRATION)}
PATIENCE = 30           # seconds
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


def offset(binary: Path, function: str) -> int:
    """Where the function is in the file."""
    def said(*words: str) -> str:
        return subprocess.run([*words, binary], check=True, text=True,
                              capture_output=True).stdout

    address = int(re.search(rf"^(\w+) [tT] {function}$", said("nm"), re.M)[1], 16)
    for place, start, size in re.findall(
            r"LOAD\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)", said("readelf", "-lW")):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return address - int(start, 16) + int(place, 16)
    raise ui.Fail(f"{ui.shown(binary)} does not load {function}()")


def add(*lines: str) -> None:
    """Tell Linux what to note. Its file has no end that could be sought."""
    file = os.open(TRACING / "uprobe_events", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, "".join(f"{line}\n" for line in lines).encode())
    finally:
        os.close(file)


@contextlib.contextmanager
def watched(binary: Path, function: str) -> Iterator[None]:
    """Calls of the function are noted meanwhile."""
    place = f"{binary.resolve()}:{offset(binary.resolve(), function):#x}"
    switch = TRACING / "events" / GROUP / "enable"
    add(f"p:{GROUP}/entered {place}", f"r:{GROUP}/left {place}")
    try:
        (TRACING / "trace").write_text("")
        switch.write_text("1")
        yield
    finally:
        switch.write_text("0")
        add(f"-:{GROUP}/entered", f"-:{GROUP}/left")


def calls() -> list[float]:
    """Microseconds that each call took."""
    times: dict[str, list[float]] = {"entered": [], "left": []}
    for seconds, what in re.findall(r" (\d+\.\d+): (entered|left): ",
                                    (TRACING / "trace").read_text()):
        times[what].append(1e6 * float(seconds))
    return [left - entered for entered, left in zip(*times.values())]


def once(binary: Path, mode: str, question: tuple) -> float:
    """Microseconds of one VM. What it does with the answer is not waited for."""
    function, command, arguments = question
    machine = ("-machine", "q35", "-cpu", "max,phys-bits=48", "-accel", "tcg",
               "-m", f"128M,maxmem={SIZE + GiB}B", "-nodefaults", "-no-user-config",
               "-display", "none",
               "-object", f"memory-backend-ram,id=mem0,size={SIZE},reserve=off",
               "-device", f"virtio-mem-pci,id=vm0,memdev=mem0,block-size={BLOCK},"
                          f"requested-size={SIZE}")
    with bare.VM(binary, image.IMAGE, mode, LOGS / "replay.log", machine) as vm:
        vm.ask("stop")
        with watched(binary, function):
            vm.socket.sendall(json.dumps(
                {"execute": command, "arguments": arguments}).encode())
            deadline = time.monotonic() + PATIENCE
            while not (found := calls()) and time.monotonic() < deadline:
                time.sleep(0.02)
            vm.child.kill()
    if not found:
        raise ui.Fail(f"{ui.shown(binary)} did not call {function}()")
    return max(found)


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
            for what, case in CASES.items():
                for who in list(BINARIES)[::-1 if number % 2 else 1]:
                    costs.setdefault((what, who), []).append(
                        once(BINARIES[who], *case))
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
