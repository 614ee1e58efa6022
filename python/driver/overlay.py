# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay the project over a QEMU tree: remove, copy, append, patch.

The tree starts as hard links to the unmodified one. Only files whose content
differs are written (beside, then renamed, which parts the link), so that
ninja rebuilds exactly what changed.
"""

import re
import tempfile
from pathlib import Path

from driver import paths, source, ui

# QEMU's own device, removed first: a file of ours that is missing can then
# never silently build QEMU's.
REMOVED = (
    "hw/virtio/virtio-mem.c", "hw/virtio/virtio-mem-pci.c",
    "hw/virtio/virtio-mem-pci.h", "include/hw/virtio/virtio-mem.h",
    "hw/s390x/virtio-ccw-mem.c", "hw/s390x/virtio-ccw-mem.h")
LAID = ("hw", "include", "qapi", "tests/qtest", "docs/system", "hmp-commands.hx")
# Files in which QEMU lists things: ours is appended to QEMU's.
REGISTRIES = re.compile(r".*/meson\.build|.*/trace-events|.*\.hx|qapi/.*\.json")
STATE = ".overlaid"  # in the tree: which paths differ from pristine


def lay(project: Path | None, pristine: Path, tree: Path, identity: str) -> None:
    """Bring `tree` up to date; without a project it is the unmodified QEMU."""
    wanted = desired(project, pristine) if project else {}
    if source.made(tree) != identity:
        ui.progress(f"making {ui.shown(tree)} …")
        with source.replacing(tree, identity) as partial:
            ui.run(["cp", "-al", pristine, partial], log=paths.LOGS / "overlay.log",
                   what=f"linking the files of {ui.shown(pristine)}")
    state = tree / STATE
    before = state.read_text().splitlines() if state.exists() else []
    # What may differ is noted first: a break in between loses nothing.
    state.write_text("\n".join(sorted({*before, *wanted})))
    for path in before:
        wanted.setdefault(path, content_of(pristine / path))
    for path, content in wanted.items():
        put(tree / path, content)


def content_of(file: Path) -> tuple[bytes, int] | None:
    """A file's bytes and mode; None if there is none."""
    return (file.read_bytes(), file.stat().st_mode) if file.exists() else None


def desired(project: Path, pristine: Path) -> dict:
    """What must differ from pristine: path -> (content, mode), None = gone."""
    wanted = {**dict.fromkeys(REMOVED), **patched(project / "patches", pristine)}
    for path, file in ours(project).items():
        text, mode = content_of(file)
        original = content_of(pristine / path)
        if path in REMOVED or original is None:
            if wanted.get(path) is not None:
                raise ui.Fail(f"{path} is made by a file in patches/ and also "
                              "lies in the project: remove one of the two")
            wanted[path] = (text, mode)
        elif REGISTRIES.fullmatch(path):
            theirs, mode = wanted.get(path) or original
            wanted[path] = (theirs.rstrip(b"\n") + b"\n" + text, mode)
        else:
            raise ui.Fail(f"{path} would overwrite a file of QEMU: give ours another "
                          "name, or change QEMU's with a file in patches/")
    return wanted


def ours(project: Path) -> dict[str, Path]:
    """The project's files that mirror QEMU's tree, by their path there.

    What the device needs and only this series lacks is in compat/.
    """
    compat = project / "compat" / paths.SERIES
    return {file.relative_to(top).as_posix(): file
            for top, inside in ((project, LAID), (compat, ["."]))
            for path in inside
            for file in sorted((top / path, *(top / path).rglob("[!.]*")))
            if file.is_file() and file.suffix not in (".orig", ".rej", ".pyc")
            and file.name[-1] != "~"}


def patched(patches: Path, pristine: Path) -> dict:
    """QEMU's files as the patches leave them, those for all and those of a series.

    git apply takes a patch as a whole or not at all, and without fuzz.
    """
    series = sorted((patch for place in (patches, patches / paths.SERIES)
                     for patch in place.glob("*.patch")), key=lambda patch: patch.name)
    touched = {path for patch in series for path in re.findall(
        r"^(?:---|\+\+\+) [ab]/(\S+)", patch.read_text(), re.M)}
    with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
        work = Path(scratch)
        for path in touched:
            put(work / path, content_of(pristine / path))
        for patch in series:
            ui.run(["git", "apply", patch.resolve()], cwd=work,
                   log=paths.LOGS / "overlay.log",
                   env={"GIT_CEILING_DIRECTORIES": scratch},     # in no repository
                   what=f"applying {ui.shown(patch)} to this QEMU",
                   hint="adapt the patch to the version in qemu.pin")
        return {path: content_of(work / path) for path in touched}


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
