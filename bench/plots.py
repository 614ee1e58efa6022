# SPDX-License-Identifier: GPL-2.0-or-later
"""The plots, drawn by gnuplot, each as SVG and as PNG."""

import statistics
from pathlib import Path

from bench import size
from driver import paths, ui
from bench.linux import Timeline
from bench.machine import BACKENDS, MEMFD
from bench.stall import Change

LOG = paths.LOGS / "bench-plots.log"
COLOURS = {"stock": "#c0392b", "ours": "#1f618d"}
TITLES = {"stock": "the device of QEMU", "ours": "this device"}
WAYS = {"virtio-mem": COLOURS["ours"], "virtio-balloon": "#b9770e",
        "pc-dimm": "#5d6d7e"}
FORMATS = {"svg": "svg size {},{} dynamic enhanced font 'sans,11' "
                  "background 'white'",
           "png": "pngcairo size {},{} font 'sans,11'"}


class Plot:
    """A script for gnuplot that grows line by line."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.lines = ["set encoding utf8", "set grid lc rgb '#dddddd'",
                      "set tics nomirror", "set border 3"]

    def add(self, *lines: str) -> None:
        """More of the script."""
        self.lines += lines

    def data(self, name: str, points: list[tuple]) -> None:
        """A block of data."""
        self.add(f"${name} << END",
                 *(" ".join(f"{value:.6g}" for value in point)
                   for point in points), "END")

    def draw(self, file: Path) -> None:
        """Have gnuplot run it, for each format."""
        script = file.with_suffix(".gnuplot")
        for kind, terminal in FORMATS.items():
            words = terminal.format(self.width, self.height)
            script.write_text("\n".join(
                [f"set terminal {words}",
                 f"set output '{file.with_suffix('.' + kind)}'",
                 *self.lines, "unset output", ""]), encoding="utf-8")
            ui.run(["gnuplot", script], log=LOG, what="drawing a plot")


def stalls(series: dict[tuple[str, str], tuple[Change, Change]],
           file: Path) -> None:
    """Every answer of the monitor: from question to answer, how long."""
    plot = Plot(1000, 900)
    plot.add("set multiplot layout 3,2", "set logscale y",
             "set key top right horizontal", "set yrange [0.03:100000]",
             "set ytics (0.1, 1, 10, 100, 1000, 10000)",
             "set ylabel 'round trip, ms'", "set xlabel 's since the resize'")
    for backend in BACKENDS:
        for number, what in enumerate(("PLUG", "UNPLUG")):
            plot.add(f"set title '{what} of 4 GiB, {backend.name}'")
            drawn = []
            for who, colour in COLOURS.items():
                name = f"{who}{number}{BACKENDS.index(backend)}"
                change = series[backend.name, who][number]
                plot.data(name, [
                    (answer.at, answer.gross, 1000 * answer.gross)
                    for answer in change.around + change.answers])
                drawn.append(f"${name} using 1:3:2:(0) with vectors nohead "
                             f"lw 3 lc rgb '{colour}' title '{who}'")
                drawn.append(f"${name} using 1:3 with points pt 7 ps 0.3 "
                             f"lc rgb '{colour}' notitle")
            plot.add("plot " + ", ".join(drawn))
    plot.add("unset multiplot")
    plot.draw(file)


def monitor(series: dict[tuple[str, str], tuple[Change, Change]],
            file: Path) -> None:
    """The README's: the monitor while 4 GiB of memfd are populated."""
    plot = Plot(900, 320)
    plot.add("set logscale y", "set key top right", "set yrange [0.05:20000]",
             "set ytics ('0.1 ms' 0.1, '1 ms' 1, '10 ms' 10, '100 ms' 100, "
             "'1 s' 1000, '10 s' 10000)",
             "set title 'memory-device-resize plugs 4 GiB (memfd, prealloc=on): "
             "how long the monitor takes to answer a question'",
             "set xlabel 'seconds since the resize, when the question was asked'")
    drawn = []
    for who, colour in COLOURS.items():
        change = series[MEMFD.name, who][0]
        plot.data(who, [(answer.at, 1000 * answer.gross)
                        for answer in change.around + change.answers])
        drawn.append(f"${who} with points pt 7 ps 0.5 lc rgb '{colour}' "
                     f"title '{TITLES[who]}'")
    plot.add("plot " + ", ".join(drawn))
    plot.draw(file)


def timeline(timelines: dict[str, tuple[Timeline, Timeline]],
             file: Path) -> None:
    """How much is plugged, while Linux grows and while it shrinks."""
    plot = Plot(1000, 420)
    plot.add("set multiplot layout 1,2", "set ylabel 'plugged, GiB'",
             "set xlabel 's since the resize'", "set yrange [0:*]")
    for number, what in enumerate(("grows", "shrinks")):
        plot.add(f"set title 'Linux {what}'",
                 f"set key {'bottom' if number == 0 else 'top'} right")
        drawn = []
        for who, pair in timelines.items():
            plot.data(f"{who}{number}", pair[number])
            drawn.append(f"${who}{number} with lines lw 2 "
                         f"lc rgb '{COLOURS[who]}' title '{who}'")
        plot.add("plot " + ", ".join(drawn))
    plot.add("unset multiplot")
    plot.draw(file)


def ways(timelines: dict[str, Timeline], file: Path) -> None:
    """How much of what is wanted is given back, by each way."""
    plot = Plot(1000, 420)
    plot.add("set title 'The same Linux gives 2 GiB back'", "set logscale x",
             "set xlabel 's since the request'", "set ylabel 'given back, %'",
             "set yrange [0:105]", "set key bottom right")
    drawn = []
    for number, (name, colour) in enumerate(WAYS.items()):
        plot.data(f"way{number}", [(max(0.001, at), 100 * share)
                                   for at, share in timelines[name]])
        drawn.append(f"$way{number} with steps lw 2 lc rgb '{colour}' "
                     f"title '{name}'")
    plot.add("plot " + ", ".join(drawn))
    plot.draw(file)


def against_size(costs: size.Costs, file: Path) -> None:
    """What things cost against maximum and plugged size."""
    plot = Plot(1000, 1300)
    plot.add("set multiplot layout 4,2", "set logscale x 2",
             "set key bottom right", "set yrange [0:*]",
             f"set xtics ({', '.join(map(str, size.SIZES))})")
    for what in size.WHATS:
        for varied, label in (("maximum", "maximum size (1 GiB plugged), GiB"),
                              ("plugged", "plugged size, GiB")):
            plot.add(f"set title '{what}'", f"set xlabel '{label}'")
            drawn = []
            for who, colour in COLOURS.items():
                name = f"{who}{varied}{size.WHATS.index(what)}"
                plot.data(name, [
                    (gib, statistics.median(costs[varied, what, who, gib]))
                    for gib in size.SIZES])
                drawn.append(f"${name} with linespoints lw 2 pt 7 "
                             f"lc rgb '{colour}' title '{who}'")
            plot.add("plot " + ", ".join(drawn))
    plot.add("unset multiplot")
    plot.draw(file)
