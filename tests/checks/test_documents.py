# SPDX-License-Identifier: GPL-2.0-or-later
"""What documents claim, as far as a program can tell whether it is true."""

import re
import subprocess
import unittest

from driver import build
from driver.paths import ROOT as PROJECT, VMEMCTL

VERSION = re.compile(r"\bsince:?\s+(?:QEMU\s+)?\d", re.I)


def added(patch: str) -> str:
    """The lines that a patch adds, as they are then."""
    return "\n".join(line[1:] for line in patch.splitlines()
                     if line.startswith("+") and not line.startswith("+++"))


def prose(text: str) -> str:
    """Comments of a QAPI schema, each paragraph as one line."""
    return re.sub(r"\n# +", " ", text)


class Schema(unittest.TestCase):
    """No release of QEMU has what the project adds to QMP."""

    def test_no_version_of_qemu_is_claimed(self):
        texts = {file.name: file.read_text()
                 for file in (PROJECT / "qapi").glob("*.json")}
        texts |= {file.name: added(file.read_text())
                  for file in (PROJECT / "patches").rglob("*.patch")}
        for name, text in texts.items():
            with self.subTest(name):
                self.assertIsNone(VERSION.search(prose(text)))

    def test_a_version_is_seen_also_across_lines(self):
        self.assertRegex(prose("# @x: what (since\n#     10.0)"), VERSION)
        self.assertRegex(prose("# Since: 10.0"), VERSION)
        self.assertNotRegex(prose("# @since: seconds"), VERSION)


class Manual(unittest.TestCase):
    """What a user can see stands in the user's manual."""

    def setUp(self):
        self.text = (PROJECT / "docs/system/devices/virtio-mem.rst").read_text()

    def rows(self) -> set[str]:
        """What stands in the first column of a table."""
        return set(re.findall(r"^   \* - ``([^`]+)``$", self.text, re.M))

    def test_each_trace_event_and_no_other(self):
        called = set()
        for file in (PROJECT / "hw").rglob("*.c"):
            called.update(re.findall(r"\btrace_(virtio_mem_\w+)\(",
                                     file.read_text()))
        self.assertTrue(called)
        self.assertEqual({row for row in self.rows()
                          if row.startswith("virtio_mem_")}, called)

    def test_each_property(self):
        header = (PROJECT / "include/hw/virtio/virtio-mem.h").read_text()
        names = set(re.findall(r'^#define VIRTIO_MEM_\w+_PROP\s+"([^"]+)"',
                               header, re.M))
        self.assertTrue(names)
        self.assertEqual(names - self.rows(), set())

    def test_each_command_and_event(self):
        schema = (PROJECT / "qapi/machine.json").read_text()
        names = re.findall(r"^{ '(?:command|event)': '([^']+)'", schema, re.M)
        self.assertTrue(names)
        for name in names:
            self.assertIn(f"``{name}``", self.text)


class Version(unittest.TestCase):
    """It stands in one file."""

    VERSION = (PROJECT / "VERSION").read_text().strip()

    def test_it_is_a_number(self):
        self.assertRegex(self.VERSION, r"^\d+\.\d+\.\d+$")

    def test_no_other_file_has_it(self):
        found = subprocess.run(
            ["git", "grep", "-lwF", self.VERSION, "--", ":!VERSION",
             ":!CHANGELOG.md"], cwd=PROJECT, capture_output=True, text=True,
            check=False)
        if found.returncode > 1:
            self.skipTest(f"git cannot search here: {found.stderr}")
        self.assertEqual(found.stdout.splitlines(), [])

    def test_both_programs_say_it(self):
        self.assertTrue(build.NAME.endswith(f" {self.VERSION}"))
        said = subprocess.run([VMEMCTL, "--version"], capture_output=True,
                              text=True, check=True).stdout
        self.assertEqual(said.split()[-1], self.VERSION)


class Changelog(unittest.TestCase):
    """It has the form of Keep a Changelog."""

    KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]

    def setUp(self):
        self.text = (PROJECT / "CHANGELOG.md").read_text()

    def test_releases_are_in_order_and_dated(self):
        titles = re.findall(r"^## (.*)$", self.text, re.M)
        self.assertEqual(titles[0], "[Unreleased]")
        releases = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)",
                                 title) for title in titles[1:]]
        self.assertTrue(all(releases), titles)
        keys = [(*map(int, found.groups()[:3]), found[4]) for found in releases]
        self.assertEqual(keys, sorted(keys, reverse=True))

    def test_the_newest_release_is_the_version(self):
        newest = re.search(r"^## \[(\d.*?)\]", self.text, re.M)[1]
        self.assertEqual(newest, Version.VERSION)

    def test_each_section_has_kinds_in_their_order(self):
        for section in re.split(r"^## ", self.text, flags=re.M)[1:]:
            kinds = re.findall(r"^### (.*)$", section, re.M)
            with self.subTest(section.splitlines()[0]):
                self.assertEqual(kinds, [kind for kind in self.KINDS
                                         if kind in kinds])
