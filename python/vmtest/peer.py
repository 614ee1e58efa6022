# SPDX-License-Identifier: GPL-2.0-or-later
"""Run vmemctl, and be the QMP monitor that it talks to."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from driver.paths import ROOT, VMEMCTL as TOOL

VMEMCTL = os.environ.get("VMEMCTL") or str(TOOL)
DONE, CONNECTION, REFUSED, PARTLY, BLOCKED, PAUSED = range(6)
INTERRUPTED = 130   # ended with Ctrl-C
MiB = 1024 ** 2
GiB = 1024 ** 3
TIME = 60   # no test is meant to come near this


def start(*words: str, **options) -> subprocess.Popen:
    """Start vmemctl with its output in pipes."""
    return subprocess.Popen([VMEMCTL, *map(str, words)], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


def run(*words: str, **options) -> subprocess.CompletedProcess:
    """Run vmemctl to its end."""
    return subprocess.run([VMEMCTL, *map(str, words)], text=True, check=False,
                          timeout=TIME, **{"stdout": subprocess.PIPE,
                                           "stderr": subprocess.PIPE,
                                           **options})


def device(name: str = "vm0", **members) -> dict:
    """A virtio-mem device as query-memory-devices tells of it."""
    return {"type": "virtio-mem", "data": {
        "id": name, "memaddr": 4 * GiB, "memdev": "/objects/mem0", "node": 0,
        "requested-size": 0, "size": 0, "max-size": 8 * GiB,
        "block-size": 2 * MiB,
        **{key.replace("_", "-"): value for key, value in members.items()}}}


def greeting(monitor: socket.socket) -> dict:
    """Read what a monitor says first, which may come in several pieces.

    The first line need not be all of it: pretty=on breaks it into several.
    """
    text = b""
    while True:
        piece = monitor.recv(1000)
        assert piece, f"the monitor closed the connection after {text!r}"
        text += piece
        try:
            return json.loads(text)
        except ValueError:
            pass    # more has to come


class Peer:
    """A scripted QMP monitor, which serves one client at a time.

    `life` is called with the peer and each connection, in a thread; the usual
    one answers commands from `answers`: a value, an Exception's text as an
    error, or a function of the arguments.
    """

    def __init__(self, path: str, life=None, answers: dict | None = None):
        self.path, self.life = path, life or Peer.serve
        self.answers = {"qmp_capabilities": {}, **(answers or {})}
        self.seen: list[tuple[str, dict]] = []
        self.connections = 0
        self.stream = None
        self.problem: Exception | None = None
        self._open()

    def _open(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(5)
        self.thread = threading.Thread(target=self._run, args=(self.listener,),
                                       daemon=True)
        self.thread.start()

    def _run(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self.stream = connection
                try:
                    self.life(self, connection)
                except OSError:
                    pass    # the client has gone, which is its right

    def greet(self) -> None:
        """What a monitor says first."""
        self.send({"QMP": {"version": {}, "capabilities": ["oob"]}})

    def send(self, message: dict, **options) -> None:
        """One message, in one piece."""
        self.stream.sendall(json.dumps(message, **options).encode() + b"\r\n")

    def event(self, name: str, **data) -> None:
        """An event."""
        self.send({"event": name, "data": data,
                   "timestamp": {"seconds": 1, "microseconds": 2}})

    def serve(self, connection: socket.socket) -> None:
        """Greet and answer until the client goes."""
        self.greet()
        for command, arguments in self.commands(connection):
            self.answer(command, arguments)

    def commands(self, connection: socket.socket):
        """The commands that come."""
        with connection.makefile() as lines:
            for line in lines:
                asked = json.loads(line)
                pair = asked["execute"], asked.get("arguments", {})
                self.seen.append(pair)
                yield pair

    def answer(self, command: str, arguments: dict) -> None:
        """The answer from the script."""
        answer = self.answers.get(command, LookupError(
            f"The command {command} has not been found"))
        if callable(answer):
            answer = answer(**{key.replace("-", "_"): value
                               for key, value in arguments.items()})
        if isinstance(answer, Exception):
            kind = "CommandNotFound" if isinstance(answer, LookupError) \
                else "GenericError"
            self.send({"error": {"class": kind, "desc": str(answer)}})
        else:
            self.send({"return": answer})

    def asked(self, command: str) -> list[dict]:
        """The arguments with which a command came."""
        return [arguments for name, arguments in self.seen if name == command]

    def close(self) -> None:
        """Nobody listens any more; once more is no mistake."""
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            Path(self.path).unlink(missing_ok=True)


class PeerCase(unittest.TestCase):
    """Tests that talk to a scripted monitor, `self.peer` at `self.path`."""

    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = f"{self.directory}/qmp"

    def script(self, life=None, **answers) -> Peer:
        """Start the monitor."""
        peer = Peer(self.path, life, {key.replace("_", "-"): value
                                      for key, value in answers.items()})
        self.addCleanup(peer.close)
        return peer

    def vmemctl(self, *words, limit: int = 1):
        """Run it on the monitor."""
        return run("-s", self.path, "--limit", limit, *words)

    def check(self, done, status: int, *texts: str) -> None:
        """It ended with this status, and said all of this."""
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, said)
        for text in texts:
            self.assertIn(text, said)
        if status != DONE:
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, said)
            self.assertTrue(done.stderr.startswith("vmemctl: "), said)


class Clock:
    """How long something took."""

    def __init__(self):
        self.started = time.monotonic()

    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.started
