# SPDX-License-Identifier: GPL-2.0-or-later
"""Where everything is: one place, so that no other file spells a path out."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BUILD = ROOT / "build"
LOGS = BUILD / "logs"
STAMPS = BUILD / "stamps"          # what single files were made from
PRISTINE = BUILD / "pristine"      # QEMU as Debian (or QEMU_SRC) has it
QEMU_TREE = BUILD / "qemu" / "src"  # the same with this project laid over it
QEMU_OBJ = BUILD / "qemu" / "obj"
QEMU = BUILD / "qemu-system-x86_64"
VMEMCTL = BUILD / "vmemctl"
STOCK_OBJ = BUILD / "stock" / "obj"
STOCK = BUILD / "stock" / "qemu-system-x86_64"
TOOLS = BUILD / "tools"            # privately unpacked meson and pycotap
TOOLS_PYTHON = TOOLS / "usr" / "lib" / "python3" / "dist-packages"
FIRMWARE = BUILD / "firmware"
GUEST = BUILD / "guest"
UNIT = BUILD / "unit"

PIN = ROOT / "qemu.pin"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache",
             "virtio-mem-qemu")
