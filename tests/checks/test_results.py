# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts as passed and as failed, from files as meson and pytest write them."""

import json

import pytest

import results.__main__ as summary

MESON = """<testsuites>
<testsuite name="qemu.a-test">
<testcase name="1 /x86_64/one" classname="qemu.a-test"/>
<testcase name="2 /x86_64/two" classname="qemu.a-test"><skipped/></testcase>
{more}<system-out>ok 1 /x86_64/one
ok 2 /x86_64/two # SKIP no such machine
</system-out></testsuite></testsuites>"""
PYTEST = """<testsuites><testsuite name="pytest">
<testcase classname="tests.guest.test_a.Case" name="test_b"/>
<testcase classname="tests.guest.test_a.Case" name="test_c">
<failure message="expected 1">trace</failure></testcase>
</testsuite></testsuites>"""
FAILED = '<testcase name="3 /x86_64/three" classname="qemu.a-test"><failure/></testcase>'


@pytest.fixture
def collect(tmp_path):
    """The results of these files."""
    def collected(result="OK", code=0, more=""):
        (tmp_path / "qtest.xml").write_text(MESON.format(more=more))
        (tmp_path / "pytest.xml").write_text(PYTEST)
        (tmp_path / "qtest.json").write_text(json.dumps(
            {"name": "a-test", "result": result, "returncode": code}))
        return summary.collect(tmp_path)
    return collected


def test_counts_names_and_reasons(collect):
    seen = collect()
    assert seen.count == 2
    assert {"/x86_64/one", "tests/guest/test_a/Case/test_b"} <= seen.passed
    assert seen.failed == ["tests.guest.test_a.Case: test_c: expected 1"]
    assert seen.skipped == ["qemu.a-test: /x86_64/two: no such machine"]


@pytest.mark.parametrize("result, code", [("ERROR", -6), ("TIMEOUT", -9)])
def test_program_that_died_counts_even_if_no_test_failed(collect, result, code):
    assert f"a-test: {result}, exit status {code}" in collect(result, code).failed


def test_program_with_a_failed_test_counts_once(collect):
    assert len(collect("FAIL", 1, FAILED).failed) == 2


def test_suite_without_results(tmp_path, collect):
    collect()
    assert summary.missing(["qtest", "unit", "guest"], tmp_path) == [
        "unit: it gave no result"]


def test_suite_without_results_with_sanitizers(tmp_path):
    (tmp_path / "sanitize").mkdir()
    (tmp_path / "unit.xml").touch()
    (tmp_path / "pytest.xml").touch()
    (tmp_path / "sanitize" / "qtest.xml").touch()
    assert summary.missing(
        ["unit", "guest", "sanitize/unit", "sanitize/qtest", "sanitize/guest"],
        tmp_path) == ["sanitize/unit: it gave no result",
                      "sanitize/guest: it gave no result"]


def test_name_in_a_source_that_did_not_run(tmp_path):
    (tmp_path / "t.c").write_text(
        'qtest_add_func("/virtio-mem/one", f);\n'
        'qos_add_test("two", "virtio-mem", g, NULL);\n'
        'g_test_add_data_func(\n    "/virtio-mem/three", d, h);\n'
        'g_test_add_func(path, i);\n')
    ran = {"/x86_64/virtio-mem/one", "/x86_64/pc/virtio-mem-tests/two"}
    assert summary.not_run("t.c", ran, tmp_path) == [
        "t.c: the test '/virtio-mem/three' did not run"]


def test_report_of_a_sanitizer(tmp_path):
    (tmp_path / "report.1").write_text("x.c:3: runtime error: shift\n")
    (tmp_path / "report.2").write_text("Suppressions used: 1\n")
    assert len(summary.sanitizers(tmp_path)) == 1
