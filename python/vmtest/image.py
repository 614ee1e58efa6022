# SPDX-License-Identifier: GPL-2.0-or-later
"""Build a guest without a kernel: a flat image that QEMU's -kernel starts.

It is a program without a system around it, because any kernel in between would
slow the flood down; building it takes a second and only the compiler.
"""

from pathlib import Path

from driver import paths, ui

HERE = paths.ROOT / "tests" / "bare"
IMAGE = paths.BUILD / "flood" / "flood.bin"
LOG = paths.LOGS / "flood-build.log"

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-m64",
         "-ffreestanding", "-fno-pic", "-mno-red-zone", "-mgeneral-regs-only",
         "-fno-stack-protector", "-fcf-protection=none")


def build(source: Path = HERE / "flood.c", image: Path = IMAGE) -> Path:
    """Have the image of a guest, the flooding one if no other is named."""
    LOG.unlink(missing_ok=True)
    image.parent.mkdir(parents=True, exist_ok=True)
    objects = []
    for part in (HERE / "start.S", source):
        objects.append(image.with_name(f"{image.stem}-{part.stem}.o"))
        ui.run(["gcc", *FLAGS, "-I", HERE, "-c", part, "-o", objects[-1]],
               log=LOG, what=f"building {ui.shown(part)}")
    ui.run(["ld", "-T", HERE / "guest.ld", "--oformat", "binary", "-o", image,
            *objects], log=LOG, what=f"linking {ui.shown(image)}")
    return image
