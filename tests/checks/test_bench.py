# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark's tables, and what it reads out of other programs' output."""

import os
import sys
import threading
import unittest
from pathlib import Path

from driver.paths import ROOT as PROJECT
from bench import kicks
from bench.stall import Answer, Change, Waits
from bench.table import Row, markdown, spread
from driver import ui


def row(stock: list, ours: list, **more) -> Row:
    """One with these values."""
    made = Row(1, "a metric", "ms", **more)
    made.values = {"stock": stock, "ours": ours}
    return made


class Tables(unittest.TestCase):
    """Ratios and goals."""

    def test_ratio_of_medians(self):
        self.assertEqual(row([1, 8, 99], [2, 2, 2]).ratio(), 4)

    def test_more_is_better(self):
        self.assertEqual(row([2], [3], more=True).ratio(), 1.5)

    def test_goal(self):
        self.assertTrue(row([8], [2], goal=4).met())
        self.assertFalse(row([8], [3], goal=4).met())
        self.assertIsNone(row([8], [3]).met())

    def test_within_the_resolution(self):
        self.assertTrue(row([3], [4], goal=1, grain=1).met())
        self.assertFalse(row([3], [5], goal=1, grain=1).met())

    def test_ours_is_nothing(self):
        self.assertIsNone(row([8], [0], goal=4).ratio())
        self.assertTrue(row([8], [0], goal=4).met())

    def test_spread(self):
        self.assertEqual(spread([1.23456, 3, 2000]), "3 (1.23–2000)")
        self.assertEqual(spread([7, 7]), "7")

    def test_missed_is_seen(self):
        self.assertIn("**missed**", markdown([row([1], [2], goal=3)]))


class WaitsOfThreads(unittest.TestCase):
    """What is taken off."""

    def test_the_monitor_has_to_be_found(self):
        with self.assertRaisesRegex(ui.Fail, "IO mon"):
            Waits(os.getpid())

    def test_steal_counts_for_one_processor(self):
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)
        comm = Path(f"/proc/self/task/{thread.native_id}/comm")
        comm.write_text("IO mon_iothread", encoding="ascii")
        waits = Waits(os.getpid())
        self.addCleanup(waits.close)
        waited, *stolen = waits.now()
        self.assertEqual(len(stolen), os.cpu_count())
        waits.now = lambda: [waited + 0.5, *(each + 1 for each in stolen)]
        self.assertAlmostEqual(waits.since([waited, *stolen]), 1.51)
        waits.now = lambda: [waited + 0.5, *stolen]
        self.assertAlmostEqual(waits.since([waited, *stolen]), 0.5)


class Stalls(unittest.TestCase):
    """The longest answer."""

    def change(self, *net: float) -> Change:
        return Change([Answer(0, 0.5, each) for each in net],
                      [Answer(0, 0.002, 0.002)], 1)

    def test_longest(self):
        self.assertEqual(self.change(0.1, 0.3).longest("net"), 300)
        self.assertEqual(self.change(0.1, 0.3).longest("gross"), 500)

    def test_no_less_than_when_nothing_happens(self):
        self.assertEqual(self.change(-0.1, 0.001).longest("net"), 2)


class Callgrind(unittest.TestCase):
    """Calls of a function in what callgrind writes."""

    TEXT = ("fn=(1) serve\n1 2\ncfn=(2) push\ncalls=3 4\n5 6\n"
            "cfn=(9) pull\ncalls=7 8\n9 1\n"
            "fn=(4) more\ncob=(1)\ncfi=(3)\ncfn=(2)\ncalls=5 4\n")

    def test_calls_of_all_callers(self):
        self.assertEqual(kicks.called(self.TEXT, "push"), 8)

    def test_never_called(self):
        self.assertEqual(kicks.called(self.TEXT, "serve"), 0)
        self.assertEqual(kicks.called(self.TEXT, "pop"), 0)
