# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines that guests run on: what differs between them, as one table.

VM_TARGET in the environment names the row that tests and demonstration use;
without it that is the first.
"""

import os
from dataclasses import dataclass

from vmtest.memory import GiB, MiB

SERIAL = ("-serial", "chardev:console", "-serial", "chardev:agent")
# The processor has no pointer authentication, which costs TCG half of its speed.
VIRT = ("-cpu", "neoverse-n1")


@dataclass(frozen=True)
class Target:
    """One row: a machine of QEMU, and the kernel in it."""

    arch: str                   # as QEMU calls it, and the host's kernel
    machine: str
    guest: str                  # of vmtest/guest.py
    console: str                # in the guest's /dev
    agent: str
    options: tuple[str, ...]    # that give it these two, and a processor
    transport: str              # the device's type
    page: int                   # of the guest, in bytes
    step: int                   # the least that the guest plugs and unplugs
    extent: int                 # usable beyond the requested size
    blocks: tuple[int, ...]     # block sizes to try
    nodes: bool = True          # whether it has NUMA
    root_port: bool = True      # whether a PCI slot takes a device later
    migrates: bool = True       # whether QEMU can migrate its devices
    acpi: bool = False          # which tells it of devices, and of their nodes
    firmware: bool = False      # whether it starts with firmware of Debian's

    def device(self, number: int, options: str = "") -> tuple[str, ...]:
        """The device vmN, whose memory is memN."""
        return ("-device", f"{self.transport},id=vm{number},memdev=mem{number}"
                           f"{options and ','}{options}")


def virt(guest: str, page: int, step: int, firmware: bool = False) -> Target:
    """A machine for Arm."""
    return Target("aarch64", "virt,gic-version=3", guest, "ttyAMA0", "ttyAMA1",
                  (*VIRT, *SERIAL), "virtio-mem-pci", page, step, GiB,
                  (2 * MiB, 32 * MiB, 128 * MiB, 512 * MiB), acpi=firmware,
                  firmware=firmware)


def s390x(transport: str) -> Target:
    """A mainframe. Its second console has lines only, so virtio has one."""
    return Target("s390x", "s390-ccw-virtio", "s390x", "ttysclp0", "hvc0", (
        "-cpu", "max", "-serial", "chardev:console", "-device", "virtio-serial-ccw",
        "-device", "virtconsole,chardev=agent"), transport, 4096, 4 * MiB, 256 * MiB,
                  (MiB, 4 * MiB, 128 * MiB), nodes=False, root_port=False,
                  migrates=transport == "virtio-mem-ccw")


# There is one serial port, so that the second console is one of virtio. Without MSIs
# (aia=none) Linux waits for ever for a device that is to leave a root port: pciehp's
# thread waits for its own interrupt, which the device shares.
RISCV64 = Target(
    "riscv64", "virt,aia=aplic-imsic", "riscv64", "ttyS0", "hvc0", (
        "-serial", "chardev:console", "-device", "virtio-serial-pci",
        "-device", "virtconsole,chardev=agent"), "virtio-mem-pci", 4096, 4 * MiB,
    256 * MiB, (2 * MiB, 4 * MiB, 128 * MiB), nodes=False, firmware=True)


TARGETS = {
    "x86_64": Target(
        "x86_64", "q35", "x86_64", "ttyS0", "ttyS1", SERIAL, "virtio-mem-pci",
        4096, 2 * MiB, 256 * MiB, (2 * MiB, 4 * MiB, 128 * MiB), acpi=True),
    "aarch64": virt("aarch64", 4096, 2 * MiB),
    "aarch64-16k": virt("aarch64-16k", 16384, 32 * MiB),
    "aarch64-acpi": virt("aarch64", 4096, 2 * MiB, True),
    "s390x": s390x("virtio-mem-ccw"),
    "s390x-pci": s390x("virtio-mem-pci"),
    "riscv64": RISCV64,
}
NAME = os.environ.get("VM_TARGET") or "x86_64"
if NAME not in TARGETS:
    raise SystemExit(f"error: VM_TARGET={NAME} is not one of {', '.join(TARGETS)}")
TARGET = TARGETS[NAME]
