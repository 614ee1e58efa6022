# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the build driver share."""

import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from driver import paths, ui


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Make a file below the test's directory, where logs go as well."""
    monkeypatch.setattr(paths, "LOGS", tmp_path / "logs")

    def make(name, text: str = "", mode: int = 0o644) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file
    return make


@pytest.fixture
def fails():
    """The block ends with a Fail of one sentence that says all the phrases."""
    @contextmanager
    def failing(*phrases: str):
        with pytest.raises((ui.Fail, OSError)) as caught:
            yield caught
        error = caught.value
        sentence = str(ui.os_error(error) if isinstance(error, OSError)
                       else error)
        assert "\n" not in sentence
        for phrase in phrases:
            assert re.search(re.escape(str(phrase)), sentence)
    return failing


@pytest.fixture
def mount(tmp_path):
    """A small file system of our own, if this machine lets us."""
    places = []

    def mounted(options: str) -> Path:
        place = tmp_path / "mounted"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs",
                               place], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
        places.append(place)
        return place
    yield mounted
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)
