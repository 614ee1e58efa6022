# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of the command agent that the guest runs on ttyS1 (init.sh)."""

import re
import socket
import time

READY = "@ready"
DONE = re.compile(r"@done (\S*) (\d+)")


class AgentSilent(Exception):
    """The guest did not answer in time; `seen` is what it wrote instead."""

    def __init__(self, seen: str):
        super().__init__(seen)
        self.seen = seen


class GuestRestarted(Exception):
    """The guest started anew while a command was running in it."""


class AgentGone(Exception):
    """The other end is closed: QEMU has ended."""


class Agent:
    """Runs one command line at a time in the guest.

    Every command has a number, so that the late answer to a command that was
    given up is not taken for the answer to the next one.
    """

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._pending = b""
        self._number = 0

    def wait_for(self, line: str, timeout: float) -> None:
        """Wait until the guest says `line`: by itself it says READY only."""
        deadline = time.monotonic() + timeout
        seen: list[str] = []
        while (said := self._line(deadline, seen)) != line:
            seen.append(said)

    def run(self, command: str, timeout: float) -> tuple[int, str]:
        """Run a shell command line; return its exit status and its output."""
        if "\n" in command:
            raise ValueError("the agent takes a single line")
        self._number += 1
        deadline = time.monotonic() + timeout
        self._send(f"{self._number} {command}\n", timeout)
        seen: list[str] = []
        while True:
            line = self._line(deadline, seen)
            if line == READY:
                raise GuestRestarted()
            done = DONE.fullmatch(line)
            if done and done[1] == str(self._number):
                return int(done[2]), "\n".join(seen).removesuffix("\n")
            if done:
                seen.clear()
            else:
                seen.append(line)

    def _send(self, text: str, timeout: float) -> None:
        try:
            self._sock.settimeout(timeout)
            self._sock.sendall(text.encode())
        except ConnectionError:
            raise AgentGone() from None
        except TimeoutError:
            raise AgentSilent("it takes no input") from None

    def _line(self, deadline: float, seen: list[str]) -> str:
        """The next line the guest wrote; `seen` only serves the report."""
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self._sock.settimeout(left)
                data = self._sock.recv(65536)
            except ConnectionError:
                raise AgentGone() from None
            except TimeoutError:
                rest = self._pending.decode(errors="replace")
                raise AgentSilent("\n".join([*seen, rest])) from None
            if not data:
                raise AgentGone()
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")
