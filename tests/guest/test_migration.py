# SPDX-License-Identifier: GPL-2.0-or-later
"""A running guest, with a load in its plugged memory, moves between QEMUs."""

import os
import time
import unittest

from case import SharedCase, device
from memory import GiB, MiB
from migration import FAST, SLOW, STOCK, Damaged, Traveller, wait_migration

ARGUMENTS = ("-m", "512M,maxmem=20G", *device(0, "8G"))
PLUGGED = 512 * MiB
AGAIN = 3       # how often a guest may be found damaged
PROMPT = 1.0    # seconds in which a guest goes on that had to wait


class MigrationCase(SharedCase):
    """One guest goes from test to test; each moves it."""

    arguments = ARGUMENTS
    machine = "q35"
    binary: str | None = None
    traveller: Traveller | None = None

    def setUp(self) -> None:
        with self.killing_on_failure():
            self.depart()

    @classmethod
    def depart(cls) -> None:
        """Have a guest with the load in it."""
        if cls.traveller is None:
            cls.traveller = Traveller(cls.__name__, *cls.arguments,
                                      binary=cls.binary, machine=cls.machine)
            cls.traveller.load(PLUGGED)

    @classmethod
    def forget(cls, kill: bool) -> None:
        """End the VMs, politely or not."""
        traveller, cls.traveller = cls.traveller, None
        if traveller:
            traveller.close(kill)

    def assert_survives(self, *moves) -> None:
        """The guest has the same memory with the same content afterwards.

        QEMU 10.0 emulating a CPU (TCG) loses a write to memory now and then
        while a migration watches it, with its own virtio-mem as well, and the
        guest's kernel does not survive that. So damage has to be repeated.
        """
        for attempt in range(AGAIN):
            self.depart()
            with self.killing_on_failure():
                try:
                    for move in moves:
                        move(self.traveller)
                    self.traveller.check(PLUGGED)
                    return
                except Damaged:
                    if attempt == AGAIN - 1:
                        raise
                    self.forget(kill=True)

    def assert_moves(self, *args, **options) -> None:
        """It survives a migration of this kind."""
        self.assert_survives(lambda guest: guest.move(*args, **options))


class Migration(MigrationCase):
    """All the ways that QEMU has to migrate."""

    def test_precopy(self):
        self.assert_moves()

    def test_postcopy(self):
        self.assert_moves(capabilities=("postcopy-ram",))

    def test_postcopy_preempt(self):
        self.assert_moves(capabilities=("postcopy-ram", "postcopy-preempt"))

    def test_multifd(self):
        self.assert_moves(capabilities=("multifd",))

    def test_auto_converge(self):
        self.assert_moves(capabilities=("auto-converge",))

    def test_to_a_file_and_back(self):
        self.assert_survives(lambda guest: guest.move_by_file())

    def test_mapped_ram_file_and_back(self):
        self.assert_survives(lambda guest: guest.move_by_file("mapped-ram"))

    def test_background_snapshot_and_back(self):
        self.assert_survives(
            lambda guest: guest.move_by_file("background-snapshot"))


class WithStock(MigrationCase):
    """From QEMU's own device to ours and back."""

    binary = STOCK

    def test_stock_to_ours_to_stock(self):
        self.assert_survives(lambda guest: guest.move(),
                             lambda guest: guest.check(PLUGGED),
                             lambda guest: guest.move(STOCK))

    def test_postcopy_stock_to_ours_to_stock(self):
        postcopy = ("postcopy-ram",)
        self.assert_survives(lambda guest: guest.move(None, postcopy),
                             lambda guest: guest.check(PLUGGED),
                             lambda guest: guest.move(STOCK, postcopy))


class WithStock80(WithStock):
    """The first machine type where the blocks come early."""

    machine = "pc-q35-8.0"


class WithStock72(WithStock):
    """The last one where they come with the rest."""

    machine = "pc-q35-7.2"


class Waiting(MigrationCase):
    """A resize that a migration holds up goes on as soon as it is over."""

    def begin(self) -> None:
        """Ask for more memory while a migration goes on."""
        self.traveller.set_out(**{"max-bandwidth": SLOW})
        vm = self.traveller.vm
        wait_migration(vm, "active")
        vm.resize("vm0", PLUGGED + 256 * MiB)
        time.sleep(1)
        self.assertEqual(vm.sizes(), {"vm0": PLUGGED}, "sizes meanwhile")
        self.assertEqual(vm.devices()["vm0"]["resize"]["reason"], "migration")

    def assert_goes_on(self) -> None:
        """It does, and then all is as it was."""
        vm = self.traveller.vm
        vm.until(True, lambda: vm.sizes()["vm0"] > PLUGGED,
                 "that the resize has gone on", PROMPT)
        vm.wait_sizes(vm0=PLUGGED + 256 * MiB)
        vm.resize("vm0", PLUGGED)
        vm.wait_sizes(vm0=PLUGGED)

    def test_after_a_migration_that_completed(self):
        with self.killing_on_failure():
            self.begin()
            self.traveller.vm.cmd("migrate-set-parameters",
                                  **{"max-bandwidth": FAST})
            self.traveller.arrive()
            self.assert_goes_on()

    def test_after_a_migration_that_was_cancelled(self):
        with self.killing_on_failure():
            self.begin()
            self.traveller.vm.cmd("migrate_cancel")
            wait_migration(self.traveller.vm, "cancelled")
            self.assert_goes_on()
            self.traveller.turn_back()

    def test_after_a_migration_that_failed(self):
        with self.killing_on_failure():
            self.begin()
            self.traveller.turn_back()
            wait_migration(self.traveller.vm, "failed")
            self.assert_goes_on()

    def test_after_postcopy(self):
        with self.killing_on_failure():
            vm = self.traveller.vm
            self.traveller.set_out(capabilities=("postcopy-ram",), **{
                "max-postcopy-bandwidth": SLOW, "max-bandwidth": SLOW})
            old, vm = self.traveller.vms
            vm.until("running", lambda: vm.cmd("query-status")["status"],
                     "the status of the destination")
            vm.resize("vm0", PLUGGED + 256 * MiB)
            time.sleep(1)
            self.assertEqual(vm.sizes(), {"vm0": PLUGGED}, "sizes meanwhile")
            old.cmd("migrate-set-parameters",
                    **{"max-postcopy-bandwidth": FAST})
            self.traveller.arrive()
            self.assert_goes_on()


    def test_a_reboot_meanwhile(self):
        """The new kernel has to unplug first, and that has to wait, too."""
        with self.killing_on_failure():
            self.traveller.set_out(**{"max-bandwidth": SLOW})
            vm = self.traveller.vm
            wait_migration(vm, "active")
            vm.cmd("system_reset")
            vm.wait_ready()
            time.sleep(1)
            self.assertEqual(vm.sizes(), {"vm0": PLUGGED}, "sizes meanwhile")
            vm.cmd("migrate-set-parameters", **{"max-bandwidth": FAST})
            self.traveller.arrive()
            vm = self.traveller.vm
            vm.until(1, lambda: vm.devices()["vm0"]["requests"]["unplug-all"]
                     ["ack"], "requests to unplug all, done", PROMPT)
            vm.wait_sizes(vm0=PLUGGED)


class Prealloc(MigrationCase):
    """Memory that is populated before RAM comes, and that a file has."""

    arguments = ("-m", "512M,maxmem=20G", "-object",
                 "memory-backend-memfd,id=mem0,size=8G,reserve=off", "-device",
                 "virtio-mem-pci,id=vm0,memdev=mem0,prealloc=on")

    def test_precopy(self):
        self.assert_moves()

    def test_postcopy(self):
        self.assert_moves(capabilities=("postcopy-ram",))

    def test_multifd(self):
        self.assert_moves(capabilities=("multifd",))


class Sparse(unittest.TestCase):
    """What is unplugged is not sent, saved, dumped or touched."""

    plugged = 16 * MiB
    most = 1 * GiB      # 512 MiB of RAM, 16 plugged, and QEMU itself

    def set_up(self, backend: str, *more: str) -> Traveller:
        """A guest with little of an 8 GiB device plugged."""
        guest = Traveller(
            f"Sparse.{backend}", "-m", "512M,maxmem=20G", *more, "-object",
            f"memory-backend-{backend},id=mem0,size=8G,reserve=off",
            "-device", "virtio-mem-pci,id=vm0,memdev=mem0")
        self.addCleanup(guest.close, kill=True)
        guest.vm.wait_ready()
        guest.vm.resize("vm0", self.plugged)
        guest.vm.wait_sizes(vm0=self.plugged)
        return guest

    def assert_small(self, guest: Traveller, *files: str) -> None:
        """Neither QEMU nor what it wrote is larger than need be."""
        self.assertLess(guest.vm.host_memory(), self.most, "QEMU's memory")
        for name in files:
            occupied = guest.file(name).stat().st_blocks * 512
            self.assertLess(occupied, self.most, name)

    def migrate(self, guest: Traveller) -> None:
        """In several ways; nothing grows."""
        guest.vm.cmd("stop")
        guest.set_out()
        wait_migration(guest.vm, "completed")
        ram = guest.vm.cmd("query-migrate")["ram"]
        pages = ram["normal"] + ram["duplicate"]
        self.assertLess(pages * ram["page-size"], self.most, "pages sent")
        old, vm = guest.vms
        vm.until("paused", lambda: vm.cmd("query-status")["status"],
                 "the status of the destination")
        vm.cmd("cont")
        guest.arrive()
        guest.vm.wait_sizes(vm0=self.plugged)
        self.assert_small(guest)
        guest.move(capabilities=("postcopy-ram",))
        guest.vm.wait_sizes(vm0=self.plugged)
        self.assert_small(guest)

    def dump(self, guest: Traveller) -> None:
        """Into both kinds of file."""
        for form in ("elf", "kdump-zlib"):
            guest.vm.cmd("dump-guest-memory", paging=False, format=form,
                         protocol=f"file:{guest.file(form)}")
            self.assert_small(guest, form)

    def test_anonymous_memory(self):
        guest = self.set_up("ram")
        self.migrate(guest)
        for capabilities in ((), ("mapped-ram",), ("background-snapshot",)):
            guest.move_by_file(*capabilities)
            guest.vm.wait_sizes(vm0=self.plugged)
            self.assert_small(guest, "stream")
        self.dump(guest)

    def test_memfd(self):
        guest = self.set_up("memfd")
        self.migrate(guest)
        guest.move_by_file()
        self.assert_small(guest, "stream")
        self.dump(guest)


class IgnoreShared(MigrationCase):
    """Memory in a file that both sides have open stays where it is."""

    file = f"/dev/shm/virtio-mem-test-{os.getpid()}"
    arguments = ("-m", "512M,maxmem=20G", "-object",
                 f"memory-backend-file,id=mem0,size=8G,share=on,mem-path={file}",
                 "-device", "virtio-mem-pci,id=vm0,memdev=mem0")

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        os.unlink(cls.file)

    def test_x_ignore_shared(self):
        self.assert_moves(capabilities=("x-ignore-shared",))


if __name__ == "__main__":
    unittest.main()
