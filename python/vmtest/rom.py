# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM whose guest is a ROM that drives the device as it is told
(tests/bare/serve.c). A KVM that runs no kernel may still run it."""

import functools
import os
import random
import tempfile
from pathlib import Path
from typing import NamedTuple

from vmtest import image, slots
from vmtest.accel import OPTIONS
from vmtest.agent import READY
from vmtest.memory import MiB
from vmtest.migration import prepare, wait_migration
from vmtest.vm import VM, Unexpected

# The least: there are KVMs that lack SSE3, and TCG lacks the clock.
CPU = "qemu64,pni=off,kvmclock=off"
PATTERN = 2 * MiB
PLUG, UNPLUG, UNPLUG_ALL, STATE = range(4)
ACK, NACK, BUSY, ERROR = range(4)
UNPLUGGED = 1           # a state
DEVICE = ("-object", "memory-backend-ram,id=mem0,size=1G,reserve=off",
          "-device", "virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M")
READY_WITHIN = 30       # it takes a tenth of a second
WINDOW = 1 << 30        # where the guest has the device's memory, with paging


class Config(NamedTuple):
    """What the device's configuration space says."""

    addr: int
    block: int
    region: int
    usable: int
    plugged: int
    requested: int


class Rom(VM):
    """One QEMU with that guest; `kind` is tcg or kvm."""

    def __init__(self, kind: str, name: str, *args: str,
                 machine: str = "q35", device: tuple[str, ...] = DEVICE,
                 binary: str | None = None, accel: str = "",
                 wrapper: tuple[str, ...] = ()):
        super().__init__(f"{name}.{kind}", *device, *args, machine=machine,
                         binary=binary, wrapper=wrapper)
        self.kind = kind
        self.accel = accel
        self.trace = Path(self.console_log).with_suffix(".trace")

    def system(self) -> list[str]:
        self.trace.unlink(missing_ok=True)
        return ["-accel", OPTIONS[self.kind] + self.accel, "-cpu", CPU,
                "-m", "128M,maxmem=8G", "-nodefaults", "-no-user-config",
                "-bios", str(image.ROM),
                "-fw_cfg", f"name=opt/pattern,file={pattern_file()}",
                "-trace", "kvm_set_user_memory",
                "-trace", "kvm_set_ioeventfd_mmio", "-D", str(self.trace)]

    def wait_ready(self, timeout: float = READY_WITHIN) -> None:
        self.wait_said(READY, "the ROM to start", timeout)

    # ---- the guest ----

    def numbers(self, command: str, *arguments: int,
                timeout: float = 20) -> list[int]:
        """Have the guest do something; what it says to that."""
        words = [command, *(f"{argument:x}" for argument in arguments)]
        return [int(word, 16)
                for word in self.sh(" ".join(words), timeout).split()]

    def config(self) -> Config:
        """What the driver sees."""
        return Config(*self.numbers("config"))

    def request(self, kind: int, first: int = 0, count: int = 0) -> int:
        """Make one request; return the type of its answer."""
        return self.numbers("request", kind, first, count)[0]

    def state(self, first: int, count: int) -> int:
        """The state of so many blocks."""
        return self.numbers("request", STATE, first, count)[1]

    def store(self, offset: int, length: int = PATTERN) -> None:
        """Have the guest put the pattern into the device's memory."""
        self.numbers("store", self.config().addr + offset, length)

    # ---- from outside ----

    def resize(self, device: str, size: int) -> None:
        """With what also the stock device has."""
        self.cmd("qom-set", path=device, property="requested-size", value=size)

    def content(self, offset: int, length: int = PATTERN) -> bytes:
        """What is in the device's memory."""
        at = self.devices()["vm0"]["memaddr"] + offset
        with tempfile.NamedTemporaryFile() as file:
            self.cmd("pmemsave", val=at, size=length, filename=file.name)
            return Path(file.name).read_bytes()

    def slots(self) -> list[slots.Slot]:
        """What KVM has of the device's memory."""
        device = self.devices()["vm0"]
        return slots.slots(self.trace.read_text(), device["memaddr"],
                           device["max-size"])

    def kicks(self) -> int:
        """How many doorbells KVM hears without QEMU."""
        text = self.trace.read_text()
        return text.count("assign: 1") - text.count("assign: 0")


@functools.cache
def pattern() -> bytes:
    """What the guest stores: no two pages of it are the same."""
    return random.Random(0).randbytes(PATTERN)


@functools.cache
def pattern_file() -> Path:
    """Where QEMU finds it. Tests start side by side."""
    file = image.ROM.with_name("pattern")
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(pattern())
    return new.replace(file)


@functools.cache
def trouble(kind: str, paging: bool = False) -> str | None:
    """Why the ROM does not run with this accelerator; None if it does."""
    if kind == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there is no /dev/kvm that may be used"
    try:
        with Rom(kind, "probe") as vm:
            vm.wait_ready()
            if paging:
                vm.numbers("window")
            vm.config()
    except Unexpected as failure:
        return (f"it does not run a guest of 32 bits with{'' if paging else 'out'}"
                " paging: " + str(failure).partition("\n")[0])
    return None


def migrate(source: Rom, destination: Rom, path: Path, **parameters) -> None:
    """Begin to move the guest; the destination was started to wait for it."""
    for side in (source, destination):
        prepare(side, **parameters)
    uri = f"unix:{path}"
    destination.cmd("migrate-incoming", uri=uri)
    source.cmd("migrate", uri=uri)


def arrive(source: Rom, destination: Rom) -> None:
    """Wait until it goes on at the destination."""
    wait_migration(source, "completed")
    destination.until("running", lambda: destination.cmd("query-status")["status"],
                      "the status of the destination")
