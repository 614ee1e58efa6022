# SPDX-License-Identifier: GPL-2.0-or-later
"""The builds of ours: the plain one, with sanitizers, with coverage counters.

They share the overlaid tree and differ in their directories and options.
"""

from dataclasses import dataclass, field
from pathlib import Path

import paths

# Reports and leaks end the program with a status that no test expects.
# QEMU's coroutines change stacks, so stacks cannot be checked after return.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=0:"
                    "abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
}


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
SANITIZED = Flavour(
    "sanitize", paths.BUILD / "sanitize" / "obj",
    paths.BUILD / "sanitize" / "qemu-system-x86_64",
    paths.BUILD / "sanitize" / "unit",
    ("--enable-asan", "--enable-ubsan"),
    ("-Db_sanitize=address,undefined", "-Db_lundef=false"), env=SANITIZERS)
# As far from the tree as the plain one, so that ccache shares its objects.
COVERED = Flavour(
    "coverage", paths.QEMU_OBJ.with_name("coverage"),
    paths.BUILD / "coverage" / "qemu-system-x86_64",
    paths.BUILD / "coverage" / "unit",
    compiler=str(paths.ROOT / "scripts" / "driver" / "covering-cc"))
FLAVOURS = (PLAIN, SANITIZED, COVERED)
