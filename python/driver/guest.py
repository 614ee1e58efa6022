# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest: Debian's kernel, and an initial RAM disk that is all of it.

The tests are about what a stock Linux makes of the device, so the kernel and
its virtio_mem module are Debian's own, from the suite that qemu.pin names.
User space is one static busybox and tests/guest/init.sh: it starts in no time
and nothing in it uses memory behind the tests' back.
"""

import hashlib
import lzma
import os
import re
import shutil
from pathlib import Path

from driver import paths, source, ui
from driver.archive import Archive

KERNEL = "linux-image-cloud-amd64"      # small, and has the virtio drivers
BUSYBOX = "busybox-static"
# the device, and virtio-balloon, to which it is compared
MODULES = ("virtio_pci", "virtio_mem", "virtio_balloon")

IMAGE = paths.GUEST
INIT = paths.ROOT / "tests" / "guest" / "init.sh"
SBIN = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
PACK = 'find . | ./bin/busybox cpio -o -H newc -R 0:0 | gzip -6n > "$1"'


def build() -> None:
    """Have vmlinuz and initrd.img in IMAGE; do nothing when they are current."""
    log = paths.LOGS / "guest-image.log"
    archive = Archive(source.pin()["suite"], log=log)
    kernel = versioned_kernel(archive)
    made_from = inputs(archive.deb(kernel), archive.deb(BUSYBOX))
    if source.made(IMAGE) == made_from and (IMAGE / "vmlinuz").is_file():
        return
    ui.progress(f"making the guest from {kernel} …")
    shutil.rmtree(IMAGE, ignore_errors=True)
    scratch = IMAGE / "scratch"
    archive.unpack(kernel, scratch / "kernel")
    archive.unpack(BUSYBOX, scratch / "busybox")
    tree = initramfs_tree(scratch, log)
    ui.run(["sh", "-ec", PACK, "pack", IMAGE / "initrd.img"], cwd=tree, log=log,
           what="packing the guest's initial RAM disk")
    the_only(scratch / "kernel" / "boot", "vmlinuz-*").replace(
        IMAGE / "vmlinuz")
    shutil.rmtree(scratch)
    source.mark(IMAGE, made_from)


def versioned_kernel(archive: Archive) -> str:
    """The package with the kernel itself, which the metapackage depends on."""
    for name in archive.depends(KERNEL):
        if re.fullmatch(r"linux-image-\d.*", name):
            return name
    raise ui.Fail(f"the package {KERNEL} names no kernel: empty "
                  f"{paths.CACHE} and run the same command again")


def inputs(*debs: Path) -> str:
    """A digest of all that the image is made from: another one, another image."""
    digest = hashlib.sha256()
    for deb in debs:
        digest.update(deb.name.encode() + b"\n")
    for file in (INIT, Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def initramfs_tree(scratch: Path, log: Path) -> Path:
    """Lay out the initial RAM disk's files in a directory.

    modprobe tells the modules to load, each after those it depends on; what
    Debian's kernel has built in needs no file.
    """
    tree = scratch / "tree"
    (tree / "modules").mkdir(parents=True)
    (tree / "bin").mkdir()
    shutil.copy(scratch / "busybox" / "usr" / "bin" / "busybox", tree / "bin")
    shutil.copy(INIT, tree / "init")
    (tree / "init").chmod(0o755)
    kernel = scratch / "kernel" / "usr"
    version = the_only(kernel / "lib" / "modules", "*").name
    ui.run(["depmod", "-b", kernel, version], log=log, env=SBIN,
           what="listing the kernel's modules")
    told = ui.run(["modprobe", "-d", kernel, "-S", version, "--show-depends",
                   "-a", *MODULES], log=log, env=SBIN,
                  what=f"finding {', '.join(MODULES)} in the kernel")
    order = list(dict.fromkeys(re.findall(r"^insmod (\S+)", told, re.M)))
    for number, file in enumerate(map(Path, order)):
        content = file.read_bytes()  # busybox's insmod takes none compressed
        (tree / "modules" / f"{number:02}-{file.name.partition('.')[0]}.ko"
         ).write_bytes(lzma.decompress(content) if file.suffix == ".xz"
                       else content)
    return tree


def the_only(directory: Path, pattern: str) -> Path:
    """The one path in `directory` that matches; a package has no other."""
    found = list(directory.glob(pattern))
    if len(found) != 1:
        raise ui.Fail(f"the guest's packages have {len(found)} files like "
                      f"{directory.name}/{pattern} where one was expected: "
                      f"empty {paths.CACHE} and run the same command again")
    return found[0]
