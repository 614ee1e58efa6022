# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl on a pseudo-terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time

from vmtest.peer import TIME, VMEMCTL

ENTER, LEAVE = "\033[?1049h", "\033[?1049l"     # the alternate screen


class Terminal:
    """vmemctl with its input and output on a terminal of its own."""

    def __init__(self, *words: str, columns: int = 80, rows: int = 24, **env):
        self.master, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        usual = {key: value for key, value in os.environ.items()
                 if key != "NO_COLOR"}
        self.child = subprocess.Popen(
            [VMEMCTL, *words], stdin=theirs, stdout=theirs, stderr=theirs,
            env={**usual, "TERM": "xterm", **env}, start_new_session=True)
        os.close(theirs)
        self.output = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self.master, 4096):
                self.output += data.decode()
        except OSError:
            pass    # the other end is closed

    def wait_for(self, text: str, times: int = 1) -> float:
        """Wait until a text has been shown so often; how long it took."""
        began = time.monotonic()
        while self.output.count(text) < times:
            if time.monotonic() - began > TIME:
                raise AssertionError(f"{text!r} is not in {self.output!r}")
            time.sleep(0.01)
        return time.monotonic() - began

    def end(self) -> int:
        """Its exit status."""
        status = self.child.wait(TIME)
        self.reader.join(TIME)
        os.close(self.master)
        return status

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """End it with a signal; its exit status."""
        self.child.send_signal(number)
        return self.end()
