# SPDX-License-Identifier: GPL-2.0-or-later
"""What the manual says of libvirt is done: its domains, its commands, what they print."""

import re
import subprocess

import pytest

from driver import paths
from vmtest import manual
from vmtest.libvirt import GUEST, OURS, TALK, Domain

BLOCKS = {block.first: block.text for block in manual.blocks(
    manual.MANUAL.read_text(encoding="utf-8"))}
DOMAIN = BLOCKS["<domain type='kvm'>"]
# What this machine has not, and what tests need.
EDITS = (
    ("<domain type='kvm'>", "<domain type='qemu'>"),
    ("<cpu mode='host-passthrough'>", "<cpu>"),
    ("/usr/bin/qemu-system-x86_64-virtio-mem", OURS),
    ("  </os>", f"{GUEST}  </os>"),
    ("  </devices>", f"{TALK.format(name='web1')}  </devices>"))


def edited(xml: str, *edits: tuple[str, str]) -> str:
    """The XML with the edits, each of which fits once."""
    for old, new in (*EDITS, *edits):
        assert xml.count(old) == 1, old
        xml = xml.replace(old, new)
    return xml


@pytest.fixture(name="domain")
def the_domain(host):
    """One that is called as that in the manual."""
    domain = Domain(host, "web1")
    yield domain
    domain.end()


def test_the_domain_and_the_commands(host, domain):
    host.put("web1.xml", edited(DOMAIN))
    for one in manual.typed(BLOCKS["$ virsh define web1.xml"]):
        words = one.command.split(maxsplit=1)[1]

        if one.output:
            host.wait(lambda: host.sh(f"cd /tmp && virsh -q {words}"),
                      f"what the manual prints after {one.command}",
                      good=lambda said: as_in_manual(one.output, said))
        else:
            host.sh(f"cd /tmp && virsh -q {words}")
        if words.startswith("start"):
            domain.connect()
            domain.restarted()
    domain.wait_sizes(vm0=8192)


def as_in_manual(expected: str, said: str) -> bool:
    """Whether it is what the manual prints."""
    try:
        manual.compare_text(expected, said)
    except manual.Differs:
        return False
    return True


def test_a_second_monitor_for_metrics(host, domain):
    """vmemctl uses it while libvirt uses its own."""
    fleet = manual.MANUAL.with_name("virtio-mem-fleet.rst").read_text(encoding="utf-8")
    namespace, arguments = re.search(
        r"<domain type='kvm' (xmlns:.*?)>\n.*?( *<qemu:commandline>.*?</qemu:commandline>)",
        fleet, re.S).groups()
    line = re.search("d (/run/vmem) (0700) (libvirt-qemu) (libvirt-qemu)$", fleet, re.M)
    directory, mode, user, group = line.groups()
    host.sh(f"install -d -m {mode} -o {user} -g {group} {directory}")
    domain.xml = edited(
        DOMAIN, ("</domain>", f"{arguments}\n</domain>")).replace(
        "<domain type='qemu'>", f"<domain type='qemu' {namespace}>")
    domain.define()
    domain.start()
    domain.wait_sizes(vm0=1024)
    domain.resize("ua-vm0", 2048)
    domain.wait_sizes(vm0=2048)
    exported = subprocess.run([paths.VMEMCTL, "export", host.root / directory[1:]],
                              capture_output=True, text=True, check=True).stdout
    for name in ("size", "requested_size"):
        assert re.search(rf'^virtio_mem_{name}_bytes{{vm="web1",device="ua-vm0",[^}}]*}} '
                         f"{2 << 30}$", exported, re.M), exported
    domain.resize("ua-vm0", 1024)
    domain.wait_sizes(vm0=1024)


def test_a_property_that_libvirt_does_not_know(host, domain):
    namespace = re.search(r"`<domain type='kvm' (xmlns:.*?)>`",
                          manual.MANUAL.read_text(encoding="utf-8"))[1]
    domain.xml = edited(DOMAIN).replace(
        "<domain type='qemu'>", f"<domain type='qemu' {namespace}>").replace(
        "</domain>", BLOCKS["<qemu:override>"] + "</domain>")
    domain.define()
    domain.virsh("start", "--paused")
    assert '"prealloc-threads":2' in domain.command_line()
