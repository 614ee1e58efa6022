# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuring and building, with a configure and a ninja made for the test."""

import os
import subprocess

import pytest

from driver import build, packages, paths, ui

CONFIGURE = """#!/bin/sh
for word; do echo "$word"; done > words
echo run >> configured
[ -e refuse ] && { echo "glib is too old"; exit 1; }
echo > build.ninja
"""
NINJA = """#!/bin/sh
cd "$2"
[ -e full ] && { echo "as: No space left on device"; exit 1; }
[ -e broken ] && { echo "FAILED: x.o"; echo "x.c:1: error: no x"; exit 1; }
echo "[1/900] Compiling x"
echo > qemu-system-x86_64
"""


@pytest.fixture
def make(write, tmp_path, monkeypatch):
    """A tree whose build takes no time."""
    write("qemu/src/configure", CONFIGURE, 0o755)
    write("bin/ninja", NINJA, 0o755)
    write("fw/bios-256k.bin", "bios")
    (tmp_path / "qemu/obj").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for name in ("TARGETS", "CONFIGURE_FLAGS", "QEMU_SRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(paths, "QEMU_TREE", tmp_path / "qemu/src")
    for function, answer in (("prepare", {}), ("firmware", [tmp_path / "fw"])):
        monkeypatch.setattr(build, function, lambda answer=answer: answer)
    monkeypatch.setattr(build.overlay, "lay", lambda *_: None)
    monkeypatch.setattr(build.source, "prepare", lambda: "source package q_1-2")
    return lambda: build.qemu("qemu")


def words(tmp_path) -> list[str]:
    """What configure was given the last time."""
    return (tmp_path / "qemu/obj/words").read_text().splitlines()


def test_from_a_tree_to_a_binary(make, tmp_path, capsys):
    make()
    assert "building qemu: 1 of 900 steps" in capsys.readouterr().out
    link = tmp_path / "qemu-system-x86_64"
    assert link.exists() and os.readlink(link) == "qemu/obj/qemu-system-x86_64"
    assert (tmp_path / "qemu/obj" / build.BUNDLE / "bios-256k.bin").exists()
    assert "--with-pkgversion=virtio-mem overlay, Debian 1-2" in words(tmp_path)


def test_ninja_finds_meson_by_itself(make, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "prepare", lambda: {"PYTHONPATH": "/there"})
    site = tmp_path / "qemu/obj/pyvenv/lib/python3.11/site-packages"
    site.mkdir(parents=True)
    make()
    assert (site / "driver.pth").read_text() == "/there"


def test_configured_again_for_other_options_and_after_it_failed(
        make, tmp_path, fails, monkeypatch):
    make()
    make()
    configured = tmp_path / "qemu/obj/configured"
    assert configured.read_text().count("run") == 1
    monkeypatch.setenv("CONFIGURE_FLAGS", "--enable-gtk")
    (tmp_path / "qemu/obj/refuse").touch()
    with fails("configuring QEMU failed", "qemu-obj-configure.log") as caught:
        make()
    assert "glib is too old" in caught.value.details
    (tmp_path / "qemu/obj/refuse").unlink()
    make()
    assert configured.read_text().count("run") == 3
    assert "--enable-gtk" in words(tmp_path)


@pytest.mark.parametrize("mark, phrases, detail", [
    ("broken", ("building qemu failed", "qemu-build.log"), "x.c:1: error: no x"),
    ("full", ("is full", "free some space"), "")])
def test_build_that_fails(make, tmp_path, fails, mark, phrases, detail):
    (tmp_path / "qemu/obj" / mark).touch()
    with fails(*phrases) as caught:
        make()
    assert detail in caught.value.details


def test_missing_firmware_is_said(make, tmp_path, fails):
    (tmp_path / "fw/bios-256k.bin").unlink()
    with fails("bios-256k.bin", tmp_path / "fw"):
        make()


def test_a_build_goes_on_without_a_library_and_says_so(make, tmp_path,
                                                       monkeypatch):
    monkeypatch.setattr(packages, "have", lambda library: library == "numa")
    make()
    assert "--enable-numa" in words(tmp_path)
    assert "--enable-seccomp" not in words(tmp_path)
    assert any("-sandbox" in line and "libseccomp" in line
               for line in packages.without())


def test_first_of_many_errors_is_shown_and_what_a_linker_misses():
    output = "".join(f"x.c:{n}: error: no\n" for n in range(1, 99))
    assert ui.telling(f"cc x.c\n{output}")[0] == "x.c:1: error: no"
    assert "undefined reference" in ui.telling(
        "ld: x.c:1: undefined reference to `y'\ncollect2: error: ld\n")[0]


def test_exact_command_for_those_who_may_not_install(monkeypatch, fails):
    monkeypatch.setattr(packages, "as_root", lambda: None)
    monkeypatch.setattr(packages, "absent", lambda names: ["ninja-x"])
    monkeypatch.setattr(packages.shutil, "which", lambda tool: tool)
    with fails("'sudo apt-get install -y --no-install-recommends ninja-x'"):
        packages.ensure()


@pytest.mark.skipif(not os.path.exists("/var/lib/dpkg/status"),
                    reason="needs a machine with Debian packages")
def test_missing_package_is_seen():
    assert packages.absent(["dpkg", "no-such-package-x"]) == ["no-such-package-x"]


def test_missing_command_and_full_disk_under_a_log(tmp_path, fails, mount):
    with fails("trying failed"):
        ui.run(["no-such-command-x"], log=tmp_path / "log", what="trying")
    assert "command not found" in (tmp_path / "log").read_text()
    with fails("the disk that holds", "is full"):
        ui.run(["seq", "20000"], log=mount("size=16k") / "log", what="counting")


def test_help_names_every_verb():
    text = subprocess.run(["make", "-s", "-C", paths.ROOT, "help"], check=True,
                          capture_output=True, text=True).stdout
    for verb in ("demo", "run", "check", "check-full", "flood", "fuzz", "bench",
                 "coverage", "stock", "install", "clean"):
        assert f"\nmake {verb} " in text
