# SPDX-License-Identifier: GPL-2.0-or-later
"""Inputs for QEMU's generic fuzzer that bring virtio-mem to life.

By chance the fuzzer would hardly ever set up a queue, so it is shown how: each
input is what a driver does, as operations of tests/qtest/fuzz/generic_fuzz.c.
What the device reads from guest memory is not written there but given as
patterns, one for each read, in the order in which the device reads.
"""

import struct
from pathlib import Path

# Operations of the fuzzer.
READ, WRITE, CONFIG, PATTERN, CLEAR, CLOCK = 2, 3, 5, 7, 8, 9
SEPARATOR = b"FUZZ"
BYTE, WORD, LONG, QUAD = range(4)

# The regions of the device's two BARs, in the order of their addresses. A second
# device has its own behind them.
VECTORS, COMMON, DEVICE, NOTIFY = 0, 2, 4, 5
REGIONS = 6

# Where the fuzzer puts the BARs of the first device, and of the second.
BAR_OF_VECTORS, BAR, OTHER_BAR = 0xe0000000, 0xe0004000, 0xe000c000
REGISTERS = {"status": 0x14, "queue-select": 0x16, "queue-enable": 0x1c,
             "queue-address": 0x20, "queue-reset": 0x3a, "isr": 0x1000,
             "config": 0x2000, "notify": 0x3000}

# Configuration space, once it is memory.
MMCONFIG, PCIEXBAR = 0xb0000000, 0x60
HOST_BRIDGE = 2  # number among the devices of the fuzzer
MSIX_CONTROL, MSIX_ON = 0x9a, 0x8000

DESCRIPTORS, AVAILABLE, USED = 0x10000, 0x20000, 0x30000
REQUEST, RESPONSE = 0x40000, 0x50000
NEXT, WRITABLE = 1, 2
PLUG, UNPLUG, UNPLUG_ALL, STATE = range(4)

BASE = 0x1_0000_0000  # where the machine of test_device.py puts the device
BLOCK = 2 << 20


def write(region: int, offset: int, width: int, value: int) -> bytes:
    """One write to a register."""
    return struct.pack("<BBBxxIQ", WRITE, width, region, offset, value)


def read(region: int, offset: int, width: int) -> bytes:
    """One read of a register."""
    return struct.pack("<BBBxxI", READ, width, region, offset)


def configure(number: int, offset: int, width: int, value: int) -> bytes:
    """One write to the configuration space of a device."""
    return struct.pack("<BBBBxI", CONFIG, width, number, offset, value)


def driver(device: int = 0, used: int = USED,
           available: int = AVAILABLE) -> list[bytes]:
    """Do what a driver does up to DRIVER_OK."""
    registers = [
        (0x14, BYTE, 0), (0x14, BYTE, 1), (0x14, BYTE, 3),       # status
        (0x08, LONG, 0), (0x0c, LONG, 2),  # accept UNPLUGGED_INACCESSIBLE
        (0x08, LONG, 1), (0x0c, LONG, 1),  # and VERSION_1
        (0x14, BYTE, 0xb),
        (0x16, WORD, 0), (0x18, WORD, 128),                      # queue
        (0x20, LONG, DESCRIPTORS), (0x24, LONG, 0),
        (0x28, LONG, available), (0x2c, LONG, 0),
        (0x30, LONG, used), (0x34, LONG, 0), (0x1c, WORD, 1),
        (0x14, BYTE, 0xf),
    ]
    return [write(device * REGIONS + COMMON, *register)
            for register in registers]


def descriptor(address: int, length: int, flags: int, after: int) -> bytes:
    """One descriptor of the ring."""
    return struct.pack("<QIHH", address, length, flags, after)


def send(number: int, body: bytes, room: int = 10, response: int = RESPONSE,
         device: int = 0) -> list[bytes]:
    """Make a request available, as the `number`th, and notify."""
    index = struct.pack("<H", number)
    reads = [
        index, b"\0\0",                              # and the head there
        descriptor(REQUEST, len(body), NEXT, 1), body,    # and what it names
        descriptor(response, room, WRITABLE, 0), b"\0",
        index, index,       # no more; flags, of which one bit is used at most
    ]
    return [bytes([CLEAR]),
            *(bytes([PATTERN, 0, 0]) + data for data in reads),
            write(device * REGIONS + NOTIFY, 0, WORD, 0)]


def request(kind: int, first: int = 0, count: int = 0) -> bytes:
    """A request as it lies in memory."""
    return struct.pack("<H6xQH6x", kind, BASE + first * BLOCK, count)


def configuration_is_memory() -> bytes:
    """Switch MMCONFIG on."""
    return configure(HOST_BRIDGE, PCIEXBAR, LONG, MMCONFIG | 1)


def vectors(address: int, data: int) -> list[bytes]:
    """Have both vectors write there, and use them."""
    table = [(0, address), (4, 0), (8, data), (12, 0)]
    return [*(write(VECTORS, 16 * vector + offset, LONG, value)
              for vector in (0, 1) for offset, value in table),
            configure(0, MSIX_CONTROL, WORD, MSIX_ON),
            write(COMMON, 0x10, WORD, 0), write(COMMON, 0x16, WORD, 0),
            write(COMMON, 0x1a, WORD, 1)]


def aimed(response: int) -> list[bytes]:
    """A big request answered there, then two small ones."""
    return [configuration_is_memory(), *driver(),
            *send(1, request(PLUG, 0, 8), response=response),
            *send(2, request(PLUG, 9, 1)), *send(3, request(STATE, 0, 9))]


def interrupting(address: int, data: int = 0) -> list[bytes]:
    """Requests of which the interrupts write there."""
    return [configuration_is_memory(), *driver(), *vectors(address, data),
            *send(1, request(PLUG, 0, 8)), *send(2, request(STATE, 0, 8)),
            *send(3, b"\0" * 10)]


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


# For the machine with two devices, the first of which populates in a thread.
AIMED = {
    "big": life(request(PLUG, 0, 8), request(STATE, 0, 8),
                request(UNPLUG, 0, 8), request(UNPLUG_ALL)),
    "two": [*driver(), *driver(1), *send(1, request(PLUG, 0, 8)),
            *send(1, request(STATE, 0, 1), device=1),
            *send(2, request(STATE, 0, 8))],
    "used-at-notify": [*driver(used=BAR + REGISTERS["notify"] - 2),
                       *send(1, request(PLUG, 0, 8))],
    "available-at-notify": [*driver(available=BAR + REGISTERS["notify"]),
                            write(NOTIFY, 0, WORD, 0)],
    "interrupt-at-command": interrupting(MMCONFIG + (1 << 15) + 4),
    "response-at-vectors": aimed(BAR_OF_VECTORS),
    "response-at-mmconfig": aimed(MMCONFIG + PCIEXBAR),
    **{f"response-at-{name}": aimed(BAR + offset)
       for name, offset in REGISTERS.items()},
    **{f"response-at-other-{name}": aimed(OTHER_BAR + offset)
       for name, offset in REGISTERS.items()},
    **{f"interrupt-at-{name}": interrupting(BAR + offset)
       for name, offset in REGISTERS.items()},
    "interrupt-at-other-notify":
        interrupting(OTHER_BAR + REGISTERS["notify"]),
}


def save(directory: Path, inputs: dict[str, list[bytes]]) -> None:
    """Write each of them to a file."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, operations in inputs.items():
        (directory / name).write_bytes(SEPARATOR.join(operations))
