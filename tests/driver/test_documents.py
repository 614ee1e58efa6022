# SPDX-License-Identifier: GPL-2.0-or-later
"""What documents claim, as far as a program can tell whether it is true."""

import re
import unittest

from support import PROJECT

VERSION = re.compile(r"\bsince:?\s+(?:QEMU\s+)?\d", re.I)


def added(patch: str) -> str:
    """The lines that a patch adds, as they are then."""
    return "\n".join(line[1:] for line in patch.splitlines()
                     if line.startswith("+") and not line.startswith("+++"))


def prose(text: str) -> str:
    """Comments of a QAPI schema, each paragraph as one line."""
    return re.sub(r"\n# +", " ", text)


class Schema(unittest.TestCase):
    """No release of QEMU has what the project adds to QMP."""

    def test_no_version_of_qemu_is_claimed(self):
        texts = {file.name: file.read_text()
                 for file in (PROJECT / "qapi").glob("*.json")}
        texts |= {file.name: added(file.read_text())
                  for file in (PROJECT / "patches").glob("*.patch")}
        for name, text in texts.items():
            with self.subTest(name):
                self.assertIsNone(VERSION.search(prose(text)))

    def test_a_version_is_seen_also_across_lines(self):
        self.assertRegex(prose("# @x: what (since\n#     10.0)"), VERSION)
        self.assertRegex(prose("# Since: 10.0"), VERSION)
        self.assertNotRegex(prose("# @since: seconds"), VERSION)


if __name__ == "__main__":
    unittest.main()
