# SPDX-License-Identifier: GPL-2.0-or-later
"""make dist: the same bytes each time, with all that is committed."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from driver.paths import MESON, ROOT

VERSION = (ROOT / "VERSION").read_text().strip()
NAME = f"virtio-mem-qemu-{VERSION}"
# Whatever a user's machine may be like.
ODD = {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "XZ_DEFAULTS": "-0 -T4",
       "GIT_CONFIG_COUNT": "3",
       "GIT_CONFIG_KEY_0": "tar.umask", "GIT_CONFIG_VALUE_0": "user",
       "GIT_CONFIG_KEY_1": "core.autocrlf", "GIT_CONFIG_VALUE_1": "input",
       "GIT_CONFIG_KEY_2": "tar.tar.xz.command", "GIT_CONFIG_VALUE_2": "false"}


def git(*words) -> str:
    """What it prints."""
    return subprocess.run(["git", "-C", ROOT, *words], check=True, text=True,
                          capture_output=True).stdout


def make(directory: Path, umask: int, **env) -> Path:
    """A tarball of HEAD, made in a clone; what git prints is not in it."""
    git("clone", "-q", ROOT, directory)
    subprocess.run(["make", "-s", "-C", directory, "dist"], check=True, umask=umask,
                   env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    return directory / "build" / f"{NAME}.tar.xz"


@pytest.fixture(scope="module")
def tarball(tmp_path_factory) -> Path:
    """One that was made."""
    if not (ROOT / ".git").exists():
        pytest.skip("this tree is not a clone")
    return make(tmp_path_factory.mktemp("dist") / "one", 0o022)


def test_the_same_bytes_twice(tarball, tmp_path):
    """Whenever, wherever, and by whomever."""
    again = make(tmp_path / "two", 0o077, **ODD)
    assert again.read_bytes() == tarball.read_bytes()


def test_all_that_is_committed_and_nothing_else(tarball):
    """Below a directory with the version in its name, and as it is."""
    with tarfile.open(tarball) as tar:
        files = {member.name: member for member in tar.getmembers()
                 if not member.isdir()}
        assert set(files) == {f"{NAME}/{path}" for path
                              in git("ls-files").splitlines()}
        assert tar.extractfile(f"{NAME}/VERSION").read().decode() == f"{VERSION}\n"
    for line in git("ls-files", "-s").splitlines():
        mode, path = line.split()[0], line.partition("\t")[2]
        assert files[f"{NAME}/{path}"].mode & 0o111 == int(mode, 8) & 0o111


@pytest.mark.full
@pytest.mark.skipif(not MESON.exists(), reason="there is no meson")
def test_what_is_unpacked_builds(tarball, tmp_path):
    """The tool, without git."""
    subprocess.run(["tar", "-C", tmp_path, "-xf", tarball], check=True)
    for words in (("setup", "-Dtests=false", "-Dvmemctl=enabled", "build", NAME),
                  ("compile", "-C", "build")):
        subprocess.run([MESON, *words], cwd=tmp_path, check=True, timeout=300,
                       stdout=subprocess.DEVNULL)
    done = subprocess.run([tmp_path / "build/tools/vmemctl/vmemctl", "--version"],
                          check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == VERSION
