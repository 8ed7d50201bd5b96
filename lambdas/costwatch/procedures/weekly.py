"""The week that is over, for the platform channel: spend, forecasts, decisions, and what enforce would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from costwatch.adapters.ledger import TimelineRow
from costwatch.core import spend as spending
from costwatch.core import would_haves
from costwatch.core.graduated import Graduated, to_fact
from costwatch.core.modes import Mode
from costwatch.core.money import show_usd
from costwatch.core.record import RunRecord, Status, Transition
from costwatch.core.run_cost import RunCost
from costwatch.core.spend import By
from costwatch.procedures.graduating import LOOK_BACK, look_back
from costwatch.procedures.own_cost import own_cost_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport

HOUR: Final = 9
"""Local hour, in the policy's time zone, from which on Monday the digest may go out."""
_MADE_UP: Final = 1
"""Local weekday, Tuesday, until whose end a Monday without a sweep is made up for."""
_TEAMS: Final = 6
_COUNTED: Final = {
    Transition.VERIFIED_GONE: "stopped and verified gone",
    Transition.VERIFIED_STOPPED: "stopped and verified",
    Transition.CAME_BACK: "came back after a stop",
    Transition.ASKED: "asked about their money",
    Transition.APPROVED: "approved",
    Transition.DENIED: "denied",
    Transition.EXPIRED: "not answered in time",
    Transition.EXTENDED: "extended",
    Transition.EXEMPTED: "exempted",
    Transition.JUDGED: "retrained model{s} judged",
    Transition.TRAINING_SKIPPED: "training{s} advised against",
}


@dataclass(frozen=True, slots=True)
class Week:
    """`key` remembers that it is told. No `lines`: nothing happened, and nothing is said.

    `graduated`: what enforce would have done, of the last `LOOK_BACK` and not of the week: what was doubtful before it
    is doubtful still.
    """

    key: str
    head: str = ""
    lines: tuple[str, ...] = ()
    graduated: tuple[Graduated, ...] = ()
    commit: str = ""
    """Whose lines they name."""

    @property
    def facts(self) -> dict[str, str]:
        """Of its message."""
        facts = {"head": self.head, "lines": "\n".join(self.lines)}
        return facts | ({"enforce": to_fact(self.graduated), "commit": self.commit} if self.graduated else {})


def due(w: Watchdog, records: Sequence[RunRecord], report: SweepReport) -> Week | None:
    """The digest of the last local week, Monday to Sunday, where it is to be said now; None: it is not.

    Once a week. `records`: the open ones.
    """
    local = w.now().astimezone(ZoneInfo(w.policy.timezone))
    wanted = w.policy.slack.weekly_digest and w.slack is not None and w.policy.mode is not Mode.OFF
    if not wanted or local.weekday() > _MADE_UP or (local.weekday() == 0 and local.hour < HOUR):
        return None
    monday = local.date() - timedelta(days=local.weekday())
    key = f"week#{monday}"
    if w.ledger.was_told(key):
        return None
    first, last = monday - timedelta(days=7), monday - timedelta(days=1)
    begin, end = (datetime.combine(day, time(), local.tzinfo).astimezone(UTC) for day in (first, monday))
    rows = [
        row for row in w.ledger.since(begin, end, report.skip) if row.origin == w.ledger.origin and row.entry.at < end
    ]
    costs = _costs(w, begin, end, report)
    lines = [*_spent(costs), *_counted(rows), *_held(records)]
    if not lines and not _would_have(rows, records):
        return Week(key)
    lines.append(own_cost_of(w.policy).sentence)
    now = w.now()
    back = look_back(w.ledger, w.account, now - LOOK_BACK, now, records, w.policy, report.skip)
    spent = show_usd(spending.total([spending.of_cost(cost) for cost in costs]).usd)
    head = f"Costwatch: the week of {first.day} {first:%b} to {last.day} {last:%b %Y}, {spent}"
    told = tuple(back.told(w.policy, w.policy.changes))
    return Week(key, head, tuple(lines), told, w.policy.config_commit)


def _costs(w: Watchdog, begin: datetime, end: datetime, report: SweepReport) -> list[RunCost]:
    found: list[RunCost] = []
    day = begin.date()
    while day <= end.date():
        found += [cost for cost in w.ledger.costs(w.account, day, report.skip) if begin <= cost.ended_at < end]
        day += timedelta(days=1)
    return found


def _spent(costs: Sequence[RunCost]) -> list[str]:
    spent = [spending.of_cost(cost) for cost in costs]
    if not spent:
        return []
    total, teams = spending.total(spent), spending.lines(spent, By.TEAM)
    unknown = f", and {total.unknown} of unknown cost" if total.unknown else ""
    wasted = f"; {show_usd(total.wasted_usd)} of it failed or was stopped" if total.wasted_usd else ""
    by_team = ", ".join(f"{team.key} {show_usd(team.usd)}" for team in teams[:_TEAMS])
    more = f", {len(teams) - _TEAMS} more: costwatch spend" if len(teams) > _TEAMS else ""
    told = [
        f"{total.runs} {'run' if total.runs == 1 else 'runs'} ended: {show_usd(total.usd)}{unknown}{wasted}",
        f"By team: {by_team}{more}",
    ]
    if total.forecast_error is not None:
        error = f"{total.forecast_error * 100:+.0f}%"
        told.append(f"Forecast {show_usd(total.forecast_usd)}, actual {show_usd(total.forecast_actual_usd)} ({error})")
    return told


def _counted(rows: Sequence[TimelineRow]) -> list[str]:
    counts = [(sum(row.entry.transition is each for row in rows), what) for each, what in _COUNTED.items()]
    told = ", ".join(f"{count} {what.format(s='' if count == 1 else 's')}" for count, what in counts if count)
    return [f"{told[:1].upper()}{told[1:]}"] if told else []


def _held(records: Sequence[RunRecord]) -> list[str]:
    held = sum(record.status is Status.HELD for record in records)
    return [f"{held} held now: costwatch status"] if held else []


def _would_have(rows: Sequence[TimelineRow], records: Sequence[RunRecord]) -> bool:
    """Whether enforce would have done anything in the week, or of what still runs."""
    held = (Transition.WOULD_HOLD, Transition.WOULD_USE_UP, Transition.WOULD_WRITE)
    if any(row.entry.transition in held or would_haves.WHICH in dict(row.entry.evidence) for row in rows):
        return True
    return any(record.would_stop_at is not None for record in records)
