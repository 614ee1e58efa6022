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

NOTE = ".made-from"     # in a directory
KEYS = ("suite", "tools", "firmware", "cbmc")
SERIES_KEYS = ("suite", "versions", "tested")
# What is taken of a user's tree: not git's data, and not his build directories.
TAKE = """set -o pipefail
tar -c --sort=name --exclude=.git --exclude-tag-all=build.ninja --warning=no-cachedir \\
    -C "$1" . """
# Sizes and times of all files in one short word: did anything change? tar aligns columns.
FINGERPRINT = TAKE + ("-vvf /dev/null --full-time | grep -v ^d | tr -s ' ' |"
                      "sha256sum | cut -c-16")
COPY = TAKE + '-f - | { mkdir "$2" && tar -xf - --no-same-owner -C "$2"; }'


def pin(file: Path = paths.PIN) -> dict:
    """What qemu.pin says, with the table of the series of QEMU as "series"."""
    try:
        pinned = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ui.Fail(f"{ui.shown(file)} is not a list of lines key = \"text\": "
                      f"correct it ({error})") from None
    tables = {key: value for key, value in pinned.items() if isinstance(value, dict)}
    if paths.SERIES not in tables:
        raise ui.Fail(f"QEMU={paths.SERIES} is not among the series that {ui.shown(file)} "
                      f"has: give one of {', '.join(tables)}")
    pinned["series"] = tables[paths.SERIES]
    missing = [key for table, keys in ((pinned, KEYS), (pinned["series"], SERIES_KEYS))
               for key in keys if not isinstance(table.get(key), str)]
    if missing:
        raise ui.Fail(f"{ui.shown(file)} does not say {' and '.join(missing)}: add "
                      "each as a line key = \"text\"")
    return pinned


def made(directory: Path) -> str:
    """What a directory was made from; nothing if it is not all there."""
    note = directory / NOTE
    return note.read_text() if note.exists() else ""


@contextmanager
def replacing(directory: Path, identity: str):
    """A path beside the directory, which takes its place when it is complete."""
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    yield partial
    (partial / NOTE).unlink(missing_ok=True)    # which another tree may share
    (partial / NOTE).write_text(identity)
    if directory.exists():
        (directory / NOTE).unlink(missing_ok=True)
        shutil.rmtree(directory)
    partial.rename(directory)


def prepare() -> str:
    """Have an unmodified tree in build/pristine; return what it is."""
    pinned, log = pin()["series"], paths.LOGS / "source.log"
    hint = "the lines above say why"
    if os.environ.get("QEMU_SRC"):
        given = check(Path(os.environ["QEMU_SRC"]).resolve(), pinned["versions"])
        state = ui.run(["bash", "-c", FINGERPRINT, "bash", given], log=log,
                       what=f"reading QEMU_SRC={given}")
        identity = f"copy of {given}, {state.strip()}"
        words = ["bash", "-c", COPY, "bash", given]
    else:
        dsc = Archive(pinned["suite"]).source("qemu", pinned["versions"], pinned["tested"])
        compare(dsc, pinned["tested"])
        identity = f"source package {dsc.stem}"
        words = ["dpkg-source", "--no-copy", "-x", dsc]
        hint = f"if a file is damaged, remove {dsc.parent} and try again"
    if made(paths.PRISTINE) != identity:
        ui.progress(f"unpacking {identity} …")
        with replacing(paths.PRISTINE, identity) as partial:
            ui.run([*words, partial], log=log, what=f"unpacking {identity}", hint=hint)
    return identity


def compare(dsc: Path, tested: str) -> None:
    """Say when it is not the source package that the project was tested with."""
    name, digest = tested.split()
    if dsc.stem != name:
        ui.progress(f"{dsc.stem} is not what this project was tested with: "
                    f"that was {name} (qemu.pin)")
    elif hashlib.sha256(dsc.read_bytes()).hexdigest() != digest:
        raise ui.Fail(f"{dsc} is not the {name} that qemu.pin has the SHA-256 "
                      f"of: remove {dsc.parent} and run the same command again")


def check(given: Path, versions: str) -> Path:
    """Refuse a tree (QEMU_SRC) that the project cannot be laid over."""
    for path in (given, given / "VERSION", given / "configure",
                 given / "hw/virtio/meson.build"):
        if not path.exists():
            raise ui.Fail(f"QEMU_SRC={given} is not a QEMU source tree (there is "
                          f"no {path}): give the directory of an unpacked one")
    version = (given / "VERSION").read_text().strip()
    if not fnmatch(version, versions):
        raise ui.Fail(f"QEMU_SRC={given} is QEMU {version}, but this project needs "
                      f"{versions}: give a tree of that version")
    if given.is_relative_to(paths.BUILD):
        raise ui.Fail(f"QEMU_SRC={given} is inside the build directory, which "
                      "is rewritten: give a tree outside of it")
    return given
