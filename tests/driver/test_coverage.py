# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting what the tests reach, and QEMU's own tests without KVM."""

import contextlib
import io
import os
import shutil
import subprocess
import unittest
from unittest import mock

from support import PROJECT, ScratchCase
import coverage
from flavours import COVERED


def line(number: int, count: int, *branches: int) -> dict:
    """A line as gcov tells it."""
    return {"line_number": number, "count": count,
            "branches": [{"count": taken} for taken in branches]}


class Modules(ScratchCase):
    """What several compilations counted in one file."""

    def test_counts_of_all_compilations_are_added(self):
        module = coverage.Module()
        for each in (line(1, 0), line(2, 0), line(1, 3)):
            module.add(each)
        self.assertEqual(module.figures(), (2, 1, 0, 0))

    def test_branches_are_added_one_by_one(self):
        module = coverage.Module()
        module.add(line(1, 1, 1, 0, 0))
        module.add(line(1, 1, 0, 1, 0))
        self.assertEqual(module.figures(), (1, 1, 3, 2))

    def test_branches_compiled_differently_are_not_mixed(self):
        module = coverage.Module()
        module.add(line(1, 1, 1, 1))
        module.add(line(1, 1, 0, 0, 1, 0))
        self.assertEqual(module.figures(), (1, 1, 4, 1))

    def test_table_and_lines_never_reached(self):
        self.write("virtio-mem-x.c", "one\n  two\n")
        module = coverage.Module()
        module.add(line(1, 1, 1, 0))
        module.add(line(2, 0))
        printed = io.StringIO()
        never = self.scratch / "never"
        with mock.patch.object(coverage, "MODULES", self.scratch), \
                mock.patch.object(coverage, "NEVER", never), \
                contextlib.redirect_stdout(printed):
            coverage.show({"virtio-mem-x.c": module})
        self.assertRegex(printed.getvalue(),
                         r"virtio-mem-x.c +2 +50.0% +2 +50.0%")
        self.assertEqual(never.read_text(), "virtio-mem-x.c:2: two\n")


class Compiler(ScratchCase):
    """The compiler of the coverage build, run for real."""

    @unittest.skipUnless(shutil.which("gcc"), "needs gcc")
    def test_only_the_device_is_counted(self):
        for name in ("hw/virtio/virtio-mem-x.c", "hw/virtio/virtio.c"):
            self.write(name, "int f(void);\nint f(void) { return 1; }\n")
            subprocess.run([COVERED.compiler, "-c", self.scratch / name,
                            "-o", self.scratch / f"{name}.o"], check=True)
        made = sorted(file.name for file in self.scratch.rglob("*.gcno"))
        self.assertEqual(len(made), 1, made)
        self.assertIn("virtio-mem-x", made[0])


class WithoutKvm(ScratchCase):
    """The wrapper that keeps QEMU's bios-tables-test from KVM."""

    def test_all_words_but_kvm_reach_qemu(self):
        show = self.write("show", "#!/bin/sh\nprintf '%s|' \"$@\"\n")
        show.chmod(0o755)
        told = subprocess.run(
            [PROJECT / "tests/upstream/qemu-system-x86_64", "-accel", "kvm",
             "-accel", "tcg", "-name", "a b", "-accel", "kvm"], check=True,
            env={**os.environ, "VM_QEMU": str(show)}, capture_output=True,
            text=True).stdout
        self.assertEqual(told, "-accel|tcg|-name|a b|")


if __name__ == "__main__":
    unittest.main()
