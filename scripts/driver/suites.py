# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites of `make check`: for each, how to build it and what to run."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import paths
import qemu
import stamp
import ui

HERE = Path(__file__).resolve().parent


@dataclass
class Program:
    """One test program: it prints TAP and is given so many seconds."""

    name: str
    command: list
    seconds: int
    cwd: Path = paths.ROOT
    env: dict = field(default_factory=dict)


def python_files(directory: Path, seconds: int, env: dict) -> list[Program]:
    """A program for each file of Python tests in the directory."""
    env = {"PYTHONDONTWRITEBYTECODE": "1", **env}
    return [Program(file.stem, [qemu.PYTHON, HERE / "taprun.py", file],
                    seconds, env=env)
            for file in sorted(directory.glob("test_*.py"))]


def driver(env: dict) -> list[Program]:
    """The tests of this driver."""
    return python_files(paths.ROOT / "tests" / "driver", 120, env)


def guest(env: dict) -> list[Program]:
    """The tests that boot a real kernel."""
    return python_files(paths.ROOT / "tests" / "guest", 600,
                        {**env, "VM_QEMU": str(paths.QEMU)})


def unit(env: dict) -> list[Program]:
    """The pure rooms, in the stand-alone build of the top meson.build."""
    meson = meson_command()
    log = paths.LOGS / "unit-build.log"
    log.unlink(missing_ok=True)
    if not (paths.UNIT / "build.ninja").exists() or \
            not stamp.matches(paths.UNIT, meson_identity(env)):
        stamp.clear(paths.UNIT)
        wipe = ["--wipe"] if (paths.UNIT / "meson-private").exists() else []
        ui.run([*meson, "setup", *wipe, paths.UNIT, paths.ROOT], log=log,
               what="setting up the unit tests", env={**env, **compiler()})
        stamp.write(paths.UNIT, meson_identity(env))
    ui.progress("building the unit tests …")
    ui.run(["ninja", "-C", paths.UNIT], log=log, env=env,
           what="building the unit tests")
    listed = subprocess.run(
        [*map(str, meson), "introspect", "--tests", str(paths.UNIT)],
        env={**os.environ, **env}, capture_output=True, text=True, check=True)
    return [Program(test["name"], [*test["cmd"], "--tap", "-k"],
                    max(60, test["timeout"]), cwd=paths.UNIT,
                    env=test["env"])
            for test in json.loads(listed.stdout)]


def meson_command() -> list:
    """The private meson, or the system's where there is none."""
    private = paths.TOOLS / "usr" / "bin" / "meson"
    return [qemu.PYTHON, private] if private.exists() else ["meson"]


def compiler() -> dict[str, str]:
    """The compiler that QEMU is built with."""
    return {"CC": qemu.compiler()}


def meson_identity(env: dict) -> str:
    """What the set-up of the unit tests depends on."""
    return " ".join([*map(str, meson_command()), *sorted(env.values()),
                     qemu.compiler()])


def qtest_names() -> list[str]:
    """Our stand-alone qtests: each file is one program."""
    here = paths.ROOT / "tests" / "qtest"
    return [file.stem for file in sorted(here.glob("virtio-mem-*-test.c"))
            if not is_qos_test(file)]


def is_qos_test(file: Path) -> bool:
    """Tests that register with libqos are part of qos-test."""
    return re.search(r"^libqos_init\(", file.read_text(), re.M) is not None


def qtest_targets() -> tuple[str, ...]:
    """What ninja must build besides QEMU for the qtests."""
    return ("tests/qtest/qos-test",
            *(f"tests/qtest/{name}" for name in qtest_names()))


def qtest(env: dict) -> list[Program]:
    """Our tests in QEMU's own framework."""
    env = {**env, "QTEST_QEMU_BINARY": "./qemu-system-x86_64"}
    programs = [Program(name, [f"tests/qtest/{name}", "--tap", "-k"], 120,
                        cwd=paths.QEMU_OBJ, env=env)
                for name in qtest_names()]
    ours = qos_paths(env)
    if ours:
        choice = [word for path in ours for word in ("-p", path)]
        programs.append(Program(
            "qos-test", ["tests/qtest/qos-test", "--tap", "-k", *choice], 120,
            cwd=paths.QEMU_OBJ, env=env))
    return programs


def qos_paths(env: dict) -> list[str]:
    """The paths through QEMU's graph of devices that lead over ours."""
    log = paths.LOGS / "qos-test-list.log"
    log.unlink(missing_ok=True)
    listed = ui.run([paths.QEMU_OBJ / "tests" / "qtest" / "qos-test", "-l"],
                    log=log, cwd=paths.QEMU_OBJ, env=env, keep=100000,
                    what="listing QEMU's qos tests")
    return [line for line in listed.splitlines()
            if line.startswith("/") and "virtio-mem" in line]


SUITES = {"driver": driver, "unit": unit, "qtest": qtest, "guest": guest}


def choose(names: list[str]) -> list[str]:
    """The suites to run, in their order; all when none is named."""
    for name in names:
        if name not in SUITES:
            raise ui.Fail(f"there is no suite {name}: SUITES takes "
                          f"{', '.join(SUITES)}")
    return [name for name in SUITES if name in names or not names]


