"""What may become of a judgement. A step is saved only where nobody changed the row since it was read. Pure.

    waiting -> judged | asked | writing -> written
    any of them -> overridden, as soon as a person's hand is found

Whatever is said is said in the same write. In observe nobody hears of a single judgement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from costwatch.core import verdict_event
from costwatch.core.approvals import Post
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.messages import Audience, Message, MessageKind, heard
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.record import Entry, Transition
from costwatch.core.res import Value, Verdict

WRITE_LEASE: Final = timedelta(minutes=6)
"""Longer than the function's timeout: what a crashed one was writing is looked at again after it."""
PATIENCE: Final = timedelta(hours=1)
"""So long nothing is said of a candidate whose training is not over, or not known yet."""
NOT_WRITTEN: Final = "not written: "
"""So begins what was told of a candidate that the registry did not take."""


@dataclass(frozen=True, slots=True)
class JudgementStep:
    """From `before` (None: a new row) to `after`, with what is recorded and said."""

    before: Judgement | None
    after: Judgement
    at: datetime
    entries: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()


def planned(verdict: Verdict, mode: Mode, *, auto_approve: bool) -> tuple[State, ApprovalStatus | None]:
    """What a verdict leads to, and what the registry is set to. Whatever could not be judged leaves it as it is."""
    target: ApprovalStatus | None = None
    if verdict.value is Value.REJECT or (verdict.value is Value.TOO_DEAR and not verdict.ask):
        target = ApprovalStatus.REJECTED
    elif verdict.value is Value.PROMOTE and auto_approve:
        target = ApprovalStatus.APPROVED
    if mode is not Mode.ENFORCE:
        return State.JUDGED, target
    if verdict.value is Value.TOO_DEAR and verdict.ask:
        return State.ASKED, None
    return (State.WRITING, target) if target is not None else (State.JUDGED, None)


def waits(before: Judgement | None, found: Judgement, now: datetime) -> JudgementStep | None:
    """It cannot be judged yet. Said once, when `PATIENCE` is over (inclusive); None: nothing has changed."""
    reason = found.verdict.reason
    say = now - found.created_at >= PATIENCE and found.told != reason and heard(found.mode)
    same = before is not None and before.state is State.WAITING and before.verdict.reason == reason
    if same and not say and before is not None and before.mode is found.mode:
        return None
    after = _next(before, replace(found, state=State.WAITING, told=reason if say else found.told))
    entries = (_entry(after, Transition.JUDGEMENT_WAITS, reason, now),) if not same else ()
    return JudgementStep(before, after, now, entries, _said(after, now) if say else ())


def judged(before: Judgement | None, found: Judgement, now: datetime, *, auto_approve: bool) -> JudgementStep:
    """The verdict of `found`, and the claim with it where the registry is to be written by it.

    The same verdict again is recorded and said no second time.
    """
    verdict = found.verdict
    state, target = planned(verdict, found.mode, auto_approve=auto_approve)
    writes = state is State.WRITING
    told = f"{verdict.value.value}: {verdict.reason}"
    found = replace(
        found,
        state=state,
        target=target if writes else None,
        lease_until=now + WRITE_LEASE if writes else None,
    )
    if before is not None and _same(before, found):
        return JudgementStep(before, _next(before, found), now)
    say = heard(found.mode) and not writes and found.told != told
    after = _next(before, replace(found, told=told if say else found.told))
    sentence = f"{verdict.value.value} ({verdict.cause.value}): {verdict.reason}"
    entries = [_entry(after, Transition.JUDGED, sentence, now)]
    if writes and target is not None:
        entries.append(_entry(after, Transition.REGISTRY_CLAIMED, f"to be set to {target.value}", now))
    elif state is State.ASKED:
        entries.append(_entry(after, Transition.PROMOTION_ASKED, f"asked: {verdict.reason}", now))
    elif target is not None:
        entries.append(_entry(after, Transition.WOULD_WRITE, f"would have been set to {target.value}", now))
    return JudgementStep(before, after, now, tuple(entries), _said(after, now) if say else ())


def decided(before: Judgement, by: Decided, now: datetime, *, writes: bool) -> JudgementStep:
    """A person answered by a button or a command. `writes`: whether the role may set what they decided.

    Where it may not, Costwatch leaves the candidate alone from now on, and the person is told how to do it.
    """
    word = "promoted" if by.target is ApprovalStatus.APPROVED else "rejected"
    because = f": {by.reason}" if by.reason else ""
    sentence = f"{word} by {by.name or by.by}{because}"
    state = State.WRITING if writes else State.OVERRIDDEN
    after = _next(
        before,
        replace(
            before,
            state=state,
            decided=by,
            target=by.target if writes else None,
            lease_until=now + WRITE_LEASE if writes else None,
        ),
    )
    entries = [_entry(after, Transition.PROMOTION_DECIDED, sentence, now, actor=by.by)]
    if writes:
        entries.append(_entry(after, Transition.REGISTRY_CLAIMED, f"to be set to {by.target.value}", now))
    else:
        entries.append(_entry(after, Transition.OVERRIDDEN, "the registry is left to them", now, actor=by.by))
    return JudgementStep(before, after, now, tuple(entries), _said(after, now) if not writes else ())


def left_to_them(before: Judgement, why: str, now: datetime) -> JudgementStep:
    """What a person decided by a button or a command was not written, and Costwatch may not any more: they are told
    how to do it, and nothing else is decided about it.
    """
    by = before.decided
    after = _next(before, replace(before, state=State.OVERRIDDEN, target=None, lease_until=None))
    actor = by.by if by is not None else "costwatch"
    entry = _entry(after, Transition.OVERRIDDEN, f"the registry is left to them: {why}", now, actor=actor)
    return JudgementStep(before, after, now, (entry,), _said(after, now))


def taken_over(before: Judgement, now: datetime) -> JudgementStep | None:
    """Claim again what a crashed function was about to write. None: somebody is writing it right now."""
    if before.state is not State.WRITING or (before.lease_until is not None and now < before.lease_until):
        return None
    after = _next(before, replace(before, lease_until=now + WRITE_LEASE))
    target = after.target.value if after.target is not None else "nothing"
    return JudgementStep(before, after, now, (_entry(after, Transition.REGISTRY_CLAIMED, f"again: {target}", now),))


def written(before: Judgement, now: datetime) -> JudgementStep:
    """The registry shows what it was to be set to. `before` is being written."""
    target, by = before.target, before.decided
    approved_at = before.approved_at or (now if target is ApprovalStatus.APPROVED else None)
    if by is not None and restores(before):
        state, by, transition = State.OVERRIDDEN, replace(by, hand=Hand.RESTORED), Transition.HAND_RESTORED
        sentence = f"{by.target.value} again, as {by.name or by.by or 'a person'} had set it"
    else:
        state, transition = State.WRITTEN, Transition.REGISTRY_WRITTEN
        sentence = f"set to {target.value if target is not None else 'nothing'}: {before.verdict.reason}"
    told = f"{before.verdict.value.value}: {before.verdict.reason}"
    after = _next(before, replace(before, state=state, decided=by, approved_at=approved_at, told=told))
    entry = _entry(after, transition, sentence, now, actor=by.by if by is not None else "costwatch")
    return JudgementStep(before, after, now, (entry,), _said(after, now))


def not_written(before: Judgement, why: str, now: datetime) -> JudgementStep:
    """The registry did not take it: the next sweep tries again. Told when the reason is another than before."""
    told = f"{NOT_WRITTEN}{why}"
    say = before.told != told
    after = _next(before, replace(before, lease_until=now, told=told))
    entries = (_entry(after, Transition.REGISTRY_NOT_WRITTEN, why, now),) if say else ()
    return JudgementStep(before, after, now, entries, (_card(after),) if say else ())


def outdated(before: Judgement, now: datetime) -> JudgementStep:
    """What it was held against serves no more: the claim is given back, and it is judged again."""
    after = _next(before, replace(before, lease_until=now))
    serving = f"v{before.serving_version}" if before.serving_version is not None else "nothing"
    sentence = f"it was held against {serving}, and something else is approved by now: it is judged again"
    return JudgementStep(before, after, now, (_entry(after, Transition.REGISTRY_NOT_WRITTEN, sentence, now),))


def overridden(before: Judgement, by: Decided, now: datetime) -> JudgementStep:
    """A person's hand was found in the registry, before ours or over it: that stands, and is left alone."""
    approved_at = by.at if by.target is ApprovalStatus.APPROVED else before.approved_at
    after = _next(
        before,
        replace(before, state=State.OVERRIDDEN, decided=by, target=None, lease_until=None, approved_at=approved_at),
    )
    who = by.name or by.by or "somebody"
    where = "over what Costwatch had written" if by.hand is Hand.AFTER else "before Costwatch wrote anything"
    entry = _entry(after, Transition.OVERRIDDEN, f"set to {by.target.value} by {who}, {where}", now, actor=by.by)
    say = before.told or by.hand is Hand.AFTER or before.posts
    messages = _said(after, now) if heard(after.mode) and say else ()
    return JudgementStep(before, after, now, (entry,), messages)


def recorded(found: Judgement, by: Decided, now: datetime) -> JudgementStep:
    """It was not pending when it was first seen: nothing is judged, and it may be the next one's baseline."""
    approved_at = by.at if by.target is ApprovalStatus.APPROVED else None
    after = _next(None, replace(found, state=State.OVERRIDDEN, decided=by, approved_at=approved_at))
    entry = _entry(after, Transition.OVERRIDDEN, found.verdict.reason, now, actor=by.by)
    event = (verdict_event.of(after, now),) if heard(after.mode) else ()
    return JudgementStep(None, after, now, (entry,), event)


def restoring(before: Judgement, by: Decided, now: datetime) -> JudgementStep:
    """Our write went over a person's decision: claim to put theirs back."""
    lost = replace(by, hand=Hand.NOT_RESTORED)
    after = _next(
        before,
        replace(before, state=State.WRITING, decided=lost, target=by.target, lease_until=now + WRITE_LEASE),
    )
    sentence = f"Costwatch wrote over {by.target.value} of {by.name or by.by or 'a person'}: it is put back"
    return JudgementStep(before, after, now, (_entry(after, Transition.HAND_FOUND, sentence, now, actor=by.by),))


def restores(judgement: Judgement) -> bool:
    """Whether what is being written puts a person's decision back that a write of ours went over."""
    by = judgement.decided
    return judgement.state is State.WRITING and by is not None and by.hand is Hand.NOT_RESTORED


def not_restored(before: Judgement, by: Decided, why: str, now: datetime) -> JudgementStep:
    """The same, where it cannot be put back: people are told the command that does."""
    lost = replace(by, hand=Hand.NOT_RESTORED)
    after = _next(before, replace(before, state=State.OVERRIDDEN, decided=lost, lease_until=None))
    sentence = f"Costwatch wrote over {by.target.value} of {by.name or by.by or 'a person'}, and {why}"
    entry = _entry(after, Transition.HAND_NOT_RESTORED, sentence, now, actor=by.by)
    return JudgementStep(before, after, now, (entry,), _said(after, now))


def noticed(before: Judgement, by: Decided, now: datetime) -> JudgementStep | None:
    """An event tells of a person's decision while somebody else is writing: they must know when they are done.

    None: it is known.
    """
    if before.decided is not None:
        return None
    after = _next(before, replace(before, decided=by))
    sentence = f"{by.name or by.by or 'somebody'} set it to {by.target.value} while Costwatch was writing"
    return JudgementStep(before, after, now, (_entry(after, Transition.HAND_FOUND, sentence, now, actor=by.by),))


def gone(before: Judgement, now: datetime) -> JudgementStep:
    """It is in the registry no more: nothing is left to decide."""
    after = _next(before, replace(before, state=State.OVERRIDDEN, target=None, lease_until=None))
    entry = _entry(after, Transition.OVERRIDDEN, "deleted from the registry", now)
    say = heard(after.mode) and (before.told or before.posts)
    return JudgementStep(before, after, now, (entry,), _said(after, now) if say else ())


def serves(before: Judgement, since: datetime, now: datetime) -> JudgementStep | None:
    """It was seen approved. None: that is known."""
    if before.approved_at is not None:
        return None
    after = _next(before, replace(before, approved_at=since))
    return JudgementStep(
        before, after, now, (_entry(after, Transition.APPROVED, "seen approved in the registry", now),)
    )


def posted(before: Judgement, post: Post, now: datetime) -> JudgementStep:
    """Slack shows it at `post`."""
    posts = before.posts if post in before.posts else (*before.posts, post)
    return JudgementStep(before, _next(before, replace(before, posts=posts)), now)


def _next(before: Judgement | None, after: Judgement) -> Judgement:
    return replace(after, row_version=(before.row_version if before is not None else 0) + 1)


def _same(before: Judgement, found: Judgement) -> bool:
    one, other = before.verdict, found.verdict
    return (before.state, before.mode, one.value, one.cause, one.reason) == (
        found.state,
        found.mode,
        other.value,
        other.cause,
        other.reason,
    )


def _said(after: Judgement, now: datetime) -> tuple[Message, ...]:
    return _card(after), verdict_event.of(after, now)


def _card(after: Judgement) -> Message:
    """What it says is read from its row at the moment of sending."""
    kind = MessageKind.RES_VERDICT
    facts = {"judgement": after.id, "account": after.account, "team": after.team, "state": after.state.value}
    message_id = f"judgement#{after.account}#{after.id}#{after.row_version:06d}#{kind.value}"
    return Message(message_id, kind, Audience.APPROVERS, facts)


def _entry(
    judgement: Judgement, transition: Transition, reason: str, now: datetime, *, actor: str = "costwatch"
) -> Entry:
    verdict = judgement.verdict
    cost, score, gain = verdict.cost, verdict.score, verdict.gain
    facts = {
        "model": judgement.model,
        "package": judgement.package_arn,
        "metric": verdict.metric,
        "baseline": str(gain.baseline) if gain is not None else "",
        "candidate": str(gain.candidate) if gain is not None else "",
        "gain": f"{gain.amount:.6g}" if gain is not None else "",
        "score": f"{score.value:.6g}" if score is not None else "",
        "needed": f"{score.needed:.6g}" if score is not None else "",
        "cost_usd": f"{cost.usd:.2f}" if cost is not None and cost.usd is not None else "",
        "run": judgement.run,
    }
    evidence = tuple((name, value) for name, value in facts.items() if value)
    return Entry(
        now,
        transition,
        reason,
        rule=verdict.cause.value,
        actor=actor or "a person",
        mode=judgement.mode.value,
        evidence=evidence,
    )
