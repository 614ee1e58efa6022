# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl on a terminal, and watch, which is made for one."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

from support import (CONNECTION, DONE, INTERRUPTED, TIME, VMEMCTL, GiB,
                     PeerCase, device, start)


class Terminal:
    """vmemctl on a pseudo-terminal."""

    def __init__(self, *words: str, columns: int = 80, term: str = "xterm"):
        self.master, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))
        self.child = subprocess.Popen(
            [VMEMCTL, *words], stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": term}, start_new_session=True)
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


class Bar(PeerCase):
    """The progress bar of resize --wait."""

    def run_bar(self, columns: int, term: str = "xterm") -> str:
        """What is shown while a device grows to 4 GiB."""
        sizes = iter([0, GiB, 2 * GiB, 4 * GiB])
        self.script(memory_device_resize={}, query_memory_devices=lambda: [
            device(size=next(sizes), requested_size=4 * GiB)])
        terminal = Terminal("-s", self.path, "resize", "vm0", "4G", "--wait",
                            columns=columns, term=term)
        self.assertEqual(terminal.end(), DONE, terminal.output)
        return terminal.output

    def test_it_grows_in_its_line(self):
        output = self.run_bar(80)
        bars, _, last = output.rpartition("\r\n")[0].rpartition("\r\n")
        self.assertNotIn("\n", bars)
        draws = bars.split("\r")[1:]
        self.assertEqual(len(draws), 3)
        for draw, percent in zip(draws, (25, 50, 100)):
            self.assertIn(f"] {percent}%, ", draw)
            self.assertTrue(draw.endswith("\033[K"))
            self.assertLess(len(draw) - 3, 80)
            bar = draw[draw.index("[") + 1:draw.index("]")]
            self.assertEqual(bar.count("#"), len(bar) * percent // 100)
        self.assertRegex(draws[1], r"2 GiB of 4 GiB, .*iB/s, 0:0\d left")
        self.assertRegex(last, r"^vm0: has 4 GiB, after 2\.\d s$")

    def test_it_fits_a_narrow_terminal(self):
        draws = self.run_bar(30).split("\r\n")[0].split("\r")[1:]
        self.assertEqual(len(draws), 3)
        for draw in draws:
            self.assertLess(len(draw) - 3, 30)

    def test_a_terminal_that_cannot_gets_lines(self):
        output = self.run_bar(80, term="dumb")
        self.assertNotIn("\033", output)
        self.assertIn("vm0: 25%, 1 GiB of 4 GiB", output)


class Watch(PeerCase):
    """The table that follows changes."""

    def setUp(self) -> None:
        super().setUp()
        self.devices = [device(), device("vm1")]
        self.peer = self.script(query_memory_devices=lambda: self.devices)

    def test_it_is_drawn_again_in_its_place(self):
        terminal = Terminal("-s", self.path, "watch")
        terminal.wait_for("\033[H\033[J", 3)
        self.assertIn("vm1", terminal.output)
        terminal.child.send_signal(signal.SIGINT)
        self.assertEqual(terminal.end(), INTERRUPTED)

    def test_an_event_is_shown_at_once(self):
        terminal = Terminal("-s", self.path, "watch")
        terminal.wait_for("vm1", 2)     # a second before it looks again
        self.devices = [device(size=3 * GiB)]
        self.peer.event("MEMORY_DEVICE_SIZE_CHANGE", id="vm0", size=3 * GiB)
        self.assertLess(terminal.wait_for("3 GiB"), 0.5)
        terminal.child.send_signal(signal.SIGINT)
        self.assertEqual(terminal.end(), INTERRUPTED)

    def test_without_an_event_it_looks_every_second(self):
        terminal = Terminal("-s", self.path, "watch")
        terminal.wait_for("vm1")
        self.devices = [device(size=3 * GiB)]
        self.assertLess(terminal.wait_for("3 GiB"), 2)
        terminal.child.send_signal(signal.SIGINT)
        self.assertEqual(terminal.end(), INTERRUPTED)

    def test_into_a_pipe_only_what_is_new(self):
        with start("-s", self.path, "watch", "vm0") as child:
            self.assertIn("REQUESTED", child.stdout.readline())
            self.assertIn("vm0", child.stdout.readline())
            time.sleep(1.5)             # it has looked again meanwhile
            self.devices = [device(size=3 * GiB), device("vm1")]
            self.assertIn("REQUESTED", child.stdout.readline())
            self.assertIn("3 GiB", child.stdout.readline())
            child.send_signal(signal.SIGINT)
            rest, said = child.communicate(timeout=TIME)
        self.assertEqual((child.returncode, rest, said),
                         (INTERRUPTED, "", ""))

    def test_it_ends_with_the_vm(self):
        with start("-s", self.path, "watch") as child:
            child.stdout.readline()
            self.peer.event("SHUTDOWN", guest=False)
            self.peer.close()
            self.peer.stream.shutdown(2)
            said = child.communicate(timeout=TIME)[1]
        self.assertEqual(child.returncode, CONNECTION)
        self.assertEqual(said, "vmemctl: the VM has quit\n")

    def test_it_connects_again(self):
        with start("-s", self.path, "watch") as child:
            child.stdout.readline()
            self.devices = [device("new")]
            self.peer.stream.shutdown(2)
            while "new" not in (line := child.stdout.readline()):
                self.assertTrue(line, "it ended")
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=TIME)[1]
        self.assertEqual(child.returncode, INTERRUPTED)
        self.assertIn("trying to connect again", said)


if __name__ == "__main__":
    unittest.main()
