# SPDX-License-Identifier: GPL-2.0-or-later
"""Where everything is: one place, so that no other file spells a path out."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BUILD = ROOT / "build"
SERIES = os.environ.get("QEMU") or "10.0"   # of QEMU's releases: `make QEMU=11.1`


def place(series: str) -> Path:
    """Where what is made from a series of QEMU lies."""
    return BUILD if series == "10.0" else BUILD / series


HERE = place(SERIES)
LOGS = HERE / "logs"
PRISTINE = HERE / "pristine"        # QEMU as Debian (or QEMU_SRC) has it
QEMU_TREE = HERE / "qemu" / "src"   # the same with this project laid over it
QEMU = HERE / "qemu-system-x86_64"     # other targets are beside it
STORAGE_DAEMON = HERE / "qemu" / "obj" / "storage-daemon" / "qemu-storage-daemon"
STOCK = HERE / "stock" / "qemu-system-x86_64"
VMEMCTL = BUILD / "vmemctl"
MESON = BUILD / "meson"             # a script: the meson that all is built with
TOOLS = BUILD / "tools"             # meson and pycotap, unpacked
GUESTS = BUILD / "guest"
PIN = ROOT / "qemu.pin"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache",
             "virtio-mem-qemu")
