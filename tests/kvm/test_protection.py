# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that uses unplugged memory: by a device, and by its processor.

The processor reaches that memory with paging, or, with a KVM that cannot have
that, because a library gives KVM the memory at a lower address, too (low.c).
"""

import functools
import os
import random
import re
import socket
import stat
import tempfile
import threading
import time
from pathlib import Path

import pytest

from driver import paths
from vmtest import image, rom
from vmtest.memory import GiB, MiB
from vmtest.rom import ACK, PATTERN, PLUG, UNPLUG, WINDOW, Rom, pattern

BLOCK = 2 * MiB
NOTHING = bytes(PATTERN)
EVENT = "MEMORY_DEVICE_UNPLUGGED_ACCESS"
PAGE = 4096
LOAD = 1024 * PAGE      # what the guest writes to, again and again
FAR = 100               # a block
COUNTS_AGAIN = 0.03     # seconds: a page counts once in 20 ms


def device(mode: str, more: str = "") -> tuple[str, ...]:
    """One whose memory is a file, of which the kernel knows how much there is."""
    return ("-object", "memory-backend-memfd,id=mem0,size=1G,reserve=off",
            "-device", "virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M,"
                       f"unplugged-protection={mode}{more}")


@pytest.fixture(params=("tcg", "kvm"))
def kind(request) -> str:
    """An accelerator that runs the ROM."""
    image.build_rom()
    if why := rom.trouble(request.param):
        pytest.skip(f"{request.param}: {why}")
    return request.param


@pytest.fixture(params=("userfaultfd", "userfaultfd-user-mode"))
def guard(request) -> str:
    """What all may have, and what needs a privilege."""
    if request.param == "userfaultfd":
        privileged()
    return request.param


def privileged() -> None:
    """Who may not use all of userfaultfd does not test that."""
    if not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
        pytest.skip("this user may not open /dev/userfaultfd")


@functools.cache
def low() -> Path:
    """The library for a KVM without paging."""
    return image.build_library(Path(__file__).with_name("low.c"))


def reaching(kind: str, name: str, mode: str, more: str = "",
             wrapper: tuple[str, ...] = ()) -> Rom:
    """A VM whose processor can reach the memory, see reach()."""
    if kind == "kvm":
        wrapper = (*wrapper, "env", f"LD_PRELOAD={low()}")
    return Rom(kind, f"{name}.{mode}", device=device(mode, more), wrapper=wrapper)


def reach(vm: Rom) -> None:
    """The memory is at WINDOW from now on."""
    ready(vm)
    if vm.kind == "tcg":
        vm.numbers("window")


def accesses(vm: Rom) -> int:
    """How often unplugged memory was used."""
    return vm.devices()["vm0"]["unplugged-accesses"]


def occupied(vm: Rom) -> int:
    """How much of the host's memory the device's file has."""
    fds = Path(f"/proc/{vm.get_pid()}/fd").iterdir()
    [memory] = [fd for fd in fds if "memory-backend-memfd" in os.readlink(fd)]
    return memory.stat().st_blocks * 512


def ready(vm: Rom) -> None:
    """Wait for it; it may plug what it likes."""
    vm.wait_ready()
    vm.resize("vm0", GiB)


@pytest.mark.parametrize("mode", ("userfaultfd", "userfaultfd-user-mode",
                                  "discard"))
def test_a_device_of_the_guest_leaves_nothing(kind, mode):
    if mode == "userfaultfd":
        privileged()
    with Rom(kind, f"device.{mode}", device=device(
            mode, ",unplugged-protection-interval=10")) as vm:
        ready(vm)
        assert vm.request(PLUG, 0, 1) == ACK
        vm.store(0)
        assert accesses(vm) == 0
        vm.store(FAR * BLOCK)
        event = vm.event_wait(EVENT)["data"]
        assert event["offset"] == FAR * BLOCK and event["count"] > 0
        vm.until(BLOCK, lambda: occupied(vm), "the memory of the host")
        # One that had to wait for a processor is counted once more.
        assert BLOCK // PAGE <= accesses(vm) <= 2 * BLOCK // PAGE
        assert vm.content(0) == pattern()
        assert vm.content(FAR * BLOCK) == NOTHING
        assert vm.request(PLUG, FAR, 1) == ACK
        assert vm.content(FAR * BLOCK) == NOTHING


def test_a_debugger_reads_zeroes(guard):
    """QEMU's stub for it reads in the main loop, with the big lock."""
    image.build_rom()
    with tempfile.TemporaryDirectory() as place:
        path = f"{place}/gdb"
        with Rom("tcg", f"debugger.{guard}", "-gdb",
                 f"unix:{path},server=on,wait=off", device=device(guard)) as vm:
            ready(vm)
            assert vm.request(PLUG, 0, 1) == ACK
            vm.store(0)
            at = vm.config().addr
            with socket.socket(socket.AF_UNIX) as stub:
                stub.settimeout(20)
                stub.connect(path)
                assert debug(stub, "Qqemu.PhyMemMode:1") == "OK"
                assert debug(stub, f"m{at:x},8") == pattern()[:8].hex()
                assert accesses(vm) == 0
                assert debug(stub, f"m{at + FAR * BLOCK:x},8") == bytes(8).hex()
                debug(stub, f"M{at + FAR * BLOCK:x},1:ab")
            vm.until(True, lambda: accesses(vm) > 0, "to be caught")
            vm.until(0, lambda: occupied(vm) - BLOCK, "the memory of the host")


def debug(stub: socket.socket, command: str) -> str:
    """Give gdb's command to a stub; what it answers."""
    stub.sendall(f"${command}#{sum(command.encode()) % 256:02x}".encode())
    text = ""
    while not (found := re.search(r"\$(.*)#..", text)):
        text += stub.recv(4096).decode()
    stub.sendall(b"+")
    return found.group(1)


def test_a_processor_reads_zeroes_and_writes_nothing(kind, guard):
    with reaching(kind, "processor", guard) as vm:
        reach(vm)
        at = WINDOW + 3 * BLOCK
        for number in range(1, 6):
            vm.numbers("poke", at, 0x12345678)
            vm.until(True, lambda: accesses(vm) >= 2 * number - 1, "to be caught")
            vm.until(0, lambda: occupied(vm), "the memory of the host")
            time.sleep(COUNTS_AGAIN)
            assert vm.numbers("peek", at) == [0]
            vm.until(True, lambda: accesses(vm) >= 2 * number, "to be caught")
            vm.until(0, lambda: occupied(vm), "the memory of the host")
            time.sleep(COUNTS_AGAIN)
        event = vm.event_wait(EVENT)["data"]
        assert event["offset"] == 3 * BLOCK and event["count"] > 0
        before = accesses(vm)
        assert vm.request(PLUG, 3, 1) == ACK
        vm.numbers("poke", at, 0x12345678)
        time.sleep(0.01)
        assert vm.numbers("peek", at) == [0x12345678]
        assert accesses(vm) == before


def test_a_processor_keeps_nothing(kind):
    with reaching(kind, "keeps", "discard",
                  ",unplugged-protection-interval=10") as vm:
        reach(vm)
        vm.numbers("poke", WINDOW + FAR * BLOCK, 0x12345678)
        vm.until(1, lambda: accesses(vm), "what was found")
        vm.until(0, lambda: occupied(vm), "the memory of the host")
        assert vm.numbers("peek", WINDOW + FAR * BLOCK) == [0]
        assert vm.event_wait(EVENT)["data"]["offset"] == FAR * BLOCK


def test_the_vm_stops_and_goes_on(kind, guard):
    with reaching(kind, "stop", guard, ",unplugged-violation=stop") as vm:
        reach(vm)
        for number in range(3):
            # It writes, is stopped, and answers when it goes on.
            guest = threading.Thread(target=vm.numbers, args=(
                "poke", WINDOW + (FAR + number) * BLOCK, 1))
            guest.start()
            vm.event_wait("STOP")
            assert vm.cmd("query-status")["status"] == "paused"
            vm.cmd("cont")
            guest.join()
        assert vm.cmd("query-status")["status"] == "running"
        assert 3 <= accesses(vm) <= 6


def test_nothing_is_left_while_a_guest_goes_on_and_on(kind, guard):
    """What is unplugged has no memory, although the guest writes there all the time,
    while it is plugged and unplugged."""
    with reaching(kind, "hammer", guard) as vm:
        reach(vm)
        vm.numbers("load", WINDOW + FAR * BLOCK)
        lent = 256 * PAGE
        for _ in range(50):
            before = accesses(vm)
            assert vm.request(PLUG, FAR, LOAD // BLOCK) == ACK
            assert vm.request(UNPLUG, FAR, LOAD // BLOCK) == ACK
            assert occupied(vm) <= lent
            vm.until(True, lambda: accesses(vm) > before, "accesses to be caught")
        answers = []
        for _ in range(200):
            began = time.monotonic()
            vm.cmd("query-status")
            answers.append(time.monotonic() - began)
        assert sorted(answers)[198] < 0.05


def test_both_protections_and_slots_together(kind, guard):
    with reaching(kind, "together", guard,
                  ",dynamic-memslots=on,memslot-size=128M") as vm:
        reach(vm)
        # Without a slot there is nothing to reach.
        vm.numbers("poke", WINDOW + FAR * BLOCK, 1)
        assert accesses(vm) == 0
        assert vm.request(PLUG, FAR, 1) == ACK
        vm.numbers("poke", WINDOW + FAR * BLOCK, 1)
        assert accesses(vm) == 0
        vm.numbers("poke", WINDOW + (FAR + 1) * BLOCK, 1)
        vm.until(1, lambda: accesses(vm), "accesses that were caught")


def test_without_privilege(kind):
    """The weaker guard is taken, said, and catches a processor all the same."""
    node = paths.BUILD / "kvm" / "no.sock"          # which nobody can open
    script = ('mount --bind "$0" /dev/userfaultfd && exec setpriv --pdeathsig KILL'
              ' --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$@"')
    node.unlink(missing_ok=True)
    os.mknod(node, 0o600 | stat.S_IFSOCK)
    wrapper = ("unshare", "--mount", "sh", "-c", script, str(node))
    if os.geteuid() != 0:
        if os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
            pytest.skip("only root can give up /dev/userfaultfd")
        wrapper = ()
    with reaching(kind, "unprivileged", "userfaultfd", wrapper=wrapper) as vm:
        reach(vm)
        assert vm.devices()["vm0"]["unplugged-protection"] == \
            "userfaultfd-user-mode"
        assert "does not let this process handle faults" in \
            vm.qemu_log.read_text()
        vm.numbers("poke", WINDOW, 0x12345678)
        vm.until(True, lambda: accesses(vm) > 0, "to be caught")
        vm.until(0, lambda: occupied(vm), "the memory of the host")


def test_as_a_model_says(kind, guard):
    """A processor plugs, unplugs, writes and reads at random: each use of unplugged
    memory is told of, and no other."""
    with reaching(kind, "model", guard) as vm:
        reach(vm)
        chance, content, plugged, seen = random.Random(1), {}, set(), 0
        for deed in range(1, 201):
            block = chance.randrange(16)
            at = WINDOW + block * BLOCK
            unused = at + deed * PAGE           # a page that is used once
            match chance.randrange(4), block in plugged:
                case 0, True:
                    assert vm.request(UNPLUG, block, 1) == ACK
                    plugged.remove(block)
                case 0, False:
                    assert vm.request(PLUG, block, 1) == ACK
                    plugged.add(block)
                    content[block] = 0
                case 1, True:
                    vm.numbers("poke", at, deed)
                    content[block] = deed
                case _, True:
                    assert vm.numbers("peek", at) == [content[block]]
                case 1, False:
                    vm.numbers("poke", unused, deed)
                    seen += 1
                case _, False:
                    assert vm.numbers("peek", unused) == [0]
                    seen += 1
            vm.until(True, lambda: accesses(vm) >= seen, "accesses that were caught")
            # One that waited long for a processor is counted twice.
            assert accesses(vm) <= seen + seen // 10 + 1
