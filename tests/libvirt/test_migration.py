# SPDX-License-Identifier: GPL-2.0-or-later
"""A running domain moves from one daemon to another, as `virsh migrate` has it."""

import pytest

from vmtest.libvirt import DEBIANS, OURS, Domain, Host, VirshFailed, device_xml

SIZE = 256              # MiB


@pytest.fixture(scope="module", name="other")
def the_other_host(suite, host):
    """Where to go."""
    with Host(suite, "migration", 2, beside=host) as started:
        yield started


@pytest.fixture(name="domain")
def the_domain(host, other, request):
    """A running one with two devices, and something in its memory."""
    domain = Domain(host, "moving", device_xml("vm0", 1024, SIZE),
                    device_xml("vm1", 1024, 0),
                    emulator=getattr(request, "param", OURS))
    try:
        domain.define()
        domain.start()
        domain.wait_sizes(vm0=SIZE, vm1=0)
        domain.sh("mount -t tmpfs none /tmp && "
                  "dd if=/dev/urandom of=/tmp/random bs=1M count=64")
        yield domain
    finally:
        for place in (other, host):
            domain.host = place
            domain.end()


def check_it_moved(domain: Domain, to: Host, data: str) -> None:
    """The guest is there with what it had, and can be resized."""
    assert domain.virsh("domstate") == "shut off"
    domain.host = to
    assert domain.virsh("domstate") == "running"
    domain.connect()
    domain.wait_sizes(vm0=SIZE, vm1=0)
    assert domain.sh("md5sum /tmp/random") == data
    domain.resize("ua-vm0", 2 * SIZE)
    domain.resize("ua-vm1", SIZE)
    domain.wait_sizes(vm0=2 * SIZE, vm1=SIZE)
    domain.resize("ua-vm0", SIZE)
    domain.resize("ua-vm1", 0)
    domain.wait_sizes(vm0=SIZE, vm1=0)


def move(domain: Domain, to: Host, *options: str) -> None:
    """Migrate it."""
    domain.virsh("migrate", f"qemu+tcp://{to.address}/system",
                 "--live", "--persistent", "--migrateuri", f"tcp://{to.address}",
                 *options)


def test_there_and_back(host, other, domain):
    data = domain.sh("md5sum /tmp/random")
    move(domain, other)
    check_it_moved(domain, other, data)
    move(domain, host, "--p2p", "--parallel")
    check_it_moved(domain, host, data)


def test_a_move_to_another_device_is_refused(host, other, domain):
    """What is not the same there is named, and the guest goes on here."""
    data = domain.sh("md5sum /tmp/random")
    xml = host.put("there.xml", domain.virsh("dumpxml", "--migratable").replace(
        "<block unit='KiB'>2048</block>", "<block unit='KiB'>4096</block>"))
    with pytest.raises(VirshFailed, match="Target memory device block size '4096' "
                       "doesn't match source memory device block size '2048'"):
        move(domain, other, "--xml", xml)
    assert domain.virsh("domstate") == "running"
    assert domain.sh("md5sum /tmp/random") == data


@pytest.mark.parametrize("domain", [DEBIANS], indirect=True)
def test_from_debians_qemu_to_ours_and_back(suite, host, other, domain):
    """How a user changes to ours without a restart of the guest."""
    if suite == "bookworm":
        pytest.skip("its QEMU is not the release that ours is laid over")
    data = domain.sh("md5sum /tmp/random")
    for emulator, there in ((OURS, other), (DEBIANS, host)):
        here = DEBIANS if emulator == OURS else OURS
        xml = domain.virsh("dumpxml", "--migratable")
        assert here in xml
        move(domain, there, "--xml", domain.host.put(
            "there.xml", xml.replace(here, emulator)))
        check_it_moved(domain, there, data)
        assert domain.command_line().startswith(emulator)
