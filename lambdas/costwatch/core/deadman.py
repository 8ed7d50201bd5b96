"""The dead-man's switch: is this run past its time, and may it be stopped? Pure; `now` is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from costwatch.core import durations, liveness, overrides, times, unapproved
from costwatch.core.deadlines import Deadline, deadline_of, due_after, overdue_or_soon
from costwatch.core.exemptions import Exemption
from costwatch.core.group_blockers import group_blockers
from costwatch.core.liveness import Vitals
from costwatch.core.model import Run, RunKind
from costwatch.core.overrides import MalformedTag, Overrides
from costwatch.core.policy import Action, Mode, Policy, Selector
from costwatch.core.record import Finishing, Notice, Pause, RunRecord, claim_key, exemption_of, start_of
from costwatch.core.selection import Blocker, HoldCode, select

_CAPPED_BEFORE: Final = "more was due than a cap allowed; it waits for a release"
NOTICE_LASTS: Final = timedelta(hours=24)
"""So long after the time that its card named a notice counts (inclusive): nobody expects a stop any more later."""
MASS_SILENCE: Final = 3
"""So many runs that are silent together, or were stopped for it meanwhile, are taken for a fault of ours until
somebody says otherwise."""
_SHOWN: Final = 3
_SPARES: Final = frozenset({HoldCode.PROTECT_RULE, HoldCode.NEVER, HoldCode.PARENT})
"""People, or what it belongs to, decide about it for good: it is not asked about."""


class Verdict(StrEnum):
    """What to do about a run in this sweep."""

    IGNORE = "ignore"
    """No selector picks it, or its mode is off."""
    KEEP = "keep"
    WARN = "warn"
    WAIT = "wait"
    """Warned; its time or its notice is not over."""
    FINISH = "let finish"
    """Its time is up or nearly, and it is nearly done: once, it gets the time it needs."""
    HOLD = "hold"
    STOP = "stop"
    """Due. Only in enforce the world changes; in observe and warn the ledger says "would stop"."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with its reason. `reason` is the sentence that log, ledger, card and test quote."""

    verdict: Verdict
    reason: str
    mode: Mode = Mode.OFF
    selector: Selector | None = None
    deadline: Deadline | None = None
    start: datetime | None = None
    hold: HoldCode | None = None
    malformed: tuple[MalformedTag, ...] = ()
    voids_notice: bool = False
    key: str = ""
    exempt_tags: tuple[tuple[str, datetime], ...] = ()
    """Exempt tag values as they stand, each with when it was first seen."""
    changed: str = ""
    """What makes another notice due, where one was given and is accepted."""
    outdated: datetime | None = None
    """The time that the last notice named, where that is too long ago."""
    finishing: Finishing | None = None
    """With FINISH: what it is given."""
    stalled_since: datetime | None = None
    """It beats and does not advance: to be told, whatever the verdict."""
    vitals: Vitals | None = None
    spared: bool = False
    """It is exempt or protected, or nothing is stopped now: nobody is asked about its money, or warned of it."""

    @property
    def action(self) -> Action:
        """What its selector does to an instance."""
        return self.selector.action if self.selector else Action.TERMINATE

    @property
    def deadline_at(self) -> datetime | None:
        return self.deadline.at if self.deadline else None

    @property
    def silent(self) -> bool:
        """Whether it is its silence, and not its time, that makes it due."""
        return self.deadline is not None and self.deadline.silent

    @property
    def fell_silent(self) -> bool:
        """Whether it is silent while its time is not over, whichever of the two it goes by."""
        return self.deadline is not None and self.deadline.fell_silent


def judge(
    run: Run,
    record: RunRecord | None,
    policy: Policy,
    pause: Pause | None,
    now: datetime,
    exempt_seen: Mapping[str, datetime] = MappingProxyType({}),
) -> Decision:
    """Decide about one run as of `now` (UTC).

    `exempt_seen`: when reasons in the exempt tag were first seen, where the record does not know it yet.

    `record` is the same episode's row or None. Overdue is strictly *after* the deadline; the notice is over
    `min_notice` after it was accepted for delivery and not before the time its card named.
    """
    selection = select(run, policy, record.selector if record is not None else "")
    selector = selection.selector
    if selector is None:
        return Decision(Verdict.IGNORE, "no selector picks it")
    mode = Mode.OFF if policy.mode is Mode.OFF else selector.mode
    if mode is Mode.OFF:
        return Decision(Verdict.IGNORE, f"selector {selector.name} is off", selector=selector)

    standing = [*selection.blockers, *group_blockers(run, selector, policy)]
    found = overrides.read(run, policy.tags)
    start = start_of(run, record)
    in_force = notice_in_force(record, mode, selector.action, pause)
    money = unapproved.limit_of(record, policy.approval)
    deadline = (
        deadline_of(start, selector, found, record, run.vitals, now, run.declared_limit, in_force, money)
        if start
        else None
    )
    notice = in_force if deadline is not None and deadline.is_named_by(in_force) else None
    key = claim_key(run.id, mode, start, deadline.at if deadline else None)
    known = {**exempt_seen, **(dict(record.exempt_tags) if record else {})}
    exempt_tags = tuple((tag.value, known.get(tag.value, now)) for tag in found.exempt)
    exempt = exemption_reason(exemption_of(run, record, now), exempt_tags, found, now)
    spared = bool(exempt or _paused(pause, now)) or any(blocker.code in _SPARES for blocker in standing)

    def decide(verdict: Verdict, reason: str, *, hold: HoldCode | None = None, voids: bool = False) -> Decision:
        waits = _waits_for_children(run, deadline, now) if verdict is Verdict.STOP else ""
        if waits:
            verdict, reason = (Verdict.WAIT if notice is not None else Verdict.KEEP), waits
        return Decision(
            verdict,
            reason,
            mode,
            selector,
            deadline,
            start,
            hold,
            found.malformed,
            voids,
            key,
            exempt_tags,
            stalled_since=liveness.stalled_since(run.vitals, now),
            vitals=run.vitals,
            spared=spared,
        )

    if exempt:
        return decide(Verdict.KEEP, exempt, voids=True)
    if any(member.phase == "Uploading" for member in run.judged):
        return decide(Verdict.KEEP, "it is uploading its model and is left to finish")
    order = record.order if record is not None and record.order and record.order.active(now) else None
    others = order.others(run) if order is not None else []
    if order is not None and not others and mode is Mode.ENFORCE:
        # A named person's stop needs no notice, no proven age and no cap; a pause is for what stops by itself.
        key = f"{key}#{order.key}"
        blocker = next(iter(standing), None)
        reason = f"{order.sentence}; held: {blocker.reason}" if blocker else order.sentence
        return decide(Verdict.HOLD if blocker else Verdict.STOP, reason, hold=blocker.code if blocker else None)
    unproven = _unproven_age(run, record)
    if deadline is None:
        if unproven is not None:
            return decide(Verdict.HOLD, unproven.reason, hold=unproven.code)
        return decide(Verdict.KEEP, "it has not started yet")

    overdue = now > deadline.at
    blockers = [*standing, *([unproven] if unproven else []), *_paused(pause, now)]
    if blockers:
        first = blockers[0]
        voids = any(blocker.code.voids_notice for blocker in blockers)
        if overdue:
            return decide(Verdict.HOLD, _held(first, deadline), hold=first.code, voids=voids)
        # What only cannot be read for a moment leaves a notice as it is.
        verdict = Verdict.WAIT if notice is not None and not voids else Verdict.KEEP
        return decide(verdict, f"its time is not up; it would be held: {first.reason}", voids=voids)
    if now < deadline.at - selector.limits.warn_before:
        aside = f"; {order.by} asked for a stop, and {_listed(others)} joined since" if order and others else ""
        return decide(Verdict.KEEP, f"its time is up at {times.to_key(deadline.at)} ({deadline.rule}){aside}")

    waiting = _waiting(record, mode, deadline) if overdue else None
    if waiting is not None and record is not None:
        # Under the key that was held, so that it stays one hold with one id, however its deadline moves meanwhile.
        return replace(decide(Verdict.HOLD, waiting.reason, hold=waiting.code), key=record.capped_key)
    owner = run.tag(policy.tags.owner) or ""
    verdict, reason, hold = _judge_notice(run, record, selector, deadline, notice, key, now, owner)
    finishing = (
        _finishing(record, selector, deadline, run.vitals, now) if verdict in (Verdict.WARN, Verdict.STOP) else None
    )
    if finishing is not None:
        verdict, reason = Verdict.FINISH, _let_finish(finishing, deadline, run.vitals)
    given = notice if verdict is Verdict.WARN else None
    return replace(
        decide(verdict, reason, hold=hold),
        finishing=finishing,
        changed=changed_since(given, run, owner, late=_told_past_cap(given, deadline, selector, now)) if given else "",
        outdated=_outdated(given, now) if given else None,
    )


def _judge_notice(
    run: Run,
    record: RunRecord | None,
    selector: Selector,
    deadline: Deadline,
    notice: Notice | None,
    key: str,
    now: datetime,
    owner: str,
) -> tuple[Verdict, str, HoldCode | None]:
    """Nothing stands in the way and the time is up or nearly: was all of it warned, and long enough ago?

    What changed since the notice, or its age, makes a new one due: at once, but for changes a run is not warned anew
    more often than every `min_notice`. `notice`: the one that counts, if any does.
    """
    if record is None or notice is None:
        return Verdict.WARN, overdue_or_soon(deadline, now) + _of_another_act(record, selector.action), None
    if notice.accepted_at is None:
        if now > max(deadline.at, notice.requested_at + selector.limits.min_notice):
            undelivered = Blocker(HoldCode.UNDELIVERED, "no notice was accepted for delivery by Slack or SNS")
            return Verdict.HOLD, _held(undelivered, deadline), undelivered.code
        return Verdict.WAIT, "its notice is not accepted for delivery yet", None
    stops_after = due_after(deadline, notice, selector.limits.min_notice, now)
    would_stop_at = record.would_stop_at if record.stop is not None and record.stop.key == key else None
    if would_stop_at is not None and now > stops_after:
        return Verdict.WAIT, f"would have been stopped at {times.to_key(would_stop_at)}", None
    changed = changed_since(notice, run, owner, late=_told_past_cap(notice, deadline, selector, now))
    if changed:
        since = f"{changed} since the notice of {times.to_key(notice.requested_at)}"
        if now < notice.requested_at + selector.limits.min_notice:
            return Verdict.WAIT, f"{since}: a notice of its own follows", None
        return Verdict.WARN, f"{overdue_or_soon(deadline, now)}; {since}, so it is warned anew", None
    outdated = _outdated(notice, now)
    if outdated is not None:
        reason = f"its notice named {times.to_key(outdated)}, which is too long ago, so it is warned anew"
        return Verdict.WARN, f"{overdue_or_soon(deadline, now)}; {reason}", None
    if now <= stops_after:
        reason = f"warned at {times.to_key(notice.accepted_at)}; due after {times.to_key(stops_after)}"
        return Verdict.WAIT, reason, None
    warned = f"warned {durations.show(now - notice.accepted_at)} ago by {notice.via}"
    return Verdict.STOP, f"{overdue_or_soon(deadline, now)}; {warned}", None


def _of_another_act(record: RunRecord | None, action: Action) -> str:
    """Why a notice that was given does not count for `action`; empty where none was, or for this one."""
    given = record.notice.action if record is not None and record.notice is not None else action
    if given is action:
        return ""
    return f"; its notice was of an act that is not this one ({given.value if given else 'not named'}): warned anew"


def _outdated(notice: Notice, now: datetime) -> datetime | None:
    """The time that the notice named, when it counts no more for its age."""
    named = notice.stops_at
    return named if named is not None and now > named + NOTICE_LASTS else None


def _paused(pause: Pause | None, now: datetime) -> list[Blocker]:
    if pause is None or not pause.active(now):
        return []
    reason = f"paused by {pause.by} until {times.to_key(pause.until)}: {pause.reason or 'no reason given'}"
    return [Blocker(HoldCode.PAUSED, reason)]


def _waiting(record: RunRecord | None, mode: Mode, deadline: Deadline) -> Blocker | None:
    """What a run that is due waits for and only a release lifts, in the words in which it was told.

    Mass silence holds what is due for its silence, and no time limit.
    """
    if record is None or not record.waits_for_release(mode):
        return None
    if record.capped_for_silence and not deadline.silent:
        return None
    hold = record.hold
    if hold is not None and hold.code.waits_for_release and hold.key == record.capped_key:
        return Blocker(hold.code, hold.reason)
    if record.capped_for_silence:
        return Blocker(HoldCode.MASS_SILENCE, _mass_silence())
    return Blocker(HoldCode.CAP, _CAPPED_BEFORE)


def of_mass_silence(decision: Decision, *, some_stopped: bool = False) -> Decision:
    """The decision about a silent run while too many others are silent too: held until somebody releases it.

    `some_stopped`: they are too many only with those that were stopped for it since this one's last heartbeat.
    """
    reason = _mass_silence(", counting those stopped for it since its last heartbeat" if some_stopped else "")
    return replace(decision, verdict=Verdict.HOLD, reason=reason, hold=HoldCode.MASS_SILENCE)


def _mass_silence(counted: str = "") -> str:
    return (
        f"{MASS_SILENCE} or more runs fell silent{counted}: taken for a fault of the way their heartbeats take, not of "
        "the runs; it waits for a release"
    )


def _finishing(
    record: RunRecord | None, selector: Selector, deadline: Deadline, vitals: Vitals | None, now: datetime
) -> Finishing | None:
    """The grace of a run that will be done within `finish_grace` after its time, inclusive; once, within the hard cap.

    What will be done in time needs none, what is silent has nothing to show, and no grace makes up for a yes.
    """
    if deadline.silent or deadline.money or (record is not None and record.finishing is not None):
        return None
    expected_at = liveness.finishes_at(vitals, now)
    until = min(deadline.at + selector.limits.finish_grace, deadline.hard_cap_at)
    if expected_at is None or not deadline.at < expected_at <= until:
        return None
    return Finishing(at=now, expected_at=expected_at, until=until)


def _let_finish(finishing: Finishing, deadline: Deadline, vitals: Vitals | None) -> str:
    over = durations.show(finishing.expected_at - deadline.at)
    steps = liveness.steps_text(vitals)
    return f"{steps}: it expects to be done {over} past its limit ({deadline.rule}) and is let finish"


def changed_since(notice: Notice, run: Run, owner: str, *, late: bool = False) -> str:
    """What makes the run another one than its notice was given for and to, as a sentence; empty: it is the same.

    A member that joined or started anew, one that left and runs on (for what was read afresh), another owner. The
    children of a job come and go without a word: it is the job that was warned. So do the instances of a group that has
    not grown beyond those of its notice: a group replaces what it loses, and may do so for ever.
    `late`: who joined or started anew is no news any more (see _told_past_cap).
    """
    told = {member.id: member.running_since for member in notice.members}
    replaces = run.id.kind is RunKind.ASG and len(run.judged) <= len(told)
    joined = [m.id for m in run.judged if m.id not in told] if not (replaces or late) else []
    began = {m.id: m.clock.running_since for m in run.judged if m.id in told} if not late else {}
    anew = [name for name, since in began.items() if since and told[name] and since != told[name]]
    parts = [f"{_listed(joined)} joined"] if joined else []
    parts += [f"{_listed(anew)} started anew"] if anew else []
    parts += [f"{_listed(run.left)} left it and runs on"] if run.left else []
    parts += [f"its owner became {owner}"] if owner and owner != notice.owner else []
    return ", ".join(parts)


def _told_past_cap(notice: Notice, deadline: Deadline, selector: Selector, now: datetime) -> bool:
    """Whether the hard cap is past (strictly) and the notice was accepted `min_notice` ago or longer (inclusive).

    Without an end a run that is joined again and again would be warned again and again, and never stopped.
    """
    accepted = notice.accepted_at
    return accepted is not None and now > deadline.hard_cap_at and now >= accepted + selector.limits.min_notice


def _listed(ids: Sequence[str]) -> str:
    """`i-1, i-2 and 3 more`."""
    shown = ", ".join(ids[:_SHOWN])
    return f"{shown} and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else shown


def exemption_reason(
    granted: Exemption | None, exempt_tags: Sequence[tuple[str, datetime]], found: Overrides, now: datetime
) -> str:
    """The sentence that says why the run is exempt at `now`; empty when it is not. Every exemption ends.

    `granted`: by command. `exempt_tags`: the values in `found`, each with when it was first seen, from which on it
    ends.
    """
    if granted is not None and granted.active(now):
        return granted.sentence
    first_seen = dict(exempt_tags)
    for tag in found.exempt:
        until = tag.ends_at(first_seen[tag.value])
        if now < until:
            return f"exempt by tag until {times.to_key(until)}: {tag.value[:120] or 'no reason given'}"
    return ""


def notice_in_force(record: RunRecord | None, mode: Mode, action: Action, pause: Pause | None) -> Notice | None:
    """The notice that counts for what it warned of: given in the current mode, of the current act, after the last
    pause ended."""
    notice = record.notice if record else None
    if notice is None or notice.mode is not mode or notice.action is not action:
        return None
    if pause is not None and notice.requested_at < pause.until:
        return None
    return notice


def _waits_for_children(run: Run, deadline: Deadline | None, now: datetime) -> str:
    """Which children of a due job write their models right now, as a sentence; empty: none.

    Of many children one may upload at any time, so past the hard cap none is waited for.
    """
    uploading = [child.id for child in run.children if child.alive and child.phase == "Uploading"]
    if not uploading or (deadline is not None and now > deadline.hard_cap_at):
        return ""
    return f"due; {_listed(uploading)} is left to finish uploading its model first, up to the hard cap"


def _unproven_age(run: Run, record: RunRecord | None) -> Blocker | None:
    """Also for what is not running: where its start was known before, only this answer leaves it out."""
    started = {m.id for m in record.members if m.running_since is not None} if record is not None else set()
    for member in run.judged or run.members:
        # A job with children has a start as soon as it is there; without one it could not be read.
        running = member.state == "running" or member.has_children
        if member.clock.running_since is None and (running or member.id in started):
            return Blocker(HoldCode.UNPROVABLE, f"nothing shows since when {member.id} runs")
    return None


def _held(blocker: Blocker, deadline: Deadline) -> str:
    """Never says how long: the timeline has it anew whenever its sentence changes."""
    return f"past {times.to_key(deadline.at)} ({deadline.rule}), held: {blocker.reason}"
