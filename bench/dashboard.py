# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw the dashboard for Grafana, with data of two real guests.

    python3 -m bench.dashboard

Two VMs are resized for two minutes, vmemctl export serves their metrics, and Debian's
Prometheus asks it. Then each query of dashboard.json is put to Prometheus, and gnuplot
draws the panels where the file places them. Grafana itself takes no part: Debian does
not have it. The picture is docs/system/devices/virtio-mem-dashboard.svg.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from bench.plots import Plot
from driver import build, paths, ui
from vmtest.case import device
from vmtest.vm import VM

MONITORING = paths.ROOT / "tools" / "vmemctl" / "monitoring"
PICTURE = paths.ROOT / "docs" / "system" / "devices" / "virtio-mem-dashboard.svg"
OUT = paths.BUILD / "bench" / "dashboard.svg"
GiB = 1 << 30
STEP = 3                # seconds between points
BOOTS = 600             # seconds that a boot may take on a busy machine
VARIABLES = {"$__rate_interval": "8s", "$vm": ".*"}
# What a unit of Grafana is here: a factor, and how it is written.
UNITS = {"bytes": (1 / GiB, "GiB"), "Bps": (1 / GiB, "GiB/s"), "short": (1, ""),
         "reqps": (1, "1/s"), "percentunit": (100, "%"), "s": (1000, "ms")}
COLOURS = ("#1f618d", "#c0392b", "#b9770e", "#1e8449", "#6c3483", "#5d6d7e",
           "#117a65", "#943126", "#9a7d0a", "#2e4053")
WIDTH, ROW = 1200, 36   # pixels: of all, and of a unit of height


def scenario(web: VM, db: VM) -> None:
    """What happens to the VMs: growth, a shrink that gets stuck, a stop."""
    time.sleep(8)
    web.resize("vm0", 6 * GiB)
    time.sleep(4)
    db.resize("vm0", 3 * GiB)
    db.resize("vm1", 2 * GiB)
    web.wait_sizes(vm0=6 * GiB)
    db.wait_sizes(vm0=3 * GiB, vm1=2 * GiB)
    time.sleep(10)
    web.sh("mkdir -p /big && mount -t tmpfs -o size=5g none /big && "
           "dd if=/dev/zero of=/big/file bs=1M count=4000", timeout=120)
    web.resize("vm0", GiB)
    time.sleep(30)
    db.cmd("stop")
    db.resize("vm1", 0)
    time.sleep(10)
    db.cmd("cont")
    web.sh("rm /big/file")
    web.resize("vm0", GiB)      # the driver tries again at once
    db.wait_sizes(vm1=0)
    web.wait_sizes(vm0=GiB)
    time.sleep(12)


def measure(directory: Path, stack: ExitStack) -> tuple[str, float, float]:
    """Run it; where Prometheus is, and from when to when it has asked."""
    vms = []
    for name, devices in (("web1", device(0, "8G", "unplugged-protection=discard")),
                          ("db1", (*device(0, "8G"), *device(1, "4G")))):
        vms.append(stack.enter_context(VM(
            f"bench-dashboard-{name}", "-name", name, "-m", "2G,maxmem=20G", *devices,
            "-qmp", f"unix:{directory}/{name}.qmp,server=on,wait=off")))
    for vm in vms:
        vm.wait_ready(BOOTS)
    export = stack.enter_context(subprocess.Popen(
        [paths.VMEMCTL, "export", "--listen", "127.0.0.1:0", directory],
        stderr=subprocess.PIPE, text=True))
    stack.callback(export.terminate)
    target = re.search("//(.*)/metrics", export.stderr.readline())[1]
    where = prometheus(directory, target, stack)
    began = time.time()
    scenario(*vms)
    return where, began, time.time()


def prometheus(directory: Path, target: str, stack: ExitStack) -> str:
    """Have one ask the target each second; where it listens."""
    config = directory / "prometheus.yml"
    config.write_text(json.dumps({
        "global": {"scrape_interval": "1s"}, "scrape_configs": [{
            "job_name": "virtio-mem", "static_configs": [{"targets": [target]}]}]}))
    log = paths.LOGS / "bench" / "prometheus.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        child = stack.enter_context(subprocess.Popen(
            [build.unpack("prometheus") / "usr/bin/prometheus",
             f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
             "--web.listen-address=127.0.0.1:0"], stderr=output))
    stack.callback(child.terminate)
    for _ in range(100):
        found = re.findall(r'Listening on".* address=(\S+)', log.read_text())
        if found and "ready to receive" in log.read_text():
            return found[0]
        time.sleep(0.2)
    raise ui.Fail(f"Prometheus does not start: see {ui.shown(log)}")


def ask(where: str, expression: str, began: float, ended: float) -> list[dict]:
    """All series of a query, as Prometheus answers."""
    for name, text in VARIABLES.items():
        expression = expression.replace(name, text)
    words = urllib.parse.urlencode({"query": expression, "start": began,
                                    "end": ended, "step": STEP})
    with urllib.request.urlopen(f"http://{where}/api/v1/query_range?{words}") as text:
        return json.load(text)["data"]["result"]


def legend(template: str, labels: dict) -> str:
    """The name of a series, as Grafana makes it."""
    return re.sub(r"{{(\w+)}}", lambda label: Path(labels.get(label[1], "")).name,
                  template)


def series(panel: dict, where: str, began: float, ended: float) -> dict:
    """What a panel shows: points by name."""
    factor = UNITS[panel["fieldConfig"]["defaults"]["unit"]][0]
    return {legend(target["legendFormat"], found["metric"]): [
        (float(at) - began, factor * float(value)) for at, value in found["values"]]
        for target in panel["targets"]
        for found in ask(where, target["expr"], began, ended)}


def draw(plot: Plot, panel: dict, shown: dict, height: int) -> None:
    """One panel, in its place."""
    place, title = panel["gridPos"], panel["title"]
    unit = UNITS[panel["fieldConfig"]["defaults"]["unit"]][1]
    plot.add(f"set origin {place['x'] / 24},{1 - (place['y'] + place['h']) / height}",
             f"set size {place['w'] / 24},{place['h'] / height}",
             f"set title \"{title}{f', {unit}' if unit else ''}\"")
    if panel["type"] == "stat":
        text = " / ".join(f"{points[-1][1]:.3g}" for points in shown.values())
        plot.add("unset border", "unset tics", "unset grid", "unset key",
                 f"set label 1 '{text} {unit}' at screen "
                 f"{(place['x'] + place['w'] / 2) / 24},"
                 f"{1 - (place['y'] + place['h'] / 2) / height} center "
                 "font 'sans,18'", "plot [0:1][0:1] 2 notitle",
                 "unset label 1", "set border 3", "set tics nomirror",
                 "set grid lc rgb '#dddddd'")
        return
    drawn = []
    stacked = "stacking" in panel["fieldConfig"]["defaults"]["custom"]
    below: dict[float, float] = {}
    for number, (name, points) in enumerate(shown.items()):
        if stacked:
            points = [(at, value + below.get(at, 0)) for at, value in points]
            below.update(points)
        plot.data(f"p{panel['id']}s{number}", points)
        drawn.append(f"$p{panel['id']}s{number} with steps lw 1.5 "
                     f"lc rgb '{COLOURS[number % len(COLOURS)]}' title \"{name}\"")
    plot.add("set key below maxrows 3 font ',9' noenhanced", "set xlabel 's' offset 0,0.8", "set yrange [0:*]",
             "plot " + ", ".join(drawn or ["0 notitle"]))


def main() -> int:
    """Measure, ask and draw."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"]
                 for panel in dashboard["panels"])
    plot = Plot(WIDTH, ROW * height)
    plot.add("set multiplot", "set offsets 0,0,0.05,0")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        ui.progress("two guests are resized, for two minutes …")
        seen = measure(Path(name), stack)
        for panel in dashboard["panels"]:
            shown = series(panel, *seen)
            if not shown:
                raise ui.Fail(f"the panel '{panel['title']}' shows nothing")
            draw(plot, panel, shown, height)
    plot.add("unset multiplot")
    plot.draw(OUT)
    shutil.copy(OUT, PICTURE)
    ui.progress(f"{ui.shown(PICTURE)} is drawn, {os.path.getsize(PICTURE)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(ui.main(main))
