# SPDX-License-Identifier: GPL-2.0-or-later
"""The build driver: `python3 scripts/driver VERB`, called by the Makefile."""

import os
import sys

import features
import paths
import private
import qemu
import standalone
import ui


def build() -> None:
    """Build QEMU with our device, and vmemctl."""
    qemu.build()
    ready(paths.QEMU)
    tool = standalone.vmemctl(private.tools())
    ui.progress(f"{ui.shown(tool)} is ready" if tool
                else standalone.MISSING)


def stock() -> None:
    """Build QEMU with its own device, for comparison."""
    qemu.build_stock()
    ready(paths.STOCK)


def ready(binary) -> None:
    """Say that a QEMU is there, and what it lacks."""
    ui.progress(f"{ui.shown(binary)} is ready")
    for sentence in features.missing():
        ui.progress(sentence)


def guest() -> None:
    """Make the guest's kernel and initramfs."""
    import guest as image
    image.build(paths.LOGS / "guest-image.log")


def start(script: str) -> None:
    """Build all, then become one of the guest scripts."""
    qemu.build()
    guest()
    become(script, VM_QEMU=str(paths.QEMU))


def become(script: str, *arguments: str, **env: str) -> None:
    """Go on as one of the project's scripts."""
    os.environ.update(private.tools(), **env)
    os.execv(qemu.PYTHON, [qemu.PYTHON, str(paths.ROOT / script), *arguments])


def check() -> int:
    """Build all and run the tests that gate a change, or those named."""
    import check as runner
    import suites
    names = os.environ.get("SUITES", "").split()
    if os.environ.get("SANITIZE", "0") in ("", "0"):
        return runner.check(names, suites.GATE)
    return runner.check([f"sanitize-{name.removeprefix('sanitize-')}"
                         for name in names], suites.SANITIZE)


def check_full() -> int:
    """Build all, also with sanitizers, and run every test there is."""
    import check as runner
    import suites
    return runner.check([], tuple(suites.SUITES))


def flood() -> None:
    """Build both devices and compare the monitor under a flooding guest."""
    qemu.build()
    qemu.build_stock()
    become("tests/flood/flood.py")


def bench() -> None:
    """Build both devices and measure ours beside QEMU's own."""
    qemu.build()
    qemu.build_stock()
    guest()
    quick = os.environ.get("QUICK", "0") not in ("", "0")
    become("bench/bench.py", *(["--quick"] if quick else []))


def fuzz() -> None:
    """Fuzz the pure modules and the whole device for SECONDS."""
    qemu.prepare()
    become("tests/fuzz/fuzz.py", "--seconds",
           os.environ.get("SECONDS") or "600")


def coverage() -> int:
    """Show which lines of the device the tests reach."""
    import coverage as report
    return report.report()


VERBS = {
    "build": build, "stock": stock, "guest": guest, "check": check,
    "check-full": check_full, "coverage": coverage, "flood": flood,
    "fuzz": fuzz, "bench": bench,
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
