"""Spend by team over time: which columns a plot has, and where a run's dollars stand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from costwatch.core.model import RunId
from costwatch.core.run_cost import Outcome, Owners, RunCost
from costwatch.reporting.facts import Facts
from costwatch.reporting.series import MOST_TEAMS, OTHERS, by_team

UNTIL = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)  # a Wednesday


def cost(usd: str | None, ended_at: datetime, team: str = "risk") -> RunCost:
    return RunCost(
        run_id=RunId.parse("111122223333/us-east-1/training/churn"),
        name="churn",
        started_at=ended_at - timedelta(hours=1),
        ended_at=ended_at,
        outcome=Outcome.FINISHED,
        owners=Owners(team=team),
        family="",
        capacity=(),
        actual_usd=Decimal(usd) if usd is not None else None,
        basis="run seconds",
        price_note="",
        gpu_hours=None,
    )


def facts(*costs: RunCost, since: datetime = UNTIL - timedelta(days=2)) -> Facts:
    return Facts("111122223333", since, UNTIL, costs, (), (), (), (), ())


@pytest.mark.parametrize(
    ("days", "unit", "columns", "first"),
    [
        (30, "day", 31, date(2026, 11, 2)),
        (31, "week", 6, date(2026, 10, 26)),
        (182, "week", 27, date(2026, 6, 1)),
        (189, "month", 8, date(2026, 5, 1)),
        (400, "month", 15, date(2025, 10, 1)),
    ],
)
def test_a_longer_time_has_longer_columns(days: int, unit: str, columns: int, first: date) -> None:
    found = by_team(facts(since=UNTIL - timedelta(days=days)))
    assert (found.unit, len(found.columns), found.columns[0]) == (unit, columns, first)


def test_a_run_counts_whole_on_the_utc_day_on_which_it_ended() -> None:
    last, next_ = (datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC))
    ((team, amounts),) = by_team(facts(cost("5", last), cost("7", next_))).teams
    assert (team, amounts) == ("risk", (Decimal(0), Decimal(5), Decimal(7)))


def test_dollars_that_are_not_known_are_in_no_column() -> None:
    found = by_team(facts(cost(None, UNTIL)))
    assert (found.teams, found.empty) == ((), True)


def test_more_teams_than_a_plot_has_colours_are_put_together_and_no_dollar_is_lost() -> None:
    costs = [cost(str(n + 1), UNTIL, team=f"team-{n}") for n in range(MOST_TEAMS + 1)]
    found = by_team(facts(*costs))
    assert [team for team, _ in found.teams] == ["team-6", "team-5", "team-4", "team-3", "team-2", OTHERS]
    assert found.total(2) == sum(range(1, MOST_TEAMS + 2))
    exactly = by_team(facts(*costs[:MOST_TEAMS]))
    assert OTHERS not in [team for team, _ in exactly.teams]
