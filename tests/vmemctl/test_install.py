# SPDX-License-Identifier: GPL-2.0-or-later
"""What `meson install` installs of vmemctl, and what it builds for that."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vmtest.peer import ROOT

TOOLS = ROOT / "build" / "tools" / "usr"    # the build's own meson
SYSTEM = shutil.which("meson")


def meson(*words, **env) -> None:
    """Run the build's meson, or that of the system."""
    own = TOOLS / "bin" / "meson"
    command = ["/usr/bin/python3", own] if own.exists() else [SYSTEM]
    subprocess.run([*map(str, command), *map(str, words)], check=True,
                   timeout=300, stdout=subprocess.DEVNULL, env={
                       **os.environ, **env,
                       "PYTHONPATH": str(TOOLS / "lib" / "python3" /
                                         "dist-packages")})


def files_in(directory: Path) -> set[str]:
    """All files below it."""
    return {str(file.relative_to(directory))
            for file in directory.rglob("*") if file.is_file()}


@pytest.mark.skipif(not SYSTEM and not (TOOLS / "bin" / "meson").exists(),
                    reason="there is no meson")
def test_the_tool_its_manual_and_completion(tmp_path):
    """Where PREFIX and DESTDIR say, without building the tests."""
    build, destination = tmp_path / "build", tmp_path / "destination"
    meson("setup", "-Dtests=false", "-Dvmemctl=enabled", "--prefix=/opt/vm",
          build, ROOT)
    meson("install", "-C", build, DESTDIR=str(destination))
    assert files_in(destination / "opt" / "vm") == {
        "bin/vmemctl", "share/man/man1/vmemctl.1",
        "share/bash-completion/completions/vmemctl", "share/vmemctl/alerts.yml",
        "share/vmemctl/dashboard.json", "share/vmemctl/prometheus.yml",
        "lib/systemd/system/vmemctl-export.service"}
    assert "\nExecStart=/opt/vm/bin/vmemctl export " in (
        destination / "opt/vm/lib/systemd/system/vmemctl-export.service").read_text()
    assert files_in(destination) == {
        f"opt/vm/{file}" for file in files_in(destination / "opt" / "vm")}
    assert {Path(file).name for file in files_in(build)
            if file.endswith((".o", ".a")) and "vmemctl" not in file} == set()
    done = subprocess.run([destination / "opt" / "vm" / "bin" / "vmemctl",
                           "--version"], check=True, capture_output=True)
    assert done.stdout.startswith(b"vmemctl ")
