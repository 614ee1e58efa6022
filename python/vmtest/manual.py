# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's manual as data, and a VM that its examples are run in.

The manual is read from top to bottom, as a user does: a command line of QEMU
starts a VM, and what follows is typed into its monitors, until the next one.
"""

import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from qemu.qmp.legacy import QEMUMonitorProtocol

from driver.paths import BUILD, QEMU_TREE as TREE, ROOT, VMEMCTL as TOOL
from vmtest.vm import default_binary

MANUAL = ROOT / "docs" / "system" / "devices" / "virtio-mem.rst"
QEMU = Path(default_binary())
VMEMCTL = Path(os.environ.get("VMEMCTL") or TOOL)

TIMEOUT = 30    # seconds; nothing here is meant to come near it

PROMPTS = ("$ ", "(qemu) ", "# ")
ELISION = "..."

# What only a guest can decide, and so differs from the manual where there is
# none. The form is compared all the same.
STATUS = (r"(?:settled|resizing|blocked \([a-z-]+\)) since \d+ s"
          r"(?:, \d+ bytes/s, \d+ s left)?|paused")
MORE = (r"(?:, \d+ of \d+ memslots mapped)?"
        r"(?:, protection [a-z]+: \d+ unplugged accesses)?")
DECIDED_BY_GUEST = (
    (r"^  status: (?:" + STATUS + ")" + MORE + "$", "  status: STATUS"),
    (r"^  size: \d+$", "  size: N"),
    (r"\b(ack|nack|busy|error) \d+", r"\1 N"),
    (r"^  ((?:un)?plugged in total|host-time): \d+", r"  \1: N"),
    (r"^(node \d+ (?:size|plugged)): \d+ MB$", r"\1: N MB"),
)
VALUES_OF_GUEST = {"ack", "busy", "error", "host-time", "nack", "plugged",
                   "seconds", "microseconds", "since", "size", "status",
                   "unplugged"}
OPTIONAL = {"reason", "rate", "eta"}


class Differs(AssertionError):
    """An example does not do what the manual says."""


@dataclass(frozen=True)
class Block:
    """One example: its place, its language and its lines."""

    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """The first line, by which lists name the block."""
        return self.text.splitlines()[0].strip()


@dataclass(frozen=True)
class Typed:
    """A command behind a prompt, and what the manual prints after it."""

    prompt: str
    command: str
    output: str


def blocks(text: str) -> list[Block]:
    """All literal blocks of reStructuredText, in order."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        start = re.match(r"( *)\.\. code-block:: (\S+)$", line) or \
            re.match(r"( *)(?!\.\.)\S.*::$", line)
        if start:
            language = start[2] if start.re.groups > 1 else "none"
            body = indented(lines[number + 1:], len(start[1]))
            found.append(Block(number + 1, language, body))
    return found


def indented(lines: list[str], outside: int) -> str:
    """The lines that are indented more than `outside`, without the margin."""
    body = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= outside:
            break
        body.append(line)
    margin = min(len(line) - len(line.lstrip())
                 for line in body if line.strip())
    return "\n".join(line[margin:] for line in body).strip("\n")


def typed(text: str) -> list[Typed]:
    """What is typed in a console, with its output; \\ continues a line."""
    found: list[Typed] = []
    output: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        prompt = next((p for p in PROMPTS if line.startswith(p)), None)
        if prompt is None:
            output.append(line)
            continue
        command = line.removeprefix(prompt)
        while command.endswith("\\"):
            command = command[:-1] + next(lines).strip()
        output = []
        found.append(Typed(prompt.strip(), command, output))
    return [Typed(one.prompt, one.command, "\n".join(one.output))
            for one in found]


def messages(text: str) -> list[tuple[str, dict]]:
    """What goes over a QMP monitor: "->" or "<-", and the message."""
    parts = re.split(r"^(->|<-) ", text, flags=re.M)
    if parts[0].strip():
        raise Differs(f"a message without -> or <-: {parts[0]!r}")
    return [(way, json.loads(re.sub(r"\.{3}(?: .* \.{3})?", f'"{ELISION}"',
                                    body)))
            for way, body in zip(parts[1::2], parts[2::2])]


def compare_text(expected: str, seen: str) -> None:
    """Compare what was printed; a line "..." stands for any lines."""
    expected, seen = form(expected), form(seen)
    pattern = "".join("(?:.*\n)*?" if line.strip() == ELISION
                      else re.escape(line) + "\n"
                      for line in expected.splitlines())
    if not re.fullmatch(pattern, seen + "\n" if seen else ""):
        raise Differs(f"the manual prints\n{expected}\nand QEMU\n{seen}")


def form(text: str) -> str:
    """The text without what only a guest can decide."""
    text = text.replace("\r\n", "\n").rstrip("\n")
    for pattern, replacement in DECIDED_BY_GUEST:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


def compare_json(expected, seen, where: str = "the answer") -> None:
    """Compare messages, but for values that only a guest can decide."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        if expected.keys() - OPTIONAL != seen.keys() - OPTIONAL:
            raise Differs(f"{where} has the members {sorted(seen)}, in the "
                          f"manual {sorted(expected)}")
        for name in expected.keys() & seen.keys():
            if name not in VALUES_OF_GUEST or isinstance(expected[name], dict):
                compare_json(expected[name], seen[name], f"{where}.{name}")
            elif type(expected[name]) is not type(seen[name]):
                raise Differs(f"{where}.{name} is {seen[name]!r}")
    elif isinstance(expected, list) and isinstance(seen, list):
        if expected[-1:] == [ELISION]:
            expected, seen = expected[:-1], seen[:len(expected) - 1]
        if len(expected) != len(seen):
            raise Differs(f"{where} has {len(seen)} items")
        for number, pair in enumerate(zip(expected, seen)):
            compare_json(*pair, f"{where}[{number}]")
    elif expected != seen:
        raise Differs(f"{where} is {seen!r}, in the manual {expected!r}")


def sessions(found: list[Block]) -> list[list[Block]]:
    """The blocks, parted where a VM is started."""
    parts: list[list[Block]] = []
    for block in found:
        if "$ qemu-system-x86_64 " in block.text:
            parts.append([])
        if not parts:
            raise Differs(f"line {block.line}: no VM has been started")
        parts[-1].append(block)
    return parts


class Vm:
    """A VM without a guest, which follows the manual."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.process: subprocess.Popen | None = None
        self.monitor = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.monitor:
            self.monitor.close()
        if self.process:
            self.process.kill()
            self.process.wait()

    def run(self, block: Block) -> None:
        """Do what a block says, and compare what it shows."""
        if block.language == "QMP":
            self.talk(block.text)
            return
        for one in typed(block.text):
            if one.command.startswith("qemu-system-x86_64 "):
                self.start(one.command)
            elif one.command.startswith("vmemctl "):
                printed = self.vmemctl(one.command)
                if one.output:
                    compare_text(one.output, printed)
            elif one.prompt == "(qemu)":
                compare_text(one.output, self.hmp(one.command))
            else:
                raise Differs(f"nobody knows how to run {one.command!r}")

    def start(self, command: str) -> None:
        """Start QEMU as written, without a display; its CPUs stand still."""
        words = [word for word in shlex.split(command)[1:] if word != ELISION]
        socket = self.directory / "test.sock"
        log = self.directory / "qemu.log"
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", QEMU, *words, "-nodefaults",
                 "-S", "-display", "none",
                 "-qmp", f"unix:{socket},server=on,wait=off"],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=stderr,
                stderr=stderr)
        deadline = time.monotonic() + TIMEOUT
        while not socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Differs(f"QEMU does not start: {log.read_text()}")
            time.sleep(0.02)
        self.monitor = QEMUMonitorProtocol(str(socket))
        self.monitor.settimeout(TIMEOUT)
        self.monitor.connect()
        if log.read_text():
            raise Differs(f"QEMU warns: {log.read_text()}")

    def hmp(self, line: str) -> str:
        """What the human monitor prints."""
        return self.monitor.cmd("human-monitor-command",
                                **{"command-line": line})

    def vmemctl(self, command: str) -> str:
        """What vmemctl prints; without a guest no waiting has a good end."""
        words = shlex.split(command)[1:]
        waits = "--wait" in words
        done = subprocess.run(
            [VMEMCTL, *words, *(["--timeout", "1"] if waits else [])],
            cwd=self.directory, capture_output=True, text=True, check=False,
            timeout=TIMEOUT)
        if done.returncode not in ((3, 4, 5) if waits else (0,)):
            raise Differs(f"{command!r} ends with {done.returncode}: "
                          f"{done.stderr}")
        return "" if waits else done.stdout

    def talk(self, text: str) -> None:
        """Send what goes there, and compare what comes back."""
        answer = None
        for way, message in messages(text):
            if way == "->":
                answer = self.monitor.cmd_obj(message)
            elif "event" in message:
                compare_json(message, self.event(message), message["event"])
            else:
                compare_json(message, answer)

    def event(self, like: dict) -> dict:
        """The next event of that name, for the same device.

        The VM runs meanwhile: a resize is paused while it does not.
        """
        self.monitor.cmd("cont")
        deadline = time.monotonic() + TIMEOUT
        try:
            while True:
                left = max(0.01, deadline - time.monotonic())
                event = self.monitor.pull_event(wait=left)
                if event["event"] == like["event"] and \
                        event["data"]["id"] == like["data"]["id"]:
                    return event
        except TimeoutError as error:
            raise Differs(f"no event {like['event']}") from error
        finally:
            self.monitor.cmd("stop")
