# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified tree: what is accepted, and that it stays unmodified."""

import hashlib
import shutil

import pytest

from driver import paths, source, ui

PINNED = {"package": "qemu", "versions": "10.0.*"}


@pytest.fixture
def copy(write, tmp_path):
    """A tiny tree that looks like QEMU's, and what QEMU_SRC=… does with it."""
    write("given/VERSION", "10.0.3\n")
    write("given/configure", "#!/bin/sh\n", 0o755)
    write("given/hw/virtio/meson.build")
    write("given/.git/HEAD")
    write("given/bld/build.ninja")
    return lambda: source.copy_given(tmp_path / "given", PINNED,
                                     tmp_path / "build" / "pristine")


def test_given_tree_is_copied_once_and_never_modified(copy, write, tmp_path,
                                                      monkeypatch):
    def state() -> list:
        return sorted((file, file.stat().st_mtime_ns, file.stat().st_nlink)
                      for file in (tmp_path / "given").rglob("*"))
    before, identity = state(), copy()
    tree = tmp_path / "build/pristine"
    assert sorted(file.name for file in tree.iterdir()) == [
        "VERSION", "configure", "hw"]
    assert (tree / "configure").stat().st_mode & 0o100
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", None)
        assert copy() == identity
    assert state() == before
    write("given/hw/virtio/virtio.c", "int other;\n")
    assert copy() != identity
    assert (tree / "hw/virtio/virtio.c").read_text() == "int other;\n"


@pytest.mark.parametrize("spoil, phrases", [
    (lambda top: (top / "VERSION").write_text("9.2.1\n"), ("QEMU 9.2.1", "10.0.*")),
    (shutil.rmtree, ("is not a directory",)),
    (lambda top: (top / "configure").unlink(), ("not a QEMU source tree",
                                                "no configure"))])
def test_other_trees_are_refused(copy, fails, tmp_path, spoil, phrases):
    spoil(tmp_path / "given")
    with fails(f"QEMU_SRC={tmp_path / 'given'}", *phrases):
        copy()
    assert not (tmp_path / "build/pristine").exists()


@pytest.mark.parametrize("name, digest, says", [
    ("qemu_10.0.3-1", "right", ""), ("qemu_10.0.2-1", "right", "tested with"),
    ("qemu_10.0.3-1", "wrong", None)])
def test_source_package_is_compared_with_the_pin(write, fails, capsys, name,
                                                 digest, says):
    dsc = write("qemu_10.0.3-1.dsc", "Format: 3.0\n")
    if digest == "right":
        digest = hashlib.sha256(dsc.read_bytes()).hexdigest()
    pinned = {"tested": f"{name} {digest}"}
    if says is None:
        with fails("SHA-256", "remove"):
            source.compare(dsc, pinned)
    else:
        source.compare(dsc, pinned)
        assert says in capsys.readouterr().out or not says


def test_damaged_source_package(write, fails, tmp_path):
    dsc = write("cache/qemu_1.dsc", "no source package")
    digest = hashlib.sha256(dsc.read_bytes()).hexdigest()
    with fails("unpacking qemu_1.dsc failed", "remove", dsc.parent):
        source.unpack(dsc, {**PINNED, "tested": f"qemu_1 {digest}"},
                      tmp_path / "tree", tmp_path / "log")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("text, phrases", [
    ("package = qemu\nspeed = 9\n", ("pin:2", "suite")),
    ("package = qemu\n", ("does not say", "suite"))])
def test_wrong_pin(write, fails, text, phrases):
    with fails(*phrases):
        source.pin(write("pin", text))


def test_the_projects_own_pin():
    assert set(source.pin()) == set(source.KEYS)


@pytest.mark.parametrize("error, phrase", [
    (PermissionError(13, "Permission denied", "/x"), "cannot write /x"),
    (OSError(28, "No space left on device", "/x"), "that holds /x is full"),
    (ui.Fail("a failed: do b"), "a failed: do b")])
def test_a_failure_is_one_line_and_status_1(capsys, error, phrase):
    def raising():
        raise error
    assert ui.main(raising) == 1
    said = capsys.readouterr().err
    assert phrase in said and said.startswith("error: ") and said.count("\n") == 1


def test_built_below_a_path_with_spaces(monkeypatch, fails, tmp_path):
    from driver import build
    monkeypatch.setattr(paths, "ROOT", tmp_path / "a b")
    with fails("cannot be built below", "without spaces"):
        build.prepare()
