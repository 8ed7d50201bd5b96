"""Spend by team over time: days, weeks or months (UTC), as many as a plot can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core.spend import UNTAGGED, By, lines
from costwatch.reporting.facts import Facts

OTHERS: Final = "all others"
MOST_TEAMS: Final = 6
_MOST_DAYS, _MOST_WEEKS = 31, 27
_MONTHS_OF_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Series:
    """`columns`: the first day of each. `teams`: (name, USD of each column), the dearest first, others last."""

    unit: str
    columns: tuple[date, ...]
    teams: tuple[tuple[str, tuple[Decimal, ...]], ...]

    @property
    def empty(self) -> bool:
        return not any(amount for _, amounts in self.teams for amount in amounts)

    def total(self, column: int) -> Decimal:
        return sum((amounts[column] for _, amounts in self.teams), Decimal(0))


def by_team(facts: Facts) -> Series:
    """A run that is over counts where it ended; an open one, with what it has accrued, in the last column.

    Dollars that are not known are in no column.
    """
    unit, columns = _columns(facts.since, facts.until)
    shown = [line.key for line in lines(facts.spent, By.TEAM) if line.usd]
    kept = shown if len(shown) <= MOST_TEAMS else shown[: MOST_TEAMS - 1]
    amounts = {team: [Decimal(0)] * len(columns) for team in [*kept, *([OTHERS] if len(kept) < len(shown) else [])]}
    ended = [cost.ended_at for cost in facts.costs] + [facts.until] * len(facts.open)
    for spent, at in zip(facts.spent, ended, strict=True):
        if spent.usd:
            team = spent.owners.team or UNTAGGED
            column = _column_of(min(at, facts.until), columns)
            amounts[team if team in kept else OTHERS][column] += spent.usd
    return Series(unit, columns, tuple((team, tuple(each)) for team, each in amounts.items()))


def _columns(since: datetime, until: datetime) -> tuple[str, tuple[date, ...]]:
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    days = (last - first).days + 1
    if days <= _MOST_DAYS:
        return "day", tuple(first + timedelta(days=n) for n in range(days))
    monday = first - timedelta(days=first.weekday())
    weeks = (last - monday).days // 7 + 1
    if weeks <= _MOST_WEEKS:
        return "week", tuple(monday + timedelta(weeks=n) for n in range(weeks))
    months, month = [], first.replace(day=1)
    while month <= last:
        months.append(month)
        year, index = divmod(month.year * _MONTHS_OF_A_YEAR + month.month, _MONTHS_OF_A_YEAR)
        month = date(year, index + 1, 1)
    return "month", tuple(months)


def _column_of(at: datetime, columns: Sequence[date]) -> int:
    day = at.astimezone(UTC).date()
    return max((n for n, first in enumerate(columns) if first <= day), default=0)
