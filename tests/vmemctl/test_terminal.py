# SPDX-License-Identifier: GPL-2.0-or-later
"""vmemctl on a terminal: the table and the progress bar."""

import re

import pytest

from vmtest.peer import DONE, INTERRUPTED, GiB, device
from vmtest.terminal import Terminal

BLOCKED = {"status": "blocked", "reason": "migration", "since": 3}


@pytest.fixture
def bar(monitor, path):
    """Run bar(columns): what is shown while a device grows to 4 GiB."""
    def run_bar(columns: int, **env) -> str:
        sizes = iter([0, GiB, 2 * GiB, 4 * GiB])
        monitor(memory_device_resize={}, query_memory_devices=lambda: [
            device(size=next(sizes), requested_size=4 * GiB)])
        terminal = Terminal("-s", path, "resize", "vm0", "4G", "--wait",
                            columns=columns, **env)
        assert terminal.end() == DONE, terminal.output
        return terminal.output

    return run_bar


def test_the_bar_grows_in_its_line(bar):
    """From the start of the line, to the end of what was there."""
    bars, _, last = bar(80).rpartition("\r\n")[0].rpartition("\r\n")
    assert "\n" not in bars
    draws = bars.split("\r")[1:]
    assert len(draws) == 3
    for draw, percent in zip(draws, (25, 50, 100)):
        assert f"] {percent}%, " in draw
        assert draw.endswith("\033[K")
        assert len(draw) - 3 < 80
        blocks = draw[draw.index("[") + 1:draw.index("]")]
        assert blocks.count("#") == len(blocks) * percent // 100
    assert re.search(r"2 GiB of 4 GiB, .*iB/s, 0:0\d left", draws[1])
    assert re.search(r"^vm0: has 4 GiB, after 2\.\d s$", last)


def test_the_bar_fits_a_narrow_terminal(bar):
    """It would stay behind in two lines."""
    draws = bar(30).split("\r\n")[0].split("\r")[1:]
    assert len(draws) == 3
    for draw in draws:
        assert len(draw) - 3 < 30


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(bar):
    """Such as that of an editor."""
    output = bar(80, TERM="dumb")
    assert "\033" not in output
    assert "vm0: 25%, 1 GiB of 4 GiB" in output


def test_ctrl_c_ends_a_bar_in_a_line_of_its_own(monitor, path):
    """The message does not stand behind the bar."""
    sizes = iter([0, GiB, *[2 * GiB] * 50])
    monitor(memory_device_resize={}, query_memory_devices=lambda: [
        device(size=next(sizes), requested_size=4 * GiB)])
    terminal = Terminal("-s", path, "resize", "vm0", "4G", "--wait")
    terminal.wait_for("50%")
    assert terminal.interrupt() == INTERRUPTED
    assert "\033[K\r\nvmemctl: vm0 has 2 GiB, not 4 GiB" in terminal.output


def show(monitor, path, *words, **options) -> str:
    """What a terminal shows of two devices, one of them blocked."""
    peer = monitor(query_memory_devices=[
        device(), device("vm1", resize=BLOCKED)])
    terminal = Terminal("-s", path, "list", *words, **options)
    assert terminal.end() == DONE
    peer.close()
    return terminal.output


@pytest.mark.parametrize("columns", [100, 59, 40, 10])
def test_the_table_fits_the_terminal(monitor, path, columns):
    """Whatever its width."""
    lines = show(monitor, path, columns=columns,
                 NO_COLOR="1").strip().split("\r\n")
    assert len(lines) == 3
    assert max(map(len, lines)) <= columns
    assert ("BLOCK" in lines[0]) == (columns == 100)
    assert ("STATUS" in lines[0]) == (columns > 10)


def test_colour_is_for_what_is_blocked(monitor, path):
    """And not for a terminal that has none, or a user who wants none."""
    output = show(monitor, path)
    assert output.count("\033") == 2
    assert "\033[31mblocked: migration\033[0m\r\n" in output
    assert "\033[31m" in show(monitor, path, NO_COLOR="")
    assert "\033" not in show(monitor, path, NO_COLOR="1")
    assert "\033" not in show(monitor, path, TERM="dumb")
    assert "\033" not in show(monitor, path, "--json")
