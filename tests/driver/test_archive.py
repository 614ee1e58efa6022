# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetching through the real apt, from archives made for each test."""

import hashlib
import os
import shutil
import subprocess
import unittest
from unittest import mock

from support import ScratchCase
import archive

NEEDED = ("apt-get", "dpkg-deb")


@unittest.skipIf(any(shutil.which(tool) is None for tool in NEEDED),
                 f"needs {' and '.join(NEEDED)}")
class ArchiveCase(ScratchCase):
    """An archive on this disk with one binary and one source package."""

    def setUp(self):
        super().setUp()
        self.mirror = self.make_mirror("mirror")
        waits = mock.patch.object(archive.time, "sleep")
        self.waits = waits.start()
        self.addCleanup(waits.stop)

    def make_mirror(self, name: str):
        """Lay out a Debian archive with the suite trixie."""
        mirror = self.scratch / name
        self.write(f"{name}/tree/DEBIAN/control",
                   "Package: tool\nVersion: 1:2.0-1\nArchitecture: all\n"
                   "Maintainer: T <t@example.invalid>\nDescription: tool\n"
                   "Depends: libc6 (>= 2.1), this | that, other:any\n")
        self.write(f"{name}/tree/usr/bin/tool", "#!/bin/sh\n")
        self.fill(mirror)
        return mirror

    def fill(self, mirror) -> None:
        """Build the packages, and the indexes that name them."""
        pool = mirror / "pool"
        pool.mkdir(exist_ok=True)
        deb = pool / "tool_2.0-1_all.deb"
        subprocess.run(["dpkg-deb", "-b", mirror / "tree", deb],
                       check=True, stdout=subprocess.DEVNULL)
        orig = self.write(f"{pool}/src_10.0.3.orig.tar.xz", "source")
        dsc = self.write(f"{pool}/src_10.0.3-2.dsc",
                         "Format: 3.0 (quilt)\nSource: src\n")
        control = (mirror / "tree/DEBIAN/control").read_text()
        self.index(mirror, "binary-amd64/Packages",
                   f"{control}Filename: pool/{deb.name}\n"
                   f"Size: {deb.stat().st_size}\nSHA256: {sha256(deb)}\n")
        files = "".join(f" {sha256(file)} {file.stat().st_size} {file.name}\n"
                        for file in (orig, dsc))
        self.index(mirror, "source/Sources",
                   "Package: src\nBinary: src\nVersion: 10.0.3-2\n"
                   "Format: 3.0 (quilt)\nArchitecture: all\n"
                   f"Directory: pool\nChecksums-Sha256:\n{files}")

    def index(self, mirror, name: str, text: str) -> None:
        """Write an index, and the Release file that vouches for all of them."""
        suite = mirror / "dists" / "trixie"
        place = suite / "main" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        sums = "".join(
            f" {sha256(file)} {file.stat().st_size} "
            f"{file.relative_to(suite)}\n"
            for file in sorted(suite.rglob("*")) if file.is_file()
            and file.name != "Release")
        (suite / "Release").write_text(
            "Suite: trixie\nCodename: trixie\nComponents: main\n"
            "Architectures: amd64 all\n"
            "Date: Sat, 01 Jan 2022 00:00:00 UTC\n"
            f"SHA256:\n{sums}")

    def archive(self, *mirrors, **more):
        """The Archive under test, over the mirrors in this order."""
        addresses = [f"copy:{mirror}" for mirror in mirrors or [self.mirror]]
        options = {"options": "trusted=yes", "tries": 2, "pause": 1, **more}
        cache = options.pop("cache", self.scratch / "cache")
        return archive.Archive("trixie", cache=cache, log=self.log,
                               addresses=addresses, **options)


class Fetching(ArchiveCase):
    """The ways it goes well."""

    def test_binary_package(self):
        deb = self.archive().deb("tool")
        self.assertEqual(deb.read_bytes(),
                         (self.mirror / "pool/tool_2.0-1_all.deb").read_bytes())

    def test_source_package_lies_beside_its_files(self):
        dsc = self.archive().source("src", "10.0.*")
        self.assertEqual(dsc.name, "src_10.0.3-2.dsc")
        self.assertTrue((dsc.parent / "src_10.0.3.orig.tar.xz").exists())

    def test_names_of_dependencies(self):
        self.assertEqual(self.archive().depends("tool"),
                         ["libc6", "this", "other"])

    def test_unpacking(self):
        self.archive().unpack("tool", self.scratch / "out")
        self.assertTrue((self.scratch / "out/usr/bin/tool").exists())

    def test_full_cache_asks_nobody(self):
        first = self.archive()
        deb, dsc = first.deb("tool"), first.source("src", "10.0.*")
        shutil.rmtree(self.mirror)
        with mock.patch.object(archive.Archive, "_apt") as apt:
            again = self.archive()
            self.assertEqual(again.deb("tool"), deb)
            self.assertEqual(again.source("src", "10.0.*"), dsc)
        apt.assert_not_called()

    def test_nothing_partial_is_left_behind(self):
        fetched = self.archive()
        fetched.deb("tool")
        fetched.source("src")
        self.assertEqual(list(fetched.cache.glob("partial-*")), [])

    def test_files_are_readable_for_others(self):
        dsc = self.archive().source("src")
        self.assertEqual(dsc.parent.stat().st_mode & 0o777, 0o755)


class Failing(ArchiveCase):
    """The ways it goes wrong, each its own sentence."""

    def test_half_synced_mirror_names_package_and_file(self):
        (self.mirror / "pool/tool_2.0-1_all.deb").unlink()
        with self.fails("does not deliver tool", "tool_2.0-1_all.deb",
                        "synchronised"):
            self.archive().deb("tool")
        self.assertEqual(self.waits.call_count, 1, "it did not wait and retry")

    def test_half_synced_source_names_package_and_file(self):
        (self.mirror / "pool/src_10.0.3.orig.tar.xz").unlink()
        with self.fails("does not deliver src", "src_10.0.3.orig.tar.xz"):
            self.archive().source("src")

    def test_wrong_content_is_refused(self):
        deb = self.mirror / "pool/tool_2.0-1_all.deb"
        deb.write_bytes(bytes(deb.stat().st_size))
        with self.fails("does not deliver tool", "Hash Sum mismatch"):
            self.archive().deb("tool")
        self.assertEqual(list(self.scratch.glob("cache/**/*.deb")), [])

    def test_second_address_is_asked_when_the_first_is_broken(self):
        other = self.make_mirror("other")
        (self.mirror / "pool/tool_2.0-1_all.deb").unlink()
        deb = self.archive(self.mirror, other).deb("tool")
        self.assertTrue(deb.exists())

    def test_mirror_that_is_whole_again_is_used(self):
        deb = self.mirror / "pool/tool_2.0-1_all.deb"
        content = deb.read_bytes()
        deb.unlink()
        self.waits.side_effect = lambda _: deb.write_bytes(content)
        self.assertEqual(self.archive().deb("tool").read_bytes(), content)

    def test_unknown_package(self):
        with self.fails("trixie has no package gone"):
            self.archive().deb("gone")
        self.waits.assert_not_called()

    def test_version_other_than_pinned(self):
        with self.fails("10.0.3", "9.9.*", "qemu.pin", "QEMU_SRC"):
            self.archive().source("src", "9.9.*")
        self.assertEqual(list(self.scratch.glob("cache/**/*.dsc")), [])

    def test_unsigned_archive_is_refused(self):
        with self.fails("cannot verify", "debian-archive-keyring"):
            self.archive(options=f"signed-by={archive.KEYRING}").deb("tool")

    def test_damaged_file_in_the_cache_is_named(self):
        fetched = self.archive()
        deb = fetched.deb("tool")
        deb.write_bytes(b"no package")
        with self.fails(str(deb), "remove that file"):
            fetched.unpack("tool", self.scratch / "out")

    def test_no_network(self):
        none = archive.Archive(
            "trixie", cache=self.scratch / "cache", log=self.log, tries=1,
            addresses=["http://127.0.0.1:9/"])  # the discard port: refused
        with mock.patch.dict(os.environ, {"http_proxy": "", "no_proxy": "*"}):
            with self.fails("cannot reach the Debian archive for tool",
                            "check the network"):
                none.deb("tool")

    def test_disk_too_small_for_the_package(self):
        (self.mirror / "tree/usr/big").write_bytes(os.urandom(1 << 20))
        self.fill(self.mirror)
        fetched = self.archive(cache=self.mount("size=1m"))
        with self.fails("is full", "free some space"):
            fetched.deb("tool")

    def test_disk_without_any_room(self):
        small = self.mount("size=64k")
        (small / "filler").write_bytes(bytes(60 * 1024))
        with self.fails(f"{small} is full", "free some space"):
            self.archive(cache=small).deb("tool")

    def test_unwritable_cache(self):
        place = self.mount("ro")
        with self.fails("cannot write", str(place), "Read-only"):
            self.archive(cache=place / "cache").deb("tool")


class Addresses(ScratchCase):
    """Which of the machine's archives are Debian's."""

    def addresses(self, targets: str, uris: str = "") -> list[str]:
        """What is found when apt-get prints these two answers."""
        answers = {"indextargets": targets, "update": uris}
        with mock.patch.object(archive, "ask_apt",
                               lambda verb, *_: answers[verb]), \
                mock.patch.dict(os.environ, {"DEBIAN_ARCHIVE": ""}):
            return archive.debian_addresses()

    def test_main_suites_only_and_the_first_first(self):
        self.assertEqual(self.addresses(
            "http://a.invalid/ bookworm main\n"
            "http://a.invalid/ bookworm-updates main\n"
            "http://s.invalid/ bookworm-security main\n"
            "http://t.invalid/ nodistro main\n"
            "http://b.invalid/ stable main\n"),
            ["http://a.invalid/", "http://b.invalid/"])

    def test_before_the_first_update(self):
        self.assertEqual(self.addresses("", (
            "'http://a.invalid/d/dists/bookworm/InRelease' x 0\n"
            "'http://a.invalid/d/dists/bookworm/main/binary-amd64/"
            "Packages.xz' x 0\n")), ["http://a.invalid/d/"])

    def test_none(self):
        with self.fails("knows no Debian archive", "DEBIAN_ARCHIVE"):
            self.addresses("")

    def test_named_by_the_user(self):
        with mock.patch.dict(os.environ, {"DEBIAN_ARCHIVE": "copy:/x"}):
            self.assertEqual(archive.debian_addresses(), ["copy:/x"])


def sha256(file) -> str:
    """The checksum as an index has it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    unittest.main()
