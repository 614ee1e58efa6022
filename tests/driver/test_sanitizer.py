# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sanitizers find fails a test that says all is well."""

import shutil
import subprocess
import unittest
from unittest import mock

from support import ScratchCase
import check
import sanitizer
from program import Program

PROGRAM = """\
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
static void *volatile kept;
__attribute__((noinline)) static void map_noreserve_effective(void)
{
    kept = malloc(3);
    kept = NULL;
}
int main(int argc, char **argv)
{
    volatile int number = argc, *heap = malloc(8);

    printf("1..1\\nok 1 fine\\n");
    fflush(stdout);
    %s
    free((void *)heap);
    return 0;
}
"""


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Sanitized(ScratchCase):
    """Programs with one mistake each, built and run as QEMU is."""

    def setUp(self):
        super().setUp()
        reports = self.scratch / "reports"
        for name, value in (("REPORTS", reports),
                            ("KNOWN_LEAKS", sanitizer.KNOWN_LEAKS)):
            patch = mock.patch.object(sanitizer, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def failures(self, statement: str, before: str = "") -> list:
        """What running a program with this statement counts as failed."""
        source = self.write("x.c", PROGRAM % statement)
        binary = self.scratch / "x"
        subprocess.run(
            ["gcc", "-g", "-w", "-fsanitize=address,undefined", "-o", binary,
             source], check=True)
        program = Program("x", ["sh", "-c", f"{before} {binary}; true"], 60,
                          env=sanitizer.environment(), sanitizers=True)
        report = check.run_program(program, self.log, check.Counter("unit"))
        self.assertEqual(report.passed, ["fine"])
        return report.failed

    def assert_found(self, statement: str, word: str):
        """One report, which has the word and the place."""
        failed = self.failures(statement)
        self.assertEqual(len(failed), 1, failed)
        self.assertEqual(failed[0][0], "no report of a sanitizer")
        self.assertIn(word, failed[0][1])
        self.assertIn("x.c", failed[0][1])

    def test_program_without_mistake_passes(self):
        self.assertEqual(self.failures(""), [])

    def test_use_after_free_is_found(self):
        self.assert_found("free((void *)heap); number = heap[1]; return 0;",
                          "heap-use-after-free")

    def test_leak_is_found(self):
        self.assert_found("kept = malloc(5); kept = NULL;", "5 byte(s)")

    def test_undefined_behaviour_is_found(self):
        self.assert_found("number = INT_MAX; number++;",
                          "signed integer overflow")

    def test_leak_that_qemu_is_known_for_passes(self):
        self.assertEqual(self.failures("map_noreserve_effective();"), [])

    def test_report_of_an_earlier_program_is_forgotten(self):
        self.failures("kept = malloc(5); kept = NULL;")
        self.assertEqual(self.failures(""), [])


if __name__ == "__main__":
    unittest.main()
