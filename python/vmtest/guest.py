# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guests: a kernel, and an initial RAM disk that is all of the rest.

The tests are about what a stock Linux makes of the device, so the kernel and
its virtio_mem module are Debian's own, from the suite that qemu.pin names, or
made from Debian's sources where Debian's kernel does not have the driver.
User space is one static busybox and tests/guest/init.sh: it starts in no time
and nothing in it uses memory behind the tests' back.
"""

import hashlib
import re
import shutil
from pathlib import Path

from driver import paths, source, ui
from driver.archive import Archive
from vmtest.kernel import Built
from vmtest.target import TARGETS

INIT = paths.ROOT / "tests" / "guest" / "init.sh"
# By name: Debian's architecture, and the package with the kernel (those for the
# cloud are small, and have the virtio drivers) or what one is made from.
GUESTS = {
    "x86_64": ("amd64", "linux-image-cloud-amd64"),
    "aarch64": ("arm64", "linux-image-cloud-arm64"),
    "aarch64-16k": ("arm64", "linux-image-arm64-16k"),
    "s390x": ("s390x", Built("trixie-backports", "linux-source", "s390",
                             "s390x-linux-gnu-", INIT.with_name("s390x.config"))),
    "riscv64": ("riscv64", Built("trixie-backports", "linux-source", "riscv",
                                 "riscv64-linux-gnu-", INIT.with_name("riscv64.config"))),
}
# What starts a kernel, and on Arm gives it tables of ACPI: the package, and the file.
FIRMWARE = {
    "aarch64": ("qemu-efi-aarch64", "usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
    "riscv64": ("opensbi", "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin")}
THINGS = [f"guest/{name}" for name in TARGETS]
BUSYBOX = "busybox-static"
# the device; virtio-balloon, to which it is compared; a disk of vhost-user
MODULES = "virtio_pci virtio_mem virtio_balloon virtio_blk"
# modprobe tells the modules to load, each after those it depends on; what Debian's
# kernel has built in needs no file. Busybox's insmod takes no compressed ones.
PACK = """set -ex
PATH=$PATH:/usr/sbin:/sbin
mkdir -p tree/modules
mv busybox/usr/bin tree/bin
install -m 755 "$2" tree/init
depmod -b kernel/usr "$1"
modprobe -d kernel/usr -S "$1" --show-depends -a $3 > needed
awk '$1 == "insmod" && !seen[$2]++ { print $2 }' needed | nl -n rz -w 2 |
    while read -r number file; do
        xz -dcf "$file" > "tree/modules/$number-$(basename "$file" .xz)"
    done
cd tree
find . | ../cpio/usr/bin/busybox cpio -o -H newc -R 0:0 | gzip -6n > ../../initrd.img
"""


def build(thing: str) -> None:
    """Have vmlinuz and initrd.img of one of THINGS; do nothing when they are current."""
    name = TARGETS[thing.partition("/")[2]].guest
    debian, kernel = GUESTS[name]
    suite, place = source.pin()["suite"], paths.GUESTS / name
    archive, host = Archive(suite, debian), Archive(suite)
    if isinstance(kernel, Built):
        home = kernel.home()
        kernel, version = home.name, (home / "release").read_text().strip()
        modules = "virtio_mem"      # all others are built in
    else:
        # the package with the kernel itself, which the metapackage depends on
        depends = archive.dpkg_deb("-f", kernel, "Depends")
        kernel, version = re.search("(linux-image-([^ ,]+))", depends).groups()
        home, modules = archive.deb(kernel), MODULES
    sources = INIT.read_bytes() + Path(__file__).read_bytes()
    made_from = (f"{home.name} {archive.deb(BUSYBOX).name} "
                 f"{hashlib.sha256(sources).hexdigest()}")
    if source.made(place) == made_from:
        return
    ui.progress(f"making the guest from {kernel} …")
    with source.replacing(place, made_from) as image:
        scratch = image / "scratch"
        if home.is_dir():
            shutil.copytree(home, scratch / "kernel", symlinks=True)
        else:
            archive.unpack(kernel, scratch / "kernel")
        archive.unpack(BUSYBOX, scratch / "busybox")
        host.unpack(BUSYBOX, scratch / "cpio")
        (scratch / "kernel/boot" / f"vmlinuz-{version}").rename(image / "vmlinuz")
        if name in FIRMWARE:
            firmware, file = FIRMWARE[name]
            host.unpack(firmware, scratch / "firmware")
            (scratch / "firmware" / file).rename(image / "firmware")
        ui.run(["sh", "-c", PACK, "pack", version, INIT, modules],
               cwd=scratch, log=paths.LOGS / "guest-image.log",
               what=f"packing {modules} and busybox for the guest")
        shutil.rmtree(scratch)
