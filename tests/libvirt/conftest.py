# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines with libvirt's daemon, for the tests of this directory."""

from pathlib import Path

import pytest

from vmtest.fresh import hindrance
from vmtest.libvirt import Domain, Host

HERE = Path(__file__).parent
SUITES = ("bookworm", "trixie")         # libvirt 9.0, libvirt 11.3


def pytest_collection_modifyitems(items) -> None:
    """All but the command lines take a machine that debootstrap makes, and minutes."""
    for item in items:
        if item.path.parent == HERE and "suite" in item.fixturenames:
            item.add_marker(pytest.mark.release)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="module", params=SUITES)
def suite(request) -> str:
    """The Debian that libvirt comes from."""
    if problem := hindrance():
        pytest.skip(problem)
    return request.param


@pytest.fixture(scope="module")
def host(suite, request):
    """A machine with its daemon."""
    with Host(suite, request.module.__name__.rpartition("test_")[2]) as started:
        yield started


@pytest.fixture
def defined(host):
    """Define domains; they are gone when the test ends."""
    domains = []

    def define(name: str, *memory: str, **options) -> Domain:
        domain = Domain(host, name, *memory, **options)
        domains.append(domain)
        domain.define()
        return domain
    yield define
    for domain in domains:
        domain.end()


@pytest.fixture
def started(defined):
    """Start domains, and wait for their guests."""
    def start(name: str, *memory: str, **options) -> Domain:
        domain = defined(name, *memory, **options)
        domain.start()
        return domain
    return start
