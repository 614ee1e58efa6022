# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one file of Python unit tests and speak TAP (through pycotap).

    python3 taprun.py tests/driver/test_overlay.py
"""

import sys
import unittest
from pathlib import Path

from pycotap import LogMode, TAPTestResult


class Result(TAPTestResult):
    """pycotap's result, which by itself is silent about failed sub-tests."""

    def __init__(self):
        super().__init__(sys.stdout, sys.stderr, LogMode.LogToDiagnostics,
                         LogMode.LogToDiagnostics)
        self.sub_failed = False

    def startTest(self, test):
        """A new test has no failed parts yet."""
        self.sub_failed = False
        super().startTest(test)

    def addSubTest(self, test, subtest, err):
        """Collect the message; the test's own line comes at its end."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.message.write(f"{subtest}\n"
                               f"{self._exc_info_to_string(err, test)}\n")
            self.sub_failed = True

    def stopTest(self, test):
        """Write the line of a test whose parts failed, then the messages."""
        if self.sub_failed:
            self.not_ok(test)
        super().stopTest(test)


def main(file: Path) -> int:
    """Load the file as a module of its own directory and run its tests."""
    sys.path.insert(0, str(file.resolve().parent))
    tests = unittest.defaultTestLoader.loadTestsFromName(file.stem)
    result = Result()
    tests(result)
    result.printErrors()
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
