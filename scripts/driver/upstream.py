# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own tests that can see the device, run with our binary.

They walk over all machines and all devices, so they also find what our tests
do not look for: a property that cannot be read, a device that cannot be
described, a monitor command that crashes a machine without such devices.
"""

import paths
from flavours import PLAIN
from program import Program

# Seconds as QEMU's tests/qtest/meson.build allows them.
TESTS = {
    "device-introspect-test": 720,
    "test-hmp": 240,
    "qom-test": 900,
    "qmp-cmd-test": 120,
    "device-plug-test": 120,
    "numa-test": 120,
    "bios-tables-test": 910,
}
# What the stock binary fails here just the same, and why.
FAILS_WITH_STOCK = {
    "/x86_64/acpi/piix4/dimmpxm":
        "the NVDIMM's table has an address that SeaBIOS chooses, and Debian's "
        "build of it chooses another than QEMU's",
    "/x86_64/acpi/q35/core-count2": "needs the x2APIC that KVM's CPU has",
    "/x86_64/acpi/q35/thread-count2": "needs the x2APIC that KVM's CPU has",
}
WITHOUT_KVM = paths.ROOT / "tests" / "upstream" / "qemu-system-x86_64"


def targets() -> tuple[str, ...]:
    """What ninja must build for them."""
    return tuple(f"tests/qtest/{name}" for name in TESTS)


def programs(env: dict) -> list[Program]:
    """Each of them, with the program it starts."""
    return [bios_tables(name, seconds, env) if name == "bios-tables-test" else
            Program(name, [f"tests/qtest/{name}", "--tap", "-k"], seconds,
                    cwd=PLAIN.obj,
                    env={**env, "QTEST_QEMU_BINARY": "./qemu-system-x86_64"})
            for name, seconds in TESTS.items()]


def bios_tables(name: str, seconds: int, env: dict) -> Program:
    """The one that lets its guests run, and expects bytes it knows."""
    leave_out = [word for path in FAILS_WITH_STOCK for word in ("-s", path)]
    return Program(name, [f"tests/qtest/{name}", "--tap", "-k", *leave_out],
                   seconds, cwd=PLAIN.obj, skips=FAILS_WITH_STOCK,
                   env={**env, "QTEST_QEMU_BINARY": str(WITHOUT_KVM),
                        "VM_QEMU": "./qemu-system-x86_64"})
