# SPDX-License-Identifier: GPL-2.0-or-later
"""Sum up what `make check` has run: python3 -m results SUITE...

meson and pytest leave JUnit files in build/results, and in build/results/sanitize
what they ran with sanitizers: sanitize/SUITE is meant to be there. A program that dies, or a
suite that runs fewer tests than its sources define, must not look like success;
so what meson says of each program, the names in the sources, the reports of the
sanitizers and the matrix of demands count as well.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from driver import paths, ui
from results import matrix

RESULTS = paths.HERE / "results"
REPORTS = paths.LOGS / "sanitizer"      # the Makefile tells them to write here
FINDING = re.compile(r"==\d+==ERROR: |: runtime error: ")
# Tests that a program registers under names that stand in its source.
NAMES = re.compile(r'(?:g_test_add_(?:data_)?func|qtest_add_(?:data_)?func|'
                   r'qos_add_test)\(\s*"([^"%]+)"\s*,')
SKIPPED = re.compile(r"^ok \d+ (.*?) *# SKIP *(.*)", re.M)
# Suites whose tests have names in C sources, and those that the matrix needs.
SOURCES = {"unit": "tests/unit/test-*.c", "qtest": "tests/qtest/virtio-mem*-test.c"}
BY_MESON = {"unit", "qtest", "fuzz", "proof", "upstream"}
WHOLE = {"unit", "qtest", "guest", "vmemctl"}


@dataclass
class Results:
    """All of it."""

    passed: set = field(default_factory=set)    # names, with a number if need be
    failed: list = field(default_factory=list)  # sentences
    skipped: list = field(default_factory=list)
    count: int = 0                              # of those that passed

    def junit(self, file: Path) -> set[str]:
        """Add the results of a file; return the programs that failed in it."""
        bad = set()
        for suite in ET.parse(file).getroot().iter("testsuite"):
            reasons = dict(SKIPPED.findall(suite.findtext("system-out") or ""))
            for test in suite.findall("testcase"):
                group, name = test.get("classname", ""), test.get("name")
                name = re.sub(r"^\d+ ", "", name)
                problem = next((child for child in test
                                if child.tag in ("failure", "error")), None)
                skip = test.find("skipped")
                if problem is not None:
                    said = (problem.get("message") or "").strip()
                    self.failed.append(f"{group}: {name}" +
                                       (said and f": {said.splitlines()[0]}"))
                    bad.add(suite.get("name"))
                elif skip is not None:
                    why = reasons.get(name) or skip.get("message")
                    self.skipped.append(f"{group}: {name}: "
                                        f"{why or 'no reason given'}")
                else:
                    self.count += 1
                    self.passed |= {name, f"{group.replace('.', '/')}/{name}"}
        return bad

    def programs(self, file: Path, bad: set[str]) -> None:
        """Add programs that failed without a failing test: they died, stopped
        early or were too slow."""
        for line in file.read_text(encoding="utf-8").splitlines():
            program = json.loads(line)
            named = any(name.endswith(program["name"]) for name in bad)
            if program["result"] not in ("OK", "SKIP") and not named:
                self.failed.append(f"{program['name']}: {program['result']}, "
                                   f"exit status {program['returncode']}")


def collect(directory: Path) -> Results:
    """Read all that the runners have left."""
    results = Results()
    for file in sorted(directory.rglob("*.xml")):
        bad = results.junit(file)
        if file.with_suffix(".json").exists():
            results.programs(file.with_suffix(".json"), bad)
    return results


def missing(suites: list[str], directory: Path) -> list[str]:
    """The suites of which there is no result at all; pytest runs several."""
    return [f"{suite}: it gave no result" for suite in suites
            if not (directory / f"{suite}.xml").exists() and
            (plain(suite) in BY_MESON or "-" in suite or
             not (directory / suite).with_name("pytest.xml").exists())]


def plain(suite: str) -> str:
    """Its name without that of the build."""
    return suite.rpartition("/")[2]


def not_run(pattern: str, passed: set[str], root: Path = paths.ROOT
            ) -> list[str]:
    """Tests that have a name in a source and no result."""
    ends = {name[start.start():] for name in passed
            for start in re.finditer(r"/", name)} | passed
    return [f"{file.relative_to(root)}: the test '{name}' did not run"
            for file in sorted(root.glob(pattern))
            for name in NAMES.findall(file.read_text(encoding="utf-8"))
            if name not in ends and f"/{name}" not in ends]


def sanitizers(directory: Path) -> list[str]:
    """The reports that tell of something found, not of a leak of QEMU's own."""
    return [f"a sanitizer's report: {ui.shown(file)}"
            for file in sorted(directory.glob("report.*"))
            if FINDING.search(file.read_text(errors="replace"))]


def main(suites: list[str]) -> int:
    """Print what failed and what was skipped, and the line that counts."""
    results = collect(RESULTS)
    absent = missing(suites, RESULTS)
    failed = results.failed + absent + sanitizers(REPORTS)
    seen = results.passed | {line.split(": ")[1] for line in
                             results.failed + results.skipped if ": " in line}
    there = set(suites) - {line.split(":")[0] for line in absent}
    for suite in {plain(suite) for suite in there} & set(SOURCES):
        failed += not_run(SOURCES[suite], seen)
    if WHOLE <= {plain(suite) for suite in suites}:
        failed += [f"{ui.shown(matrix.MATRIX)}: {problem}"
                   for problem in matrix.check(results.passed)]
    for sentence in results.skipped:
        print(f"SKIP {sentence}")
    for sentence in failed:
        print(f"FAIL {sentence}")
    if failed:
        print(f"all that the tests printed: {ui.shown(RESULTS)}")
    print(f"{results.count} passed, {len(failed)} failed, "
          f"{len(results.skipped)} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(ui.main(main, sys.argv[1:]))
