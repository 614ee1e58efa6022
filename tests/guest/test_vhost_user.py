# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory slots beside a vhost-user back end, whose limit counts.

The back end is a script: it says how many memory slots it has, and accepts all
else. No guest is started.
"""

import socket
import struct
import threading

import pytest
from qemu.machine import QEMUMachine
from qemu.qmp import ExecuteError

from vmtest.vm import LOGS, default_binary

HEADER = struct.Struct("<III")
GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_MAX_MEM_SLOTS = 1, 15, 17, 36
REPLY, NEED_REPLY = 4, 8
# VERSION_1 and PROTOCOL_FEATURES; of the protocol MQ, REPLY_ACK and, of a back
# end that tells how many slots it has, CONFIGURE_MEM_SLOTS.
FEATURES = 1 << 32 | 1 << 30
PROTOCOL = 1 << 0 | 1 << 3
CONFIGURE_MEM_SLOTS = 1 << 15
BASELINE = 8        # memory slots that QEMU takes for granted


class BackEnd:
    """A vhost-user back end with so many memory slots."""

    def __init__(self, path: str, slots: int):
        self.path, self.slots = path, slots
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        """Serve one front end after the other."""
        while True:
            connection, _ = self.listener.accept()
            with connection:
                try:
                    while self.answer(connection):
                        pass
                except OSError:
                    pass

    def answer(self, connection: socket.socket) -> bool:
        """Handle one message; False when there is none any more."""
        head, fds, _, _ = socket.recv_fds(connection, HEADER.size, 16)
        for fd in fds:
            socket.close(fd)
        if len(head) < HEADER.size:
            return False
        request, flags, size = HEADER.unpack(head)
        if size:
            connection.recv(size, socket.MSG_WAITALL)
        more = CONFIGURE_MEM_SLOTS if self.slots != BASELINE else 0
        value = {GET_FEATURES: FEATURES, GET_PROTOCOL_FEATURES: PROTOCOL | more,
                 GET_QUEUE_NUM: 1, GET_MAX_MEM_SLOTS: self.slots}.get(request)
        if value is None and flags & NEED_REPLY:
            value = 0
        if value is not None:
            connection.sendall(HEADER.pack(request, 1 | REPLY, 8)
                               + struct.pack("<Q", value))
        return True


@pytest.fixture
def vm(tmp_path):
    """A VM; with(ARGUMENTS) starts it, backend(SLOTS) makes a back end."""
    LOGS.mkdir(parents=True, exist_ok=True)
    machine = QEMUMachine(default_binary(), log_dir=str(LOGS))
    machine.set_machine("q35,memory-backend=ram")
    machine.add_args("-accel", "qtest", "-nodefaults", "-m", "256M,maxmem=24G", "-S",
                     "-object", "memory-backend-memfd,id=ram,size=256M")

    def backend(slots: int) -> str:
        path = str(tmp_path / f"{slots}.sock")
        BackEnd(path, slots)
        return path
    machine.backend = backend
    yield machine
    machine.shutdown(hard=True)


DEVICE = ("-object", "memory-backend-memfd,id=mem0,size=16G,reserve=off",
          "-device", "virtio-mem-pci,id=vm0,memdev=mem0,dynamic-memslots=on")


def memslots(vm: QEMUMachine) -> int:
    """How many slots the device has."""
    return vm.cmd("query-memory-devices")[0]["data"]["memslots"]


@pytest.mark.parametrize("limit, slots", [(BASELINE, 1), (64, 1), (509, 16)])
def test_the_limit_of_a_back_end_decides_how_many_there_are(vm, limit, slots):
    vm.add_args("-chardev", f"socket,id=c,path={vm.backend(limit)}",
                "-device", "vhost-user-rng-pci,chardev=c", *DEVICE)
    vm.launch()
    assert memslots(vm) == slots


@pytest.mark.parametrize("limit", [BASELINE, 64])
def test_a_back_end_with_too_few_slots_is_refused_later(vm, limit):
    vm.add_args("-chardev", f"socket,id=c,path={vm.backend(limit)}", *DEVICE,
                "-device", "pcie-root-port,id=rp")
    vm.launch()
    assert memslots(vm) == 16
    with pytest.raises(ExecuteError, match="memory slots"):
        vm.cmd("device_add", driver="vhost-user-rng-pci", chardev="c", bus="rp")
    assert memslots(vm) == 16


def test_a_back_end_with_enough_is_taken_later(vm):
    vm.add_args("-chardev", f"socket,id=c,path={vm.backend(509)}", *DEVICE,
                "-device", "pcie-root-port,id=rp")
    vm.launch()
    vm.cmd("device_add", driver="vhost-user-rng-pci", chardev="c", bus="rp")
    assert memslots(vm) == 16
