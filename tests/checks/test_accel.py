# SPDX-License-Identifier: GPL-2.0-or-later
"""Which accelerator is chosen, with a QEMU made for the test."""

import os

import pytest

from driver import paths
from vmtest import accel


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One with /dev/kvm; `say` is what a guest prints there."""
    monkeypatch.delenv("ACCEL", raising=False)
    monkeypatch.setattr(paths, "QEMU", tmp_path / "qemu")

    def look(say: str, device: str = "kvm") -> str:
        (tmp_path / "kvm").touch()
        paths.QEMU.write_text(f"#!/bin/sh\necho x >> {tmp_path}/ran\necho {say}\n")
        paths.QEMU.chmod(0o755)
        os.utime(paths.QEMU, (1, 1))
        return accel.found(tmp_path / device, tmp_path / "cache" / "accelerator")
    look.ran = tmp_path / "ran"
    return look


def test_kvm_where_the_guest_starts_with_it(machine):
    assert machine("guest ready") == "kvm"


def test_tcg_where_it_does_not(machine):
    assert machine("KVM internal error") == "tcg"


def test_without_kvm_nothing_is_started(machine):
    assert machine("guest ready", "none") == "tcg"
    assert not machine.ran.exists()


def test_the_answer_is_kept_until_qemu_is_another(machine):
    for _ in range(2):
        assert machine("guest ready") == "kvm"
    assert machine.ran.read_text() == "x\n"
    os.utime(paths.QEMU, (2, 2))
    assert accel.found(machine.ran.with_name("kvm"),
                       machine.ran.with_name("cache") / "accelerator") == "kvm"
    assert machine.ran.read_text() == "x\nx\n"


@pytest.mark.parametrize("asked", ["tcg", "kvm"])
def test_the_user_decides(monkeypatch, asked):
    monkeypatch.setenv("ACCEL", asked)
    assert accel.name() == asked


def test_another_word_is_an_error(monkeypatch):
    monkeypatch.setenv("ACCEL", "hvf")
    with pytest.raises(SystemExit, match="ACCEL=hvf is not one of tcg, kvm"):
        accel.name()
