# SPDX-License-Identifier: GPL-2.0-or-later
"""The device with a guest that KVM runs; the same with TCG, so that each test can
fail everywhere. The guest is a ROM that does what it is told (vmtest/rom.py)."""

import time
from pathlib import Path

import pytest

from driver import paths
from vmtest import image, rom, slots
from vmtest.memory import GiB, MiB
from vmtest.migration import FAST, SLOW, prepare, wait_migration
from vmtest.rom import (ACK, BUSY, ERROR, NACK, PATTERN, PLUG, STATE, UNPLUG,
                        UNPLUG_ALL, UNPLUGGED, WINDOW, Rom, arrive, migrate, pattern)
from vmtest.vm import Silent

BLOCK = 2 * MiB
SIZE = 256 * MiB
BLOCKS = SIZE // BLOCK
SLOT = 128 * MiB
MIXED = 2               # a state, as UNPLUGGED
NOTHING = bytes(PATTERN)
LOW = 16 * MiB          # where a load may be: in memory that is always there,
PLUGGED = WINDOW + 8 * BLOCK    # or in plugged memory, by paging
# Machine types since 5.2 have a clock with KVM, even if the processor has none,
# and a TCG takes no guest that has one. Before, the device had no MSI-X unless it
# was told so.
OLD = "pc-q35-5.1"
# QEMU 10.0 with TCG loses a write now and then while a migration watches, with
# its own device as well: the guest finds that, or says nothing any more.
AGAIN = 3
WRITTEN = 3000          # pages, of a load of 1024: each at least twice


def device(option: str) -> tuple[str, ...]:
    """The device, with another option."""
    return (*rom.DEVICE[:-1], f"{rom.DEVICE[-1]},{option}")


@pytest.fixture(scope="session")
def built() -> None:
    """The ROM is there."""
    image.build_rom()


@pytest.fixture
def able(built):
    """Skip what this machine cannot run."""
    def check(*kinds: str, paging: bool = False) -> None:
        for kind in kinds:
            if why := rom.trouble(kind) or paging and rom.trouble(kind, True):
                if kind == "tcg":
                    pytest.fail(why)
                pytest.skip(f"KVM: {why}")
    return check


@pytest.fixture(params=("tcg", "kvm"))
def kind(request, able) -> str:
    """An accelerator that runs the ROM."""
    able(request.param)
    return request.param


@pytest.fixture
def vm(kind, request):
    """A VM that has been asked to plug SIZE."""
    with Rom(kind, request.node.originalname) as vm:
        vm.wait_ready()
        vm.resize("vm0", SIZE)
        yield vm


def size(vm: Rom) -> int:
    """How much is plugged, as monitor and driver agree."""
    plugged = vm.sizes()["vm0"]
    assert vm.config().plugged == plugged
    return plugged


# ---- requests ----

def test_requests_are_answered(vm):
    config = vm.config()
    assert (config.block, config.region, config.requested) == (BLOCK, GiB, SIZE)
    assert config.addr == vm.devices()["vm0"]["memaddr"]
    assert vm.request(PLUG, 0, BLOCKS) == ACK
    assert size(vm) == SIZE
    assert vm.request(PLUG, BLOCKS, 1) == NACK
    assert vm.request(PLUG, 0, 1) == ERROR
    assert vm.request(UNPLUG, 8, 8) == ACK
    assert vm.state(8, 8) == UNPLUGGED
    assert vm.state(0, BLOCKS) == MIXED
    assert size(vm) == SIZE - 8 * BLOCK
    assert vm.request(STATE, GiB // BLOCK, 1) == ERROR
    assert vm.request(UNPLUG_ALL) == ACK
    assert size(vm) == 0


def test_a_ring_full_of_requests_again_and_again(vm):
    vm.resize("vm0", GiB)
    answered, unexpected, *_ = vm.numbers("rounds", 100, timeout=120)
    assert (answered, unexpected) == (100 * 2 * 64, 0)
    assert size(vm) == 0


def test_a_reset_starts_the_guest_again_with_nothing_plugged(vm):
    vm.request(PLUG, 0, BLOCKS)
    vm.store(0)
    vm.cmd("system_reset")
    vm.wait_ready()
    assert size(vm) == 0
    assert vm.content(0) == NOTHING
    assert vm.request(PLUG, 0, 1) == ACK


# ---- contents ----

def test_what_was_unplugged_is_empty_when_it_is_plugged_again(vm):
    assert vm.request(PLUG, 0, 4) == ACK
    for block in range(4):
        vm.store(block * BLOCK)
    assert vm.request(UNPLUG, 1, 2) == ACK
    assert vm.request(PLUG, 1, 2) == ACK
    contents = [vm.content(block * BLOCK) for block in range(4)]
    assert contents == [pattern(), NOTHING, NOTHING, pattern()]


def test_a_processor_finds_plugged_memory_and_finds_it_empty_again(vm, able):
    able(vm.kind, paging=True)
    vm.numbers("window")
    at = WINDOW + 3 * BLOCK
    assert vm.request(PLUG, 0, BLOCKS) == ACK
    assert vm.numbers("peek", at) == [0]
    vm.numbers("poke", at, 0x12345678)
    assert vm.content(3 * BLOCK, 4) == bytes.fromhex("78563412")
    vm.store(4 * BLOCK)
    assert vm.numbers("peek", at + BLOCK) == [
        int.from_bytes(pattern()[:4], "little")]
    for _ in range(2):
        assert vm.numbers("peek", at) == [0x12345678]
        assert vm.request(UNPLUG, 3, 1) == ACK
        assert vm.request(PLUG, 3, 1) == ACK
        assert vm.numbers("peek", at) == [0]
        vm.numbers("poke", at, 0x12345678)


# ---- kicks and interrupts ----

@pytest.mark.parametrize("ioeventfd", ("on", "off"))
def test_kicks(kind, ioeventfd):
    with Rom(kind, "test_kicks", device=device(f"ioeventfd={ioeventfd}")) as vm:
        vm.wait_ready()
        vm.resize("vm0", SIZE)
        assert vm.request(PLUG, 0, BLOCKS) == ACK
        assert vm.kicks() == int(kind == "kvm" and ioeventfd == "on")


def test_an_answer_interrupts_a_processor_that_waits(vm):
    vm.numbers("messages")
    for number in range(20):
        assert vm.request((PLUG, UNPLUG)[number % 2], 0, BLOCKS) == ACK
    queue, config = vm.numbers("interrupts")
    assert (queue, config) == (20, 0)


def test_a_resize_interrupts_the_guest(vm):
    vm.numbers("messages")
    vm.resize("vm0", 0)
    vm.until([0, 1], lambda: vm.numbers("interrupts"), "interrupts")
    assert vm.config().requested == 0


# ---- memory slots ----

def test_the_memory_is_one_slot_of_kvm_whatever_is_plugged(vm):
    whole = [slots.Slot(vm.devices()["vm0"]["memaddr"], GiB, 0)]
    expected = whole if vm.kind == "kvm" else []
    for kind, first, count in ((PLUG, 0, BLOCKS), (UNPLUG, 3, 9),
                               (UNPLUG_ALL, 0, 0)):
        assert vm.request(kind, first, count) == ACK
        assert vm.slots() == expected
    vm.cmd("system_reset")
    vm.wait_ready()
    assert vm.slots() == expected


def test_slots_come_and_go_with_the_device(kind):
    with Rom(kind, "hotplug", machine="pc", device=()) as vm:
        vm.wait_ready()
        for number in range(3):
            vm.cmd("object-add", qom_type="memory-backend-ram", id="mem0",
                   size=GiB, reserve=False)
            vm.cmd("device_add", driver="virtio-mem-pci", id="vm0",
                   memdev="mem0", requested_size=SIZE)
            vm.numbers("start")
            at = vm.devices()["vm0"]["memaddr"]
            assert vm.request(PLUG, 0, BLOCKS) == ACK
            assert len(vm.slots()) == int(kind == "kvm")
            vm.store(0)
            assert vm.content(0) == pattern()
            vm.resize("vm0", 0)
            assert vm.request(UNPLUG_ALL) == ACK
            vm.cmd("device_del", id="vm0")
            vm.numbers("eject")
            vm.event_wait("DEVICE_DELETED", 30, {"data": {"device": "vm0"}})
            trace = vm.trace.read_text()
            assert slots.slots(trace, at, GiB) == []
            # It came and it went, each time.
            assert len(slots.changes(trace, at, GiB)) == (
                2 * (number + 1) if kind == "kvm" else 0)
            vm.cmd("object-del", id="mem0")


def test_slots_come_and_go_with_the_blocks(kind):
    option = device(f"dynamic-memslots=on,memslot-size={SLOT}")
    with Rom(kind, "dynamic", device=option) as vm:
        vm.wait_ready()
        vm.resize("vm0", GiB)
        at = vm.devices()["vm0"]["memaddr"]
        for what, first, count, mapped in (
                (STATE, 0, BLOCKS, []), (PLUG, 0, 1, [0]), (PLUG, 63, 2, [0, 1]),
                (PLUG, 256, 64, [0, 1, 4]), (UNPLUG, 256, 63, [0, 1, 4]),
                (UNPLUG, 63, 2, [0, 1, 4]),     # 1 is empty, and spare
                (UNPLUG, 319, 1, [0, 4]),       # now 4 is
                (PLUG, 300, 1, [0, 4]), (UNPLUG_ALL, 0, 0, [])):
            assert vm.request(what, first, count) == ACK
            data = vm.devices()["vm0"]
            assert (data["memslots"], data["mapped-memslots"]) == (8, len(mapped))
            assert vm.slots() == ([slots.Slot(at + slot * SLOT, SLOT, 0)
                                   for slot in mapped] if kind == "kvm" else [])
        # Each came once and went once, whatever its neighbours did.
        changes = slots.changes(vm.trace.read_text(), at, GiB)
        assert len(changes) == (6 if kind == "kvm" else 0)


def test_content_stays_while_other_slots_come_and_go(kind):
    option = device(f"dynamic-memslots=on,memslot-size={SLOT}")
    with Rom(kind, "contents", device=option) as vm:
        vm.wait_ready()
        vm.resize("vm0", GiB)
        assert vm.request(PLUG, 0, 1) == ACK
        vm.store(0)
        for _ in range(20):
            assert vm.request(PLUG, 64, BLOCKS) == ACK
            vm.store(64 * BLOCK)
            assert vm.content(0) == vm.content(64 * BLOCK) == pattern()
            assert vm.request(UNPLUG, 64, BLOCKS) == ACK
        assert vm.request(PLUG, 64, 1) == ACK
        assert vm.content(64 * BLOCK) == NOTHING
        assert vm.content(0) == pattern()


# ---- migration ----

def flags(vm: Rom) -> list[int]:
    """Those of all slots of the device's memory."""
    return [slot.flags for slot in vm.slots()]


@pytest.mark.parametrize("option, number", (
    ("dynamic-memslots=off", 1),
    (f"dynamic-memslots=on,memslot-size={SLOT}", SIZE // SLOT)))
def test_writes_are_watched_only_while_the_guest_moves(kind, option, number,
                                                       tmp_path):
    with Rom(kind, "watched", device=device(option)) as vm:
        vm.wait_ready()
        vm.resize("vm0", GiB)
        number *= kind == "kvm"
        for _ in range(2):
            assert vm.request(PLUG, 0, BLOCKS) == ACK
            assert flags(vm) == [0] * number
            vm.cmd("migrate-set-parameters", **{"max-bandwidth": SLOW})
            vm.cmd("migrate", uri=f"file:{tmp_path}/stream")
            wait_migration(vm, "active")
            vm.until([slots.LOG_DIRTY] * number, lambda: flags(vm),
                     "the flags of the slots")
            assert vm.request(PLUG, 2 * BLOCKS, BLOCKS) == BUSY
            vm.cmd("migrate_cancel")
            wait_migration(vm, "cancelled")
            vm.until([0] * number, lambda: flags(vm), "the flags of the slots")
            assert vm.request(UNPLUG_ALL) == ACK


def loaded(vm: Rom, pages: int) -> int:
    """Wait for so many pages to be written; how many were damaged."""
    deadline = time.monotonic() + 60
    while (seen := vm.numbers("loaded"))[0] < pages:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen[1]


def fill(source: Rom, load: int) -> None:
    """All blocks but two, with something in one of them, and a load there."""
    source.resize("vm0", SIZE)
    source.numbers("messages")
    assert source.request(PLUG, 0, BLOCKS) == ACK
    assert source.request(UNPLUG, 4, 2) == ACK
    source.store(0)
    source.store(2 * BLOCK)
    assert source.request(UNPLUG, 2, 1) == ACK
    assert source.request(PLUG, 2, 1) == ACK
    if load >= WINDOW:
        source.numbers("window")
    source.numbers("load", load)


def change(source: Rom) -> None:
    """Other contents, when the first may have been sent already."""
    loaded(source, WRITTEN)
    assert source.request(UNPLUG, 0, 1) == BUSY
    source.store(BLOCK)


def go(source: Rom, vm: Rom, path: Path, load: int) -> int:
    """Move a guest that works; how many pages it finds damaged then."""
    source.wait_ready()
    fill(source, load)
    migrate(source, vm, path, **{"max-bandwidth": SLOW})
    wait_migration(source, "active")
    change(source)
    config = source.config()
    source.cmd("migrate-set-parameters", **{"max-bandwidth": FAST})
    arrive(source, vm)
    pages, _ = vm.numbers("loaded")
    damaged = loaded(vm, pages + WRITTEN)
    assert vm.config() == config
    assert size(vm) == SIZE - 2 * BLOCK
    contents = [vm.content(block * BLOCK) for block in range(4)]
    assert contents == [pattern(), pattern(), NOTHING, NOTHING]
    return damaged


@pytest.mark.parametrize("load", (LOW, PLUGGED), ids=("low", "plugged"))
@pytest.mark.parametrize("source, kind, machine, ring", (
    ("tcg", "tcg", "q35", ""), ("kvm", "kvm", "q35", ""),
    ("kvm", "kvm", "q35", ",dirty-ring-size=4096"),
    ("kvm", "tcg", OLD, ""), ("tcg", "kvm", OLD, "")))
def test_a_guest_moves(source, kind, machine, ring, load, able, tmp_path):
    able(source, kind, paging=load == PLUGGED)
    options = {"machine": machine, "device": device("vectors=2")}
    for attempt in range(AGAIN if source == "tcg" else 1):
        with (Rom(source, f"move.{kind}.from", accel=ring, **options) as old,
              Rom(kind, f"move.{source}.to", "-incoming", "defer",
                  **options) as vm):
            try:
                damaged = go(old, vm, tmp_path / str(attempt), load)
            except Silent as silent:
                damaged = str(silent)
            if damaged:
                print(f"attempt {attempt}: damaged: {damaged}")
                continue
            # There it goes on, with all that KVM does for it.
            assert vm.request(PLUG, 4, 2) == ACK
            assert vm.request(UNPLUG, 0, 8) == ACK
            queue, _ = vm.numbers("interrupts")
            assert queue == 7
            assert vm.kicks() == int(kind == "kvm")
            assert len(vm.slots()) == int(kind == "kvm")
            break
    assert not damaged


# ---- slots and migration: they are no part of the stream ----

ON = "dynamic-memslots=on"
SMALL = f"{ON},memslot-size={SLOT}"
OFF = "dynamic-memslots=off"
FAR = 3 * GiB // BLOCK  # a block of the last of four slots


def four(option: str) -> tuple[str, ...]:
    """A device of 4 GiB, as both binaries take it."""
    return (*(word.replace("size=1G", "size=4G") for word in rom.DEVICE[:-1]),
            f"{rom.DEVICE[-1]},unplugged-inaccessible=on,{option}")


@pytest.mark.parametrize("way", ("socket", "file"))
@pytest.mark.parametrize("machine", ("q35", "pc-q35-8.0", OLD))
@pytest.mark.parametrize("source, destination", (
    (("stock", OFF), ("ours", SMALL)), (("stock", ON), ("ours", OFF)),
    (("stock", ON), ("ours", ON)), (("ours", ON), ("stock", ON)),
    (("ours", SMALL), ("stock", OFF)), (("ours", OFF), ("stock", ON)),
    (("ours", OFF), ("ours", SMALL)), (("ours", SMALL), ("ours", ON)),
    (("ours", ON), ("ours", OFF))), ids=lambda side: " ".join(side))
def test_a_guest_moves_whatever_the_slots_are(built, source, destination, machine,
                                              way, tmp_path):
    old, new = (
        Rom("tcg", f"slots.{name}", *more, machine=machine, device=four(option),
            binary=str(paths.STOCK) if who == "stock" else None)
        for name, (who, option), more in (
            ("from", source, ()), ("to", destination, ("-incoming", "defer"))))
    with old, new:
        old.wait_ready()
        old.resize("vm0", 4 * GiB)
        for first in (0, FAR):
            assert old.request(PLUG, first, 4) == ACK
            old.store(first * BLOCK)
        assert old.request(UNPLUG, FAR + 1, 2) == ACK
        if way == "socket":
            migrate(old, new, tmp_path / way)
        else:
            for command, vm in (("migrate", old), ("migrate-incoming", new)):
                prepare(vm)
                vm.cmd(command, uri=f"file:{tmp_path / way}")
                wait_migration(old, "completed")
        arrive(old, new)
        config = new.config()
        assert (config.plugged, config.requested) == (6 * BLOCK, 4 * GiB)
        assert new.state(FAR + 1, 2) == UNPLUGGED
        assert (new.content(0), new.content(FAR * BLOCK)) == (pattern(),) * 2
        data = new.devices()["vm0"]
        assert data.get("mapped-memslots", 2) == 2 or destination[1] == OFF
        new.store((FAR + 3) * BLOCK)
        assert new.content((FAR + 3) * BLOCK) == pattern()
        assert new.request(UNPLUG, FAR, 1) == ACK
        assert new.request(PLUG, FAR, 3) == ACK
        assert new.content(FAR * BLOCK) == NOTHING
        assert new.request(UNPLUG_ALL) == ACK


def test_a_load_changes_the_memory_once_whatever_it_plugs(kind, tmp_path):
    """QEMU tells of each flat view that it makes of its memory."""
    made = []
    for number in (1, 8):
        option = device(SMALL)
        with (Rom(kind, "load.from", device=option) as old,
              Rom(kind, "load.to", "-incoming", "defer", "-trace", "flatview_new",
                  device=option) as vm):
            old.wait_ready()
            old.resize("vm0", GiB)
            for slot in range(number):
                assert old.request(PLUG, slot * SLOT // BLOCK, 1) == ACK
            before = vm.trace.read_text().count("flatview_new")
            migrate(old, vm, tmp_path / str(number))
            arrive(old, vm)
            assert vm.devices()["vm0"]["mapped-memslots"] == number
            made.append(vm.trace.read_text().count("flatview_new") - before)
    assert made[0] == made[1] > 0
