# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl with monitors that are absent, busy, slow, strange or going away.

Whatever happens, it says so in one line, and soon.
"""

import signal
import socket
import time
import unittest

from vmtest.peer import (CONNECTION, DONE, TIME, Clock, GiB, Peer, PeerCase,
                         device, start)


class Absent(PeerCase):
    """Nobody to talk to."""

    def test_there_is_no_socket(self):
        self.check(self.vmemctl("list"), CONNECTION, self.path,
                   "there is no such socket")

    def test_nobody_listens(self):
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(self.path)
        self.check(self.vmemctl("list"), CONNECTION, "nothing listens there")

    def test_a_path_that_is_too_long(self):
        self.path += "x" * 100
        self.check(self.vmemctl("list"), CONNECTION, "too long")

    def test_a_path_that_is_no_socket(self):
        with open(self.path, "w", encoding="ascii"):
            pass
        self.check(self.vmemctl("list"), CONNECTION, self.path,
                   "it is not a socket")
        self.path = self.directory
        self.check(self.vmemctl("list"), CONNECTION, "it is a directory")

    def test_nobody_listens_on_a_port(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.path = f"127.0.0.1:{port}"
        self.check(self.vmemctl("list"), CONNECTION, "nothing listens there")


class Busy(PeerCase):
    """Somebody else is being served."""

    def test_no_greeting(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(1)
            clock = Clock()
            self.check(self.vmemctl("list"), CONNECTION, "is busy",
                       "another client is connected")
            self.assertLess(clock.seconds(), 3)

    def test_not_even_a_place_in_the_queue(self):
        with socket.socket(socket.AF_UNIX) as listener, \
                socket.socket(socket.AF_UNIX) as first:
            listener.bind(self.path)
            listener.listen(0)
            first.connect(self.path)
            self.check(self.vmemctl("list"), CONNECTION, "is busy")

    def test_a_place_in_the_queue_becomes_free(self):
        with socket.socket(socket.AF_UNIX) as listener, \
                socket.socket(socket.AF_UNIX) as first:
            listener.bind(self.path)
            listener.listen(0)
            first.connect(self.path)
            with start("-s", self.path, "list") as child:
                time.sleep(0.5)
                self.assertIsNone(child.poll())
                listener.accept()[0].close()
                with listener.accept()[0] as connection:
                    connection.sendall(b"no monitor")
                said = child.communicate(timeout=TIME)[1]
        self.assertIn("it says 'no monitor'", said)

    def test_ctrl_c_ends_the_waiting_for_it(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(1)
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(number=number), \
                        start("-s", self.path, "list") as child, \
                        listener.accept()[0]:
                    child.send_signal(number)
                    said = child.communicate(timeout=3)
                    self.assertEqual((child.returncode, *said),
                                     (128 + number, "", ""))

    def test_it_waits_its_turn(self):
        def late(peer, connection):
            time.sleep(0.7)
            peer.serve(connection)
        self.script(late, query_memory_devices=[device()])
        for limit in (5, 4295):
            self.check(self.vmemctl("list", limit=limit), DONE, "vm0")


class Strange(PeerCase):
    """What is sent is not what a QMP monitor sends."""

    def say(self, data: bytes):
        """A peer that says this and then nothing."""
        def life(_peer, connection):
            connection.sendall(data)
            connection.recv(1000)
            time.sleep(3)
        self.script(life)

    def check_said(self, data: bytes, *texts: str) -> None:
        """Said in place of a greeting, it gets this message, at once."""
        self.say(data)
        clock = Clock()
        self.check(self.vmemctl("list", limit=20), CONNECTION, *texts)
        self.assertLess(clock.seconds(), 2)

    def test_a_human_monitor(self):
        self.check_said(b"QEMU 10.0.2 monitor - type 'help'\r\n(qemu) ",
                        "is not a QMP monitor", "'QEMU 10.0.2 monitor")

    def test_control_characters_do_not_reach_the_terminal(self):
        self.check_said(b"\x1b[2J\x07evil", "is not a QMP monitor: it says",
                        r"'\033[2J\007evil'")

    def test_json_that_is_no_greeting(self):
        self.check_said(b'{"hello": 1}\n', "it sends no greeting")

    def test_something_like_json(self):
        self.check_said(b'{"QMP": }\n', "is not a QMP monitor")

    def test_a_message_without_end(self):
        self.check_said(b'{"QMP": "' + b"x" * 2_000_000, "is not a QMP monitor",
                        '{"QMP": "xxx')

    def test_nesting_without_end(self):
        self.check_said(b'{"QMP": ' + b"[" * 100_000, "is not a QMP monitor")

    def test_it_hangs_up_at_once(self):
        self.script(lambda peer, connection: None)
        self.check(self.vmemctl("list"), CONNECTION, "was closed")

    def test_answers_that_are_none(self):
        wrong = device()
        del wrong["data"]["size"]
        for answer in ({}, "x", 7, [1], [{"type": 7}], [{}],
                       [{"type": "virtio-mem"}], [wrong],
                       [device(size=-1)], [device(size="1G")],
                       [device(block_size=0)], [device(max_size=1.5)],
                       [device(node=None)]):
            with self.subTest(answer=answer):
                peer = self.script(query_memory_devices=answer)
                self.check(self.vmemctl("list"), CONNECTION,
                           "query-memory-devices lacks")
                peer.close()

    def test_optional_members_of_any_kind_do_no_harm(self):
        self.script(query_memory_devices=[
            device(resize=7), device("vm1", resize={"status": 3}),
            device("vm2", resize={"reason": "guest"})])
        self.check(self.vmemctl("list"), DONE, "vm2")

    def test_neither_a_result_nor_an_error(self):
        for answer in ({"what": 1}, {"error": 1}, {"error": {}},
                       {"error": {"class": 1, "desc": []}}):
            def life(peer, connection, answer=answer):
                peer.greet()
                for _ in peer.commands(connection):
                    peer.send(answer)
            with self.subTest(answer=answer):
                peer = self.script(life)
                self.check(self.vmemctl("list"), CONNECTION,
                           "something else than an answer")
                peer.close()

    def test_qemu_without_memory_devices(self):
        self.script()
        self.check(self.vmemctl("list"), 2, "query-memory-devices has not")

    def test_events_come_between(self):
        def life(peer, connection):
            peer.greet()
            for command, arguments in peer.commands(connection):
                peer.event("RTC_CHANGE", offset=1)
                peer.event("MEMORY_DEVICE_SIZE_CHANGE", id="vm0", size=GiB)
                peer.answer(command, arguments)
        self.script(life, query_memory_devices=[device()])
        self.check(self.vmemctl("list"), DONE, "vm0")

    def test_messages_over_several_lines_and_in_pieces(self):
        class Pretty(Peer):
            """A monitor with pretty=on, and a slow network."""

            def send(self, message, **options):
                text = self.stream
                self.stream = self
                self.pieces = text
                super().send(message, indent=4)
                self.stream = text

            def sendall(self, data: bytes) -> None:
                """In pieces that end anywhere."""
                for at in range(0, len(data), 97):
                    self.pieces.sendall(data[at:at + 97])
                    time.sleep(0.001)
        peer = Pretty(self.path, answers={
            "query-memory-devices": [device("a\"}]{")]})
        self.addCleanup(peer.close)
        self.check(self.vmemctl("list", limit=5), DONE, 'a"}]{')


class Slow(PeerCase):
    """No answer within the limit."""

    def test_no_answer(self):
        def life(peer, connection):
            peer.greet()
            for command, arguments in peer.commands(connection):
                if command == "qmp_capabilities":
                    peer.answer(command, arguments)
        self.script(life)
        clock = Clock()
        self.check(self.vmemctl("list"), CONNECTION,
                   "did not answer query-memory-devices within 1 s")
        self.assertLess(clock.seconds(), 3)

    def test_one_byte_at_a_time_gains_no_time(self):
        def life(_peer, connection):
            for byte in b'{"QMP": {"version": {}, "package": "long"}}':
                connection.sendall(bytes([byte]))
                time.sleep(0.2)
        self.script(life)
        clock = Clock()
        self.check(self.vmemctl("list"), CONNECTION, "no greeting came")
        self.assertLess(clock.seconds(), 3)

    def test_events_gain_no_time(self):
        def life(peer, connection):
            peer.greet()
            for command, arguments in peer.commands(connection):
                if command == "qmp_capabilities":
                    peer.answer(command, arguments)
                else:
                    while True:
                        peer.event("MEMORY_DEVICE_SIZE_CHANGE", id="vm0")
                        time.sleep(0.05)
        self.script(life)
        clock = Clock()
        self.check(self.vmemctl("list"), CONNECTION, "did not answer")
        self.assertLess(clock.seconds(), 3)


class Quits(PeerCase):
    """The VM ends while vmemctl is at work."""

    def leave(self, shutdown: bool):
        """A peer that hangs up instead of answering the second command."""
        def life(peer, connection):
            peer.greet()
            for command, arguments in peer.commands(connection):
                if command != "qmp_capabilities":
                    if shutdown:
                        peer.event("SHUTDOWN", guest=False)
                    return
                peer.answer(command, arguments)
        self.script(life)

    def test_it_says_that_it_quits(self):
        self.leave(shutdown=True)
        self.check(self.vmemctl("list"), CONNECTION, "the VM has quit")

    def test_it_is_gone(self):
        self.leave(shutdown=False)
        self.check(self.vmemctl("list"), CONNECTION, "was closed: the VM was"
                   " stopped, or has crashed")
