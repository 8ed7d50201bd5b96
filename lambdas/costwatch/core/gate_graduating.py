"""What the approval gate would have done in enforce, threshold by threshold: who would have waited, and for what. Pure.

In observe and warn everything goes on. What would have waited at the gate stands in the timeline, and so does a run
that somebody would have been asked about; in warn people are really asked about runs, and how long they took is known.

A case is doubtful where a wait might have become a no that nobody meant: its price was not known; nobody answered the
question that was asked, or nobody yet; there was no working hour to answer in; or it would have been stopped, since its
money was used up before anybody had said yes. While one is left nobody is advised to enforce: see `changes.advice`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from costwatch.core import durations
from costwatch.core.approvals import Approval, State
from costwatch.core.changes import Advice, Change, advice
from costwatch.core.modes import Mode
from costwatch.core.money import show_usd
from costwatch.core.policy import Tier
from costwatch.core.record import Entry, Transition

_ABOVE, _JUDGED = "above_usd", "judged_usd"
_BEGINS, _ENDS = time(9), time(18)
_SATURDAY: Final = 5


class Doubt(StrEnum):
    """Why a wait might have become a no that nobody meant; for people, as a clause."""

    UNPRICED = "without a known price"
    NO_ANSWER = "asked about, and not answered in time"
    WAITS = "still waiting for an answer"
    AT_NIGHT = "without a working hour to answer in"
    STOPPED = "would have been stopped without a yes"


@dataclass(frozen=True, slots=True)
class Case:
    """One that would have waited. `at`: when it came, UTC. `usd`: what was held against the threshold; None: unknown.

    `above_usd` None: a row of before it was kept. `took`: until a person answered, where people were really asked.
    """

    at: datetime
    about: str
    name: str
    above_usd: Decimal | None
    usd: Decimal | None
    reason: str
    answer: State | None = None
    took: timedelta | None = None
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class TierGraduation:
    """All cases of one threshold, oldest first."""

    above_usd: Decimal | None
    cases: tuple[Case, ...] = ()

    @property
    def name(self) -> str:
        return f"above {show_usd(self.above_usd)}" if self.above_usd is not None else "above a threshold of before"

    @property
    def held_usd(self) -> Decimal:
        """What would have been held back until a yes, as far as it is known."""
        return sum((case.usd for case in self.cases if case.usd is not None), Decimal(0))

    @property
    def sentence(self) -> str:
        """`above $100.00: 7 would have waited, with $2,310.00; 3 asked about: 2 approved, 1 denied, ...`."""
        if not self.cases:
            return f"{self.name}: nothing would have waited"
        told = [f"{self.name}: {len(self.cases)} would have waited, and {show_usd(self.held_usd)} with them"]
        asked = [case.answer for case in self.cases if case.answer is not None]
        if asked:
            counted = ", ".join(f"{asked.count(state)} {state.value}" for state in State if state in asked)
            told.append(f"people were asked about {len(asked)}: {counted}")
        took = [case.took for case in self.cases if case.took is not None]
        if took:
            seconds = median(each.total_seconds() for each in took)
            longest = f", at most {durations.show(max(took))}" if len(took) > 1 else ""
            told.append(f"an answer took {durations.show(timedelta(seconds=seconds))}{longest}")
        return "; ".join(told)


@dataclass(frozen=True, slots=True)
class GateGraduation:
    """All thresholds, the lowest first: they have one mode, and one line makes all of them enforce."""

    tiers: tuple[TierGraduation, ...] = ()

    @property
    def cases(self) -> tuple[Case, ...]:
        return tuple(case for tier in self.tiers for case in tier.cases)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What somebody has to look at before it enforces, a clause each."""
        found = [doubt for case in self.cases for doubt in case.doubts]
        return tuple(f"{found.count(doubt)} {doubt.value}" for doubt in Doubt if doubt in found)

    def advice(self, mode: Mode | None, change: Change | None) -> Advice:
        """Whether to enforce, and the line that does it."""
        setting = "mode: enforce under approval"
        return advice(mode, change, seen=bool(self.cases), doubts=self.doubts, setting=setting)


def evidence(tier: Tier | None, usd: Decimal | None) -> dict[str, str]:
    """For the entry of what would have waited: the threshold, and what was held against it, `unknown` or USD."""
    above = {_ABOVE: f"{tier.above_usd:f}"} if tier is not None else {}
    return {**above, _JUDGED: f"{usd:.2f}" if usd is not None else "unknown"}


def graduation(
    lines: Iterable[tuple[str, Entry]],
    asked: Iterable[Approval],
    *,
    tiers_usd: Sequence[Decimal],
    answer_within: timedelta,
    zone: ZoneInfo,
) -> GateGraduation:
    """From the timeline (about, entry; oldest first) and the questions that people were asked in warn.

    `tiers_usd`: today's thresholds, shown also without a case. `answer_within`: today's, for whatever was not asked.
    """
    cases: list[Case] = []
    latest: dict[str, int] = {}  # a run that is started again would have waited again
    for about, entry in lines:
        if entry.transition is Transition.WOULD_HOLD:
            latest[about] = len(cases)
            cases.append(_would_hold(about, entry, answer_within, zone))
        elif entry.transition is Transition.WOULD_USE_UP and about in latest:
            case = cases[latest[about]]
            cases[latest[about]] = replace(case, doubts=(*case.doubts, Doubt.STOPPED))
    cases += [_asked(each, zone) for each in asked if each.mode is Mode.WARN]
    cases.sort(key=lambda case: (case.at, case.about))
    others = {case.above_usd for case in cases if case.above_usd is not None} - set(tiers_usd)
    thresholds: list[Decimal | None] = [*sorted({*tiers_usd, *others})]
    thresholds += [None] if any(case.above_usd is None for case in cases) else []
    return GateGraduation(
        tuple(TierGraduation(above, tuple(case for case in cases if case.above_usd == above)) for above in thresholds)
    )


def has_working_hour(begin: datetime, end: datetime, zone: ZoneInfo) -> bool:
    """Whether anything between `begin` and `end` (exclusive) is from 9 to 18 o'clock, Monday to Friday, in `zone`."""
    first, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    for n in range(min((last - first).days, 7) + 1):
        day = first + timedelta(days=n)
        opens, closes = (datetime.combine(day, each, zone) for each in (_BEGINS, _ENDS))
        if day.weekday() < _SATURDAY and begin < closes and opens < end:
            return True
    return False


def _would_hold(about: str, entry: Entry, answer_within: timedelta, zone: ZoneInfo) -> Case:
    facts = dict(entry.evidence)
    usd = _usd(facts.get(_JUDGED, ""))
    unpriced = usd is None and (
        _JUDGED in facts or "unknown" in (facts.get("expected_usd"), facts.get("worst_case_usd"))
    )
    doubts = [Doubt.UNPRICED] if unpriced else []
    doubts += [] if has_working_hour(entry.at, entry.at + answer_within, zone) else [Doubt.AT_NIGHT]
    name = facts.get("name") or about.split("/", 3)[-1]
    above = _usd(facts.get(_ABOVE, ""))
    return Case(entry.at, about, name, above, usd, entry.reason, doubts=tuple(doubts))


def _asked(each: Approval, zone: ZoneInfo) -> Case:
    answered = each.state in (State.APPROVED, State.DENIED) and each.answer is not None
    doubts = [Doubt.UNPRICED] if each.asked.judged_usd is None else []
    doubts += [Doubt.NO_ANSWER] if each.state is State.EXPIRED else []
    doubts += [Doubt.WAITS] if each.state is State.PENDING else []
    if not answered and not has_working_hour(each.asked_at, each.answer_by, zone):
        doubts.append(Doubt.AT_NIGHT)
    return Case(
        at=each.asked_at,
        about=each.source or each.id,
        name=each.asked.name,
        above_usd=each.asked.above_usd,
        usd=each.asked.judged_usd,
        reason=f"people were asked: {each.state.value}",
        answer=each.state,
        took=each.answer.at - each.asked_at if answered and each.answer is not None else None,
        doubts=tuple(doubts),
    )


def _usd(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None
