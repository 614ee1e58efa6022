# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read out of QEMU's trace of memory slots."""

from vmtest.slots import LOG_DIRTY, Slot, changes, slots

GiB = 1 << 30


def line(number: int, start: int, size: int, flags: int = 0, space: int = 0,
         status: int = 0) -> str:
    """As QEMU 10.0 writes it."""
    return (f"kvm_set_user_memory AddrSpace#{space} Slot#{number} "
            f"flags={flags:#x} gpa={start:#x} size={size:#x} ua=0x7f00 "
            f"guest_memfd=-1 guest_memfd_offset=0x0 ret={status}\n")


def test_slots_come_change_and_go():
    trace = line(3, 0, GiB) + line(5, 4 * GiB, GiB) + line(6, 5 * GiB, GiB)
    both = [Slot(4 * GiB, GiB, 0), Slot(5 * GiB, GiB, 0)]
    assert slots(trace, 4 * GiB, 2 * GiB) == both
    trace += line(6, 5 * GiB, GiB, LOG_DIRTY) + line(5, 4 * GiB, 0)
    assert slots(trace, 4 * GiB, 2 * GiB) == [Slot(5 * GiB, GiB, LOG_DIRTY)]
    assert changes(trace, 4 * GiB, GiB) == [both[0], Slot(4 * GiB, 0, 0)]


def test_a_number_is_used_again():
    trace = line(5, 4 * GiB, GiB) + line(5, 4 * GiB, 0) + line(5, 6 * GiB, GiB)
    assert slots(trace, 4 * GiB, GiB) == []
    assert slots(trace, 6 * GiB, GiB) == [Slot(6 * GiB, GiB, 0)]


def test_what_was_refused_and_system_management_mode_do_not_count():
    trace = (line(5, 4 * GiB, GiB, status=-22) + line(6, 5 * GiB, GiB, space=1)
             + "kvm_set_ioeventfd_mmio fd: 18 @0xc0007000\n")
    assert slots(trace, 0, 8 * GiB) == changes(trace, 0, 8 * GiB) == []
