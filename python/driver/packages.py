# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's own packages that the build needs, installed when missing.

Only what must match this machine's compiler and libraries comes from its own
release; everything else is unpacked privately from the pinned suite. On another
distribution nothing is installed: a build goes on without what QEMU can do
without, and says so.
"""

import os
import shutil
import subprocess

from driver import paths, ui

BUILD = (
    # the compiler's side
    "gcc", "libc6-dev", "make", "pkg-config", "ninja-build", "ccache",
    # QEMU's libraries and generators
    "libglib2.0-dev", "libfdt-dev", "zlib1g-dev", "flex", "bison", "python3",
    "python3-venv",
    # unpacking and patching the source package, verifying the archive
    "dpkg-dev", "git", "xz-utils", "bzip2", "debian-archive-keyring",
    "ca-certificates", "libjson-glib-dev",
)
# What QEMU is built with where this machine has the library for it: the library
# as pkg-config names it, its package, QEMU's options, what is gone without it.
FEATURES = (
    ("libseccomp", "libseccomp-dev", ("seccomp",), "the option -sandbox"),
    ("numa", "libnuma-dev", ("numa",),
     "host-nodes= and policy= of memory backends"),
    ("slirp", "libslirp-dev", ("slirp",), "user networking (-nic user)"),
    ("pixman-1", "libpixman-1-dev", ("pixman", "vnc"), "graphics and VNC"),
    ("ncursesw", "libncurses-dev", ("curses", "iconv"), "-display curses"),
    ("liburing", "liburing-dev", ("linux-io-uring",), "aio=io_uring"),
)
# What more some things need than the build of QEMU.
MORE = {
    "guest": ("kmod",),
    "tests": ("python3-pytest", "python3-pytest-timeout",
              "python3-pytest-xdist", "python3-sphinx",
              "python3-sphinx-rtd-theme", "binutils", "tmux"),
    **dict.fromkeys(("fuzz", "fuzz/unit"),      # llvm: names in reports
                    ("clang", "libclang-rt-dev", "llvm")),
    "bench": ("gnuplot-nox", "strace", "valgrind", "binutils"),
    "coverage": ("gcovr",),
    "newcomer": ("debootstrap",),
}
LOG = paths.LOGS / "packages.log"
# Another apt (unattended-upgrades, say) may hold the lock for a while.
PATIENCE = ("-o", "DPkg::Lock::Timeout=600")


def ensure(*things: str) -> None:
    """Install the missing packages, or stop with the command that does."""
    if not shutil.which("dpkg-query") or not shutil.which("apt-get"):
        return
    wanted = [*BUILD, *(package for _, package, _, _ in FEATURES)]
    missing = absent(wanted + [package for thing in things
                               for package in MORE.get(thing, ())])
    if not missing:
        return
    words = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    root = as_root()
    if root is None:
        raise ui.Fail("Debian packages are missing and neither root nor sudo "
                      "without a password is available: run 'sudo "
                      f"{' '.join(words)}' and then the same command again")
    ui.progress(f"installing {len(missing)} Debian packages: "
                f"{' '.join(missing)} …")
    install = [*root, *words, *PATIENCE]
    try:
        ui.run(install, log=LOG, what="installing packages")
    except ui.CommandFailed:
        # Once more with new lists: a fresh machine has none, an old one stale.
        hint = ("see why with 'sudo apt-get update && sudo "
                f"{' '.join(words)}', then run the same command again")
        ui.run([*root, "apt-get", "update"], log=LOG, hint=hint,
               what="fetching this machine's package lists (apt-get update)")
        ui.run(install, log=LOG, hint=hint, what="installing Debian packages")


def absent(packages: list[str]) -> list[str]:
    """Those of the packages that are not installed."""
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f",
         "${Package} ${db:Status-Status} ${Provides}\n", "*"],
        capture_output=True, text=True, check=False).stdout
    have = {word.rstrip(",") for line in listed.splitlines()
            if line.split()[1:2] == ["installed"] for word in line.split()}
    return [name for name in packages if name not in have]


def as_root() -> list[str] | None:
    """The words before a command that make it run as root, if there are any."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
    if os.geteuid() == 0:
        return quiet
    if shutil.which("sudo") and not subprocess.run(
            ["sudo", "-n", "true"], check=False, capture_output=True).returncode:
        return ["sudo", "-n", *quiet]
    return None


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
    return [f"QEMU is built without {gone}: {library} is missing"
            for library, _, _, gone in FEATURES if not have(library)]
