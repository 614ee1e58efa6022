# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest tests share: one boot a class, a clean start for each test."""

import os
import re
import unittest
from contextlib import contextmanager

from vmtest.memory import MiB
from vmtest.target import TARGET
from vmtest.vm import VM


class SharedCase(unittest.TestCase):
    """Tests that share what they run in; a subclass can forget() it."""

    @classmethod
    def forget(cls, kill: bool) -> None:
        """End it, politely or not."""
        raise NotImplementedError

    @classmethod
    def tearDownClass(cls) -> None:
        cls.forget(kill=False)

    @contextmanager
    def killing_on_failure(self):
        """Do not leave a VM in an unknown state to the next test."""
        try:
            yield
        except BaseException:
            self.forget(kill=True)
            raise


class GuestCase(SharedCase):
    """Tests of one VM; a subclass says with ARGUMENTS what it looks like.

    A boot takes four seconds, so the tests of a class share one. Each starts
    with nothing plugged, and the one that cannot get back there has failed;
    the next one then has a VM of its own.
    """

    ARGUMENTS: tuple[str, ...] = ()
    APPEND = ""
    vm: VM | None = None
    boots = 0

    def setUp(self) -> None:
        if self.vm is None:
            with self.killing_on_failure():
                self.boot()

    def tearDown(self) -> None:
        with self.killing_on_failure():
            self.restore()

    def restore(self) -> None:
        """Bring the VM back to what a test expects to find.

        No guest of these tests uses unplugged memory, as far as that is looked at.
        """
        for data in self.vm.devices().values():
            self.assertEqual(data.get("unplugged-accesses", 0), 0)
        self.vm.restore()

    @classmethod
    def boot(cls) -> None:
        """Start the VM; it is the class's own from then on.

        A VM that takes the place of a failed one has a name of its own, so
        that it does not write over the logs.
        """
        cls.boots += 1
        name = f"{cls.__module__.removeprefix('test_')}.{cls.__name__}"
        vm = VM(name + (f".{cls.boots}" if cls.boots > 1 else ""),
                *cls.ARGUMENTS, append=cls.APPEND)
        vm.start()
        cls.vm = vm
        vm.wait_ready()

    @classmethod
    def forget(cls, kill: bool) -> None:
        """End the VM, politely or not."""
        vm, cls.vm = cls.vm, None
        if vm is not None:
            vm.stop(kill)

    def _formatMessage(self, msg, standardMsg):
        """Let the failure of any assertion name the logs."""
        text = super()._formatMessage(msg, standardMsg)
        return f"{text}\n{self.vm.logs()}" if self.vm else text

    def plugged_by_node(self) -> dict[int, int]:
        """What `info numa` counts as plugged on every node, in bytes."""
        text = self.vm.hmp("info numa")
        return {int(node): int(mib) * MiB for node, mib
                in re.findall(r"^node (\d+) plugged: (\d+) MB", text, re.M)}

    def assert_refused(self, command: str, *words: str, **arguments) -> None:
        """A QMP command fails, and its message has all of `words`."""
        answer = self.vm.qmp(command, **arguments)
        self.assertIn("error", answer, f"{command} should be refused")
        for word in words:
            self.assertIn(word, answer["error"]["desc"])


def device(number: int, size: str, options: str = "") -> tuple[str, ...]:
    """Arguments for the device vmN with its memory backend memN.

    VM_DEVICE_OPTIONS in the environment are properties for all devices.
    """
    more = os.environ.get("VM_DEVICE_OPTIONS", "")
    options = ",".join(filter(None, (options, more)))
    return ("-object", f"memory-backend-ram,id=mem{number},size={size},"
                       "reserve=off",
            *TARGET.device(number, options))
