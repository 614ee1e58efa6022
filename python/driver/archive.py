# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of one Debian suite, fetched and verified by apt, kept in a cache.

The suite is not the machine's own, so apt works with a configuration and
lists of ours; the system's are read (for the archive's address), never
written. What is in the cache is used as it is: with a full cache nothing asks
the network. Emptying the cache directory is the way to get newer packages.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from driver import paths, ui

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("oldoldstable", "oldstable", "stable", "testing", "unstable", "sid",
          "bullseye", "bookworm", "trixie", "forky")
# What apt says, and what that means; apt's own words come first in the sentence.
NO_NETWORK = re.compile(
    r"Could not resolve|Temporary failure|Could not connect|Unable to connect|"
    r"Network is unreachable|Cannot initiate the connection|Connection failed|"
    r"Connection timed out|Connection refused|No route to host")
UNKNOWN = re.compile(r"Unable to (locate|find a source) package|"
                     r"No packages found|has no installation candidate|"
                     r"Can't select candidate version")
NOT_VERIFIED = re.compile(r"NO_PUBKEY|is not signed|couldn't be verified|"
                          r"signatures were invalid|cannot be authenticated")
APT_CONF = """\
Dir::State::Lists "{here}/lists";
Dir::State::status "{here}/status";
Dir::Etc::SourceList "{here}/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Cache "{here}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Architecture "{arch}";
#clear APT::Architectures;
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def debian_addresses() -> list[str]:
    """The Debian archives this machine's apt knows, the main one first.

    DEBIAN_ARCHIVE overrides them, for machines whose apt knows none.
    """
    if os.environ.get("DEBIAN_ARCHIVE"):
        return os.environ["DEBIAN_ARCHIVE"].split()
    listed = ask_apt("indextargets", "--format",
                     "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    found = [line.split() for line in listed.splitlines()]
    if not found:  # before the machine's first apt-get update
        found = re.findall(r"^'(\S+/)dists/([^/']+)/([^/']+)/\S+/Packages",
                           ask_apt("update", "--print-uris"), re.M)
    addresses = [line[0] for line in found if len(line) == 3 and
                 re.sub(r"-(updates|backports)$", "", line[1]) in SUITES
                 and line[2] == "main"]
    if not addresses:
        raise ui.Fail("this machine's apt knows no Debian archive: add one to "
                      "its sources, or name one with DEBIAN_ARCHIVE=address")
    return list(dict.fromkeys(addresses))


def ask_apt(*words: str) -> str:
    """What apt-get prints, with the machine's own configuration."""
    try:
        return subprocess.run(["apt-get", *words], capture_output=True,
                              text=True, check=False).stdout
    except FileNotFoundError:
        raise ui.Fail("apt-get is not on this machine: the packages that the "
                      "build needs come from Debian's archive, so build on "
                      "Debian or in a Debian container") from None


class Archive:
    """One suite of the Debian archive for one architecture."""

    def __init__(self, suite: str, arch: str = "amd64", *,
                 cache: Path = paths.CACHE, log: Path | None = None,
                 addresses: list[str] | None = None,
                 options: str = f"signed-by={KEYRING}",
                 tries: int = 3, pause: float = 5):
        self.suite, self.arch, self.cache = suite, arch, cache
        self.log = log or paths.LOGS / "archive.log"
        self.options, self.tries, self.pause = options, tries, pause
        self._addresses = addresses
        self._home = cache / "apt" / f"{suite}-{arch}"
        self._files = cache / suite
        self._updated = False

    def source(self, package: str, versions: str = "*") -> Path:
        """The .dsc of a source package, its other files beside it.

        `versions` is a pattern for the upstream version ("10.0.*").
        """
        home = self._files / "source"
        cached = [file for file in home.glob(f"*/{package}_*.dsc")
                  if fnmatch(upstream(file.stem), versions)]
        if cached:
            return newest(cached)
        files = self._fetch(package, "source", "--download-only",
                            "--only-source")
        dsc = next(file for file in files if file.suffix == ".dsc")
        if not fnmatch(upstream(dsc.stem), versions):
            shutil.rmtree(dsc.parent)
            raise ui.Fail(
                f"the suite {self.suite} has {package} {upstream(dsc.stem)}, "
                f"but qemu.pin asks for {versions}: correct qemu.pin, or give "
                "a matching source tree with QEMU_SRC=path")
        kept = home / dsc.stem
        shutil.rmtree(kept, ignore_errors=True)
        home.mkdir(parents=True, exist_ok=True)
        dsc.parent.chmod(0o755)
        return dsc.parent.rename(kept) / dsc.name

    def deb(self, package: str) -> Path:
        """The .deb of a binary package."""
        home = self._files / self.arch
        cached = list(home.glob(f"{package}_*.deb"))
        if cached:
            return newest(cached)
        [file] = self._fetch(package, "download")
        home.mkdir(parents=True, exist_ok=True)
        kept = file.replace(home / file.name)
        file.parent.rmdir()
        return kept

    def depends(self, package: str) -> list[str]:
        """Names a package depends on; of alternatives the first one."""
        field = self._dpkg_deb("-f", self.deb(package), "Depends")
        return re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9.+-]*)", field)

    def unpack(self, package: str, dest: Path) -> None:
        """Unpack a binary package's files below `dest`."""
        dest.mkdir(parents=True, exist_ok=True)
        self._dpkg_deb("-x", self.deb(package), dest)

    def _dpkg_deb(self, option: str, deb: Path, argument) -> str:
        """Run dpkg-deb on a file of the cache; a damaged one is named."""
        try:
            return ui.run(["dpkg-deb", option, deb, argument], log=self.log,
                          what=f"reading {deb.name}")
        except ui.CommandFailed as fail:
            raise ui.Fail(f"{deb} cannot be read: remove that file and run "
                          "the same command again", fail.details) from None

    def _fetch(self, package: str, *words: str) -> list[Path]:
        """Download with fresh lists, from every address, several times each.

        A mirror in the middle of its synchronisation is whole again a little
        later, and another address may be whole already.
        """
        ui.progress(f"fetching {package} from the suite {self.suite} …")
        fail = None
        with self._lock():
            for address in self._addresses or debian_addresses():
                for attempt in range(self.tries):
                    if fail is not None:
                        ui.progress(f"{reason(fail.output)}; trying again …")
                        time.sleep(self.pause * attempt)
                    try:
                        self._update(address, again=fail is not None)
                        return self._download(package, words)
                    except ui.CommandFailed as error:
                        fail = error
                        if UNKNOWN.search(fail.output):
                            break
        raise self._sentence(package, fail.output)

    def _download(self, package: str, words) -> list[Path]:
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=self.cache))
        try:
            self._apt(*words, package, what=f"fetching {package}", cwd=partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return sorted(partial.iterdir())

    def _sentence(self, thing: str, output: str) -> ui.Fail:
        """Say what apt's last failure means, and what to do about it."""
        cause = reason(output)
        if NO_NETWORK.search(output):
            return ui.Fail(
                f"cannot reach the Debian archive for {thing} ({cause}): "
                "check the network connection or proxy and try again")
        if UNKNOWN.search(output):
            return ui.Fail(
                f"the suite {self.suite} has no package {thing}: if it was "
                f"replaced there by a newer one, remove {self._files}, "
                "and run the same command again")
        if NOT_VERIFIED.search(output):
            return ui.Fail(
                f"apt cannot verify {thing} ({cause}): install the newest "
                "debian-archive-keyring package and try again")
        return ui.Fail(
            f"the Debian archive does not deliver {thing} ({cause}): "
            "the mirror is probably being synchronised, so try again in half "
            "an hour, or name another with DEBIAN_ARCHIVE=address")

    def _update(self, address: str, again: bool) -> None:
        """Have lists of `address`: once per run, and anew after a failure."""
        if self._updated and not again:
            return
        for name in ("lists/partial", "cache/archives/partial"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        where = f"[{self.options}] {address} {self.suite} main\n"
        (self._home / "apt.conf").write_text(
            APT_CONF.format(here=self._home, arch=self.arch))
        (self._home / "sources.list").write_text(f"deb {where}deb-src {where}")
        (self._home / "status").touch()
        self._apt("update", what=f"fetching the lists of {self.suite}")
        self._updated = True

    def _apt(self, *words: str, what: str, cwd: Path | None = None) -> None:
        """Run apt-get with our configuration, read after the system's."""
        ui.run(["apt-get", "-q", "-c", self._home / "apt.conf", *words],
               log=self.log, what=what, cwd=cwd or self._home,
               env={"LC_ALL": "C.UTF-8"})

    @contextmanager
    def _lock(self):
        """Let one process at a time change the cache."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with open(self.cache / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            except OSError as error:  # a full disk is not named by write()
                error.filename = error.filename or str(self.cache)
                raise


def reason(output: str) -> str:
    """Apt's own words for a failure: its first error, without the prefix."""
    lines = [line for line in output.splitlines()
             if line.startswith(("E: ", "Err:"))]
    errors = [line[3:] for line in lines if line.startswith("E: ")]
    return (errors or lines or ["apt-get failed"])[0].strip()


def upstream(stem: str) -> str:
    """The upstream version in the name of a .dsc ("qemu_10.0.2+ds-1")."""
    return stem.partition("_")[2].rpartition("-")[0] or stem.partition("_")[2]


def newest(files: list[Path]) -> Path:
    """The file fetched last, when the cache holds several versions."""
    return max(files, key=lambda file: file.stat().st_mtime)
