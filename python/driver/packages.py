# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's own packages that the build needs, installed when missing.

Only what must match this machine's compiler and libraries comes from its own
release; everything else is unpacked privately from the pinned suite. On another
distribution nothing is installed: a build goes on without what QEMU can do
without, and says so.
"""

import shutil
import subprocess

from driver import paths, ui

BUILD = (
    # the compiler's side
    "gcc", "libc6-dev", "make", "pkgconf", "ninja-build", "ccache",
    # QEMU's libraries and generators
    "libglib2.0-dev", "libfdt-dev", "zlib1g-dev", "flex", "bison", "python3",
    "python3-venv",
    # unpacking and patching the source package, verifying the archive
    "dpkg-dev", "git", "xz-utils", "bzip2", "debian-archive-keyring",
    "ca-certificates",
)
VMEMCTL = "json-glib-1.0"
# What is built with the libraries that this machine has: the library as pkg-config
# names it, its package, QEMU's options, what is gone without it.
FEATURES = (
    ("libseccomp", "libseccomp-dev", ("seccomp",), "the option -sandbox"),
    ("numa", "libnuma-dev", ("numa",),
     "host-nodes= and policy= of memory backends"),
    ("slirp", "libslirp-dev", ("slirp",), "user networking (-nic user)"),
    ("pixman-1", "libpixman-1-dev", ("pixman", "vnc"), "graphics and VNC"),
    ("ncursesw", "libncurses-dev", ("curses", "iconv"), "-display curses"),
    ("liburing", "liburing-dev", ("linux-io-uring",), "aio=io_uring"),
    (VMEMCTL, "libjson-glib-dev", (), "the tool vmemctl"),
    ("libmicrohttpd", "libmicrohttpd-dev", (), "vmemctl export --listen"),
)
# What more some things need than the build of QEMU.
MORE = {
    "guest": ("kmod",),
    **dict.fromkeys(("guest/s390x", "guest/s390x-pci"),
                    ("kmod", "bc", "gcc-s390x-linux-gnu")),
    "guest/riscv64": ("kmod", "bc", "gcc-riscv64-linux-gnu"),
    "cross": ("gcc-s390x-linux-gnu", "libc6-dev-s390x-cross", "qemu-user"),
    "tests": ("python3-pytest", "python3-pytest-timeout",
              "python3-pytest-xdist", "python3-prometheus-client", "python3-sphinx",
              "python3-sphinx-rtd-theme", "binutils", "tmux"),
    **dict.fromkeys(("fuzz", "fuzz/unit"),      # llvm: names in reports
                    ("clang", "libclang-rt-dev", "llvm")),
    "bench": ("gnuplot-nox", "strace", "valgrind", "binutils"),
    "coverage": ("gcovr",),
    "newcomer": ("debootstrap",),
    "11.1": ("python3-pip", "python3-setuptools", "python3-wheel"),
    "packaging": ("build-essential", "debhelper", "ipxe-qemu", "seabios"),
}
# With new lists, as a fresh machine has none and an old one stale ones. Another apt
# (unattended-upgrades, say) may hold the lock for a while.
INSTALL = """as_root=$(test "$(id -u)" = 0 || echo sudo -n)
$as_root apt-get update
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
    -o DPkg::Lock::Timeout=600 "$@"
"""


def ensure(*things: str) -> None:
    """Install the missing packages, or stop with the command that does."""
    if not shutil.which("dpkg-query") or not shutil.which("apt-get"):
        return
    wanted = [*BUILD, *(package for _, package, _, _ in FEATURES),
              *(package for thing in things for package in
                MORE.get(thing, MORE.get(thing.partition("/")[0], ())))]
    installed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *wanted],
        capture_output=True, text=True, check=False).stdout.splitlines()
    missing = [name for name in wanted if f"installed {name}" not in installed]
    if missing:
        names = " ".join(missing)
        ui.progress(f"installing {len(missing)} Debian packages: {names} …")
        ui.run(["sh", "-c", INSTALL, "sh", *missing], log=paths.LOGS / "packages.log",
               what="installing Debian packages as root or with sudo",
               hint="run 'sudo apt-get update && sudo apt-get install -y "
               f"--no-install-recommends {names}' and then the same command again")


def have(library: str) -> bool:
    """Whether programs can be linked with the library here."""
    return not subprocess.run(["pkg-config", "--exists", library],
                              check=False).returncode


def options() -> list[str]:
    """The words for configure; they change when a library comes or goes."""
    return [f"--enable-{option}" for library, _, names, _ in FEATURES
            if have(library) for option in names]


def without() -> list[str]:
    """A sentence about each library that is not there."""
    return [f"built without {gone}: {library} is missing"
            for library, _, _, gone in FEATURES if not have(library)]
