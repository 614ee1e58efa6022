# SPDX-License-Identifier: GPL-2.0-or-later
"""Have things ready in build/: `python3 -m driver THING...`."""

import sys

from driver import build, packages, paths, ui
from vmtest import guest

THINGS = {
    **dict.fromkeys(build.QEMUS, build.qemu),
    **dict.fromkeys(build.UNITS, build.unit),
    "vmemctl": build.vmemctl,
    **dict.fromkeys(guest.THINGS, guest.build),
    # packages are all they need
    **dict.fromkeys(("tests", "bench", "newcomer", "packaging"), lambda _: None),
}


def main(names: list[str]) -> None:
    """Make the things named, in this order."""
    unknown = [name for name in names if name not in THINGS]
    if unknown or not names:
        raise ui.Fail(f"{' '.join(unknown) or 'nothing'} is not among "
                      f"{', '.join(THINGS)}: see make help")
    packages.ensure(*names, paths.SERIES)
    for name in names:
        THINGS[name](name)


if __name__ == "__main__":
    sys.exit(ui.main(main, sys.argv[1:]))
