# SPDX-License-Identifier: GPL-2.0-or-later
"""Importing this makes the modules of the driver and the tests importable."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for directory in ("scripts/driver", "tests/flood", "tests/guest"):
    sys.path.insert(0, str(ROOT / directory))
