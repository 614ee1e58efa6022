# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu.pin: which QEMU the project is laid over, and what is taken with it."""

from fnmatch import fnmatch
from pathlib import Path

import paths
import ui

KEYS = ("package", "suite", "versions", "tools", "firmware")


def read(file: Path = paths.PIN) -> dict[str, str]:
    """The key = value lines of the file; every key must be there."""
    pin = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or key not in KEYS or not value:
            raise ui.Fail(f"{ui.shown(file)}:{number} is not one of "
                          f"{', '.join(KEYS)} = value: correct that line")
        pin[key] = value
    missing = [key for key in KEYS if key not in pin]
    if missing:
        raise ui.Fail(f"{ui.shown(file)} does not say {' or '.join(missing)}: "
                      "add the line")
    return pin


def accepts(version: str, pin: dict[str, str]) -> bool:
    """Whether the project is written for this version of QEMU."""
    return fnmatch(version, pin["versions"])
