"""Would a run of the past have been stopped? The sweep's own judge, asked as of the moment when it was over. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from costwatch.core import deadman, overrides
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.model import Run
from costwatch.core.policy import Mode, Policy
from costwatch.preview.history import PastRun, known_total


class Fate(StrEnum):
    """What would have become of a run that went over its limit."""

    STOPPED = "stopped"
    WARNED = "only warned"
    """Its selector's mode is warn, or it was over before its notice was."""
    HELD = "held"
    """Something protects it: it would have been reported, not stopped."""


@dataclass(frozen=True, slots=True)
class Over:
    """A run that went past its limit (strictly: exactly at it is not over). USD; None: unknown."""

    past: PastRun
    fate: Fate
    limit: timedelta
    rule: str
    """Which rule gave the limit, as a sentence's part."""
    selector: str
    deadline: datetime
    ended: datetime
    usd_before: Decimal | None
    """Spent up to the limit, or up to the end of its notice: the work that a stop would have thrown away."""
    usd_after: Decimal | None
    """Billed after that: what a stop would have ended."""
    held_by: str = ""

    @property
    def over_by(self) -> timedelta:
        return self.ended - self.deadline

    @property
    def destroyed_usd(self) -> Decimal | None:
        """0 where it did not finish: nothing was there to be lost."""
        return self.usd_before if self.past.finished else Decimal(0)

    @property
    def saved_usd(self) -> Decimal | None:
        """0 where it finished: whoever wants its result would have paid for it all again."""
        return Decimal(0) if self.past.finished else self.usd_after


@dataclass(frozen=True, slots=True)
class Balance:
    """Of all that would have been stopped. USD; `unknown` of them cost an unknown amount and are in no sum."""

    runs: int
    finished: int
    destroyed_usd: Decimal
    checkpoints: int
    """Of those that finished so many wrote checkpoints: they would have lost less."""
    failed: int
    saved_usd: Decimal
    unknown: int

    @property
    def net_usd(self) -> Decimal:
        return self.saved_usd - self.destroyed_usd


@dataclass(frozen=True, slots=True)
class Judged:
    """`over`: dearest after its limit first. `within`: also what never started.

    `off`: over no limit, since no selector picks them or theirs is off.
    """

    over: tuple[Over, ...]
    within: int
    off: int
    unended: int
    """Still in progress: judged with today's fleet."""

    def of(self, fate: Fate) -> list[Over]:
        return [each for each in self.over if each.fate is fate]

    @property
    def balance(self) -> Balance:
        stopped = self.of(Fate.STOPPED)
        finished = [each for each in stopped if each.past.finished]
        failed = [each for each in stopped if not each.past.finished]
        destroyed, unknown_destroyed = known_total(each.destroyed_usd for each in finished)
        saved, unknown_saved = known_total(each.saved_usd for each in failed)
        return Balance(
            runs=len(stopped),
            finished=len(finished),
            destroyed_usd=destroyed,
            checkpoints=sum(each.past.checkpoints for each in finished),
            failed=len(failed),
            saved_usd=saved,
            unknown=unknown_destroyed + unknown_saved,
        )


def judge(runs: Iterable[PastRun], policy: Policy) -> Judged:
    """Judge every run of the past by `policy`, whatever is in enforce today."""
    over: list[Over] = []
    within = off = unended = 0
    for past in runs:
        if not past.is_over:
            unended += 1
            continue
        if past.ended is None:
            within += 1
            continue
        decision = _decision(past, policy, past.ended)
        if decision.verdict is Verdict.IGNORE:
            off += 1
        elif (found := _over(past, decision, past.ended)) is not None:
            over.append(found)
        else:
            within += 1
    over.sort(key=lambda each: (each.usd_after is not None, -(each.usd_after or Decimal(0)), each.past.run.id))
    return Judged(tuple(over), within, off, unended)


def _decision(past: PastRun, policy: Policy, ended: datetime) -> Decision:
    run = _as_it_ran(past.run)
    # A reason in the exempt tag counts from when it is first seen, which would have been at its start.
    seen = {tag.value: run.start or ended for tag in overrides.read(run, policy.tags).exempt}
    return deadman.judge(run, None, policy, None, ended, seen)


def _as_it_ran(run: Run) -> Run:
    """The run a moment before its end: in progress, and not just then uploading."""
    return replace(run, members=tuple(replace(m, state="InProgress", phase="", ended_at=None) for m in run.members))


def _over(past: PastRun, decision: Decision, ended: datetime) -> Over | None:
    deadline, start, selector = decision.deadline, decision.start, decision.selector
    kept = decision.verdict in (Verdict.KEEP, Verdict.FINISH)
    if deadline is None or start is None or selector is None or kept or ended <= deadline.at:
        return None
    held = decision.verdict is Verdict.HOLD
    limits = selector.limits
    # Nobody is stopped unwarned: between the notice, at its start at the earliest, and the stop lies min_notice.
    stops_at = max(deadline.at, max(start, deadline.at - limits.warn_before) + limits.min_notice)
    warned = selector.mode is Mode.WARN or ended <= stops_at
    at = deadline.at if held or warned else stops_at
    after, spent = past.usd_after(at), past.usd_after(start)
    return Over(
        past=past,
        fate=Fate.HELD if held else Fate.WARNED if warned else Fate.STOPPED,
        limit=deadline.at - start,
        rule=deadline.rule,
        selector=selector.name,
        deadline=deadline.at,
        ended=ended,
        usd_before=spent - after if spent is not None and after is not None else None,
        usd_after=after,
        held_by=decision.reason.partition(", held: ")[2] if held else "",
    )
