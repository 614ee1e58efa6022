# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU configured in ways that the other suites do not: it builds, it starts.

A user may build the tree with targets and options of his own. Each test links
one emulator and asks it what a user would. They share builds (driver/build.py).
"""

import json
import subprocess
import unittest
from pathlib import Path

import pytest

from driver import build, packages, paths, ui

MiB = 1 << 20
RESIZE = {"execute": "memory-device-resize",
          "arguments": {"id": "vm0", "size": 64 * MiB}}
DEVICE = ("-machine", "q35", "-m", "256M,maxmem=2G",
          "-object", "memory-backend-ram,id=mem0,size=256M",
          "-device", "virtio-mem-pci,id=vm0,memdev=mem0")


@pytest.mark.full
@pytest.mark.timeout(7200)
class Variants(unittest.TestCase):
    """One test for each variant."""

    def link(self, name: str, program: str) -> Path:
        """Build it if need be; return one of its programs."""
        packages.ensure()
        problem = ""
        try:
            build.qemu(name)
        except ui.Fail as fail:
            problem = f"{fail.details}\n{fail}"
        self.assertFalse(problem, problem)
        return paths.HERE / build.QEMUS[name].directory / program

    def run_it(self, *command, talk: str = "") -> str:
        """Run a program, which has to succeed; return what it prints."""
        done = subprocess.run([str(word) for word in command], input=talk,
                              stdout=subprocess.PIPE, text=True, timeout=120,
                              stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def ask(self, binary: Path, *arguments: str, commands: list) -> list[dict]:
        """Start a VM and give it QMP commands; return the answers."""
        talk = [{"execute": "qmp_capabilities"}, *commands,
                {"execute": "quit"}]
        text = self.run_it(
            binary, "-nodefaults", "-no-user-config", "-display", "none", "-S",
            "-qmp", "stdio", *arguments,
            talk="\n".join(json.dumps(command) for command in talk))
        lines = [json.loads(line) for line in text.splitlines()]
        answers = [line for line in lines if "return" in line
                   or "error" in line]
        return answers[1:-1]

    def assert_resizes(self, binary: Path, accel: str) -> None:
        """The device is there, and takes a size."""
        resized, listed = self.ask(
            binary, "-accel", accel, *DEVICE,
            commands=[RESIZE, {"execute": "query-memory-devices"}])
        self.assertEqual(resized, {"return": {}})
        self.assertEqual(listed["return"][0]["data"]["requested-size"],
                         64 * MiB)

    def test_user_mode_target_beside_a_system_target(self):
        binary = self.link("lean", "qemu-x86_64")
        self.assertIn("qemu-x86_64 version", self.run_it(binary, "--version"))

    def test_target_without_virtio_mem(self):
        binary = self.link("lean", "qemu-system-avr")
        resized, printed = self.ask(
            binary, "-machine", "none", commands=[RESIZE, {
                "execute": "human-monitor-command", "arguments": {
                    "command-line": "memory-device-resize vm0 64M"}}])
        said = "this target has no resizable memory devices"
        self.assertEqual(resized["error"]["desc"], said)
        self.assertIn(said, printed["return"])

    def test_without_kvm_and_fdt(self):
        self.assert_resizes(self.link("lean", "qemu-system-x86_64"), "tcg")

    def test_without_tcg(self):
        self.assert_resizes(self.link("kvm-only", "qemu-system-x86_64"), "qtest")

