# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay the project over a QEMU tree: remove, copy, append, patch.

The tree starts as hard links to the unmodified one. Only files whose content
differs are written (beside, then renamed, which parts the link), so that
ninja rebuilds exactly what changed.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from driver import source, ui

# QEMU's own device, removed first: a file of ours that is missing can then
# never silently build QEMU's.
REMOVED = (
    "hw/virtio/virtio-mem.c",
    "hw/virtio/virtio-mem-pci.c",
    "hw/virtio/virtio-mem-pci.h",
    "include/hw/virtio/virtio-mem.h",
    "hw/s390x/virtio-ccw-mem.c",
    "hw/s390x/virtio-ccw-mem.h",
)
LAID = ("hw", "include", "qapi", "tests/qtest", "docs/system",
        "hmp-commands.hx")
STATE = ".overlay.json"  # in the tree: which paths differ from pristine


def lay(project: Path, pristine: Path, tree: Path, identity: str) -> None:
    """Bring `tree` up to date."""
    wanted = desired(project, pristine)
    if source.made(tree) != identity:
        link_tree(pristine, tree, identity)
    state = tree / STATE
    before = json.loads(state.read_text()) if state.exists() else []
    # What may differ is noted first: a break in between loses nothing.
    state.write_text(json.dumps(sorted({*before, *wanted})))
    for path in before:
        wanted.setdefault(path, content_of(pristine / path))
    for path, content in wanted.items():
        put(tree / path, content)


def link_tree(pristine: Path, tree: Path, identity: str) -> None:
    """Make `tree` a copy of `pristine` that shares its files."""
    ui.progress("laying the project over QEMU …")
    partial = source.fresh(tree)
    shutil.copytree(pristine, partial, symlinks=True, copy_function=os.link)
    source.finish(partial, tree, identity)


def content_of(file: Path) -> tuple[bytes, int] | None:
    """A file's bytes and mode; None if there is none."""
    return (file.read_bytes(), file.stat().st_mode) if file.exists() else None


def desired(project: Path, pristine: Path) -> dict:
    """What must differ from pristine: path -> (content, mode), None = gone."""
    wanted = {**dict.fromkeys(REMOVED), **patched(project / "patches", pristine)}
    for file in ours(project):
        path = file.relative_to(project).as_posix()
        text, mode = content_of(file)
        original = content_of(pristine / path)
        if path in REMOVED or original is None:
            if wanted.get(path) is not None:
                raise ui.Fail(f"{path} is made by a file in patches/ and also "
                              "lies in the project: remove one of the two")
            wanted[path] = (text, mode)
        elif is_registry(path):
            theirs, mode = wanted.get(path) or original
            wanted[path] = (theirs.rstrip(b"\n") + b"\n" + text, mode)
        else:
            raise ui.Fail(f"{path} would overwrite a file of QEMU: give ours "
                          "another name, or change QEMU's with a file in "
                          "patches/")
    return wanted


def ours(project: Path) -> list[Path]:
    """The project's files that mirror QEMU's tree."""
    found = []
    for top in (project / name for name in LAID):
        files = [top] if top.is_file() else top.rglob("*")
        found += [file for file in files if file.is_file()
                  and not file.name.startswith(".")
                  and not file.name.endswith(("~", ".orig", ".rej", ".pyc"))]
    return sorted(found)


def is_registry(path: str) -> bool:
    """Files in which QEMU lists things: ours is appended to QEMU's."""
    name = path.rpartition("/")[2]
    return (name in ("meson.build", "trace-events") or name.endswith(".hx")
            or path == "include/monitor/hmp.h"
            or (path.startswith("qapi/") and name.endswith(".json")))


def patched(patches: Path, pristine: Path) -> dict:
    """QEMU's files as the series in patches/ leaves them.

    git apply takes a patch as a whole or not at all, and without fuzz.
    """
    with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
        work, touched = Path(scratch), set()
        for patch in sorted(patches.glob("*.patch")):
            listed = git_apply(patch, work, "--numstat")
            for path in (line.split("\t")[2] for line in listed.splitlines()):
                if path not in touched and (pristine / path).exists():
                    (work / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(pristine / path, work / path)
                touched.add(path)
            git_apply(patch, work)
        return {path: content_of(work / path) for path in touched}


def git_apply(patch: Path, work: Path, *options: str) -> str:
    """Run it outside of any repository; a failure names patch and place."""
    done = subprocess.run(
        ["git", "apply", *options, patch.resolve()], cwd=work,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(work.parent)},
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise ui.Fail(f"patches/{patch.name} does not apply to this QEMU: "
                      "adapt the patch to the version in qemu.pin",
                      done.stderr.strip())
    return done.stdout


def put(file: Path, content: tuple[bytes, int] | None) -> None:
    """Make the file so, touching it only if it is not so already."""
    if content is None:
        file.unlink(missing_ok=True)
        return
    text, mode = content
    if file.exists() and file.read_bytes() == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_bytes(text)
    partial.chmod(mode & 0o777)
    partial.replace(file)
