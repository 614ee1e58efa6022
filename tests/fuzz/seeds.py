# SPDX-License-Identifier: GPL-2.0-or-later
"""Inputs for QEMU's generic fuzzer that bring virtio-mem to life.

By chance the fuzzer would hardly ever set up a queue, so it is shown how: each
input is what a driver does, as operations of tests/qtest/fuzz/generic_fuzz.c.
What the device reads from guest memory is not written there but given as
patterns, one for each read, in the order in which the device reads.
"""

import struct
from pathlib import Path

READ, WRITE, PATTERN, CLEAR, CLOCK = 2, 3, 7, 8, 9  # its operations
SEPARATOR = b"FUZZ"
BYTE, WORD, LONG, QUAD = range(4)

# The regions of the device's two BARs, in the order of their addresses.
COMMON, DEVICE, NOTIFY = 2, 4, 5

DESCRIPTORS, AVAILABLE, USED = 0x10000, 0x20000, 0x30000
REQUEST, RESPONSE = 0x40000, 0x50000
NEXT, WRITABLE = 1, 2
PLUG, UNPLUG, UNPLUG_ALL, STATE = range(4)

BASE = 0x1_0000_0000  # where the machine of fuzz.py puts the device
BLOCK = 2 << 20


def write(region: int, offset: int, width: int, value: int) -> bytes:
    """One write to a register."""
    return struct.pack("<BBBxxIQ", WRITE, width, region, offset, value)


def read(region: int, offset: int, width: int) -> bytes:
    """One read of a register."""
    return struct.pack("<BBBxxI", READ, width, region, offset)


def driver() -> list[bytes]:
    """Do what a driver does up to DRIVER_OK."""
    registers = [
        (0x14, BYTE, 0), (0x14, BYTE, 1), (0x14, BYTE, 3),       # status
        (0x08, LONG, 0), (0x0c, LONG, 2),  # accept UNPLUGGED_INACCESSIBLE
        (0x08, LONG, 1), (0x0c, LONG, 1),  # and VERSION_1
        (0x14, BYTE, 0xb),
        (0x16, WORD, 0), (0x18, WORD, 128),                      # queue
        (0x20, LONG, DESCRIPTORS), (0x24, LONG, 0),
        (0x28, LONG, AVAILABLE), (0x2c, LONG, 0),
        (0x30, LONG, USED), (0x34, LONG, 0), (0x1c, WORD, 1),
        (0x14, BYTE, 0xf),
    ]
    return [write(COMMON, *register) for register in registers]


def descriptor(address: int, length: int, flags: int, after: int) -> bytes:
    """One descriptor of the ring."""
    return struct.pack("<QIHH", address, length, flags, after)


def send(number: int, body: bytes, room: int = 10) -> list[bytes]:
    """Make a request available, as the `number`th, and notify."""
    index = struct.pack("<H", number)
    reads = [
        index, b"\0\0",                              # and the head there
        descriptor(REQUEST, len(body), NEXT, 1), body,    # and what it names
        descriptor(RESPONSE, room, WRITABLE, 0), b"\0",
        index, index,       # no more; flags, of which one bit is used at most
    ]
    return [bytes([CLEAR]),
            *(bytes([PATTERN, 0, 0]) + data for data in reads),
            write(NOTIFY, 0, WORD, 0)]


def request(kind: int, first: int = 0, count: int = 0) -> bytes:
    """A request as it lies in memory."""
    return struct.pack("<H6xQH6x", kind, BASE + first * BLOCK, count)


def life(*bodies: bytes, room: int = 10) -> list[bytes]:
    """A driver that sends these requests and looks at the config between."""
    operations = driver()
    for number, body in enumerate(bodies, 1):
        operations += send(number, body, room)
        operations += [read(DEVICE, 0x28, LONG), read(COMMON, 0x14, BYTE)]
    return operations


SEEDS = {
    "plug": life(request(PLUG, 0, 1), request(STATE, 0, 1)),
    "unplug": life(request(PLUG, 0, 4), request(UNPLUG, 1, 2),
                   request(STATE, 0, 4)),
    "unplug-all": life(request(PLUG, 0, 4), request(UNPLUG_ALL),
                       request(PLUG, 8, 2)),
    "errors": life(request(PLUG, 0xffff, 1), request(PLUG, 0, 0xffff),
                   request(UNPLUG, 0, 1), request(9), request(STATE, 0, 0)),
    "beyond": life(request(PLUG, 0, 16), request(PLUG, 16, 16),
                   request(PLUG, 32, 1)),
    "short-request": life(b"\0" * 10, request(STATE, 0, 1)),
    "short-response": life(request(PLUG, 0, 1), room=9),
    "reset": [*life(request(PLUG, 0, 2)), *life(request(STATE, 0, 2))],
    "config": [read(DEVICE, offset, LONG) for offset in range(0, 64, 8)] +
              [write(DEVICE, offset, LONG, 0) for offset in range(0, 64, 8)],
    "clock": [*driver(), bytes([CLOCK]), *send(1, request(UNPLUG_ALL))],
}


def save(directory: Path) -> None:
    """Write each of them to a file."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, operations in SEEDS.items():
        (directory / name).write_bytes(SEPARATOR.join(operations))
