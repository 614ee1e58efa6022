# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the build driver share."""

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
    def failing(*phrases):
        with pytest.raises((ui.Fail, OSError)) as caught:
            yield caught
        error = caught.value
        said = str(ui.os_error(error) if isinstance(error, OSError) else error)
        assert "\n" not in said
        assert not [phrase for phrase in phrases if str(phrase) not in said], said
    return failing
