# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzz the pure modules and the whole device for a given time, and then load
damaged migration streams.

    python3 tests/fuzz/fuzz.py --seconds N [--only modules|device|streams]
                               [--logs DIR]

Prints TAP, one test for each fuzzer and one for the streams, and ends with
status 1 on any finding. The time is that of fuzzing; building what is missing
and the streams, whose number is fixed, come on top. What the fuzzers find is
kept in build/fuzz/found and fails again until it is repaired.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts" / "driver"))

import libfuzzer  # noqa: E402 (the driver's directory had to be added)
import paths      # noqa: E402
import streams    # noqa: E402
import targets    # noqa: E402
import ui         # noqa: E402


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, required=True,
                        help="time of fuzzing, shared by all fuzzers")
    parser.add_argument("--only", choices=("modules", "device", "streams"))
    parser.add_argument("--logs", type=Path, default=paths.LOGS / "fuzz")
    chosen = parser.parse_args()
    if chosen.seconds < 1:
        parser.error("--seconds must be at least 1")
    return chosen


def build(only: str | None) -> list[tuple[libfuzzer.Fuzzer, float]]:
    """The chosen fuzzers, each with its share of the time.

    The device is slow to explore and gets half of it beside the modules.
    """
    modules = targets.modules() if only in (None, "modules") else []
    device = targets.device() if only in (None, "device") else []
    part = 0.5 if modules and device else 1
    return [*((fuzzer, part / len(modules)) for fuzzer in modules),
            *((fuzzer, part / len(device)) for fuzzer in device)]


def report(number: int, fuzzer: libfuzzer.Fuzzer, seconds: int,
           outcome: libfuzzer.Outcome, logs: Path) -> None:
    """One result of TAP, and what a finder needs to know."""
    print(f"# {fuzzer.name}: {outcome.executions} executions in {seconds} s, "
          f"{outcome.rate} a second, {outcome.edges} edges and "
          f"{outcome.features} features covered")
    if outcome.aim:
        print(f"# {fuzzer.name}: {outcome.aim} reached")
    verdict = "not ok" if outcome.problem else "ok"
    print(f"{verdict} {number} {fuzzer.name} finds nothing")
    if outcome.problem:
        print(f"# {outcome.problem}")
        print(f"# log: {ui.shown(logs / fuzzer.name)}.log")
    if outcome.finding:
        env = " ".join(f"{key}='{value}'" for key, value in fuzzer.env.items())
        command = " ".join(map(str, fuzzer.command))
        print(f"# input: {ui.shown(outcome.finding)}")
        print(f"# again: {env}{' ' if env else ''}{command} {outcome.finding}")
    sys.stdout.flush()


def report_streams(number: int, outcome: streams.Outcome, log: Path) -> None:
    """The same of the damaged streams."""
    print(f"# streams: {outcome.loads} loads in {outcome.seconds:.0f} s, "
          f"{outcome.accepted} accepted, VIRTIO_MEM_SEED="
          f"{' and '.join(outcome.seeds) or 'unknown'}")
    print(f"{'not ok' if outcome.problem else 'ok'} {number} damaged streams "
          "do no harm")
    if outcome.problem:
        print(f"# {outcome.problem}\n# log: {ui.shown(log)}")
    sys.stdout.flush()


def main() -> int:
    """Build, fuzz, and tell."""
    chosen = arguments()
    logs = chosen.logs.resolve()
    logs.mkdir(parents=True, exist_ok=True)
    fuzzers = build(chosen.only)
    with_streams = chosen.only in (None, "streams")
    if with_streams:
        streams.build()
    print(f"1..{len(fuzzers) + with_streams}")
    failed = 0
    for number, (fuzzer, share) in enumerate(fuzzers, 1):
        seconds = max(1, int(chosen.seconds * share))
        outcome = libfuzzer.run(fuzzer, seconds, logs, targets.FOUND)
        report(number, fuzzer, seconds, outcome, logs)
        failed += bool(outcome.problem)
    if with_streams:
        log = logs / "streams.log"
        loaded = streams.run(log)
        report_streams(len(fuzzers) + 1, loaded, log)
        failed += bool(loaded.problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(ui.main(main))
