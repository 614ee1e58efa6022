# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the guest tests run on the target that VM_TARGET names."""

from vmtest.target import NAME, TARGET

FIRST = "x86_64"


def wanted(item) -> bool:
    """Whether a test is for this target: those without a mark are for the first."""
    mark = item.get_closest_marker("targets")
    return NAME == FIRST if not mark else not mark.args or TARGET.arch in mark.args


def pytest_collection_modifyitems(config, items) -> None:
    """Leave out what is for others."""
    others = [item for item in items
              if "tests/guest/" in item.nodeid and not wanted(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
