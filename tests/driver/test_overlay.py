# SPDX-License-Identifier: GPL-2.0-or-later
"""Laying the project over QEMU: what is there afterwards, and what is not."""

import os
import time

import pytest

from driver import overlay, source

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
    for path in (*overlay.REMOVED, MESON, "stubs/s.c"):
        write(f"qemu/{path}", "one\ntwo\nthree\n")
    write("qemu/hw/virtio/virtio.c", "theirs\n")
    write(f"ours/{DEVICE}", "ours\n")
    write(f"ours/{MESON}", "ours\n")
    tree = tmp_path / "build/src"

    def laid(identity: str = "one") -> dict:
        overlay.lay(tmp_path / "ours", tmp_path / "qemu", tree, identity)
        return {str(file.relative_to(tree)): file.read_text()
                for file in tree.rglob("*")
                if file.is_file() and file.name not in (source.NOTE, overlay.STATE)}
    laid.tree = tree
    return laid


def test_removed_replaced_appended_patched_and_left(lay, write, tmp_path):
    for path in ("meson.build", "README.md", "tests/unit/t.c", "hw/a.c~"):
        write(f"ours/{path}", "not for QEMU\n")
    for path in ("tests/qtest/virtio-mem-test.c", "hmp-commands.hx"):
        write(f"ours/{path}", "for QEMU\n")
    write("ours/patches/0001-s.patch", PATCH)
    write("ours/patches/0002-s.patch",      # of what the first one leaves
          PATCH.replace("-two", "-zwei").replace("+zwei", "+deux"))
    third = write("ours/patches/10.0/0003-m.patch", PATCH.replace("stubs/s.c", MESON))
    write("ours/patches/9.2/0004-m.patch", "for another series")
    write("ours/compat/10.0/include/hw/core/new.h", "where it was\n")
    write("ours/compat/10.0/hw/core/meson.build", "for it\n")
    write("ours/compat/9.2/include/other.h", "for another series\n")
    before = {file: file.read_text() for file in (tmp_path / "qemu").rglob("*.*")
              if file.is_file()}
    assert lay() == {
        DEVICE: "ours\n", MESON: "one\nzwei\nthree\nours\n",
        "stubs/s.c": "one\ndeux\nthree\n", "hw/virtio/virtio.c": "theirs\n",
        "include/hw/core/new.h": "where it was\n", "hw/core/meson.build": "for it\n",
        "hmp-commands.hx": "for QEMU\n", "tests/qtest/virtio-mem-test.c": "for QEMU\n"}
    assert before == {file: file.read_text() for file in before}, "not pristine"
    third.unlink()      # a withdrawn patch is undone
    assert lay()[MESON] == "one\ntwo\nthree\nours\n"


@pytest.mark.parametrize("path, text, phrases", [
    ("ours/hw/virtio/virtio.c", "ours\n", ("virtio.c would overwrite", "patches/")),
    ("ours/patches/0002-d.patch", PATCH.replace("stubs/s.c", DEVICE),
     (f"{DEVICE} is made by a file in patches/", "remove one of the two")),
    ("qemu/stubs/s.c", "one\n2\nthree\n", ("0001-s.patch to this", "adapt")),
    ("qemu/stubs/s.c", "ONE\ntwo\nthree\n", ("0001-s.patch to this", "adapt"))])
def test_what_does_not_fit_is_named(lay, write, fails, path, text, phrases):
    write("ours/patches/0001-s.patch", PATCH)
    write(path, text)
    with fails(*phrases):
        lay()
    assert not lay.tree.exists()


@pytest.mark.parametrize("action, changed", [
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


def test_break_in_the_middle_is_mended_and_another_qemu_taken(lay, write, tmp_path):
    before = lay()
    (lay.tree / DEVICE).unlink()
    (lay.tree / "include/hw/virtio/virtio-mem.h").write_text("QEMU's\n")
    (tmp_path / "qemu/hw/virtio/virtio.c").unlink()     # parts the link
    write("qemu/hw/virtio/virtio.c", "newer\n")
    assert lay() == before
    assert lay("two")["hw/virtio/virtio.c"] == "newer\n"
