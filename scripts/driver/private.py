# SPDX-License-Identifier: GPL-2.0-or-later
"""Tools and firmware of the pinned suite, unpacked below build/.

The machine's own release may have them too old or not at all; installing them
from another suite is nothing a build should do to a machine.
"""

import shutil
from pathlib import Path

import paths
import pin
import stamp
import ui
from archive import Archive

FIRMWARE_DIRS = ("usr/share/seabios", "usr/share/qemu")
BUNDLE = "qemu-bundle/usr/local/share/qemu"  # where QEMU looks, beside itself


def have_apt() -> bool:
    """Other distributions bring tools and firmware themselves."""
    return shutil.which("apt-get") is not None


def unpack(packages: str, dest: Path, pinned: dict) -> None:
    """Unpack packages into a directory of ours, again when one is newer."""
    archive = Archive(pinned["suite"])
    debs = [(name, archive.deb(name)) for name in packages.split()]
    identity = " ".join(deb.name for _, deb in debs)
    if stamp.matches(dest, identity):
        return
    stamp.clear(dest)
    if dest.exists():
        shutil.rmtree(dest)
    for name, _ in debs:
        archive.unpack(name, dest)
    stamp.write(dest, identity)


def tools() -> dict[str, str]:
    """Unpack the tools; return the environment in which they are found."""
    if not have_apt():
        return {}
    pinned = pin.read()
    unpack(pinned["tools"], paths.TOOLS, pinned)
    return {"PYTHONPATH": str(paths.TOOLS_PYTHON)}


def firmware() -> list[Path]:
    """Unpack the firmware; return the directories that hold it."""
    if not have_apt():
        return [paths.PRISTINE / "pc-bios"]
    pinned = pin.read()
    unpack(pinned["firmware"], paths.FIRMWARE, pinned)
    return [paths.FIRMWARE / name for name in FIRMWARE_DIRS]


def link_firmware(directories: list[Path], obj: Path) -> None:
    """Link the firmware to where a QEMU built in `obj` finds it by itself."""
    bundle = obj / BUNDLE
    bundle.mkdir(parents=True, exist_ok=True)
    for directory in directories:
        for file in directory.iterdir():
            link = bundle / file.name
            if file.is_file() and not link.exists():
                link.unlink(missing_ok=True)  # one that leads nowhere
                link.symlink_to(file)
    if not (bundle / "bios-256k.bin").exists():
        raise ui.Fail("no firmware (bios-256k.bin) was found in "
                      f"{', '.join(map(str, directories))}: give a QEMU_SRC "
                      "that has QEMU's pc-bios blobs")
