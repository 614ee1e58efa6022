# SPDX-License-Identifier: GPL-2.0-or-later
"""What the user sees: progress lines, one-sentence failures, logged commands."""

import errno
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

STARTED = time.monotonic()
LOGS = set()    # begun by this program
TAIL_LINES = 15
SAY_EVERY = 10  # seconds between progress lines
FEW_STEPS = 10  # a build that small is not worth a line of its own
DISK_FULL = ("No space left on device", "Disk quota exceeded",
             "You don't have enough free space")


class Fail(Exception):
    """An expected failure: one sentence saying what failed and what to do."""

    def __init__(self, sentence: str, details: str = ""):
        super().__init__(sentence)
        self.details = details


class CommandFailed(Fail):
    """A command that ended badly; `output` lets the caller say why.

    Shown is its end, or a compiler's first error, which says more than its last.
    """

    def __init__(self, sentence: str, output: str):
        first = re.search(r"^.*:\d+: (fatal )?error: ", output, re.M)
        lines = output[first.start():].splitlines()[:TAIL_LINES] if first \
            else output.rstrip().splitlines()[-TAIL_LINES:]
        super().__init__(sentence, "\n".join(f"    {line}" for line in lines))
        self.output = output


def progress(text: str) -> None:
    """Print one line with the seconds since the start of this program."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def shown(path: Path | str) -> str:
    """A path as the user would type it: relative when it is below here."""
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith("..") else relative


def os_error(error: OSError) -> Fail:
    """Turn an error of the operating system into the sentence for the user."""
    where = error.filename2 or error.filename or "the build or the cache directory"
    if any(text in str(error) for text in DISK_FULL):
        return Fail(f"the disk that holds {shown(where)} is full: "
                    "free some space there and run the same command again")
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return Fail(f"cannot write {shown(where)} ({error.strerror}): make it writable "
                    "for you, or work in a copy somewhere else")
    return Fail(f"cannot use {shown(where)}: {error.strerror}")


def run(command: list, *, log: Path, what: str,
        hint: str = "the lines above say why", cwd: Path | None = None,
        env: dict | None = None) -> str:
    """Run a command, append its output to the `log` of this program's run, return it.

    `what` names the work for the sentence of a failure ("building QEMU"),
    `hint` says what to do about it; `env` is added to the environment. How far
    it is, is told from time to time, if it says so as ninja does.
    """
    command = [str(word) for word in command]
    output, say_at = "", 0.0
    log.parent.mkdir(parents=True, exist_ok=True)
    mode = "a" if log in LOGS else "w"
    LOGS.add(log)
    with open(log, mode, encoding="utf-8", errors="replace") as out:
        out.write(f"$ {shlex.join(command)}\n")
        try:
            child = subprocess.Popen(
                command, cwd=cwd, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace")
        except FileNotFoundError as error:
            raise Fail(f"{what} failed: {error.filename} is not on this "
                       "machine: install it and try again") from None
        with child:
            for line in child.stdout:
                out.write(line)
                output += line
                step = re.match(r"\[(\d+)/(\d+)\] ", line)
                if step and int(step[2]) > FEW_STEPS and time.monotonic() >= say_at:
                    progress(f"{what}: {step[1]} of {step[2]} steps")
                    say_at = time.monotonic() + SAY_EVERY
        out.write(f"-> exit status {child.returncode}\n")
    if child.returncode and any(text in output for text in DISK_FULL):
        raise os_error(OSError(errno.ENOSPC, DISK_FULL[0], str(cwd or log)))
    if child.returncode:
        raise CommandFailed(f"{what} failed: {hint} (all output: {shown(log)})", output)
    return output


def main(function, *arguments) -> int:
    """Call `function`; print a failure as one sentence; return the status."""
    try:
        return function(*arguments) or 0
    except Fail as fail:
        failure = fail
    except OSError as error:
        failure = os_error(error)
    except KeyboardInterrupt:
        failure = Fail("interrupted: run the same command again to go on")
    if failure.details:
        print(failure.details, file=sys.stderr)
    print(f"error: {failure}", file=sys.stderr)
    return 1
