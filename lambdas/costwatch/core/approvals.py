"""One question about money, and its one answer: pending, then approved, denied, expired, withdrawn or let go. Pure.

Every change is an `ApprovalStep`, saved only where nobody changed the question since it was read: of all who answer at
once exactly one is heard, and the others are told who was. What follows from an answer (a token that is answered, a cap
that holds, a purse) is the effect: claimed under a lease, done, and settled, like every act.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core import durations, principals, times
from costwatch.core.estimator import Confidence
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.money import show_usd
from costwatch.core.policy import JudgeBy, Mode
from costwatch.core.purses import Purse, SpecSeen
from costwatch.core.record import Entry, Transition
from costwatch.errors import RefusedError

EFFECT_LEASE: Final = timedelta(minutes=6)
"""Longer than any function's timeout: what a crashed one was doing is done again after it."""
LONGEST_REASON: Final = 1000
NO_LONGER_ENFORCES: Final = "the gate no longer enforces"


class Way(StrEnum):
    """What waits for the answer."""

    PIPELINE = "pipeline"
    """A callback step of a SageMaker pipeline, by its token."""
    TASK = "task"
    """A task of a Step Functions state machine, by its token."""
    COMMAND = "command"
    """A person or a CI job, who asks again until there is an answer."""
    RUN = "run"
    """Nothing waits: it runs already, and the sweep follows the answer."""


class State(StrEnum):
    """All but the first are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    LET_GO = "let go"
    """Nobody said yes: the gate stopped enforcing while it waited."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks. `principal`: an ARN or a Slack user id; empty: nobody is known. `verified`: AWS or Slack says so."""

    name: str = ""
    principal: str = ""
    verified: bool = False
    slack_user: str = ""
    """Slack user id of that principal, where one was found."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about, as whoever answers sees it. Dollars are USD, unrounded; None: unknown, which is never zero.

    `judged_usd`: what was held against `above_usd`. `spent_usd`: what was spent when it was asked, where that is why.
    `runtimes`: of one job, by the forecast.
    """

    name: str
    kind: str
    account: str
    region: str
    capacity: str
    hourly_usd: Decimal | None
    expected_usd: Decimal | None
    p90_usd: Decimal | None
    worst_case_usd: Decimal | None
    judged_usd: Decimal | None
    judge_by: JudgeBy
    above_usd: Decimal
    confidence: Confidence
    price_as_of: date | None
    specs: tuple[SpecSeen, ...]
    gpus: int = 0
    expected_runtime: timedelta | None = None
    p90_runtime: timedelta | None = None
    max_runtime: timedelta | None = None
    basis: str = ""
    owner: str = ""
    team: str = ""
    project: str = ""
    model: str = ""
    notes: tuple[str, ...] = ()
    spent_usd: Decimal | None = None

    def capped_usd(self, runtime: timedelta) -> Decimal | None:
        """What it costs at most when it is ended after `runtime`; None: unknown."""
        if self.hourly_usd is None:
            return None
        usd = self.hourly_usd * Decimal(int(runtime.total_seconds())) / 3600
        return usd if self.worst_case_usd is None else min(usd, self.worst_case_usd)


@dataclass(frozen=True, slots=True)
class Clicker:
    """A person who answers. `principal`: the Slack user id, or the ARN of a command line's caller."""

    principal: str
    name: str
    groups: frozenset[str] = frozenset()
    """Those of the approvers' groups that the person is in, as the configuration names them."""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who said what, when and why. `cap`: how long it may run at most; None: as long as was asked for."""

    by: str
    name: str
    at: datetime
    reason: str = ""
    cap: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What follows from an answer. `settled_at` None: it is still to be done, or being done until `lease_until`."""

    attempt: int
    lease_until: datetime
    settled_at: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """Where Slack shows the question."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A question. `answer_by`: exclusive, at that moment it is too late. UTC; `version` guards every write."""

    id: str
    way: Way
    mode: Mode
    asked: Asked
    requester: Requester
    approvers: tuple[str, ...]
    asked_at: datetime
    answer_by: datetime
    remind_at: datetime
    yes_lasts: timedelta
    requester_may_approve: bool = False
    token: str = field(default="", repr=False)
    """What waits is answered by it; it is nobody's business and stands in no log."""
    source: str = ""
    """The pipeline's execution, the state machine's execution, the run: what waits, for people and for matching."""
    state: State = State.PENDING
    answer: Answer | None = None
    effect: Effect | None = None
    posts: tuple[Post, ...] = ()
    reminded_at: datetime | None = None
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether anything is still to be done: an answer awaited, or its effect not settled."""
        return self.state is State.PENDING or self.effect is None or self.effect.settled_at is None

    @property
    def granted_runtime(self) -> timedelta | None:
        """How long it may run: the cap, else the maximum that was asked for; None: neither is known."""
        cap = self.answer.cap if self.answer is not None else None
        return cap if cap is not None else self.asked.max_runtime

    @property
    def granted_usd(self) -> Decimal | None:
        """How many dollars a yes is for; None: as many as its runtime takes, since its price is not known."""
        cap = self.answer.cap if self.answer is not None else None
        return self.asked.capped_usd(cap) if cap is not None else self.asked.worst_case_usd


@dataclass(frozen=True, slots=True)
class ApprovalStep:
    """From `before` (None: a new question) to `after`, with what is recorded, said and granted."""

    before: Approval | None
    after: Approval
    entries: tuple[Entry, ...]
    messages: tuple[Message, ...] = ()
    purse: Purse | None = None


def approval_id(way: Way, *facts: str) -> str:
    """Short, and the same for the same facts: a message that comes twice asks once. People can type it."""
    return "apr-" + hashlib.sha256("\n".join((way.value, *facts)).encode()).hexdigest()[:16]


def ask(approval: Approval) -> ApprovalStep:
    """A new question, with its card."""
    reason = f"asked: {why(approval.asked)}; answer by {times.to_key(approval.answer_by)}"
    after = replace(approval, version=1)
    return ApprovalStep(
        None,
        after,
        (_entry(after, Transition.ASKED, reason, approval.asked_at),),
        (message(after, MessageKind.APPROVAL),),
    )


def why(asked: Asked) -> str:
    """Why somebody is asked, for people."""
    if asked.judged_usd is None:
        return "nobody knows what it costs"
    if asked.spent_usd is not None:
        return spent_already(asked.spent_usd, asked.above_usd)
    return f"{show_usd(asked.judged_usd)} is above {show_usd(asked.above_usd)}"


def spent_already(spent_usd: Decimal, above_usd: Decimal) -> str:
    """The same where what is spent is the reason: at least half of `above_usd`."""
    than = "above" if spent_usd > above_usd else "half or more of"
    return f"{show_usd(spent_usd)} is spent already, {than} {show_usd(above_usd)}"


def approve(
    approval: Approval,
    by: Clicker,
    *,
    owner_user: str,
    reason: str,
    cap: timedelta | None,
    now: datetime,
    started: datetime | None = None,
) -> ApprovalStep:
    """A yes. `owner_user`: Slack user id of the tagged owner, empty where nobody was found. `started`: since when what
    is asked about runs, by which a cap counts; None: it does not run, or nobody knows.

    Raises RefusedError with a sentence for the clicker: who may not, what was answered, what is too late.
    """
    _check_may_answer(approval, by, now)
    _check_not_own(approval, by, owner_user)
    most = approval.asked.max_runtime
    if cap is not None and (cap <= timedelta(0) or (most is not None and cap > most)):
        limit = f"; it asks for {durations.show(most)}" if most is not None else ""
        raise RefusedError(f"A cap of {durations.show(cap)} is no cap{limit}.")
    if cap is not None and started is not None and now - started >= cap:
        ran = f"it runs since {times.to_key(started)}, for {durations.show(now - started)}"
        raise RefusedError(f"A cap of {durations.show(cap)} has passed already: {ran}. Give it longer, or say no.")
    answer = Answer(by.principal, by.name, now, _clipped(reason), cap)
    after = replace(approval, state=State.APPROVED, answer=answer, version=approval.version + 1)
    sentence = f"approved by {by.name}{_with_cap(after)}{_because(answer)}"
    return _answered(approval, after, Transition.APPROVED, sentence, now, _purse(after, now))


def deny(approval: Approval, by: Clicker, *, reason: str, now: datetime) -> ApprovalStep:
    """A no. Raises RefusedError with a sentence for the clicker."""
    _check_may_answer(approval, by, now)
    answer = Answer(by.principal, by.name, now, _clipped(reason))
    after = replace(approval, state=State.DENIED, answer=answer, version=approval.version + 1)
    return _answered(approval, after, Transition.DENIED, f"denied by {by.name}{_because(answer)}", now)


def expire(approval: Approval, now: datetime) -> ApprovalStep | None:
    """No answer in time means no. None: it is answered, or its time (exclusive) is not over."""
    if approval.state is not State.PENDING or now < approval.answer_by:
        return None
    answer = Answer("costwatch", "Costwatch", now, "no answer came in time")
    after = replace(approval, state=State.EXPIRED, answer=answer, version=approval.version + 1)
    sentence = f"expired: no answer came by {times.to_key(approval.answer_by)}, and that means no"
    return _answered(approval, after, Transition.EXPIRED, sentence, now)


def let_go(approval: Approval, now: datetime) -> ApprovalStep | None:
    """What waits goes on, with a purse as after a yes, since the gate enforces no more. None: it is answered, or
    nothing waits for it.
    """
    if approval.state is not State.PENDING or approval.way is Way.RUN:
        return None
    answer = Answer("costwatch", "Costwatch", now, NO_LONGER_ENFORCES)
    after = replace(approval, state=State.LET_GO, answer=answer, version=approval.version + 1)
    return _answered(approval, after, Transition.LET_PASS, f"let go on: {answer.reason}", now, _purse(after, now))


def narrow(approval: Approval, listed: Collection[str], now: datetime) -> ApprovalStep | None:
    """Who is not among today's approvers, `listed`, may decide no more. None: nobody was removed, or it is answered."""
    gone = [each for each in approval.approvers if each not in listed]
    if approval.state is not State.PENDING or not gone:
        return None
    left = tuple(each for each in approval.approvers if each in listed)
    after = replace(approval, approvers=left, version=approval.version + 1)
    said = f"{', '.join(gone)} may decide no more: the configuration names them no longer"
    return ApprovalStep(approval, after, (_entry(after, Transition.APPROVERS_LEFT, said, now),))


def check_still_listed(approval: Approval, by: Clicker, listed: Collection[str]) -> None:
    """Raises RefusedError where whoever answers was an approver when it was asked, and is none of `listed`."""
    left = replace(approval, approvers=tuple(each for each in approval.approvers if each in listed))
    if not may_answer(left, by.principal, by.groups):
        raise RefusedError("You may not decide this any more: the configuration no longer names you as an approver.")


def withdraw(approval: Approval, reason: str, now: datetime) -> ApprovalStep | None:
    """Whoever asked does not need an answer any more. None: it is answered already."""
    if approval.state is not State.PENDING:
        return None
    answer = Answer("costwatch", "Costwatch", now, _clipped(reason))
    after = replace(approval, state=State.WITHDRAWN, answer=answer, version=approval.version + 1)
    return _answered(approval, after, Transition.WITHDRAWN, f"withdrawn: {answer.reason}", now)


def remind(approval: Approval, now: datetime) -> ApprovalStep | None:
    """Once, from `remind_at` (inclusive) until the answer is due. None: not now."""
    due = approval.remind_at <= now < approval.answer_by
    if approval.state is not State.PENDING or approval.reminded_at is not None or not due:
        return None
    after = replace(approval, reminded_at=now, version=approval.version + 1)
    left = durations.show(approval.answer_by - now)
    entry = _entry(after, Transition.REMINDED, f"reminded: {left} are left to answer", now)
    return ApprovalStep(approval, after, (entry,), (message(after, MessageKind.APPROVAL_REMINDER),))


def unused(approval: Approval, now: datetime) -> tuple[Entry, Message]:
    """The line and the message that say that nobody drew on a yes before it expired."""
    said = "the yes has expired, and no job that Costwatch watches drew on it"
    return _entry(approval, Transition.UNUSED, said, now), message(approval, MessageKind.APPROVAL_UNUSED)


def posted(approval: Approval, post: Post) -> ApprovalStep:
    """Slack shows the question at `post`."""
    posts = approval.posts if post in approval.posts else (*approval.posts, post)
    return ApprovalStep(approval, replace(approval, posts=posts, version=approval.version + 1), ())


def claim_effect(approval: Approval, now: datetime) -> ApprovalStep | None:
    """Take what follows from the answer, under a lease. None: it is settled, or somebody else has it."""
    effect = approval.effect
    if approval.state is State.PENDING:
        return None
    if effect is not None and (effect.settled_at is not None or now < effect.lease_until):
        return None
    taken = Effect((effect.attempt if effect is not None else 0) + 1, now + EFFECT_LEASE)
    return ApprovalStep(approval, replace(approval, effect=taken, version=approval.version + 1), ())


def effect_failed(approval: Approval, why: str, now: datetime) -> ApprovalStep:
    """It could not be done: it is done again by whoever comes next, from now on. The effect must be claimed."""
    if approval.effect is None:
        raise ValueError("an effect fails that nobody claimed")
    effect = replace(approval.effect, lease_until=now, outcome=why[:LONGEST_REASON])
    return ApprovalStep(approval, replace(approval, effect=effect, version=approval.version + 1), ())


def settle_effect(approval: Approval, outcome: str, now: datetime) -> ApprovalStep:
    """What came of it, read from the world. The effect must be claimed."""
    if approval.effect is None:
        raise ValueError("an effect is settled that nobody claimed")
    effect = replace(approval.effect, settled_at=now, outcome=outcome)
    after = replace(approval, effect=effect, version=approval.version + 1)
    return ApprovalStep(approval, after, (_entry(after, Transition.ANSWERED, outcome, now),))


def message(approval: Approval, kind: MessageKind) -> Message:
    """What is to be said of it. Everything else is read from its row at the moment of sending."""
    audience = Audience.APPROVERS
    facts = {"approval": approval.id, "account": approval.asked.account, "team": approval.asked.team}
    return Message(f"{approval.id}#{approval.version:06d}#{kind.value}", kind, audience, facts)


def _purse(granted: Approval, now: datetime) -> Purse:
    # What runs already is what it was given to: nobody else may draw on it.
    drawn_by = (granted.source,) if granted.way is Way.RUN else ()
    return Purse(
        approval_id=granted.id,
        account=granted.asked.account,
        specs=granted.asked.specs,
        granted_usd=granted.granted_usd,
        granted_runtime=granted.granted_runtime,
        jobs_left=0 if drawn_by else max(1, len({each.job for each in granted.asked.specs})),
        expires_at=now + granted.yes_lasts,
        source=granted.source,
        drawn_by=drawn_by,
    )


def _answered(
    before: Approval, after: Approval, transition: Transition, sentence: str, now: datetime, purse: Purse | None = None
) -> ApprovalStep:
    actor = after.answer.by if after.answer is not None else "costwatch"
    saw = {
        "expected_usd": _text(after.asked.expected_usd),
        "p90_usd": _text(after.asked.p90_usd),
        "worst_case_usd": _text(after.asked.worst_case_usd),
        "capacity": after.asked.capacity,
        "above_usd": str(after.asked.above_usd),
        "price_as_of": after.asked.price_as_of.isoformat() if after.asked.price_as_of else "",
        "requester": after.requester.principal or after.requester.name,
        "requester_verified": "yes" if after.requester.verified else "no",
    }
    entry = _entry(after, transition, sentence, now, actor=actor, evidence=saw)
    return ApprovalStep(before, after, (entry,), (message(after, MessageKind.APPROVAL_ANSWERED),), purse)


def _check_may_answer(approval: Approval, by: Clicker, now: datetime) -> None:
    if approval.state is not State.PENDING:
        raise RefusedError(f"It was {told(approval)} before you.")
    if now >= approval.answer_by:
        raise RefusedError("Too late: no answer came in time, and that means no.")
    if not approval.approvers:
        raise RefusedError("Nobody may decide this: no approver is configured for this amount.")
    if not may_answer(approval, by.principal, by.groups):
        raise RefusedError(f"You may not decide this; {', '.join(approval.approvers)} may.")


def may_answer(approval: Approval, principal: str, groups: Collection[str]) -> bool:
    """Whether the person, or a group of theirs, is among the approvers. An empty list is nobody."""
    return bool(principal) and (principal in approval.approvers or bool(set(groups) & set(approval.approvers)))


def _check_not_own(approval: Approval, by: Clicker, owner_user: str) -> None:
    if approval.requester_may_approve:
        return
    asked_by = approval.requester
    # Whoever says that it was themselves is believed, verified or not.
    if by.principal in filter(None, (asked_by.principal, asked_by.slack_user)):
        raise RefusedError("You asked for it, so another approver has to say yes.")
    # Of a principal of IAM nobody knows the Slack user, and the other way round: then its owner may be who asked.
    known = asked_by.verified and (bool(asked_by.slack_user) or by.principal.startswith("arn:"))
    if known:
        return
    if by.principal in (owner_user, approval.asked.owner):
        raise RefusedError("Who asked is not proven and you are its owner, so another approver has to say yes.")
    if any(principals.is_owner(asked_by.principal, each) for each in (by.email, by.name) if asked_by.principal):
        asker = principals.name_of(asked_by.principal)
        raise RefusedError(f"{asker} asked for it, which may be you, so another approver has to say yes.")


def told(approval: Approval) -> str:
    """The answer as a sentence's part: `approved by Maria Lopez at 2026-11-22T10:02:00Z, capped at 17 h`."""
    answer = approval.answer
    if answer is None:
        return "asked"
    at = times.to_key(answer.at)
    if approval.state in (State.APPROVED, State.DENIED):
        return f"{approval.state.value} by {answer.name} at {at}{_with_cap(approval)}"
    return f"{approval.state.value} at {at}"


def sentence(approval: Approval) -> str:
    """The same for people, without a time of ours: `approved by Maria Lopez, capped at 17 h ($859.00 at most)`."""
    answer = approval.answer
    if answer is None or approval.state is State.EXPIRED:
        return "expired: no answer came in time, and that means no" if answer is not None else "asked"
    if approval.state in (State.WITHDRAWN, State.LET_GO):
        return f"{approval.state.value}: {answer.reason}"
    return f"{approval.state.value} by {answer.name}{_with_cap(approval)}"


def _with_cap(approval: Approval) -> str:
    cap = approval.answer.cap if approval.answer is not None else None
    if cap is None:
        return ""
    usd = approval.granted_usd
    return f", capped at {durations.show(cap)}" + (f" ({show_usd(usd)} at most)" if usd is not None else "")


def _because(answer: Answer) -> str:
    return f": {answer.reason}" if answer.reason else ""


def _clipped(reason: str) -> str:
    return " ".join(reason.split())[:LONGEST_REASON]


def _text(usd: Decimal | None) -> str:
    return f"{usd:.2f}" if usd is not None else "unknown"


def _entry(
    approval: Approval,
    transition: Transition,
    reason: str,
    at: datetime,
    *,
    actor: str = "costwatch",
    evidence: Mapping[str, str] | None = None,
) -> Entry:
    facts = {"approval": approval.id, "way": approval.way.value, "name": approval.asked.name, "waits": approval.source}
    found = tuple((key, value) for key, value in {**facts, **(evidence or {})}.items() if value)
    return Entry(at, transition, reason, actor=actor, mode=approval.mode.value, evidence=found)
