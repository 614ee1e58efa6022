# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt says of a mistake, and that nothing is changed by it."""

import pytest

from vmtest.libvirt import Domain, VirshFailed, device_xml

HUGE = "<source><pagesize unit='KiB'>2048</pagesize></source>"
BEYOND = r"requested size must be smaller than or equal to @size \(1048576KiB\)"
UNEVEN = "requested size must be an integer multiple of block size"
NODE = "can't add memory backend for guest node '7' as the guest has only '1' NUMA"


@pytest.mark.parametrize("said, device, options", [
    (BEYOND, {"requested": 2048}, {}),
    (UNEVEN, {"requested": 3}, {}),
    ("block size must be a power of two", {"size": 1023, "block": 3}, {}),
    ("block size too small, must be at least 2048KiB", {"block": 1}, {}),
    ("block size too small, must be at least 2048KiB",
     {"block": 1, "source": HUGE}, {}),
    ("cannot use/hotplug a memory device when domain 'maxMemory' is not defined",
     {}, {"maximum": 0}),
    (NODE, {"node": 7}, {}),
    ("maximum memory size must be equal or greater than the actual memory size",
     {"size": 32768}, {})], ids=lambda value: "" if isinstance(value, dict) else None)
def test_a_definition_is_refused(host, said, device, options):
    device = {"size": 1024, "requested": 0, **device}
    with pytest.raises(VirshFailed, match=said):
        Domain(host, "refused", device_xml("vm0", **device), **options).define()
    assert "refused" not in host.virsh("list", "--all", "--name")


@pytest.fixture(scope="module", name="stopped")
def the_stopped(host):
    """A domain that has never run."""
    domain = Domain(host, "stopped", device_xml("vm0", 1024, 512))
    domain.define()
    domain.virsh("start", "--paused")
    yield domain
    domain.end()


@pytest.mark.parametrize("said, alias, size", [
    (BEYOND, "ua-vm0", 2048), (UNEVEN, "ua-vm0", 3),
    ("no memory device found", "ua-vm9", 4)])
def test_a_resize_is_refused(stopped, said, alias, size):
    with pytest.raises(VirshFailed, match=said):
        stopped.resize(alias, size)
    assert stopped.devices()["ua-vm0"]["requested"] == 512


@pytest.mark.parametrize("said, device", [
    ("would exceed domain's maxMemory config size '16777216'",
     {"alias": "vm1", "size": 1 << 20}),
    ("non unique alias detected: ua-vm0", {"alias": "vm0", "size": 1024}),
    (NODE, {"alias": "vm1", "size": 1024, "node": 7})])
def test_another_device_is_refused(host, stopped, said, device):
    xml = host.put("refused.xml", device_xml(**device, requested=0))
    with pytest.raises(VirshFailed, match=said):
        stopped.virsh("attach-device", xml, "--live")
    assert list(stopped.devices()) == ["ua-vm0"]


def test_a_device_that_shall_have_memory_does_not_go(stopped):
    with pytest.raises(VirshFailed, match="unable to execute QEMU command 'device_del': "
                       "virtio-mem device cannot get unplugged while "
                       "'requested-size' != '0'"):
        stopped.virsh("detach-device-alias", "ua-vm0", "--live")
    assert list(stopped.devices()) == ["ua-vm0"]


def test_qemus_own_message_arrives(host, defined):
    """What only QEMU knows to be wrong: a domain does not start, and says why."""
    domain = defined("overlap", device_xml("vm0", 1024, 512), more="""
    <memory model='dimm'>
      <target><size unit='MiB'>512</size><node>0</node></target>
      <address type='dimm' slot='0' base='0x120000000'/>
    </memory>""")
    with pytest.raises(VirshFailed, match="address range"):
        domain.virsh("start")
    assert domain.virsh("domstate") == "shut off"
