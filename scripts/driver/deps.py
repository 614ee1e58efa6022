# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's own packages that the build needs, installed when missing.

Only what must match this machine's compiler and libraries comes from its own
release; everything else is unpacked privately from the pinned suite.
"""

import os
import shutil
import subprocess

import paths
import ui

PACKAGES = (
    # the compiler's side
    "gcc", "libc6-dev", "make", "pkg-config", "ninja-build", "ccache",
    # QEMU's libraries and generators
    "libglib2.0-dev", "libfdt-dev", "zlib1g-dev", "libseccomp-dev",
    "libnuma-dev", "flex", "bison", "python3", "python3-venv",
    # unpacking and patching the source package, verifying the archive
    "dpkg-dev", "patch", "xz-utils", "bzip2", "debian-archive-keyring",
    "ca-certificates",
)
LOG = paths.LOGS / "deps.log"
# Another apt (unattended-upgrades, say) may hold the lock for a while.
PATIENCE = ("-o", "DPkg::Lock::Timeout=600")


def ensure(packages: tuple[str, ...] = PACKAGES) -> None:
    """Install the missing packages, or stop with the command that does."""
    if not shutil.which("dpkg-query") or not shutil.which("apt-get"):
        return  # another distribution: configure names what it misses
    missing = absent(packages)
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
    try:
        ui.run([*root, *words, *PATIENCE], log=LOG, what="installing packages")
    except ui.CommandFailed:
        update_and_install(root, words)


def update_and_install(root: list[str], words: list[str]) -> None:
    """Once more with new lists: a fresh machine has none, an old one stale."""
    by_hand = " ".join(["sudo", *words])
    hint = (f"see why with 'sudo apt-get update && {by_hand}', then run the "
            "same command again")
    ui.run([*root, "apt-get", "update"], log=LOG, hint=hint,
           what="fetching this machine's package lists (apt-get update)")
    ui.run([*root, *words, *PATIENCE], log=LOG, hint=hint,
           what="installing Debian packages")


def absent(packages: tuple[str, ...]) -> list[str]:
    """Those of the packages that are not installed."""
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n",
         *packages], capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in listed.splitlines()
                 if line.endswith(" installed")}
    if "pkgconf" in installed or shutil.which("pkg-config"):
        installed.add("pkg-config")  # the newer package has another name
    return [name for name in packages if name not in installed]


def as_root() -> list[str] | None:
    """The words before a command that make it run as root, if there are any."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
    if os.geteuid() == 0:
        return quiet
    if shutil.which("sudo"):
        allowed = subprocess.run(["sudo", "-n", "true"], check=False,
                                 capture_output=True).returncode == 0
        if allowed:
            return ["sudo", "-n", *quiet]
    return None
