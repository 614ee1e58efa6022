# SPDX-License-Identifier: GPL-2.0-or-later
"""What the user sees: progress lines, one-sentence failures, logged commands."""

import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

STARTED = time.monotonic()
TAIL_LINES = 15
DISK_FULL = ("No space left on device", "Disk quota exceeded",
             "You don't have enough free space")


class Fail(Exception):
    """An expected failure: one sentence saying what failed and what to do."""

    def __init__(self, sentence: str, details: str = ""):
        super().__init__(sentence)
        self.details = details


class CommandFailed(Fail):
    """A command that ended badly; `output` lets the caller say why."""

    def __init__(self, sentence: str, output: str, status: int):
        super().__init__(sentence, "\n".join("    " + line
                                             for line in telling(output)))
        self.output = output
        self.status = status


def telling(output: str) -> list[str]:
    """The lines to show of a failed command: a compiler's first error says
    more than its last, otherwise the end says most."""
    lines = output.rstrip().splitlines()
    first = next((number for number, line in enumerate(lines)
                  if re.search(r":\d+: (fatal )?error: ", line)), None)
    return lines[-TAIL_LINES:] if first is None \
        else lines[first:first + TAIL_LINES]


def progress(text: str) -> None:
    """Print one line with the seconds since the start of this program."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


def shown(path: Path | str) -> str:
    """A path as the user would type it: relative when it is below here."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative


def disk_full(where: Path | str) -> Fail:
    """The sentence for a full disk, the same wherever it is noticed."""
    return Fail(f"the disk that holds {shown(where)} is full: "
                "free some space there and run the same command again")


def os_error(error: OSError) -> Fail:
    """Turn an error of the operating system into the sentence for the user."""
    where = error.filename2 or error.filename or "the build directory"
    if isinstance(error, shutil.Error):  # several files at once: take one
        where, _, text = error.args[0][0]
        full = any(phrase in str(text) for phrase in DISK_FULL)
        return disk_full(where) if full else Fail(f"cannot copy: {text}")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(where)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Fail(f"cannot write {shown(where)} ({error.strerror}): make it "
                    "writable for you, or work in a copy somewhere else")
    return Fail(f"cannot use {shown(where)}: {error.strerror}")


def run(command: list, *, log: Path, what: str, hint: str = "",
        cwd: Path | None = None, env: dict | None = None,
        on_line=None, keep: int = 4000) -> str:
    """Run a command, append its output to `log`, return it.

    `what` names the work for the sentence of a failure ("building QEMU"),
    `hint` says what to do about it; `env` is added to the environment;
    `on_line` is called with every line, to report progress from it.
    """
    command = [str(word) for word in command]
    lines = deque(maxlen=keep)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8", errors="replace") as out:
        out.write(f"$ {shlex.join(command)}\n")
        status = _copy_output(command, out, lines, cwd, env, on_line)
        out.write(f"-> exit status {status}\n")
    output = "".join(lines)
    if status:
        if any(text in output for text in DISK_FULL):
            raise disk_full(cwd or log)
        advice = hint or "the lines above say why"
        raise CommandFailed(f"{what} failed: {advice} "
                            f"(all output: {shown(log)})", output, status)
    return output


def _copy_output(command, out, lines, cwd, env, on_line) -> int:
    """Copy a command's output to `out` and `lines`; return its exit status."""
    try:
        child = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
    except FileNotFoundError:
        lines.append(f"{command[0]}: command not found\n")
        out.write(lines[-1])
        return 127
    with child:
        for line in child.stdout:
            out.write(line)
            lines.append(line)
            if on_line:
                on_line(line.rstrip("\n"))
    return child.returncode


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
