# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads of damaged migration streams, through the qtest that makes them."""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import paths
import qemu

PROGRAM = "tests/qtest/virtio-mem-stream-test"
TEST = "/x86_64/virtio-mem/stream/random-damage"
FORMATS = 2             # each is loaded so often
LOADS = 5000
LONGEST = 1200          # seconds; it takes two minutes


@dataclass
class Outcome:
    """What a run has come to; `problem` is empty when nothing was found."""

    loads: int
    accepted: int       # of them, those that QEMU took for undamaged
    seconds: float
    seeds: list[str]
    problem: str


def build() -> None:
    """Build the plain QEMU and the program."""
    qemu.build((PROGRAM,))


def run(log: Path) -> Outcome:
    """Load them all; what the program prints goes to `log`."""
    env = {**os.environ, "QTEST_QEMU_BINARY": "./qemu-system-x86_64",
           "VIRTIO_MEM_LOADS": str(LOADS)}
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as out:
        try:
            status = subprocess.run(
                [f"./{PROGRAM}", "--tap", "-p", TEST], cwd=paths.QEMU_OBJ,
                env=env, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, check=False,
                timeout=LONGEST).returncode
        except subprocess.TimeoutExpired:
            status = f"no end within {LONGEST} s"
    return judge(log.read_text(errors="replace"), status,
                 time.monotonic() - began)


def judge(text: str, status: int | str, seconds: float) -> Outcome:
    """Read the outcome from the program's output and its exit status."""
    counts = re.findall(r"(?m)^# (\d+) of (\d+) loaded$", text)
    loads = sum(int(all_) for _, all_ in counts)
    problem = ""
    if status:
        problem = f"ended with {status}"
    elif loads < FORMATS * LOADS:
        problem = f"loaded {loads} streams instead of {FORMATS * LOADS}"
    return Outcome(loads, sum(int(good) for good, _ in counts), seconds,
                   re.findall(r"VIRTIO_MEM_SEED=(\d+)", text), problem)
