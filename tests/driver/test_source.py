# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified tree: what is accepted, and that it stays unmodified."""

import hashlib
import os
import shutil

import pytest

from driver import build, paths, source

@pytest.fixture
def given(write, tmp_path, monkeypatch):
    """A tiny tree that looks like QEMU's, named with QEMU_SRC."""
    write("given/VERSION", "10.0.3\n")
    write("given/configure", "#!/bin/sh\n", 0o755)
    for name in ("hw/virtio/meson.build", ".git/HEAD", "bld/build.ninja", "bld/x.o"):
        write(f"given/{name}")
    (tmp_path / "given/README").symlink_to("nowhere")
    monkeypatch.setenv("QEMU_SRC", str(tmp_path / "given"))
    monkeypatch.setattr(paths, "PRISTINE", tmp_path / "build/pristine")
    return tmp_path / "given"


def test_given_tree_is_copied_once_and_never_modified(given, write):
    def state(tree) -> list:
        return sorted((file, file.lstat().st_mtime_ns, file.lstat().st_ctime_ns)
                      for file in tree.rglob("*"))
    os.utime(given / "README", ns=(0, 100), follow_symlinks=False)
    os.utime(given, ns=(0, 0))
    before, identity, tree = state(given), source.prepare(), paths.PRISTINE
    assert {file.name for file in tree.iterdir()} == {
        "VERSION", "configure", "hw", "README", source.NOTE}
    assert (tree / "configure").stat().st_mode & 0o100
    assert state(given) == before
    copied = state(tree)
    write("given/other/build.ninja")
    os.utime(given, ns=(0, 1))      # a directory's time, to the width of which tar aligns
    assert source.prepare() == identity and state(tree) == copied
    (given / "VERSION").write_text("10.0.4\n")     # of the same size
    assert source.prepare() != identity
    assert (tree / "VERSION").read_text() == "10.0.4\n"


@pytest.mark.parametrize("spoil, phrases", [
    (lambda top: (top / "VERSION").write_text("9.2.1\n"), ("QEMU 9.2.1", "10.0.*")),
    (shutil.rmtree, ("not a QEMU source tree (there is no /", "/given)")),
    (lambda top: (top / "configure").unlink(), ("there is no /", "/configure)"))])
def test_other_trees_are_refused(given, fails, spoil, phrases):
    spoil(given)
    with fails(f"QEMU_SRC={given}", *phrases):
        source.prepare()
    assert not paths.PRISTINE.exists()


def test_source_package_is_compared_with_the_pin(write, fails, capsys):
    dsc = write("qemu_10.0.3-1.dsc", "Format: 3.0\n")
    digest = hashlib.sha256(dsc.read_bytes()).hexdigest()
    source.compare(dsc, f"qemu_10.0.3-1 {digest}")
    assert not capsys.readouterr().out
    source.compare(dsc, f"qemu_10.0.2-1 {digest}")
    assert "tested with: that was qemu_10.0.2-1" in capsys.readouterr().out
    with fails("SHA-256", "remove"):
        source.compare(dsc, "qemu_10.0.3-1 wrong")


def test_damaged_source_package(given, write, fails, monkeypatch):
    monkeypatch.delenv("QEMU_SRC")
    dsc = write("cache/qemu_1.dsc", "no source package")
    monkeypatch.setattr(source.Archive, "source", lambda *_: dsc)
    with fails("unpacking source package qemu_1 failed", "remove", dsc.parent):
        source.prepare()
    assert not paths.PRISTINE.exists()


@pytest.mark.parametrize("text, phrases", [
    ("package = qemu\n", ("pin is not a list of lines", "line 1")),
    ('suite = 13\ncbmc = ""\n["10.0"]\n', ("does not say suite and tools", "add")),
    ('["9.2"]\n["11.1"]\n', ("QEMU=10.0 is not among", "one of 9.2, 11.1"))])
def test_wrong_pin(write, fails, text, phrases):
    with fails(*phrases):
        source.pin(write("pin", text))


def test_errors_of_the_system_are_sentences(fails):
    with fails("cannot write /x", "make it writable"):
        raise PermissionError(13, "Permission denied", "/x")
    with fails("the disk that holds /x is full", "free some space"):
        raise OSError(28, "No space left on device", "/x")


def test_built_below_a_path_with_spaces(monkeypatch, fails, tmp_path):
    monkeypatch.setattr(paths, "ROOT", tmp_path / "a b")
    with fails("cannot be built below", "without spaces"):
        build.prepare()
