# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit tests as programs of a big-endian machine: python3 -m vmtest.cross.

They are compiled for s390x by Debian's cross compiler with its C library, linked
with GLib below build/s390x/root, and run by QEMU's user-mode emulation.
"""

import platform
import sys

from driver import build, packages, paths, source, ui
from driver.archive import Archive

DIRECTORY = "s390x/unit"
ROOT = paths.BUILD / "s390x" / "root"
PACKAGES = ("libglib2.0-dev", "libpcre2-dev")   # with static libraries
CROSS = """[binaries]
c = 's390x-linux-gnu-gcc'
ar = 's390x-linux-gnu-ar'
strip = 's390x-linux-gnu-strip'
pkg-config = 'pkg-config'
exe_wrapper = ['qemu-s390x', '-L', '/usr/s390x-linux-gnu']
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
    """Have GLib, of the release that the compiler's C library is of."""
    archive = Archive(platform.freedesktop_os_release()["VERSION_CODENAME"], "s390x")
    identity = " ".join(archive.deb(name).name for name in PACKAGES)
    if source.made(ROOT) != identity:
        ui.progress(f"making {ui.shown(ROOT)} …")
        with source.replacing(ROOT, identity) as partial:
            for name in PACKAGES:
                archive.unpack(name, partial)


def main() -> None:
    """Have the programs of the unit tests."""
    packages.ensure("cross")
    env = build.prepare()
    libraries()
    file = paths.BUILD / "s390x" / "cross.ini"
    file.write_text(CROSS.format(root=ROOT))
    build.set_up(DIRECTORY, [paths.MESON, "setup", "-Dvmemctl=disabled",
                             "-Dprefer_static=true", "--cross-file", file, ".",
                             paths.ROOT], env)
    build.ninja(DIRECTORY, DIRECTORY, (), env)


if __name__ == "__main__":
    sys.exit(ui.main(main))
