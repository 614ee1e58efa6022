# SPDX-License-Identifier: GPL-2.0-or-later
"""Where everything is: one place, so that no other file spells a path out."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BUILD = ROOT / "build"
LOGS = BUILD / "logs"
PRISTINE = BUILD / "pristine"       # QEMU as Debian (or QEMU_SRC) has it
QEMU_TREE = BUILD / "qemu" / "src"  # the same with this project laid over it
QEMU = BUILD / "qemu-system-x86_64"     # other targets are beside it
STORAGE_DAEMON = BUILD / "qemu" / "obj" / "storage-daemon" / "qemu-storage-daemon"
STOCK = BUILD / "stock" / "qemu-system-x86_64"
VMEMCTL = BUILD / "vmemctl"
MESON = BUILD / "meson"             # a script: the meson that all is built with
TOOLS = BUILD / "tools"             # meson and pycotap, unpacked
GUESTS = BUILD / "guest"

PIN = ROOT / "qemu.pin"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache",
             "virtio-mem-qemu")
