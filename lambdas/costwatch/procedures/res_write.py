"""Write a verdict into the model registry: read again right before, and settled from what the registry shows after."""

from __future__ import annotations

from typing import Final

from costwatch.core import judgement_steps as steps
from costwatch.core import registry_words as words
from costwatch.core.judgement_steps import JudgementStep
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.errors import AwsError, InputError
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.res_judge import hand_of
from costwatch.procedures.res_report import ResReport

_TRIES: Final = 5
_Problem = AwsError | InputError | None


def write(b: Breaker, claimed: Judgement, report: ResReport) -> bool:
    """Set the registry to what `claimed`, which is ours, says. Only what is pending is written, or a person's decision
    that our own write went over. Raises AwsError where the registry cannot be read: then the sweep settles it.

    False, with nothing written: it was held against what serves no more, and is to be judged again.
    """
    registry, target = b.registry(claimed.region), claimed.target
    if claimed.decided is None and not serves_still(b, claimed):
        b.save(steps.outdated(claimed, b.w.now()))
        return False
    package = _of(claimed, registry.package(claimed.package_arn))
    problem: _Problem = None
    if target is not None and package is not None and _may_be_written(claimed, package):
        description = words.description(claimed, target)
        added = words.metadata(claimed, target, package.metadata)
        try:
            registry.decide(claimed.package_arn, target, description, added)
        except (AwsError, InputError) as error:
            problem = error
        package = _of(claimed, registry.package(claimed.package_arn))
    _settle(b, claimed, package, problem, report)
    return True


def serves_still(b: Breaker, judgement: Judgement) -> bool:
    """Whether what is approved now is what it was held against."""
    return serving_version(b, judgement) == judgement.serving_version


def serving_version(b: Breaker, judgement: Judgement) -> int | None:
    """What is approved now; None: nothing is."""
    newest = b.registry(judgement.region).newest_approved(judgement.group)
    return newest.version if newest is not None else None


def may_set(b: Breaker, target: ApprovalStatus) -> bool:
    """Whether the role has the permission for it: approving is a switch of its own."""
    policy = b.w.policy.res
    return policy.mode is Mode.ENFORCE and (target is ApprovalStatus.REJECTED or policy.auto_approve)


def put_back(b: Breaker, judgement: Judgement, by: Decided, report: ResReport) -> JudgementStep:
    """The step that follows from a person's decision which a write of ours went over."""
    now = b.w.now()
    if may_set(b, by.target):
        return steps.restoring(judgement, by, now)
    report.hands_not_restored += 1
    why = f"may not set {by.target.value} itself: {words.command(judgement, by.target)}"
    return steps.not_restored(judgement, by, why, now)


def _of(claimed: Judgement, package: ModelPackage | None) -> ModelPackage | None:
    return package if package is not None and claimed.is_of(package) else None


def _may_be_written(claimed: Judgement, package: ModelPackage) -> bool:
    return lies_under_ours(claimed, package) if steps.restores(claimed) else package.pending


def lies_under_ours(claimed: Judgement, package: ModelPackage) -> bool:
    """Whether a person's decision that is to be put back still lies under what Costwatch wrote over it."""
    return package.approval not in (claimed.target, ApprovalStatus.PENDING) and words.written_by_us(package)


def _settle(b: Breaker, claimed: Judgement, package: ModelPackage | None, problem: _Problem, report: ResReport) -> None:
    """Record what came of it, over whatever else was recorded in its row meanwhile."""
    current: Judgement | None = claimed
    for _ in range(_TRIES):
        if current is None or current.state is not State.WRITING or current.target is not claimed.target:
            return  # somebody else saw what came of it
        step = settled(b, current, package, problem, report)
        if b.save(step):
            report.written += step.after.state is State.WRITTEN
            if step.after.state is State.WRITING and steps.restores(step.after) and not steps.restores(claimed):
                write(b, step.after, report)
            return
        current = b.judgements.get(claimed.account, claimed.id)


def settled(
    b: Breaker, judgement: Judgement, package: ModelPackage | None, problem: _Problem, report: ResReport
) -> JudgementStep:
    """What the registry shows of something that is being written."""
    now = b.w.now()
    if package is None:
        return steps.gone(judgement, now)
    by, ours = judgement.decided, words.written_by_us(package)
    if package.approval is judgement.target and (ours or steps.restores(judgement)):
        if by is not None and by.hand is Hand.FIRST and by.target is not judgement.target:
            return put_back(b, judgement, by, report)
        return steps.written(judgement, now)
    if steps.restores(judgement):
        if not lies_under_ours(judgement, package):  # somebody changed it since
            return steps.overridden(judgement, hand_of(package, now, Hand.AFTER), now)
    elif not package.pending:
        return steps.overridden(judgement, hand_of(package, now), now)
    report.not_written += 1
    if problem is None:
        return steps.not_written(judgement, f"it still shows {package.approval.value}", now)
    why = problem.plain if isinstance(problem, AwsError) else str(problem)
    return steps.not_written(judgement, why, now, detail=str(problem))
