# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of machines, and what is written from the results of their tests."""

import re

import pytest

from driver import paths, ui
from results import targets
from vmtest.guest import GUESTS
from vmtest.target import TARGETS

CASE = """<testsuites><testsuite name="pytest">
<testcase classname="tests.guest.test_target.Row" name="test_a"><properties>
<property name="kernel" value="6.12-x"/><property name="page" value="16384"/>
<property name="block" value="2097152"/><property name="step" value="33554432"/>
</properties></testcase>
<testcase classname="tests.guest.test_numa.Numa" name="test_b">{more}</testcase>
<testcase classname="tests.docs.test_manual.Manual" name="test_c"/>
</testsuite></testsuites>"""


@pytest.fixture
def row(tmp_path):
    """A row of the table, from a file that pytest could have left."""
    def made(more: str = "") -> tuple:
        (tmp_path / "guest.xml").write_text(CASE.format(more=more))
        return targets.row("aarch64-16k", TARGETS["aarch64-16k"],
                           tmp_path / "guest.xml")
    return made


def test_a_row_says_what_the_guest_told(row):
    assert row() == ("``aarch64-16k``", "``virt``", "``virtio-mem-pci``", "16 KiB",
                     "2 MiB", "32 MiB", "6.12-x", "2 passed, 0 skipped")
    assert row("<skipped/>")[-1] == "1 passed, 1 skipped"


def test_nothing_is_written_of_a_guest_that_failed(row):
    with pytest.raises(ui.Fail, match="1 tests failed"):
        row("<failure/>")


def test_the_table_is_a_list_of_rst(row):
    text = targets.text([row()])
    assert text.count("   * - ") == 2 and text.count("     - ") == 14


def test_each_row_has_a_guest_and_blocks_that_its_step_can_be_made_of():
    for name, target in TARGETS.items():
        assert target.guest in GUESTS, name
        for block in target.blocks:
            assert max(block, target.step) % min(block, target.step) == 0, name


def test_the_makefile_runs_each_row():
    text = (paths.ROOT / "Makefile").read_text()
    rows = re.search(r"^ROWS = (.*)$", text, re.M)[1]
    assert {"x86_64", *re.findall(r"(?:aarch64|s390x|riscv64)[\w-]*", rows)} == set(TARGETS)
