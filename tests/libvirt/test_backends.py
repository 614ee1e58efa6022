# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the memory comes from, and which node of the guest has it."""

import re

import pytest

from vmtest.libvirt import Domain, device_xml
from vmtest.memory import MiB
from vmtest.pool import Pool

SIZE = 256
HUGE = "<source><pagesize unit='KiB'>2048</pagesize></source>"
MEMFD = "<source type='memfd'/>"
SHARED = "<source type='memfd'/><access mode='shared'/>"


def check_it_resizes(domain: Domain) -> None:
    """It grows, and shrinks to nothing."""
    for size in (SIZE, 2 * SIZE, 0):
        domain.resize("ua-vm0", size)
        domain.wait_sizes(vm0=size)


def backend(domain: Domain) -> str:
    """The memory backend of its device."""
    return re.search(r'{"qom-type":"([^}]*)"id":"memua-vm0".*?}',
                     domain.command_line())[0]


@pytest.mark.parametrize("backing, kind", [
    (MEMFD, r"memfd\b.*(?!share)"), (SHARED, r'memfd\b.*"share":true')],
    ids=("memfd", "shared memfd"))
def test_memfd(started, backing, kind):
    domain = started("memfd", device_xml("vm0", 1024, SIZE), backing=backing)
    assert re.search(kind, backend(domain))
    check_it_resizes(domain)


@pytest.mark.parametrize("backing", ["", MEMFD], ids=("file", "memfd"))
def test_huge_pages(started, backing):
    """They are there when they are plugged: the pool has no more of them then."""
    with Pool() as pool:
        pool.allow(2 * SIZE * MiB)
        if not pool.has(2 * SIZE * MiB):
            pytest.skip(f"the host cannot make {2 * SIZE} MiB of huge pages")
        domain = started("huge", device_xml("vm0", 1024, SIZE, source=HUGE),
                         backing=backing)
        assert re.search("hugetlb|/dev/hugepages", backend(domain))
        domain.wait_sizes(vm0=SIZE)
        assert pool.free() == SIZE * MiB
        check_it_resizes(domain)
        assert pool.free() == 2 * SIZE * MiB
        domain.end()


def test_each_node_has_a_device(started):
    domain = started("nodes", device_xml("vm0", 1024, SIZE, node=0),
                     device_xml("vm1", 1024, 2 * SIZE, node=1), cells=2)
    domain.wait_sizes(vm0=SIZE, vm1=2 * SIZE)
    assert domain.gained().nodes == {0: SIZE * MiB, 1: 2 * SIZE * MiB}
    domain.resize("ua-vm1", 0)
    domain.wait_sizes(vm0=SIZE, vm1=0)
    assert domain.gained().nodes == {0: SIZE * MiB, 1: 0}


@pytest.mark.parametrize("asked, mapped", [("yes", ", 1 of 4 memslots mapped"),
                                           ("no", "")])
def test_dynamic_memory_slots(suite, started, asked, mapped):
    """One slot of 1 GiB is mapped of 4 GiB, or all is."""
    if suite == "bookworm":
        pytest.skip("libvirt has dynamicMemslots since 10.1.0")
    domain = started("slots", device_xml("vm0", 4096, SIZE, slots=asked))
    domain.wait_sizes(vm0=SIZE)
    words = {"yes": "true", "no": "false"}
    assert f'"dynamic-memslots":{words[asked]}' in domain.command_line()
    said = domain.virsh("qemu-monitor-command", "--hmp", "info memory-devices")
    assert re.search(rf"^ *status: settled since \d+ s{mapped}$", said, re.M), said
    check_it_resizes(domain)
