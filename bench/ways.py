# SPDX-License-Identifier: GPL-2.0-or-later
"""Other ways to take memory from the same Linux (metric 12)."""

import time
from typing import Callable

from bench import linux
from bench.linux import LONGEST, LOOK, Timeline
from bench.machine import GiB
from bench.moves import device
from bench.table import Row
from vmtest.vm import VM

SIZE = 2 * GiB
BOOT = 4 * GiB


def virtio_mem(vm: VM) -> Timeline:
    """With our device"""
    linux.change(vm, SIZE)
    return [(at, 1 - size * GiB / SIZE) for at, size in linux.change(vm, 0)]


def virtio_balloon(vm: VM) -> Timeline:
    """With virtio-balloon"""
    balloon(vm, BOOT)
    return balloon(vm, BOOT - SIZE)


def balloon(vm: VM, size: int) -> Timeline:
    """Ask the balloon to leave that much."""
    began = time.perf_counter()
    vm.cmd("balloon", value=size)
    return watch(vm, began, lambda: (
        BOOT - vm.cmd("query-balloon")["actual"]) / SIZE, (BOOT - size) / SIZE)


def pc_dimm(vm: VM) -> Timeline:
    """By pulling a DIMM"""
    vm.cmd("object-add", **{"qom-type": "memory-backend-ram", "id": "dimm",
                            "size": SIZE, "reserve": False})
    before = vm.memtotal()
    vm.cmd("device_add", driver="pc-dimm", id="dimm0", memdev="dimm")
    vm.until(True, lambda: vm.memtotal() >= before + SIZE * 9 // 10,
             "the guest has the DIMM")
    time.sleep(1)           # until its last block is online
    began = time.perf_counter()
    vm.cmd("device_del", id="dimm0")
    timeline = watch(vm, began,
                     lambda: float("dimm0" not in vm.devices()), 1.0)
    vm.cmd("object-del", id="dimm")
    return timeline


def watch(vm: VM, began: float, look: Callable, wanted: float) -> Timeline:
    """What is seen until it is as wanted."""
    seen, timeline = -1.0, [(0.0, look())]
    while seen != wanted:
        seen = look()
        timeline.append((time.perf_counter() - began, seen))
        if timeline[-1][0] > LONGEST:
            raise AssertionError(vm.report(
                f"{wanted} to be given back within {LONGEST} s", str(seen)))
        time.sleep(LOOK)
    return timeline


WAYS = {"virtio-mem": virtio_mem, "virtio-balloon": virtio_balloon,
        "pc-dimm": pc_dimm}


def measure(rounds: int) -> tuple[list[Row], dict[str, Timeline]]:
    """The other ways, in the place of stock, and a timeline of each."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    timelines: dict[str, Timeline] = {}
    with VM("bench-ways", "-m", "4G,slots=2,maxmem=24G", *device("8G"),
            "-device", "virtio-balloon-pci,id=balloon0") as vm:
        vm.wait_ready()
        for _ in range(rounds + 1):
            for name, way in WAYS.items():
                timelines[name] = way(vm)
                seconds[name].append(timelines[name][-1][0])
    rows = []
    for name, goal in (("virtio-balloon", 10), ("pc-dimm", None)):
        rows.append(Row(12, f"Linux shrinks by 2 GiB, {name} in the place of "
                        "stock", "s", goal))
        rows[-1].values = {"stock": seconds[name][1:],
                           "ours": seconds["virtio-mem"][1:]}
    return rows, timelines
