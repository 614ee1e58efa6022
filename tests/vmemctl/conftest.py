# SPDX-License-Identifier: GPL-2.0-or-later
"""A scripted monitor, and vmemctl talking to it."""

import pytest

from vmtest.peer import DONE, Peer, run


@pytest.fixture
def path(tmp_path):
    """Where the monitor's socket is."""
    return str(tmp_path / "qmp")


@pytest.fixture
def monitor(path):
    """Start a scripted monitor: monitor(query_memory_devices=[…])."""
    peers = []

    def script(life=None, **answers) -> Peer:
        peers.append(Peer(path, life, {key.replace("_", "-"): value
                                       for key, value in answers.items()}))
        return peers[-1]

    yield script
    for peer in peers:
        peer.close()


@pytest.fixture
def vmemctl(path):
    """Run vmemctl on the monitor; it has to end with this status.

    What it says of an error is one line.
    """
    def call(*words, status: int = DONE, **options):
        done = run("-s", path, "--reply-timeout", 1, *words, **options)
        assert done.returncode == status, done
        if status != DONE:
            assert done.stderr.startswith("vmemctl: "), done
            assert done.stderr.count("\n") == 1, done
        return done

    return call


@pytest.fixture
def vms(tmp_path):
    """Start VMs with monitors in a directory: vms("a", query_name={…}, …)."""
    place, peers = tmp_path / "vms", []
    place.mkdir()

    def begin(name: str, life=None, **answers):
        path = place / f"{name}.qmp"
        peers.append(Peer(str(path), life, {
            key.replace("_", "-"): answer for key, answer in answers.items()}))
        return path

    begin.place = place
    yield begin
    for peer in peers:
        peer.close()
