# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl export, with scripted monitors: the text, and by HTTP."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest
from prometheus_client.openmetrics import parser as openmetrics

from vmtest.metrics import WHOLE, export, families, value
from vmtest.peer import (CONNECTION, DONE, INTERRUPTED, REFUSED, ROOT, TIME,
                         Clock, GiB, MiB, device, run, start)

# ---- the text ----

def test_everything_that_qemu_tells(vms):
    """In the format of Prometheus."""
    path = vms("a", query_name={"name": "web1"},
               query_memory_devices=[{"type": "dimm", "data": {}}, WHOLE])
    text = export(path)
    timed = "vmemctl_monitor_reply_seconds{monitor=\"%s\"} " % path
    assert float(re.search(re.escape(timed) + r"(\S+)$", text, re.M)[1]) < 1
    where = f'vm="web1",device="vm0",monitor="{path}"'
    for line in (
            f'vmemctl_monitor_up{{monitor="{path}"}} 1',
            f'virtio_mem_device_info{{{where},node="1",memdev="/objects/mem0",'
            'unplugged_protection="discard"} 1',
            f"virtio_mem_size_bytes{{{where}}} {GiB}",
            f"virtio_mem_requested_size_bytes{{{where}}} {4 * GiB}",
            f"virtio_mem_max_size_bytes{{{where}}} {8 * GiB}",
            f"virtio_mem_block_size_bytes{{{where}}} {2 * MiB}",
            f'virtio_mem_resize_status{{{where},status="blocked"}} 1',
            f'virtio_mem_resize_status{{{where},status="settled"}} 0',
            f'virtio_mem_resize_blocked{{{where},reason="guest"}} 1',
            f'virtio_mem_resize_blocked{{{where},reason="migration"}} 0',
            f"virtio_mem_resize_status_age_seconds{{{where}}} 57",
            f'virtio_mem_requests_total{{{where},request="plug",answer="ack"}} 33',
            f'virtio_mem_requests_total{{{where},request="state",answer="ack"}} 0',
            f"virtio_mem_plugged_bytes_total{{{where}}} {3 * GiB}",
            f"virtio_mem_unplugged_bytes_total{{{where}}} {2 * GiB}",
            f"virtio_mem_host_time_seconds_total{{{where}}} 1.25",
            f"virtio_mem_memslots{{{where}}} 16",
            f"virtio_mem_mapped_memslots{{{where}}} 1",
            f"virtio_mem_unplugged_accesses_total{{{where}}} 7",
            f"virtio_mem_pending_discard_bytes{{{where}}} {3 * MiB}",
            f"virtio_mem_prealloc_reserve_bytes{{{where}}} {5 * MiB}",
            "# TYPE virtio_mem_requests_total counter",
            "# TYPE virtio_mem_size_bytes gauge"):
        assert text.count(f"{line}\n") == 1, (line, text)
    assert "resize_rate" not in text


def test_a_resize_on_its_way(vms):
    """Rate and time are told while they are known."""
    text = export(vms("a", query_memory_devices=[device(resize={
        "status": "resizing", "since": 2, "rate": 512 * MiB, "eta": 4})]))
    assert value(text, "virtio_mem_resize_rate_bytes_per_second") == 512 * MiB
    assert value(text, "virtio_mem_resize_left_seconds") == 4
    assert value(text, "virtio_mem_resize_status", status="resizing") == 1
    assert {sample.value for sample
            in families(text)["virtio_mem_resize_blocked"].samples} == {0}


def test_the_format_openmetrics(vms):
    """A strict parser takes it, and finds the same values and the units."""
    path = vms("a", query_memory_devices=[WHOLE])
    text = export("--format", "openmetrics", path)
    assert text.endswith("\n# EOF\n")
    found = families(text, openmetrics)
    assert found["virtio_mem_plugged_bytes"].type == "counter"
    assert found["virtio_mem_plugged_bytes"].unit == "bytes"
    assert found["virtio_mem_device"].type == "info"
    samples = {(sample.name, *sorted(sample.labels.items())): sample.value
               for parsed in (found, families(export(path)))
               for family in parsed.values() for sample in family.samples
               if "reply_seconds" not in sample.name}
    assert len(samples) == text.count("\nv") + text.startswith("v") - 1
    for family in found.values():
        assert family.documentation
        assert not family.unit or family.name.endswith(f"_{family.unit}")


def test_qemus_own_device_has_sizes_only(vms):
    """It tells nothing else."""
    text = export(vms("a", query_memory_devices=[device(size=GiB)]))
    assert families(text).keys() == {
        "vmemctl_monitor_up", "vmemctl_monitor_reply_seconds",
        "virtio_mem_device_info", "virtio_mem_size_bytes",
        "virtio_mem_requested_size_bytes", "virtio_mem_max_size_bytes",
        "virtio_mem_block_size_bytes"}


def test_status_and_reason_of_a_newer_qemu(vms):
    """What is not known is told all the same."""
    text = export(vms("a", query_memory_devices=[device(resize={
        "status": "frozen", "reason": "moon-phase", "since": 1})]))
    assert value(text, "virtio_mem_resize_status", status="frozen") == 1
    assert value(text, "virtio_mem_resize_blocked", reason="moon-phase") == 1
    assert value(text, "virtio_mem_resize_status", status="settled") == 0


def test_names_of_any_kind(vms):
    """Are escaped; where there is none, the socket has one."""
    name = 'a "web"\\1\nvm0'
    assert value(export(vms("a", query_name={"name": name},
                            query_memory_devices=[device()])),
                 "virtio_mem_size_bytes", vm=name) == 0
    assert value(export(vms("b.c", query_memory_devices=[device()])),
                 "virtio_mem_size_bytes", vm="b.c") == 0


def test_devices_without_an_id(vms):
    """Are told apart by their addresses."""
    nameless = [device(), device(memaddr=8 * GiB)]
    for each in nameless:
        del each["data"]["id"]
    text = export(vms("a", query_memory_devices=nameless))
    for name in ("@0x100000000", "@0x200000000"):
        assert value(text, "virtio_mem_size_bytes", device=name) == 0


# ---- where from ----

def test_a_directory(vms):
    """Whatever sockets are in it; one that is named, too, is asked once."""
    for name in "ab":
        vms(name, query_memory_devices=[device()])
    (vms.place / "a.pid").write_text("1")
    (vms.place / "empty").mkdir()
    text = export(vms.place, vms.place / "b.qmp", vms.place / "empty")
    assert [sample.labels["monitor"] for sample
            in families(text)["vmemctl_monitor_up"].samples] == [
                f"{vms.place}/a.qmp", f"{vms.place}/b.qmp"]
    assert export(vms.place / "empty") == ""


def test_the_usual_option_and_variable(vms):
    """Name a source, too."""
    path = vms("a", query_memory_devices=[device()])
    assert "virtio_mem_size_bytes" in export("-s", path)
    assert "virtio_mem_size_bytes" in export(
        env={**os.environ, "VMEMCTL_SOCKET": str(vms.place)})
    done = run("export", env={key: found for key, found in os.environ.items()
                              if key != "VMEMCTL_SOCKET"})
    assert done.returncode == REFUSED
    assert "no QMP monitor is named" in done.stderr


def test_one_that_does_not_answer_spoils_nothing(vms):
    """It is told; only if none answers, it is an error."""
    good = vms("good", query_memory_devices=[device()])
    dead = vms.place / "dead.qmp"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(dead))
    done = run("export", vms.place, "/nonexistent")
    assert done.returncode == DONE
    assert sorted(done.stderr.splitlines())[0].startswith(
        "vmemctl: cannot connect to '/nonexistent': there is no such socket")
    assert f"vmemctl: cannot connect to '{dead}': nothing listens there" in \
        done.stderr
    for path, up in ((good, 1), (dead, 0), ("/nonexistent", 0)):
        assert value(done.stdout, "vmemctl_monitor_up", monitor=str(path)) == up
    text = export(dead, status=CONNECTION)
    assert value(text, "vmemctl_monitor_up") == 0


def test_many_that_are_busy_take_no_longer_than_one(vms):
    """They are asked at the same time."""
    for number in range(12):
        vms(f"busy{number}", lambda peer, connection: time.sleep(3))
    vms("good", query_memory_devices=[device()])
    clock = Clock()
    text = run("export", "--reply-timeout", 1, vms.place).stdout
    assert clock.seconds() < 3
    assert sum(sample.value for sample
               in families(text)["vmemctl_monitor_up"].samples) == 1


@pytest.mark.parametrize("told", [
    [device(), device()], [device(f"vm{number}") for number in range(257)],
    [{"type": "virtio-mem", "data": {}}], "x"])
def test_a_vm_that_lies_does_not_spoil_what_others_tell(vms, told):
    """Two devices with one id would be an error in the whole text."""
    evil = vms("evil", query_memory_devices=told)
    vms("good", query_memory_devices=[device()])
    done = run("export", vms.place)
    assert done.returncode == DONE
    assert value(done.stdout, "vmemctl_monitor_up", monitor=str(evil)) == 0
    assert value(done.stdout, "virtio_mem_size_bytes") == 0
    assert len(done.stderr.splitlines()) == 1


def test_interrupted(vms):
    """It prints nothing."""
    vms("busy", lambda peer, connection: time.sleep(5))
    with start("export", "--reply-timeout", 20, vms.place) as child:
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=TIME) == ("", "")
    assert child.returncode == INTERRUPTED


# ---- by HTTP ----

@contextmanager
def serving(address, *sources):
    """An export that serves; yields it, and where."""
    with start("export", "--reply-timeout", 1, "--listen", address,
               *sources) as child:
        said = child.stderr.readline()
        try:
            yield child, re.fullmatch(
                r"vmemctl: listening at (?:http://)?(.*?)(?:/metrics)?\n",
                said)[1]
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(TIME)


def get(where: str, place="/metrics", method="GET", **headers):
    """The answer, and its text."""
    connection = http.client.HTTPConnection(where, timeout=TIME)
    connection.request(method, place, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_it_serves_both_formats(vms):
    """Who asks chooses, as Prometheus does."""
    vms("a", query_memory_devices=[WHOLE])
    with serving("127.0.0.1:0", vms.place) as (child, where):
        answer, text = get(where)
        assert answer.status == 200
        assert answer.getheader("Content-Type") == \
            "text/plain; version=0.0.4; charset=utf-8"
        assert value(text, "virtio_mem_size_bytes") == GiB
        answer, text = get(where, Accept="application/openmetrics-text;"
                           "version=1.0.0,text/plain;version=0.0.4;q=0.5")
        assert answer.getheader("Content-Type").startswith(
            "application/openmetrics-text; version=1.0.0")
        assert families(text, openmetrics)
        vms("b", query_memory_devices=[device()])   # and the next time it is there
        assert len(families(get(where)[1])["vmemctl_monitor_up"].samples) == 2
    assert child.returncode == 0, "to end it is no failure"


def test_other_requests(vms):
    """Are answered as they should be."""
    with serving("127.0.0.1:0", vms.place) as (_, where):
        assert get(where, "/")[0].status == 200
        assert get(where, "/other")[0].status == 404
        answer, _ = get(where, method="POST")
        assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")
        answer, text = get(where, method="HEAD")
        assert (answer.status, text) == (200, "")


def test_a_trouble_is_told_once(vms):
    """And again after it was gone."""
    path = vms.place / "a.qmp"
    with serving("127.0.0.1:0", path) as (child, where):
        for _ in range(3):
            get(where)
        vms("a", query_memory_devices=[device()])
        assert value(get(where)[1], "vmemctl_monitor_up") == 1
        path.unlink()
        get(where)
        child.terminate()
        assert child.stderr.read().count("there is no such socket") == 2


def test_a_local_socket(tmp_path, vms):
    """It goes when the export ends; one that was left over is replaced."""
    path = tmp_path / "export"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    with serving(path, vms.place) as (_, where):
        assert where == str(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(where)
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert client.makefile().readline().startswith("HTTP/1.1 200")
        done = run("export", "--listen", path, vms.place)
        assert done.returncode == CONNECTION
        assert f"cannot listen at '{path}': " in done.stderr
        assert "in use" in done.stderr
    assert not path.exists()


@pytest.mark.parametrize("address, why", [
    ("/nonexistent/export", "No such file"), ("x" * 200, "too long"),
    ("192.0.2.1:9000", "annot assign requested address")])
def test_where_nobody_can_listen(vms, address, why):
    """It says so."""
    done = run("export", "--listen", address, vms.place)
    assert done.returncode == CONNECTION
    assert why in done.stderr and done.stderr.count("\n") == 1


def test_a_file_is_not_taken_for_a_socket(tmp_path, vms):
    """And stays."""
    path = tmp_path / "file"
    path.write_text("precious")
    done = run("export", "--listen", path, vms.place)
    assert done.returncode == CONNECTION
    assert path.read_text() == "precious"


# ---- what comes with it ----

MONITORING = ROOT / "tools" / "vmemctl" / "monitoring"


@pytest.mark.skipif(not shutil.which("systemd-analyze"),
                    reason="there is no systemd-analyze")
def test_the_unit(tmp_path):
    """systemd finds no fault, and takes it for well confined."""
    unit = tmp_path / "vmemctl-export.service"
    unit.write_text((MONITORING / "vmemctl-export.service.in").read_text()
                    .replace("@bindir@", "/bin").replace("/vmemctl ", "/true "))
    subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=True,
                   timeout=TIME, capture_output=True)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        check=True, timeout=TIME, capture_output=True, text=True)
    assert float(re.search(r"exposure level for \S+: ([\d.]+)",
                           done.stdout)[1]) < 3, done.stdout
