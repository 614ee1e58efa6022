# SPDX-License-Identifier: GPL-2.0-or-later
"""The patches of the series, in order: what each says, and which files it brings.

A path is one of QEMU's tree; a pattern takes what no step before has taken.
"""

from dataclasses import dataclass

DEVICE = "hw/virtio/virtio-mem/"


@dataclass(frozen=True)
class Step:
    """One patch."""

    subject: str
    body: str
    paths: tuple = ()       # patterns
    modules: tuple = ()     # of DEVICE; a pure one has a unit test
    tests: tuple = ()       # the files of tests/unit that go with them
    only: str = ""          # the series of QEMU that needs it
    patch: str = ""         # of patches/, which is all of it


def pure(subject: str, body: str, modules: tuple, tests: tuple) -> Step:
    """Modules that build without the rest of QEMU."""
    return Step(f"virtio-mem: {subject}", body + "\n\nNothing uses it yet but its "
                "unit test.", (), modules, tests)


STEPS = (
    Step("system/ram-discard-manager: replay sections with their addresses",
         """A replayed section has neither the address in the address space nor the
address space of the section that was asked for. guest_phys_block_add_section()
takes the address: dump-guest-memory of a VM with a virtio-mem device aborts.""",
         only="11.1", patch="11.1/0010-ram-discard-addresses.patch"),
    Step("system/ram-discard-manager: replay runs instead of granules",
         """A replay asks each source about each granule: half a million calls for
1 TiB of 2 MiB blocks, also when nothing in it is populated. A source that
keeps a bitmap finds the end of a run much faster, so let it, if it can.

Listeners are told of the same sections as before, with one exception: the
bounds of a section that are not aligned to granules are exact for such a
source.""",
         ("include/system/ram-discard-manager.h", "system/ram-discard-manager.c"),
         only="11.1"),
    pure("add sizes and blocks",
         """The sizes of a device, checked once, with types that tell a guest's
address from an offset and from a block; and which blocks are plugged, as a
bitmap and a count that change together, with one iterator over runs.""",
         ("geometry", "blocks"),
         ("geometry", "geometry-range", "blocks", "blocks-model", "blocks-pending",
          "blocks-runs")),
    pure("add the decision about a request",
         """Decode a request, decide by the state of the device what to answer
and what to do (VIRTIO 1.2, 5.15.6), encode the response. It changes nothing.
The test compares it with a second, naive reading of the specification.""",
         ("protocol",), ("protocol", "protocol-conformance", "protocol-oracle")),
    pure("add a state machine that follows a resize",
         """Settled, resizing, blocked and why, paused with the VM; the rate and
the time left. It has no clock of its own.""",
         ("progress",), ("progress",)),
    pure("add the partition into memory slots, and runs to guard",
         """Which slots of the region are mapped, with one spare for a while;
which unplugged runs are guarded, within a budget; and which unplugged blocks
are populated in advance. A change of blocks runs through parts, of which
these become some.""",
         ("slots", "guarded", "reserve", "change", "state"),
         ("slots", "guarded", "reserve")),
    Step("virtio-mem: remove the device",
         """It comes back in modules, with the same types, properties, defaults
and migration streams. Removing it first keeps what follows readable: no patch
changes a file that the next one replaces."""),
    Step("qapi: describe a resize, requests and protection of virtio-mem",
         """Optional members of VirtioMEMDeviceInfo, and two events that are off
unless a property of the device switches them on.""",
         ("qapi/machine.json",)),
    Step("virtio-mem: add what it does with host memory",
         """Populating and discarding in bounded steps, on a thread of its own,
so that the main loop stays free; whose the content of the memory is, and so
what may be discarded when; what the host is short of.""",
         ("include/hw/virtio/virtio-mem.h", "include/system/guarded-memory.h"),
         ("ahead", "backend", "fence", "headroom", "jobs", "lent", "memory",
          "populate", "residency", "shortage", "steps", "userfault", "worker")),
    Step("virtio-mem: add the parts of a change",
         """What a plug and an unplug do is a list of parts, which the engine
runs forward, and back when one fails: guard, memory, slots, listeners, state;
and what follows: sizes, retry, reports.""",
         (), ("guard", "listeners", "memslots", "patrol", "report", "retry", "sizes",
              "system-reset", "target", "throttle", "violations")),
    Step("virtio-mem: add queue, properties and migration",
         """The ring: take, gather, answer in order. What a user may set, with a
message for each thing that can be wrong. Both vmstates and their checks.""",
         (), ("migration", "properties", "queue", "resolve")),
    Step("virtio-mem: bring interfaces of QEMU 11.1",
         """The device is written for them. This is all that this version lacks.""",
         ("include/hw/core/*", "include/system/memory.h", "include/system/ramblock.h",
          "include/qemu/target-info.h", "include/hw/virtio/virtio-mem-compat.h",
          "system/ram-discard-manager.c", "system/meson.build",
          "tests/qtest/libqtest.h"), only="10.0"),
    Step("virtio-mem: add the device and its transports",
         """All that came before is built from now on.""",
         ("hw/virtio/virtio-mem.c", "hw/virtio/virtio-mem-pci.c",
          "hw/s390x/virtio-ccw-mem.c"), ("device", "transport")),
    Step("monitor: add memory-device-resize, and tell of resizes",
         """The command does what writing the property requested-size does, by
the id of the device, with errors that say what is allowed. The device checks;
the command is the same for QMP and HMP. info memory-devices -v counts requests.""",
         ("hmp-commands.hx", "hmp-commands-info.hx", "include/monitor/hmp.h",
          "hw/core/machine-hmp-cmds.c", "tests/qtest/test-hmp.c"),
         ("monitor", "monitor-info", "stubs")),
    Step("tests/qtest: test virtio-mem",
         """As a driver, a user, a listener, and two QEMUs with a stream between
them.""", ("tests/qtest/*",)),
    Step("docs/system: add a manual of virtio-mem", "", ("docs/system/*",)),
    Step("hostmem: do not mark memory dirty that a device has yet to plug",
         """All bits of three bitmaps are set when memory is added, which takes
96 MiB and 70 ms for 1 TiB. Memory of a backend with reserve=off is marked
when the backend gets a user, or when a device plugs it.""",
         ("backends/hostmem.c", "system/physmem.c")),
    Step("migration: allow background snapshots of guarded memory",
         """What a device guards with userfaultfd it gives up when a migration
begins; it may not make the attempt fail.""", ("migration/ram.c",)),
    Step("accel/kvm: let a CPU try again that met guarded memory",
         """KVM_RUN fails with EFAULT when a CPU accesses memory that is
registered with a userfaultfd of user mode. The device that has registered it
then decides whether the CPU goes on. Otherwise the VM stops for good.""",
         ("accel/kvm/kvm-all.c",)),
    Step("hw/riscv/virt: support memory devices of virtio",
         """maxmem makes a region for memory devices behind the high window of PCI,
where no other address depends on it. Only virtio-mem-pci (and virtio-pmem-pci)
can be there: a pc-dimm needs ACPI's hot-plug, which this machine does not have.

Linux allows the driver on RISC-V since 6.11.""",
         ("hw/riscv/virt.c", "hw/riscv/Kconfig")),
)

COVER = """virtio-mem: a device in modules, with progress, background work, retry

This series replaces the virtio-mem device by one that was written from the
specification. Types, properties, defaults, machine types and migration streams
are the same, and it migrates to and from the old one.

What it is for:
- Populating and discarding do not stop the main loop.
- A resize can be followed: status, reason, rate, time left.
- A guest that was told to wait hears when it can go on.
- Unplugged memory can be protected.
- Each module has one responsibility; the pure ones have unit tests, the device
  has qtests (there were none).

docs/devel/upstream.md of the project that this comes from says what is
contentious, and what could go first on its own.
"""
