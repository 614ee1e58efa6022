# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests' own means."""

import json
import socket
import threading

import pytest

from vmtest.peer import greeting

GREETING = {"QMP": {"version": {}, "capabilities": ["oob"]}}


@pytest.mark.parametrize("indent", [None, 4])
def test_a_greeting_in_pieces(indent):
    """One byte at a time, in one line or in several."""
    ours, theirs = socket.socketpair()

    def say():
        for byte in json.dumps(GREETING, indent=indent).encode() + b"\r\n":
            theirs.send(bytes([byte]))

    with ours, theirs:
        threading.Thread(target=say, daemon=True).start()
        assert greeting(ours) == GREETING


def test_a_monitor_that_hangs_up():
    """It is told, and not waited for."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.send(b'{"QMP": ')
        with pytest.raises(AssertionError, match="closed the connection"):
            greeting(ours)
