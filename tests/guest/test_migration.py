# SPDX-License-Identifier: GPL-2.0-or-later
"""A running guest, with a load in its plugged memory, moves between QEMUs."""

import os
import sys
import time
from typing import Callable

import pytest

from driver import paths
from vmtest.case import SharedCase, device
from vmtest.memory import GiB, MiB
from vmtest.migration import FAST, SLOW, STOCK, Traveller, wait_migration
from vmtest.target import TARGET
from vmtest.vm import VM

MOVES = pytest.mark.skipif(not TARGET.migrates,
                           reason="QEMU does not migrate PCI devices of s390x")
ARGUMENTS = ("-m", "512M,maxmem=20G", *device(0, "8G"))
PLUGGED = 512 * MiB
OLD, NEW = (paths.place(series) / "qemu-system-x86_64" for series in ("10.0", "11.1"))
AGAIN = 3       # how often a guest may be found damaged
# Seconds in which a guest goes on that had to wait, on a busy machine; by itself Linux tries
# again after 50 s.
PROMPT = 5.0
Move = Callable[[Traveller], None]


class TravellerCase(SharedCase):
    """Tests with a guest that moves."""

    traveller: Traveller | None = None

    @classmethod
    def forget(cls, kill: bool) -> None:
        """End the VMs, politely or not."""
        traveller, cls.traveller = cls.traveller, None
        if traveller:
            traveller.close(kill)

    @classmethod
    def depart(cls) -> None:
        """Have a guest for a test."""
        raise NotImplementedError

    def assert_endures(self, *moves: Move) -> None:
        """The guest goes through all of that, and each move ends well.

        QEMU 10.0 emulating a CPU (TCG) loses a write to memory now and then
        while a migration watches it, with its own virtio-mem as well, and the
        guest's kernel does not survive that. So a failure has to be repeated
        if the guest was damaged: its kernel or its files say so, or it says
        nothing at all any more.
        """
        for attempt in range(1, AGAIN + 1):
            with self.killing_on_failure():
                self.depart()
                try:
                    for move in moves:
                        move(self.traveller)
                    return
                except AssertionError as failure:
                    damage = self.traveller.damage(failure)
                    if not damage or attempt == AGAIN:
                        raise
                    print(f"attempt {attempt}: damaged guest: {damage}",
                          file=sys.stderr)
                    self.forget(kill=True)


class MigrationCase(TravellerCase):
    """One guest, with a load in it, goes from test to test; each moves it."""

    arguments = ARGUMENTS
    machine: str | None = None
    binary: str | None = None

    @classmethod
    def depart(cls) -> None:
        """Have a guest with the load in it."""
        if cls.traveller is None:
            cls.traveller = Traveller(cls.__name__, *cls.arguments,
                                      binary=cls.binary, machine=cls.machine)
            cls.traveller.plug(PLUGGED)
            cls.traveller.work()

    def assert_survives(self, *moves: Move) -> None:
        """The guest has the same memory with the same content afterwards."""
        self.assert_endures(*moves, lambda guest: guest.check(PLUGGED))

    def assert_moves(self, *args, **options) -> None:
        """It survives a migration of this kind."""
        self.assert_survives(lambda guest: guest.move(*args, **options))


@pytest.mark.targets
@MOVES
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


@pytest.mark.skipif(not (OLD.exists() and NEW.exists()),
                    reason=f"needs {OLD} and {NEW}")
class BothSeries(MigrationCase):
    """From our device in QEMU 11.1 to that in 10.0 and back.

    A guest that was booted on 10.0 cannot be migrated to 11.1: Debian's 10.0.13 gives
    each virtio queue 1024 entries, whatever the device wants, and 11.1 does not.
    """

    binary = str(NEW)
    machine = "pc-q35-10.0"     # the newest that both have

    def assert_comes_and_returns(self, *capabilities: str) -> None:
        """It survives both ways."""
        self.assert_survives(lambda guest: guest.move(str(OLD), capabilities),
                             lambda guest: guest.check(PLUGGED),
                             lambda guest: guest.move(str(NEW), capabilities))

    def test_from_11_1_to_10_0_and_back(self):
        self.assert_comes_and_returns()

    def test_postcopy_from_11_1_to_10_0_and_back(self):
        self.assert_comes_and_returns("postcopy-ram")


@pytest.mark.targets
@MOVES
class Waiting(MigrationCase):
    """A resize that a migration holds up goes on as soon as it is over."""

    def begin(self, guest: Traveller) -> None:
        """Ask for more memory while a migration goes on."""
        guest.set_out(**{"max-bandwidth": SLOW})
        wait_migration(guest.vm, "active")
        self.ask_for_more(guest.vm)
        self.assertEqual(guest.vm.devices()["vm0"]["resize"]["reason"],
                         "migration")

    def ask_for_more(self, vm: VM) -> None:
        """Ask for it; nothing happens."""
        vm.resize("vm0", PLUGGED + 256 * MiB)
        time.sleep(1)
        self.assertEqual(vm.sizes(), {"vm0": PLUGGED}, "sizes meanwhile")

    def go_on(self, guest: Traveller) -> None:
        """The resize does, and then all is as it was."""
        vm = guest.vm
        vm.until(True, lambda: vm.sizes()["vm0"] > PLUGGED,
                 "that the resize has gone on", PROMPT)
        vm.wait_sizes(vm0=PLUGGED + 256 * MiB)
        vm.resize("vm0", PLUGGED)
        vm.wait_sizes(vm0=PLUGGED)

    def test_after_a_migration_that_completed(self):
        def complete(guest):
            guest.vm.cmd("migrate-set-parameters", **{"max-bandwidth": FAST})
            guest.arrive()

        self.assert_survives(self.begin, complete, self.go_on)

    def test_after_a_migration_that_was_cancelled(self):
        def cancel(guest):
            guest.vm.cmd("migrate_cancel")
            wait_migration(guest.vm, "cancelled")

        self.assert_survives(self.begin, cancel, self.go_on,
                             Traveller.turn_back)

    def test_after_a_migration_that_failed(self):
        def fail(guest):
            guest.turn_back()
            wait_migration(guest.vm, "failed")

        self.assert_survives(self.begin, fail, self.go_on)

    def test_after_postcopy(self):
        def postcopy(guest):
            guest.set_out(capabilities=("postcopy-ram",), **{
                "max-postcopy-bandwidth": SLOW, "max-bandwidth": SLOW})
            old, vm = guest.vms
            vm.until("running", lambda: vm.cmd("query-status")["status"],
                     "the status of the destination")
            self.ask_for_more(vm)
            old.cmd("migrate-set-parameters",
                    **{"max-postcopy-bandwidth": FAST})
            guest.arrive()

        self.assert_survives(postcopy, self.go_on)

    def test_a_reboot_meanwhile(self):
        """The new kernel has to unplug first, and that has to wait, too."""
        def reboot(guest):
            guest.set_out(**{"max-bandwidth": SLOW})
            wait_migration(guest.vm, "active")
            guest.vm.cmd("system_reset")
            guest.vm.wait_ready()
            time.sleep(1)
            self.assertEqual(guest.vm.sizes(), {"vm0": PLUGGED},
                             "sizes meanwhile")
            guest.vm.cmd("migrate-set-parameters", **{"max-bandwidth": FAST})
            guest.arrive()

        def unplug_all_and_plug_again(guest):
            vm = guest.vm
            vm.until(1, lambda: vm.devices()["vm0"]["requests"]["unplug-all"]
                     ["ack"], "requests to unplug all, done", PROMPT)
            vm.wait_sizes(vm0=PLUGGED)

        self.assert_survives(reboot, unplug_all_and_plug_again, Traveller.work)


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


class Sparse(TravellerCase):
    """What is unplugged is not sent, saved, dumped or touched."""

    backend = "ram"
    plugged = 16 * MiB
    most = 1 * GiB      # 512 MiB of RAM, 16 plugged, and QEMU itself

    @classmethod
    def depart(cls) -> None:
        """Have a guest with little of an 8 GiB device plugged."""
        cls.traveller = Traveller(
            cls.__name__, "-m", "512M,maxmem=20G", "-object",
            f"memory-backend-{cls.backend},id=mem0,size=8G,reserve=off",
            "-device", "virtio-mem-pci,id=vm0,memdev=mem0")
        cls.traveller.plug(cls.plugged)

    def assert_small(self, guest: Traveller, *files: str) -> None:
        """Neither QEMU nor what it wrote is larger than need be."""
        guest.vm.wait_sizes(vm0=self.plugged)
        self.assertLess(guest.vm.host_memory(), self.most, "QEMU's memory")
        for name in files:
            occupied = guest.file(name).stat().st_blocks * 512
            self.assertLess(occupied, self.most, name)

    def migrate(self, guest: Traveller) -> None:
        """Live; the VM is stopped, so that each page is sent once."""
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
        self.assert_small(guest)

    def postcopy(self, guest: Traveller) -> None:
        """Live, the pages later."""
        guest.move(capabilities=("postcopy-ram",))
        self.assert_small(guest)

    def save(self, guest: Traveller, *capabilities: str) -> None:
        """Through a file."""
        guest.move_by_file(*capabilities)
        self.assert_small(guest, "stream")

    def dump(self, guest: Traveller) -> None:
        """Into both kinds of file."""
        for form in ("elf", "kdump-zlib"):
            guest.vm.cmd("dump-guest-memory", paging=False, format=form,
                         protocol=f"file:{guest.file(form)}")
            self.assert_small(guest, form)

    def test_nothing_grows(self):
        self.assert_endures(
            self.migrate, self.postcopy, self.save,
            lambda guest: self.save(guest, "mapped-ram"),
            lambda guest: self.save(guest, "background-snapshot"), self.dump)


class SparseMemfd(Sparse):
    """The same of memory that is not anonymous."""

    backend = "memfd"

    def test_nothing_grows(self):
        self.assert_endures(self.migrate, self.postcopy, self.save, self.dump)


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
