# SPDX-License-Identifier: GPL-2.0-or-later
"""A fresh Debian to try something on, as on a machine that was just installed.

It is made by debootstrap and entered with chroot, in namespaces of its own: no mount
is seen from here, and neither mount nor process is left behind.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from driver import paths, ui
from driver.archive import debian_addresses

HOME = paths.BUILD / "fresh"
ENTER = Path(__file__).with_name("enter.sh")
CLONE = "/root/virtio-mem"      # where its user has the project


class Machine:
    """A Debian of one suite, for those who name it so.

    With `cold` it starts with empty caches, otherwise with those of this machine.
    """

    def __init__(self, suite: str, name: str, cold: bool = False):
        self.suite = suite
        self.home = HOME / suite
        self.base = self.home / "base"
        self.root = self.home / name
        self.log = paths.LOGS / f"{name}-{suite}.log"
        kept = self.home / "cold" if cold else self.home
        if cold:
            shutil.rmtree(kept, ignore_errors=True)
        ccache = os.environ.get("CCACHE_DIR") or Path.home() / ".cache/ccache"
        # what would be fetched and compiled in each run: where it is, and there
        self.kept = {
            "/root/.cache/virtio-mem-qemu": kept / "cache" if cold
                                            else paths.CACHE,
            "/root/.cache/ccache": kept / "ccache" if cold else Path(ccache),
            "/var/cache/apt/archives": kept / "debs"}
        for directory in (*self.kept.values(), kept / "debs" / "partial"):
            directory.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def alone(self):
        """Tests start side by side."""
        with open(self.home / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def make(self) -> None:
        """Unpack Debian, as debootstrap leaves it."""
        with self.alone():
            self._make()

    def _make(self) -> None:
        self.log.unlink(missing_ok=True)
        if not self.base.exists():
            partial = self.home / "base.partial"
            remove(partial)
            ui.run(["debootstrap", "--variant=minbase", self.suite, partial,
                    debian_addresses()[0]],
                   log=self.log, what=f"debootstrap of {self.suite}")
            for deb in (partial / "var/cache/apt/archives").glob("*.deb"):
                deb.unlink()
            partial.rename(self.base)
        remove(self.root)
        ui.run(["cp", "-ax", self.base, self.root], log=self.log,
               what=f"copying {self.base}")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        (self.root / "etc/apt/apt.conf.d/00machine").write_text(way_out())

    def make_with(self, *packages: str) -> None:
        """The same with packages installed; what an earlier run has made is used."""
        note = self.root / "root/made-with"
        with self.alone():
            if not note.exists() or note.read_text() != " ".join(packages):
                self._make()
                self.install(*packages)
                note.write_text(" ".join(packages))

    def install(self, *packages: str) -> None:
        """Install packages, or files that are packages, without those recommended."""
        self.run("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install "
                 f"-qy --no-install-recommends {' '.join(packages)}", where="/root")

    def clone(self) -> None:
        """Have its user clone what is committed here."""
        bundle = self.root / "tmp/project.bundle"
        ui.run(["git", "-C", paths.ROOT, "bundle", "create", bundle, "HEAD"],
               log=self.log, what="git bundle")
        self.run(f"git clone -q /tmp/project.bundle {CLONE}", where="/root")
        bundle.unlink()

    def start(self, command: str, where: str = CLONE, more: dict | None = None,
              forgetful: bool = False, through: tuple = (), **options):
        """Start a shell command there; it does not outlive this process.

        It has `more` directories of this machine, as those in `kept`. What a
        forgetful machine writes elsewhere is in memory, and gone when it ends.
        `through` is a program that starts it, in a namespace of networks, say.
        """
        words = [word for place, directory in {**self.kept, **(more or {})}.items()
                 for word in (directory, place)]
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *through, "unshare", "--mount", "--uts",
             "--pid", "--fork", "--kill-child", "sh", ENTER,
             *(["-f"] if forgetful else []), self.root,
             f"cd {where} && {command}", *words],
            stderr=subprocess.STDOUT, **options)

    def run(self, command: str, where: str = CLONE, **options) -> str:
        """Run a shell command there, which has to succeed; what it prints."""
        output = []
        with open(self.log, "ab") as log, self.start(
                command, where, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, **options) as process:
            log.write(f"$ {command}\n".encode())
            try:
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    output.append(line.decode(errors="replace"))
            except BaseException:
                process.kill()
                raise
        assert process.returncode == 0, \
            f"'{command}' on a fresh {self.suite} ended with " \
            f"{process.returncode} ({self.log}):\n{''.join(output[-30:])}"
        return "".join(output)

    def files(self, *places: str) -> set[str]:
        """What is in the directories."""
        return {f"{place}/{name}" for place in places
                for name in os.listdir(f"{self.root}/{place}")}

    def sizes(self) -> dict[str, int]:
        """What its disk holds, in MiB."""
        places = {"downloads": self.kept["/root/.cache/virtio-mem-qemu"],
                  "ccache": self.kept["/root/.cache/ccache"],
                  "packages fetched": self.kept["/var/cache/apt/archives"],
                  "build/": Path(f"{self.root}{CLONE}/build"),
                  "system": self.root}
        sizes = {name: used(place) for name, place in places.items()
                 if place.exists()}
        sizes["system"] -= sizes.get("build/", 0)
        return sizes


def remove(directory: Path) -> None:
    """Remove it; should something be mounted there, leave that alone."""
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


def used(directory: Path) -> int:
    """MiB on disk."""
    done = subprocess.run(["du", "-smx", directory], capture_output=True,
                          text=True, check=True)
    return int(done.stdout.split()[0])


def way_out() -> str:
    """The lines of apt's configuration without which this network is not left."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], check=True,
                          capture_output=True, text=True).stdout
    return "".join(line for line in dump.splitlines(keepends=True) if re.match(
        r"Acquire::(\w+::Proxy(::\S+)?|Check-\S+) ", line))


def hindrance() -> str:
    """Why no such machine can be made here; nothing if it can."""
    if not shutil.which("debootstrap"):
        return "debootstrap is missing"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c",
         "mount -t tmpfs tmpfs /mnt && mknod /mnt/null c 1 3"],
        capture_output=True, text=True, check=False)
    return "" if not done.returncode else \
        f"it takes root's rights to mount and to make devices: {done.stderr}"
