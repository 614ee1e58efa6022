# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian on which libvirt's daemon runs, and domains on it with our emulator.

The daemon, its configuration and virsh are Debian's own. The machine is forgetful
(vmtest.fresh): domains, their files and processes are gone when it ends.
"""

import re
import socket
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from driver import paths
from vmtest.agent import READY, Agent
from vmtest.fresh import Machine
from vmtest.memory import Memory
from vmtest.vm import KERNEL_ARGUMENTS, Unexpected, end

# qemu-system-x86: the libraries that an emulator needs, and firmware.
PACKAGES = ("libvirt-daemon-system", "libvirt-daemon-driver-qemu",
            "libvirt-clients", "qemu-system-x86", "qemu-utils", "iproute2")
LOGS = paths.LOGS / "libvirt"
BUILD = "/opt/virtio-mem"               # where the machine has build/
OURS = f"{BUILD}/qemu-system-x86_64"
DEBIANS = "/usr/bin/qemu-system-x86_64"
IMAGES = "/var/lib/libvirt/images"
# Two hosts are on one network: their addresses are the loopback's. libvirt gives files
# to the user that QEMU runs as: copies of them.
DAEMON = f"""cd /
mkdir /dev/hugepages && mount -t hugetlbfs hugetlbfs /dev/hugepages
ip link set lo up
hostname {{host.name}}
echo {{host.address}} {{host.name}} >> /etc/hosts
cp {BUILD}/guest/x86_64/vmlinuz {BUILD}/guest/x86_64/initrd.img {IMAGES}
qemu-img create -q -f qcow2 {IMAGES}/disk.qcow2 64M
cat >> /etc/libvirt/libvirtd.conf << END
host_uuid = "00000000-0000-4000-8000-00000000000{{number}}"
listen_tls = 0
listen_tcp = 1
listen_addr = "{{host.address}}"
auth_tcp = "none"
END
virtlogd -d
libvirtd --listen
echo libvirtd has ended"""
TIMEOUT = 300           # for what takes seconds on a machine with nothing else to do
ENVIRONMENT = ("env", "-i", "HOME=/root", "LC_ALL=C.UTF-8",
               "PATH=/usr/sbin:/usr/bin:/sbin:/bin")


class VirshFailed(Exception):
    """virsh has ended badly; this is what it said."""


class Host:
    """A machine with the daemon, on the network of another one if it is `beside` it."""

    def __init__(self, suite: str, who: str, number: int = 1,
                 beside: "Host | None" = None):
        self.name = f"host{number}"
        self.address = f"127.0.0.{number}"
        self.machine = Machine(suite, "libvirt")
        self.machine.make_with(*PACKAGES)
        self.logs = LOGS / suite / f"{who}-{self.name}"
        (self.logs / "qemu").mkdir(parents=True, exist_ok=True)
        through = ("nsenter", f"--net=/proc/{beside.pid}/ns/net") if beside else \
            ("unshare", "--net")
        with (self.logs / "libvirtd.log").open("wb") as log:
            self.process = self.machine.start(
                DAEMON.format(host=self, number=number), "/",
                more={BUILD: paths.BUILD, "/var/log/libvirt": self.logs},
                forgetful=True, through=through, stdin=subprocess.DEVNULL, stdout=log)
        try:
            self.pid = self.wait(self.first, "the machine to start")
            self.wait(lambda: (self.root / "run/libvirt/libvirt-sock").exists(),
                      "libvirtd to listen")
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def end(self) -> None:
        """End the machine, and everything on it."""
        self.process.kill()
        self.process.wait()

    def first(self) -> int | None:
        """The machine's first process, once it is on its own disk."""
        mine = Path(f"/proc/{self.process.pid}")
        for pid in (mine / f"task/{mine.name}/children").read_text().split():
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sh\0-c\0"):
                return int(pid)
        return None

    def wait(self, look, what: str, timeout: float = TIMEOUT, good=bool):
        """Wait until look() returns something, or something good."""
        deadline = time.monotonic() + timeout
        while not good(seen := look()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Unexpected(f"expected {what}; seen: {seen!r}" + self.log())
            time.sleep(0.1)
        return seen

    def log(self) -> str:
        """The end of what the daemon has said."""
        log = self.logs / "libvirtd.log"
        return f"\n  {log}{end(log)}"

    @property
    def root(self) -> Path:
        """Its files, seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def command(self, *words: str) -> list[str]:
        """What runs a command there."""
        return ["nsenter", "--target", str(self.pid), "--mount", "--uts", "--net",
                "--pid", "--root", "--wd", *ENVIRONMENT, *words]

    def virsh(self, *words: str) -> str:
        """Run a command of virsh, which has to succeed; what it prints."""
        return self.run("virsh", "-q", *words)

    def sh(self, line: str) -> str:
        """Run a shell's command line in the same way."""
        return self.run("sh", "-c", line)

    def run(self, *words: str) -> str:
        """Run a command there, which has to succeed; what it prints."""
        done = subprocess.run(self.command(*words), text=True,
                              capture_output=True, check=False, timeout=TIMEOUT)
        if done.returncode:
            raise VirshFailed(done.stderr.strip())
        return done.stdout.rstrip()

    def put(self, name: str, text: str) -> str:
        """Write a file there; its name."""
        (self.root / "tmp" / name).write_text(text)
        return f"/tmp/{name}"


class Domain:
    """A domain with the test guest, which is talked to as vmtest.vm does."""

    def __init__(self, host: Host, name: str, *memory: str, **options):
        self.host = host
        self.name = name
        self.agent: Agent | None = None
        self.xml = domain_xml(name, memory, **options)

    def virsh(self, command: str, *words: str) -> str:
        """A command for this domain."""
        return self.host.virsh(command, self.name, *words)

    # ---- its life ----

    def define(self) -> None:
        """Make it known."""
        self.host.virsh("define", self.host.put(f"{self.name}.xml", self.xml))

    def start(self) -> None:
        """Start it, and wait for the guest."""
        # what the guest says while nobody is connected is lost
        self.virsh("start", "--paused")
        self.connect()
        self.virsh("resume")
        self.restarted()

    def restarted(self) -> None:
        """Wait for the guest to start."""
        self.agent.wait_for(READY, TIMEOUT)

    def connect(self) -> None:
        """Talk to the guest."""
        if self.agent:
            self.socket.close()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(self.host.root / f"tmp/{self.name}.agent"))
        self.agent = Agent(self.socket)

    def end(self) -> None:
        """Have it gone."""
        if self.agent:
            self.socket.close()
        for command, *words in (("destroy",), (
                "undefine", "--managed-save", "--snapshots-metadata")):
            try:
                self.virsh(command, *words)
            except VirshFailed:
                pass    # not there

    # ---- its memory ----

    def devices(self) -> dict[str, dict[str, int]]:
        """What the XML says of each device of the model, by its alias; in MiB."""
        return {device.find("alias").get("name"): {
            field.tag: mib(field) for field in device.find("target")
            if field.get("unit")}
            for device in self.live().iter("memory")
            if device.get("model") == "virtio-mem"}

    def live(self) -> ElementTree.Element:
        """The XML as it is now."""
        return ElementTree.fromstring(self.virsh("dumpxml"))

    def resize(self, device: str, size: int) -> None:
        """Ask for another size in MiB, with the command for that."""
        self.virsh("update-memory-device", "--live", "--alias", device,
                   "--requested-size", f"{size}MiB")

    def wait_sizes(self, **sizes: int) -> None:
        """Wait until devices (without ua-) have these sizes, and the guest has them."""
        wanted = {f"ua-{name}": size for name, size in sizes.items()}
        self.host.wait(lambda: {name: device["current"] for name, device in
                                self.devices().items()} == wanted,
                       f"<current> of {self.name} to be {wanted}")
        total = sum(sizes.values()) << 20
        self.host.wait(lambda: self.gained().total == total,
                       f"the guest to have {total} bytes more")

    def sh(self, command: str) -> str:
        """Run a command in the guest, which has to succeed."""
        status, output = self.agent.run(command, TIMEOUT)
        if status:
            raise Unexpected(f"expected '{command}' to succeed in the guest; seen: "
                             f"status {status}: {output}")
        return output

    def gained(self) -> Memory:
        """What the guest has beyond what it had without the driver."""
        meminfo = "cat /proc/meminfo; cat /sys/devices/system/node/node*/meminfo"
        return Memory.parse(self.sh(meminfo)).since(
            Memory.parse(self.sh("cat /run/boot/*")))

    # ---- its process ----

    def qemu(self) -> Path:
        """What the kernel knows of it: a directory of /proc, seen from here."""
        pid = (self.host.root / f"run/libvirt/qemu/{self.name}.pid").read_text()
        return self.host.root / "proc" / pid.strip()

    def command_line(self) -> str:
        """How libvirt has started it."""
        return (self.qemu() / "cmdline").read_bytes().replace(b"\0", b" ").decode()


class Events:
    """What virsh tells of a device's size meanwhile."""

    def __init__(self, domain: Domain):
        self.domain = domain
        self.log = domain.host.logs / "events.log"

    def __enter__(self) -> "Events":
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.domain.host.command(
                "stdbuf", "-oL", "virsh", "event", self.domain.name, "--loop", "--all"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.domain.host.wait(self.listens, "virsh to tell of events")
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def listens(self) -> bool:
        """Whether it tells of an event that is made for that."""
        self.domain.virsh("metadata", "urn:test", "--live", "--key", "test", "--set",
                          "<heard/>")
        return "metadata-change" in self.log.read_text()

    def sizes(self, alias: str) -> list[int]:
        """The sizes in MiB of a device that it has told of so far."""
        return [int(size) >> 10 for size in re.findall(
            rf"'memory-device-size-change' .*\n\s*alias: {alias}\s+size: (\d+)",
            self.log.read_text())]

    def wait_for(self, alias: str, size: int) -> None:
        """Wait for the news that it has this size, in MiB."""
        self.domain.host.wait(lambda: self.sizes(alias)[-1:] == [size],
                              f"an event that {alias} has {size} MiB")


def mib(field: ElementTree.Element) -> int:
    """A size of libvirt's XML."""
    units = {"b": 20, "bytes": 20, "KiB": 10, "MiB": 0}
    return int(field.text) >> units[field.get("unit")]


def device_xml(alias: str, size: int, requested: int, node: int = 0, block: int = 2,
               slots: str = "", source: str = "") -> str:
    """A device; sizes in MiB."""
    attribute = f" dynamicMemslots='{slots}'" if slots else ""
    return f"""
    <memory model='virtio-mem'>{source}
      <target{attribute}>
        <size unit='MiB'>{size}</size>
        <node>{node}</node>
        <block unit='MiB'>{block}</block>
        <requested unit='MiB'>{requested}</requested>
      </target>
      <alias name='ua-{alias}'/>
    </memory>"""


# The guest of the tests; where its console goes, and how it is talked to.
GUEST = f"""
    <kernel>{IMAGES}/vmlinuz</kernel>
    <initrd>{IMAGES}/initrd.img</initrd>
    <cmdline>{KERNEL_ARGUMENTS}</cmdline>
"""
TALK = """
    <serial type='file'><source path='/var/log/libvirt/qemu/{name}.console'/></serial>
    <serial type='unix'><source mode='bind' path='/tmp/{name}.agent'/></serial>
"""


def domain_xml(name: str, memory: tuple, cells: int = 1, backing: str = "",
               maximum: int = 16, emulator: str = OURS, more: str = "") -> str:
    """The guest of the tests as a domain: 512 MiB and a processor on each node."""
    numa = "".join(f"<cell id='{cell}' cpus='{cell}' memory='512' unit='MiB'/>"
                   for cell in range(cells))
    return f"""
<domain type='qemu'>
  <name>{name}</name>
  {f"<maxMemory slots='8' unit='GiB'>{maximum}</maxMemory>" if maximum else ""}
  <memory unit='MiB'>{512 * cells}</memory>
  {f"<memoryBacking>{backing}</memoryBacking>" if backing else ""}
  <vcpu>{cells}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>{GUEST}
  </os>
  <features><acpi/></features>
  <cpu><numa>{numa}</numa></cpu>
  <devices>
    <emulator>{emulator}</emulator>{TALK.format(name=name)}
    {"".join(memory)}{more}
  </devices>
</domain>
"""
