# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU is built with comes and goes with the machine's libraries."""

import contextlib
import io
import unittest
from unittest import mock

from support import ScratchCase
from test_runner import driver_main
import features
import flavours
import qemu
import ui


class Libraries(ScratchCase):
    """Libraries that this machine has, or lacks."""

    def test_library_is_seen(self):
        found = features.Feature("c", "c", "stdio.h", "everything")
        self.assertTrue(features.present(found))

    def test_missing_header_and_missing_library_are_seen(self):
        for library, header in (("c", "no-such-header-x.h"),
                                ("no-such-library-x", "stdio.h")):
            gone = features.Feature("x", library, header, "nothing")
            with self.subTest(library=library, header=header):
                self.assertFalse(features.present(gone))

    def configured(self, flavour=flavours.PLAIN) -> list[str]:
        """The words that configure is given."""
        words = []
        with contextlib.redirect_stdout(io.StringIO()), \
                mock.patch.object(ui, "run", lambda command, **_:
                                  words.extend(command)), \
                mock.patch.object(qemu.paths, "LOGS", self.scratch):
            qemu.configure(self.scratch / "src", self.scratch / "obj", {},
                           flavour)
        return words

    def test_what_is_there_is_built_in(self):
        with mock.patch.object(features, "present", lambda feature: True):
            words = self.configured()
            self.assertEqual(features.missing(), [])
        for option in ("--enable-seccomp", "--enable-numa",
                       "--enable-vhost-user", "--enable-vhost-net"):
            self.assertIn(option, words)

    def test_a_build_goes_on_without(self):
        with mock.patch.object(features, "present", lambda feature:
                               feature.option == "numa"):
            words = self.configured()
        self.assertIn("--enable-numa", words)
        self.assertNotIn("--enable-seccomp", words)

    def test_what_is_missing_is_said(self):
        printed = io.StringIO()
        with mock.patch.object(features, "present", lambda feature: False), \
                contextlib.redirect_stdout(printed):
            driver_main().ready(self.scratch / "qemu-system-x86_64")
        for words in ("qemu-system-x86_64 is ready",
                      "without the option -sandbox: libseccomp is missing",
                      "without host-nodes= and policy= of memory backends: "
                      "libnuma is missing"):
            self.assertIn(words, printed.getvalue())


class Targets(ScratchCase):
    """Which emulators a build consists of."""

    def test_emulator_of_each_kind_of_target(self):
        self.assertEqual(qemu.emulator("x86_64-softmmu"), "qemu-system-x86_64")
        self.assertEqual(qemu.emulator("x86_64-linux-user"), "qemu-x86_64")

    def test_targets_of_a_variant_are_its_own(self):
        with mock.patch.dict(qemu.os.environ, {"TARGETS": "s390x-softmmu"}):
            self.assertEqual(qemu.targets(), ["x86_64-softmmu",
                                              "s390x-softmmu"])
            self.assertEqual(qemu.targets(flavours.KVM_ONLY),
                             ["x86_64-softmmu"])


if __name__ == "__main__":
    unittest.main()
