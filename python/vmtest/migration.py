# SPDX-License-Identifier: GPL-2.0-or-later
"""Moving a running guest from one QEMU to another, with a load in it."""

import itertools
import re
import tempfile
from pathlib import Path

from vmtest.memory import MiB
from driver import paths
from vmtest.vm import VM, Silent, Unexpected

STOCK = str(paths.STOCK)
DATA = 48 * MiB
FAST = 1 << 33          # bytes per second
SLOW = 1 << 20          # at which no migration ends

# Copies and compares what it was given, for ever. Linux puts such files into
# plugged memory first, because that is movable.
LOAD = (f"mount -t tmpfs none /tmp && dd if=/dev/urandom of=/tmp/a bs=1M "
        f"count={DATA // MiB} 2>&1 && md5sum /tmp/a > /tmp/sum || exit; "
        "(while cp /tmp/a /tmp/b && cmp /tmp/a /tmp/b; do :; done; "
        "echo > /tmp/damaged) > /dev/null 2>&1 &")
CHECK = "test ! -e /tmp/damaged && md5sum -c -s /tmp/sum"
# What a kernel says that finds its memory, or its programs', to be damaged.
COMPLAINT = re.compile(r"cut here|Oops|BUG:|Kernel panic|segfault|traps:|"
                       r"general protection|corrupt|rcu: INFO|Internal error")


class Damaged(AssertionError):
    """The content of the guest's memory is not what it was."""


class Traveller:
    """A guest that moves from VM to VM.

    `vms` has the one where it is and, during a move, the one it goes to.
    """

    numbers = itertools.count(1)

    def __init__(self, name: str, *args: str, machine: str | None = None,
                 binary: str | None = None):
        self.name, self.args, self.machine = name, args, machine
        self.directory = tempfile.TemporaryDirectory(prefix="migration-")
        self.vms: list[VM] = []
        self.consoles: list[Path] = []
        self.start(self.place(binary))

    @property
    def vm(self) -> VM:
        """Where the guest is."""
        return self.vms[0]

    def place(self, binary: str | None = None, *more: str) -> VM:
        """A VM of the same configuration, with more arguments if need be."""
        return VM(f"{self.name}.{next(self.numbers)}", *self.args, *more,
                  binary=binary, machine=self.machine)

    def start(self, vm: VM) -> VM:
        """Start it, and end it with the others."""
        vm.start()
        self.vms.append(vm)
        self.consoles.append(vm.console_log)
        return vm

    def close(self, kill: bool = False) -> None:
        """End all VMs."""
        with self.directory:
            for vm in self.vms:
                vm.stop(kill)

    def file(self, name: str) -> Path:
        """A path for this guest alone."""
        return Path(self.directory.name) / name

    def plug(self, size: int) -> None:
        """Wait for the guest and plug so much into it."""
        self.vm.wait_ready()
        request(self.vm, size)
        self.vm.wait_sizes(vm0=size)

    def work(self) -> None:
        """Set the guest to work in what is plugged."""
        self.vm.sh(LOAD)

    def destination(self, binary: str | None = None,
                    capabilities: tuple[str, ...] = (), **parameters) -> VM:
        """A VM that waits for the guest; both are told how it will come."""
        vm = self.start(self.place(binary, "-incoming", "defer"))
        for side in self.vms:
            prepare(side, capabilities, **parameters)
        return vm

    def set_out(self, binary: str | None = None,
                capabilities: tuple[str, ...] = (), **parameters) -> None:
        """Begin to migrate the running guest."""
        vm = self.destination(binary, capabilities, **parameters)
        uri = f"unix:{self.file('socket')}"
        vm.cmd("migrate-incoming", uri=uri)
        self.vm.cmd("migrate", uri=uri)
        if "postcopy-ram" in capabilities:
            self.vm.cmd("migrate-start-postcopy")

    def arrive(self) -> None:
        """Wait until the guest is all at its destination, and follow it."""
        old, vm = self.vms
        wait_migration(old, "completed")
        vm.until("running", lambda: vm.cmd("query-status")["status"],
                 "the status of the destination")
        vm.boot = old.boot
        self.vms.remove(old)
        old.stop(kill=False)

    def turn_back(self) -> None:
        """Stay: end the VM that was to be the destination."""
        self.vms.pop().stop(kill=True)

    def move(self, *args, **options) -> None:
        """Migrate the running guest; the VM it leaves ends."""
        self.set_out(*args, **options)
        self.arrive()

    def move_by_file(self, *capabilities: str) -> None:
        """The same, in two steps: nobody waits for it when it leaves."""
        uri = f"file:{self.file('stream')}"
        prepare(self.vm, capabilities)
        self.vm.cmd("migrate", uri=uri)
        wait_migration(self.vm, "completed")
        arriving = tuple(set(capabilities) - {"background-snapshot"})
        self.destination(None, arriving).cmd("migrate-incoming", uri=uri)
        self.arrive()

    def check(self, plugged: int) -> None:
        """The guest has the same memory, with the same content."""
        self.vm.wait_sizes(vm0=plugged)
        status, said = self.vm.status(CHECK)
        if status:
            raise Damaged(self.vm.report(
                "the guest to have its memory's content",
                f"{said}\n{self.vm.sh('ls /tmp; dmesg | tail -n 40')}"))

    def damage(self, failure: AssertionError) -> str | None:
        """What there is to show that a failure is due to a damaged guest."""
        for console in self.consoles:
            for line in console.read_text(errors="replace").splitlines():
                if COMPLAINT.search(line):
                    return f"{console}: {line}"
        if isinstance(failure, Silent):
            # A kernel that has lost a write may stop without a word, but QEMU
            # still answers: if it does not, this fails at once.
            self.vm.cmd("query-memory-devices")
        return str(failure) if isinstance(failure, (Damaged, Silent)) else None


def request(vm: VM, size: int) -> None:
    """Resize with what also the stock device has."""
    vm.cmd("qom-set", path="vm0", property="requested-size", value=size)


def prepare(vm: VM, capabilities: tuple[str, ...] = (), **parameters) -> None:
    """Set capabilities, and no others, and parameters of a migration."""
    vm.cmd("migrate-set-capabilities", capabilities=[
        {"capability": one["capability"],
         "state": one["capability"] in capabilities}
        for one in vm.cmd("query-migrate-capabilities")])
    vm.cmd("migrate-set-parameters", **{"max-bandwidth": FAST, **parameters})


def wait_migration(vm: VM, status: str, timeout: float = 120) -> None:
    """Wait for the end of a migration, or for another stage of it."""
    def seen() -> str | None:
        now = vm.cmd("query-migrate")
        if now.get("status") == "failed" != status:
            raise Unexpected(vm.report(f"a migration that is {status}",
                                       now.get("error-desc", "failed")))
        return now.get("status")

    vm.until(status, seen, "the status of the migration", timeout)
