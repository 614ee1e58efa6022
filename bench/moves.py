# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration costs (metrics 8 to 10)."""

import re
import time
from pathlib import Path

from vmtest import image
from bench.machine import interleaved
from vmtest.memory import GiB, MiB
from vmtest.migration import SLOW, Traveller, prepare, request, wait_migration
from bench.table import Row
from vmtest.vm import VM

SETTLE = 1.0        # seconds for a guest to come to rest
LONGEST = 90        # seconds that a guest may wait before it goes on


def device(size: str, options: str = "") -> tuple[str, ...]:
    """The device, of so much memory."""
    return ("-object", f"memory-backend-ram,id=mem0,size={size},reserve=off",
            "-device", f"virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M"
                       f"{options}")


class Traced(VM):
    """A VM that notes each discard of host memory."""

    def system(self) -> list[str]:
        return [*super().system(), "-trace", "ram_block_discard_*",
                "-D", str(self.trace)]

    @property
    def trace(self) -> Path:
        """Where it notes them."""
        return Path(self.console_log).with_suffix(".trace")

    def discards(self) -> int:
        """How many there were."""
        return len(re.findall("^ram_block_discard_",
                              self.trace.read_text(), re.M))


class Board(Traced):
    """No Linux: a driver that plugs every second block and stops."""

    def system(self) -> list[str]:
        arguments = super().system()
        arguments[arguments.index("-kernel") + 1] = str(image.IMAGE)
        arguments[arguments.index("-append") + 1] = "board"
        at = arguments.index("-initrd")
        return arguments[:at] + arguments[at + 2:]


class Guest(Traveller):
    """Whose VMs are of a kind that can be chosen."""

    kind = Traced

    def place(self, binary: str | None = None, *more: str) -> VM:
        return self.kind(f"{self.name}.{next(self.numbers)}", *self.args,
                         *more, binary=binary, machine=self.machine)


class BoardGuest(Guest):
    """The one with holes."""

    kind = Board


def move(guest: Guest, binary: str) -> dict[str, float]:
    """Migrate it once; say what that cost."""
    guest.set_out(binary)
    old, vm = guest.vms
    wait_migration(old, "completed")
    seen = old.cmd("query-migrate")
    vm.until("running", lambda: vm.cmd("query-status")["status"],
             "the status of the destination")
    return {"total time, ms": seen["total-time"],
            "downtime, ms": seen["downtime"],
            "sent, MiB": seen["ram"]["transferred"] / MiB,
            "discards on the destination": vm.discards()}


def nothing_plugged(binary: str) -> dict[str, float]:
    """64 GiB, nothing plugged"""
    guest = Guest("bench", "-m", "512M,maxmem=80G", *device("64G"),
                  binary=binary)
    try:
        guest.vm.wait_ready()
        time.sleep(SETTLE)
        return move(guest, binary)
    finally:
        guest.close(kill=True)


def checkerboard(binary: str) -> dict[str, float]:
    """8 GiB, every second block plugged, a guest that does nothing"""
    guest = BoardGuest("bench", "-cpu", "max", "-m", "128M,maxmem=20G",
                       *device("8G", ",requested-size=8G"), binary=binary)
    try:
        guest.vm.until(4 * GiB, lambda: guest.vm.sizes()["vm0"],
                       "the plugged size")
        return move(guest, binary)
    finally:
        guest.close(kill=True)


def under_load(binary: str) -> dict[str, float]:
    """2 GiB of 16 GiB plugged, a guest that copies and compares files"""
    guest = Guest("bench", "-m", "512M,maxmem=20G", *device("16G"),
                  binary=binary)
    try:
        guest.plug(2 * GiB)
        guest.work()
        return move(guest, binary)
    finally:
        guest.close(kill=True)


def goes_on(binary: str) -> dict[str, float]:
    """a resize that waits for a migration which is cancelled"""
    guest = Guest("bench", "-m", "512M,maxmem=20G", *device("8G"),
                  binary=binary)
    try:
        vm = guest.vm
        vm.wait_ready()
        request(vm, GiB)
        vm.wait_sizes(vm0=GiB)
        prepare(vm, **{"max-bandwidth": SLOW})
        vm.cmd("migrate", uri=f"file:{guest.file('stream')}")
        wait_migration(vm, "active")
        request(vm, 2 * GiB)
        time.sleep(SETTLE)
        vm.cmd("migrate_cancel")
        wait_migration(vm, "cancelled")
        began = time.monotonic()
        vm.until(True, lambda: vm.sizes()["vm0"] > GiB, "it goes on", LONGEST)
        return {"until it goes on, s": time.monotonic() - began}
    finally:
        guest.close(kill=True)


CASES = (nothing_plugged, checkerboard, under_load, goes_on)


def row(metric: str, case) -> Row:
    """The row of what is measured in a case."""
    name, _, unit = metric.partition(", ")
    name = f"{name}: {case.__doc__}"
    if case is goes_on:
        return Row(8, name, unit, 40)
    if metric.startswith("discards"):
        return Row(9, name, "calls", 250 if case is checkerboard else None)
    if metric.startswith("downtime"):
        return Row(10, name, unit, 1, grain=1)
    return Row(10, name, unit)


def measure(rounds: int) -> list[Row]:
    """All cases."""
    image.build()
    rows: list[Row] = []
    for case in CASES:
        table: dict[str, Row] = {}
        for who, binary in interleaved(rounds):
            for metric, value in case(str(binary)).items():
                table.setdefault(metric, row(metric, case))
                table[metric].values[who].append(value)
        rows += table.values()
    return sorted(rows, key=lambda row: row.number)
