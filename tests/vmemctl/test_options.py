# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of vmemctl, and where its output goes."""

import json
import os
import re
import signal
import subprocess

import pytest

from vmtest.peer import (CONNECTION, DONE, INTERRUPTED, REFUSED, ROOT, GiB,
                         device, run)

TOOL = ROOT / "tools" / "vmemctl"
COMMANDS = ["export", "list", "resize", "watch"]
OWN = {"resize": {"--wait", "--timeout"}, "export": {"--listen", "--format"}}


@pytest.mark.parametrize("words, text", [
    ([], "a command is missing"),
    (["lst"], "there is no command 'lst'"),
    (["list", "vm0"], "'vm0' is too much for list"),
    (["watch", "vm0", "1G"], "'1G' is too much for watch"),
    (["resize", "vm0"], "the ID of a device and a SIZE"),
    (["resize", "vm0", "1G", "2G"], "'2G' is too much for resize"),
    (["resize", "vm0", "1x"], "'1x' is not a size"),
    (["resize", "vm0", "--", "-1x"], "'-1x' is not a size"),
    (["resize", "vm0", "-1G", "-2G"], "'-2G' is too much"),
    (["list", "--wait"], "--wait is an option of resize"),
    (["watch", "--timeout", "1"], "--timeout is an option of resize"),
    (["resize", "vm0", "1G", "--timeout", "1"], "--timeout needs --wait"),
    (["resize", "vm0", "1G", "--wait", "--timeout", "0"],
     "'0' is not a number of seconds for --timeout"),
    (["resize", "vm0", "1G", "--wait", "--timeout", "-1"],
     "'-1' is not a number of seconds"),
    (["list", "--reply-timeout", "1s"], "seconds for --reply-timeout"),
    (["list", "--reply-timeout"], "Missing argument for --reply-timeout"),
    (["export", "--wait"], "--wait is an option of resize"),
    (["list", "--listen", "x"], "--listen is an option of export"),
    (["watch", "--format", "openmetrics"], "--format is an option of export"),
    (["export", "--json"], "export has no --json"),
    (["export", "--format", "influx"], "'influx' is not a format"),
    (["export", "--listen", "x", "--format", "openmetrics"],
     "--format is not for --listen"),
    (["list", "--jsn"], "Unknown option --jsn"),
    (["list", "--json=no"], "'--json=no': this option takes no value"),
    (["list", "-x"], "Unknown option -x"),
    (["list", "--", "--json"], "'--json' is too much for list"),
    (["list", "--", "-sx"], "'-sx' is too much for list"),
])
def test_a_wrong_command_line_is_told_before_a_connection(
        monitor, path, words, text):
    """Nobody is asked."""
    peer = monitor()
    done = run("-s", path, *words)
    assert done.returncode == REFUSED, done
    assert text in done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert peer.connections == 0


@pytest.mark.parametrize("words", [
    ["list"], ["-s", "", "list"], ["resize", "vm0", "1G"]])
@pytest.mark.parametrize("socket", [None, ""])
def test_no_socket_is_named(words, socket):
    """Neither by an option nor by the environment."""
    env = {key: value for key, value in os.environ.items()
           if key != "VMEMCTL_SOCKET"}
    done = run(*words, env=env if socket is None
               else {**env, "VMEMCTL_SOCKET": socket})
    assert done.returncode == REFUSED
    assert "give -s SOCKET, or set VMEMCTL_SOCKET" in done.stderr


@pytest.mark.parametrize("words", [
    ["-s{}", "list", "--json"], ["--socket={}", "--json", "list"],
    ["list", "--json", "--reply-timeout=2", "--socket", "{}"],
    ["list", "--json", "-s", "{}", "--limit", "2"],
    ["-s", "{}", "--json", "--", "list"]])
def test_options_can_stand_anywhere(monitor, path, words):
    """And be written in each of the usual ways."""
    monitor(query_memory_devices=[device()])
    done = run(*(word.format(path) for word in words))
    assert done.returncode == DONE, done
    assert json.loads(done.stdout)[0]["id"] == "vm0"


def test_the_socket_can_come_from_the_environment(monitor, path):
    """The option goes before it."""
    monitor(query_memory_devices=[device()])
    env = {**os.environ, "VMEMCTL_SOCKET": path}
    assert run("list", env=env).returncode == DONE
    done = run("-s", "/nonexistent/qmp", "list", env=env)
    assert done.returncode == CONNECTION
    assert "/nonexistent/qmp" in done.stderr


@pytest.mark.parametrize("words", [
    ["-1G"], ["--", "-1G"], ["-.5GiB"], ["-12.5%"]])
def test_a_size_with_a_minus_is_no_option(monitor, vmemctl, words):
    """Before and after a --."""
    peer = monitor(query_memory_devices=[device(requested_size=4 * GiB)],
                   memory_device_resize={})
    vmemctl("resize", "vm0", *words)
    assert len(peer.asked("memory-device-resize")) == 1


def test_version():
    """The one of the project."""
    version = (ROOT / "VERSION").read_text().strip()
    for option in ("--version", "-V"):
        done = run(option)
        assert (done.returncode, done.stderr) == (DONE, "")
        assert done.stdout == f"vmemctl (virtio-mem for QEMU) {version}\n"


@pytest.mark.parametrize("words", [["--help"], ["-h", "list", "extra"]])
def test_help_needs_nothing_else(words):
    """No socket, no monitor, no right command line."""
    done = run(*words)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout.startswith("Usage:\n  vmemctl [OPTION...] ")
    assert done.stdout.isascii()


def options_of(text: str) -> set[str]:
    """The long options that a text names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_each_command_has_its_help():
    """With its own options, and those that all have."""
    common = options_of(run("--help").stdout)
    assert common == {"--socket", "--json", "--reply-timeout", "--help",
                      "--version"}
    for command in COMMANDS:
        text = run(command, "--help").stdout
        assert f"vmemctl [OPTION...] {command}" in text
        assert options_of(text) == common | OWN.get(command, set())


def test_manual_and_completion_name_every_option_and_command():
    """The manual also names the old one."""
    names = set().union(*(options_of(run(command, "--help").stdout)
                          for command in COMMANDS))
    manual = (TOOL / "vmemctl.1").read_text().replace("\\-", "-")
    completion = (TOOL / "vmemctl.bash").read_text()
    assert options_of(manual) == names | {"--limit"}
    for name in names | set(COMMANDS):
        assert name in completion
        assert name in manual


def test_the_manual_has_no_mistakes_and_all_exit_statuses():
    """As man would show it."""
    done = subprocess.run(
        ["man", "--warnings", "-E", "ascii", "-l", str(TOOL / "vmemctl.1")],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "LC_ALL": "C", "MANWIDTH": "80"})
    assert done.stderr == ""
    text = re.search(r"^EXIT STATUS$(.*)^DIAGNOSTICS$", done.stdout,
                     re.DOTALL | re.MULTILINE).group(1)
    assert re.findall(r"^ +(\d+)  +\S", text, re.MULTILINE) == \
        [str(status) for status in (*range(6), INTERRUPTED)]
    for title in ("ENVIRONMENT", "SEE ALSO"):
        assert f"\n{title}\n" in done.stdout


@pytest.mark.parametrize("words", [
    ["list"], ["list", "--json"], ["resize", "vm0", "1G"], ["export"],
    ["--help"], ["--version"], ["list", "--help"]])
def test_output_that_cannot_be_written_is_an_error(monitor, vmemctl, words):
    """As when the disk is full."""
    monitor(query_memory_devices=[device()], memory_device_resize={})
    with open("/dev/full", "w", encoding="ascii") as full:
        done = vmemctl(*words, stdout=full, status=CONNECTION)
    assert "cannot write the output: No space left" in done.stderr


@pytest.mark.parametrize("words", [
    ["list"], ["resize", "vm0", "1G", "--wait", "--timeout", "1"]])
def test_a_closed_output_is_an_error(monitor, path, words):
    """And the monitor does not get what is printed in its place."""
    monitor(query_memory_devices=[device(requested_size=GiB)],
            memory_device_resize={}, query_status={"status": "running"})
    done = run("-s", path, *words, stdout=None,
               preexec_fn=lambda: os.close(1))
    assert done.returncode == CONNECTION, done
    assert "cannot write the output: Bad file descriptor" in done.stderr


def test_a_reader_that_has_gone_is_no_error(monitor, path):
    """It ends as other tools do, without a word."""
    monitor(query_memory_devices=[device()])
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="ascii") as gone:
        done = run("-s", path, "list", stdout=gone)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
