# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples for Prometheus and Grafana: they use metrics that there are, and a
real promtool takes them and the export itself.
"""

import json
import re
import shutil
import subprocess

import pytest

from driver import build
from vmtest.metrics import WHOLE, export, families
from vmtest.peer import ROOT, device

MONITORING = ROOT / "tools" / "vmemctl" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"]
           for target in panel["targets"]]
ALERTS = (MONITORING / "alerts.yml").read_text()
ALERTS_TEST = ROOT / "tests" / "vmemctl" / "alerts-test.yml"
MOVING = device("vm1", resize={"status": "resizing", "since": 2,
                               "rate": 1, "eta": 4})


@pytest.fixture
def text(vms) -> str:
    """Everything that an export can say."""
    return export(vms("a", query_memory_devices=[WHOLE, MOVING]))


def used(expressions: str) -> set[str]:
    """The metrics that they name, but for those that a rule records."""
    return set(re.findall(r"(?<!:)\b(?:virtio_mem|vmemctl)_\w+\b(?!:)", expressions))


def test_queries_and_alerts_are_about_what_there_is(text):
    """Each metric that they name, with each label that they name."""
    known = {sample.name for family in families(text).values()
             for sample in family.samples}
    assert used(" ".join(QUERIES)) <= known
    assert used(ALERTS) <= known
    labels = set(re.findall(r'(\w+)="', text))
    for each in (*re.findall(r"{{(?: \$labels\.)?(\w+) ?}}",
                             ALERTS + json.dumps(DASHBOARD)),
                 *re.findall(r"[{,](\w+)[!=]?[=~]", " ".join(QUERIES))):
        assert each in labels | {"instance"}


def test_the_manual_page_names_all_metrics(text):
    """And no other."""
    page = (MONITORING.parent / "vmemctl.1").read_text()
    assert used(page) == {sample.name for family in families(text).values()
                          for sample in family.samples}


def test_the_manual_names_all_alerts_and_no_other_metric(text):
    """In its page for those who run many VMs."""
    page = (ROOT / "docs/system/devices/virtio-mem-fleet.rst").read_text()
    assert used(page) <= {sample.name for family in families(text).values()
                          for sample in family.samples}
    assert re.findall(r"\* - ``(VirtioMem\w+)``", page) == re.findall(
        r"alert: (\w+)", ALERTS)


def test_the_dashboard_shows_all_that_matters():
    """Each family but those that are for a closer look."""
    assert {"virtio_mem_size_bytes", "virtio_mem_requested_size_bytes",
            "virtio_mem_resize_status", "virtio_mem_resize_blocked",
            "vmemctl_monitor_up"} <= used(" ".join(QUERIES))
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


# ---- with promtool ----

@pytest.fixture(scope="module")
def promtool():
    """Run Debian's promtool, on this input; it has nothing to say."""
    tool = shutil.which("promtool")
    if build.private():
        tool = build.unpack("promtool") / "usr/bin/promtool"
    if not tool:
        pytest.skip("there is no promtool")

    def call(*words, **options) -> str:
        done = subprocess.run([tool, *words], capture_output=True, text=True,
                              timeout=60, check=False, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


@pytest.mark.full
def test_promtool_has_no_objection_to_the_metrics(promtool, text):
    """Neither to the syntax, nor to names, units and help."""
    assert promtool("check", "metrics", input=text) == ""
    with pytest.raises(AssertionError):     # it would have
        promtool("check", "metrics", input=text.replace("_total", ""))


@pytest.mark.full
def test_promtool_takes_configuration_and_alerts(promtool, tmp_path):
    """As they are installed."""
    for name in ("prometheus.yml", "alerts.yml"):
        shutil.copy(MONITORING / name, tmp_path)
    said = promtool("check", "config", tmp_path / "prometheus.yml")
    rules = ALERTS.count("- alert:") + ALERTS.count("- record:")
    assert f"{rules} rules found" in said


@pytest.mark.full
def test_alerts_come_when_they_should(promtool, tmp_path):
    """And not before."""
    shutil.copy(MONITORING / "alerts.yml", tmp_path)
    shutil.copy(ALERTS_TEST, tmp_path)
    promtool("test", "rules", tmp_path / ALERTS_TEST.name)
    assert set(re.findall(r"alert: (\w+)", ALERTS)) == set(
        re.findall(r"alertname: (\w+)", ALERTS_TEST.read_text()))


@pytest.mark.full
def test_promtool_takes_the_dashboards_queries(promtool, tmp_path):
    """With Grafana's variables replaced."""
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [" + ",".join(
        json.dumps({"record": f"q{number}", "expr": query.replace(
            "$__rate_interval", "1m").replace("$vm", ".*")})
        for number, query in enumerate(QUERIES)) + "]}]")
    assert f"{len(QUERIES)} rules found" in promtool("check", "rules", rules)
