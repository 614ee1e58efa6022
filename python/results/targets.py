# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of the manual that tells on which machines the guest tests have passed.

    make check-release && python3 -m results.targets

writes it from what that has left in build/results. `make check` leaves those of some
machines: the table has no others then.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from driver import paths, ui
from vmtest.memory import MiB
from vmtest.target import TARGETS, Target

RESULTS = paths.BUILD / "results"
TABLE = paths.ROOT / "docs/system/devices/virtio-mem-targets.rst.inc"
HEAD = ("Target", "Machine", "Device", "Guest's pages", "Default block",
        "Smallest step", "Kernel", "Tests")
BEGIN = """..
   SPDX-License-Identifier: GPL-2.0-or-later
   Written by "python3 -m results.targets" from what the tests have left.

.. list-table::
   :header-rows: 1

"""


def results(name: str) -> Path:
    """The file with what has run on a target."""
    first = name == next(iter(TARGETS))
    return RESULTS / ("pytest.xml" if first else f"guest-{name}.xml")


def row(name: str, target: Target, file: Path) -> tuple[str, ...]:
    """A row of the table."""
    tests = [test for test in ET.parse(file).getroot().iter("testcase")
             if test.get("classname", "").startswith("tests.guest.")]
    facts = {item.get("name"): item.get("value") for test in tests
             for item in test.iter("property")}
    outcomes = [{child.tag for child in test} for test in tests]
    failed = sum(bool(tags & {"failure", "error"}) for tags in outcomes)
    skipped = sum("skipped" in tags for tags in outcomes)
    missing = {"kernel", "page", "block", "step"} - set(facts)
    if failed or missing:
        raise ui.Fail(f"{ui.shown(file)}: {failed} tests failed, and the guest did "
                      f"not tell its {', '.join(sorted(missing)) or 'all'}: run "
                      "make check-release again")
    machine = target.machine.partition(",")[0]
    return (f"``{name}``", f"``{machine}``", f"``{target.transport}``",
            f"{int(facts['page']) // 1024} KiB", f"{int(facts['block']) // MiB} MiB",
            f"{int(facts['step']) // MiB} MiB", facts["kernel"],
            f"{len(tests) - failed - skipped} passed, {skipped} skipped")


def text(rows: list[tuple[str, ...]]) -> str:
    """The table as the manual includes it."""
    return BEGIN + "".join(
        f"   {'*' if not number else ' '} - {cell}\n"
        for cells in (HEAD, *rows) for number, cell in enumerate(cells))


def main() -> None:
    """Write the table."""
    rows = []
    for name, target in TARGETS.items():
        if results(name).exists():
            rows.append(row(name, target, results(name)))
        else:
            ui.progress(f"{name} is left out: there is no {ui.shown(results(name))}")
    TABLE.write_text(text(rows))
    ui.progress(f"{ui.shown(TABLE)} is written")


if __name__ == "__main__":
    sys.exit(ui.main(main))
