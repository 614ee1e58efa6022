# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU with a guest without a kernel, and a monitor that is quick to ask.

QEMU's own Python library for the monitor takes longer for a question than QEMU
does; here a question is one write and one read.
"""

import json
import re
import socket
import subprocess
import time
from pathlib import Path

from driver import ui

MACHINE = (
    "-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=multi",
    "-smp", "2", "-m", "128M,maxmem=2G", "-nodefaults", "-no-user-config",
    "-display", "none", "-object", "memory-backend-ram,id=mem0,size=1G",
    "-device", "virtio-mem-pci,id=vm0,memdev=mem0,requested-size=64M",
)
COUNTERS = 0x200000     # where flood.c has them: answered, unexpected, stage
WRONG = {0x101: "it found no virtio-mem device",
         0x102: "the device lacks a PCI capability",
         0x103: "the device refused its features",
         0x104: "it was not told what to do"}
START_WITHIN = 60       # seconds; it takes half a second
ANSWER_WITHIN = 10
PAUSE = 0.001           # between questions: a stall meets as many as it is long


class NoAnswer(Exception):
    """The monitor did not answer a question in time."""


class VM:
    """QEMU, from `with` to the end of its block."""

    def __init__(self, binary: Path, image: Path, mode: str, log: Path,
                 machine: tuple = MACHINE, prefix: tuple = ()):
        self.log = log
        self.events: list[dict] = []
        self.greeted = 0.0      # when the monitor first said something
        ours, theirs = socket.socketpair()
        command = [*prefix, str(binary), *machine, "-kernel", str(image),
                   "-append", mode,
                   "-chardev", f"socket,id=monitor,fd={theirs.fileno()}",
                   "-mon", "chardev=monitor,mode=control"]
        with open(log, "w", encoding="utf-8") as out, theirs:
            self.child = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdout=out,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        ours.settimeout(START_WITHIN)
        self.socket, self.answers = ours, ours.makefile("r", encoding="utf-8")

    def __enter__(self) -> "VM":
        try:
            self._read()
            self.greeted = time.perf_counter()
            self.ask("qmp_capabilities")
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.child.kill()       # a flooded one may not hear a request to quit
        self.child.wait()
        self.socket.close()

    def _read(self) -> dict:
        try:
            line = self.answers.readline()
        except TimeoutError:
            raise NoAnswer from None
        except OSError:
            line = ""
        if not line:
            raise ui.Fail("QEMU ended with status "
                          f"{self.child.wait()}: see {ui.shown(self.log)}")
        return json.loads(line)

    def ask(self, command: str, **arguments):
        """One question to the monitor, and its answer."""
        text = json.dumps({"execute": command, "arguments": arguments})
        try:
            self.socket.sendall(text.encode() + b"\n")
        except OSError:
            pass                # reading tells what happened
        while True:
            answer = self._read()
            if "error" in answer:
                raise ui.Fail(f"the monitor refused {command}: "
                              f"{answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
            self.events.append(answer)

    def counters(self) -> list[int]:
        """What the guest counts: answered, unexpected, stage."""
        text = self.ask("human-monitor-command",
                        **{"command-line": f"xp /3gx {COUNTERS:#x}"})
        return [int(word, 16) for word in re.findall(r" (0x\w+)", text)]

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_WITHIN
        while not (stage := self.counters()[2]):
            if time.monotonic() > deadline:
                raise ui.Fail("the flooding guest did not start within "
                              f"{START_WITHIN} s: see {ui.shown(self.log)}")
            time.sleep(0.02)
        if stage in WRONG:
            raise ui.Fail(f"the flooding guest stopped: {WRONG[stage]}")
        self.socket.settimeout(ANSWER_WITHIN)

    def time_answers(self, count: int) -> list[float]:
        """How many seconds each of so many questions took; infinite for the
        one that got no answer, which is the last."""
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            try:
                self.ask("query-status")
            except NoAnswer:
                return [*seconds, float("inf")]
            seconds.append(time.perf_counter() - began)
            time.sleep(PAUSE)
        return seconds
