# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sanitizers of gcc have to say about programs built with them.

They write to files of their own: tests read what QEMU prints, and not every
test looks at the status with which a QEMU ends that found something. Only
gcc's UBSan, when ASan is there too, knows no files and writes to the log.
"""

import re
from pathlib import Path

import paths

REPORTS = paths.LOGS / "sanitizer"
KNOWN_LEAKS = Path(__file__).with_name("leaks.supp")
FINDING = re.compile(r"==\d+==ERROR: |: runtime error: ")
LINES = 20  # of a report that are shown


def environment() -> dict[str, str]:
    """Options for the programs: any finding ends them with status 99.

    Without frame pointers in GLib only the slow way of unwinding tells who
    leaked, and KNOWN_LEAKS names functions. QEMU's coroutines change stacks,
    so that stacks cannot be checked after a return.
    """
    both = f"exitcode=99:log_path={REPORTS / 'report'}"
    return {
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=0:"
                        f"fast_unwind_on_malloc=0:malloc_context_size=8:{both}",
        "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:{both}",
        "LSAN_OPTIONS": f"suppressions={KNOWN_LEAKS}:print_suppressions=0",
    }


def forget() -> None:
    """Make room for the reports of the next program."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    for file in REPORTS.iterdir():
        file.unlink()


def findings(log: Path) -> list[str]:
    """The beginnings of the reports that tell of something found."""
    found = []
    for file in (log, *sorted(REPORTS.glob("report.*"))):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        start = next((number for number, line in enumerate(lines)
                      if FINDING.search(line)), None)
        if start is not None:
            found.append("\n".join(lines[start:start + LINES]))
    return found
