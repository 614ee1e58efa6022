# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel made from Debian's sources of Linux, where Debian's own kernels for a
processor do not have the driver.

It has what Linux's tinyconfig has and a file of options, and is kept in the cache
by what it is made from: the sources' version, the options, the compiler.
"""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from driver import paths, source, ui
from driver.archive import Archive

# Not needed to configure and to compile what the options can ask for.
LEFT_OUT = (
    "--anchored", "--no-wildcards-match-slash", "--exclude=*/Documentation/[a-z]*",
    "--exclude=*/tools/testing", "--exclude=*/tools/perf", "--wildcards-match-slash",
    *(f"--exclude=*/{place}/*.{kind}"   # Kconfig files of all are read
      for place in ("arch/[a-qt-wyz]*", "drivers/gpu", "drivers/net", "drivers/media",
                    "sound") for kind in ("[chS]", "dts*")))
MAKE = """set -ex
tree=$1 options=$2 release=$3/release
cd "$tree"
make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config "$options"
make -s olddefconfig
if grep '^CONFIG_' "$options" | grep -vxFf .config; then
    echo "these options took no effect"
    exit 1
fi
make -j"$4"
make -s INSTALL_MOD_PATH="$3/usr" modules_install
make -s kernelrelease > "$release"
install -D "$(make -s image_name)" "$3/boot/vmlinuz-$(cat "$release")"
"""


@dataclass(frozen=True)
class Built:
    """Where such a kernel comes from."""

    suite: str          # of Debian
    package: str        # which depends on the one with the newest sources
    arch: str           # as Linux calls it
    compiler: str       # the prefix of its tools
    options: Path

    def home(self) -> Path:
        """Have it: a directory with boot/vmlinuz-RELEASE and usr/lib/modules."""
        archive = Archive(self.suite)
        depends = archive.dpkg_deb("-f", self.package, "Depends")
        package = re.search(r"linux-source-[\d.]+", depends)[0]
        deb, log = archive.deb(package), paths.LOGS / f"kernel-{self.arch}.log"
        gcc = ui.run([f"{self.compiler}gcc", "-dumpfullversion"], log=log,
                     what=f"asking {self.compiler}gcc for its version")
        digest = hashlib.sha256(
            "\0".join((deb.name, self.options.read_text(), gcc, MAKE)).encode())
        home = paths.CACHE / "kernels" / f"{self.arch}-{digest.hexdigest()[:16]}"
        if source.made(home) != deb.name:
            ui.progress(f"compiling a kernel for {self.arch} from {package} …")
            with source.replacing(home, deb.name) as partial:
                self.make(archive, package, partial, log)
        return home

    def make(self, archive: Archive, package: str, goal: Path, log: Path) -> None:
        """Unpack, configure, compile; the sources are thrown away."""
        goal.mkdir(parents=True)
        scratch = paths.BUILD / f"kernel-{self.arch}"
        shutil.rmtree(scratch, ignore_errors=True)
        archive.unpack(package, scratch)
        ui.run(["tar", "-xf", scratch / f"usr/src/{package}.tar.xz", "-C", scratch,
                *LEFT_OUT], log=log,
               what=f"unpacking {package}")
        ui.run(["sh", "-c", MAKE, "make", scratch / package, self.options, goal,
                str(os.cpu_count())], log=log, what=f"compiling {package}",
               env={"ARCH": self.arch, "CROSS_COMPILE": self.compiler})
        shutil.rmtree(scratch)
