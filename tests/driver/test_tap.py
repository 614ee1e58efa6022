# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on what a test program printed, and on how it ended."""

import unittest

import support  # noqa: F401 (finds the driver)
from tap import NOT_RUN, Report


def report(text: str, status=0) -> Report:
    """Read a whole output."""
    result = Report()
    for line in text.splitlines():
        result.line(line)
    result.end(status)
    return result


def counts(result: Report) -> tuple:
    """Passed, failed, skipped."""
    return len(result.passed), len(result.failed), len(result.skipped)


class Verdict(unittest.TestCase):
    """One test a way to end."""

    def test_all_passed(self):
        result = report("TAP version 13\n1..2\nok 1 /a\nok 2 - /b\n")
        self.assertEqual(result.passed, ["/a", "/b"])
        self.assertEqual(counts(result), (2, 0, 0))

    def test_plan_at_the_end(self):
        self.assertEqual(counts(report("ok 1 a\nok 2 b\n1..2\n")), (2, 0, 0))

    def test_failure_keeps_the_message_before_and_after_it(self):
        result = report("1..1\n# expected 1\nnot ok 1 /a\n# saw 2\n", 1)
        self.assertEqual(result.failed, [("/a", "expected 1\nsaw 2")])

    def test_messages_of_passed_tests_are_not_given_to_failed_ones(self):
        result = report("1..2\n# quiet\nok 1 a\nnot ok 2 b\n# loud\n", 1)
        self.assertEqual(result.failed, [("b", "loud")])

    def test_skip_carries_its_reason(self):
        result = report("1..1\nok 1 /a # SKIP no KVM here\n")
        self.assertEqual(result.skipped, [("/a", "no KVM here")])
        self.assertEqual(result.passed, [])

    def test_whole_program_skipped(self):
        result = report("1..0 # SKIP needs root\n")
        self.assertEqual(result.skipped, [("everything", "needs root")])
        self.assertEqual(counts(result), (0, 0, 1))

    def test_unfinished_test_is_no_success(self):
        self.assertEqual(counts(report("1..1\nok 1 a # TODO later\n")),
                         (0, 1, 0))

    def test_crash_names_the_place_and_counts_the_rest(self):
        result = report("1..4\nok 1 /a\n# half way\n", -11)
        self.assertEqual(result.failed[0],
                         ("the test after /a", "crashed (signal 11)\nhalf way"))
        self.assertEqual(result.failed[1:], [NOT_RUN, NOT_RUN])
        self.assertEqual(counts(result), (1, 3, 0))

    def test_bail_out_and_its_abort_are_one_failure(self):
        result = report("1..2\nok 1 /a\nBail out! t.c:3: 1 == 2\n", -6)
        self.assertEqual(result.failed, [("the test after /a",
                                          "t.c:3: 1 == 2")])

    def test_missing_plan(self):
        result = report("ok 1 a\n")
        self.assertEqual(counts(result), (1, 1, 0))
        self.assertIn("without saying how many", result.failed[0][1])

    def test_no_output_at_all(self):
        self.assertEqual(counts(report("")), (0, 1, 0))

    def test_fewer_results_than_planned(self):
        result = report("1..3\nok 1 a\n")
        self.assertEqual(counts(result), (1, 2, 0))
        self.assertIn("after 1 of its 3", result.failed[0][1])

    def test_bad_exit_status_after_good_results(self):
        result = report("1..1\nok 1 a\n", 3)
        self.assertEqual(counts(result), (1, 1, 0))
        self.assertIn("exit status 3", result.failed[0][1])

    def test_timeout(self):
        result = report("1..2\nok 1 a\n", "gave no end within 5 s")
        self.assertEqual(result.failed, [("the test after a",
                                          "gave no end within 5 s")])

    def test_failed_fixture_of_pycotap_is_no_planned_test(self):
        result = report("not ok 0 setUpClass (t.T)\n# why\n1..0\n", 1)
        self.assertEqual(result.failed, [("setUpClass (t.T)", "why")])


if __name__ == "__main__":
    unittest.main()
