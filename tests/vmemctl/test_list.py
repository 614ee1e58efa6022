# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl list, with a scripted monitor."""

import json
import socket
import threading
import unittest

from vmtest.peer import DONE, GiB, MiB, PeerCase, device, run


class List(PeerCase):
    """What it shows."""

    def test_a_table_in_human_units(self):
        self.script(query_memory_devices=[
            device(size=GiB, requested_size=1536 * MiB),
            device("memory-7", node=12, max_size=512 * GiB)])
        done = self.vmemctl("list")
        self.check(done, DONE)
        self.assertEqual(done.stdout, (
            "ID        NODE   SIZE  REQUESTED      MAX  BLOCK\n"
            "vm0          0  1 GiB    1.5 GiB    8 GiB  2 MiB\n"
            "memory-7    12    0 B        0 B  512 GiB  2 MiB\n"))

    def test_status_and_reason_are_shown_if_qemu_tells_them(self):
        self.script(query_memory_devices=[
            device(resize={"status": "blocked", "reason": "migration",
                           "since": 3}),
            device("vm1", resize={"status": "settled", "since": 4}),
            device("vm2")])
        lines = self.vmemctl("list").stdout.splitlines()
        self.assertTrue(lines[0].endswith("BLOCK  STATUS"))
        self.assertTrue(lines[1].endswith("2 MiB  blocked: migration"))
        self.assertTrue(lines[2].endswith("2 MiB  settled"))
        self.assertTrue(lines[3].endswith("2 MiB"))

    def test_accesses_to_unplugged_memory_are_shown_if_there_were_some(self):
        settled = {"status": "settled", "since": 4}
        self.script(query_memory_devices=[
            device(resize=settled, unplugged_protection="discard",
                   unplugged_accesses=12),
            device("vm1", resize=settled, unplugged_protection="discard",
                   unplugged_accesses=0)])
        _, first, second = self.vmemctl("list").stdout.splitlines()
        self.assertTrue(first.endswith("  settled, 12 unplugged accesses"))
        self.assertTrue(second.endswith("  settled"))

    def test_json_is_all_that_qemu_says_of_virtio_mem_devices(self):
        told = device(resize={"status": "settled", "since": 4}, novel=[1])
        self.script(query_memory_devices=[
            {"type": "dimm", "data": {"id": "dimm0"}}, told])
        done = self.vmemctl("list", "--json")
        self.check(done, DONE)
        self.assertEqual(json.loads(done.stdout), [told["data"]])

    def test_other_memory_devices_are_left_out(self):
        self.script(query_memory_devices=[
            {"type": "dimm", "data": {"id": "dimm0"}}])
        done = self.vmemctl("list")
        self.check(done, DONE)
        self.assertEqual((done.stdout, done.stderr),
                         ("", "vmemctl: the VM has no virtio-mem device\n"))
        done = self.vmemctl("list", "--json")
        self.assertEqual((json.loads(done.stdout), done.stderr), ([], ""))

    def test_a_device_without_id_is_shown(self):
        nameless = device()
        del nameless["data"]["id"]
        self.script(query_memory_devices=[nameless])
        self.assertIn("\n-      0 ", self.vmemctl("list").stdout)

    def test_a_monitor_can_be_on_tcp(self):
        peer = self.script(query_memory_devices=[device()])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                with listener.accept()[0] as peer.stream:
                    peer.serve(peer.stream)
            threading.Thread(target=serve, daemon=True).start()
            done = run("-s", f"127.0.0.1:{listener.getsockname()[1]}", "list")
        self.check(done, DONE, "vm0")
