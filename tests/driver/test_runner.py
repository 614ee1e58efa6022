# SPDX-License-Identifier: GPL-2.0-or-later
"""Running test programs: real ones, made for the purpose."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
import time
from unittest import mock

from support import DRIVER, PROJECT, ScratchCase
import check
import paths
import suites
from program import Program


def driver_main():
    """The module that the Makefile starts; __main__ is the test itself."""
    spec = importlib.util.spec_from_file_location("driver_main",
                                                  DRIVER / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made_of(programs: list) -> suites.Suite:
    """A suite of these programs."""
    return suites.Suite(lambda env: programs)


class RunnerCase(ScratchCase):
    """A suite of shell scripts in place of the real suites."""

    def setUp(self):
        super().setUp()
        logs = mock.patch.object(paths, "LOGS", self.scratch / "logs")
        logs.start()
        self.addCleanup(logs.stop)
        self.ran = set()

    def suite(self, *scripts: str, seconds: float = 20):
        """Run a suite of these scripts; return counts and what was printed."""
        programs = [Program(f"p{number}", ["sh", "-c", script], seconds)
                    for number, script in enumerate(scripts)]
        made = mock.patch.dict(suites.SUITES, {"unit": made_of(programs)})
        printed = io.StringIO()
        with made, contextlib.redirect_stdout(printed):
            counts = check.run_suite("unit", {}, self.ran)
        return counts, printed.getvalue()


class Running(RunnerCase):
    """What one suite counts and says."""

    def test_results_of_all_programs_are_added(self):
        counts, _ = self.suite("echo 1..1; echo ok 1 a",
                               "echo 1..2; echo ok 1 b; "
                               "echo 'ok 2 c # SKIP cold'")
        self.assertEqual(counts, (2, 0, 1))

    def test_names_of_what_ran_are_kept(self):
        self.suite("echo 1..3; echo ok 1 a; echo not ok 2 b; "
                   "echo 'ok 3 c # SKIP cold'; exit 1")
        self.assertEqual(self.ran, {"a", "b"})

    def test_failure_is_named_with_message_and_log(self):
        counts, text = self.suite("echo 1..1; echo '# expected 4'; "
                                  "echo not ok 1 sum; exit 1")
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn("FAIL unit/p0: sum\n    expected 4\n    log: ", text)
        log = self.scratch / "logs" / "check" / "unit" / "p0.log"
        self.assertIn(os.path.basename(log), text)
        self.assertIn("not ok 1 sum", log.read_text())

    def test_skip_reason_is_printed(self):
        _, text = self.suite("echo 1..1; echo 'ok 1 c # SKIP too cold'")
        self.assertIn("c: too cold", text)

    def test_our_reason_for_a_skip_comes_first(self):
        program = Program("p", [], 5, skips={"c": "it needs KVM"})
        report = check.Report(skipped=[("c", "by request")])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            check.tell("unit", program, report, self.log)
        self.assertIn("c: it needs KVM", printed.getvalue())

    def test_suite_without_tests_has_failed(self):
        counts, text = self.suite()
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn("ran no test", text)

    def test_suite_that_skipped_everything_has_failed(self):
        self.assertEqual(self.suite("echo '1..0 # SKIP x'")[0], (0, 1, 1))

    def test_crash_is_a_failure(self):
        counts, text = self.suite("echo 1..2; echo ok 1 a; kill -SEGV $$")
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("the test after a\n    crashed (signal 11)", text)

    def test_program_that_is_not_there_is_a_failure(self):
        missing = Program("gone", [self.scratch / "gone"], 5)
        report = check.run_program(missing, self.log, check.Counter("unit"))
        self.assertIn("cannot be started", report.failed[0][1])

    def test_timeout_ends_the_whole_process_group(self):
        started = time.monotonic()
        note = self.scratch / "pid"
        counts, text = self.suite(
            f"echo 1..1; sleep 60 & echo $! > {note}; wait", seconds=0.5)
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn("gave no end within 0.5 s", text)
        self.assertLess(time.monotonic() - started, 10)
        self.assert_ends(int(note.read_text()))

    def assert_ends(self, pid: int):
        """The process is gone, or only waits to be reaped, within 5 s."""
        for _ in range(50):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                    if stat.read().rpartition(")")[2].split()[0] == "Z":
                        return
            except FileNotFoundError:
                return
            time.sleep(0.1)
        self.fail(f"process {pid} of a test that was ended still runs")


class Whole(RunnerCase):
    """The verdict of a whole check."""

    def verdict(self, *scripts: str):
        """Status and last line of a check of these scripts."""
        programs = [Program(f"p{number}", ["sh", "-c", script], 20)
                    for number, script in enumerate(scripts)]
        printed = io.StringIO()
        with mock.patch.dict(suites.SUITES, {"unit": made_of(programs)}), \
                mock.patch.object(check, "prepare", return_value={}), \
                contextlib.redirect_stdout(printed):
            status = check.check(["unit"])
        return status, printed.getvalue().splitlines()[-1]

    def test_last_line_and_status_of_success(self):
        self.assertEqual(self.verdict("echo 1..1; echo ok 1 a"),
                         (0, "1 passed, 0 failed, 0 skipped"))

    def test_last_line_and_status_of_failure(self):
        self.assertEqual(self.verdict("echo 1..1; echo ok 1 a",
                                      "echo 1..1; echo not ok 1 b"),
                         (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual(self.verdict(), (1, "0 passed, 1 failed, 0 skipped"))

    def whole(self, problems: list[str]):
        """Status and output of a check of all suites, with this matrix."""
        programs = [Program("p", ["sh", "-c", "echo 1..1; echo ok 1 a"], 20)]
        made = dict.fromkeys(suites.GATE, made_of(programs))
        printed = io.StringIO()
        with mock.patch.dict(suites.SUITES, made), \
                mock.patch.object(check, "prepare", return_value={}), \
                mock.patch.object(check.matrix, "check",
                                  side_effect=[problems]) as asked, \
                contextlib.redirect_stdout(printed):
            status = check.check(list(suites.GATE))
        asked.assert_called_once_with({"a"})
        return status, printed.getvalue()

    def test_matrix_counts_as_a_test(self):
        status, text = self.whole([])
        self.assertEqual(status, 0)
        self.assertIn(f"\n{len(suites.GATE) + 1} passed, 0 failed", text)

    def test_problem_of_the_matrix_is_a_failure(self):
        status, text = self.whole(["demand 7: names no test"])
        self.assertEqual(status, 1)
        self.assertIn("spec-matrix.md: demand 7: names no test", text)
        self.assertIn("passed, 1 failed", text)

    def test_unknown_suite_is_refused(self):
        with self.fails("no suite unti", "unit"):
            suites.choose(["unti"])


class Choice(ScratchCase):
    """Which suites a verb runs."""

    def chosen(self, verb: str, **env: str) -> list[str]:
        """The suites that the verb hands to the runner."""
        seen = []
        env = {"SUITES": "", "SANITIZE": "", **env}
        with mock.patch.dict(os.environ, env), \
                mock.patch.object(check, "check", lambda names, default:
                                  seen.extend(suites.choose(names, default))):
            driver_main().VERBS[verb]()
        return seen

    def test_check_runs_the_gate(self):
        self.assertEqual(self.chosen("check"), list(suites.GATE))

    def test_named_suites_run_in_their_own_order(self):
        self.assertEqual(self.chosen("check", SUITES="guest unit"),
                         ["unit", "guest"])

    def test_sanitizers_have_suites_of_their_own(self):
        self.assertEqual(self.chosen("check", SANITIZE="1"),
                         ["sanitize-unit", "sanitize-qtest", "sanitize-guest",
                          "sanitize-vmemctl"])
        self.assertEqual(self.chosen("check", SANITIZE="1", SUITES="unit"),
                         ["sanitize-unit"])

    def test_sanitizers_can_be_switched_off(self):
        self.assertEqual(self.chosen("check", SANITIZE="0"), list(suites.GATE))

    def test_check_full_runs_all(self):
        self.assertEqual(self.chosen("check-full"), list(suites.SUITES))


class PythonTests(ScratchCase):
    """taprun.py: failures of every kind come out as TAP."""

    def tap(self, body: str) -> list[str]:
        """The result lines of a file of tests."""
        file = self.write("test_it.py", "import unittest\n"
                          f"class T(unittest.TestCase):\n{body}")
        done = subprocess.run(
            [sys.executable, DRIVER / "taprun.py", file],
            capture_output=True, text=True, check=False, cwd=PROJECT)
        self.assertEqual(done.stderr, "")
        return [line for line in done.stdout.splitlines()
                if not line.startswith(("#", "TAP"))]

    def test_passing(self):
        self.assertEqual(self.tap(" def test_a(self): pass\n"),
                         ["ok 1 test_it.T.test_a", "1..1"])

    def test_failing(self):
        self.assertEqual(self.tap(" def test_a(self): self.fail('x')\n"),
                         ["not ok 1 test_it.T.test_a", "1..1"])

    def test_failing_part_fails_the_test(self):
        self.assertEqual(
            self.tap(" def test_a(self):\n"
                     "  with self.subTest('p'): self.fail('x')\n"
                     "  with self.subTest('q'): pass\n"),
            ["not ok 1 test_it.T.test_a", "1..1"])

    def test_failing_fixture(self):
        lines = self.tap(" @classmethod\n"
                         " def setUpClass(cls): raise OSError\n"
                         " def test_a(self): pass\n")
        self.assertIn("not ok 0 setUpClass (test_it.T)", lines)


class QosTests(ScratchCase):
    """Which of QEMU's qos tests are ours."""

    PATHS = ["/x86_64/pc/virtio-mem-pci/virtio-mem/virtio-mem-tests/ring/full",
             "/x86_64/pc/virtio-mem-pci/virtio-mem/virtio-mem-tests/plug/one"]

    def test_listed_plainly_and_as_comments(self):
        others = ["/x86_64/pc/virtio-net-pci/pci/nop", "1..2"]
        plain = "\n".join([*others, *self.PATHS])
        comments = "\n".join(f"# {line}" for line in [*others, *self.PATHS])
        self.assertEqual(suites.ours_of(plain), self.PATHS)
        self.assertEqual(suites.ours_of(comments), self.PATHS)

    def test_a_file_none_of_whose_tests_is_listed(self):
        self.assertTrue(suites.has_tests('{ "ring/full", full },', self.PATHS))
        self.assertFalse(suites.has_tests('{ "ring/fuller", f },', self.PATHS))
        self.assertFalse(suites.has_tests('{ "ring/full", full },', []))
