# SPDX-License-Identifier: GPL-2.0-or-later
"""The Makefile: what `make install` installs is used from there; `make help`."""

import os
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from driver import paths

run = partial(subprocess.run, check=True, text=True, capture_output=True)


def environment() -> dict:
    """That of a user, who has typed no make."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "FULL", "RELEASE", "TARGETS"))}


def test_installed_programs_run_and_find_what_they_need(tmp_path):
    top = tmp_path / "opt/vm"
    run(["make", "-s", "-C", paths.ROOT, "install", "PREFIX=/opt/vm",
         f"DESTDIR={tmp_path}"], env=environment())
    qemu = top / "bin/qemu-system-x86_64"
    places = map(Path, map(os.path.realpath, run([qemu, "-L", "help"]).stdout.split()))
    assert top / "share/qemu" in places
    assert not run(
        [qemu, "-machine", "q35", "-display", "none", "-S", "-nic", "user",
         "-m", "256M,maxmem=2G", "-qmp", "stdio",
         "-object", "memory-backend-ram,id=mem0,size=1G,reserve=off",
         "-device", "virtio-mem-pci,id=vm0,memdev=mem0"], cwd=tmp_path,
        input='{"execute":"qmp_capabilities"}{"execute":"quit"}').stderr
    run([top / "bin/vmemctl", "--help"])
    for name in ("qemu/bios-256k.bin", "man/man1/vmemctl.1",
                 "bash-completion/completions/vmemctl"):
        assert (top / "share" / name).is_file()


@pytest.mark.parametrize("words, other", [
    ((), True), (("SUITES=qtest",), True), (("SUITES=unit",), False),
    (("SANITIZE=1",), False), (("QEMU_SRC=/x",), False), (("QEMU=11.1",), False)])
def test_qtests_run_with_the_other_series_too(words, other):
    said = run(["make", "-n", "-C", paths.ROOT, "check", *words],
               env=environment()).stdout
    assert ("-C build/11.1/qemu/obj --logbase qtest" in said and
            "RESULTS=build/results/11.1" in said) == other


def test_help_names_every_verb():
    text = run(["make", "-s", "-C", paths.ROOT, "help"]).stdout
    for verb in ("demo run check check-full check-release flood fuzz bench coverage stock install "
                 "export-series clean").split():
        assert f"\nmake {verb} " in text


@pytest.mark.parametrize("verb, marks, machines", [
    ("check", "not full and not release and not fuzz", ["aarch64"]),
    ("check-full", "not release and not fuzz", ["aarch64", "s390x"]),
    ("check-release", "not fuzz", ["aarch64", "s390x", "aarch64-16k", "aarch64-acpi",
                                   "s390x-pci", "riscv64"]),
    ("check SUITES=packages", "not fuzz", [])])
def test_each_verb_runs_what_it_has_time_for(verb, marks, machines):
    said = run(["make", "-n", "-C", paths.ROOT, *verb.split()],
               env=environment()).stdout
    assert re.search(r'pytest .*-m "(.*?)" tests/\w', said)[1].split() == marks.split()
    assert re.findall(r"VM_TARGET=(\S+)", said) == machines
    assert said.count("qtest-aarch64/qos-test") == bool(machines)
    assert ("tests/newcomer" in said) == (verb == "check-release")
