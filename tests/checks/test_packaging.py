# SPDX-License-Identifier: GPL-2.0-or-later
"""What the Debian packages say of themselves."""

import re
import unittest

from driver import packages, paths

CONTROL = (paths.ROOT / "packaging/debian/control").read_text(encoding="utf-8")
# No package names what the package build-essential has.
ESSENTIAL = {"dpkg-dev", "gcc", "libc6-dev", "make"}


class Control(unittest.TestCase):
    """packaging/debian/control."""

    def test_it_builds_with_what_the_driver_installs(self):
        field = re.search(r"^Build-Depends: ((?:.*\n)(?: .*\n)*)", CONTROL, re.M)[1]
        named = {name.strip() for name in field.split(",")}
        self.assertEqual(named, {
            "debhelper-compat (= 13)", *set(packages.BUILD) - ESSENTIAL,
            *packages.MORE["packaging"][2:],
            *(package for _, package, _, _ in packages.FEATURES)})
