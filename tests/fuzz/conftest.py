# SPDX-License-Identifier: GPL-2.0-or-later
"""How long to fuzz."""


def pytest_addoption(parser) -> None:
    """make fuzz SECONDS=n."""
    parser.addoption("--seconds", type=int, default=600,
                     help="time for each fuzzer of the device")
