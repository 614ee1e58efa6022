# SPDX-License-Identifier: GPL-2.0-or-later
"""Which module of the device includes which: no circle, and the order that
docs/devel/architecture.md writes down."""

import re
import unittest
from pathlib import Path

from driver.paths import ROOT as PROJECT

DEVICE = PROJECT / "hw" / "virtio"
MODULES = DEVICE / "virtio-mem"
ARCHITECTURE = PROJECT / "docs" / "devel" / "architecture.md"
HUB = "device"
HUB_FOR = {"virtio-mem.c", "virtio-mem/device.h", "virtio-mem/transport.c"}


def includes(text: str, known: set[str]) -> set[str]:
    """The modules whose headers C source includes."""
    return {name for name in re.findall(
        r'^#include "(?:virtio-mem/)?([\w-]+)\.h"', text, re.M)
        if name in known}


def graph(directory: Path) -> dict[str, set[str]]:
    """Each module, with those that its .c and its .h include."""
    files = [*directory.glob("*.[ch]")]
    known = {file.stem for file in files}
    found: dict[str, set[str]] = {name: set() for name in known}
    for file in files:
        found[file.stem] |= includes(file.read_text(), known) - {file.stem}
    return found


def order(text: str) -> dict[str, int]:
    """Each module, with the line of the written order that names it."""
    block = re.search(r"## Include order\n.*?```\n(.*?)```", text, re.S)[1]
    return {name: number
            for number, line in enumerate(block.splitlines())
            for name in re.findall(r"[\w-]+", line)}


def wrong(found: dict[str, set[str]], written: dict[str, int]) -> list[str]:
    """What is against the order; a circle always is."""
    problems = [f"{name} is not in the order"
                for name in sorted(found.keys() - written.keys())]
    problems += [f"{name} is in the order, and there is no such module"
                 for name in sorted(written.keys() - found.keys())]
    problems += [f"{name} includes {other}.h"
                 for name, others in sorted(found.items())
                 for other in sorted(others)
                 if name in written and other in written
                 and written[other] >= written[name]]
    return problems


class Checker(unittest.TestCase):
    """What the check finds."""

    def test_an_include_against_the_order(self):
        self.assertEqual(wrong({"a": {"b"}, "b": set()}, {"a": 0, "b": 1}),
                         ["a includes b.h"])
        self.assertEqual(wrong({"a": set(), "b": {"a"}}, {"a": 0, "b": 1}), [])

    def test_modules_of_one_line_do_not_include_each_other(self):
        self.assertEqual(wrong({"a": {"b"}, "b": set()}, {"a": 0, "b": 0}),
                         ["a includes b.h"])

    def test_a_circle(self):
        circle = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
        for shift in range(3):
            written = {name: (number + shift) % 3
                       for number, name in enumerate("abc")}
            self.assertTrue(wrong(circle, written))

    def test_a_module_that_only_one_side_knows(self):
        self.assertEqual(wrong({"a": set()}, {}), ["a is not in the order"])
        self.assertEqual(wrong({}, {"a": 0}), [
            "a is in the order, and there is no such module"])

    def test_both_ways_to_include(self):
        text = '#include "a.h"\n#include "virtio-mem/b.h"\n#include "qemu/c.h"'
        self.assertEqual(includes(text, {"a", "b", "c"}), {"a", "b"})


class Device(unittest.TestCase):
    """The device as it is."""

    def test_includes_follow_the_order_of_the_architecture(self):
        self.assertEqual(wrong(graph(MODULES),
                               order(ARCHITECTURE.read_text())), [])

    def test_the_hub_is_for_the_type_and_the_transport(self):
        users = {file.relative_to(DEVICE).as_posix()
                 for file in DEVICE.rglob("*.[ch]")
                 if HUB in includes(file.read_text(), {HUB})}
        self.assertEqual(users | {"virtio-mem/device.h"}, HUB_FOR)

    def test_none_is_compiled_for_each_target(self):
        users = {file.name for file in DEVICE.rglob("*.[ch]")
                 if re.search(r"\bTARGET_[A-Z]|(?<!VIRTIO_)\bCONFIG_[A-Z]",
                              file.read_text())}
        self.assertEqual(users, set())

    def test_only_queue_knows_virtqueues(self):
        users = {file.name for file in DEVICE.rglob("*.[ch]")
                 if re.search(r"\bvirtqueue_\w+\(|\bVirtQueueElement\b",
                              file.read_text())}
        self.assertEqual(users, {"queue.c"})

    def test_only_state_sets_blocks(self):
        users = {file.name for file in DEVICE.rglob("*.c")
                 if "virtio_mem_blocks_set(" in file.read_text()}
        # guarded and reserve have blocks of their own.
        self.assertEqual(users, {"blocks.c", "guarded.c", "reserve.c", "state.c"})

    def test_static_functions_begin_with_the_name_of_their_module(self):
        for file in MODULES.glob("*.c"):
            prefix = file.stem.replace("-", "_") + "_"
            names = re.findall(r"^static (?:[\w\s*]*?[\s*])?(\w+)\((?!\w*\))",
                               file.read_text(), re.M)
            for name in names:
                with self.subTest(file=file.name, name=name):
                    self.assertTrue(name.startswith(prefix))

    def test_no_part_calls_another(self):
        parts = ("memory", "listeners", "state", "sizes", "retry")
        for part in parts:
            others = includes((MODULES / f"{part}.c").read_text() +
                              (MODULES / f"{part}.h").read_text(), set(parts))
            self.assertLessEqual(others, {part})


class Style(unittest.TestCase):
    """What QEMU's checkpatch.pl takes for an error, and costs nothing to look for."""

    def test_no_line_is_longer_than_90_columns(self):
        for place in ("hw", "include", "compat", "tests/qtest", "tests/unit"):
            for file in (PROJECT / place).rglob("*.[ch]"):
                for number, line in enumerate(file.read_text().splitlines(), 1):
                    if len(line.expandtabs()) > 90:
                        self.fail(f"{file}:{number} has {len(line)} columns")
