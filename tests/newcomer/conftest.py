# SPDX-License-Identifier: GPL-2.0-or-later
"""What following README.md has cost is shown at the end of pytest's report."""


def pytest_terminal_summary(terminalreporter) -> None:
    """A line for each test that noted a cost."""
    lines = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            costs = dict(getattr(report, "user_properties", ()))
            if "newcomer" in getattr(report, "nodeid", "") and costs and \
                    report.when == "call":
                name = report.nodeid.rpartition("::")[2]
                lines.append(f"{name}: " + ", ".join(
                    f"{what} {cost}" for what, cost in costs.items()))
    if lines:
        terminalreporter.section("what it cost")
        for line in sorted(lines):
            terminalreporter.line(line)
