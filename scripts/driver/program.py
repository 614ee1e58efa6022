# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite consists of: programs that speak TAP."""

from dataclasses import dataclass, field
from pathlib import Path

import paths
import qemu

HERE = Path(__file__).resolve().parent


@dataclass
class Program:
    """One test program: it prints TAP and is given so many seconds."""

    name: str
    command: list
    seconds: int
    cwd: Path = paths.ROOT
    env: dict = field(default_factory=dict)
    skips: dict = field(default_factory=dict)  # test -> why it was left out
    sanitizers: bool = False  # whether they watch it and may have reports


def python_file(file: Path, seconds: int, env: dict) -> Program:
    """A file of Python tests."""
    return Program(file.stem, [qemu.PYTHON, HERE / "taprun.py", file], seconds,
                   env={"PYTHONDONTWRITEBYTECODE": "1", **env})


def python_files(directory: Path, seconds: int, env: dict) -> list[Program]:
    """A program for each file of Python tests in the directory."""
    return [python_file(file, seconds, env)
            for file in sorted(directory.glob("test_*.py"))]


def script(path: str, arguments: list, seconds: int, env: dict) -> Program:
    """One of our scripts that speak TAP themselves."""
    return Program(Path(path).stem, [qemu.PYTHON, paths.ROOT / path,
                                     *arguments], seconds,
                   env={"PYTHONDONTWRITEBYTECODE": "1", **env})
