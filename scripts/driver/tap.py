# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the Test Anything Protocol, and distrust it.

A program that dies, stops early or never said how many tests it has must not
look like success, so the verdict takes the exit status and the plan as well.
"""

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"(not )?ok\b\s*(\d+)?\s*(?:- )?(.*)")
DIRECTIVE = re.compile(r"\s*# (SKIP|TODO)\S*\s*(.*)", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d+)\s*(?:# SKIP\S*\s*(.*))?", re.IGNORECASE)
MESSAGE_LINES = 20
NOT_RUN = ("a later test", "did not run")


@dataclass
class Report:
    """What one test program said, line by line, and how it ended."""

    passed: list = field(default_factory=list)   # names
    failed: list = field(default_factory=list)   # (name, message)
    skipped: list = field(default_factory=list)  # (name, reason)
    planned: int | None = None
    numbered: int = 0
    lost: int = 0  # 1 when the program ended in the middle of a test
    bailed: bool = False
    last: str = ""
    _notes: list = field(default_factory=list)
    _open: bool = False  # the last result failed and its message may follow

    def line(self, text: str) -> bool:
        """Take one line of output; tell whether it was a result."""
        if text.startswith("Bail out!"):
            self._fail_here(text.removeprefix("Bail out!").strip())
            self.bailed = True
            return True
        plan = PLAN.fullmatch(text)
        if plan:
            self.planned = int(plan[1])
            if not self.planned and plan[2]:
                self.skipped.append(("everything", plan[2]))
            return False
        result = RESULT.fullmatch(text)
        if result:
            self._result(*result.groups())
            return True
        self._note(text)
        return False

    def _result(self, bad: str | None, number: str | None, rest: str) -> None:
        directive = DIRECTIVE.search(rest)
        name = (rest[:directive.start()] if directive else rest).strip()
        self.last = name
        self.numbered += number != "0"  # pycotap's 0: a fixture, not a test
        self._open = False
        if bad:
            self.failed.append((name, "\n".join(self._notes)))
            self._open = True
        elif directive and directive[1].upper() == "SKIP":
            self.skipped.append((name, directive[2].strip()))
        elif directive:
            self.failed.append((name, "marked as unfinished (TODO)"))
        else:
            self.passed.append(name)
        self._notes = []

    def _note(self, text: str) -> None:
        """Other text: the message of a failure comes before or after it."""
        text = text.removeprefix("# ").rstrip()
        if not text or text in ("---", "  ---", "  ...", "#"):
            return
        if re.match(r"(Start|End) of .* tests$|random seed:|TAP version", text):
            return
        if self._open:
            name, message = self.failed[-1]
            lines = [*message.splitlines(), text][-MESSAGE_LINES:]
            self.failed[-1] = (name, "\n".join(lines))
        else:
            self._notes = [*self._notes, text][-MESSAGE_LINES:]

    def _fail_here(self, message: str) -> None:
        """A failure between two results, named by the one before."""
        self.lost = 1
        where = f"the test after {self.last}" if self.last else "the first test"
        notes = "\n".join([message, *self._notes]).strip()
        self.failed.append((where, notes))
        self._notes, self._open = [], False

    def end(self, status: int | str) -> None:
        """The program is gone: `status` is its exit status, or "timeout"."""
        finished = self.planned is not None and self.numbered >= self.planned
        if isinstance(status, str):
            self._fail_here(status)
        elif status < 0 and not self.bailed:
            self._fail_here(f"crashed (signal {-status})")
        elif status and not self.failed:
            self._fail_here(f"ended with exit status {status}")
        elif self.planned is None and not self.failed:
            self._fail_here("ended without saying how many tests it has")
        elif not finished and not self.failed:
            self._fail_here(f"ended after {self.numbered} of its "
                            f"{self.planned} tests")
        self._count_missing()

    def _count_missing(self) -> None:
        """Planned tests that gave no result have failed, each of them."""
        missing = (self.planned or 0) - self.numbered - self.lost
        if missing > 0:
            self.failed += [NOT_RUN] * missing
