# SPDX-License-Identifier: GPL-2.0-or-later
"""The unmodified QEMU: unpacked from Debian's source package, or copied."""

import hashlib
import os
import shutil
from pathlib import Path

import paths
import pin
import stamp
import ui
from archive import Archive

BUILD_DIR_MARKS = ("build.ninja", "config-host.mak", "meson-private")


def prepare() -> str:
    """Have an unmodified tree in build/pristine; return what it is."""
    pinned = pin.read()
    given = os.environ.get("QEMU_SRC")
    if given:
        return copy_given(Path(given), pinned, paths.PRISTINE)
    archive = Archive(pinned["suite"])
    dsc = archive.source(pinned["package"], pinned["versions"])
    return unpack(dsc, pinned, paths.PRISTINE, paths.LOGS / "source.log")


def unpack(dsc: Path, pinned: dict, tree: Path, log: Path) -> str:
    """Unpack a source package with Debian's patches, unless it is there."""
    identity = f"source package {dsc.stem}"
    if stamp.matches(tree, identity):
        return identity
    ui.progress(f"unpacking {dsc.stem} …")
    partial = fresh(tree)
    ui.run(["dpkg-source", "--no-copy", "-x", dsc, partial], log=log,
           what=f"unpacking {dsc.name}",
           hint=f"if a file is damaged, remove {dsc.parent} and try again")
    check_version(partial, pinned, f"the source package {dsc.stem}")
    return finish(partial, tree, identity)


def copy_given(given: Path, pinned: dict, tree: Path) -> str:
    """Copy the user's own tree (QEMU_SRC), which is only ever read."""
    given = given.resolve()
    check_tree(given)
    check_version(given, pinned, f"QEMU_SRC={given}")
    if paths.BUILD == given or paths.BUILD in given.parents:
        raise ui.Fail(f"QEMU_SRC={given} is inside the build directory, which "
                      "is rewritten: give a tree outside of it")
    identity = f"copy of {given}, {fingerprint(given)}"
    if stamp.matches(tree, identity):
        return identity
    ui.progress(f"copying {given} …")
    partial = fresh(tree)
    shutil.copytree(given, partial, symlinks=True, ignore=ignored)
    return finish(partial, tree, identity)


def check_tree(tree: Path) -> None:
    """Refuse what is no QEMU source tree before anything is copied."""
    if not tree.is_dir():
        raise ui.Fail(f"QEMU_SRC={tree} is not a directory: give the path of "
                      "an unpacked QEMU source tree")
    for name in ("VERSION", "configure", "hw/virtio/meson.build"):
        if not (tree / name).is_file():
            raise ui.Fail(f"QEMU_SRC={tree} is not a QEMU source tree (it has "
                          f"no {name}): give the directory that has it")


def check_version(tree: Path, pinned: dict, name: str) -> None:
    """Refuse a QEMU that the project is not written for."""
    version = (tree / "VERSION").read_text().strip()
    if not pin.accepts(version, pinned):
        raise ui.Fail(f"{name} is QEMU {version}, but this project needs "
                      f"{pinned['versions']}: give a tree of that version")


def ignored(directory: str, names: list[str]) -> list[str]:
    """Names not to copy: git's data and the build directories of the user."""
    out = [name for name in names if name == ".git"]
    for name in names:
        inner = Path(directory, name)
        if inner.is_dir() and any((inner / mark).exists()
                                  for mark in BUILD_DIR_MARKS):
            out.append(name)
    return out


def fingerprint(tree: Path) -> str:
    """Sizes and times of all files in one short word: did anything change?"""
    digest = hashlib.sha256()
    for directory, names, files in os.walk(tree):
        skip = ignored(directory, names)
        names[:] = sorted(name for name in names if name not in skip)
        for name in sorted(files):
            if name == ".git":
                continue
            status = os.lstat(os.path.join(directory, name))
            digest.update(f"{directory}/{name} {status.st_size} "
                          f"{status.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def fresh(tree: Path) -> Path:
    """The path beside `tree` to make it at, with nothing there yet."""
    partial = tree.with_name(tree.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    return partial


def finish(partial: Path, tree: Path, identity: str) -> str:
    """Put a finished tree in its place; only then does it count as made."""
    if tree.exists():
        shutil.rmtree(tree)
    partial.rename(tree)
    stamp.write(tree, identity)
    return identity
