# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl resize --json, with and without --wait, with a scripted monitor."""

import json
import signal

import pytest

from vmtest.peer import (BLOCKED, CONNECTION, DONE, INTERRUPTED, PARTLY,
                         PAUSED, TIME, GiB, device, start)


def lines_of(text: str) -> list[dict]:
    """An object each."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def guest(monitor):
    """A guest whose device has these sizes after a resize to 4 GiB, one each
    time it is looked at; the last one stays."""
    def begin(*sizes: int, running: str = "running", **members):
        left = [0, *sizes]

        def query():
            size = left.pop(0) if len(left) > 1 else left[0]
            return [device(size=size, requested_size=4 * GiB, **members)]

        return monitor(query_memory_devices=query, memory_device_resize={},
                       query_status={"status": running})

    return begin


def test_without_waiting_it_is_one_object(guest, vmemctl):
    """What is requested, and what there was."""
    guest(0)
    assert lines_of(vmemctl("resize", "vm0", "1 GiB", "--json").stdout) == [
        {"id": "vm0", "size": 0, "requested-size": GiB}]


def test_progress_is_a_line_each_and_the_last_the_result(guest, vmemctl):
    """Sizes are in bytes, times in seconds."""
    guest(GiB, 3 * GiB, 4 * GiB)
    lines = lines_of(vmemctl("resize", "vm0", "4G", "--wait",
                             "--json").stdout)
    assert lines[0] == {"id": "vm0", "size": GiB, "requested-size": 4 * GiB,
                        "percent": 25}
    rate, eta = lines[1].pop("rate"), lines[1].pop("eta")
    assert rate > GiB and 0 <= eta <= 2
    assert lines[1] == {"id": "vm0", "size": 3 * GiB,
                        "requested-size": 4 * GiB, "percent": 75}
    assert lines[2]["percent"] == 100
    assert 2 < lines[3].pop("seconds") < 4
    assert lines[3] == {"id": "vm0", "size": 4 * GiB,
                        "requested-size": 4 * GiB, "result": "done"}
    assert len(lines) == 4


@pytest.mark.parametrize("size, running, status, result", [
    (GiB, "running", PARTLY, "partly"), (0, "running", BLOCKED, "blocked"),
    (GiB, "paused", PAUSED, "paused")])
def test_a_waiting_that_ends_too_early(guest, vmemctl, size, running, status,
                                       result):
    """The reason is in the object, and also in the message."""
    guest(size, running=running)
    done = vmemctl("resize", "vm0", "4G", "--wait", "--timeout", "1",
                   "--json", status=status)
    last = lines_of(done.stdout)[-1]
    assert last["result"] == result
    assert last["size"] == size
    assert last["message"] in done.stderr


def test_what_qemu_tells_of_the_resize(guest, vmemctl):
    """With its own words."""
    guest(GiB, resize={"status": "blocked", "reason": "guest", "since": 1})
    done = vmemctl("resize", "vm0", "4G", "--wait", "--timeout", "1",
                   "--json", status=PARTLY)
    first = lines_of(done.stdout)[0]
    assert (first["status"], first["reason"]) == ("blocked", "guest")


def test_ctrl_c_is_a_result(guest, path):
    """Not the end of the resize."""
    guest(GiB)
    with start("-s", path, "resize", "vm0", "4G", "--wait",
               "--json") as child:
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        output, said = child.communicate(timeout=TIME)
    assert child.returncode == INTERRUPTED
    assert json.loads(output)["result"] == "interrupted"
    assert "the request stands" in said


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_full_disk_ends_the_waiting(guest, vmemctl, words):
    """The request stands, but nobody would see its end."""
    guest(GiB)
    with open("/dev/full", "w", encoding="ascii") as full:
        done = vmemctl("resize", "vm0", "4G", "--wait", *words, stdout=full,
                       status=CONNECTION)
    assert "cannot write the output" in done.stderr


def test_an_error_is_no_json(guest, vmemctl):
    """It goes where errors go."""
    guest(0)
    done = vmemctl("resize", "vm0", "9G", "--json", status=2)
    assert done.stdout == ""
    assert DONE == vmemctl("list", "--json").returncode
