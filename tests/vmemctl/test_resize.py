# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl resize, and waiting for it, with a scripted monitor."""

import signal
import time
import unittest

from vmtest.peer import (BLOCKED, CONNECTION, DONE, PARTLY, PAUSED, REFUSED,
                         Clock, GiB, MiB, PeerCase, device, start)


class Resize(PeerCase):
    """What QEMU is asked for."""

    def resize(self, text: str, **members):
        """Resize vm0, which has these members; return what came of it."""
        peer = self.script(query_memory_devices=[device(**members)],
                           memory_device_resize={})
        done = self.vmemctl("resize", "vm0", text)
        peer.close()
        return done, peer.asked("memory-device-resize")

    def test_sizes(self):
        for size, asked in (("4G", 4 * GiB), ("0", 0), ("+512M", 1536 * MiB),
                            ("-512M", 512 * MiB), ("50%", 4 * GiB),
                            ("1 GiB", GiB), ("max", 8 * GiB),
                            ("+12.5%", 2 * GiB)):
            with self.subTest(size=size):
                done, seen = self.resize(size, requested_size=GiB,
                                         size=2 * GiB)
                self.check(done, DONE, "vm0: ", "requested, has 2 GiB")
                self.assertEqual(seen, [{"id": "vm0", "size": asked}])

    def test_what_cannot_be_is_not_asked_for(self):
        for size, text in (("1M", "block size, 2 MiB"),
                           ("9G", "maximum, 8 GiB"),
                           ("-2G", "requested size, 1 GiB")):
            with self.subTest(size=size):
                done, seen = self.resize(size, requested_size=GiB)
                self.check(done, REFUSED, text)
                self.assertEqual(seen, [])

    def test_a_wrong_id_gets_the_right_ones(self):
        self.script(query_memory_devices=[device(), device("vm1")])
        self.check(self.vmemctl("resize", "vm9", "1G"), REFUSED,
                   "no virtio-mem device 'vm9': there is vm0, vm1")
        self.check(self.vmemctl("watch", "vm9"), REFUSED, "vm0, vm1")

    def test_no_device_at_all(self):
        self.script(query_memory_devices=[])
        self.check(self.vmemctl("resize", "vm0", "1G"), REFUSED,
                   "the VM has none")

    def test_qemu_refuses(self):
        self.script(query_memory_devices=[device()],
                    memory_device_resize=ValueError("it is being unplugged"))
        self.check(self.vmemctl("resize", "vm0", "1G"), REFUSED,
                   "it is being unplugged")

    def test_an_older_qemu_has_the_property(self):
        peer = self.script(query_memory_devices=[device()], qom_set={})
        self.check(self.vmemctl("resize", "vm0", "1G"), DONE)
        self.assertEqual(peer.asked("qom-set"), [
            {"path": "/machine/peripheral/vm0", "property": "requested-size",
             "value": GiB}])

    def test_an_older_qemu_refuses(self):
        self.script(query_memory_devices=[device()],
                    qom_set=ValueError("cannot exceed the memory backend"))
        self.check(self.vmemctl("resize", "vm0", "1G"), REFUSED,
                   "cannot exceed")


class Wait(PeerCase):
    """resize --wait, on no terminal."""

    def guest(self, *sizes: int, state: dict | None = None, **answers):
        """A guest whose device has these sizes, one after the other, each
        time it is looked at after the resize; the last one stays."""
        self.requested, self.sizes = 0, [0, *sizes]

        def query():
            size = self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]
            return [device(size=size, requested_size=self.requested,
                           **({"resize": state} if state else {}))]

        def resize(size, **_):
            self.requested = size
            return {}

        return self.script(**{
            "query_memory_devices": query, "memory_device_resize": resize,
            "query_status": {"status": "running"}, **answers})

    def wait(self, size: str, *options: str):
        """Resize and wait."""
        return self.vmemctl("resize", "vm0", size, "--wait", *options)

    def test_until_it_is_settled(self):
        self.guest(GiB, 3 * GiB, 4 * GiB)
        done = self.wait("4G")
        self.check(done, DONE)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], "vm0: 25%, 1 GiB of 4 GiB, waiting for the"
                         " guest")  # no time to tell a rate yet
        self.assertRegex(lines[1], r"^vm0: 75%, 3 GiB of 4 GiB, .*/s, .* left")
        self.assertEqual(lines[2], "vm0: 100%, 4 GiB of 4 GiB")
        self.assertRegex(lines[3], r"^vm0: has 4 GiB, after 2\.\d s$")
        self.assertNotIn("\033", done.stdout)

    def test_a_timeout_makes_nothing_slower(self):
        self.guest(GiB, 4 * GiB)
        clock = Clock()
        self.check(self.wait("4G", "--timeout", "20"), DONE)
        self.assertLess(clock.seconds(), 5)

    def test_a_timeout_of_more_than_an_hour(self):
        self.guest(GiB, GiB, 4 * GiB)
        self.check(self.wait("4G", "--timeout", "4295"), DONE)

    def test_there_is_nothing_to_wait_for(self):
        self.guest(0)
        self.check(self.wait("0"), DONE, "vm0: has 0 B, after 0.")

    def test_partly_done(self):
        self.guest(GiB)
        self.check(self.wait("4G", "--timeout", "2"), PARTLY,
                   "vm0 has 1 GiB, not 4 GiB, after 2.", "takes no more")

    def test_no_progress(self):
        self.guest(0)
        clock = Clock()
        self.check(self.wait("4G", "--timeout", "1"), BLOCKED,
                   "vm0 made no progress and has 0 B, not 4 GiB, after 1.",
                   "takes no more")
        self.assertLess(clock.seconds(), 3)

    def test_without_a_timeout_it_ends_when_nothing_moves_for_30_s(self):
        self.guest(GiB)
        clock = Clock()
        self.check(self.wait("4G"), PARTLY, "vm0 has 1 GiB, not 4 GiB")
        self.assertGreater(clock.seconds(), 29)
        self.assertLess(clock.seconds(), 40)

    def test_reasons_in_words(self):
        for reason, text in (("no-driver", "has no driver for the device"),
                             ("driver-features", "lacks a feature"),
                             ("migration", "a migration is running"),
                             ("host-memory", "the host is short of memory"),
                             ("host-discard", "could not take memory back"),
                             ("listener", "another device of the VM"),
                             ("guest", "has not brought online"),
                             ("moon-phase", "moon-phase")):
            with self.subTest(reason=reason):
                peer = self.guest(0, state={"status": "blocked",
                                            "reason": reason, "since": 1})
                done = self.wait("4G", "--timeout", "1")
                self.check(done, BLOCKED, text, f", blocked: {reason}\n")
                peer.close()

    def test_a_vm_that_does_not_run(self):
        for status, text in (("paused", "does not run (paused)"),
                             ("postmigrate", "has been migrated away")):
            with self.subTest(status=status):
                peer = self.guest(0, query_status={"status": status})
                self.check(self.wait("4G", "--timeout", "1"), PAUSED, text)
                peer.close()

    def test_a_vm_that_is_paused_halfway(self):
        self.guest(GiB, state={"status": "paused", "since": 0},
                   query_status={"status": "inmigrate"})
        self.check(self.wait("4G", "--timeout", "1"), PAUSED,
                   "25%, 1 GiB of 4 GiB, paused\n",
                   "vm0 has 1 GiB, not 4 GiB", "does not run (inmigrate)")

    def test_somebody_else_wants_another_size(self):
        peer = self.guest(GiB)
        peer.answers["memory-device-resize"] = lambda **_: setattr(
            self, "requested", 2 * GiB) or {}
        self.check(self.wait("4G"), PARTLY, "another client has requested"
                   " 2 GiB meanwhile")

    def look_at_once(self, event: str, **data) -> None:
        """This event does not have to wait for the next look."""
        peer = self.guest(GiB, 4 * GiB)

        def life(this, connection):
            this.greet()
            for command, arguments in this.commands(connection):
                this.answer(command, arguments)
                if len(this.asked("query-memory-devices")) == 2:
                    time.sleep(0.1)
                    this.event(event, **data)
        peer.life = life
        clock = Clock()
        self.check(self.wait("4G"), DONE)
        self.assertLess(clock.seconds(), 0.8)

    def test_an_event_of_the_size_makes_it_look_at_once(self):
        self.look_at_once("MEMORY_DEVICE_SIZE_CHANGE", id="vm0", size=4 * GiB)

    def test_an_event_of_the_status_makes_it_look_at_once(self):
        self.look_at_once("MEMORY_DEVICE_RESIZE_STATUS", id="vm0",
                          status="settled")

    def test_without_events_it_looks_and_does_not_ask_for_events(self):
        peer = self.guest(GiB, 3 * GiB, 4 * GiB)
        clock = Clock()
        self.check(self.wait("4G"), DONE)
        self.assertLess(clock.seconds(), 5)
        self.assertEqual({command for command, _ in peer.seen}, {
            "qmp_capabilities", "query-memory-devices",
            "memory-device-resize"})

    def test_the_end_of_the_waiting_is_not_that_of_the_resize(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                peer = self.guest(GiB)
                with start("-s", self.path, "resize", "vm0", "4G",
                           "--wait") as child:
                    self.assertIn("25%", child.stdout.readline())
                    child.send_signal(number)
                    said = child.communicate(timeout=10)[1]
                self.assertEqual(child.returncode, 128 + number, said)
                self.assertIn("the request stands", said)
                peer.close()


class Restart(PeerCase):
    """The connection ends while vmemctl waits."""

    def peer(self, shutdown: bool = False):
        """A monitor whose first connection ends within the third answer."""
        self.queries = 0

        def query():
            self.queries += 1
            return [device(size=(self.queries - 1) * GiB,
                           requested_size=4 * GiB)]

        def life(peer, connection):
            peer.greet()
            for command, arguments in peer.commands(connection):
                if peer.connections == 1 and self.queries == 2:
                    if shutdown:
                        peer.event("SHUTDOWN", guest=False)
                    else:
                        connection.sendall(b'{"return": [')
                    return
                peer.answer(command, arguments)
        return self.script(life, query_memory_devices=query,
                           memory_device_resize={})

    def test_it_comes_back(self):
        peer = self.peer()
        done = self.vmemctl("resize", "vm0", "4G", "--wait")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn("trying to connect again", done.stderr)
        self.assertIn("vm0: has 4 GiB", done.stdout)
        self.assertEqual(peer.connections, 2)
        self.assertEqual(len(peer.asked("memory-device-resize")), 1)

    def test_it_stays_away(self):
        peer = self.peer()
        life = peer.life

        def last(this, connection):
            life(this, connection)
            this.close()
        peer.life = last
        done = self.vmemctl("resize", "vm0", "4G", "--wait")
        self.assertEqual(done.returncode, CONNECTION, done.stderr)
        self.assertIn("the VM is gone: cannot connect to", done.stderr)

    def test_it_has_said_that_it_quits(self):
        peer = self.peer(shutdown=True)
        self.check(self.vmemctl("resize", "vm0", "4G", "--wait"), CONNECTION,
                   "the VM has quit")
        self.assertEqual(peer.connections, 1)
