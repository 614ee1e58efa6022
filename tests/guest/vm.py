# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with the test guest in it, on top of QEMU's own Python libraries.

What a test asks of it either happens in time, or raises Unexpected, which says
what was expected, what was seen and where the logs are. QEMU is gone when the
`with` block ends, and also when the test itself is killed.
"""

import importlib.util
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

from agent import Agent, AgentGone, AgentSilent, GuestRestarted


def _driver_paths():
    """The driver's paths.py alone: its qemu.py must not hide QEMU's library."""
    file = Path(__file__).resolve().parents[2] / "scripts/driver/paths.py"
    spec = importlib.util.spec_from_file_location("driver_paths", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


paths = _driver_paths()
for _tree in (paths.PRISTINE, paths.QEMU_TREE):
    if (_tree / "python" / "qemu").is_dir():
        sys.path.insert(0, str(_tree / "python"))
try:
    from qemu.machine import QEMUMachine
    from qemu.machine.machine import AbnormalShutdown, VMLaunchFailure
    from qemu.qmp import QMPError
except ImportError as error:
    sys.exit(f"error: QEMU's Python libraries are not usable below build/ "
             f"({error}): run make first")

MiB = 1 << 20
GiB = 1 << 30

# online_movable: plugged memory shall be unpluggable again.
# init_on_alloc=0: Debian's kernel clears every page it allocates, and the
# driver allocates whatever it unplugs: a shrink would take ten times as long.
KERNEL_ARGUMENTS = ("console=ttyS0 memhp_default_state=online_movable "
                    "panic=-1 init_on_alloc=0")
READY_TIMEOUT = 90      # a boot takes 4 s; a loaded machine gets its chance
QMP_TIMEOUT = 60
LOGS = paths.LOGS / "guest"


class Unexpected(AssertionError):
    """Something else than the expected happened; the message tells all."""


class Memory(NamedTuple):
    """What the guest's kernel counts as its memory, in bytes."""

    total: int
    nodes: dict[int, int]

    @classmethod
    def parse(cls, text: str) -> "Memory":
        """Read the kernel's meminfo files, one after the other."""
        [total] = re.findall(r"^MemTotal: +(\d+) kB$", text, re.M)
        nodes = re.findall(r"^Node (\d+) MemTotal: +(\d+) kB$", text, re.M)
        return cls(int(total) * 1024,
                   {int(node): int(kib) * 1024 for node, kib in nodes})

    def since(self, base: "Memory") -> "Memory":
        """How much more it is than `base` was."""
        return Memory(self.total - base.total,
                      {node: size - base.nodes.get(node, 0)
                       for node, size in self.nodes.items()})


def shown(size: int) -> str:
    """A size in MiB, with what is left over if it is no whole number."""
    mib, rest = divmod(size, MiB)
    return f"{mib} MiB" + (f" + {rest} B" if rest else "")


class VM(QEMUMachine):
    """One QEMU with the guest; `args` are added to its command line."""

    def __init__(self, name: str, *args: str, binary: str | None = None,
                 append: str = ""):
        for file in (paths.GUEST / "amd64" / "vmlinuz",
                     paths.GUEST / "amd64" / "initrd.img"):
            if not file.is_file():
                raise Unexpected(f"expected the guest's {file.name} in "
                                 f"{file.parent}; it is missing: make check "
                                 "and make demo build it")
        LOGS.mkdir(parents=True, exist_ok=True)
        super().__init__(
            binary or os.environ.get("VM_QEMU") or str(paths.QEMU),
            wrapper=("setpriv", "--pdeathsig", "KILL"),
            name=f"{name}.qemu", log_dir=str(LOGS))
        self.console_log = LOGS / f"{name}.console.log"
        self.append = append
        self.wanted_args = args
        self.agent: Agent | None = None
        self.boot = Memory(0, {})

    # ---- its life ----

    def __enter__(self) -> "VM":
        ours, theirs = socket.socketpair()
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            self.set_machine("q35")
            self.add_args(*base_arguments(self.append))
            self.add_args(
                "-chardev", f"file,id=console,path={self.console_log}",
                "-serial", "chardev:console",
                "-chardev", f"socket,id=agent,fd={theirs.fileno()}",
                "-serial", "chardev:agent", *self.wanted_args)
            self.agent_socket = ours
            self.agent = Agent(ours)
            try:
                self.launch()
            except VMLaunchFailure as failure:
                ours.close()
                raise Unexpected(self.report(
                    "QEMU to start", (failure.output or "").strip()
                    or str(failure).strip())) from None
        self._qmp.settimeout(QMP_TIMEOUT)
        return self

    def __exit__(self, kind, value, trace) -> None:
        try:
            if kind is not None:
                self.kill()
            else:
                self.end()
        finally:
            self.agent_socket.close()

    def end(self) -> None:
        """Quit QEMU, and insist that it was alive and ends as it should."""
        try:
            self.shutdown(timeout=20)
        except AbnormalShutdown:
            raise Unexpected(self.report(
                "QEMU to run until it is told to quit",
                f"it ended with status {self.exitcode()}")) from None
        if self.exitcode() != 0:
            raise Unexpected(self.report(
                "QEMU to quit with status 0", f"status {self.exitcode()}"))

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until the guest runs, after a start as after a reset."""
        self._talk(f"the guest to start within {timeout} s",
                   lambda: self.agent.wait_ready(timeout))
        self.boot = Memory.parse(self.sh("cat /run/boot/*"))

    # ---- the guest ----

    def sh(self, command: str, timeout: float = 30, check: bool = True) -> str:
        """Run a command line in the guest; return what it prints."""
        status, output = self.status(command, timeout)
        if check and status != 0:
            raise Unexpected(self.report(f"'{command}' to succeed in the guest",
                                         f"status {status}: {output}"))
        return output

    def status(self, command: str, timeout: float = 30) -> tuple[int, str]:
        """Run a command line in the guest; return exit status and output."""
        return self._talk(f"the guest to run '{command}' within {timeout} s",
                          lambda: self.agent.run(command, timeout))

    def memory(self) -> Memory:
        """What the guest has now."""
        return Memory.parse(self.sh(
            "cat /proc/meminfo /sys/devices/system/node/node*/meminfo"))

    def memtotal(self) -> int:
        """The guest's MemTotal in bytes."""
        return self.memory().total

    def node_memory(self, node: int) -> int:
        """The MemTotal of one of the guest's nodes; 0 if there is no such."""
        return self.memory().nodes.get(node, 0)

    def gained(self) -> Memory:
        """What the guest has now beyond what it had without the driver.

        Linux takes the page descriptors of added memory out of memory it has
        already, so this is exactly what is plugged, to the byte.
        """
        return self.memory().since(self.boot)

    def _talk(self, expected: str, work: Callable):
        try:
            return work()
        except AgentSilent as silent:
            seen = f"no answer, but {silent.seen!r}"
        except GuestRestarted:
            seen = "the guest restarted"
        except AgentGone:
            seen = f"QEMU ended with status {self._ended()}"
        raise Unexpected(self.report(expected, seen)) from None

    def _ended(self) -> int | None:
        """The exit status of a QEMU that has closed its files already."""
        return self._subp.wait(timeout=20)

    # ---- the device ----

    def hmp(self, line: str) -> str:
        """Run a command of the human monitor; return what it prints."""
        return self.cmd("human-monitor-command", command_line=line)

    def error(self, command: str, **arguments) -> str:
        """The message of the QMP error that a command is expected to give."""
        answer = self.qmp(command, **arguments)
        if "error" not in answer:
            raise Unexpected(self.report(
                f"{command} {arguments} to be refused", str(answer)))
        return answer["error"]["desc"]

    def devices(self) -> dict[str, dict]:
        """What query-memory-devices says, by device id."""
        return {device["data"]["id"]: device["data"]
                for device in self.cmd("query-memory-devices")}

    def sizes(self) -> dict[str, int]:
        """How much of each device is plugged."""
        return {name: data["size"] for name, data in self.devices().items()}

    def resize(self, device: str, size: int) -> None:
        """Ask a device for another size, as a user does."""
        self.cmd("memory-device-resize", id=device, size=size)

    def wait(self, expected, look: Callable, what: str,
             timeout: float = 60) -> None:
        """Wait until `look()` returns `expected`."""
        deadline = time.monotonic() + timeout
        while (seen := look()) != expected:
            if time.monotonic() > deadline:
                raise Unexpected(self.report(
                    f"{what} to be {expected}", f"{seen} after {timeout} s"))
            time.sleep(0.05)

    def wait_sizes(self, timeout: float = 60, **sizes: int) -> None:
        """Wait until the devices named have these sizes plugged, and then
        until the guest has just as much more, in all and on every node."""
        self.wait(sizes, lambda: {name: size for name, size
                                  in self.sizes().items() if name in sizes},
                  "the plugged sizes", timeout)
        devices = self.devices().values()
        expected = Memory(sum(device["size"] for device in devices), {
            node: sum(device["size"] for device in devices
                      if device["node"] == node)
            for node in self.memory().nodes})
        self.wait(expected, self.gained, "what the guest gained", timeout)

    # ---- when it goes wrong ----

    def report(self, expected: str, seen: str) -> str:
        """The text of a failure: all that is needed to look into it."""
        return (f"expected {expected}; seen: {seen}\n"
                f"  guest's console: {self.console_log}\n"
                f"  QEMU's output:   {LOGS / self._name}.log")


def base_arguments(append: str = "") -> list[str]:
    """The part of QEMU's command line that is the same for every test."""
    image = paths.GUEST / "amd64"
    return ["-accel", "tcg,thread=multi", "-nodefaults", "-no-user-config",
            "-kernel", str(image / "vmlinuz"),
            "-initrd", str(image / "initrd.img"),
            "-append", f"{KERNEL_ARGUMENTS} {append}".strip()]
