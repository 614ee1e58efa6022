# SPDX-License-Identifier: GPL-2.0-or-later
"""What a request costs with KVM (metrics 13 to 15).

The guest is the one of tests/kvm. Where KVM can run no other, it emulates each
instruction of that guest, which then takes most of the time; so the time that
the guest waits is counted apart.
"""

import time
from pathlib import Path

from bench.machine import interleaved
from bench.table import Row
from driver import ui
from vmtest import image
from vmtest.memory import GiB
from vmtest.rom import Rom, trouble

TIMES = 200             # kicks of each kind in a VM
BATCH = 64              # requests a kick


def measure(rounds: int) -> list[Row]:
    """Requests per second, of both; nothing where KVM does not run the guest."""
    image.build_rom()
    if why := trouble("kvm"):
        ui.progress(f"nothing is measured with KVM: {why}")
        return []
    rows = [Row(13, f"PLUG with KVM, {BATCH} a kick, from the kick to the last "
                    "answer", "1/s", more=True),
            Row(14, "UNPLUG with KVM, the same", "1/s", more=True),
            Row(15, "both with KVM, with what the guest does", "1/s", more=True)]
    for who, binary in interleaved(rounds):
        for row, value in zip(rows, rates(binary)):
            row.values[who].append(value)
    return rows


def rates(binary: Path) -> tuple[float, float, float]:
    """PLUG, UNPLUG and both in a second."""
    with Rom("kvm", f"bench.{binary.parent.name}", binary=str(binary)) as vm:
        vm.wait_ready()
        vm.resize("vm0", GiB)
        vm.numbers("rounds", 10)
        (first,), began = vm.numbers("cycles"), time.monotonic()
        answered, unexpected, plug, unplug = vm.numbers("rounds", TIMES,
                                                        timeout=300)
        (last,), ended = vm.numbers("cycles"), time.monotonic()
    if unexpected:
        raise ui.Fail(f"{unexpected} of {answered} requests got other answers "
                      "than ACK")
    each = TIMES * BATCH * (last - first) / (ended - began)
    return each / plug, each / unplug, answered / (ended - began)
