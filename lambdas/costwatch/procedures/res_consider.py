"""What follows for one candidate from how the registry shows it now. Whoever comes first acts; the others see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from costwatch.core import judgement_steps as steps
from costwatch.core import registry_words as words
from costwatch.core.judgement_steps import WRITE_LEASE, JudgementStep
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.res import Value
from costwatch.core.res_policy import ModelRules
from costwatch.procedures import res_write
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.res_judge import hand_of, judge, record
from costwatch.procedures.res_report import ResReport

_TRIES: Final = 4
AGAIN_EVERY: Final = timedelta(hours=1)
"""How often it is tried to judge what could not be: its metrics may still come."""
HOPE: Final = timedelta(days=14)
"""For so long after it was registered."""
_CLOCKS: Final = timedelta(minutes=1)
"""How far an event's time may lie before our claim and still be of what happened after it."""


def rules_of(b: Breaker, package: ModelPackage) -> ModelRules | None:
    """None: the package is none of ours to judge."""
    policy = b.w.policy
    ours = package.account == b.w.account and package.region in policy.regions and policy.res.mode is not Mode.OFF
    return policy.res.of_group(package.group) if ours else None


def consider(b: Breaker, package: ModelPackage, report: ResReport, hand: Decided | None = None) -> None:
    """Judge it, write it, or see what became of it. `hand`: of a decision that an event tells of, and whose event bears
    no mark of ours. Raises AwsError: then the event comes again, and the sweep looks at it in any case.
    """
    rules = rules_of(b, package)
    if rules is None or package.status != "Completed":
        return
    report.candidates += 1
    found: ModelPackage | None = package
    for _ in range(_TRIES):
        if found is None:
            return
        before = b.judgements.get(b.w.account, id_of(found))
        step = _step(b, found, rules, before, hand, report)
        if step is None:
            return
        if b.save(step):
            claims = step.after.state is State.WRITING and _is_claim(before, step.after)
            if not claims or res_write.write(b, step.after, report):
                return
        found = b.registry(found.region).package(found.arn)


def id_of(package: ModelPackage) -> str:
    return f"{package.region}/{package.group}/{package.version}"


def _is_claim(before: Judgement | None, after: Judgement) -> bool:
    """A hand that was noticed in somebody else's row is no claim."""
    if before is None or before.state is not State.WRITING:
        return True
    return (before.lease_until, before.target) != (after.lease_until, after.target)


def _step(
    b: Breaker,
    package: ModelPackage,
    rules: ModelRules,
    before: Judgement | None,
    hand: Decided | None,
    report: ResReport,
) -> JudgementStep | None:
    now = b.w.now()
    if before is None:
        return judge(b, package, rules, None, report) if package.pending else record(b, package, rules)
    if before.state is State.WRITING:
        return _being_written(b, package, rules, before, hand, report)
    if before.state is State.WRITTEN:
        if hand is not None and _lies_under_ours(before, hand, package):
            return res_write.put_back(b, before, hand, report)
        if package.approval is not before.target:
            return steps.overridden(before, hand_of(package, now, Hand.AFTER), now)
        return None
    if before.state is State.OVERRIDDEN:
        return _after_all(before, package, now)
    if not package.pending:
        return steps.overridden(before, hand_of(package, now), now)
    return judge(b, package, rules, before, report) if _is_due(b, before, package, now) else None


def _is_due(b: Breaker, before: Judgement, package: ModelPackage, now: datetime) -> bool:
    """Whether a candidate that is pending is to be judged again."""
    if before.mode is not b.w.policy.res.mode or before.state is State.WAITING:
        return True  # what was settled in observe blocks no enforce
    hopeful = before.verdict.value in (Value.UNJUDGED, Value.FIRST_MODEL) and now - before.created_at <= HOPE
    changed = package.modified_at is not None and package.modified_at > before.judged_at
    return hopeful and (changed or now - before.judged_at >= AGAIN_EVERY)


def _being_written(
    b: Breaker,
    package: ModelPackage,
    rules: ModelRules,
    before: Judgement,
    hand: Decided | None,
    report: ResReport,
) -> JudgementStep | None:
    """Somebody writes it right now, or crashed while they did."""
    now = b.w.now()
    ours = words.written_by_us(package)
    busy = before.lease_until is not None and now < before.lease_until
    if busy:
        seen = hand or (hand_of(package, now) if not package.pending and not ours else None)
        theirs = seen is not None and seen.target is not before.target and not steps.restores(before)
        if seen is not None and theirs and _is_of_now(before, seen):
            return steps.noticed(before, seen, now)
        return None
    by = before.decided
    if by is not None and steps.restores(before):
        return _being_restored(b, package, before, by, report)
    if package.pending and by is None:
        return judge(b, package, rules, before, report)  # the rules, what serves and the data may be others by now
    if package.pending and by is not None:
        return _being_decided(b, before, by)
    return res_write.settled(b, before, package, "", report)


def _being_decided(b: Breaker, before: Judgement, by: Decided) -> JudgementStep | None:
    """A person's word is never judged over: it is written as it was said, or left to them."""
    now = b.w.now()
    if by.hand is Hand.FIRST:
        return steps.overridden(before, by, now)
    if not res_write.may_set(b, by.target):
        return steps.left_to_them(before, f"Costwatch may not set {by.target.value} any more", now)
    if by.target is ApprovalStatus.APPROVED and not res_write.serves_still(b, before):
        return steps.left_to_them(before, "something else is approved by now, which it was never held against", now)
    return steps.taken_over(before, now)


def _being_restored(
    b: Breaker, package: ModelPackage, before: Judgement, by: Decided, report: ResReport
) -> JudgementStep | None:
    if res_write.lies_under_ours(before, package):
        may = res_write.may_set(b, by.target)
        return steps.taken_over(before, b.w.now()) if may else res_write.put_back(b, before, by, report)
    return res_write.settled(b, before, package, "", report)


def _lies_under_ours(before: Judgement, hand: Decided, package: ModelPackage) -> bool:
    """Whether our write went over what an event tells of now: it was decided while we wrote, and the registry still
    shows ours.
    """
    return (
        hand.target in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)
        and package.approval is before.target
        and hand.target is not before.target
        and before.decided is None
        and words.written_by_us(package)
        and _is_of_now(before, hand)
    )


def _is_of_now(before: Judgement, hand: Decided) -> bool:
    """Within the time of our claim: an event of before it is late, and what it tells of was undone since."""
    if before.lease_until is None:
        return False
    return before.lease_until - WRITE_LEASE - _CLOCKS <= hand.at <= before.lease_until


def _after_all(before: Judgement, package: ModelPackage, now: datetime) -> JudgementStep | None:
    """Of what is left to people: when it began to serve, and that a decision of theirs stands again."""
    by = before.decided
    if by is not None and by.hand is Hand.NOT_RESTORED and package.approval is by.target:
        return steps.overridden(before, hand_of(package, now, Hand.AFTER), now)
    if package.approval is ApprovalStatus.APPROVED:
        return steps.serves(before, package.modified_at or now, now)
    return None
