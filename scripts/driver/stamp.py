# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember what a directory was made from, to make it again only if needed."""

from pathlib import Path


def file_of(made: Path) -> Path:
    """The stamp lies beside what it speaks of, so both vanish together."""
    return made.with_name(f".{made.name}.made-from")


def matches(made: Path, identity: str) -> bool:
    """Whether `made` exists and was made from exactly this."""
    stamp = file_of(made)
    return made.exists() and stamp.exists() and stamp.read_text() == identity


def write(made: Path, identity: str) -> None:
    """Note that `made` is complete."""
    file_of(made).write_text(identity)


def clear(made: Path) -> None:
    """Forget it before changing it, so that a break leaves it unmade."""
    file_of(made).unlink(missing_ok=True)
