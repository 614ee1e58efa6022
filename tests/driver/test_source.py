# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified tree: what is accepted, and that it stays unmodified."""

import os
import shutil
import subprocess
import unittest
from unittest import mock

from support import ScratchCase
import paths
import pin
import qemu
import source

PINNED = {"package": "qemu", "versions": "10.0.*"}


class TreeCase(ScratchCase):
    """A tiny tree that looks like QEMU's."""

    def setUp(self):
        super().setUp()
        self.given = self.scratch / "given"
        self.tree = self.scratch / "build" / "pristine"
        self.write("given/VERSION", "10.0.3\n")
        self.write("given/configure", "#!/bin/sh\n").chmod(0o755)
        self.write("given/hw/virtio/meson.build", "")
        self.write("given/hw/virtio/virtio.c", "int x;\n")

    def copy(self):
        """What `make QEMU_SRC=…` does."""
        return source.copy_given(self.given, PINNED, self.tree)


class Given(TreeCase):
    """QEMU_SRC."""

    def test_is_copied(self):
        self.copy()
        self.assertEqual((self.tree / "hw/virtio/virtio.c").read_text(),
                         "int x;\n")
        self.assertTrue(os.access(self.tree / "configure", os.X_OK))

    def test_is_never_modified(self):
        def state():
            return sorted((str(file), os.lstat(file).st_mtime_ns,
                           os.lstat(file).st_ino, os.lstat(file).st_nlink)
                          for file in self.given.rglob("*"))
        before = state()
        self.copy()
        (self.tree / "hw/virtio/virtio.c").write_text("changed\n")
        self.assertEqual(state(), before)
        self.assertEqual((self.given / "hw/virtio/virtio.c").read_text(),
                         "int x;\n")

    def test_git_data_and_build_directories_are_left_out(self):
        self.write("given/.git/HEAD", "")
        self.write("given/bld/build.ninja", "")
        self.copy()
        self.assertFalse((self.tree / ".git").exists())
        self.assertFalse((self.tree / "bld").exists())

    def test_unchanged_tree_is_not_copied_again(self):
        first = self.copy()
        with mock.patch.object(source.shutil, "copytree") as again:
            self.assertEqual(self.copy(), first)
        again.assert_not_called()

    def test_changed_tree_is_copied_again(self):
        first = self.copy()
        self.write("given/hw/virtio/virtio.c", "int other;\n")
        self.assertNotEqual(self.copy(), first)
        self.assertEqual((self.tree / "hw/virtio/virtio.c").read_text(),
                         "int other;\n")

    def test_wrong_version(self):
        self.write("given/VERSION", "9.2.1\n")
        with self.fails(f"QEMU_SRC={self.given}", "QEMU 9.2.1", "10.0.*"):
            self.copy()
        self.assertFalse(self.tree.exists())

    def test_no_such_directory(self):
        shutil.rmtree(self.given)
        with self.fails(f"QEMU_SRC={self.given} is not a directory"):
            self.copy()

    def test_some_other_source_tree(self):
        (self.given / "configure").unlink()
        with self.fails("not a QEMU source tree", "no configure"):
            self.copy()

    def test_tree_inside_the_build_directory(self):
        with mock.patch.object(paths, "BUILD", self.scratch), \
                self.fails("inside the build directory"):
            self.copy()

    def test_full_disk(self):
        self.write("given/roms/big", "x" * 500_000)
        small = self.mount("size=128k")
        with self.fails("is full", "free some space"):
            source.copy_given(self.given, PINNED, small / "pristine")
        self.assertFalse((small / "pristine").exists())

    def test_unwritable_directory(self):
        place = self.mount("ro")
        with self.fails("cannot write", str(place), "make it writable"):
            source.copy_given(self.given, PINNED, place / "b" / "pristine")


@unittest.skipIf(shutil.which("dpkg-source") is None, "needs dpkg-source")
class Unpacked(TreeCase):
    """The source package."""

    def package(self):
        """Make a source package of the tree."""
        self.write("given/debian/source/format", "3.0 (native)\n")
        self.write("given/debian/control",
                   "Source: qemu\nMaintainer: T <t@example.invalid>\n"
                   "\nPackage: qemu\nArchitecture: any\nDescription: q\n")
        self.write("given/debian/changelog",
                   "qemu (10.0.3) trixie; urgency=low\n\n  * x\n\n"
                   " -- T <t@example.invalid>  Sat, 01 Jan 2022 00:00:00 "
                   "+0000\n")
        subprocess.run(["dpkg-source", "-b", "given"], cwd=self.scratch,
                       check=True, capture_output=True)
        return self.scratch / "qemu_10.0.3.dsc"

    def test_is_unpacked_once(self):
        dsc = self.package()
        source.unpack(dsc, PINNED, self.tree, self.log)
        self.assertTrue((self.tree / "hw/virtio/virtio.c").exists())
        with mock.patch.object(source.ui, "run") as again:
            source.unpack(dsc, PINNED, self.tree, self.log)
        again.assert_not_called()

    def test_nothing_else_is_put_into_the_build_directory(self):
        source.unpack(self.package(), PINNED, self.tree, self.log)
        self.assertEqual(
            sorted(file.name for file in self.tree.parent.iterdir()),
            [".pristine.made-from", "pristine"])

    def test_damaged_file_is_refused(self):
        dsc = self.package()
        with open(self.scratch / "qemu_10.0.3.tar.xz", "ab") as tar:
            tar.write(b"more")
        with self.fails(f"unpacking {dsc.name} failed", "damaged",
                        str(dsc.parent)):
            source.unpack(dsc, PINNED, self.tree, self.log)
        self.assertFalse(self.tree.exists())


class Pin(ScratchCase):
    """qemu.pin."""

    def test_of_this_project_is_complete(self):
        self.assertTrue(pin.accepts("10.0.13", pin.read()))
        self.assertFalse(pin.accepts("10.1.0", pin.read()))

    def test_wrong_line_is_named(self):
        file = self.write("qemu.pin", "# ok\npackage qemu\n")
        with self.fails("qemu.pin:2", "correct that line"):
            pin.read(file)

    def test_missing_line_is_named(self):
        file = self.write("qemu.pin", "package = qemu\nversions = 1\n"
                          "tools = a\nfirmware = b\n")
        with self.fails("does not say suite"):
            pin.read(file)


class Place(unittest.TestCase):
    """Where the project may lie."""

    def test_blank_in_the_path(self):
        with ScratchCase.fails(self, "'/home/a b'", "without spaces"):
            qemu.check_place("/home/a b")


if __name__ == "__main__":
    unittest.main()
