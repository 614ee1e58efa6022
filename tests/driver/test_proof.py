# SPDX-License-Identifier: GPL-2.0-or-later
"""When a run of cbmc counts as a proof."""

import sys
import unittest

from support import PROJECT

sys.path.insert(0, str(PROJECT / "tests" / "proof"))
import proof  # noqa: E402

GOOD = """\
[f.overflow.1] line 3 arithmetic overflow on unsigned + in a + b: SUCCESS
[prove_f.assertion.1] line 9 a == b: SUCCESS
[prove_f.assertion.2] line 10 possible: a: FAILURE
** 1 of 3 failed (2 iterations)
"""


class Verdict(unittest.TestCase):
    """What is read from the output and the exit status."""

    def test_good(self):
        self.assertEqual(proof.judge(GOOD, 10), ("", 2))

    def test_a_check_that_fails(self):
        text = GOOD.replace("a + b: SUCCESS", "a + b: FAILURE")
        self.assertIn("FAILURE: arithmetic overflow", proof.judge(text, 10)[0])

    def test_a_check_that_was_not_decided(self):
        text = GOOD.replace("a == b: SUCCESS", "a == b: UNKNOWN")
        self.assertEqual(proof.judge(text, 10)[0], "UNKNOWN: a == b")

    def test_a_case_that_is_impossible(self):
        text = GOOD.replace("FAILURE", "SUCCESS")
        self.assertEqual(proof.judge(text, 0)[0],
                         "no case found: possible: a")

    def test_without_a_case(self):
        text = "".join(GOOD.splitlines(True)[:2])
        self.assertIn("not shown to be possible", proof.judge(text, 10)[0])

    def test_without_a_verdict(self):
        self.assertEqual(proof.judge(GOOD, 0)[0], "cbmc ended with 0")
        self.assertEqual(proof.judge("", 6)[0], "cbmc ended with 6")

    def test_time(self):
        self.assertIn("no end within", proof.judge("", -24)[0])


if __name__ == "__main__":
    unittest.main()
