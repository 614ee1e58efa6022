# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest: Debian's kernel, and an initial RAM disk that is all of it.

The tests are about what a stock Linux makes of the device, so the kernel and
its virtio_mem module are Debian's own, from the suite that qemu.pin names.
User space is one static busybox and tests/guest/init.sh: it starts in no time
and nothing in it uses memory behind the tests' back.
"""

import gzip
import hashlib
import lzma
import re
import shutil
from pathlib import Path

import paths
import pin
import stamp
import ui
from archive import Archive

KERNEL = "linux-image-cloud-amd64"      # small, and has the virtio drivers
BUSYBOX = "busybox-static"
# the device, and virtio-balloon, to which it is compared
MODULES = ("virtio_pci", "virtio_mem", "virtio_balloon")

IMAGE = paths.GUEST / "amd64"
INIT = paths.ROOT / "tests" / "guest" / "init.sh"


def build(log: Path) -> None:
    """Have vmlinuz and initrd.img in IMAGE; do nothing when they are current."""
    archive = Archive(pin.read()["suite"], "amd64", log=log)
    kernel = versioned_kernel(archive)
    made_from = inputs(archive.deb(kernel), archive.deb(BUSYBOX))
    files = [IMAGE / "vmlinuz", IMAGE / "initrd.img"]
    if (stamp.matches(IMAGE, made_from)
            and all(file.is_file() for file in files)):
        return
    IMAGE.mkdir(parents=True, exist_ok=True)
    ui.progress(f"making the guest from {kernel} …")
    stamp.clear(IMAGE)
    scratch = IMAGE / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    archive.unpack(kernel, scratch / "kernel")
    archive.unpack(BUSYBOX, scratch / "busybox")
    tree = initramfs_tree(scratch)
    pack(tree, log, files[1])
    the_only(scratch / "kernel" / "boot", "vmlinuz-*").replace(files[0])
    shutil.rmtree(scratch)
    stamp.write(IMAGE, made_from)


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
    for source in (INIT, Path(__file__)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def initramfs_tree(scratch: Path) -> Path:
    """Lay out the initial RAM disk's files in a directory."""
    tree = scratch / "tree"
    modules = tree / "lib" / "modules"
    modules.mkdir(parents=True)
    (tree / "bin").mkdir()
    shutil.copy(scratch / "busybox" / "usr" / "bin" / "busybox", tree / "bin")
    shutil.copy(INIT, tree / "init")
    (tree / "init").chmod(0o755)
    available = the_only(scratch / "kernel" / "usr" / "lib" / "modules", "*")
    order = load_order(available)
    for module in order:
        (modules / f"{module_name(module.name)}.ko").write_bytes(
            uncompressed(module))
    (modules / "order").write_text(
        "".join(f"{module_name(module.name)}.ko\n" for module in order),
        encoding="ascii")
    return tree


def load_order(available: Path) -> list[Path]:
    """The module files to load, each after those it depends on.

    Debian's kernel has some of MODULES built in; those need no file. The
    package has no modules.dep, so the dependencies are read from the modules.
    """
    builtin = {module_name(line) for line in
               (available / "modules.builtin").read_text().splitlines()}
    files = {module_name(file.name): file
             for file in available.glob("kernel/**/*.ko*")}
    order: list[Path] = []

    def add(name: str) -> None:
        if name in builtin or files.get(name) in order:
            return
        if name not in files:
            raise ui.Fail(f"Debian's kernel {available.name} has no module "
                          f"{name}: choose another suite in qemu.pin")
        for other in dependencies(uncompressed(files[name])):
            add(other)
        order.append(files[name])

    for name in MODULES:
        add(name)
    return order


def module_name(path: str) -> str:
    """The kernel's name of a module file ("…/virtio-rng.ko.xz" -> virtio_rng)."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def dependencies(module: bytes) -> list[str]:
    """The modules that a module says it depends on."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    names = found.group(1).decode().split(",") if found else []
    return [name.replace("-", "_") for name in names if name]


def uncompressed(module: Path) -> bytes:
    """A module's content; busybox's insmod takes no compressed ones."""
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content


def pack(tree: Path, log: Path, image: Path) -> None:
    """Pack the tree with busybox's own cpio: no cpio package is needed."""
    archive = tree.parent / "initrd.cpio"
    ui.run(["sh", "-c", 'find . | ./bin/busybox cpio -o -H newc -R 0:0 > "$1"',
            "pack", archive], cwd=tree, log=log,
           what="packing the guest's initial RAM disk")
    packed = archive.with_suffix(".gz")
    packed.write_bytes(gzip.compress(archive.read_bytes(), 6, mtime=0))
    packed.replace(image)


def the_only(directory: Path, pattern: str) -> Path:
    """The one path in `directory` that matches; a package has no other."""
    found = list(directory.glob(pattern))
    if len(found) != 1:
        raise ui.Fail(f"the guest's packages have {len(found)} files like "
                      f"{directory.name}/{pattern} where one was expected: "
                      f"empty {paths.CACHE} and run the same command again")
    return found[0]
