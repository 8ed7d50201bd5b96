"""The ladder as data: from a record and a decision to the next record, its timeline entries and messages.

running -> warned -> due -> stopping -> final; or held, failed, came back. Nothing here writes or sends:
a step is saved by one conditional write, so of two sweeps only one takes it, and it is told once.
The climb to due is here; `stopping` goes on from the claim, `endings` closes the record.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from costwatch.core import durations, liveness, spending, times, unapproved_told, would_haves
from costwatch.core.consent import open_question
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.forecast import Forecast
from costwatch.core.held_by_caps import WAITS
from costwatch.core.messages import Audience, Message, MessageKind, about, heard
from costwatch.core.model import Run
from costwatch.core.money import Burn, show_usd, spent_usd
from costwatch.core.policy import Policy
from costwatch.core.record import (
    Entry,
    Hold,
    Notice,
    RunRecord,
    Status,
    Transition,
    exemption_of,
    hold_id,
    members_seen,
)
from costwatch.core.selection import HoldCode
from costwatch.core.step import Step, decision_entry, spent_evidence

_MALFORMED_PER_STEP = 20
"""The next sweep goes on: a transaction takes at most 100 writes."""


def observe(
    run: Run,
    record: RunRecord | None,
    decision: Decision,
    *,
    policy: Policy,
    origin: str,
    burn: Burn,
    now: datetime,
    previous: RunRecord | None = None,
    forecast: Forecast | None = None,
    moved: frozenset[str] = frozenset(),
) -> Step | None:
    """Apply every verdict but STOP (see `claim`). None: nothing worth a write changed.

    `previous`: the record of an episode that is over, since the run has started anew; `record` is then what
    `restarted` made of it, and takes its place. `forecast`: where the record has none yet.
    `moved`: members that another open run has counted until now.
    """
    before = previous or record
    after, entries = _seen(
        run, record, decision, policy=policy, origin=origin, burn=burn, now=now, forecast=forecast, moved=moved
    )
    if previous is not None:
        reason, spent = f"{_started_anew(run, previous)}; restart {after.restarts}", spent_evidence(previous, now)
        spent += _closed_by_restart(run, previous)
        again = Entry(now, Transition.SUPERSEDED, reason, mode=previous.mode.value, evidence=spent)
        first = decision_entry(now, Transition.FIRST_SEEN, decision.reason, decision, clock=after.clock_evidence)
        entries = [again, first, *entries]
    messages: list[Message] = []
    version = (before.version if before else 0) + 1

    after = _malformed(after, decision, now, version, entries, messages)
    after = _stalled(after, decision, now, version, entries, messages)
    after = unapproved_told.told(after, decision, policy.approval, now, version, entries, messages)
    match decision.verdict:
        case Verdict.WARN:
            after, warned, message = _warned(after, decision, now, version)
            entries.append(warned)
            messages.extend([message] if message else [])
        case Verdict.HOLD:
            held, entry, message = _held(after, decision, now, version)
            if held != after.hold or after.status is not Status.HELD:
                after = replace(after, status=Status.HELD, hold=held)
                entries.extend([entry] if entry else [])
                messages.extend([message] if message else [])
            if held.code is HoldCode.MASS_SILENCE:
                after = replace(after, capped_key=decision.key, capped_for_silence=True)
        case Verdict.FINISH:
            after, entry, message = _let_finish(after, decision, now, version)
            entries.append(entry)
            messages.extend([message] if message else [])
        case Verdict.WAIT:
            # What only held it for a while forgets neither its notice nor that it would have been stopped.
            waiting = Status.WARNED if after.would_stop_at is None else Status.WOULD_STOP
            if after.status is not waiting:
                after = replace(after, status=waiting, hold=None)
                entries.append(decision_entry(now, Transition.STANDS_DOWN, decision.reason, decision))
        case Verdict.KEEP:
            if after.status is not Status.RUNNING:
                reason = f"{decision.reason}{_would_have_been_wrong(after, now)}"
                truth = _stood_down(after, now)
                after = replace(after, status=Status.RUNNING, hold=None, notice=None, would_stop_at=None)
                entries.append(decision_entry(now, Transition.STANDS_DOWN, reason, decision, **truth))
        case _:
            pass
    if decision.voids_notice and after.notice is not None:
        after = replace(after, notice=None)
    if decision.deadline is not None and now <= decision.deadline.at and all(m.tags is not None for m in run.members):
        # Not overdue, and not only for tags that cannot be read: what held it is over, and what was released was then.
        after = replace(after, capped_key="", capped_for_silence=False, released_key="")
    if after == before and not entries:
        return None
    return Step(before, after, tuple(entries), tuple(messages))


def _started_anew(run: Run, previous: RunRecord) -> str:
    """How the episode ended. A would-have is closed with what really happened."""
    if run.start is None:
        return "it has not started again yet"
    at = times.to_key(run.start)
    if previous.would_stop_at is None:
        return f"started anew at {at}"
    later = max(run.start - previous.would_stop_at, timedelta(0))
    more = show_usd(spent_usd(previous.hourly_rate_usd, later))
    return f"started anew {durations.show(later)} later, at {at}: it had burned at most {more} more"


def _closed_by_restart(run: Run, previous: RunRecord) -> tuple[tuple[str, str], ...]:
    """A would-have that ends with a new start: what it burned until then is all that a stop would have saved."""
    if previous.would_stop_at is None or run.start is None:
        return ()
    later = max(run.start - previous.would_stop_at, timedelta(0))
    more = spent_usd(previous.hourly_rate_usd, later)
    if run.id.kind.service.is_sagemaker:
        return would_haves.closed_evidence(would_haves.RAN_ON, more)
    return would_haves.doubtful_evidence(more, previous.spent_by_would_stop_usd)


def _stood_down(record: RunRecord, now: datetime) -> dict[str, str]:
    """What ends a would-have that begins anew or not at all, on the entry that says why: none may merely vanish."""
    if record.would_stop_at is None:
        return {}
    spent, by_then = record.spent_usd(now), record.spent_by_would_stop_usd
    more = max(spent - by_then, Decimal(0)) if spent is not None and by_then is not None else None
    return {"name": record.name, **dict(would_haves.closed_evidence(would_haves.STOOD_DOWN, more))}


def _would_have_been_wrong(record: RunRecord, now: datetime) -> str:
    """How a would-have ends whose run is not due any more, as one that beats again is not; empty: there was none."""
    if record.would_stop_at is None:
        return ""
    later = durations.show(max(now - record.would_stop_at, timedelta(0)))
    return f"; it would have been stopped {later} ago, at {times.to_key(record.would_stop_at)}, and runs on"


def restarted(record: RunRecord, now: datetime) -> RunRecord:
    """The record with which a new episode begins: clock, notice and extensions anew; an exemption lasts to its end."""
    return replace(
        record,
        status=Status.RUNNING,
        start=None,
        deadline=None,
        time_limit=None,
        first_seen_at=now,
        members=(),
        notice=None,
        hold=None,
        released_key="",
        capped_key="",
        capped_for_silence=False,
        extensions=(),
        finishing=None,
        heard=None,
        stalled_told=None,
        malformed_told=(),
        order=None,
        stop=None,
        would_stop_at=None,
        would_stop_spent_usd=None,
        rate_since=None,
        spent_before_usd=None,
        forecast=None,
        restarts=record.restarts + 1,
        lowered_since=None,
        consent=None,
    )


def capped(record: RunRecord, decision: Decision, cap: str, now: datetime) -> Step | None:
    """A cap was reached: hold until somebody releases it. None when it is held for that already."""
    reason = f"more is due than {cap} allows{WAITS}"
    held = replace(decision, verdict=Verdict.HOLD, hold=HoldCode.CAP, reason=reason)
    version = record.version + 1
    hold, entry, message = _held(record, held, now, version)
    if hold == record.hold:
        return None
    after = replace(record, status=Status.HELD, hold=hold, capped_key=decision.key, capped_for_silence=False)
    return Step(record, after, (entry,) if entry else (), (message,) if message else ())


def unwatched(record: RunRecord, why: str, now: datetime) -> Step | None:
    """Nothing watches it now: what was granted or held stays, what was warned is void. None: no notice, no hold."""
    if (record.notice is None and record.hold is None) or record.status is Status.STOPPING:
        return None
    after = replace(record, status=Status.RUNNING, notice=None, hold=None, would_stop_at=None)
    reason = f"{why}; when it is watched again it is warned anew"
    evidence = tuple(_stood_down(record, now).items())
    return Step(record, after, (Entry(now, Transition.STANDS_DOWN, reason, mode=record.mode.value, evidence=evidence),))


def notice_dropped(record: RunRecord | None, message: Message) -> Step | None:
    """Its warning is not sent, so its notice is no notice. None: the record no longer waits for this one."""
    notice = record.notice if record is not None else None
    if record is None or notice is None or notice.id != message.facts.get("notice") or notice.accepted_at is not None:
        return None
    return Step(record, replace(record, notice=None), ())


def notice_accepted(record: RunRecord, message: Message, *, via: str, stops_at: datetime, now: datetime) -> Step | None:
    """The step that lets a notice count from `now`; None when the record no longer waits for this notice."""
    notice = record.notice
    if message.kind is not MessageKind.WARNING or notice is None or notice.id != message.facts.get("notice"):
        return None
    accepted = replace(notice, accepted_at=now, via=via, stops_at=stops_at)
    reason = f"notice accepted for delivery by {via}; not stopped before {times.to_key(stops_at)}"
    entry = Entry(now, Transition.NOTICE_ACCEPTED, reason, mode=record.mode.value, evidence=(("message", message.id),))
    return Step(record, replace(record, notice=accepted), (entry,))


def _seen(
    run: Run,
    record: RunRecord | None,
    decision: Decision,
    *,
    policy: Policy,
    origin: str,
    burn: Burn,
    now: datetime,
    forecast: Forecast | None,
    moved: frozenset[str],
) -> tuple[RunRecord, list[Entry]]:
    """The record with what this sweep sees of the run, before the verdict is applied."""
    members = members_seen(run, record)
    entries: list[Entry] = []
    selector = decision.selector.name if decision.selector else ""
    if record is None:
        evidence = clock_evidence(run)
        record = RunRecord(
            run_id=run.id,
            origin=origin,
            version=0,
            status=Status.RUNNING,
            mode=decision.mode,
            selector=selector,
            start=decision.start,
            deadline=decision.deadline_at,
            first_seen_at=now,
            name=run.name,
            owner=run.tag(policy.tags.owner) or "",
            team=run.tag(policy.tags.team) or "",
            members=members,
            capacity=tuple(sorted(run.capacity.items())),
            clock_evidence=evidence,
            hourly_rate_usd=burn.hourly_rate_usd,
            price_note=burn.note,
        )
        if run.id.kind.has_children:
            # What children of before it was first seen had cost is not known any more.
            began = [c.clock.running_since for c in run.children if c.clock.running_since is not None]
            record = replace(record, rate_since=min(began, default=now), spent_before_usd=Decimal(0))
        cast = {"forecast": forecast.sentence} if forecast is not None else {}
        entries.append(decision_entry(now, Transition.FIRST_SEEN, decision.reason, decision, clock=evidence, **cast))
    elif record.mode is not decision.mode:
        reason = f"mode {record.mode.value} -> {decision.mode.value}: it is warned anew before anything is stopped"
        entries.append(decision_entry(now, Transition.MODE_CHANGED, reason, decision, **_stood_down(record, now)))
        record = replace(
            record,
            mode=decision.mode,
            status=Status.RUNNING,
            notice=None,
            hold=None,
            would_stop_at=None,
            released_key="",
            malformed_told=(),
        )
    record = spending.kept_up(record, run, burn, now, moved)
    if all(m.tags is not None for m in run.members):
        # Tags may arrive after the instance, and owners change: a warning goes to who it is now.
        tags = policy.tags
        owner, team, project, model = (run.tag(k) or "" for k in (tags.owner, tags.team, tags.project, tags.model))
        record = replace(record, name=run.name, owner=owner, team=team, project=project, model=model)
    return replace(
        record,
        selector=selector,
        start=decision.start,
        deadline=decision.deadline_at,
        time_limit=decision.deadline.time_at if decision.deadline is not None else None,
        members=members,
        capacity=tuple(sorted(run.capacity.items())),
        clock_evidence=clock_evidence(run),
        heard=run.heard or record.heard,
        exempt_tags=decision.exempt_tags,
        exemption=exemption_of(run, record, now),
        forecast=forecast or record.forecast,
    ), entries


def _malformed(
    record: RunRecord, decision: Decision, now: datetime, version: int, entries: list[Entry], messages: list[Message]
) -> RunRecord:
    """Every malformed tag is recorded and told once, by its key and value."""
    hard_cap_at = times.to_text(decision.deadline.hard_cap_at) if decision.deadline else ""
    fresh = [tag for tag in decision.malformed if tag.told_key not in record.malformed_told]
    for tag in fresh[:_MALFORMED_PER_STEP]:
        record = replace(record, malformed_told=(*record.malformed_told, tag.told_key))
        entries.append(decision_entry(now, Transition.MALFORMED_TAG, f"tag {tag.key}: {tag.problem}", decision))
        if heard(decision.mode):
            message = about(
                record,
                MessageKind.MALFORMED_TAG,
                Audience.OWNER,
                version=version,
                detail=str(len(record.malformed_told)),
                tag=tag.key,
                problem=tag.problem,
                hard_cap_at=hard_cap_at,
            )
            messages.append(message)
    return record


def _stalled(
    record: RunRecord, decision: Decision, now: datetime, version: int, entries: list[Entry], messages: list[Message]
) -> RunRecord:
    """A step that no longer advances is told once, and changes nothing else."""
    since = decision.stalled_since
    if since is None or since == record.stalled_told:
        return record
    record = replace(record, stalled_told=since)
    reason = f"{liveness.steps_text(decision.vitals)} since {times.to_key(since)}: it beats and does not advance"
    entries.append(decision_entry(now, Transition.STALLED, reason, decision))
    if heard(decision.mode):
        facts = _vitals_facts(decision)
        messages.append(
            about(
                record,
                MessageKind.STALLED,
                Audience.OWNER,
                version=version,
                stalled_since=times.to_text(since),
                **facts,
            )
        )
    return record


def _let_finish(
    record: RunRecord, decision: Decision, now: datetime, version: int
) -> tuple[RunRecord, Entry, Message | None]:
    finishing = decision.finishing
    assert finishing is not None  # noqa: S101 - a FINISH verdict says what is given
    after = replace(
        record,
        status=Status.RUNNING,
        finishing=finishing,
        deadline=finishing.until,
        notice=None,
        hold=None,
        would_stop_at=None,
    )
    entry = decision_entry(
        now,
        Transition.LET_FINISH,
        decision.reason,
        decision,
        expected=times.to_key(finishing.expected_at),
        until=times.to_key(finishing.until),
        **_stood_down(record, now),
    )
    if not heard(decision.mode):
        return after, entry, None
    message = about(
        after,
        MessageKind.LET_FINISH,
        Audience.OWNER,
        version=version,
        limit=times.to_text(decision.deadline_at or now),
        expected_at=times.to_text(finishing.expected_at),
        until=times.to_text(finishing.until),
        **_vitals_facts(decision),
    )
    return after, entry, message


def _vitals_facts(decision: Decision) -> dict[str, str]:
    """What a card says of the run's heartbeats; nothing where it sends none."""
    vitals = decision.vitals
    if vitals is None:
        return {}
    saved_at = vitals.checkpoint_at
    return {
        "last_beat_at": times.to_text(vitals.last_at),
        "progress": liveness.steps_text(vitals),
        "checkpoint_at": times.to_text(saved_at) if saved_at else "",
    }


def _warned(
    record: RunRecord, decision: Decision, now: datetime, version: int
) -> tuple[RunRecord, Entry, Message | None]:
    assert decision.deadline is not None  # noqa: S101 - nothing is warned without a deadline
    assert decision.selector is not None  # noqa: S101
    if decision.changed:
        # What was released, or capped, was another run than this.
        record = replace(record, released_key="", capped_key="", capped_for_silence=False)
    notice = Notice(
        id=f"notice#{times.to_text(now)}#{version}",
        mode=decision.mode,
        deadline=decision.deadline.at,
        requested_at=now,
        owner=record.owner,
        members=record.members,
        action=decision.action,
        silent=decision.silent,
        money=decision.deadline.money,
    )
    stood_down = _stood_down(record, now)
    if not heard(decision.mode):
        stops_at = stops_at_earliest(decision.deadline.at, decision.selector.limits.min_notice, now)
        notice = replace(notice, accepted_at=now, via="simulation", stops_at=stops_at)
        after = replace(record, status=Status.WARNED, notice=notice, hold=None, would_stop_at=None)
        reason = f"would be warned: {decision.reason}"
        return after, decision_entry(now, Transition.WARNED, reason, decision, **stood_down), None
    after = replace(record, status=Status.WARNED, notice=notice, hold=None, would_stop_at=None)
    message = about(
        after,
        MessageKind.WARNING,
        Audience.OWNER,
        version=version,
        notice=notice.id,
        action=decision.action.value,
        rule=decision.deadline.rule,
        reason=decision.reason,
        changed=decision.changed,
        outdated=times.to_text(decision.outdated) if decision.outdated else "",
        silent="yes" if decision.silent else "",
        money="yes" if decision.deadline.money else "",
        approval=open_question(record.consent) if decision.deadline.money else "",
        **_vitals_facts(decision),
        min_notice_seconds=str(int(decision.selector.limits.min_notice.total_seconds())),
        hard_cap_at=times.to_text(decision.deadline.hard_cap_at),
    )
    return after, decision_entry(now, Transition.WARNED, decision.reason, decision, **stood_down), message


def stops_at_earliest(deadline: datetime, min_notice: timedelta, now: datetime) -> datetime:
    """The time a card names: deadline or end of notice, whichever is later, up to the next full minute."""
    at = max(deadline, now + min_notice)
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


def _held(
    record: RunRecord, decision: Decision, now: datetime, version: int
) -> tuple[Hold, Entry | None, Message | None]:
    assert decision.hold is not None  # noqa: S101 - a HOLD verdict names its code
    before = record.hold
    if before is not None and (before.code, before.reason, before.key) == (
        decision.hold,
        decision.reason,
        decision.key,
    ):
        return before, None, None
    hold = Hold(hold_id(decision.key, decision.hold), decision.hold, decision.reason, now, decision.key)
    if before is not None and _told_already(record, before, hold):
        kept = replace(before, reason=hold.reason, key=hold.key)
        news = decision_entry(now, Transition.HELD, hold.reason, decision, hold=kept.id, code=kept.code.value)
        return kept, news if kept.reason != before.reason else None, None
    entry = decision_entry(now, Transition.HELD, decision.reason, decision, hold=hold.id, code=hold.code.value)
    message = None
    if heard(decision.mode) and hold.code is not HoldCode.MASS_SILENCE:  # that is one message about all of them
        after = replace(record, hold=hold)
        message = about(
            after,
            MessageKind.HELD,
            Audience.PLATFORM,
            version=version,
            hold=hold.id,
            code=hold.code.value,
            reason=hold.reason,
            silent="yes" if decision.silent else "",
        )
    return hold, entry, message


def _told_already(record: RunRecord, before: Hold, hold: Hold) -> bool:
    """Whether it is the hold that was told, by its code: its sentence may name another member, or a start that moved.

    What waits for a release waits for one of its own, and that a stop failed tells of no hold.
    """
    return record.status is Status.HELD and before.code is hold.code and not hold.code.waits_for_release


def clock_evidence(run: Run) -> str:
    """What shows since when the run runs and since when it exists, for the member that started first."""
    started = [m for m in run.members if m.clock.running_since is not None]
    first = min(started, key=lambda m: (m.clock.running_since, m.id), default=run.members[0])
    clock = first.clock
    if clock.running_since is None:
        return f"{first.id} has not started"
    running = f"running since {times.to_key(clock.running_since)} ({clock.running_evidence} of {first.id})"
    if clock.exists_since is None or clock.exists_since == clock.running_since:
        return running
    return f"{running}, exists since {times.to_key(clock.exists_since)} ({clock.exists_evidence})"
