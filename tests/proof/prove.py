#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of cbmc, as a test: prove.py FUNCTION CPU-SECONDS ARGUMENT...

It holds if every check of cbmc and every prove() succeeds, and every possible()
fails: that shows a case in which its condition is true, so that the proof cannot
be one about nothing. meson.build has the proofs and their bounds.
"""

import re
import subprocess
import sys
from pathlib import Path

# As the driver unpacks it, with the libraries of its suite; or the machine's own.
UNPACKED = Path(__file__).resolve().parents[2] / "build" / "cbmc" / "usr"
LIBRARIES = UNPACKED / "lib" / "x86_64-linux-gnu"
RESULT = re.compile(r"\[(\S+)\] (?:line \d+ )?(.*): (SUCCESS|FAILURE|UNKNOWN)")
CHECKS = ("bounds", "pointer", "pointer-overflow", "signed-overflow",
          "unsigned-overflow", "undefined-shift", "div-by-zero", "conversion")
# What the compiler has for bits is put by cbmc as sums of 64 of them.
BITS = ("-D__builtin_ctzl=lowest_bit", "-D__builtin_popcountl=count_bits")
SIGNALS = (24, 9)       # of a process that has used up its time


def cbmc() -> list[str]:
    """The words that start it."""
    if not UNPACKED.exists():
        return ["cbmc"]
    return [str(LIBRARIES / "ld-linux-x86-64.so.2"), "--library-path",
            f"{LIBRARIES}:{UNPACKED / 'lib'}", str(UNPACKED / "bin" / "cbmc")]


def main(function: str, seconds: str, *arguments: str) -> int:
    """Run it and read what it says."""
    done = subprocess.run(
        ["prlimit", f"--cpu={seconds}", *cbmc(), "--function", function,
         *(f"--{check}-check" for check in CHECKS), "--unwinding-assertions",
         "--drop-unused-functions", *BITS, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False)
    problems, checks = judge(done.stdout, done.returncode)
    print(*([done.stdout] if problems else []), f"{checks} checks", *problems,
          sep="\n")
    return 1 if problems else 0


def judge(text: str, status: int) -> tuple[list[str], int]:
    """All that is wrong, and the number of checks made.

    A possible() that cbmc finds a case for makes it end with 10.
    """
    results = RESULT.findall(text)
    cases = [(what, found) for _, what, found in results
             if what.startswith("possible: ")]
    checks = [(what, found) for _, what, found in results
              if not what.startswith("possible: ")]
    wrong = [f"{found}: {what}" for what, found in checks if found != "SUCCESS"]
    wrong += [f"no case found: {what}" for what, found in cases
              if found != "FAILURE"]
    if -status in SIGNALS:
        wrong.insert(0, "no end within its time of a processor")
    elif status != 10:
        wrong.append(f"cbmc ended with {status}")
    elif not cases or not checks:
        wrong.append("nothing is proved, or not shown to be possible")
    return wrong, len(checks)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
