# SPDX-License-Identifier: GPL-2.0-or-later
"""Build a guest without a kernel: a flat image that QEMU's -kernel starts, or a
ROM that its -bios starts.

It is a program without a system around it, because any kernel in between would
slow a flood down, and because there are KVMs that run no kernel; building it
takes a second and only the compiler.
"""

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

from driver import paths, ui

HERE = paths.ROOT / "tests" / "bare"
IMAGE = paths.BUILD / "flood" / "flood.bin"
ROM = paths.BUILD / "kvm" / "serve.bin"

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
         "-fno-pic", "-mgeneral-regs-only", "-fno-stack-protector",
         "-fcf-protection=none")
LONG = ("-m64", "-mno-red-zone")


def build(source: Path = HERE / "flood.c", image: Path = IMAGE) -> Path:
    """Have the image of a guest, the flooding one if no other is named."""
    return _build((HERE / "start.S", source), image, LONG,
                  ("-T", HERE / "guest.ld"))


def build_rom() -> Path:
    """Have the ROM of the guest that does what it is told."""
    # Debian keeps the kernel's headers of 64 bits, which serve 32 bits as well,
    # where a compiler for 32 bits does not look.
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True,
                             text=True, check=True).stdout.strip()
    return _build((HERE / "rom.S", HERE / "serve.c"), ROM,
                  ("-m32", "-idirafter", f"/usr/include/{machine}"),
                  ("-m", "elf_i386", "-T", HERE / "rom.ld"))


def build_library(source: Path) -> Path:
    """Have a library for LD_PRELOAD."""
    library = paths.BUILD / "kvm" / f"{source.stem}.so"
    log = paths.LOGS / f"{library.stem}-build.log"
    with _alone(library):
        ui.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", source, "-o",
                library], log=log, what=f"building {ui.shown(source)}")
    return library


@contextlib.contextmanager
def _alone(made: Path) -> Iterator[None]:
    """Tests start side by side."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with open(made.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(parts: tuple[Path, ...], image: Path, flags: tuple,
           link: tuple) -> Path:
    log = paths.LOGS / f"{image.stem}-build.log"
    with _alone(image):
        log.unlink(missing_ok=True)
        objects = []
        for part in parts:
            objects.append(image.with_name(f"{image.stem}-{part.stem}.o"))
            ui.run(["gcc", *FLAGS, *flags, "-I", HERE, "-c", part,
                    "-o", objects[-1]], log=log,
                   what=f"building {ui.shown(part)}")
        new = image.with_suffix(".new")         # who runs the old one keeps it
        ui.run(["ld", *link, "--oformat", "binary", "-o", new, *objects],
               log=log, what=f"linking {ui.shown(image)}")
        return new.replace(image)
