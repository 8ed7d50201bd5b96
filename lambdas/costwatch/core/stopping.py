"""From the claim on a due run to the moment the world shows it stopped, as steps of its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from costwatch.core import silences, stop_event, times
from costwatch.core.deadman import Decision
from costwatch.core.messages import Audience, Message, MessageKind, about, heard
from costwatch.core.model import Run
from costwatch.core.policy import Mode
from costwatch.core.record import (
    Entry,
    Hold,
    RunRecord,
    Status,
    StopAttempt,
    Transition,
    hold_id,
)
from costwatch.core.selection import HoldCode
from costwatch.core.step import Step, decision_entry, spent_evidence, spent_text

LEASE: Final = timedelta(minutes=6)
"""Longer than the function's timeout: nobody takes over while the first may still be acting."""


def claim(
    run: Run,
    record: RunRecord,
    decision: Decision,
    *,
    owner: str,
    lease: timedelta,
    now: datetime,
    stopped_before: Iterable[str] = (),
    counted: Iterable[str] = (),
    money: Mapping[str, str] = MappingProxyType({}),
) -> Step:
    """Take the stop of a due run: in enforce it becomes `stopping` under a lease, else `would stop`.

    `stopped_before`: members that an earlier attempt ended and that are in `run` no more; they belong to this stop.
    `counted`: the cap counters of this window and day that attempts under its key count against, this one included.
    `money`: of what its money ends, what bounds that.
    """
    last = record.stop if record.stop is not None and record.stop.key == decision.key else None
    attempt = last.attempt + 1 if last is not None else 1
    spot_requests = tuple(sorted(m.spot_request_id for m in run.members if m.spot_request_id))
    stop = StopAttempt(
        key=decision.key,
        owner=owner,
        attempt=attempt,
        lease_until=now + lease,
        members=tuple(sorted({*(m.id for m in run.judged), *stopped_before})),
        spot_requests=spot_requests,
        action=decision.action,
        counted=tuple(sorted(counted)),
        silent_since=decision.vitals.last_at if decision.silent and decision.vitals is not None else None,
        money=decision.deadline.rule if decision.deadline is not None and decision.deadline.money else "",
        begun_at=begun_at(last) if last is not None and _goes_on(record) else now,
    )
    entries = [decision_entry(now, Transition.DUE, decision.reason, decision)] if attempt == 1 else []
    silence = silences.evidence(record, decision)
    if decision.mode is Mode.ENFORCE:
        # The reason of a failed attempt stays, so that the next failure for the same reason is not told again.
        hold = record.hold if record.status is Status.FAILED else None
        after = replace(record, status=Status.STOPPING, hold=hold, stop=stop, deadline=decision.deadline_at)
        reason = f"stopping {', '.join(stop.members)}" + (f", attempt {attempt}" if attempt > 1 else "")
        entries.append(
            decision_entry(
                now, Transition.STOPPING, reason, decision, spot_requests=", ".join(spot_requests), **silence, **money
            )
        )
        return Step(record, after, tuple(entries))
    after = replace(
        record,
        status=Status.WOULD_STOP,
        hold=None,
        stop=stop,
        would_stop_at=now,
        would_stop_spent_usd=record.spent_usd(now),
        deadline=decision.deadline_at,
    )
    reason = f"would have been stopped: {decision.reason}"
    spent = spent_text(record, now)
    entries.append(decision_entry(now, Transition.WOULD_STOP, reason, decision, spent_usd=spent, **silence, **money))
    messages: tuple[Message, ...] = ()
    if heard(decision.mode):
        version = record.version + 1
        messages = (about(after, MessageKind.WOULD_STOP, Audience.OWNER, version=version, reason=decision.reason),)
    return Step(record, after, tuple(entries), messages)


def begun_at(stop: StopAttempt) -> datetime:
    """When its first attempt was claimed, UTC; of a row of before, what it shows of its last one."""
    return stop.begun_at or stop.requested_at or stop.lease_until - LEASE


def _goes_on(record: RunRecord) -> bool:
    """Whether another attempt is the same stop going on: the run was not spared since, warned anew, or capped."""
    if record.status is Status.HELD:
        return record.hold is not None and not record.hold.code.waits_for_release
    return record.status in (Status.STOPPING, Status.FAILED)


def stood_down(record: RunRecord, decision: Decision, now: datetime) -> Step:
    """The last look before the act changed the decision: give the claim back."""
    status = Status.WARNED if record.notice is not None else Status.RUNNING
    released = replace(record.stop, lease_until=now) if record.stop else None
    after = replace(record, status=status, stop=released, hold=None, deadline=decision.deadline_at)
    reason = f"looked once more before the act: {decision.reason}"
    return Step(record, after, (decision_entry(now, Transition.STANDS_DOWN, reason, decision),))


def given_up(record: RunRecord, reason: str, now: datetime) -> Step:
    """What was claimed is not there as it was: give the claim back; the next sweep judges what it finds."""
    released = replace(record.stop, lease_until=now) if record.stop else None
    status = Status.WARNED if record.notice is not None else Status.RUNNING
    entry = Entry(now, Transition.STANDS_DOWN, reason, mode=record.mode.value)
    return Step(record, replace(record, status=status, stop=released, hold=None), (entry,))


def stop_requested(record: RunRecord, now: datetime, *, seen: str) -> Step:
    """The world shows every member stopping or gone, as `seen` says: owner and pipelines are told."""
    assert record.stop is not None  # noqa: S101 - only a claimed record gets here
    # Stopping, also where an attempt had failed: what is verified next is the same whoever ended it.
    after = replace(record, status=Status.STOPPING, hold=None, stop=replace(record.stop, requested_at=now))
    order = record.order_of(record.stop.key)
    entry = Entry(now, Transition.STOP_REQUESTED, seen, mode=record.mode.value, evidence=spent_evidence(record, now))
    message = about(
        after,
        MessageKind.STOPPED,
        Audience.OWNER,
        version=record.version + 1,
        seen=seen,
        action=record.stop.action.value,
        stopped_at=times.to_text(now),
        asked=order.sentence if order is not None else "",
        money=record.stop.money,
        **_why_facts(record, record.stop),
    )
    event = stop_event.of(after, seen=seen, at=now, version=record.version + 1)
    return Step(record, after, (entry,), (message, event))


def _why_facts(record: RunRecord, stop: StopAttempt) -> dict[str, str]:
    """What a card says of why it was due: its silence, or what had moved the time that was up."""
    finishing = record.finishing.until if record.finishing is not None else None
    moments = {
        "silent_since": stop.silent_since,
        "extended_until": record.extended_until,
        "let_finish_until": finishing if finishing == record.deadline else None,
    }
    return {name: times.to_text(moment) for name, moment in moments.items() if moment is not None}


def failed(record: RunRecord, reason: str, now: datetime) -> Step | None:
    """The stop did not succeed: tried again by the next sweep, told again only when the reason changes."""
    hold = Hold(
        hold_id(record.stop.key if record.stop else "", HoldCode.UNPROVABLE),
        HoldCode.UNPROVABLE,
        reason,
        record.hold.since if record.hold else now,
        record.stop.key if record.stop else "",
    )
    told = record.hold is not None and record.hold.reason == reason
    released = replace(record.stop, lease_until=now) if record.stop else None
    after = replace(record, status=Status.FAILED, hold=hold, stop=released)
    if told and record.status is Status.FAILED:
        return None
    entries = () if told else (Entry(now, Transition.FAILED, reason, mode=record.mode.value),)
    messages = (
        ()
        if told
        else (about(after, MessageKind.FAILED, Audience.PLATFORM, version=record.version + 1, reason=reason),)
    )
    return Step(record, after, entries, messages)


def gone_once(record: RunRecord, now: datetime) -> Step:
    """First verification that nothing is left; a later sweep looks again before it is final."""
    assert record.stop is not None  # noqa: S101 - only a stopped record gets here
    return Step(record, replace(record, stop=replace(record.stop, gone_since=now)), ())
