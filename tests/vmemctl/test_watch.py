# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl watch, with a scripted monitor."""

import json
import signal
import socket
import time

import pytest

from vmtest.peer import (CONNECTION, INTERRUPTED, REFUSED, TIME, GiB, device,
                         run, start)
from vmtest.terminal import ENTER, LEAVE, Terminal


@pytest.fixture
def devices():
    """What the monitor tells; a test changes it."""
    return [device(), device("vm1")]


@pytest.fixture
def peer(monitor, devices):
    """A monitor of these devices."""
    return monitor(query_memory_devices=lambda: devices,
                   memory_device_resize={})


@pytest.fixture
def watch(peer, path):
    """Start vmemctl watch with its output in pipes."""
    children = []

    def begin(*words: str):
        children.append(start("-s", path, "--reply-timeout", 1, "watch",
                              *words))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def stop(child, number: int = signal.SIGINT) -> tuple[str, str]:
    """End it with a signal; what it has said since."""
    child.send_signal(number)
    said = child.communicate(timeout=TIME)
    assert child.returncode == 128 + number, said
    return said


def test_it_is_drawn_in_its_place(peer, path):
    """On the alternate screen, which it leaves as it found it."""
    terminal = Terminal("-s", path, "watch")
    terminal.wait_for("\033[H", 3)
    assert terminal.interrupt() == INTERRUPTED
    assert terminal.output.startswith(ENTER)
    assert terminal.output.count(ENTER) == terminal.output.count(LEAVE) == 1
    assert terminal.output.endswith(LEAVE)
    draws = terminal.output.split("\033[H")[1:]
    assert len(draws) >= 3
    for draw in draws:
        assert draw.count("\r\n") == 3
        assert "vm0" in draw and "vm1" in draw


def test_an_error_is_told_behind_the_alternate_screen(peer, path, devices):
    """Where it stays."""
    terminal = Terminal("-s", path, "watch", "vm1")
    terminal.wait_for("vm1")
    del devices[1]
    assert terminal.end() == REFUSED
    assert terminal.output.partition(LEAVE)[2] == \
        "vmemctl: there is no virtio-mem device 'vm1': there is vm0\r\n"


def test_no_more_lines_than_the_terminal_has(monitor, path):
    """It would scroll."""
    monitor(query_memory_devices=[device(f"vm{i}") for i in range(20)])
    terminal = Terminal("-s", path, "watch", rows=10)
    terminal.wait_for("\033[H", 2)
    terminal.interrupt()
    assert terminal.output.split("\033[H")[1].count("\n") == 9
    assert "(more devices than rows)" in terminal.output


def test_a_change_is_shown_within_a_second(peer, path, devices):
    """Here, on a terminal."""
    terminal = Terminal("-s", path, "watch")
    terminal.wait_for("vm1")
    devices[0] = device(size=3 * GiB)
    assert terminal.wait_for("3 GiB") < 2
    terminal.interrupt()


def test_into_a_pipe_only_what_is_new(watch, devices):
    """A whole table each time."""
    child = watch("vm0")
    assert "REQUESTED" in child.stdout.readline()
    assert "vm0" in child.stdout.readline()
    time.sleep(1.5)             # it has looked again meanwhile
    devices[0] = device(size=3 * GiB)
    assert "REQUESTED" in child.stdout.readline()
    assert "3 GiB" in child.stdout.readline()
    assert stop(child) == ("", "")


def test_json_is_a_line_for_each_device_that_changes(watch, devices):
    """The times that QEMU counts are no change."""
    child = watch("--json")
    assert [json.loads(child.stdout.readline()) for _ in range(2)] == \
        [item["data"] for item in devices]
    devices[1] = device("vm1", size=GiB, resize={"status": "resizing",
                                                 "since": 0})
    assert json.loads(child.stdout.readline()) == devices[1]["data"]
    devices[1] = device("vm1", size=GiB, resize={"status": "resizing",
                                                 "since": 1})
    time.sleep(1.5)
    for told in ({"status": "paused", "since": 0},
                 {"status": "blocked", "reason": "guest", "since": 0},
                 {"status": "blocked", "reason": "migration", "since": 0},
                 {"status": "settled", "since": 0}):
        devices[1] = device("vm1", size=GiB, resize=told)
        assert json.loads(child.stdout.readline()) == devices[1]["data"]
    del devices[0]
    assert json.loads(child.stdout.readline()) == {"id": "vm0",
                                                   "removed": True}
    assert stop(child) == ("", "")


def test_json_of_one_device(watch, devices):
    """Nothing of the others, whatever they do."""
    child = watch("vm1", "--json")
    assert json.loads(child.stdout.readline())["id"] == "vm1"
    devices[0] = device(size=GiB)
    time.sleep(1.5)
    assert stop(child) == ("", "")


def test_no_device_is_told_where_it_is_no_output(watch, devices):
    """And once."""
    devices.clear()
    child = watch()
    assert child.stderr.readline() == \
        "vmemctl: the VM has no virtio-mem device\n"
    time.sleep(1.5)
    devices.append(device())
    assert "REQUESTED" in child.stdout.readline()
    assert "vm0" in child.stdout.readline()
    assert stop(child) == ("", "")


def test_a_resize_works_beside_it(watch, peer, path):
    """On the same monitor: watch leaves it between its looks."""
    child = watch()
    child.stdout.readline()
    for _ in range(3):
        done = run("-s", path, "resize", "vm0", "1G")
        assert done.returncode == 0, done
    assert len(peer.asked("memory-device-resize")) == 3
    stop(child)


def test_it_waits_while_another_client_has_the_monitor(watch, path, peer,
                                                       devices):
    """However long that is."""
    child = watch()
    for _ in range(3):
        child.stdout.readline()
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(path)
        assert "busy with another client" in child.stderr.readline()
        time.sleep(2.5)
        assert child.poll() is None
        devices[0] = device(size=3 * GiB)
    child.stdout.readline()
    assert "3 GiB" in child.stdout.readline()
    assert stop(child)[1] == ""


def test_another_client_is_told_on_the_screen(peer, path):
    """Below the table, which stays."""
    terminal = Terminal("-s", path, "--reply-timeout", "1", "watch")
    terminal.wait_for("vm1")
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(path)
        terminal.wait_for("the monitor is busy with another client")
        assert "vm1" in terminal.output.split("\033[H")[-1]
    terminal.wait_for("Ctrl-C ends this\033[J",
                      terminal.output.count("Ctrl-C ends this") + 1)
    assert terminal.interrupt() == INTERRUPTED


def test_it_ends_some_time_after_the_vm(watch, peer):
    """Which might have come back."""
    child = watch()
    child.stdout.readline()
    peer.close()
    said = child.communicate(timeout=TIME)[1].splitlines()
    assert child.returncode == CONNECTION
    assert said[0].endswith("the connection is lost; trying to connect again")
    assert "there is no such socket" in said[1]
    assert len(said) == 2


def test_it_goes_on_if_the_vm_comes_back(watch, peer, path, monitor):
    """With what it then has."""
    child = watch()
    for _ in range(3):
        child.stdout.readline()
    peer.close()
    assert "trying to connect again" in child.stderr.readline()
    monitor(query_memory_devices=[device("new")])
    child.stdout.readline()
    assert "new" in child.stdout.readline()
    assert stop(child)[1] == ""


def test_the_first_look_has_to_succeed(watch, peer):
    """A wrong socket is not waited for."""
    peer.close()
    child = watch()
    assert "no such socket" in child.communicate(timeout=TIME)[1]
    assert child.returncode == CONNECTION


def test_a_full_disk_ends_it(vmemctl, peer):
    """It does not go on for nobody."""
    for words in (["watch"], ["watch", "--json"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = vmemctl(*words, stdout=full, status=CONNECTION)
        assert "cannot write the output" in done.stderr
