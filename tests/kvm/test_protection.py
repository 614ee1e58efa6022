# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that uses unplugged memory: by a device, and by its processor.

The processor needs paging to get there, which not every KVM can do (test_kvm.py).
"""

import os
import threading
import time
from pathlib import Path

import pytest

from vmtest import image, rom
from vmtest.memory import GiB, MiB
from vmtest.rom import ACK, PATTERN, PLUG, UNPLUG, WINDOW, Rom, pattern

BLOCK = 2 * MiB
NOTHING = bytes(PATTERN)
EVENT = "MEMORY_DEVICE_UNPLUGGED_ACCESS"
PAGE = 4096
LOAD = 1024 * PAGE      # what the guest writes to, again and again
FAR = 100               # a block


def device(mode: str, more: str = "") -> tuple[str, ...]:
    """One whose memory is a file, of which the kernel knows how much there is."""
    return ("-object", "memory-backend-memfd,id=mem0,size=1G,reserve=off",
            "-device", "virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M,"
                       f"unplugged-protection={mode}{more}")


@pytest.fixture(autouse=True)
def allowed(request):
    """Who may not use userfaultfd has no guard; but discard works for all."""
    if "discard" not in request.node.name and \
            not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
        pytest.skip("this user may not open /dev/userfaultfd")


@pytest.fixture(params=("tcg", "kvm"))
def kind(request) -> str:
    """An accelerator that runs the ROM."""
    image.build_rom()
    if why := rom.trouble(request.param):
        pytest.skip(f"{request.param}: {why}")
    return request.param


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


@pytest.mark.parametrize("mode", ("userfaultfd", "discard"))
def test_a_device_of_the_guest_leaves_nothing(kind, mode):
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


def test_a_processor_reads_zeroes_and_writes_nothing():
    image.build_rom()
    with Rom("tcg", "processor", device=device("userfaultfd")) as vm:
        ready(vm)
        vm.numbers("window")
        at = WINDOW + 3 * BLOCK
        for number in range(1, 6):
            vm.numbers("poke", at, 0x12345678)
            time.sleep(0.01)
            assert vm.numbers("peek", at) == [0]
            time.sleep(0.01)
            assert accesses(vm) >= 2 * number
        vm.until(0, lambda: occupied(vm), "the memory of the host")
        before = accesses(vm)
        assert vm.request(PLUG, 3, 1) == ACK
        vm.numbers("poke", at, 0x12345678)
        time.sleep(0.01)
        assert vm.numbers("peek", at) == [0x12345678]
        assert accesses(vm) == before


def test_the_vm_stops_and_goes_on():
    image.build_rom()
    with Rom("tcg", "stop", device=device(
            "userfaultfd", ",unplugged-violation=stop")) as vm:
        ready(vm)
        vm.numbers("window")
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


def test_nothing_is_left_while_a_guest_goes_on_and_on():
    """What is unplugged has no memory, although the guest writes there all the time,
    while it is plugged and unplugged."""
    image.build_rom()
    with Rom("tcg", "hammer", device=device("userfaultfd")) as vm:
        ready(vm)
        vm.numbers("window")
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


def test_both_protections_and_slots_together():
    image.build_rom()
    with Rom("tcg", "together", device=device(
            "userfaultfd", ",dynamic-memslots=on,memslot-size=128M")) as vm:
        ready(vm)
        vm.numbers("window")
        # Without a slot there is nothing to reach.
        vm.numbers("poke", WINDOW + FAR * BLOCK, 1)
        assert accesses(vm) == 0
        assert vm.request(PLUG, FAR, 1) == ACK
        vm.numbers("poke", WINDOW + FAR * BLOCK, 1)
        assert accesses(vm) == 0
        vm.numbers("poke", WINDOW + (FAR + 1) * BLOCK, 1)
        vm.until(1, lambda: accesses(vm), "accesses that were caught")
