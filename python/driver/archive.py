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
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from driver import paths, ui

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HELPER = "/usr/lib/apt/apt-helper"
SUITES = ("oldoldstable|oldstable|stable|testing|unstable|sid|"
          "bullseye|bookworm|trixie|forky")
UNKNOWN = (r"Unable to (locate|find a source) package|No packages found|"
           r"has no installation candidate|Can't select candidate version")
# What apt says, and the sentence for what that means; the first that fits.
FAILURES = {
    r"Could not resolve|Temporary failure|Could not connect|Unable to connect|"
    r"Network is unreachable|Cannot initiate the connection|Connection failed|"
    r"Connection timed out|Connection refused|No route to host":
        "cannot reach the Debian archive for {thing} ({cause}): check the "
        "network connection or proxy and try again",
    UNKNOWN:
        "the suite {suite} has no package {thing}: if it was replaced there by "
        "a newer one, remove {cache}, and run the same command again",
    r"NO_PUBKEY|is not signed|couldn't be verified|signatures were invalid|"
    r"cannot be authenticated":
        "apt cannot verify {thing} ({cause}): install the newest "
        "debian-archive-keyring package and try again",
    "":
        "the Debian archive does not deliver {thing} ({cause}): the mirror is "
        "probably being synchronised, so try again in half an hour, or name "
        "another with DEBIAN_ARCHIVE=address",
}
APT_CONF = """\
#clear APT::Update;
APT::Update::Error-Mode "any";
APT::Architecture "{arch}";
APT::Architectures "{arch}";
APT::Sandbox::User "root";
Dir::Cache "{here}";
Dir::State "{here}";
Dir::State::status "/dev/null";
Dir::Etc::SourceList "{here}/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
Acquire::http::Timeout "30";
"""


def debian_addresses() -> list[str]:
    """The Debian archives this machine's apt knows, the main one first.

    DEBIAN_ARCHIVE overrides them, for machines whose apt knows none.
    """
    if os.environ.get("DEBIAN_ARCHIVE"):
        return os.environ["DEBIAN_ARCHIVE"].split()
    listed = ui.run(["apt-get", "update", "--print-uris"],
                    log=paths.LOGS / "archive.log",
                    what="asking apt for the address of the Debian archive")
    found = re.findall(rf"^'(\S+/)dists/(?:{SUITES})(?:-updates|-backports)?"
                       r"/main/\S+/Packages", listed, re.M)
    if not found:
        raise ui.Fail("this machine's apt knows no Debian archive: add one to "
                      "its sources, or name one with DEBIAN_ARCHIVE=address")
    return list(dict.fromkeys(found))


class NotThere(ui.Fail):
    """The archive does not have what its list names."""


@dataclass
class Archive:
    """One suite of the Debian archive, for machines of one architecture."""

    suite: str
    arch: str = "amd64"
    cache: Path = paths.CACHE
    log: Path = paths.LOGS / "archive.log"
    addresses: tuple = ()   # in place of those that the machine's apt knows
    options: str = f"signed-by={KEYRING}"
    tries: int = 3          # for each address
    pause: float = 5        # seconds, more after each try
    updated: bool = False   # whether apt's lists are, in this run

    @property
    def home(self) -> Path:
        """Where apt finds its configuration and keeps its lists."""
        return self.cache / "apt" / f"{self.suite}-{self.arch}"

    def source(self, package: str, versions: str = "*", tested: str = "") -> Path:
        """The .dsc of a source package, its other files beside it.

        `versions` is a pattern for the upstream version ("10.0.*"). Where the archive
        lacks the file that the suite lists, `tested` is taken: "NAME SHA-256".
        """
        fetching = (package, "source", "--download-only", "--only-source")
        try:
            found = self._have("source", f"{package}_{versions}-*.dsc", *fetching)
        except NotThere as fail:
            if not tested:
                raise
            ui.progress(f"{fail}; taking {tested.split()[0]} from the pool …")
            found = self._from_pool(package, *tested.split())
        if not found:
            other = self._have("source", f"{package}_*.dsc", *fetching)
            raise ui.Fail(f"the suite {self.suite} has {other.stem}, but qemu.pin "
                          f"asks for {versions}: correct qemu.pin, or give a "
                          "matching source tree with QEMU_SRC=path")
        return found

    def _from_pool(self, package: str, name: str, digest: str) -> Path:
        """A .dsc that no list of apt names, by its hash; it has those of its files."""
        address = f"{(self.addresses or debian_addresses())[0]}pool/main/{package[0]}"
        with self._filling("source") as place:
            dsc, wanted = place / f"{name}.dsc", [(digest, f"{name}.dsc")]
            for digest, file in wanted:
                ui.run([HELPER, "download-file", f"{address}/{package}/{file}", file,
                        f"SHA256:{digest}"], cwd=place, log=self.log,
                       what=f"fetching {file} from the pool")
                if file == dsc.name:
                    wanted += re.findall(r"^ (\w{64}) \d+ (\S+)$", dsc.read_text(), re.M)
        return self.cache / self.suite / "source" / dsc.name

    def deb(self, package: str) -> Path:
        """The .deb of a binary package."""
        return self._have(self.arch, f"{package}_*.deb", package, "download")

    def unpack(self, package: str, dest: Path) -> None:
        """Unpack a binary package's files below `dest`."""
        dest.mkdir(parents=True, exist_ok=True)
        self.dpkg_deb("-x", package, dest)

    def dpkg_deb(self, option: str, package: str, argument) -> str:
        """Read a binary package ("-f": a field of it); a damaged one is named."""
        deb = self.deb(package)
        return ui.run(["dpkg-deb", option, deb, argument], log=self.log,
                      what=f"reading {deb}",
                      hint="remove that file and run the same command again")

    def _have(self, kind: str, wanted: str, package: str, *words: str) -> Path | None:
        """The file fetched last with such a name; if the cache has none, fetch it."""
        home = self.cache / self.suite / kind   # older caches have directories in it
        if not any(home.rglob(wanted)):
            self._fetch(kind, package, words)
        return max(home.rglob(wanted), key=os.path.getmtime, default=None)

    def _fetch(self, kind: str, package: str, words: tuple) -> None:
        """Download with fresh lists, from every address, several times each.

        A mirror in the middle of its synchronisation is whole again a little
        later, and another address may be whole already.
        """
        ui.progress(f"fetching {package} from the suite {self.suite} …")
        output = ""
        self.home.mkdir(parents=True, exist_ok=True)
        with open(self.cache / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)    # until it is closed
            for address in self.addresses or debian_addresses():
                for attempt in range(self.tries):
                    if output:
                        ui.progress(f"{reason(output)}; trying again …")
                        time.sleep(self.pause * attempt)
                    try:
                        if output or not self.updated:
                            self._update(address)
                        with self._filling(kind) as place:
                            return self._apt(*words, package, cwd=place)
                    except ui.CommandFailed as fail:
                        output = fail.output or str(fail)
                    if re.search(UNKNOWN, output):
                        break
        sentence = next(sentence for pattern, sentence in FAILURES.items()
                        if re.search(pattern, output))
        failure = ui.Fail if sentence != FAILURES[""] else NotThere
        raise failure(sentence.format(thing=package, cause=reason(output),
                                      suite=self.suite, cache=self.cache / self.suite))

    @contextmanager
    def _filling(self, kind: str):
        """A directory for files that come; those that did are kept in the cache."""
        home = self.cache / self.suite / kind
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=self.cache) as place:
            yield Path(place)
            for file in Path(place).iterdir():
                file.replace(home / file.name)

    def _update(self, address: str) -> None:
        """Have the lists of packages that an archive has now."""
        options = f"arch={self.arch} lang=none target=Packages,Sources {self.options}"
        where = f"[{options}] {address} {self.suite} main\n"
        (self.home / "apt.conf").write_text(APT_CONF.format(here=self.home, arch=self.arch))
        (self.home / "sources.list").write_text(f"deb {where}deb-src {where}")
        self._apt("update", cwd=self.home)
        self.updated = True

    def _apt(self, *words: str, cwd: Path) -> None:
        """Run apt-get with our configuration, read after the system's."""
        ui.run(["apt-get", "-q", "-c", self.home / "apt.conf", *words], cwd=cwd,
               log=self.log, what="fetching packages", env={"LC_ALL": "C.UTF-8"})


def reason(output: str) -> str:
    """Apt's own words for a failure: its first error, without the prefix."""
    return re.search(r"^E: (.*)|\Z", output, re.M)[1] or "apt-get failed"
