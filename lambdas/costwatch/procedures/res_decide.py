"""A named person's decision about a candidate. Whoever asks for it has checked that they may."""

from __future__ import annotations

from typing import Any, Final

from costwatch.core import judgement_steps as steps
from costwatch.core import registry_words as words
from costwatch.core.judgements import Decided, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.errors import RefusedError
from costwatch.intake import DecisionRequested
from costwatch.procedures import outbox, res_write
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.res_consider import consider
from costwatch.procedures.res_report import ResReport

_TRIES: Final = 4


def decide(b: Breaker, asked: DecisionRequested, report: ResReport | None = None) -> dict[str, Any]:
    """Record what they decided, and write it where the role may; else tell them how. The same again is answered as
    before.

    Returns what came of it as a document; what could not be done goes into `report`. Raises RefusedError, with nothing
    written, where the candidate is not known, was decided by somebody else, was judged anew, or nothing is in enforce;
    AwsError where the registry fails.
    """
    report = report or ResReport(at=b.w.now())
    for _ in range(_TRIES):
        before = _shown(b, asked)
        package = b.registry(before.region).package(before.package_arn)
        if package is None:
            raise RefusedError(f"{before.name} is not in the registry any more")
        if _decided_before(before, asked):
            return _document(before, asked, package, report)
        _check_open(b, before, package, asked, report)
        by = Decided(asked.by, b.w.now(), asked.target, asked.reason, asked.name)
        writes = package.pending and res_write.may_set(b, asked.target)
        step = steps.decided(before, by, b.w.now(), writes=writes)
        if not b.save(step):
            continue
        if writes:
            res_write.write(b, step.after, report)
        outbox.flush(b.w, report, warnings=False)
        after = b.judgements.get(b.w.account, asked.judgement) or step.after
        seen = b.registry(before.region).package(before.package_arn) or package
        return _document(after, asked, seen, report)
    raise RefusedError(f"{asked.judgement} was changed by others each time; nothing was written: try again")


def _shown(b: Breaker, asked: DecisionRequested) -> Judgement:
    """The judgement that they were shown. Raises RefusedError."""
    before = b.judgements.get(b.w.account, asked.judgement)
    if before is None:
        raise RefusedError(f"no candidate is known under {asked.judgement}")
    if asked.judged_at is not None and asked.judged_at != before.judged_at and not before.state.final:
        raise RefusedError(f"{before.name} was judged anew since you looked: look at it again, and decide again")
    return before


def _decided_before(before: Judgement, asked: DecisionRequested) -> bool:
    by = before.decided
    return by is not None and by.by == asked.by and by.target is asked.target


def _check_open(
    b: Breaker, before: Judgement, package: ModelPackage, asked: DecisionRequested, report: ResReport
) -> None:
    """Raises RefusedError where there is nothing left for them to decide."""
    command = words.command(before, asked.target)
    mode = b.w.policy.res.mode
    if mode is not Mode.ENFORCE:
        raise RefusedError(f"res is in {mode.value}: the registry is yours alone. Decide it there: {command}")
    if before.decided is not None:
        by = before.decided
        raise RefusedError(f"{by.name or by.by or 'Somebody'} set {before.name} to {by.target.value} before you.")
    if before.state is State.WRITING:
        raise RefusedError(f"{before.name} is being written right now: look at it again in a minute")
    if not package.pending and before.state is not State.WRITTEN:
        consider(b, package, report)
        outbox.flush(b.w, report, warnings=False)
        raise RefusedError(f"{before.name} is {package.approval.value} in the registry already, by somebody else.")
    if before.state is State.WRITTEN and package.approval is asked.target:
        raise RefusedError(f"{before.name} is {package.approval.value} already.")
    if asked.target is ApprovalStatus.APPROVED:
        _check_serving(b, before, command)


def _check_serving(b: Breaker, before: Judgement, command: str) -> None:
    """Raises RefusedError where a Promote would answer an old question: it was held against something else."""
    serving = res_write.serving_version(b, before)
    if serving == before.serving_version:
        return
    if serving is None:
        why = f"no version is approved any more, and {before.name} was held against v{before.serving_version}"
    else:
        why = f"{before.model} v{serving} is approved now, and {before.name} was never held against it"
    raise RefusedError(f"{why}. If it is to serve all the same, approve it in the registry: {command}")


def _document(after: Judgement, asked: DecisionRequested, package: ModelPackage, report: ResReport) -> dict[str, Any]:
    """`command`: what they have to run themselves; empty: nothing."""
    done = package.approval is asked.target
    return {
        "judgement": after.id,
        "name": after.name,
        "decision": "promote" if asked.target is ApprovalStatus.APPROVED else "reject",
        "state": after.state.value,
        "registry": package.approval.value,
        "written": done,
        "command": "" if done else words.command(after, asked.target),
        "failures": [{"where": f.where, "reason": f.reason, "retry": f.retry} for f in report.failures],
    }
