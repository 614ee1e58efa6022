# SPDX-License-Identifier: GPL-2.0-or-later
"""Laying the project over QEMU: what is there afterwards, and what is not."""

import os
import time
import unittest

from support import ScratchCase
import overlay

MESON = "hw/virtio/meson.build"
PATCH = """\
Why: the stub must know us.
--- a/stubs/s.c
+++ b/stubs/s.c
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
"""


class OverlayCase(ScratchCase):
    """A small QEMU and a small project."""

    def setUp(self):
        super().setUp()
        for path in overlay.REMOVED:
            self.write(f"qemu/{path}", "QEMU's own\n")
        self.write(f"qemu/{MESON}", "theirs")  # no newline at its end
        self.write("qemu/qapi/machine.json", "theirs\n")
        self.write("qemu/hw/virtio/virtio.c", "theirs\n")
        self.write("qemu/stubs/s.c", "one\ntwo\nthree\n")
        self.write("ours/hw/virtio/virtio-mem.c", "ours\n")
        self.write(f"ours/{MESON}", "ours\n")
        self.tree = self.scratch / "build" / "src"

    def lay(self, identity: str = "one"):
        """Lay the project as it is now."""
        return overlay.lay(self.scratch / "ours", self.scratch / "qemu",
                           self.tree, identity)

    def text(self, path: str) -> str:
        """A file of the result."""
        return (self.tree / path).read_text()

    def pristine(self) -> dict:
        """All of QEMU's files and what is in them."""
        top = self.scratch / "qemu"
        return {str(file.relative_to(top)): file.read_text()
                for file in top.rglob("*") if file.is_file()}


class Laying(OverlayCase):
    """The first time."""

    def test_qemus_own_files_are_gone(self):
        self.lay()
        for path in overlay.REMOVED:
            if path != "hw/virtio/virtio-mem.c":
                self.assertFalse((self.tree / path).exists(), path)

    def test_ours_is_in_place_of_a_removed_file(self):
        self.lay()
        self.assertEqual(self.text("hw/virtio/virtio-mem.c"), "ours\n")

    def test_registries_are_appended(self):
        self.write("ours/qapi/machine.json", "more\n")
        self.lay()
        self.assertEqual(self.text(MESON), "theirs\nours\n")
        self.assertEqual(self.text("qapi/machine.json"), "theirs\nmore\n")

    def test_everything_else_of_qemu_is_there(self):
        self.lay()
        self.assertEqual(self.text("hw/virtio/virtio.c"), "theirs\n")

    def test_only_mirrored_paths_are_laid(self):
        for path in ("meson.build", "README.md", "tests/unit/t.c",
                     "tests/guest/g.py", "docs/devel/a.md"):
            self.write(f"ours/{path}", "not for QEMU\n")
        for path in ("tests/qtest/virtio-mem-test.c",
                     "docs/system/devices/virtio-mem.rst",
                     "include/hw/virtio/virtio-mem.h"):
            self.write(f"ours/{path}", "for QEMU\n")
        self.lay()
        laid = [str(file.relative_to(self.tree))
                for file in self.tree.rglob("*") if file.is_file()
                and "for QEMU\n" in file.read_text()]
        self.assertEqual(sorted(laid), ["docs/system/devices/virtio-mem.rst",
                                        "include/hw/virtio/virtio-mem.h",
                                        "tests/qtest/virtio-mem-test.c"])

    def test_pristine_tree_stays_as_it_was(self):
        self.write("ours/patches/0001-s.patch", PATCH)
        before = self.pristine()
        self.lay()
        self.assertEqual(self.pristine(), before)

    def test_file_of_qemu_is_never_overwritten(self):
        self.write("ours/hw/virtio/virtio.c", "ours\n")
        with self.fails("hw/virtio/virtio.c would overwrite", "patches/"):
            self.lay()
        self.assertFalse(self.tree.exists())


class Patching(OverlayCase):
    """patches/*.patch."""

    def test_patch_is_applied(self):
        self.write("ours/patches/0001-s.patch", PATCH)
        self.lay()
        self.assertEqual(self.text("stubs/s.c"), "one\nzwei\nthree\n")

    def test_second_patch_builds_on_the_first(self):
        self.write("ours/patches/0001-s.patch", PATCH)
        self.write("ours/patches/0002-s.patch", PATCH.replace(
            "-two", "-zwei").replace("+zwei", "+deux"))
        self.lay()
        self.assertEqual(self.text("stubs/s.c"), "one\ndeux\nthree\n")

    def test_registry_is_patched_before_ours_is_appended(self):
        self.write("qemu/" + MESON, "one\ntwo\nthree\n")
        self.write("ours/patches/0001-m.patch",
                   PATCH.replace("stubs/s.c", MESON))
        self.lay()
        self.assertEqual(self.text(MESON), "one\nzwei\nthree\nours\n")

    def test_patch_that_does_not_apply_is_named(self):
        self.write("qemu/stubs/s.c", "one\n2\nthree\n")
        self.write("ours/patches/0007-stub.patch", PATCH)
        with self.fails("patches/0007-stub.patch does not apply", "adapt"):
            self.lay()

    def test_no_fuzz(self):
        self.write("qemu/stubs/s.c", "ONE\ntwo\nthree\n")
        self.write("ours/patches/0001-s.patch", PATCH)
        with self.fails("does not apply"):
            self.lay()

    def test_withdrawn_patch_is_undone(self):
        patch = self.write("ours/patches/0001-s.patch", PATCH)
        self.lay()
        patch.unlink()
        self.lay()
        self.assertEqual(self.text("stubs/s.c"), "one\ntwo\nthree\n")


class Again(OverlayCase):
    """The second time: ninja must rebuild what changed and nothing else."""

    def times(self) -> dict:
        """When each file of the tree was written."""
        return {str(file.relative_to(self.tree)): file.stat().st_mtime_ns
                for file in self.tree.rglob("*") if file.is_file()
                and file.name != overlay.STATE}

    def changed(self, action) -> list[str]:
        """The files written, made or removed by laying after `action`."""
        before = self.times()
        action()
        time.sleep(0.02)
        self.lay()
        after = self.times()
        return sorted(path for path in {*before, *after}
                      if before.get(path) != after.get(path))

    def test_nothing_changed(self):
        self.write("ours/patches/0001-s.patch", PATCH)
        self.lay()
        self.assertEqual(self.changed(lambda: None), [])

    def test_new_time_alone_changes_nothing(self):
        self.lay()
        file = self.scratch / "ours/hw/virtio/virtio-mem.c"
        self.assertEqual(self.changed(lambda: os.utime(file)), [])

    def test_edited_file(self):
        self.lay()
        path = "hw/virtio/virtio-mem.c"
        self.assertEqual(
            self.changed(lambda: self.write(f"ours/{path}", "new\n")), [path])
        self.assertEqual(self.text(path), "new\n")

    def test_edited_file_is_newer_than_what_was_built_from_it(self):
        self.lay()
        file = self.write("ours/hw/virtio/virtio-mem.c", "new\n")
        os.utime(file, (1, 1))
        before = time.time_ns() - 1_000_000_000
        self.lay()
        written = (self.tree / "hw/virtio/virtio-mem.c").stat().st_mtime_ns
        self.assertGreater(written, before)

    def test_deleted_file_disappears(self):
        extra = self.write("ours/hw/virtio/extra.c", "ours\n")
        self.lay()
        self.assertEqual(self.changed(extra.unlink), ["hw/virtio/extra.c"])

    def test_deleted_registry_gives_qemus_back_as_a_new_file(self):
        self.lay()
        file = self.scratch / "ours" / MESON
        self.assertEqual(self.changed(file.unlink), [MESON])
        self.assertEqual(self.text(MESON), "theirs")

    def test_deleted_device_does_not_bring_qemus_back(self):
        self.lay()
        (self.scratch / "ours/hw/virtio/virtio-mem.c").unlink()
        self.lay()
        self.assertFalse((self.tree / "hw/virtio/virtio-mem.c").exists())

    def test_break_in_the_middle_is_mended(self):
        self.lay()
        (self.tree / "hw/virtio/virtio-mem.c").unlink()
        (self.tree / "include/hw/virtio/virtio-mem.h").write_text("QEMU's\n")
        self.lay()
        self.assertEqual(self.text("hw/virtio/virtio-mem.c"), "ours\n")
        self.assertFalse(
            (self.tree / "include/hw/virtio/virtio-mem.h").exists())

    def test_other_qemu_gives_a_new_tree(self):
        self.assertTrue(self.lay("one"))
        (self.scratch / "qemu/hw/virtio/virtio.c").unlink()  # parts the link
        self.write("qemu/hw/virtio/virtio.c", "newer\n")
        self.assertFalse(self.lay("one"))
        self.assertEqual(self.text("hw/virtio/virtio.c"), "theirs\n")
        self.assertTrue(self.lay("two"))
        self.assertEqual(self.text("hw/virtio/virtio.c"), "newer\n")


if __name__ == "__main__":
    unittest.main()
