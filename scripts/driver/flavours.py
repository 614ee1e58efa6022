# SPDX-License-Identifier: GPL-2.0-or-later
"""The builds of ours: the plain one, with sanitizers, with coverage counters,
and variants that are only there to see that they build and start.

They share the overlaid tree and differ in their directories and options.
"""

from dataclasses import dataclass, field
from pathlib import Path

import paths
import sanitizer


@dataclass(frozen=True, eq=False)
class Flavour:
    """One way of building the device and the pure modules."""

    name: str           # in progress lines and names of logs
    obj: Path           # QEMU's build directory
    binary: Path        # the link through which QEMU is started
    unit: Path          # the stand-alone build of the pure modules
    configure: tuple = ()
    meson: tuple = ()
    compiler: str = ""  # in place of the machine's gcc
    env: dict = field(default_factory=dict)  # for the programs under test
    targets: tuple = ()  # of QEMU, in place of those the user names


PLAIN = Flavour("qemu", paths.QEMU_OBJ, paths.QEMU, paths.UNIT)
# The sanitizers' checks make much code, on which gcc's -O2 spends twice as long.
FAST_TO_BUILD = "--extra-cflags=-O1 -g1"
SANITIZED = Flavour(
    "sanitize", paths.BUILD / "sanitize" / "obj",
    paths.BUILD / "sanitize" / "qemu-system-x86_64",
    paths.BUILD / "sanitize" / "unit",
    ("--enable-asan", "--enable-ubsan", FAST_TO_BUILD),
    ("-Db_sanitize=address,undefined", "-Db_lundef=false"),
    env=sanitizer.environment())
# As far from the tree as the plain one, so that ccache shares its objects.
COVERED = Flavour(
    "coverage", paths.QEMU_OBJ.with_name("coverage"),
    paths.BUILD / "coverage" / "qemu-system-x86_64",
    paths.BUILD / "coverage" / "unit",
    compiler=str(paths.ROOT / "scripts" / "driver" / "covering-cc"))


def variant(name: str, *options: str, targets: tuple[str, ...]) -> Flavour:
    """A QEMU that is built to see that it can be, with other options.

    It too is as far from the tree as the plain one.
    """
    obj = paths.QEMU_OBJ.with_name(f"variant-{name}")
    return Flavour(obj.name, obj, obj / "qemu", obj / "unit", options,
                   targets=targets)


# Debian's builds have user-mode targets in the same tree; avr has no virtio.
LEAN = variant("lean", "--disable-kvm", "--disable-fdt",
               targets=("x86_64-softmmu", "x86_64-linux-user", "avr-softmmu"))
KVM_ONLY = variant("kvm-only", "--disable-tcg", targets=("x86_64-softmmu",))
FLAVOURS = (PLAIN, SANITIZED, COVERED, LEAN, KVM_ONLY)
