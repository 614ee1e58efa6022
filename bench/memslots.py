# SPDX-License-Identifier: GPL-2.0-or-later
"""What memory slots cost: a device of 1 TiB with 1 GiB plugged, and with all.

The guest is the one of tests/kvm. KVM's memory is what the kernel charges to
the cgroup in which QEMU starts: page tables and stacks are in that, too.
"""

import os
import re
import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from bench.machine import BINARIES, BLOCK, GiB, MiB
from driver import ui
from vmtest import image
from vmtest.rom import ACK, CPU, PLUG, UNPLUG_ALL, Rom, trouble

SIZE = 1024 * GiB
BATCH = 64              # requests a kick
TIMES = 40              # kicks of each kind
AT_ONCE = 64 * GiB // BLOCK     # blocks in a request when all is plugged
# As a PLUG of each maps a slot: none of 256 is as large.
APART = SIZE // BATCH // BLOCK
GROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
WAYS = tuple((who, slots) for who in BINARIES for slots in ("off", "on"))
WHATS = ("start of QEMU, ms", "memory of QEMU, MiB", "memory of the kernel, MiB",
         "PLUG that changes no slot, µs", "UNPLUG, the same, µs",
         "PLUG that maps a slot, µs", "UNPLUG, the same back, µs",
         "PLUG of 1 TiB, ms", "memory of QEMU then, MiB",
         "memory of the kernel then, MiB", "UNPLUG of 1 TiB, ms")
Costs = dict[tuple[str, str, str], list[tuple]]


def measure(rounds: int) -> Costs:
    """The values of WHATS, by accelerator, binary and dynamic-memslots."""
    image.build_rom()
    costs: Costs = {}
    for kind in ("tcg", "kvm"):
        if why := trouble(kind):
            ui.progress(f"slots are not measured with {kind}: {why}")
            continue
        for number in range(rounds):
            for who, slots in WAYS[::-1 if number % 2 else 1]:
                costs.setdefault((kind, who, slots), []).append(
                    once(kind, BINARIES[who], slots))
    return costs


def once(kind: str, binary: Path, slots: str) -> tuple:
    """One VM."""
    # No other memory device may come: this one gets all slots.
    device = (
        "-object", f"memory-backend-ram,id=mem0,size={SIZE},reserve=off",
        "-device", f"virtio-mem-pci,id=vm0,memdev=mem0,block-size={BLOCK},"
                   f"unplugged-inaccessible=on,dynamic-memslots={slots}")
    vm = Rom(kind, f"slots.{binary.parent.name}.{slots}", "-m",
             f"maxmem={SIZE + 128 * MiB}B", "-cpu", f"{CPU},phys-bits=48",
             device=device, binary=str(binary))
    with charged() as kernel:
        began = time.perf_counter()
        vm.start()
        start = time.perf_counter() - began
        try:
            return (1000 * start, *inside(vm, kernel))
        finally:
            vm.stop(kill=True)


def inside(vm: Rom, kernel) -> Iterator:
    """What is measured in a VM that has started."""
    vm.wait_ready()
    vm.resize("vm0", SIZE)
    expect(vm.request(PLUG, 0, GiB // BLOCK))
    yield vm.host_memory() / MiB
    yield kernel() / MiB
    expect(vm.request(UNPLUG_ALL))
    expect(vm.request(PLUG, BATCH, 1))      # the slot stays
    yield from times(vm, 1)
    yield from times(vm, APART)
    began = time.perf_counter()
    for first in range(BATCH + 1, SIZE // BLOCK, AT_ONCE):
        expect(vm.request(PLUG, first, min(AT_ONCE, SIZE // BLOCK - first)))
    yield 1000 * (time.perf_counter() - began)
    yield vm.host_memory() / MiB
    yield kernel() / MiB
    began = time.perf_counter()
    expect(vm.request(UNPLUG_ALL))
    yield 1000 * (time.perf_counter() - began)


def times(vm: Rom, apart: int) -> tuple[float, float]:
    """Of a PLUG and of an UNPLUG of one block."""
    vm.numbers("rounds", 2, apart, timeout=120)
    (first,), began = vm.numbers("cycles"), time.monotonic()
    answered, unexpected, plug, unplug = vm.numbers("rounds", TIMES, apart,
                                                    timeout=300)
    (last,), ended = vm.numbers("cycles"), time.monotonic()
    if unexpected:
        raise ui.Fail(f"{unexpected} of {answered} requests got other answers "
                      "than ACK")
    each = 1e6 * (ended - began) / (last - first) / (TIMES * BATCH)
    return each * plug, each * unplug


def expect(answer: int) -> None:
    """A request was done."""
    if answer != ACK:
        raise ui.Fail(f"a request got the answer {answer} in place of ACK")


@contextmanager
def charged() -> Iterator:
    """Programs started inside are charged for what the kernel has for them; what
    is yielded tells how much that is, or nothing where it may not be asked."""
    top = next((Path(top) for top in GROUPS
                if (Path(top) / "cgroup.procs").exists()), Path("/nowhere"))
    group = top / "virtio-mem-bench"
    try:
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    except OSError:
        yield lambda: float("nan")
        return

    def used() -> int:
        usage = group / "memory.kmem.usage_in_bytes"
        if usage.exists():
            return int(usage.read_text(encoding="ascii"))
        text = (group / "memory.stat").read_text(encoding="ascii")
        return int(re.search(r"(?m)^kernel (\d+)", text)[1])

    before = used()
    try:
        yield lambda: used() - before
    finally:
        (top / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        group.rmdir()


def table(costs: Costs) -> str:
    """Medians."""
    columns = list(costs)
    lines = [["1 TiB", *(f"{kind}, {who}, {slots}"
                         for kind, who, slots in columns)],
             ["---"] * (len(columns) + 1)]
    lines += [[what, *(f"{statistics.median(value[at] for value in costs[key]):.3g}"
                       for key in columns)]
              for at, what in enumerate(WHATS)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
