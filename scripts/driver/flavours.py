# SPDX-License-Identifier: GPL-2.0-or-later
"""The builds of ours: the plain one, with sanitizers, with coverage counters.

They share the overlaid tree and differ in their directories and options.
"""

from dataclasses import dataclass, field
from pathlib import Path

import paths
import sanitizer


@dataclass(frozen=True, eq=False)
class Flavour:
    """One way of building the device and the pure rooms."""

    name: str           # in progress lines and names of logs
    obj: Path           # QEMU's build directory
    binary: Path        # the link through which QEMU is started
    unit: Path          # the stand-alone build of the pure rooms
    configure: tuple = ()
    meson: tuple = ()
    compiler: str = ""  # in place of the machine's gcc
    env: dict = field(default_factory=dict)  # for the programs under test


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
FLAVOURS = (PLAIN, SANITIZED, COVERED)
