# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-alone build of the top meson.build: unit tests and vmemctl."""

import json
import os
import subprocess
from pathlib import Path

import deps
import paths
import qemu
import stamp
import ui
from flavours import PLAIN, Flavour

PACKAGES = ("libjson-glib-dev",)    # of vmemctl
MISSING = "vmemctl cannot be built: json-glib-1.0 is missing"


def build(env: dict, flavour: Flavour = PLAIN, *names: str) -> None:
    """Set up if needed, and build what is named, or all."""
    build_dir, identity = flavour.unit, identity_of(env, flavour)
    log = paths.LOGS / f"unit-build-{flavour.name}.log"
    log.unlink(missing_ok=True)
    if not (build_dir / "build.ninja").exists() or \
            not stamp.matches(build_dir, identity):
        stamp.clear(build_dir)
        wipe = ["--wipe"] if (build_dir / "meson-private").exists() else []
        ui.run([*meson_command(), "setup", *wipe, *options(flavour),
                build_dir, paths.ROOT],
               log=log, what="setting up the stand-alone build",
               env={**env, "CC": qemu.compiler(flavour)})
        stamp.write(build_dir, identity)
    if not names:
        ui.progress("building the unit tests …")
    ui.run(["ninja", "-C", build_dir, *names], log=log, env=env,
           what="the stand-alone build")


def tests(env: dict, flavour: Flavour = PLAIN) -> list[dict]:
    """What meson knows of the unit tests."""
    listed = subprocess.run(
        [*map(str, meson_command()), "introspect", "--tests",
         str(flavour.unit)],
        env={**os.environ, **env}, capture_output=True, text=True, check=True)
    return json.loads(listed.stdout)


def vmemctl(env: dict, flavour: Flavour = PLAIN) -> Path | None:
    """Build the command-line tool; None where json-glib is missing."""
    deps.ensure(PACKAGES)
    if not have_json_glib():
        return None
    build(env, flavour, "tools/vmemctl/vmemctl")
    binary = flavour.unit / "tools" / "vmemctl" / "vmemctl"
    if flavour is not PLAIN:
        return binary
    goal = os.path.relpath(binary, paths.BUILD)
    if not paths.VMEMCTL.is_symlink() or os.readlink(paths.VMEMCTL) != goal:
        paths.VMEMCTL.unlink(missing_ok=True)
        paths.VMEMCTL.symlink_to(goal)
    return paths.VMEMCTL


def have_json_glib() -> bool:
    """Whether vmemctl can be built here."""
    return subprocess.run(["pkg-config", "--exists", "json-glib-1.0"],
                          check=False).returncode == 0


def options(flavour: Flavour) -> list[str]:
    """The words for meson; they change when json-glib comes or goes."""
    have = "enabled" if have_json_glib() else "disabled"
    return [*flavour.meson, f"-Dvmemctl={have}"]


def meson_command() -> list:
    """The private meson, or the system's where there is none."""
    private = paths.TOOLS / "usr" / "bin" / "meson"
    return [qemu.PYTHON, private] if private.exists() else ["meson"]


def identity_of(env: dict, flavour: Flavour) -> str:
    """What the set-up depends on."""
    return " ".join([*map(str, meson_command()), *options(flavour),
                     *sorted(env.values()), qemu.compiler(flavour)])
