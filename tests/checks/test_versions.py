# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources know of no version of QEMU; what a series lacks lies in compat/."""

import os
import re
import subprocess
import sys
import tomllib
import unittest

from driver import paths

COMPAT = paths.ROOT / "compat"
LAID = ("hw", "include", "tests/qtest", "tests/unit", "tests/fuzz", "tools")
CONDITION = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*", re.M)
VERSION = re.compile(r"VERSION|\bQEMU_?\d|compat|\b1[01][_.]\d")


def sources():
    """The project's C sources outside of compat/."""
    return [file for top in LAID for file in (paths.ROOT / top).rglob("*.[ch]")]


def said_by(series: str, program: str) -> str:
    """What a program in Python prints that works with this series."""
    env = {name: value for name, value in os.environ.items() if name != "VM_QEMU"}
    return subprocess.run([sys.executable, "-c", program], env={
        **env, "QEMU": series, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True, text=True, capture_output=True).stdout


class Versions(unittest.TestCase):
    """One source for all series of QEMU."""

    def test_no_condition_asks_for_a_version(self):
        for file in sources():
            for line in CONDITION.findall(file.read_text()):
                with self.subTest(file.relative_to(paths.ROOT)):
                    self.assertNotRegex(line, VERSION)

    def test_a_version_is_seen(self):
        for line in ("#if QEMU_VERSION_MAJOR >= 11", "# ifdef QEMU_10_0",
                     "#ifndef HW_VIRTIO_MEM_compat_x"):
            self.assertRegex(CONDITION.search(line)[0], VERSION)
        for line in ("#ifdef __s390x__", "#ifndef HW_VIRTIO_MEM_QUEUE_H"):
            self.assertNotRegex(CONDITION.search(line)[0], VERSION)

    def test_no_source_names_the_quarantine(self):
        names = {file.name for file in COMPAT.rglob("*compat*")}
        self.assertTrue(names)
        for file in sources():
            with self.subTest(file.relative_to(paths.ROOT)):
                self.assertFalse([name for name in names if name in file.read_text()])

    def test_no_file_of_compat_takes_the_place_of_ours(self):
        for series in COMPAT.iterdir():
            for file in series.rglob("*.[ch]"):
                path = file.relative_to(series)
                with self.subTest(path):
                    self.assertFalse((paths.ROOT / path).exists())

    def test_other_headers_only_forward(self):
        for file in COMPAT.rglob("*.h"):
            if "compat" not in file.name:
                with self.subTest(file):
                    self.assertEqual(
                        [line for line in file.read_text().splitlines()
                         if not line.startswith(("/*", "#include "))], [])

    def test_each_series_is_pinned(self):
        pinned = tomllib.loads(paths.PIN.read_text())
        for top in (COMPAT, paths.ROOT / "patches"):
            series = {path.name for path in top.iterdir() if path.is_dir()}
            self.assertLessEqual(series, set(pinned))

    def test_guests_run_on_the_series_that_is_named(self):
        """Each of what is made from 11.1 lies in build/11.1/."""
        self.assertEqual(
            said_by("11.1", "from vmtest import vm; print(vm.default_binary())"),
            f"{paths.BUILD}/11.1/qemu-system-x86_64\n")

    def test_unit_tests_and_the_tool_are_built_once_for_all_series(self):
        """Another environment would have them configured again."""
        program = "from driver import build; print(build.prepare())"
        self.assertEqual(said_by("10.0", program), said_by("11.1", program))
