# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of a fuzzer is taken for, with programs that pretend to be one."""

import sys
import unittest
from pathlib import Path

from support import PROJECT, ScratchCase

sys.path.insert(0, str(PROJECT / "tests" / "fuzz"))
import libfuzzer  # noqa: E402
import streams  # noqa: E402

CALM = """\
#100	INITED cov: 7 ft: 9
stat::number_of_executed_units: 4321
stat::average_exec_per_sec:     99
"""


class Verdict(unittest.TestCase):
    """Output and exit status."""

    def test_calm(self):
        outcome = libfuzzer.judge(CALM, 0)
        self.assertEqual(outcome.problem, "")
        self.assertEqual((outcome.executions, outcome.rate, outcome.edges,
                          outcome.features), (4321, 99, 7, 9))

    def test_without_executions(self):
        self.assertEqual(libfuzzer.judge("", 0).problem, "executed no input")

    def test_status_alone(self):
        self.assertEqual(libfuzzer.judge(CALM, -6).problem, "ended with -6")

    def test_report_and_saved_input(self):
        text = CALM + ("==1==ERROR: AddressSanitizer: heap-use-after-free\n"
                       "Test unit written to /there/crash-1\n")
        outcome = libfuzzer.judge(text, 77)
        self.assertIn("heap-use-after-free", outcome.problem)
        self.assertEqual(outcome.finding, Path("/there/crash-1"))


class Aim(unittest.TestCase):
    """What was reached of the code that a fuzzer is aimed at."""

    TEXT = ("COVERED_FUNC: hits: 7 edges: 2/3 plug /src/our-plug.c:4\n"
            "UNCOVERED_FUNC: hits: 0 edges: 0/5 unplug /src/our-plug.c:9\n"
            "COVERED_FUNC: hits: 1 edges: 1/1 main /src/other.c:1\n")

    def aim(self, *reach: str) -> tuple[str, str]:
        fuzzer = libfuzzer.Fuzzer("x", [], [], files="our-", reach=reach)
        return libfuzzer.aim(self.TEXT, fuzzer)

    def test_counts(self):
        self.assertEqual(self.aim("plug"), (
            "1 of 2 functions and 2 of 8 edges of our-*", ""))

    def test_function_that_is_not_reached(self):
        self.assertEqual(self.aim("plug", "unplug")[1], "unplug not reached")


class Run(ScratchCase):
    """A finding stays where the next run tries it again."""

    def test_finding_is_tried_again(self):
        fake = self.write("fuzzer", """\
#!/bin/sh
for word; do
    case $word in -artifact_prefix=*) there=${word#*=};; esac
    last=$word
done
[ "$last/" = "$there" ] || exit 3
[ -e "$there"crash-1 ] && echo "ERROR: the same again"
echo "Test unit written to ${there}crash-1"
: > "$there"crash-1
exit 77
""")
        fake.chmod(0o755)
        fuzzer = libfuzzer.Fuzzer("fake", [fake], [])
        work = self.scratch / "found"
        first = libfuzzer.run(fuzzer, 1, self.scratch, work)
        self.assertEqual(first.problem, "ended with 77")
        self.assertTrue(first.finding.exists())
        second = libfuzzer.run(fuzzer, 1, self.scratch, work)
        self.assertEqual(second.problem, "ERROR: the same again")


class Streams(unittest.TestCase):
    """Loads of damaged migration streams."""

    TEXT = ("# VIRTIO_MEM_SEED=11 VIRTIO_MEM_LOADS=5000\n"
            "# 1700 of 5000 loaded\nok 1 /x/one/random-damage\n"
            "# VIRTIO_MEM_SEED=12 VIRTIO_MEM_LOADS=5000\n"
            "# 1800 of 5000 loaded\nok 2 /x/two/random-damage\n")

    def test_counts(self):
        outcome = streams.judge(self.TEXT, 0, 9.0)
        self.assertEqual(outcome, streams.Outcome(10000, 3500, 9.0,
                                                  ["11", "12"], ""))

    def test_too_few(self):
        self.assertEqual(streams.judge("# 3 of 5000 loaded\n", 0, 9.0).problem,
                         "loaded 5000 streams instead of 10000")

    def test_crash(self):
        self.assertEqual(streams.judge(self.TEXT, -6, 9.0).problem,
                         "ended with -6")


if __name__ == "__main__":
    unittest.main()
