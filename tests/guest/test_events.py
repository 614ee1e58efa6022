# SPDX-License-Identifier: GPL-2.0-or-later
"""By what ours is told from the unchanged QEMU: its version and its events.

The events that QEMU 10.0 has are those that tests/qtest/virtio-mem-events.inc
lists; when they differ, the failure shows the lines of the list as they have to be.
"""

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

from driver import paths
from vmtest.vm import default_binary

LIST = Path(__file__).resolve().parents[1] / "qtest" / "virtio-mem-events.inc"
NAME = "virtio-mem overlay"
OURS = {"MEMORY_DEVICE_RESIZE_STATUS", "MEMORY_DEVICE_UNPLUGGED_ACCESS"}


def ask(binary: str, command: str):
    """What a QEMU without a machine returns for a command."""
    said = subprocess.run(
        [binary, "-machine", "none", "-nodefaults", "-display", "none",
         "-qmp", "stdio"],
        input=f'{{"execute":"qmp_capabilities"}}{{"execute":"{command}"}}'
              '{"execute":"quit"}', capture_output=True, text=True,
        timeout=60, check=True).stdout
    answers = [json.loads(line) for line in said.splitlines()]
    return [answer["return"] for answer in answers if "return" in answer][1]


def keys(types: dict, name: str, prefix: str = "") -> set[str]:
    """The members of a type, also those of members, as a path with dots."""
    kind = types[name]
    if kind["meta-type"] == "array":
        return keys(types, kind["element-type"], prefix)
    if kind["meta-type"] == "alternate":
        return {key for member in kind["members"]
                for key in keys(types, member["type"], prefix)}
    if kind["meta-type"] != "object":
        return set()
    found = set()
    for member in kind["members"]:
        path = f"{prefix}{member['name']}"
        found |= {path} | keys(types, member["type"], f"{path}.")
    for variant in kind.get("variants", ()):
        found |= keys(types, variant["type"], prefix)
    return found


def events(binary: str) -> dict[str, list[str]]:
    """All events, with all keys of their data."""
    schema = ask(binary, "query-qmp-schema")
    types = {item["name"]: item for item in schema}
    return {item["name"]: sorted(keys(types, item["arg-type"]))
            for item in schema if item["meta-type"] == "event"}


def lines(known: dict[str, list[str]]) -> list[str]:
    """The list, as lines of C."""
    return [f"{{ {', '.join(json.dumps(word) for word in (name, *words))} }},"
            for name, words in sorted(known.items())]


def listed(known: dict[str, list[str]]) -> list[str]:
    """The list as it is, without VNC where that is not built in."""
    return [line for line in re.findall(r"^\{.*\},$", LIST.read_text(), re.M)
            if "VNC_CONNECTED" in known or not line.startswith('{ "VNC_')]


class Events(unittest.TestCase):
    """No guest is needed for that."""

    maxDiff = None

    def test_the_list_is_that_of_the_unchanged_qemu(self):
        version = ask(str(paths.STOCK), "query-version")["qemu"]
        if (version["major"], version["minor"]) != (10, 0):
            self.skipTest("the unchanged QEMU is not 10.0")
        known = events(str(paths.STOCK))
        self.assertEqual(listed(known), lines(known))

    def test_ours_has_two_more(self):
        binary = default_binary()
        version = ask(binary, "query-version")["qemu"]
        if (version["major"], version["minor"]) != (10, 0):
            self.skipTest("ours is laid over another QEMU than 10.0")
        more = events(binary)
        self.assertEqual(OURS & set(more), OURS)
        self.assertEqual(listed(more), lines(
            {name: words for name, words in more.items()
             if name not in OURS}))


class Version(unittest.TestCase):
    """What stands beside QEMU's own number."""

    def test_ours_names_the_project_and_stock_does_not(self):
        binary = default_binary()
        ours = ask(binary, "query-version")["package"]
        self.assertTrue(ours.startswith(NAME), ours)
        self.assertNotIn(NAME,
                         ask(str(paths.STOCK), "query-version")["package"])
