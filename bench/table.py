# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured, and the tables that show it."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Row:
    """One metric. `goal` is the least ratio; `more` says that more is better.

    The ratio says how many times better ours is. `grain` is how much ours may
    be worse before that counts: the resolution of the measurement.
    """

    number: int
    name: str
    unit: str
    goal: float | None = None
    more: bool = False
    grain: float = 0
    values: dict[str, list[float]] = field(
        default_factory=lambda: {"stock": [], "ours": []})

    def median(self, who: str) -> float:
        """Of all rounds."""
        return statistics.median(self.values[who])

    def ratio(self) -> float | None:
        """How many times better ours is; None if that has no meaning."""
        stock, ours = self.median("stock"), self.median("ours")
        above, below = (ours, stock) if self.more else (stock, ours)
        return above / below if below else None

    def met(self) -> bool | None:
        """Whether the goal is; None if there is none."""
        if self.goal is None:
            return None
        ratio = self.ratio()
        worse = self.median("ours") - self.median("stock")
        return (ratio is None or ratio >= self.goal
                or bool(self.grain) and worse <= self.grain)

    def cells(self) -> list[str]:
        """The columns of the table."""
        ratio = self.ratio()
        return [str(self.number), self.name, self.unit,
                *(spread(self.values[who]) for who in ("stock", "ours")),
                "–" if ratio is None else f"{ratio:.3g}x",
                "–" if self.goal is None else f"{self.goal:g}x",
                {True: "met", False: "**missed**", None: "–"}[self.met()],
                str(len(self.values["ours"]))]


HEAD = ("#", "metric", "unit", "stock", "ours", "stock ÷ ours", "goal", "",
        "rounds")


def spread(values: list[float]) -> str:
    """The median, and the smallest and the largest value."""
    low, mid, high = (figure(value) for value in
                      (min(values), statistics.median(values), max(values)))
    return mid if low == high else f"{mid} ({low}–{high})"


def figure(value: float) -> str:
    """Three digits that count; whole numbers as they are."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def markdown(rows: list[Row]) -> str:
    """All rows as a table."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
