# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit tests as programs of a big-endian machine: python3 -m vmtest.cross.

They are compiled for s390x by Debian's cross compiler, with Debian's libraries for
it below build/s390x/root, and run by QEMU's user-mode emulation.
"""

import sys

from driver import build, packages, paths, source, ui
from driver.archive import Archive

DIRECTORY = "s390x/unit"
ROOT = paths.BUILD / "s390x" / "root"
PACKAGES = ("libc6", "libc6-dev", "linux-libc-dev", "libgcc-s1", "libglib2.0-0t64",
            "libglib2.0-dev", "libpcre2-8-0", "libpcre2-dev", "libsysprof-capture-4-dev")
CROSS = """[binaries]
c = ['s390x-linux-gnu-gcc', '--sysroot={root}']
ar = 's390x-linux-gnu-ar'
strip = 's390x-linux-gnu-strip'
pkg-config = 'pkg-config'
exe_wrapper = ['qemu-s390x', '-L', '{root}']
[properties]
sys_root = '{root}'
pkg_config_libdir = '{root}/usr/lib/s390x-linux-gnu/pkgconfig'
[host_machine]
system = 'linux'
cpu_family = 's390x'
cpu = 'z13'
endian = 'big'
"""


def libraries() -> None:
    """Have what programs are linked with; do nothing when it is there."""
    archive = Archive(source.pin()["suite"], "s390x")
    identity = " ".join(archive.deb(name).name for name in PACKAGES)
    if source.made(ROOT) != identity:
        ui.progress(f"making {ui.shown(ROOT)} …")
        with source.replacing(ROOT, identity) as partial:
            for name in PACKAGES:
                archive.unpack(name, partial)
            if not (partial / "lib").exists():
                (partial / "lib").symlink_to("usr/lib")


def main() -> None:
    """Have the programs of the unit tests."""
    packages.ensure("cross")
    env = build.prepare()
    libraries()
    file = paths.BUILD / "s390x" / "cross.ini"
    file.write_text(CROSS.format(root=ROOT))
    build.set_up(DIRECTORY, [paths.MESON, "setup", "-Dvmemctl=disabled",
                             "--cross-file", file, ".", paths.ROOT], env)
    build.ninja(DIRECTORY, DIRECTORY, (), env)


if __name__ == "__main__":
    sys.exit(ui.main(main))
