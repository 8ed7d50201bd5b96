"""When a run's time is up, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from costwatch.core import durations, liveness, times
from costwatch.core.liveness import Vitals
from costwatch.core.overrides import Overrides
from costwatch.core.policy import Selector
from costwatch.core.record import Notice, RunRecord
from costwatch.core.unapproved import MoneyLimit


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the run's time is up (UTC), by which rule, and the cap nothing can pass."""

    at: datetime
    rule: str
    hard_cap_at: datetime
    evidence: str
    silent: bool = False
    """It is its silence, and not its time limit, that makes it due."""
    fell_silent: bool = False
    """It is silent and its time limit is not over, whichever of the two it goes by."""
    time_at: datetime | None = None
    """Of its money: when its time would be up. None: it is its time, or its silence."""

    @property
    def money(self) -> bool:
        """Whether it is what it spends, or the cap of a yes, that ends it."""
        return self.time_at is not None

    def is_named_by(self, notice: Notice | None) -> bool:
        """Whether `notice` warned of this: of silence, money or the time limit, and of the same moment."""
        if notice is None or notice.money is not self.money:
            return False
        return notice.deadline == self.at and notice.silent is self.silent


def deadline_of(
    start: datetime,
    selector: Selector,
    found: Overrides,
    record: RunRecord | None,
    vitals: Vitals | None,
    now: datetime,
    declared: timedelta | None = None,
    notice: Notice | None = None,
    money: MoneyLimit | None = None,
) -> Deadline:
    """The run's time limit, the end of the money that it may spend, or since when it is silent.

    `declared`: the job's own limit, which comes before the selector's where that says `max_runtime: declared`.
    `notice`: the one that is in force, whichever of them it was given for.
    """
    by_time = _by_time(start, selector, found, record, declared)
    if money is not None:
        by_time = _first(by_time, money, notice, selector.limits.min_notice, now)
    silent = _by_silence(selector, found, record, vitals, by_time.hard_cap_at)
    silent = _would_have(selector, found, record, vitals, by_time.hard_cap_at, notice) or silent
    if silent is None or now <= silent.at:
        return by_time
    held = record is not None and record.in_mass_silence
    return _sooner(by_time, silent, None if held else notice, selector.limits.min_notice, now)


def _sooner(
    by_time: Deadline, silent: Deadline, notice: Notice | None, min_notice: timedelta, now: datetime
) -> Deadline:
    """What lets a silent run be stopped first, given that each of the two needs a notice of its own.

    So a notice is not given up for another one that ends no sooner. `notice` None, as for what mass silence holds:
    silence while its time limit is not over, and then the limit, which mass silence does not hold.
    """
    if now > by_time.at:
        return silent if silent.is_named_by(notice) else by_time
    warned = notice if by_time.is_named_by(notice) else None
    if warned is not None and due_after(by_time, warned, min_notice, now) <= now + min_notice:
        return replace(by_time, fell_silent=True)
    return replace(silent, fell_silent=True)


def _first(
    by_time: Deadline, money: MoneyLimit, notice: Notice | None, min_notice: timedelta, now: datetime
) -> Deadline:
    """Of its time and its money what lets it be stopped first, given that each needs a notice of its own."""
    by_money = replace(by_time, at=_as_named(money.at, notice, min_notice, now), rule=money.rule, time_at=by_time.at)

    def stopped_after(limit: Deadline) -> datetime:
        if notice is not None and limit.is_named_by(notice):
            return due_after(limit, notice, min_notice, now)
        return max(limit.at, now + min_notice)

    return min((by_time, by_money), key=lambda limit: (stopped_after(limit), limit.at))


def _as_named(at: datetime, notice: Notice | None, min_notice: timedelta, now: datetime) -> datetime:
    """When the money is used up: as its notice named it, while another one would serve nobody.

    What a run spends an hour changes with its members, and a tuning job's do so all the time. The notice is kept while
    its time is not over (then nothing is stopped by it), and where the money is used up (then it may be); but not where
    a new one would end the run sooner by `min_notice`, or the money lasts longer by that.
    """
    if notice is None or not notice.money:
        return at
    named = notice.deadline
    sooner = max(at, now + min_notice) + min_notice <= named
    lasts = at > now if now > named else at >= named + min_notice
    return at if sooner or lasts else named


def due_after(deadline: Deadline, notice: Notice, min_notice: timedelta, now: datetime) -> datetime:
    """Stopped strictly after this (UTC): its time is up, its notice was long enough, and as late as its card said.

    What nothing has taken yet counts as if it were taken at `now`.
    """
    accepted_at = notice.accepted_at or now
    return max(deadline.at, accepted_at + min_notice, notice.stops_at or deadline.at)


def _by_time(
    start: datetime, selector: Selector, found: Overrides, record: RunRecord | None, declared: timedelta | None
) -> Deadline:
    """Deadline tag, else start + max-runtime tag, else start + the selector's; then what was granted; the hard cap."""
    hard_cap_at = start + selector.limits.hard_cap
    if found.only_hard_cap:
        at, rule = (
            hard_cap_at,
            f"hard cap {durations.short(selector.limits.hard_cap)}, a malformed tag sets no other limit",
        )
    elif found.deadline is not None:
        at, rule = found.deadline, "deadline tag"
    elif found.max_runtime is not None:
        at, rule = start + found.max_runtime, f"max-runtime tag {durations.short(found.max_runtime)}"
    elif selector.limits.declared and declared is not None:
        at, rule = start + declared, f"its own MaxRuntimeInSeconds {durations.short(declared)}"
    else:
        limit = selector.limits.max_runtime
        at, rule = start + limit, f"max_runtime {durations.short(limit)} of selector {selector.name}"
    extended_until = record.extended_until if record else None
    if extended_until is not None and extended_until > at:
        at, rule = extended_until, f"{rule}, extended"
    finishing = record.finishing if record else None
    if finishing is not None and finishing.until > at:
        at, rule = finishing.until, f"{rule}, let finish"
    if at > hard_cap_at:
        at, rule = hard_cap_at, f"hard cap {durations.short(selector.limits.hard_cap)}"
    return Deadline(at=at, rule=rule, hard_cap_at=hard_cap_at, evidence=f"started {times.to_key(start)}")


def _by_silence(
    selector: Selector, found: Overrides, record: RunRecord | None, vitals: Vitals | None, hard_cap_at: datetime
) -> Deadline | None:
    """None: silence says nothing. A malformed tag may have meant more time; an extension means that it goes on."""
    interval = found.heartbeat or selector.heartbeat
    silent_at = liveness.silent_at(vitals, interval)
    if silent_at is None or vitals is None or interval is None or found.malformed:
        return None
    asked = f"{durations.short(interval)}, {'tag' if found.heartbeat else f'selector {selector.name}'}"
    return Deadline(
        at=max(silent_at, (record.extended_until if record else None) or silent_at),
        rule=f"silent: no heartbeat since {times.to_key(vitals.last_at)} (one in {asked})",
        hard_cap_at=hard_cap_at,
        evidence=f"{vitals.beats} beats in the current run, its longest pause {durations.show(vitals.longest_gap)}",
        silent=True,
    )


def _would_have(
    selector: Selector,
    found: Overrides,
    record: RunRecord | None,
    vitals: Vitals | None,
    hard_cap_at: datetime,
    notice: Notice | None,
) -> Deadline | None:
    """The silence for which it would have been stopped, as its `notice` named it; None: there is none any more.

    It stands though the way of the beats breaks later: that puts off what is still to be said, and this was said.
    """
    stop = record.stop if record is not None and record.would_stop_at is not None else None
    if stop is None or vitals is None or notice is None or not notice.silent or stop.silent_since != vitals.last_at:
        return None
    silent = _by_silence(selector, found, record, replace(vitals, path_since=vitals.last_at), hard_cap_at)
    return replace(silent, at=notice.deadline) if silent is not None and silent.at <= notice.deadline else None


def overdue_or_soon(deadline: Deadline, now: datetime) -> str:
    """How far past the deadline `now` is, or how long before it, as one sentence."""
    if deadline.silent:
        return f"silent for {durations.show(now - deadline.at)} beyond its grace ({deadline.rule}; {deadline.evidence})"
    if now > deadline.at:
        return f"over its limit by {durations.show(now - deadline.at)} ({deadline.rule}, {deadline.evidence})"
    return f"its time is up in {durations.show(deadline.at - now)} ({deadline.rule}, {deadline.evidence})"
