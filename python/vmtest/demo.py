# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: a guest of 4 GiB grows, shrinks, reboots, goes on.

One row a step: what the host asked for, what the devices report, and what the
guest sees. A row is ok only if all three agree, the guest's part to the byte.
"""

import sys
import time

from vmtest import accel
from vmtest.memory import GiB, Memory, MiB
from vmtest.target import NAME, TARGET
from vmtest.vm import VM, Unexpected

# The example of the original proposal, without nodes where the guest learns of none.
NODE_OF = {"vm0": 0, "vm1": 1} if TARGET.nodes and TARGET.acpi else {}
ARGUMENTS = (
    "-m", "4G,maxmem=504G", "-smp", "sockets=2,cores=2",
    *(("-object", "memory-backend-ram,id=ram0,size=2G",
       "-object", "memory-backend-ram,id=ram1,size=2G",
       "-numa", "node,nodeid=0,cpus=0-1,memdev=ram0",
       "-numa", "node,nodeid=1,cpus=2-3,memdev=ram1") if NODE_OF else ()),
    "-object", "memory-backend-ram,id=mem0,size=256G,reserve=off",
    *TARGET.device(0, "node=0,size=4160M"),
    "-object", "memory-backend-ram,id=mem1,size=128G,reserve=off",
    *TARGET.device(1, f"node={NODE_OF.get('vm1', 0)},size=3G"),
)
STEP_TIMEOUT = 120

GROUPS = "{:32}{:^17}{:^17}{:^30}"
COLUMNS = "{:32}{:>8}{:>7}{:>10}{:>7}{:>12}{:>8}{:>8}{:>9}  {}"
HEAD = "\n".join((
    GROUPS.format("all sizes in MiB", "   host asks", "   device says",
                  "   guest sees").rstrip(),
    COLUMNS.format("step", "vm0", "vm1", "vm0", "vm1", "MemTotal", "node 0",
                   "node 1", "seconds", "").rstrip()))


class Differs(Exception):
    """The row just printed is not ok; the ones after it would not be either."""


class Demo:
    """The steps, each of which has to end in agreement."""

    def __init__(self, vm: VM):
        self.vm = vm
        self.asked = {"vm0": 4160 * MiB, "vm1": 3 * GiB}
        self.live = sys.stdout.isatty()

    def run(self) -> None:
        """All steps."""
        started = time.monotonic()
        note(f"starting QEMU with {accel.name().upper()}, and the guest {NAME} …")
        self.vm.wait_ready()
        note(f"the guest has started after {time.monotonic() - started:.1f} s")
        seen = self.settle()
        took = time.monotonic() - started
        note("\n(qemu) info memory-devices\n"
             + self.vm.hmp("info memory-devices"))
        note(HEAD)
        self.base_row("driver not loaded yet")
        self.step("the first sizes", seen, took)
        self.resize("vm0", 40960)
        self.resize("vm0", 1024)
        self.reboot()
        self.resize("vm0", 4160)

    def resize(self, device: str, mib: int) -> None:
        """Give the command that this is all about, as a user types it."""
        started = time.monotonic()
        command = f"memory-device-resize {device} {mib}"
        self.asked[device] = mib * MiB
        refusal = self.vm.hmp(command).strip()
        if refusal:
            raise Unexpected(self.vm.report(f"the monitor to obey '{command}'",
                                            refusal))
        self.step(command, self.settle(), time.monotonic() - started)

    def reboot(self) -> None:
        """A reset unplugs all; the driver then plugs what is asked for."""
        started = time.monotonic()
        self.vm.cmd("system_reset")
        self.vm.event_wait("RESET", 60)
        nothing = {"vm0": 0, "vm1": 0}
        self.vm.until(nothing, self.vm.sizes, "the sizes after a reset", 2)
        self.row("system_reset", nothing, None, time.monotonic() - started, [])
        self.vm.wait_ready()
        self.base_row("rebooted, driver not loaded yet")
        self.step("rebooted, with its driver", self.settle(),
                  time.monotonic() - started)

    def step(self, name: str, seen: tuple, took: float) -> None:
        """Print the row of a step, and what does not agree."""
        sizes, gained, memory = seen
        self.row(name, sizes, memory, took,
                 differences(self.asked, sizes, gained, NODE_OF))

    def settle(self) -> tuple[dict, Memory, Memory]:
        """Wait for agreement; return what was seen last, agreed or not."""
        deadline = time.monotonic() + STEP_TIMEOUT
        told = time.monotonic()
        while True:
            sizes = self.vm.sizes()
            late = time.monotonic() > deadline
            if sizes == self.asked or late:
                memory = self.vm.memory()
                gained = memory.since(self.vm.boot)
                if late or not differences(self.asked, sizes, gained, NODE_OF):
                    self.tell("")
                    return sizes, gained, memory
            if time.monotonic() - told > (0.3 if self.live else 10):
                told = time.monotonic()
                self.tell("  … " + ", ".join(
                    f"{name}: {size // MiB} of {self.asked[name] // MiB}"
                    for name, size in sizes.items()))
            time.sleep(0.05)

    def tell(self, text: str) -> None:
        """Progress: on a terminal one line that is written over."""
        if self.live:
            print(f"\r\033[K{text}", end="", flush=True)
        elif text:
            print(text, flush=True)

    def base_row(self, name: str) -> None:
        """What the guest had before; the other rows are compared with it."""
        note(COLUMNS.format(name, "", "", "", "", *in_mib(self.vm.boot),
                            "", "").rstrip())

    def row(self, name, sizes, memory, took, wrong: list[str]) -> None:
        """Print one row of the table."""
        note(COLUMNS.format(
            name, *(size // MiB for size in self.asked.values()),
            *(sizes[device] // MiB for device in self.asked),
            *(in_mib(memory) if memory else ("", "", "")),
            f"{took:.1f}",
            "differs:" if wrong else "ok"))
        for text in wrong:
            note(f"    {text}")
        if wrong:
            raise Differs()


def differences(asked: dict, sizes: dict, gained, node_of) -> list[str]:
    """What does not agree, a sentence each."""
    wrong = [f"{name}: expected {asked[name]} bytes plugged, seen {size}"
             for name, size in sizes.items() if size != asked[name]]
    if gained.total != sum(asked.values()):
        wrong.append(f"MemTotal: expected {sum(asked.values())} bytes more "
                     f"than without the driver, seen {gained.total}")
    for name, node in node_of.items():
        if gained.nodes[node] != asked[name]:
            wrong.append(f"node {node}: expected {asked[name]} bytes more "
                         f"than without the driver, seen {gained.nodes[node]}")
    return wrong


def in_mib(memory: Memory) -> list[str]:
    """MemTotal and the nodes, rounded for the table."""
    sizes = (memory.total, memory.nodes.get(0), memory.nodes.get(1))
    return ["-" if size is None else f"{size / MiB:.0f}" for size in sizes]


def note(text: str) -> None:
    """Tell the user what is going on."""
    print(text, flush=True)


def failed(why: str) -> int:
    """Say why on the error output; return the exit status for it."""
    print(f"error: {why}", file=sys.stderr)
    return 1


def main() -> int:
    """Run the demonstration; 0 only if all agreed at every step."""
    try:
        with VM("demo", *ARGUMENTS) as vm:
            logs = vm.logs()
            Demo(vm).run()
    except Unexpected as unexpected:
        return failed(str(unexpected))
    except Differs:
        return failed("the last row tells what was expected and what was seen "
                      f"instead\n{logs}")
    except KeyboardInterrupt:
        return failed("interrupted")
    note("All agree: MemTotal and the nodes of the guest are, to the byte, what "
         "they were before\nthe driver was loaded plus what the devices report.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
