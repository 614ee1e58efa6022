# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user of libvirt does with a domain that has the device.

The tests share a domain; what one needs of it is brought about by `guest`.
"""

import re
import subprocess

import pytest

from vmtest.libvirt import IMAGES, Domain, Events, VirshFailed, device_xml

SIZE = 256              # MiB at start
MAXIMUM = 4096
START = 1 << 32         # where QEMU puts the first device
DISK = f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{IMAGES}/disk.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""          # a snapshot needs it


@pytest.fixture(scope="module", name="domain")
def the_domain(host):
    """It, with a device, not started."""
    domain = Domain(host, "one", device_xml("vm0", MAXIMUM, SIZE), more=DISK)
    domain.define()
    yield domain
    domain.end()


@pytest.fixture
def guest(domain):
    """The domain with its guest running, and its device as at the start."""
    if domain.virsh("domstate") != "running":
        domain.start()
    domain.resize("ua-vm0", SIZE)
    domain.wait_sizes(vm0=SIZE)
    return domain


def fill(guest: Domain) -> str:
    """Put something into memory that was plugged; a sum of it.

    Linux takes pages for files from the zone of movable memory first.
    """
    guest.sh("mkdir -p /data; umount /data; mount -t tmpfs none /data && "
             "dd if=/dev/urandom of=/data/random bs=1M count=64")
    return kept(guest)


def kept(guest: Domain) -> str:
    """The sum of what is there now."""
    return guest.sh("md5sum /data/random")


def test_the_xml_of_a_definition_can_be_defined_again(host, domain):
    xml = domain.virsh("dumpxml", "--inactive")
    assert re.search(rf"<requested unit='KiB'>{SIZE << 10}</requested>", xml)
    host.virsh("define", host.put("again.xml", xml))
    assert domain.virsh("dumpxml", "--inactive") == xml


def test_a_domain_is_confined_as_libvirt_confines_all(guest):
    assert " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny," \
        "resourcecontrol=deny " in guest.command_line()
    status = (guest.qemu() / "status").read_text()
    assert "\nSeccomp:\t2\n" in status
    assert not re.search(r"^Uid:\t0\t", status, re.M)
    guest.resize("ua-vm0", 2 * SIZE)
    guest.wait_sizes(vm0=2 * SIZE)


def test_current_follows_a_resize_by_event(guest):
    with Events(guest) as events:
        for size in (1024, 128, 0, SIZE):
            guest.resize("ua-vm0", size)
            events.wait_for("ua-vm0", size)
            assert guest.devices()["ua-vm0"] == {
                "size": MAXIMUM, "block": 2, "requested": size, "current": size}
            guest.wait_sizes(vm0=size)


def test_a_second_device_comes_and_goes(host, guest):
    second = host.put("second.xml", device_xml("vm1", 2048, 512))
    guest.virsh("attach-device", second, "--live")
    guest.wait_sizes(vm0=SIZE, vm1=512)
    with pytest.raises(VirshFailed, match="cannot get unplugged while"):
        guest.virsh("detach-device-alias", "ua-vm1", "--live")
    guest.resize("ua-vm1", 0)
    guest.wait_sizes(vm0=SIZE, vm1=0)
    guest.virsh("detach-device-alias", "ua-vm1", "--live")
    host.wait(lambda: list(guest.devices()) == ["ua-vm0"], "ua-vm1 to go")
    guest.wait_sizes(vm0=SIZE)


def test_a_reset_unplugs_all_and_the_guest_plugs_it_again(guest):
    with Events(guest) as events:
        guest.virsh("reset")
        guest.restarted()
        guest.wait_sizes(vm0=SIZE)
        assert 0 in events.sizes("ua-vm0")


def test_a_domain_is_saved_and_started_again(guest):
    data = fill(guest)
    guest.resize("ua-vm0", 2 * SIZE)
    guest.wait_sizes(vm0=2 * SIZE)
    guest.virsh("managedsave")
    assert guest.virsh("domstate") == "shut off"
    guest.virsh("start")
    guest.connect()
    guest.wait_sizes(vm0=2 * SIZE)
    assert kept(guest) == data
    guest.resize("ua-vm0", SIZE)
    guest.wait_sizes(vm0=SIZE)


def test_a_domain_goes_back_to_a_snapshot(guest):
    data = fill(guest)
    guest.virsh("snapshot-create-as", "first")
    guest.resize("ua-vm0", 2 * SIZE)
    guest.wait_sizes(vm0=2 * SIZE)
    fill(guest)
    guest.virsh("snapshot-revert", "first")
    guest.connect()
    guest.wait_sizes(vm0=SIZE)
    assert kept(guest) == data
    guest.virsh("snapshot-delete", "first")


def test_a_dump_has_the_memory_that_is_plugged(host, guest):
    guest.virsh("dump", "--memory-only", "/tmp/core")
    headers = subprocess.run(["readelf", "-lW", host.root / "tmp/core"], text=True,
                             capture_output=True, check=True).stdout
    sizes = [int(size, 16) for address, size in re.findall(
        r"^ *LOAD +0x\S+ 0x\S+ (0x\S+) (0x\S+) ", headers, re.M)
        if START <= int(address, 16) < START + (MAXIMUM << 20)]
    assert sum(sizes) == SIZE << 20
    guest.wait_sizes(vm0=SIZE)
