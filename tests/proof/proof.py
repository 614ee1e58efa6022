# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the proofs: bounded model checking of the pure modules by cbmc.

    python3 tests/proof/proof.py [--only WORD] [--logs DIR]

Prints TAP, one test for each proof, with its bounds. A proof consists of one
or more runs of cbmc. It holds if in each of them every check of cbmc and every
prove() succeeds, and every possible() fails: that shows a case in which its
condition is true, so that the proof cannot be one about nothing. A run that
needs more than its time fails the proof.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts" / "driver"))

import deps     # noqa: E402 (the driver's directory had to be added)
import paths    # noqa: E402
import pin      # noqa: E402
import private  # noqa: E402
import ui       # noqa: E402

CBMC = paths.BUILD / "cbmc"
# cbmc, and the libraries of its suite: the machine's own may be too old.
PACKAGES = "cbmc minisat libc6 libstdc++6 libgcc-s1"
SECONDS = 200  # of a processor for one run of cbmc: a busy machine is no failure
RESULT = re.compile(r"\[(\S+)\] (?:line \d+ )?(.*): (SUCCESS|FAILURE|UNKNOWN)")
CHECKS = ("bounds", "pointer", "pointer-overflow", "signed-overflow",
          "unsigned-overflow", "undefined-shift", "div-by-zero", "conversion")
# What the compiler has for bits is put by cbmc as sums of 64 of them.
BITS = ("-D__builtin_ctzl=lowest_bit", "-D__builtin_popcountl=count_bits")


@dataclass(frozen=True)
class Proof:
    """A function prove_NAME() in MODULE.c, and up to where it is run."""

    module: str
    name: str
    bounds: str
    unwind: int             # turns of a loop, proved to be enough
    runs: tuple = ((),)     # options of each run of cbmc


ANY = "any 64-bit values"
SIZES = "every block size from 2^20 to 2^63, " + ANY
BLOCKS = "every state of 1 to 192 blocks and every range of them"
# What is hard is split: one block size, or one word to begin in, for each run.
SHIFTS = tuple((f"-DMIN_SHIFT={shift}", f"-DMAX_SHIFT={shift}")
               for shift in range(20, 64))
WORDS = tuple((f"-DFIRST={word}",) for word in range(3))
PROOFS = (
    Proof("geometry", "check_of_block_size", ANY, 2),
    Proof("geometry", "check", "every power of two as block size, " + ANY, 65),
    Proof("geometry", "any_geometry", SIZES, 45),
    Proof("geometry", "check_size", SIZES, 45),
    Proof("geometry", "blocks", SIZES, 45),
    Proof("geometry", "usable", SIZES, 45),
    Proof("geometry", "range_from_guest", SIZES, 45, SHIFTS),
    Proof("geometry", "covering", SIZES, 45, SHIFTS),
    Proof("geometry", "span", SIZES, 45),
    Proof("blocks", "init", "1 to 192 blocks", 4),
    Proof("blocks", "set", BLOCKS, 5, WORDS),
    Proof("blocks", "set_count", BLOCKS.replace("192", "128"), 4,
          tuple((f"-DFIRST={word}", "-DWORDS=2") for word in range(2))),
    Proof("blocks", "copy", "every state of 1 to 192 blocks", 5,
          (("-Dmemcpy=copy_words",),)),
    Proof("blocks", "recount", "every state of 1 to 192 blocks", 5),
    Proof("blocks", "state", BLOCKS, 5, WORDS),
    Proof("blocks", "next_run", BLOCKS, 5, WORDS),
    Proof("protocol", "decode", "every request of 24 bytes", 25),
    Proof("protocol", "encode", "every verdict", 25),
    Proof("protocol", "decide", SIZES + ", every request and state", 45,
          SHIFTS),
)


def main() -> int:
    """Run the chosen proofs, as many at once as there are processors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="WORD",
                        help="proofs with this in their name")
    parser.add_argument("--logs", type=Path, default=paths.LOGS / "proof")
    arguments = parser.parse_args()
    chosen = [proof for proof in PROOFS if arguments.only in title(proof)]
    if not chosen:
        parser.error(f"no proof has '{arguments.only}' in its name")
    arguments.logs.mkdir(parents=True, exist_ok=True)
    prepare()
    print(f"1..{len(chosen)}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [[pool.submit(run, proof, options,
                                arguments.logs / f"{log_name(proof, number)}")
                    for number, options in enumerate(proof.runs)]
                   for proof in chosen]
        bad = sum([report(number, proof, [run.result() for run in runs])
                   for number, (proof, runs)
                   in enumerate(zip(chosen, pending), 1)])
    return 1 if bad else 0


def title(proof: Proof) -> str:
    """What a proof is called in results."""
    return f"{proof.module}: {proof.name}"


def log_name(proof: Proof, number: int) -> str:
    """The log of one run of a proof."""
    return f"{proof.module}-{proof.name}-{number}.log"


def prepare() -> None:
    """Unpack cbmc, unless this machine has one that can be used."""
    deps.ensure()
    if private.have_apt():
        private.unpack(PACKAGES, CBMC, pin.read())


def cbmc() -> list:
    """The words that start cbmc, with the libraries it was unpacked with."""
    if not private.have_apt():
        return ["cbmc"]
    libraries = CBMC / "usr" / "lib" / "x86_64-linux-gnu"
    return [libraries / "ld-linux-x86-64.so.2", "--library-path",
            f"{libraries}:{CBMC / 'usr' / 'lib'}", CBMC / "usr" / "bin" / "cbmc"]


def command(proof: Proof, options: tuple) -> list:
    """One run of cbmc."""
    glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True,
                          capture_output=True, text=True).stdout.split()
    return [*cbmc(), "--function", f"prove_{proof.name}",
            *(f"--{check}-check" for check in CHECKS),
            "--unwind", proof.unwind, "--unwinding-assertions",
            "--drop-unused-functions", *BITS, *options, *glib,
            "-I", paths.ROOT / "hw" / "virtio",
            "-I", paths.ROOT / "tests" / "unit" / "include",
            HERE / f"{proof.module}.c", HERE / "proof.c",
            paths.ROOT / "hw" / "virtio" / "virtio-mem" /
            f"{proof.module}.c"]


@dataclass
class Outcome:
    """What one run has come to; `problem` is empty when it proves its part."""

    problem: str
    checks: int
    seconds: float
    log: Path


def run(proof: Proof, options: tuple, log: Path) -> Outcome:
    """Run cbmc once and read what it says."""
    words = ["prlimit", f"--cpu={SECONDS}", *command(proof, options)]
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen([str(word) for word in words],
                                 stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(encoding="utf-8", errors="replace")
    problem, checks = judge(text, child.returncode)
    return Outcome(problem, checks, used.ru_utime + used.ru_stime, log)


def judge(text: str, status: int) -> tuple[str, int]:
    """The first thing that is wrong, and the number of checks made.

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
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        wrong.insert(0, f"no end within {SECONDS} s of a processor")
    elif status != 10:
        wrong.append(f"cbmc ended with {status}")
    elif not cases or not checks:
        wrong.append("nothing is proved, or not shown to be possible")
    return (wrong or [""])[0], len(checks)


def report(number: int, proof: Proof, outcomes: list[Outcome]) -> bool:
    """Print one result of TAP; tell whether the proof failed."""
    wrong = [outcome for outcome in outcomes if outcome.problem]
    print(f"# {title(proof)}: {len(outcomes)} runs of cbmc, "
          f"{sum(outcome.checks for outcome in outcomes)} checks, "
          f"{sum(outcome.seconds for outcome in outcomes):.0f} s of a processor, "
          f"{max(outcome.seconds for outcome in outcomes):.0f} s the longest")
    print(f"{'not ok' if wrong else 'ok'} {number} {title(proof)}, "
          f"for {proof.bounds}")
    for outcome in wrong:
        print(f"# {outcome.problem}")
        print(f"# log: {ui.shown(outcome.log)}")
    sys.stdout.flush()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(ui.main(main))
