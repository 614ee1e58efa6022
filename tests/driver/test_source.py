# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified tree: what is accepted, and that it stays unmodified."""

import hashlib
import shutil

import pytest

from driver import build, paths, source

PINNED = {"package": "qemu", "versions": "10.0.*"}


@pytest.fixture
def copy(write, tmp_path):
    """A tiny tree that looks like QEMU's, and what QEMU_SRC=… does with it."""
    write("given/VERSION", "10.0.3\n")
    write("given/configure", "#!/bin/sh\n", 0o755)
    for name in ("hw/virtio/meson.build", ".git/HEAD", "bld/build.ninja"):
        write(f"given/{name}")
    return lambda: source.copy_given(tmp_path / "given", PINNED,
                                     tmp_path / "build" / "pristine")


def test_given_tree_is_copied_once_and_never_modified(copy, write, tmp_path):
    def state(tree) -> list:
        return sorted((file, file.stat().st_mtime_ns, file.stat().st_ctime_ns)
                      for file in (tmp_path / tree).rglob("*"))
    before, identity = state("given"), copy()
    tree = tmp_path / "build/pristine"
    assert {file.name for file in tree.iterdir()} == {"VERSION", "configure", "hw"}
    assert (tree / "configure").stat().st_mode & 0o100
    copied = state(tree)
    assert copy() == identity and state(tree) == copied
    assert state("given") == before
    write("given/hw/virtio/virtio.c", "int other;\n")
    assert copy() != identity
    assert (tree / "hw/virtio/virtio.c").read_text() == "int other;\n"


@pytest.mark.parametrize("spoil, phrases", [
    (lambda top: (top / "VERSION").write_text("9.2.1\n"), ("QEMU 9.2.1", "10.0.*")),
    (shutil.rmtree, ("not a QEMU source tree (there is no /", "/given)")),
    (lambda top: (top / "configure").unlink(), ("there is no /", "/configure)"))])
def test_other_trees_are_refused(copy, fails, tmp_path, spoil, phrases):
    spoil(tmp_path / "given")
    with fails(f"QEMU_SRC={tmp_path / 'given'}", *phrases):
        copy()
    assert not (tmp_path / "build/pristine").exists()


def test_source_package_is_compared_with_the_pin(write, fails, capsys):
    dsc = write("qemu_10.0.3-1.dsc", "Format: 3.0\n")
    digest = hashlib.sha256(dsc.read_bytes()).hexdigest()
    source.compare(dsc, {"tested": f"qemu_10.0.3-1 {digest}"})
    assert not capsys.readouterr().out
    source.compare(dsc, {"tested": f"qemu_10.0.2-1 {digest}"})
    assert "tested with: that was qemu_10.0.2-1" in capsys.readouterr().out
    with fails("SHA-256", "remove"):
        source.compare(dsc, {"tested": "qemu_10.0.3-1 wrong"})


def test_damaged_source_package(write, fails, tmp_path):
    dsc = write("cache/qemu_1.dsc", "no source package")
    with fails("unpacking qemu_1.dsc failed", "remove", dsc.parent):
        source.unpack(dsc, {**PINNED, "tested": "qemu_2 unknown"},
                      tmp_path / "tree", tmp_path / "log")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("text, phrases", [
    ("package = qemu\n", ("pin is not a list of lines", "line 1")),
    ('package = "qemu"\nsuite = 13\n', ("does not say suite and versions", "add"))])
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
