# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways in which releases of libvirt start QEMU with the device, and talk to it.

The lines are our own, of the forms that libvirt has had since 7.9, the first with the
device. Each one starts, and the device is as it was asked for. No libvirt is needed.
"""

import json
import os
import subprocess

import pytest

from driver import paths
from vmtest.memory import GiB, MiB

TIMEOUT = 60
PC = ("-machine", "pc-i440fx-10.0,usb=off,dump-guest-core=off", "-accel", "tcg")
Q35 = ("-machine", "pc-q35-10.0,usb=off,dump-guest-core=off,acpi=on", "-accel", "tcg",
       "-device", '{"driver":"pcie-root-port","port":8,"chassis":1,"id":"pci.1",'
       '"bus":"pcie.0","addr":"0x1"}')
NODE = ("-object", '{"qom-type":"memory-backend-ram","id":"ram-node0",'
        f'"size":{GiB}}}', "-numa", "node,nodeid=0,cpus=0,memdev=ram-node0")
COMMON = ("-name", "guest=test,debug-threads=on", "-S", "-m",
          "size=1048576k,slots=16,maxmem=16777216k", "-overcommit", "mem-lock=off",
          "-smp", "1,sockets=1,cores=1,threads=1", "-no-user-config", "-nodefaults",
          "-rtc", "base=utc", "-no-shutdown", "-display", "none", "-boot", "strict=on",
          "-audiodev", '{"id":"audio1","driver":"none"}', "-msg", "timestamp=on")
SANDBOX = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
           "resourcecontrol=deny")
HUGE = "/mnt/libvirt/qemu/1-test"       # in a namespace of its own


def words(**of) -> str:
    """An object or a device as JSON, as libvirt writes it."""
    return json.dumps({key.replace("_", "-"): value for key, value in of.items()},
                      separators=(",", ":"))


def backend(kind: str = "ram", **more) -> tuple[str, ...]:
    """A memory backend of 2 GiB."""
    return "-object", words(qom_type=f"memory-backend-{kind}", id="memvirtiomem0",
                            **more, size=2 * GiB)


def device(bus: str = "pci.1", addr: str = "0x0", **more) -> tuple[str, ...]:
    """The device."""
    more = {"block_size": 2 * MiB, "requested_size": GiB, **more}
    return "-device", words(driver="virtio-mem-pci", **more, memdev="memvirtiomem0",
                            id="virtiomem0", bus=bus, addr=addr)


# QEMU warns of each file that is mapped privately and can be discarded.
PRIVATE = "Discarding RAM in private file mappings is possibly dangerous"
LINES = {
    "7.9 with QEMU 6.1: properties are no JSON": (
        *PC, "-object", f"memory-backend-ram,id=memvirtiomem0,size={2 * GiB}",
        "-device", f"virtio-mem-pci,block-size={2 * MiB},requested-size={GiB},"
        "memdev=memvirtiomem0,id=virtiomem0,bus=pci.0,addr=0x3"),
    "7.9 with QEMU 6.2: a node, JSON": (
        *PC, *NODE, *backend(), *device("pci.0", "0x3", node=0)),
    "8.0: no memory is reserved": (
        *Q35, *NODE, *backend(reserve=False), *device(node=0), *SANDBOX),
    "no node": (*Q35, *backend(reserve=False), *device()),
    "memfd": (
        *Q35, *NODE, *backend("memfd", reserve=False,
                              x_use_canonical_path_for_ramblock_id=False),
        *device(node=0), *SANDBOX),
    "memfd, shared": (
        *Q35, *NODE, *backend("memfd", share=True, reserve=False),
        *device(node=0), *SANDBOX),
    "a nodemask of the host": (
        *Q35, *NODE, *backend(reserve=False, host_nodes=[0], policy="bind"),
        *device(node=0), *SANDBOX),
    "huge pages of memfd, populated": (
        *Q35, *NODE, *backend("memfd", hugetlb=True, hugetlbsize=2 * MiB,
                              reserve=False),
        *device(node=0, prealloc=True), *SANDBOX),
    "huge pages of a file, populated": (
        *Q35, *NODE, *backend("file", mem_path=HUGE, reserve=False,
                              x_use_canonical_path_for_ramblock_id=False),
        *device(node=0, prealloc=True), *SANDBOX),
    "a file, shared, populated (<allocation mode='immediate'/>)": (
        *Q35, *NODE, *backend("file", mem_path="/dev/shm", share=True, reserve=False),
        *device(node=0, prealloc=True), *SANDBOX),
    "merging and dumping of memory switched off": (
        *Q35, *NODE, *backend(merge=False, dump=False, reserve=False),
        *device(node=0), *SANDBOX),
    "larger blocks": (
        *Q35, *NODE, *backend(reserve=False),
        *device(node=0, block_size=512 * MiB), *SANDBOX),
    "nothing requested": (
        *Q35, *NODE, *backend(reserve=False),
        *device(node=0, requested_size=0), *SANDBOX),
    "9.4: an address": (
        *Q35, *NODE, *backend(reserve=False),
        *device(node=0, memaddr=0x150000000), *SANDBOX),
    "10.1: dynamicMemslots='yes'": (
        *Q35, *NODE, *backend(reserve=False),
        *device(node=0, memaddr=0x150000000, dynamic_memslots=True), *SANDBOX),
    "10.1: dynamicMemslots='no'": (
        *Q35, *NODE, *backend(reserve=False),
        *device(node=0, dynamic_memslots=False), *SANDBOX),
    "waiting for a migration": (
        *Q35, *NODE, *backend(reserve=False), *device(node=0), *SANDBOX,
        "-incoming", "defer"),
}


def ask(line: tuple[str, ...], *commands: dict) -> list:
    """Start QEMU, give it commands, end it; the answers."""
    if HUGE in "".join(line) and os.getuid():
        pytest.skip("it takes root to mount hugetlbfs")
    prepare = f"mount -t hugetlbfs none /mnt && mkdir -p {HUGE} && " \
        if HUGE in "".join(line) else ""
    namespace = ("unshare", "--mount") if prepare else ()
    commands = ({"execute": "qmp_capabilities"}, *commands, {"execute": "quit"})
    done = subprocess.run(
        [*namespace, "sh", "-c", f'{prepare}exec "$@"', "sh", paths.QEMU, *COMMON,
         *line, "-qmp", "stdio"], input="".join(map(json.dumps, commands)), text=True,
        capture_output=True, timeout=TIMEOUT, check=False)
    warnings = [line for line in done.stderr.splitlines() if PRIVATE not in line]
    assert (done.returncode, warnings) == (0, [])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    answers = [answer for answer in answers if not {"QMP", "event"} & set(answer)]
    assert not [answer for answer in answers if "error" in answer]
    return [answer["return"] for answer in answers][1:-1]


def properties(line: tuple[str, ...]) -> dict:
    """Those of the device."""
    [text] = [word for word in line if "virtio-mem-pci" in word]
    if text.startswith("{"):
        return json.loads(text)
    pairs = dict(pair.split("=") for pair in text.split(",")[1:])
    return {key: int(value) if value.isdecimal() else value
            for key, value in pairs.items()}


@pytest.mark.parametrize("what", LINES)
def test_it_starts(what):
    line = LINES[what]
    [[said]] = ask(line, {"execute": "query-memory-devices"})
    asked = properties(line)
    data = said["data"]
    assert said["type"] == "virtio-mem"
    expected = {
        "id": "virtiomem0", "memdev": "/objects/memvirtiomem0", "size": 0,
        "max-size": 2 * GiB, "node": 0, **{key: asked[key] for key in (
            "block-size", "requested-size", "memaddr") if key in asked}}
    assert {key: data[key] for key in expected} == expected


def test_a_device_comes_is_resized_and_goes():
    """What attach-device, update-memory-device and detach-device send."""
    _, _, nothing, (one,), _, nothing_again, (gone,) = ask(
        (*Q35, *NODE),
        {"execute": "object-add", "arguments": {
            "qom-type": "memory-backend-ram", "id": "memua-vm1", "reserve": False,
            "size": 2 * GiB}},
        {"execute": "device_add", "arguments": {
            "driver": "virtio-mem-pci", "node": 0, "block-size": 2 * MiB,
            "requested-size": GiB, "memdev": "memua-vm1", "id": "ua-vm1",
            "bus": "pci.1", "addr": "0x0"}},
        {"execute": "qom-set", "arguments": {
            "path": "ua-vm1", "property": "requested-size", "value": 512 * MiB}},
        {"execute": "query-memory-devices"},
        {"execute": "qom-set", "arguments": {
            "path": "ua-vm1", "property": "requested-size", "value": 0}},
        {"execute": "device_del", "arguments": {"id": "ua-vm1"}},
        {"execute": "query-memory-devices"})
    assert nothing == nothing_again == {}
    assert one["data"]["requested-size"] == 512 * MiB
    assert gone["data"]["requested-size"] == 0      # no guest has let it go
