# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of demands: what makes it wrong, and that ours is not."""

import re
import tempfile
import unittest
from pathlib import Path

from results import matrix

CODE = """\
#define not_defined(x) x
static int declared(int a);

static int one_line(int a)
{
    return called(a);
}

VirtIOMEMRequest
on_its_own_line(const uint8_t *wire,
                int more)
{
}

static void *pointer(void)
{
}
"""
HEAD = "| No. | Demand | Clause | Code | Tests |\n|---|---|---|---|---|\n"
RAN = {"/x86_64/pc/virtio-mem-tests/plug/one", "/virtio-mem/unit",
       "/x86_64/virtio-mem/user", "tests/guest/test_a/Case/test_b"}


def row(number, code="dev.c: one_line", tests="`/virtio-mem/unit`"):
    return f"| {number} | what | 5.15 | {code} | {tests} |\n"


def complete(**changed):
    """A matrix with nothing wrong but the rows that are given."""
    rows = {number: row(number) for number in (*matrix.DEMANDS, "B1", "B2")}
    rows.update(changed)
    return HEAD + "".join(rows.values())


class Check(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)
        (self.dir / "dev.c").write_text(CODE)

    def problems(self, text):
        (self.dir / "matrix.md").write_text(text)
        return matrix.check(RAN, self.dir / "matrix.md", self.dir)

    def row_problems(self, **columns):
        return self.problems(complete(B2=row("B2", **columns)))

    def test_a_good_matrix_has_no_problem(self):
        self.assertEqual(self.problems(complete()), [])

    def test_a_demand_without_a_row(self):
        for number in ("1", "46", "N1", "B1"):
            with self.subTest(number):
                text = complete().replace(row(number), "")
                self.assertEqual(self.problems(text)[0],
                                 f"demand {number} has no row")

    def test_no_demand_beyond_the_text(self):
        text = complete().replace(row("B1"), "").replace(row("B2"), "")
        self.assertEqual(self.problems(text), ["demand B1 has no row"])

    def test_an_empty_file(self):
        self.assertEqual(len(self.problems("")), 48)

    def test_a_demand_with_two_rows(self):
        self.assertEqual(self.problems(complete() + row("7")),
                         ["demand 7 has 2 rows"])

    def test_a_number_that_is_none(self):
        self.assertEqual(self.problems(complete() + row("47")),
                         ["there is no demand 47"])

    def test_a_test_that_did_not_run(self):
        for name in ("/virtio-mem/uni", "nit", "virtio-mem-tests/plug",
                     "one_b", "test_a.Case.test_c", ""):
            with self.subTest(name):
                self.assertEqual(
                    self.row_problems(tests=f"`/virtio-mem/unit`; `{name}`"),
                    [f"demand B2: the test '{name}' does not exist or did not "
                     "run"])

    def test_names_as_the_runner_prints_them_or_their_end(self):
        for name in ("virtio-mem-tests/plug/one", "/virtio-mem/user",
                     "/x86_64/virtio-mem/user", "test_a.Case.test_b"):
            with self.subTest(name):
                self.assertEqual(self.row_problems(tests=f"`{name}`"), [])

    def test_a_demand_without_a_test(self):
        self.assertEqual(self.row_problems(tests=""),
                         ["demand B2: names no test"])

    def test_a_demand_that_is_tested_in_part(self):
        self.assertEqual(
            self.row_problems(tests="`/virtio-mem/unit`; the rest: none yet"),
            ["demand B2: 'the rest: none yet' is no name of a test in "
             "backticks"])

    def test_a_file_that_does_not_exist(self):
        self.assertEqual(self.row_problems(code="gone.c: one_line"),
                         ["demand B2: there is no file 'gone.c' in hw/virtio"])

    def test_a_function_that_is_not_defined(self):
        for name in ("gone", "called", "declared", "not_defined", "one_lin",
                     "line"):
            with self.subTest(name):
                self.assertEqual(
                    self.row_problems(code=f"dev.c: one_line, {name}"),
                    [f"demand B2: dev.c has no function '{name}'"])

    def test_functions_in_all_styles(self):
        self.assertEqual(self.row_problems(
            code="dev.c: one_line, pointer; dev.c: on_its_own_line"), [])

    def test_a_demand_without_code(self):
        self.assertEqual(self.row_problems(code=""),
                         ["demand B2: names no code"])
        self.assertEqual(self.row_problems(code="dev.c"),
                         ["demand B2: names no function of dev.c"])


class Ours(unittest.TestCase):
    """What can be said of the real matrix without running any other test."""

    def test_every_demand_has_code_that_exists(self):
        named = set(re.findall(r"`([^`]+)`", matrix.MATRIX.read_text()))
        self.assertEqual(matrix.check(named), [])
