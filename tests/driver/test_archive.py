# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetching through the real apt, from archives made for each test."""

import hashlib
import os
import shutil
import subprocess

import pytest

from driver import archive

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None,
                                reason="needs apt-get")
CONTROL = """Package: tool
Version: 1:2.0-1
Architecture: all
Maintainer: T <t@example.invalid>
Description: tool
Depends: libc6 (>= 2.1), this | that, other:any
"""
DEB, ORIG = "pool/tool_2.0-1_all.deb", "pool/src_10.0.3.orig.tar.xz"


def told(file) -> str:
    """Hash and size as an index has them."""
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.stat().st_size}"


@pytest.fixture
def mirror(write, tmp_path):
    """Lay out a Debian archive with one binary and one source package."""
    def make(name: str = "mirror", big: bytes = b""):
        top, suite = tmp_path / name, tmp_path / name / "dists/trixie"
        write(f"{name}/tree/DEBIAN/control", CONTROL)
        write(f"{name}/tree/usr/bin/tool").write_bytes(big)
        orig = write(f"{name}/{ORIG}", "source")
        dsc = write(f"{name}/pool/src_10.0.3-2.dsc",
                    "Format: 3.0 (quilt)\nSource: src\n")
        subprocess.run(["dpkg-deb", "-b", top / "tree", top / DEB], check=True,
                       stdout=subprocess.DEVNULL)
        sha, size = told(top / DEB).split()
        files = "".join(f" {told(file)} {file.name}\n" for file in (orig, dsc))
        indexes = [write(f"{suite}/main/binary-amd64/Packages",
                         f"{CONTROL}Filename: {DEB}\nSize: {size}\n"
                         f"SHA256: {sha}\n"),
                   write(f"{suite}/main/source/Sources",
                         "Package: src\nBinary: src\nVersion: 10.0.3-2\n"
                         "Format: 3.0 (quilt)\nArchitecture: all\n"
                         f"Directory: pool\nChecksums-Sha256:\n{files}")]
        sums = "".join(f" {told(file)} {file.relative_to(suite)}\n"
                       for file in indexes)
        write(f"{suite}/Release", "Suite: trixie\nCodename: trixie\n"
              "Components: main\nArchitectures: amd64 all\n"
              f"Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n{sums}")
        return top
    return make


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """The Archive under test over these mirrors; it waits for nobody."""
    def make(*mirrors, **more):
        return archive.Archive("trixie", **{
            "cache": tmp_path / "cache", "log": tmp_path / "log", "tries": 2,
            "options": "trusted=yes",
            "addresses": [f"copy:{top}" for top in mirrors], **more})
    make.waits = []
    monkeypatch.setattr(archive.time, "sleep", make.waits.append)
    return make


def test_what_is_fetched_is_kept_and_asked_for_once(mirror, fetch, tmp_path):
    top = mirror()
    first = fetch(top)
    deb, dsc = first.deb("tool"), first.source("src", "10.0.*")
    assert deb.read_bytes() == (top / DEB).read_bytes()
    assert (dsc.parent / "src_10.0.3.orig.tar.xz").exists()
    assert dsc.parent.stat().st_mode & 0o777 == 0o755
    assert not list(first.cache.glob("partial-*"))
    shutil.rmtree(top)
    again = fetch(top)
    assert (again.deb("tool"), again.source("src", "10.0.*")) == (deb, dsc)
    assert again.depends("tool") == ["libc6", "this", "other"]
    again.unpack("tool", tmp_path / "out")
    assert (tmp_path / "out/usr/bin/tool").exists()


@pytest.mark.parametrize("lost, package, verb", [
    (DEB, "tool", "deb"), (ORIG, "src", "source")])
def test_half_synced_mirror(mirror, fetch, fails, lost, package, verb):
    top = mirror()
    (top / lost).unlink()
    with fails(f"does not deliver {package}", lost.rpartition("/")[2],
               "synchronised"):
        getattr(fetch(top), verb)(package)
    assert len(fetch.waits) == 1, "it did not wait and try again"
    assert getattr(fetch(top, mirror("other"), cache=top), verb)(package).exists()


def test_wrong_content_is_refused(mirror, fetch, fails, tmp_path):
    deb = mirror() / DEB
    deb.write_bytes(bytes(deb.stat().st_size))
    with fails("does not deliver tool"):    # of a copy: apt 3.0 does not say why
        fetch(deb.parents[1]).deb("tool")
    assert not list(tmp_path.glob("cache/**/*.deb"))


def test_unknown_package_is_not_waited_for(mirror, fetch, fails):
    with fails("trixie has no package gone"):
        fetch(mirror()).deb("gone")
    assert not fetch.waits


def test_version_other_than_pinned(mirror, fetch, fails, tmp_path):
    with fails("10.0.3", "9.9.*", "qemu.pin", "QEMU_SRC"):
        fetch(mirror()).source("src", "9.9.*")
    assert not list(tmp_path.glob("cache/**/*.dsc"))


def test_unsigned_archive_is_refused(mirror, fetch, fails):
    with fails("cannot verify", "debian-archive-keyring"):
        fetch(mirror(), options=f"signed-by={archive.KEYRING}").deb("tool")


def test_damaged_file_in_the_cache_is_named(mirror, fetch, fails, tmp_path):
    fetched = fetch(mirror())
    deb = fetched.deb("tool")
    deb.write_bytes(b"no package")
    with fails(deb, "remove that file"):
        fetched.unpack("tool", tmp_path / "out")


def test_no_network(fetch, fails, monkeypatch):
    for name, value in (("http_proxy", ""), ("no_proxy", "*")):
        monkeypatch.setenv(name, value)
    with fails("cannot reach the Debian archive for tool", "check the network"):
        fetch(addresses=["http://127.0.0.1:9/"], tries=1).deb("tool")


@pytest.mark.parametrize("options, fill, phrases", [
    ("size=1m", 0, ("is full", "free some space")),
    ("size=64k", 60, ("is full", "free some space")),
    ("ro", 0, ("cannot write", "Read-only"))])
def test_cache_that_takes_nothing(mirror, fetch, fails, mount, options, fill,
                                  phrases):
    place, top = mount(options), mirror(big=os.urandom(1 << 20))
    if fill:
        (place / "filler").write_bytes(bytes(fill * 1024))
    with fails(*phrases):
        fetch(top, cache=place / "cache").deb("tool")


@pytest.mark.parametrize("targets, uris, addresses", [
    ("http://a.invalid/ bookworm main\nhttp://a.invalid/ bookworm-updates main\n"
     "http://s.invalid/ bookworm-security main\nhttp://t.invalid/ nodistro main\n"
     "http://b.invalid/ stable main\n", "",
     ["http://a.invalid/", "http://b.invalid/"]),
    ("", "'http://a.invalid/d/dists/bookworm/main/binary-amd64/Packages.xz' x 0\n",
     ["http://a.invalid/d/"])])
def test_the_machines_archives(monkeypatch, fails, targets, uris, addresses):
    answers = {"indextargets": targets, "update": uris}
    monkeypatch.setattr(archive, "ask_apt", lambda verb, *_: answers[verb])
    monkeypatch.delenv("DEBIAN_ARCHIVE", raising=False)
    assert archive.debian_addresses() == addresses
    answers.update(indextargets="", update="")
    with fails("knows no Debian archive", "DEBIAN_ARCHIVE"):
        archive.debian_addresses()
    monkeypatch.setenv("DEBIAN_ARCHIVE", "copy:/x")
    assert archive.debian_addresses() == ["copy:/x"]
