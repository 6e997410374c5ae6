"""A result as one line of a plain text table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Protocol

HEADINGS = ("contestant", "", "ratio", "spread", "added", "limit", "target", "")
NUMBERS = {1, 2, 3, 4, 6}


class Compared(Protocol):
    """What a table has to know of a contestant; see `contestants.Contestant`."""

    @property
    def name(self) -> str: ...
    @property
    def limit(self) -> str | None: ...
    @property
    def target(self) -> float | None: ...
    @property
    def added_to(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Row:
    """What a contestant costs; each sequence has a value for each round, or one value where nothing varies.

    `added` is the difference to another contestant, in units of the limit.
    """

    contestant: Compared
    cost: tuple[float, ...]
    ratio: tuple[float, ...]
    added: tuple[float, ...]

    @property
    def judged(self) -> float:
        """The number that the target is for."""
        return median(self.added or self.ratio)

    @property
    def verdict(self) -> str:
        if self.contestant.target is None:
            return ""
        return "ok" if self.judged <= self.contestant.target else "over"

    def cells(self, digits: int) -> tuple[str, ...]:
        contestant, target = self.contestant, self.contestant.target
        cost = f"{median(self.cost):.{digits}f}"
        if contestant.limit is None:
            return contestant.name, cost, "1.00", "", "", "", "", ""
        return (
            contestant.name,
            cost,
            f"{median(self.ratio):.2f}",
            spread(self.ratio),
            f"{median(self.added):+.2f}" if self.added else "",
            contestant.limit,
            "" if target is None else f"{target:+.2f}" if self.added else f"{target:.2f}",
            self.verdict,
        )


def spread(values: tuple[float, ...]) -> str:
    """Half of the distance between the quartiles: half of the rounds were nearer to each other than twice this."""
    if len(values) < 4:
        return ""
    low, _, high = quantiles(values, n=4)
    return f"±{(high - low) / 2:.2f}"


def rows(contestants: Iterable[Compared], costs: Mapping[str, tuple[float, ...]]) -> list[Row]:
    """Costs by contestant's name, round by round, as rows of ratios. A round's ratio is of that round's costs."""
    made: list[Row] = []
    for contestant in contestants:
        cost = costs[contestant.name]
        limit = costs[contestant.limit or contestant.name]
        ratio = tuple(mine / least for mine, least in zip(cost, limit, strict=True))
        added: tuple[float, ...] = ()
        if contestant.added_to is not None:
            base = costs[contestant.added_to]
            added = tuple((mine - other) / least for mine, other, least in zip(cost, base, limit, strict=True))
        made.append(Row(contestant, cost, ratio, added))
    return made


def lines(rows: Iterable[Row], unit: str, digits: int) -> list[str]:
    """The table, its headings first, in columns of even width; costs are in `unit`, with so many digits."""
    headings = (HEADINGS[0], unit, *HEADINGS[2:])
    cells = [headings, *(row.cells(digits) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = [
        "  ".join(
            cell.rjust(width) if place in NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return [text[0], "-" * max(map(len, text)), *text[1:]]
