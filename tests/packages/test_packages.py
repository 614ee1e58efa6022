# SPDX-License-Identifier: GPL-2.0-or-later
"""`make deb` on Debian 12 and 13: what it makes is used on another fresh machine."""

import os
import re

import pytest

from driver import paths
from vmtest.fresh import CLONE, Machine, hindrance, remove

EMULATOR = "/usr/bin/qemu-system-x86_64-virtio-mem"
NAMES = ("qemu-system-virtio-mem", "vmemctl")
BUILD = ("git", "make", "python3", "ca-certificates")
# The demonstration is of the project, not of the package.
DEMONSTRATION = f"PYTHONPATH=python:build/qemu/src/python VM_QEMU={EMULATOR} " \
    "PYTHONDONTWRITEBYTECODE=1 python3 -m vmtest.demo"
# apt keeps what others recommend: in Debian 13 libidn2, as the C library does.
ALL = "-o APT::AutoRemove::RecommendsImportant=0 -o APT::AutoRemove::SuggestsImportant=0"
# What apt and dpkg remember, and caches.
MEMORY = re.compile("/var/(lib/(dpkg|apt|ucf)|cache|log)/|/etc/ld.so.cache|/root/|/tmp/")

pytestmark = [pytest.mark.release, pytest.mark.timeout(5400)]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def suite(request) -> str:
    """The Debian that packages are for."""
    if problem := hindrance():
        pytest.skip(problem)
    return request.param


@pytest.fixture(scope="module")
def builder(suite):
    """A machine on which they were made."""
    machine = Machine(suite, "builder")
    machine.make()
    machine.install(*BUILD)
    machine.clone()
    machine.run("make deb")
    return machine


@pytest.fixture(scope="module")
def debs(builder):
    """Where they are, from here."""
    return builder.root / CLONE[1:] / "build/packages"


@pytest.fixture(scope="module")
def user(suite, debs):
    """Another machine: on which they are used; kept if a test failed."""
    machine = Machine(suite, "user")
    machine.make()
    machine.more = {"/debs": debs, "/project": paths.ROOT}
    return machine


def run(user: Machine, command: str) -> str:
    """Run a command there."""
    return user.run(command, "/project", more=user.more)


def files(machine: Machine) -> set[str]:
    """All that is on its disk."""
    found = machine.run("find / -xdev -not -type d", "/").splitlines()
    return {name for name in found if not MEMORY.match(name)}


def test_lintian_finds_no_error(builder):
    builder.install("lintian")
    builder.run("lintian --fail-on error --allow-root build/packages/*.changes")


def test_name_and_version_tell_what_it_is(suite, builder, debs):
    ours = (paths.ROOT / "VERSION").read_text().strip()
    qemu = builder.run("cat build/qemu/src/VERSION").strip()
    release = {"bookworm": "12", "trixie": "13"}[suite]
    version = f"{ours}+qemu{qemu}-1~deb{release}"
    there = {name for name in os.listdir(debs) if name.endswith(".deb")}
    assert {f"{name}_{version}_amd64.deb" for name in NAMES} <= there


def test_they_are_used_and_leave_nothing(user, suite, debs):
    """Installed, asked what they are, demonstrated and removed."""
    user.install("python3")
    before = files(user)
    wanted = [f"/debs/{name}_*_amd64.deb" for name in NAMES]
    run(user, "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy "
        f"--no-install-recommends {' '.join(wanted)}")
    assert "virtio-mem overlay" in run(user, f"{EMULATOR} --version")
    assert run(user, "vmemctl --version")
    assert run(user, f"dpkg -S $(command -v vmemctl) {EMULATOR}")
    assert "\nAll agree: " in run(user, DEMONSTRATION)
    run(user, f"apt-get purge -qy --autoremove {ALL} {' '.join(NAMES)}")
    assert files(user) - before == set()
    assert before - files(user) == set()


def test_autopkgtest(user, builder, debs):
    """Debian's way to test packages: its test resizes a guest."""
    user.install("autopkgtest")
    tree = "/debs/virtio-mem-qemu/"
    run(user, f"autopkgtest --apt-upgrade /debs/*_amd64.deb {tree} -- null")
