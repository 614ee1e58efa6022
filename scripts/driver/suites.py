# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites of `make check`: for each, how to build it and what to run."""

import re
from dataclasses import dataclass, replace
from typing import Callable

import paths
import standalone
import ui
import upstream
from flavours import PLAIN, SANITIZED, Flavour
from program import Program, python_file, python_files, script

SANITIZERS_SLOW = 5  # how much more time the programs are given


@dataclass(frozen=True)
class Suite:
    """What must be built for a suite, and then its programs."""

    programs: Callable[[dict], list[Program]]
    flavour: Flavour | None = None  # the QEMU that it runs
    targets: Callable[[], tuple[str, ...]] = tuple  # built along with it
    guest: bool = False             # whether it boots the guest
    stock: bool = False             # whether it also runs QEMU's own device


def driver(env: dict) -> list[Program]:
    """The tests of this driver."""
    return python_files(paths.ROOT / "tests" / "driver", 120, env)


def guest(env: dict) -> list[Program]:
    """The tests that boot a real kernel."""
    return python_files(paths.ROOT / "tests" / "guest", 600,
                        {**env, "VM_QEMU": str(PLAIN.binary)})


def unit(env: dict, flavour: Flavour = PLAIN) -> list[Program]:
    """All unit tests of the stand-alone build."""
    standalone.build(env, flavour)
    return [Program(test["name"], [*test["cmd"], "--tap", "-k"],
                    max(60, test["timeout"]), cwd=flavour.unit,
                    env={**test["env"], **flavour.env})
            for test in standalone.tests(env, flavour)]


def vmemctl(env: dict, flavour: Flavour = PLAIN) -> list[Program]:
    """The command-line tool, with scripted peers and with real VMs."""
    binary = standalone.vmemctl(env, flavour)
    if not binary:
        raise ui.Fail(f"{standalone.MISSING}: install it")
    return python_files(paths.ROOT / "tests" / "vmemctl", 300,
                        {**env, "VM_QEMU": str(PLAIN.binary),
                         "VMEMCTL": str(binary), **flavour.env})


def vmemctl_alone(env: dict, flavour: Flavour) -> list[Program]:
    """The command-line tool, with scripted peers."""
    return [program for program in vmemctl(env, flavour)
            if program.name != "test_vm"]


def qtest_names() -> list[str]:
    """Our stand-alone qtests: each file is one program."""
    here = paths.ROOT / "tests" / "qtest"
    return [file.stem for file in sorted(here.glob("virtio-mem-*-test.c"))
            if not is_qos_test(file)]


def is_qos_test(file) -> bool:
    """Tests that register with libqos are part of qos-test."""
    return re.search(r"^libqos_init\(", file.read_text(), re.M) is not None


def qtest_targets() -> tuple[str, ...]:
    """What ninja must build besides QEMU for the qtests."""
    return ("tests/qtest/qos-test",
            *(f"tests/qtest/{name}" for name in qtest_names()))


def qtest(env: dict, flavour: Flavour = PLAIN) -> list[Program]:
    """Our tests in QEMU's own framework."""
    env = {**env, "QTEST_QEMU_BINARY": "./qemu-system-x86_64", **flavour.env}
    programs = [Program(name, [f"tests/qtest/{name}", "--tap", "-k"], 600,
                        cwd=flavour.obj, env=env)
                for name in qtest_names()]
    ours = qos_paths(env, flavour)
    if ours:
        choice = [word for path in ours for word in ("-p", path)]
        programs.append(Program(
            "qos-test", ["tests/qtest/qos-test", "--tap", "-k", *choice], 600,
            cwd=flavour.obj, env=env))
    return programs


def qos_paths(env: dict, flavour: Flavour) -> list[str]:
    """The paths through QEMU's graph of devices that lead over ours."""
    log = paths.LOGS / f"qos-test-list-{flavour.name}.log"
    log.unlink(missing_ok=True)
    listed = ui.run([flavour.obj / "tests" / "qtest" / "qos-test", "-l"],
                    log=log, cwd=flavour.obj, env=env, keep=100000,
                    what="listing QEMU's qos tests")
    found = ours_of(listed)
    for file in sorted((paths.ROOT / "tests" / "qtest").glob("virtio-mem-*.c")):
        if is_qos_test(file) and not has_tests(file.read_text(), found):
            raise ui.Fail(f"qos-test lists no test of {ui.shown(file)} (all "
                          f"that it lists: {ui.shown(log)})")
    return found


def ours_of(listed: str) -> list[str]:
    """The paths over our device among those that qos-test lists.

    From GLib 2.84 on they are comments of TAP.
    """
    lines = (line.removeprefix("# ") for line in listed.splitlines())
    return [line for line in lines
            if line.startswith("/") and "virtio-mem" in line]


def has_tests(source: str, found: list[str]) -> bool:
    """Does a path end with a name that stands in that source?"""
    names = re.findall(r'"([\w/-]+)"', source)
    return any(path.endswith(f"/{name}") for path in found for name in names)


def flood(env: dict) -> list[Program]:
    """The monitor while a guest floods the device."""
    return [script("tests/flood/flood.py", ["--tap", "--count", "500"], 300,
                   env)]


def fuzz(env: dict) -> list[Program]:
    """A short run of the fuzzers of the pure modules."""
    return [script("tests/fuzz/fuzz.py",
                   ["--seconds", "20", "--only", "modules"], 900, env)]


def proof(env: dict) -> list[Program]:
    """Bounded model checking of the pure modules."""
    return [script("tests/proof/proof.py", [], 3600, env)]


def variants(env: dict) -> list[Program]:
    """QEMU configured in other ways, each built anew if need be."""
    return python_files(paths.ROOT / "tests" / "variants", 7200, env)


def sanitized(programs: Callable) -> Callable[[dict], list[Program]]:
    """The programs of another suite, as the sanitizers build them."""
    return lambda env: [
        replace(program, seconds=program.seconds * SANITIZERS_SLOW,
                sanitizers=True)
        for program in programs(env, SANITIZED)]


def sanitized_guest(env: dict, flavour: Flavour) -> list[Program]:
    """One guest test: resizing and resets of a running kernel."""
    return [python_file(paths.ROOT / "tests" / "guest" / "test_resize.py", 600,
                        {**env, "VM_QEMU": str(flavour.binary),
                         **flavour.env})]


SUITES = {
    # the gate of every change
    "driver": Suite(driver),
    "unit": Suite(unit),
    "qtest": Suite(qtest, PLAIN, qtest_targets),
    "guest": Suite(guest, PLAIN, guest=True, stock=True),
    "vmemctl": Suite(vmemctl, PLAIN, guest=True, stock=True),
    "flood": Suite(flood, PLAIN),
    "fuzz": Suite(fuzz),
    # the rest of check-full
    "proof": Suite(proof),
    "upstream": Suite(upstream.programs, PLAIN, upstream.targets),
    "variants": Suite(variants),
    "sanitize-unit": Suite(sanitized(unit)),
    "sanitize-qtest": Suite(sanitized(qtest), SANITIZED, qtest_targets),
    "sanitize-guest": Suite(sanitized(sanitized_guest), SANITIZED, guest=True),
    "sanitize-vmemctl": Suite(sanitized(vmemctl_alone)),
}
GATE = ("driver", "unit", "qtest", "guest", "vmemctl", "flood", "fuzz")
SANITIZE = tuple(name for name in SUITES if name.startswith("sanitize-"))


def choose(names: list[str], default: tuple[str, ...] = GATE) -> list[str]:
    """The suites to run, in their order; the default when none is named."""
    for name in names:
        if name not in SUITES:
            raise ui.Fail(f"there is no suite {name}: SUITES takes "
                          f"{', '.join(SUITES)}")
    return [name for name in SUITES if name in (names or default)]
