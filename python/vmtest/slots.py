# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory slots that QEMU has in KVM, from its trace of kvm_set_user_memory."""

import re
from typing import NamedTuple

SET = re.compile(r"^kvm_set_user_memory AddrSpace#(\d+) Slot#(\d+) "
                 r"flags=(0x\w+) gpa=(0x\w+) size=(0x\w+) .* ret=(-?\d+)$", re.M)
LOG_DIRTY = 1           # KVM_MEM_LOG_DIRTY_PAGES


class Slot(NamedTuple):
    """Guest memory that KVM knows, and how."""

    start: int
    size: int
    flags: int


def changes(trace: str, start: int, size: int) -> list[Slot]:
    """Whatever was set within some guest-physical memory, in order, as KVM's
    processors see it outside of system management mode. What goes has no size."""
    return [slot for _, slot in _settings(trace)
            if start <= slot.start < start + size]


def slots(trace: str, start: int, size: int) -> list[Slot]:
    """What there is now within some guest-physical memory, by address."""
    present: dict[int, Slot] = {}
    for number, slot in _settings(trace):
        if slot.size:
            present[number] = slot
        else:
            present.pop(number, None)
    return sorted(slot for slot in present.values()
                  if start <= slot.start < start + size)


def _settings(trace: str) -> list[tuple[int, Slot]]:
    return [(int(number), Slot(int(start, 16), int(size, 16), int(flags, 16)))
            for space, number, flags, start, size, status in SET.findall(trace)
            if space == "0" and status == "0"]
