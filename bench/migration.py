# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration costs with our device and with QEMU's own.

    python3 bench/migration.py [--rounds N]

Both take turns, in fresh VMs. Prints a table for each case: medians, with the
smallest and the largest value.
"""

import argparse
import re
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for directory in ("scripts/driver", "tests/flood", "tests/guest"):
    sys.path.insert(0, str(ROOT / directory))

import image  # noqa: E402  pylint: disable=wrong-import-position
from memory import GiB, MiB  # noqa: E402  pylint: disable=wrong-import-position
from migration import (  # noqa: E402  pylint: disable=wrong-import-position
    SLOW, Traveller, prepare, request, wait_migration)
from vm import VM, paths  # noqa: E402  pylint: disable=wrong-import-position

BINARIES = {"stock": paths.STOCK, "ours": paths.QEMU}
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
        return [*super().system(), "-trace", "ram_block_discard_range",
                "-D", str(self.trace)]

    @property
    def trace(self) -> Path:
        """Where it notes them."""
        return Path(self.console_log).with_suffix(".trace")

    def discards(self) -> int:
        """How many there were."""
        return len(re.findall("^ram_block_discard_range",
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
        guest.load(2 * GiB)
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


def show(case, results: dict[str, list[dict[str, float]]]) -> None:
    """One table."""
    print(f"\n{case.__doc__} ({len(results['ours'])} rounds)\n")
    print(f"  {'':30}{'stock':>26}{'ours':>26}{'stock/ours':>12}")
    for metric in results["ours"][0]:
        columns, medians = "", []
        for name in BINARIES:
            values = [round_[metric] for round_ in results[name]]
            medians.append(statistics.median(values))
            spread = f"{medians[-1]:.2f} ({min(values):.2f}-{max(values):.2f})"
            columns += f"{spread:>26}"
        ratio = f"{medians[0] / medians[1]:.2f}" if medians[1] else "-"
        print(f"  {metric:30}{columns}{ratio:>12}", flush=True)


def main() -> int:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    image.build()
    for case in CASES:
        results: dict = {name: [] for name in BINARIES}
        for number in range(rounds):
            order = list(BINARIES.items())
            for name, binary in order[::-1] if number % 2 else order:
                results[name].append(case(str(binary)))
        show(case, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
