# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the flooding guest: a flat image that QEMU's -kernel starts.

It is a program without a system around it, because any kernel in between would
slow the flood down; building it takes a second and only the compiler.
"""

from pathlib import Path

import paths
import ui

HERE = Path(__file__).resolve().parent
BUILD = paths.BUILD / "flood"
IMAGE = BUILD / "flood.bin"
LOG = paths.LOGS / "flood-build.log"

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-m64",
         "-ffreestanding", "-fno-pic", "-mno-red-zone", "-mgeneral-regs-only",
         "-fno-stack-protector", "-fcf-protection=none")


def build() -> Path:
    """Have the image; return where it is."""
    LOG.unlink(missing_ok=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    objects = []
    for source in (HERE / "start.S", HERE / "guest.c"):
        objects.append(BUILD / f"{source.stem}.o")
        ui.run(["gcc", *FLAGS, "-c", source, "-o", objects[-1]], log=LOG,
               what="building the flooding guest")
    ui.run(["ld", "-T", HERE / "guest.ld", "--oformat", "binary", "-o", IMAGE,
            *objects], log=LOG, what="linking the flooding guest")
    return IMAGE
