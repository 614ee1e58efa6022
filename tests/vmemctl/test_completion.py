# SPDX-License-Identifier: GPL-2.0-or-later
"""What bash completes, with a scripted monitor."""

import os
import subprocess

import pytest

from vmtest.peer import ROOT, VMEMCTL, device

SCRIPT = ROOT / "tools" / "vmemctl" / "vmemctl.bash"
COMMON = {"--socket", "--json", "--reply-timeout", "--help", "--version"}


def complete(line: str, **env) -> list[str]:
    """The candidates for the last word of this line."""
    script = (f'PATH={VMEMCTL.rpartition("/")[0]}:$PATH; . "$0"; '
              'COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; _vmemctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    usual = {key: value for key, value in os.environ.items()
             if key != "VMEMCTL_SOCKET"}
    done = subprocess.run(
        ["bash", "-c", script, str(SCRIPT), f"vmemctl {line}"],
        capture_output=True, text=True, check=True, timeout=60,
        env={**usual, **env})
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("line, expected", [
    ("-s x ", ["export", "list", "resize", "watch"]),
    ("", ["export", "list", "resize", "watch"]),
    ("export --f", ["--format"]),
    ("export --format open", ["openmetrics"]),
    ("export --format=p", ["--format=prometheus"]),
    ("-sx re", ["resize"]),
    ("--socket=host:1 --json w", ["watch"]),
    ("--reply-timeout 3 l", ["list"]),
    ("--reply-timeout ", []),
    ("-s x list --j", ["--json"]),
    ("-s x list --w", []),
    ("-s x resize v 1 --w", ["--wait"]),
    ("-s x resize v 1 --t", ["--timeout"]),
    ("-s x resize v ", ["max"]),
    ("-s x resize v -1G ", []),
    ("-s x list ", []),
])
def test_commands_options_and_sizes(line, expected):
    """What can stand there."""
    assert complete(line) == expected


def test_all_options():
    """Those of the command."""
    assert set(complete("list -")) == COMMON
    assert set(complete("resize -")) == COMMON | {"--wait", "--timeout"}
    assert set(complete("export -")) == COMMON - {"--json"} | {
        "--listen", "--format"}


@pytest.mark.parametrize("option, found", [
    ("-s ", ""), ("--socket ", ""), ("--socket=", ""), ("-s", "-s")])
def test_sockets(monitor, path, option, found):
    """In each way to write the option."""
    monitor()
    assert complete(option + path[:-1]) == [found + path]


@pytest.mark.parametrize("words", ["export ", "export a ", "export --listen "])
def test_sources_of_an_export(monitor, path, words):
    """Sockets and directories; where it may listen, too."""
    monitor()
    assert complete(words + path[:-1]) == [path]


@pytest.mark.parametrize("option", ["-s ", "-s", "--socket=", "--socket "])
def test_ids_come_from_the_vm(monitor, path, option):
    """Wherever its socket is named."""
    monitor(query_memory_devices=[device(), device("vm1"), device("other")])
    assert complete(f"{option}{path} resize vm") == ["vm0", "vm1"]
    assert complete(f"{option}{path} watch ") == ["vm0", "vm1", "other"]


def test_ids_without_a_socket_on_the_line(monitor, path):
    """The environment may name it; else there are none."""
    monitor(query_memory_devices=[device()])
    assert complete("watch ", VMEMCTL_SOCKET=path) == ["vm0"]
    assert complete("-s absent watch ") == []
    assert complete("watch ") == []
