# SPDX-License-Identifier: GPL-2.0-or-later
"""Have things ready in build/: `python3 -m driver THING...`."""

import sys

from driver import build, guest, packages, paths, ui


def qemu(name: str) -> None:
    """Build a QEMU; say that it is there, and what it lacks."""
    build.qemu(name)
    flavour = build.QEMUS[name]
    for target in build.targets(flavour) if flavour.link in (".", "stock") else ():
        binary = paths.BUILD / flavour.link / build.emulator(target)
        ui.progress(f"{ui.shown(binary)} is ready")
    for sentence in packages.without() if name == "qemu" else ():
        ui.progress(sentence)


def vmemctl(_) -> None:
    """Build the command-line tool."""
    if not build.vmemctl():
        ui.progress("vmemctl is not built: json-glib-1.0 is missing")
        return
    build.unit("unit", "tools/vmemctl/vmemctl")
    build.link(paths.BUILD / "unit" / "tools" / "vmemctl" / "vmemctl",
               paths.VMEMCTL)
    ui.progress(f"{ui.shown(paths.VMEMCTL)} is ready")


def proofs(_) -> None:
    """Unpack cbmc with the libraries it needs, and set up the proofs."""
    if build.private():
        build.unpack("proofs", paths.BUILD / "cbmc")
    build.unit("proofs")


THINGS = {
    **dict.fromkeys(build.QEMUS, qemu),
    **dict.fromkeys(build.UNITS, build.unit),
    "vmemctl": vmemctl, "proofs": proofs,
    "guest": lambda _: guest.build(),
    # packages are all they need
    **dict.fromkeys(("tests", "bench", "newcomer"), lambda _: None),
}


def main(names: list[str]) -> None:
    """Make the things named, in this order."""
    unknown = [name for name in names if name not in THINGS]
    if unknown or not names:
        raise ui.Fail(f"{' '.join(unknown) or 'nothing'} is not among "
                      f"{', '.join(THINGS)}: see make help")
    packages.ensure(*names)
    for name in names:
        THINGS[name](name)


if __name__ == "__main__":
    sys.exit(ui.main(main, sys.argv[1:]))
