# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with the test guest in it, on top of QEMU's own Python libraries.

What a test asks of it either happens in time, or raises Unexpected, which says
what was expected, what was seen and where the logs are. QEMU is gone when the
`with` block ends, and also when the test itself is killed.
"""

import asyncio
import os
import socket
import subprocess
import time
from pathlib import Path
from textwrap import indent
from typing import Callable

from qemu.machine import QEMUMachine
from qemu.machine.machine import AbnormalShutdown, VMLaunchFailure
from qemu.qmp import ExecuteError, QMPError

from driver import paths
from vmtest import accel
from vmtest.agent import READY, Agent, AgentGone, AgentSilent, GuestRestarted
from vmtest.memory import Memory
from vmtest.target import NAME, TARGET

# online_movable: plugged memory shall be unpluggable again.
# init_on_alloc=0: Debian's kernel clears every page it allocates, and the
# driver allocates whatever it unplugs: a shrink would take ten times as long.
KERNEL_ARGUMENTS = (f"console={TARGET.console} vm.agent={TARGET.agent} panic=-1 "
                    "memhp_default_state=online_movable init_on_alloc=0")
# VMs have one CPU unless the test is about more: with several, emulated in
# parallel, QEMU 10.0 rarely (once in some two hundred boots) ends with an
# assertion of its MSI-X code while the guest's memory map is being changed.
READY_TIMEOUT = 90      # a boot takes 4 s; a loaded machine gets its chance
QMP_TIMEOUT = 60
LOGS = paths.LOGS / "guest" / NAME


class Unexpected(AssertionError):
    """Something else than the expected happened; the message tells all."""


class Silent(Unexpected):
    """The guest does not answer, and its QEMU has not ended."""


class VM(QEMUMachine):
    """One QEMU with the guest; `args` are added to its command line."""

    def __init__(self, name: str, *args: str, binary: str | None = None,
                 machine: str | None = None, append: str = "",
                 wrapper: tuple[str, ...] = ()):
        LOGS.mkdir(parents=True, exist_ok=True)
        super().__init__(
            binary or default_binary(),
            wrapper=("setpriv", "--pdeathsig", "KILL", *wrapper),
            name=f"{name}.qemu", log_dir=str(LOGS))
        self.console_log = LOGS / f"{name}.console.log"
        self.machine = machine or TARGET.machine
        self.append = append
        self.wanted_args = args
        self.agent: Agent | None = None
        self.boot = Memory(0, {})

    # ---- its life ----

    def __enter__(self) -> "VM":
        self.start()
        return self

    def __exit__(self, kind, value, trace) -> None:
        self.stop(kill=kind is not None)

    def start(self) -> None:
        """Start QEMU."""
        self.agent_socket, theirs = socket.socketpair()
        self.agent = Agent(self.agent_socket)
        self.set_machine(self.machine)
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            self.add_args(
                *self.system(),
                "-chardev", f"file,id=console,path={self.console_log}",
                "-chardev", f"socket,id=agent,fd={theirs.fileno()}",
                *TARGET.options, *self.wanted_args)
            try:
                self.launch()
            except VMLaunchFailure as failure:
                self.agent_socket.close()
                raise Unexpected(self.report(
                    "QEMU to start", (failure.output or "").strip()
                    or str(failure).strip())) from None
        self._qmp.settimeout(QMP_TIMEOUT)

    def system(self) -> list[str]:
        """The arguments that make it boot something."""
        return base_arguments(self.append)

    def stop(self, kill: bool) -> None:
        """End QEMU; unless it is killed, it has to end as it should."""
        try:
            if kill:
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
        self.wait_said(READY, "the guest to start", timeout)
        self.boot = Memory.parse(self.sh("cat /run/boot/*"))

    def restore(self) -> None:
        """Go back to a running guest with nothing plugged, if it is none."""
        if self.cmd("query-status")["status"] == "paused":
            self.cmd("cont")
        for name in self.devices():
            self.resize(name, 0)
        self.wait_sizes(timeout=20, **dict.fromkeys(self.devices(), 0))

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

    def fill(self, size: int) -> None:
        """Put so many bytes into a file in memory, until `umount /tmp/full`.

        A part of boot memory is kept for Linux itself (lowmem_reserve_ratio): it moves
        the file there when memory is unplugged, and has none for a new process then.
        """
        self.sh("echo 8 8 8 > /proc/sys/vm/lowmem_reserve_ratio; mkdir -p /tmp/full && "
                "mount -t tmpfs -o size=100% none /tmp/full && dd if=/dev/zero "
                f"of=/tmp/full/data bs=1M count={size >> 20} 2>&1", timeout=60)

    def memory(self) -> Memory:
        """What the guest has now. A node that loses all of it may go meanwhile."""
        return Memory.parse(self.sh(
            "cat /proc/meminfo && "
            "{ cat /sys/devices/system/node/node*/meminfo 2>/dev/null || true; }"))

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

    def wait_said(self, line: str, what: str, timeout: float) -> None:
        """Wait for a line that something in the guest writes to its agent's port."""
        self._talk(f"{what} within {timeout} s",
                   lambda: self.agent.wait_for(line, timeout))

    def _talk(self, expected: str, work: Callable):
        try:
            return work()
        except AgentSilent as silent:
            raise Silent(self.report(
                expected, f"no answer, but {silent.seen!r}")) from None
        except GuestRestarted:
            seen = "the guest restarted"
        except AgentGone:
            seen = f"QEMU ended with status {self._ended()}"
        raise Unexpected(self.report(expected, seen)) from None

    def _ended(self) -> int | None:
        """The exit status of a QEMU that has closed its files already."""
        try:
            return self._subp.wait(timeout=20)
        except subprocess.TimeoutExpired:
            return None

    # ---- the device ----

    def cmd(self, cmd: str, *arguments, **options):
        """Run a QMP command that has to succeed."""
        try:
            return super().cmd(cmd, *arguments, **options)
        except asyncio.TimeoutError:
            seen = f"no answer in {QMP_TIMEOUT} s"
        except ExecuteError as error:
            seen = str(error)
        except QMPError as error:
            seen = f"{error}: QEMU ended with status {self._ended()}"
        raise Unexpected(self.report(f"{cmd} {options or arguments} to succeed",
                                     seen))

    def event_wait(self, name: str, timeout: float = 60, match=None):
        """Wait for an event, which has to come."""
        deadline = time.monotonic() + timeout
        seen = None
        while seen is None:
            try:
                # The library takes a whole number for no limit at all, and
                # does not see that QEMU is gone: hence in small portions.
                return super().event_wait(name, 1.0, match)
            except asyncio.TimeoutError:
                if not self.is_running():
                    seen = f"QEMU ended with status {self._ended()}"
                elif time.monotonic() > deadline:
                    seen = "no such event"
            except QMPError as error:
                seen = f"{error}: QEMU ended with status {self._ended()}"
        wanted = f"{name} {match}" if match else name
        raise Unexpected(self.report(
            f"the event {wanted} within {timeout} s", seen))

    def hmp(self, line: str) -> str:
        """Run a command of the human monitor; return what it prints."""
        return self.cmd("human-monitor-command", command_line=line)

    def devices(self) -> dict[str, dict]:
        """What query-memory-devices says, by device id."""
        return {device["data"]["id"]: device["data"]
                for device in self.cmd("query-memory-devices")}

    def sizes(self) -> dict[str, int]:
        """How much of each device is plugged."""
        return {name: data["size"] for name, data in self.devices().items()}

    def size_changes(self) -> list[dict]:
        """The news of size changes since this was last asked for."""
        self.cmd("query-status")    # what was sent before its answer is here
        return [event["data"] for event in self.get_qmp_events()
                if event["event"] == "MEMORY_DEVICE_SIZE_CHANGE"]

    def resize(self, device: str, size: int) -> None:
        """Ask a device for another size, as a user does."""
        self.cmd("memory-device-resize", id=device, size=size)

    def until(self, expected, look: Callable, what: str,
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
        self.until(sizes, lambda: {name: size for name, size
                                  in self.sizes().items() if name in sizes},
                  "the plugged sizes", timeout)
        devices = self.devices().values()
        expected = Memory(sum(device["size"] for device in devices), {
            node: sum(device["size"] for device in devices
                      if device["node"] == node)
            for node in self.memory().nodes})
        self.until(expected, self.gained, "what the guest gained", timeout)

    def host_memory(self) -> int:
        """How much of the host's memory QEMU occupies, in bytes."""
        status = Path(f"/proc/{self.get_pid()}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    # ---- when it goes wrong ----

    def report(self, expected: str, seen: str) -> str:
        """The text of a failure: all that is needed to look into it."""
        return f"expected {expected}; seen: {seen}\n" + "\n".join(
            f"  {what}: {log}" + indent(end(log), "    | ")
            for what, log in (("guest's console", self.console_log),
                              ("QEMU's output", self.qemu_log)))

    @property
    def qemu_log(self) -> Path:
        """What QEMU has written so far."""
        return LOGS / f"{self._name}.log"

    def logs(self) -> str:
        """Where to look."""
        return (f"  guest's console: {self.console_log}\n"
                f"  QEMU's output:   {self.qemu_log}")


def end(log: Path, lines: int = 12) -> str:
    """The last lines of it, after a line break; nothing if it has none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "".join(f"\n{line}" for line in text.splitlines()[-lines:])


def default_binary() -> str:
    """The QEMU under test."""
    return os.environ.get("VM_QEMU") or str(
        paths.HERE / f"qemu-system-{TARGET.arch}")


def base_arguments(append: str = "", kind: str | None = None) -> list[str]:
    """The part of QEMU's command line that is the same for every test."""
    home = paths.GUESTS / TARGET.guest
    for file in (home / "vmlinuz", home / "initrd.img"):
        if not file.is_file():
            raise Unexpected(f"expected the guest's {file.name} in "
                             f"{file.parent}; it is missing: make check "
                             "and make demo build it")
    return ["-accel", kind or accel.option(), "-nodefaults", "-no-user-config",
            *(["-bios", str(home / "firmware")] if TARGET.firmware else []),
            "-kernel", str(home / "vmlinuz"),
            "-initrd", str(home / "initrd.img"),
            "-append", f"{KERNEL_ARGUMENTS} {append}".strip()]
