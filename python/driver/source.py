# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified QEMU: Debian's source package that qemu.pin names, or the
tree that the user names with QEMU_SRC."""

import hashlib
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

from driver import paths, ui
from driver.archive import Archive

KEYS = ("package", "suite", "versions", "tested", "tools", "firmware", "proofs")
BUILD_DIR_MARKS = ("build.ninja", "config-host.mak", "meson-private")


def pin(file: Path = paths.PIN) -> dict[str, str]:
    """The key = value lines of qemu.pin; every key must be there."""
    pinned = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or key not in KEYS or not value:
            raise ui.Fail(f"{ui.shown(file)}:{number} is not one of "
                          f"{', '.join(KEYS)} = value: correct that line")
        pinned[key] = value
    missing = [key for key in KEYS if key not in pinned]
    if missing:
        raise ui.Fail(f"{ui.shown(file)} does not say {' or '.join(missing)}: "
                      "add the line")
    return pinned


def made(directory: Path) -> str:
    """What a directory was made from; nothing if it is not all there.

    The note lies beside the directory, so that both vanish together.
    """
    note = _note(directory)
    return note.read_text() if directory.exists() and note.exists() else ""


def mark(directory: Path, identity: str) -> None:
    """Note that it is complete, or with "" that it is about to change."""
    if identity:
        _note(directory).write_text(identity)
    else:
        _note(directory).unlink(missing_ok=True)


def _note(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.made-from")


def prepare() -> str:
    """Have an unmodified tree in build/pristine; return what it is."""
    given = os.environ.get("QEMU_SRC")
    if given:
        return copy_given(Path(given), pin(), paths.PRISTINE)
    pinned = pin()
    dsc = Archive(pinned["suite"]).source(pinned["package"],
                                          pinned["versions"])
    return unpack(dsc, pinned, paths.PRISTINE, paths.LOGS / "source.log")


def unpack(dsc: Path, pinned: dict, tree: Path, log: Path) -> str:
    """Unpack a source package with Debian's patches, unless it is there."""
    identity = f"source package {dsc.stem}"
    compare(dsc, pinned)
    if made(tree) == identity:
        return identity
    ui.progress(f"unpacking {dsc.stem} …")
    partial = fresh(tree)
    ui.run(["dpkg-source", "--no-copy", "-x", dsc, partial], log=log,
           what=f"unpacking {dsc.name}",
           hint=f"if a file is damaged, remove {dsc.parent} and try again")
    check_version(partial, pinned, f"the source package {dsc.stem}")
    return finish(partial, tree, identity)


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
    if not given.is_dir():
        raise ui.Fail(f"QEMU_SRC={given} is not a directory: give the path of "
                      "an unpacked QEMU source tree")
    for name in ("VERSION", "configure", "hw/virtio/meson.build"):
        if not (given / name).is_file():
            raise ui.Fail(f"QEMU_SRC={given} is not a QEMU source tree (it has "
                          f"no {name}): give the directory that has it")
    check_version(given, pinned, f"QEMU_SRC={given}")
    if paths.BUILD == given or paths.BUILD in given.parents:
        raise ui.Fail(f"QEMU_SRC={given} is inside the build directory, which "
                      "is rewritten: give a tree outside of it")
    identity = f"copy of {given}, {fingerprint(given)}"
    if made(tree) == identity:
        return identity
    ui.progress(f"copying {given} …")
    partial = fresh(tree)
    shutil.copytree(given, partial, symlinks=True, ignore=ignored)
    return finish(partial, tree, identity)


def check_version(tree: Path, pinned: dict, name: str) -> None:
    """Refuse a QEMU that the project is not written for."""
    version = (tree / "VERSION").read_text().strip()
    if not fnmatch(version, pinned["versions"]):
        raise ui.Fail(f"{name} is QEMU {version}, but this project needs "
                      f"{pinned['versions']}: give a tree of that version")


def ignored(directory: str, names: list[str]) -> list[str]:
    """Names not to copy: git's data and the build directories of the user."""
    return [name for name in names if name == ".git" or
            any((Path(directory, name) / mark).exists()
                for mark in BUILD_DIR_MARKS)]


def fingerprint(tree: Path) -> str:
    """Sizes and times of all files in one short word: did anything change?"""
    digest = hashlib.sha256()
    for directory, names, files in os.walk(tree):
        skip = ignored(directory, names)
        names[:] = sorted(name for name in names if name not in skip)
        for name in sorted(files):
            status = os.lstat(os.path.join(directory, name))
            digest.update(f"{directory}/{name} {status.st_size} "
                          f"{status.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def fresh(tree: Path) -> Path:
    """The path beside `tree` to make it at, with nothing there yet."""
    partial = tree.with_name(tree.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    return partial


def finish(partial: Path, tree: Path, identity: str) -> str:
    """Put a finished tree in its place; only then does it count as made."""
    mark(tree, "")
    if tree.exists():
        shutil.rmtree(tree)
    partial.rename(tree)
    mark(tree, identity)
    return identity
