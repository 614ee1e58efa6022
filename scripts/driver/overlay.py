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

import stamp
import ui

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


def lay(project: Path, pristine: Path, tree: Path, identity: str) -> bool:
    """Bring `tree` up to date; tell whether it was made anew."""
    wanted = desired(project, pristine)
    anew = not stamp.matches(tree, identity)
    if anew:
        link_tree(pristine, tree, identity)
    state = tree / STATE
    before = json.loads(state.read_text()) if state.exists() else []
    # What may differ is noted first: a break in between loses nothing.
    state.write_text(json.dumps(sorted({*before, *wanted})))
    for path in before:
        if path not in wanted:
            original = pristine / path
            wanted[path] = (original.read_bytes(), original.stat().st_mode) \
                if original.exists() else None
    for path, content in wanted.items():
        put(tree / path, content)
    return anew


def link_tree(pristine: Path, tree: Path, identity: str) -> None:
    """Make `tree` a copy of `pristine` that shares its files."""
    ui.progress("laying the project over QEMU …")
    stamp.clear(tree)
    if tree.exists():
        shutil.rmtree(tree)
    tree.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(pristine, tree, symlinks=True, copy_function=os.link)
    stamp.write(tree, identity)


def desired(project: Path, pristine: Path) -> dict:
    """What must differ from pristine: path -> (content, mode), None = gone."""
    wanted = {path: None for path in REMOVED}
    for path, content in patched(project / "patches", pristine).items():
        wanted[path] = content
    for source in ours(project):
        path = source.relative_to(project).as_posix()
        text, mode = source.read_bytes(), source.stat().st_mode
        original = pristine / path
        if path in REMOVED or not original.exists():
            if wanted.get(path) is not None:
                raise ui.Fail(f"{path} is made by a file in patches/ and also "
                              "lies in the project: remove one of the two")
            wanted[path] = (text, mode)
        elif is_registry(path):
            base = wanted.get(path) or (original.read_bytes(), mode)
            wanted[path] = (joined(base[0], text), original.stat().st_mode)
        else:
            raise ui.Fail(f"{path} would overwrite a file of QEMU: give ours "
                          "another name, or change QEMU's with a file in "
                          "patches/")
    return wanted


def ours(project: Path) -> list[Path]:
    """The project's files that mirror QEMU's tree."""
    found = []
    for name in LAID:
        top = project / name
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


def joined(original: bytes, addition: bytes) -> bytes:
    """QEMU's text, then ours, on a line of its own."""
    if not original.endswith(b"\n"):
        original += b"\n"
    return original + addition


def patched(patches: Path, pristine: Path) -> dict:
    """QEMU's files as the patches leave them; every patch must fit exactly."""
    series = sorted(patches.glob("*.patch"))
    if not series:
        return {}
    with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
        work = Path(scratch)
        touched = {}
        for patch in series:
            for path in paths_in(patch):
                touched[path] = None
                original, copy = pristine / path, work / path
                if original.exists() and not copy.exists():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(original, copy)
            apply(patch, work)
        for path in touched:
            result = work / path
            if result.exists():
                touched[path] = (result.read_bytes(), result.stat().st_mode)
        return touched


def paths_in(patch: Path) -> list[str]:
    """The files a patch names, without the first component (-p1)."""
    names = []
    for line in patch.read_text().splitlines():
        if line.startswith(("--- ", "+++ ")):
            name = line[4:].split("\t")[0].strip()
            if name != "/dev/null":
                names.append(name.partition("/")[2])
    return list(dict.fromkeys(names))


def apply(patch: Path, work: Path) -> None:
    """Apply one patch with no fuzz; a failure names it and the place."""
    done = subprocess.run(
        ["patch", "-p1", "-F0", "-s", "-f", "-r", "-",
         "--no-backup-if-mismatch", "-i", patch.resolve()],
        cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise ui.Fail(f"patches/{patch.name} does not apply to this QEMU: "
                      "adapt the patch to the version in qemu.pin",
                      "\n".join("    " + line for line in lines))


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
