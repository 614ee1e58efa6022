# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest: Debian's kernel, and an initial RAM disk that is all of it.

The tests are about what a stock Linux makes of the device, so the kernel and
its virtio_mem module are Debian's own, from the suite that qemu.pin names.
User space is one static busybox and tests/guest/init.sh: it starts in no time
and nothing in it uses memory behind the tests' back.
"""

import hashlib
import re
import shutil
from pathlib import Path

from driver import paths, source, ui
from driver.archive import Archive

KERNEL = "linux-image-cloud-amd64"      # small, and has the virtio drivers
BUSYBOX = "busybox-static"
# the device; virtio-balloon, to which it is compared; a disk of vhost-user
MODULES = ("virtio_pci", "virtio_mem", "virtio_balloon", "virtio_blk")

INIT = paths.ROOT / "tests" / "guest" / "init.sh"
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
find . | ./bin/busybox cpio -o -H newc -R 0:0 | gzip -6n > ../../initrd.img
"""


def build() -> None:
    """Have vmlinuz and initrd.img ready; do nothing when they are current."""
    archive = Archive(source.pin()["suite"])
    # the package with the kernel itself, which the metapackage depends on
    depends = archive.dpkg_deb("-f", KERNEL, "Depends")
    kernel, version = re.search("(linux-image-([^ ,]+))", depends).groups()
    sources = INIT.read_bytes() + Path(__file__).read_bytes()
    made_from = (f"{archive.deb(kernel).name} {archive.deb(BUSYBOX).name} "
                 f"{hashlib.sha256(sources).hexdigest()}")
    if source.made(paths.GUEST) == made_from:
        return
    ui.progress(f"making the guest from {kernel} …")
    with source.replacing(paths.GUEST, made_from) as image:
        scratch = image / "scratch"
        archive.unpack(kernel, scratch / "kernel")
        archive.unpack(BUSYBOX, scratch / "busybox")
        (scratch / "kernel/boot" / f"vmlinuz-{version}").rename(image / "vmlinuz")
        ui.run(["sh", "-c", PACK, "pack", version, INIT, " ".join(MODULES)],
               cwd=scratch, log=paths.LOGS / "guest-image.log",
               what=f"packing {', '.join(MODULES)} and busybox for the guest")
        shutil.rmtree(scratch)
