# SPDX-License-Identifier: GPL-2.0-or-later
"""Laying the project over QEMU: what is there afterwards, and what is not."""

import os
import time

import pytest

from driver import overlay

MESON, DEVICE = "hw/virtio/meson.build", "hw/virtio/virtio-mem.c"
PATCH = """\
Subject: the stub must know us

--- a/stubs/s.c
+++ b/stubs/s.c
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
"""


@pytest.fixture
def lay(write, tmp_path):
    """A small QEMU and a small project; what they come to, by path."""
    for path in overlay.REMOVED:
        write(f"qemu/{path}", "QEMU's own\n")
    for path, text in {f"qemu/{MESON}": "theirs", "qemu/stubs/s.c":
                       "one\ntwo\nthree\n", "qemu/hw/virtio/virtio.c": "theirs\n",
                       f"ours/{DEVICE}": "ours\n", f"ours/{MESON}": "ours\n"}.items():
        write(path, text)
    tree = tmp_path / "build/src"

    def laid(identity: str = "one") -> dict:
        overlay.lay(tmp_path / "ours", tmp_path / "qemu", tree, identity)
        return {str(file.relative_to(tree)): file.read_text()
                for file in tree.rglob("*")
                if file.is_file() and file.name != overlay.STATE}
    laid.tree = tree
    return laid


def test_removed_replaced_appended_and_left(lay, write, tmp_path):
    for path in ("meson.build", "README.md", "tests/unit/t.c", "docs/devel/a.md"):
        write(f"ours/{path}", "not for QEMU\n")
    write("ours/tests/qtest/virtio-mem-test.c", "for QEMU\n")
    write("ours/docs/system/devices/virtio-mem.svg", "for QEMU\n")
    write("ours/patches/0001-s.patch", PATCH)
    before = {file: file.read_text() for file in (tmp_path / "qemu").rglob("*.*")
              if file.is_file()}
    assert lay() == {
        DEVICE: "ours\n", MESON: "theirs\nours\n", "stubs/s.c": "one\nzwei\nthree\n",
        "hw/virtio/virtio.c": "theirs\n",
        "tests/qtest/virtio-mem-test.c": "for QEMU\n",
        "docs/system/devices/virtio-mem.svg": "for QEMU\n"}
    assert before == {file: file.read_text() for file in before}, "not pristine"


def test_file_of_qemu_is_never_overwritten(lay, write, fails):
    write("ours/hw/virtio/virtio.c", "ours\n")
    with fails("hw/virtio/virtio.c would overwrite", "patches/"):
        lay()
    assert not lay.tree.exists()


def test_patches_are_a_series_and_come_before_what_is_appended(lay, write):
    write("ours/patches/0001-s.patch", PATCH)
    write("ours/patches/0002-s.patch",
          PATCH.replace("-two", "-zwei").replace("+zwei", "+deux"))
    write("qemu/" + MESON, "one\ntwo\nthree\n")
    third = write("ours/patches/0003-m.patch", PATCH.replace("stubs/s.c", MESON))
    laid = lay()
    assert laid["stubs/s.c"] == "one\ndeux\nthree\n"
    assert laid[MESON] == "one\nzwei\nthree\nours\n"
    third.unlink()      # a withdrawn patch is undone
    assert lay()[MESON] == "one\ntwo\nthree\nours\n"


@pytest.mark.parametrize("text", ["one\n2\nthree\n", "ONE\ntwo\nthree\n"])
def test_patch_that_does_not_fit_exactly_is_named(lay, write, fails, text):
    write("qemu/stubs/s.c", text)
    write("ours/patches/0007-stub.patch", PATCH)
    with fails("patches/0007-stub.patch does not apply", "adapt"):
        lay()


@pytest.mark.parametrize("action, changed", [
    (lambda top: None, set()),
    (lambda top: os.utime(top / DEVICE), set()),
    (lambda top: (top / DEVICE).write_text("new\n"), {DEVICE}),
    (lambda top: (top / "hw/virtio/extra.c").unlink(), {"hw/virtio/extra.c"}),
    (lambda top: (top / MESON).unlink(), {MESON}),
    (lambda top: (top / DEVICE).unlink(), {DEVICE})])
def test_the_second_time_only_what_changed_is_touched(lay, write, tmp_path,
                                                      action, changed):
    def times(paths) -> dict:
        return {path: (lay.tree / path).stat().st_mtime_ns for path in paths}
    write("ours/hw/virtio/extra.c", "ours\n")
    before = times(lay())
    time.sleep(0.02)
    action(tmp_path / "ours")
    after = times(lay())
    assert {path for path in {*before, *after}
            if before.get(path) != after.get(path)} == changed
    for path in changed & after.keys():
        assert after[path] > max(before.values()), "ninja would not see it"


def test_break_in_the_middle_is_mended(lay):
    before = lay()
    (lay.tree / DEVICE).unlink()
    (lay.tree / "include/hw/virtio/virtio-mem.h").write_text("QEMU's\n")
    assert lay() == before


def test_other_qemu_gives_a_new_tree(lay, write, tmp_path):
    lay("one")
    (tmp_path / "qemu/hw/virtio/virtio.c").unlink()     # parts the link
    write("qemu/hw/virtio/virtio.c", "newer\n")
    assert lay("one")["hw/virtio/virtio.c"] == "theirs\n"
    assert lay("two")["hw/virtio/virtio.c"] == "newer\n"
