# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified QEMU: Debian's source package that qemu.pin names, or the
tree that the user names with QEMU_SRC."""

import hashlib
import os
import shutil
import tomllib
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from driver import paths, ui
from driver.archive import Archive

KEYS = ("package", "suite", "versions", "tested", "tools", "firmware", "proofs")
BUILD_DIR_MARKS = ("build.ninja", "config-host.mak", "meson-private")


def pin(file: Path = paths.PIN) -> dict[str, str]:
    """What qemu.pin says; every key must be there."""
    try:
        pinned = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ui.Fail(f"{ui.shown(file)} is not a list of lines key = \"text\": "
                      f"correct it ({error})") from None
    missing = [key for key in KEYS if not isinstance(pinned.get(key), str)]
    if missing:
        raise ui.Fail(f"{ui.shown(file)} does not say {' and '.join(missing)}: add "
                      "each as a line key = \"text\"")
    return pinned


def made(directory: Path) -> str:
    """What a directory was made from; nothing if it is not all there."""
    note = note_of(directory)
    return note.read_text() if directory.exists() and note.exists() else ""


@contextmanager
def making(directory: Path, identity: str):
    """Note what it is made from, as soon as the block has completed it."""
    note_of(directory).unlink(missing_ok=True)
    yield
    note_of(directory).write_text(identity)


@contextmanager
def replacing(tree: Path, identity: str):
    """A path beside `tree` to make it at; it takes its place when complete."""
    partial = tree.with_name(tree.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    yield partial
    with making(tree, identity):
        if tree.exists():
            shutil.rmtree(tree)
        partial.rename(tree)


def note_of(directory: Path) -> Path:
    """It lies beside the directory, so that both vanish together."""
    return directory.with_name(f".{directory.name}.made-from")


def prepare() -> str:
    """Have an unmodified tree in build/pristine; return what it is."""
    given, pinned = os.environ.get("QEMU_SRC"), pin()
    if given:
        return copy_given(Path(given), pinned, paths.PRISTINE)
    dsc = Archive(pinned["suite"]).source(pinned["package"], pinned["versions"])
    return unpack(dsc, pinned, paths.PRISTINE, paths.LOGS / "source.log")


def unpack(dsc: Path, pinned: dict, tree: Path, log: Path) -> str:
    """Unpack a source package with Debian's patches, unless it is there."""
    identity = f"source package {dsc.stem}"
    compare(dsc, pinned)
    if made(tree) != identity:
        ui.progress(f"unpacking {dsc.stem} …")
        with replacing(tree, identity) as partial:
            ui.run(["dpkg-source", "--no-copy", "-x", dsc, partial], log=log,
                   what=f"unpacking {dsc.name}",
                   hint=f"if a file is damaged, remove {dsc.parent} and try again")
            check_version(partial, pinned, f"the source package {dsc.stem}")
    return identity


def compare(dsc: Path, pinned: dict) -> None:
    """Say when it is not the source package that the project was tested with.

    The .dsc has the hashes of all other files.
    """
    name, digest = pinned["tested"].split()
    if dsc.stem != name:
        ui.progress(f"{dsc.stem} is not what this project was tested with: "
                    f"that was {name} (qemu.pin)")
    elif hashlib.sha256(dsc.read_bytes()).hexdigest() != digest:
        raise ui.Fail(f"{dsc} is not the {name} that qemu.pin has the SHA-256 "
                      f"of: remove {dsc.parent} and run the same command again")


def copy_given(given: Path, pinned: dict, tree: Path) -> str:
    """Copy the user's own tree (QEMU_SRC), which is only ever read."""
    given = given.resolve()
    for path in (given, given / "VERSION", given / "configure",
                 given / "hw/virtio/meson.build"):
        if not path.exists():
            raise ui.Fail(f"QEMU_SRC={given} is not a QEMU source tree (there is "
                          f"no {path}): give the directory of an unpacked one")
    check_version(given, pinned, f"QEMU_SRC={given}")
    if given.is_relative_to(paths.BUILD):
        raise ui.Fail(f"QEMU_SRC={given} is inside the build directory, which "
                      "is rewritten: give a tree outside of it")
    identity = f"copy of {given}, {fingerprint(given)}"
    if made(tree) != identity:
        ui.progress(f"copying {given} …")
        with replacing(tree, identity) as partial:
            shutil.copytree(given, partial, symlinks=True, ignore=ignored)
    return identity


def check_version(tree: Path, pinned: dict, name: str) -> None:
    """Refuse a QEMU that the project is not written for."""
    version = (tree / "VERSION").read_text().strip()
    if not fnmatch(version, pinned["versions"]):
        raise ui.Fail(f"{name} is QEMU {version}, but this project needs "
                      f"{pinned['versions']}: give a tree of that version")


def ignored(directory: str, names: list[str]) -> list[str]:
    """Names not to copy: git's data and the build directories of the user."""
    return [name for name in names if name == ".git" or
            any(Path(directory, name, mark).exists() for mark in BUILD_DIR_MARKS)]


def fingerprint(tree: Path) -> str:
    """Sizes and times of all files in one short word: did anything change?"""
    digest = hashlib.sha256()
    for directory, names, files in os.walk(tree):
        names[:] = sorted(set(names) - set(ignored(directory, names)))
        for path in (os.path.join(directory, name) for name in sorted(files)):
            status = os.lstat(path)
            digest.update(os.fsencode(
                f"{path} {status.st_size} {status.st_mtime_ns}\n"))
    return digest.hexdigest()[:16]
