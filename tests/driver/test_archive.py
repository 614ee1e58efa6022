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
Depends: libc6 (>= 2.1)
"""
DEB, ORIG = "pool/tool_2.0-1_all.deb", "pool/src_10.0.3.orig.tar.xz"


@pytest.fixture
def mirror(write, tmp_path):
    """A Debian archive with one binary and one source package."""
    top, indexes = tmp_path / "mirror", "mirror/dists/trixie/main"
    write("tree/DEBIAN/control", CONTROL)
    write("tree/usr/bin/tool")
    files = [write(f"mirror/{ORIG}", "source"),
             write("mirror/pool/src_10.0.3-2.dsc", "Format: 3.0 (quilt)\n"), top / DEB]
    subprocess.run(["dpkg-deb", "-Znone", "-b", tmp_path / "tree", top / DEB],
                   check=True, capture_output=True)
    *sources, (sha, size, _) = [
        (hashlib.sha256(file.read_bytes()).hexdigest(), str(file.stat().st_size),
         f"{file.name}\n") for file in files]
    for arch in ("amd64", "arm64"):
        write(f"{indexes}/binary-{arch}/Packages",
              f"{CONTROL}Filename: {DEB}\nSHA256: {sha}\nSize: {size}\n")
    write(f"{indexes}/source/Sources", "Package: src\nBinary: src\nVersion: 10.0.3-2\n"
          "Directory: pool\nChecksums-Sha256:\n " + " ".join(map(" ".join, sources)))
    return top


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """The Archive under test over these mirrors; it waits for nobody."""
    def make(*mirrors, options: str = "trusted=yes", arch: str = "amd64"):
        return archive.Archive(
            "trixie", arch, tmp_path / "cache", tmp_path / "log", options=options,
            tries=2,
            addresses=[f"copy:{top}/" for top in mirrors] or ["http://127.0.0.1:9/"])
    make.waits = []
    monkeypatch.setattr(archive.time, "sleep", make.waits.append)
    return make


def test_what_is_fetched_is_kept_and_asked_for_once(mirror, fetch, fails, tmp_path):
    deb, dsc = fetch(mirror).deb("tool"), fetch(mirror).source("src", "10.0.*")
    assert deb.read_bytes() == (mirror / DEB).read_bytes()
    assert (dsc.parent / "src_10.0.3.orig.tar.xz").exists()
    assert fetch(mirror, arch="arm64").deb("tool").parent.name == "arm64"
    assert not list(tmp_path.glob("cache/partial-*"))
    shutil.rmtree(mirror)
    again = fetch(mirror)
    assert (again.deb("tool"), again.source("src", "10.0.*")) == (deb, dsc)
    assert "libc6 (>= 2.1)" in again.dpkg_deb("-f", "tool", "Depends")
    again.unpack("tool", tmp_path / "out")
    assert (tmp_path / "out/usr/bin/tool").exists()
    deb.write_text("damaged")
    with fails(deb, "remove that file"):
        again.unpack("tool", tmp_path / "out")


@pytest.mark.parametrize("spoil, verb, words, phrases", [
    (lambda top: (top / DEB).unlink(), "deb", ["tool"],
     ["does not deliver tool", "tool_2.0-1_all.deb", "synchronised"]),
    (lambda top: (top / ORIG).unlink(), "source", ["src"],
     ["does not deliver src", "src_10.0.3.orig.tar.xz", "synchronised"]),
    (lambda top: (top / DEB).write_bytes(bytes((top / DEB).stat().st_size)),
     "deb", ["tool"], ["does not deliver tool"]),   # apt 3.0 does not say why
    (None, "deb", ["gone"], ["trixie has no package gone"]),
    (None, "source", ["src", "9.9.*"], ["10.0.3", "9.9.*", "qemu.pin", "QEMU_SRC"])])
def test_what_cannot_be_had_is_said_and_maybe_waited_for(
        mirror, fetch, fails, tmp_path, spoil, verb, words, phrases):
    whole = shutil.copytree(mirror, tmp_path / "whole")
    if spoil:
        spoil(mirror)
    with fails(*phrases):
        getattr(fetch(mirror), verb)(*words)
    assert len(fetch.waits) == (1 if spoil else 0)
    assert not list(tmp_path.glob("cache/**/*.deb"))
    if spoil:
        assert getattr(fetch(mirror, whole), verb)(*words).exists()


@pytest.mark.parametrize("name, digest", [
    ("src_10.0.2-1", ""), ("src_10.0.2-1", "wrong"), ("src_10.0.1-1", "")])
def test_what_the_archive_lacks_is_taken_from_its_pool(
        mirror, fetch, fails, write, capsys, tmp_path, name, digest):
    (mirror / ORIG).unlink()
    pool = "mirror/pool/main/s/src/src_10.0.2"
    sha = hashlib.sha256(write(f"{pool}.tar", "source").read_bytes()).hexdigest()
    dsc = write(f"{pool}-1.dsc", f"Checksums-Sha256:\n {sha} 6 src_10.0.2.tar\nFiles:\n")
    sha = hashlib.sha256(dsc.read_bytes()).hexdigest()
    words = "src", "10.0.*", f"{name} {digest or sha}"
    if (name, digest) != (dsc.stem, ""):
        with fails(f"fetching {name}.dsc from the pool failed"):
            fetch(mirror).source(*words)
        assert not list(tmp_path.glob("cache/**/src_*"))
        return
    kept = fetch(mirror).source(*words)
    assert kept.read_text() == dsc.read_text()
    assert kept.with_name("src_10.0.2.tar").read_text() == "source"
    assert "does not deliver src" in capsys.readouterr().out
    assert fetch(mirror).source(*words) == kept
    assert not capsys.readouterr().out


def test_unsigned_archive_is_refused(mirror, fetch, fails, write):
    write("mirror/dists/trixie/Release", "Suite: trixie\n")
    with fails("cannot verify", "debian-archive-keyring"):
        fetch(mirror, options=f"signed-by={archive.KEYRING}").deb("tool")


def test_no_network(fetch, fails, monkeypatch):
    for name, value in (("http_proxy", ""), ("no_proxy", "*")):
        monkeypatch.setenv(name, value)
    with fails("cannot reach the Debian archive for tool", "check the network"):
        fetch().deb("tool")


def test_the_machines_archives(write, tmp_path, monkeypatch, fails):
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.delenv("DEBIAN_ARCHIVE", raising=False)
    with fails("apt-get is not on this machine", "install it"):
        archive.debian_addresses()
    apt = write("bin/apt-get", "#!/bin/sh\n" + "".join(
        f"echo \"'http://{index}/main/binary-all/Packages.xz' x 0\"\n" for index in (
            "t.invalid/dists/nodistro", "a.invalid/d/dists/bookworm-updates",
            "a.invalid/d/dists/bookworm", "s.invalid/dists/bookworm-security",
            "b.invalid/dists/stable")), 0o755)
    assert archive.debian_addresses() == ["http://a.invalid/d/", "http://b.invalid/"]
    apt.write_text("#!/bin/sh\n")
    with fails("knows no Debian archive", "DEBIAN_ARCHIVE"):
        archive.debian_addresses()
    monkeypatch.setenv("DEBIAN_ARCHIVE", "copy:/x")
    assert archive.debian_addresses() == ["copy:/x"]
