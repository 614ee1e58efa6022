# SPDX-License-Identifier: GPL-2.0-or-later
"""The series for QEMU's maintainers: it applies, ends where it should, and is in style."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from driver import paths

SERIES = [name for name, value in tomllib.loads(paths.PIN.read_text()).items()
          if isinstance(value, dict)]
# What checkpatch.pl takes for a mistake, and is none.
ALLOWED = (
    # tables of cases in tests/unit name several members of a row at once
    "Macros with complex values should be enclosed in parenthesis",
    # macros that stand for a definition, in compat/
    "Macros with multiple statements should be enclosed in a do - while loop",
    # a module that is built without QEMU, too
    "use qemu_real_host_page_size() instead of sysconf(_SC_PAGESIZE)")


def run(*words, cwd: Path | None = None, **env: str) -> str:
    """What a command prints; it has to end well."""
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **env}, text=True,
                          capture_output=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=SERIES)
def exported(request) -> Path:
    """build/series, or build/11.1/series."""
    run(sys.executable, "-m", "series", cwd=paths.ROOT, QEMU=request.param)
    default = request.param == "10.0"
    return paths.BUILD / ("" if default else request.param) / "series"


def patches(exported: Path) -> list[Path]:
    """All but the cover letter."""
    return sorted((exported / "patches").glob("*.patch"))[1:]


def test_it_applies_and_ends_where_it_was_made_from(exported, tmp_path):
    tree = tmp_path / "tree"
    run("git", "worktree", "add", "-q", "--detach", tree, "base", cwd=exported / "qemu")
    try:
        run("git", "am", "-q", *patches(exported), cwd=tree)
        assert not run("git", "diff", "series", cwd=tree)
    finally:
        run("git", "worktree", "remove", "--force", tree, cwd=exported / "qemu")


@pytest.mark.release
@pytest.mark.timeout(3600)
def test_each_step_is_built_and_its_unit_tests_pass(exported):
    run(sys.executable, "-m", "series.each", cwd=paths.ROOT,
        QEMU="10.0" if exported.parent == paths.BUILD else exported.parent.name)


def test_each_patch_says_why_and_is_signed(exported):
    log = run("git", "log", "--format=%s%x00%b%x01", "base..series",
              cwd=exported / "qemu")
    for entry in log.split("\x01")[:-1]:
        subject, _, body = entry.strip().partition("\x00")
        assert re.fullmatch(r"[\w/-]+: .{1,70}", subject)
        assert "Signed-off-by: " in body
    assert "***" not in min((exported / "patches").iterdir()).read_text()


def test_style(exported):
    script = exported.parent / "pristine/scripts/checkpatch.pl"
    for patch in patches(exported):
        said = subprocess.run(["perl", script, "--no-tree", patch],
                              capture_output=True, text=True, check=False).stdout
        errors = [line for line in said.splitlines()
                  if line.startswith("ERROR: ") and not line.endswith(ALLOWED)]
        assert not errors, f"{patch.name}: {errors}"
        assert re.search(r"total: \d+ errors, \d+ warnings, \d+ lines", said)


def test_the_device_of_qemu_is_gone_before_ours_comes(exported):
    log = run("git", "log", "--reverse", "--format=%s", "--diff-filter=DA", "base..series",
              "--", "hw/virtio/virtio-mem.c", cwd=exported / "qemu").splitlines()
    assert log == ["virtio-mem: remove the device",
                   "virtio-mem: add the device and its transports"]
