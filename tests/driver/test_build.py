# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuring and building, with a configure and a ninja made for the test."""

import os

import pytest

from driver import build, packages, paths, ui

CONFIGURE = """#!/bin/sh
for word; do echo "$word"; done > words
echo run >> configured
mkdir -p pyvenv/lib/python3.11/site-packages
[ -e ../refuse ] && { echo "glib is too old"; exit 1; }
echo > build.ninja
"""
NINJA = """#!/bin/sh
cd "$2"
[ -e ../full ] && { echo "as: No space left on device"; exit 1; }
[ -e ../broken ] && { echo FAILED; echo "x.c:1: error: no x"; seq 99; exit 1; }
echo "[1/900] Compiling x"
echo > qemu-system-x86_64
"""


@pytest.fixture
def obj(write, tmp_path, monkeypatch):
    """Where the objects of a tree come whose build takes no time."""
    write("qemu/src/configure", CONFIGURE, 0o755)
    write("bin/ninja", NINJA, 0o755)
    write("fw/pc-bios/bios-256k.bin", "bios")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for name in ("TARGETS", "CONFIGURE_FLAGS", "QEMU_SRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(paths, "HERE", tmp_path)
    monkeypatch.setattr(paths, "QEMU_TREE", tmp_path / "qemu/src")
    monkeypatch.setattr(build, "prepare", lambda *_: {"PYTHONPATH": "/there"})
    monkeypatch.setattr(build, "private", lambda: False)
    monkeypatch.setattr(paths, "PRISTINE", tmp_path / "fw")
    monkeypatch.setattr(packages, "have", lambda library: library == "numa")
    monkeypatch.setattr(build.overlay, "lay", lambda *_: None)
    monkeypatch.setattr(build.source, "prepare", lambda: "source package q_1-2")
    return tmp_path / "qemu/obj"


def test_from_a_tree_to_a_binary(obj, tmp_path, capsys):
    build.qemu("qemu")
    said = capsys.readouterr().out
    assert "building qemu: 1 of 900 steps" in said
    assert "built without the option -sandbox: libseccomp is missing" in said
    link = tmp_path / "qemu-system-x86_64"
    assert link.exists() and os.readlink(link) == "qemu/obj/qemu-system-x86_64"
    assert (obj / build.BUNDLE / "bios-256k.bin").exists()
    words = (obj / "words").read_text().splitlines()
    assert f"--with-pkgversion={build.NAME}, Debian 1-2" in words
    assert "--enable-numa" in words and "--enable-seccomp" not in words
    [site] = obj.glob("pyvenv/lib/python3.11/site-packages/driver.pth")
    assert site.read_text() == "/there", "ninja by hand would not find meson"


def test_configured_again_for_other_options_and_after_it_failed(obj, fails, write,
                                                                monkeypatch):
    build.qemu("qemu")
    build.qemu("qemu")
    assert (obj / "configured").read_text().count("run") == 1
    monkeypatch.setenv("CONFIGURE_FLAGS", "--enable-gtk")
    refuse = write("qemu/refuse")
    with fails("configuring build/qemu/obj failed", "qemu/obj-configure.log") as caught:
        build.qemu("qemu")
    assert "glib is too old" in caught.value.details
    refuse.unlink()
    build.qemu("qemu")
    assert (obj / "configured").read_text().count("run") == 3
    assert "--enable-gtk" in (obj / "words").read_text().splitlines()
    monkeypatch.setattr(build.source, "prepare", lambda: "source package q_1-3")
    build.qemu("qemu")      # objects of the other one, newer than its files, are gone
    assert (obj / "configured").read_text().count("run") == 1


def test_targets_that_are_named_join_those_of_before(obj, tmp_path, monkeypatch):
    build.qemu("qemu")
    monkeypatch.setenv("TARGETS", "aarch64, avr-softmmu")
    build.qemu("qemu")
    monkeypatch.delenv("TARGETS")
    for _ in range(2):
        words = (obj / "words").read_text().splitlines()
        assert "--target-list=x86_64-softmmu,aarch64-softmmu,avr-softmmu" in words
        assert (tmp_path / "qemu-system-aarch64").is_symlink()
        build.qemu("qemu")


@pytest.mark.parametrize("mark, phrases, detail", [
    ("broken", ("building qemu failed", "qemu-build.log"), "x.c:1: error: no x"),
    ("full", ("is full", "free some space"), "")])
def test_build_that_fails(obj, write, fails, mark, phrases, detail):
    write(f"qemu/{mark}")
    with fails(*phrases) as caught:
        build.qemu("qemu")
    assert caught.value.details.strip().startswith(detail)


def test_missing_firmware_is_said(obj, fails):
    (paths.PRISTINE / "pc-bios/bios-256k.bin").unlink()
    with fails("bios-256k.bin", paths.PRISTINE / "pc-bios", "QEMU_SRC"):
        build.qemu("qemu")


@pytest.mark.skipif(not os.path.exists("/var/lib/dpkg/status"),
                    reason="needs a machine with Debian packages")
def test_missing_packages_are_seen_and_named_in_a_command(obj, write, monkeypatch,
                                                          fails):
    write("bin/id", "#!/bin/sh\necho 1000\n", 0o755)
    write("bin/sudo", "#!/bin/sh\necho sudo: a password is required\nexit 1\n", 0o755)
    monkeypatch.setattr(packages, "FEATURES", ())
    monkeypatch.setattr(packages, "BUILD", ("dpkg", "no-such-package-x"))
    with fails("'sudo apt-get update && sudo apt-get install -y "
               "--no-install-recommends no-such-package-x'") as caught:
        packages.ensure()
    assert "a password is required" in caught.value.details


def test_missing_command_is_one_line_and_status_1(tmp_path, capsys):
    assert ui.main(lambda: ui.run(["no-x"], log=tmp_path / "log", what="a test")) == 1
    assert capsys.readouterr().err == (
        "error: a test failed: no-x is not on this machine: install it and try again\n")
