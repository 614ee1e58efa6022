# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-alone build: vmemctl comes and goes with json-glib."""

import unittest
from unittest import mock

from support import ScratchCase
import standalone
from flavours import PLAIN


class JsonGlib(ScratchCase):
    """What is built with json-glib, and without it."""

    def built(self, have: bool) -> list[str]:
        """What is built for vmemctl, which then has its link."""
        names, link = [], self.scratch / "vmemctl"
        with mock.patch.object(standalone.deps, "ensure") as ensure, \
                mock.patch.object(standalone, "have_json_glib",
                                  lambda: have), \
                mock.patch.object(standalone.paths, "VMEMCTL", link), \
                mock.patch.object(standalone, "build", lambda env, flavour,
                                  *named: names.extend(named)):
            binary = standalone.vmemctl({})
        ensure.assert_called_once_with(("libjson-glib-dev",))
        self.assertEqual(binary, link if have else None)
        self.assertEqual(link.is_symlink(), have)
        return names

    def test_it_is_built_and_linked(self):
        self.assertEqual(self.built(True), ["tools/vmemctl/vmemctl"])

    def test_without_it_nothing_is_built(self):
        self.assertEqual(self.built(False), [])

    def test_the_build_is_set_up_anew_when_it_comes(self):
        seen = set()
        for have in (True, False):
            with mock.patch.object(standalone, "have_json_glib",
                                   lambda have=have: have):
                seen.add(standalone.identity_of({}, PLAIN))
        self.assertEqual(len(seen), 2)


if __name__ == "__main__":
    unittest.main()
