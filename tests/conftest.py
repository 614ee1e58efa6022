# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests that pytest runs have in common."""

import signal

from driver import paths


def pytest_configure() -> None:
    """A shell that starts `make check &` ignores Ctrl-C for it; what is tested must
    not, because tests send it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str | None:
    """Say where to look when something goes wrong, and what is missing."""
    if not paths.QEMU.exists():
        return f"{paths.QEMU} is missing: run make first"
    return f"logs: {paths.LOGS}"
