# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md is followed on a fresh Debian: what it says to type is typed there.

Names, commands and what they print are read from README.md. NEWCOMER_COLD=1 has the
machine start with empty caches, to measure what README.md says of costs.
"""

import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from qemu.qmp.legacy import QEMUMonitorProtocol

from driver import paths
from vmtest.fresh import Machine, hindrance, remove
from vmtest.manual import Typed, indented, typed

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")
COLD = os.environ.get("NEWCOMER_COLD", "0") != "0"
# What of `make check` there is time for.
CHECK = "unit driver checks"
QTEST = "qtest-x86_64/virtio-mem-config-test"

pytestmark = [pytest.mark.release, pytest.mark.timeout(5400)]


# ---- what README.md says ----

def examples() -> list[str]:
    """Its examples: what is indented after an empty line."""
    lines = README.splitlines()
    starts = [number for number, line in enumerate(lines)
              if line.startswith("    ") and not lines[number - 1].strip()
              and not lines[number - 2].startswith("    ")]
    return [indented(lines[start:], 0) for start in starts]


def example(word: str) -> str:
    """The only one that has the word."""
    [found] = [text for text in examples() if word in text]
    return found


def needs() -> list[str]:
    """What a user must have: the names before the semicolon in the table."""
    [cell] = re.findall(r"^\| `make demo` \| ([^;|]+);", README, re.M)
    return cell.strip().split(", ")


def verbs() -> list[str]:
    """The commands of the section "Two commands"."""
    return [line.partition("#")[0].strip()
            for line in example("make demo").splitlines()]


def console(word: str) -> list[Typed]:
    """What is typed in the example that has the word, and what is printed."""
    return typed(example(word))


def caches() -> set[str]:
    """The directories below ~/.cache that it says are written."""
    return set(re.findall(r"~/\.cache/([\w.-]+)", README))


# ---- the machine ----

@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request):
    """A fresh one with what README.md says a user must have, and the project.

    It is kept for a look at it if a test failed.
    """
    if problem := hindrance():
        pytest.skip(problem)
    fresh = Machine(request.param, "newcomer", COLD)
    fresh.make()
    fresh.run("apt-get update && DEBIAN_FRONTEND=noninteractive "
              f"apt-get install -y {' '.join(needs())}", where="/root")
    fresh.clone()
    failed = request.session.testsfailed
    yield fresh
    if request.session.testsfailed == failed:
        remove(fresh.root)


@pytest.fixture(name="cost")
def cost_of(machine, record_property):
    """Run a command and note what it cost."""
    def run(command: str) -> str:
        before, started = machine.sizes(), time.monotonic()
        output = machine.run(command)
        record_property(f"`{command}`", f"{time.monotonic() - started:.0f} s")
        for name, size in machine.sizes().items():
            record_property(name, f"{size - before.get(name, 0):+d} MiB")
        return output
    return run


# ---- what is typed there ----

def test_first_command(machine, cost):
    """The demonstration, and nothing is left where README.md names no file."""
    places = ("root", "root/.cache", "tmp", "var/tmp", "home", "opt",
              "usr/local/bin", "usr/local/lib")
    before = machine.files(*places)
    output = cost(verbs()[0])
    assert "\nAll agree: " in output
    assert_only_known(machine, machine.files(*places) - before)


def test_second_command(machine, cost):
    """A part of the tests, with which the rest is built."""
    output = cost(f'{verbs()[1]} SUITES="{CHECK}"')
    assert re.search(r"^\d+ passed, 0 failed, \d+ skipped$", output, re.M)
    machine.run(f"build/meson test -C build/qemu/obj {QTEST}")
    assert_only_known(machine, set())


def assert_only_known(machine: Machine, new: set[str]) -> None:
    """Git knows what is new, it is in build/, or README.md names it."""
    assert machine.run("git status --porcelain --ignored").split("\n") == \
        ["!! build/", ""]
    assert {Path(name).name for name in machine.files("root/.cache")} \
        <= caches()
    assert new == set()


def test_other_verbs(machine):
    """make help lists them; make alone has the emulator and the tool ready."""
    assert all(verb in machine.run("make help") for verb in verbs())
    machine.run("make")
    for name in ("build/qemu-system-x86_64", "build/vmemctl"):
        assert name in README
        assert machine.run(f"{name} --help")


class Guest:
    """The VM that README.md starts by hand, on its terminal.

    Where the emulator gets no processor for long, the kernel may find that its timer
    does not work, and panic; it is started again then.
    """

    def __init__(self, machine: Machine, name: str):
        self.machine, self.seen = machine, machine.home / f"{name}.log"
        self.start()

    def start(self) -> None:
        """Type the command."""
        with self.seen.open("wb") as out:
            self.process = self.machine.start("exec " + example("-nic user"),
                                              stdin=subprocess.PIPE, stdout=out)

    def __enter__(self) -> "Guest":
        for _ in range(3):
            text = self.until("guest ready", "timer doesn't work!")
            if "guest ready" in text:
                return self
            self.__exit__()
            self.start()
        raise AssertionError(text)

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def type(self, text: str) -> None:
        """Type it."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def until(self, *texts: str) -> str:
        """Wait for one of them to appear; all that has appeared so far."""
        deadline = time.monotonic() + 120
        while True:
            seen = self.seen.read_text(errors="replace")
            if any(text in seen for text in texts):
                return seen
            assert self.process.poll() is None, seen
            assert time.monotonic() < deadline, f"no {texts} in\n{seen}"
            time.sleep(0.1)


def form(text: str) -> str:
    """What is seen in the end, progress written over, without the time it took."""
    lines = [line.rstrip("\r").rpartition("\r")[2].replace("\033[K", "")
             for line in text.strip().split("\n")]
    return re.sub(r"after \d+\.\d s", "after N s", "\n".join(lines))


def test_by_hand(machine):
    """The console, the monitor, and the end."""
    commands = [one.command for one in console("(qemu) info")]
    with Guest(machine, "by-hand") as guest:
        guest.type("\x01c")
        guest.until("(qemu) ")
        for command in commands:
            guest.type(command + "\n")
        guest.until('Memory device [virtio-mem]: "vm0"')
        guest.type("\x01x")
        assert guest.process.wait(60) == 0, guest.until("")


def test_in_scripts(machine):
    """vmemctl prints what README.md prints; so does QMP what it says."""
    with Guest(machine, "in-scripts"):
        for one in console("$ build/vmemctl"):
            deadline = time.monotonic() + 60
            typed_there = shlex.quote(one.command)
            command = f"script -qec {typed_there} /dev/null"    # on a terminal
            while form(seen := machine.run(command)) != form(one.output):
                # the guest takes a moment for its first size
                assert " list" in one.command and time.monotonic() < deadline, \
                    f"{one.command} prints\n{seen}"
                time.sleep(0.2)
        monitor = QEMUMonitorProtocol(
            os.path.relpath(machine.root / "tmp/vm.qmp"))
        monitor.connect()
        message = json.loads(example('"execute"'))
        assert monitor.cmd_obj(message) == {"return": {}}
        monitor.close()
