# SPDX-License-Identifier: GPL-2.0-or-later
"""When a run of cbmc counts as a proof."""

import importlib.util

import pytest

from driver.paths import ROOT

SPEC = importlib.util.spec_from_file_location("prove",
                                              ROOT / "tests/proof/prove.py")
prove = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(prove)

GOOD = """\
[f.overflow.1] line 3 arithmetic overflow on unsigned + in a + b: SUCCESS
[prove_f.assertion.1] line 9 a == b: SUCCESS
[prove_f.assertion.2] line 10 possible: a: FAILURE
** 1 of 3 failed (2 iterations)
"""


def test_good():
    assert prove.judge(GOOD, 10) == ([], 2)


@pytest.mark.parametrize("text, status, wrong", [
    (GOOD.replace("a + b: SUCCESS", "a + b: FAILURE"), 10,
     "FAILURE: arithmetic overflow on unsigned + in a + b"),
    (GOOD.replace("a == b: SUCCESS", "a == b: UNKNOWN"), 10, "UNKNOWN: a == b"),
    (GOOD.replace("FAILURE", "SUCCESS"), 0, "no case found: possible: a"),
    ("".join(GOOD.splitlines(True)[:2]), 10,
     "nothing is proved, or not shown to be possible"),
    (GOOD, 0, "cbmc ended with 0"), ("", 6, "cbmc ended with 6"),
    ("", -24, "no end within its time of a processor")])
def test_wrong(text, status, wrong):
    assert prove.judge(text, status)[0][0] == wrong
