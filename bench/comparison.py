# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-mem beside the other ways to change the memory of the same Linux: what each
can do, and what it tells. docs/devel/comparison.md has the table with Xen's beside it.

Each way has a VM of its own: two nodes of 512 MiB, one processor, and 1 GiB more where
the way can add memory. All memory of the host is there from the start, as if the guest
had used it before.
"""

import statistics
import time
from typing import Callable

from driver import ui
from vmtest.memory import GiB, MiB
from vmtest.vm import VM, Unexpected

BOOT = GiB
MORE = GiB
SIZE = GiB // 2         # of the change that is timed
PART = SIZE // 2        # of a DIMM, and of smaller changes
SLACK = 32 * MiB        # what a guest may use by itself meanwhile
LONGEST = 120           # seconds for a change
PATIENCE = 600          # for the guest to answer, on a busy machine
ROUNDS = 5              # of changes that are timed
STUCK = 15              # seconds after which a change that is stuck is looked at
FREE = 200 * MiB        # what is left when memory is short
NODES = ("-m", "1G,slots=8,maxmem=8G",
         "-object", "memory-backend-ram,id=ram0,size=512M,prealloc=on",
         "-object", "memory-backend-ram,id=ram1,size=512M,prealloc=on",
         "-numa", "node,nodeid=0,cpus=0,memdev=ram0",
         "-numa", "node,nodeid=1,memdev=ram1")


class Patient(VM):
    """A VM whose guest may be slow to answer."""

    def sh(self, command: str, timeout: float = PATIENCE, check: bool = True) -> str:
        return super().sh(command, timeout, check)


class Way:
    """One way: what it needs, and how it is asked. `has` is what the guest is said to
    have, `most` what it could be asked to have."""

    name = ""
    arguments: tuple[str, ...] = ()
    smallest = 4096
    most = BOOT + MORE

    def __init__(self, vm: VM):
        self.vm = vm

    def ask(self, size: int) -> None:
        """Ask the guest to have so much memory."""
        raise NotImplementedError

    def has(self) -> int:
        """What the way itself says of it."""
        raise NotImplementedError

    def told(self) -> str:
        """What a user can learn of a change that is stuck."""
        raise NotImplementedError

    def change(self, size: int, longest: float = LONGEST) -> float | None:
        """Ask, and wait; how long it took, or None if it did not get there."""
        began = time.perf_counter()
        self.ask(size)
        while self.has() != size:
            if time.perf_counter() - began > longest:
                return None
            time.sleep(0.01)
        return time.perf_counter() - began


class VirtioMem(Way):
    """Our device, on node 1."""

    name = "virtio-mem"
    arguments = ("-object", "memory-backend-ram,id=mem0,size=1G,reserve=off",
                 "-device", "virtio-mem-pci,id=vm0,memdev=mem0,node=1,prealloc=on")

    @property
    def smallest(self) -> int:
        """The block size."""
        return self.vm.devices()["vm0"]["block-size"]

    def ask(self, size: int) -> None:
        self.vm.resize("vm0", size - BOOT)

    def has(self) -> int:
        return BOOT + self.vm.sizes()["vm0"]

    def told(self) -> str:
        resize = self.vm.devices()["vm0"]["resize"]
        return ", ".join(f"{name} {value}" for name, value in resize.items())


class Balloon(Way):
    """virtio-balloon. It cannot name a node, and cannot add to what was booted with."""

    name = "virtio-balloon"
    arguments = ("-device", "virtio-balloon-pci,id=balloon0")
    most = BOOT

    def ask(self, size: int) -> None:
        self.vm.cmd("balloon", value=size)

    def has(self) -> int:
        return self.vm.cmd("query-balloon")["actual"]

    def told(self) -> str:
        return ", ".join(f"{name} {value}" for name, value
                         in self.vm.cmd("query-balloon").items())


class Reporting(Balloon):
    """The same, with free page reporting."""

    name = "virtio-balloon, free-page-reporting=on"
    arguments = ("-device", "virtio-balloon-pci,id=balloon0,free-page-reporting=on")


class Dimm(Way):
    """DIMMs of 256 MiB, on node 1."""

    name = "pc-dimm"
    smallest = 16 * MiB

    def __init__(self, vm: VM):
        super().__init__(vm)
        self.ids: list[str] = []

    def add(self, size: int) -> dict:
        """One more, of that size; what device_add returns."""
        name = f"dimm{len(self.ids)}"
        self.vm.cmd("object-add", **{"qom-type": "memory-backend-ram",
                                     "id": f"m{name}", "size": size, "prealloc": True})
        answer = self.vm.qmp("device_add", driver="pc-dimm", id=name, node=1,
                             memdev=f"m{name}")
        if "error" in answer:
            self.vm.cmd("object-del", id=f"m{name}")
        else:
            self.ids.append(name)
        return answer

    def ask(self, size: int) -> None:
        self.vm.get_qmp_events()
        for _ in range((size - self.has()) // PART):
            self.add(PART)
        for name in self.ids[(size - BOOT) // PART:]:
            self.vm.cmd("device_del", id=name)

    def has(self) -> int:
        there = self.vm.devices()
        for name in [name for name in self.ids if name not in there]:
            self.ids.remove(name)
            self.vm.cmd("object-del", id=f"m{name}")
        return BOOT + sum(data["size"] for data in there.values())

    def change(self, size: int, longest: float = LONGEST) -> float | None:
        """Until the guest has set a new one online, too: QEMU is not told of that."""
        grows, began = size > self.has(), time.perf_counter()
        wanted = self.vm.memtotal() + size - self.has()
        if super().change(size, longest) is None:
            return None
        while grows and abs(self.vm.memtotal() - wanted) > SLACK:
            if time.perf_counter() - began > longest:
                return None
        return time.perf_counter() - began

    def told(self) -> str:
        events = [event["event"] for event in self.vm.get_qmp_events()]
        return "events " + (", ".join(dict.fromkeys(events)) or "none")


WAYS = (VirtioMem, Balloon, Reporting, Dimm)


# ---- what is looked at ----

def mib(size: float) -> str:
    """A change of a size."""
    return f"{size / MiB:+.0f} MiB"


def free(vm: VM) -> int:
    """MemFree of the guest."""
    return 1024 * int(vm.sh("awk '/^MemFree/ {print $2}' /proc/meminfo"))


def use(vm: VM, size: int) -> None:
    """Have the guest use so much memory, and keep it."""
    vm.sh("test -d /big || { mkdir /big && mount -t tmpfs -o size=100% none /big; } && "
          f"fallocate -l {size} /big/file")


def release(vm: VM) -> None:
    """Have it give that up."""
    vm.sh("rm -f /big/file")


def smallest_step(way: Way) -> str:
    """The smallest change upwards from which the guest has memory, and downwards."""
    if isinstance(way, Dimm):
        return smallest_dimm(way)
    base = way.most - PART
    way.change(base)
    steps = []
    for sign in (1, -1):
        step = way.smallest
        while way.change(base + sign * step, 10) is None:
            way.change(base)
            step *= 2
        steps.append(step)
        way.change(base)
    return " / ".join(f"{step // 1024} KiB" if step < MiB else f"{step // MiB} MiB"
                      for step in steps)


def smallest_dimm(way: Dimm) -> str:
    """Not every one that QEMU takes is one that Linux can use. The large ones first:
    one that stays unused would take the place that others are aligned to."""
    way.change(BOOT)
    works, step = 0, PART
    while step >= way.smallest:
        before, answer = way.vm.memtotal(), way.add(step)
        until = time.monotonic() + 20
        while "error" not in answer and way.vm.memtotal() == before:
            if time.monotonic() > until:
                answer = {"error": "no memory"}
        if "error" in answer:
            break
        works, step = step, step // 2
        way.change(BOOT)
    return f"{works // MiB} MiB / all of a DIMM" if works else "none works"


def beyond_boot(way: Way) -> str:
    """What the guest gains if it is asked to have 512 MiB more than it booted with."""
    way.change(BOOT)
    before = way.vm.memtotal()
    way.change(BOOT + SIZE, 10)
    time.sleep(1)
    return mib(way.vm.memtotal() - before)


def per_node(way: Way) -> str:
    """Where 256 MiB come from that the guest gives."""
    way.change(way.most - PART)
    before = free_by_node(way.vm)
    way.change(way.most - 2 * PART)
    time.sleep(1)
    after = free_by_node(way.vm)
    way.change(way.most - PART)
    return ", ".join(f"node {node}: {mib(after.get(node, 0) - size)}"
                     for node, size in before.items())


def free_by_node(vm: VM) -> dict[int, int]:
    """The free memory of each node."""
    text = vm.sh("cat /sys/devices/system/node/node*/meminfo")
    return {int(words[1]): 1024 * int(words[3])
            for words in map(str.split, text.splitlines()) if words[2] == "MemFree:"}


def reboot(way: Way) -> str:
    """What it has after a system reset that came at 256 MiB less than the most."""
    way.change(way.most - PART)
    before = way.vm.memtotal()
    way.vm.cmd("system_reset")
    way.vm.wait_ready(PATIENCE)
    time.sleep(5)
    after = way.vm.memtotal()
    return f"{mib(after - before)}; says {way.has() / GiB:.4g} GiB"


def what_shrinks(way: Way) -> str:
    """When 256 MiB go: in the guest, and for the host."""
    way.change(way.most)
    vm = way.vm
    time.sleep(5)
    before = vm.memtotal(), vm.host_memory()
    way.change(way.most - PART)
    time.sleep(2)
    after = vm.memtotal(), vm.host_memory()
    way.change(way.most)
    return f"MemTotal {mib(after[0] - before[0])}, QEMU {mib(after[1] - before[1])}"


def by_itself(way: Way) -> str:
    """What the host gets when a program of the guest frees 512 MiB, and when."""
    way.change(way.most)
    use(way.vm, SIZE)
    release(way.vm)
    before, began = way.vm.host_memory(), time.perf_counter()
    while time.perf_counter() - began < 10:
        gone = before - way.vm.host_memory()
        if gone > SIZE * 9 // 10:
            return f"{mib(-gone)} after {time.perf_counter() - began:.1f} s"
        time.sleep(0.05)
    return f"{mib(-gone)} after 10 s"


def stuck(way: Way) -> str:
    """What it tells when the guest cannot give 512 MiB, because they are in use."""
    way.change(way.most)
    vm = way.vm
    use(vm, free(vm) - FREE)
    way.vm.get_qmp_events()
    killed = oom(vm)
    way.ask(way.most - SIZE)
    time.sleep(STUCK)
    text = f"gave {mib(way.most - way.has())}; says {way.told()}"
    try:
        text += f"; OOM kills: {oom(vm) - killed}"
    except Unexpected as restarted:
        if "the guest restarted" not in str(restarted):
            raise
        return f"{text}; the guest ran out of memory, and restarted"
    release(vm)
    way.change(way.most - SIZE, 20)
    way.change(way.most, 60)
    return text


def oom(vm: VM) -> int:
    """How often the guest has killed a program for want of memory."""
    return int(vm.sh("awk '$1 == \"oom_kill\" {print $2}' /proc/vmstat"))


def times(way: Way) -> str:
    """How long it takes to give 512 MiB, and to have them again; medians."""
    taken = []
    way.change(way.most)
    for _ in range(ROUNDS + 1):
        taken.append((way.change(way.most - SIZE), way.change(way.most)))
    return " / ".join("never" if None in column else
                      f"{statistics.median(column):.2g} s"
                      for column in zip(*taken[1:]))


# The first needs a host that has given the guest all of its memory.
ROWS: dict[str, Callable[[Way], str]] = {
    "256 MiB less: in the guest, and of the host": what_shrinks,
    "Asked for 512 MiB beyond boot memory, the guest gains": beyond_boot,
    "256 MiB less: free memory of each node": per_node,
    "A system reset at 256 MiB below the most": reboot,
    "A program frees 512 MiB: QEMU's memory": by_itself,
    "512 MiB less, which are in use: after 15 s": stuck,
    f"512 MiB less / again, median of {ROUNDS}": times,
    # Linux may keep a DIMM that it cannot use: nothing comes after that.
    "Smallest step that works, up / down": smallest_step,
}
Results = dict[tuple[str, str], str]


def measure() -> Results:
    """All rows of all ways."""
    found: Results = {}
    for kind in WAYS:
        ui.progress(f"… {kind.name}")
        with Patient("bench-comparison", *NODES, *kind.arguments) as vm:
            vm.wait_ready(PATIENCE)
            way = kind(vm)
            for name, look in ROWS.items():
                found[name, kind.name] = look(way)
    return found


def table(found: Results) -> str:
    """As Markdown."""
    names = [kind.name for kind in WAYS]
    lines = ["| | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
    for row in dict.fromkeys(row for row, _ in found):
        lines.append(f"| {row} | " + " | ".join(found[row, name] for name in names)
                     + " |")
    return "\n".join(lines) + "\n"
