# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU is built with where this machine has the library for it.

On Debian deps.py installs the libraries; elsewhere a build goes on without.
"""

import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """A library, and what QEMU does with it."""

    option: str     # of configure
    library: str
    header: str
    gives: str      # what a user does without


FEATURES = (
    Feature("seccomp", "seccomp", "seccomp.h", "the option -sandbox"),
    Feature("numa", "numa", "numa.h", "host-nodes= and policy= of memory "
                                      "backends"),
)


def present(feature: Feature) -> bool:
    """Whether a program can be linked with the library here."""
    return subprocess.run(
        ["gcc", "-x", "c", "-", "-o", "/dev/null", f"-l{feature.library}"],
        input=f"#include <{feature.header}>\nint main(void) {{ return 0; }}\n",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        text=True, check=False).returncode == 0


def options() -> list[str]:
    """The words for configure; they change when a library comes or goes."""
    return [f"--enable-{feature.option}" for feature in FEATURES
            if present(feature)]


def missing() -> list[str]:
    """A sentence about each library that is not there."""
    return [f"QEMU was built without {feature.gives}: lib{feature.library} is "
            "missing" for feature in FEATURES if not present(feature)]
