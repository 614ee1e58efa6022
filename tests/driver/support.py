# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the build driver share."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DRIVER = PROJECT / "scripts" / "driver"
sys.path.insert(0, str(DRIVER))

import ui  # noqa: E402 (found through the line above)


class ScratchCase(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.scratch = Path(tempfile.mkdtemp(prefix="driver-test-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.log = self.scratch / "log"

    def write(self, path: str, text: str) -> Path:
        """Make a file below the scratch directory."""
        file = self.scratch / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def fails(self, *phrases: str):
        """The block must end with a Fail that says all the phrases."""
        return _Fails(self, phrases)

    def mount(self, options: str) -> Path:
        """A small file system of our own, if this machine lets us."""
        place = self.scratch / "mounted"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place],
            capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest(f"cannot mount a tmpfs here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        return place


class _Fails:
    """assertRaises(ui.Fail) that also looks at the sentence."""

    def __init__(self, case, phrases):
        self.case, self.phrases, self.fail = case, phrases, None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            self.case.fail(f"expected a failure saying {self.phrases}, "
                           "saw none")
        if isinstance(error, OSError):  # as ui.main does
            error = ui.os_error(error)
        if not isinstance(error, ui.Fail):
            return False
        self.fail = error
        for phrase in self.phrases:
            self.case.assertIn(phrase, str(error))
        self.case.assertNotIn("\n", str(error), "not one sentence")
        return True
