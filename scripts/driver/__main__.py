# SPDX-License-Identifier: GPL-2.0-or-later
"""The build driver: `python3 scripts/driver VERB`, called by the Makefile."""

import os
import sys

import paths
import private
import qemu
import ui


def build() -> None:
    """Build QEMU with our device."""
    qemu.build()
    ui.progress(f"{ui.shown(paths.QEMU)} is ready")


def stock() -> None:
    """Build QEMU with its own device, for comparison."""
    qemu.build_stock()
    ui.progress(f"{ui.shown(paths.STOCK)} is ready")


def guest() -> None:
    """Make the guest's kernel and initramfs."""
    import guest as image
    image.build(paths.LOGS / "guest-image.log")


def start(script: str) -> None:
    """Build all, then become one of the guest scripts."""
    qemu.build()
    guest()
    os.environ.update(private.tools(), VM_QEMU=str(paths.QEMU))
    os.execv(qemu.PYTHON, [qemu.PYTHON, str(paths.ROOT / script)])


def check() -> int:
    """Build all and run every test."""
    import check as runner
    return runner.check(os.environ.get("SUITES", "").split())


VERBS = {
    "build": build, "stock": stock, "guest": guest, "check": check,
    "demo": lambda: start("tests/guest/demo.py"),
    "run": lambda: start("tests/guest/run.py"),
}


def main(arguments: list[str]) -> int:
    """Do the verb that the Makefile names."""
    if len(arguments) != 1 or arguments[0] not in VERBS:
        raise ui.Fail(f"the driver takes one of {', '.join(VERBS)}: "
                      "see make help")
    return VERBS[arguments[0]]()


if __name__ == "__main__":
    sys.exit(ui.main(main, sys.argv[1:]))
