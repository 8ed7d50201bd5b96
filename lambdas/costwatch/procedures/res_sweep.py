"""The breaker's own sweep: whatever an event starts, this starts without it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from costwatch.core import claims
from costwatch.core import judgement_steps as steps
from costwatch.core.judgements import Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus, ListedPackage
from costwatch.core.res_policy import ModelRules
from costwatch.procedures import outbox
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.report import Failure
from costwatch.procedures.res_consider import consider, id_of, is_due
from costwatch.procedures.res_report import ResReport

LOOKS_BACK: Final = timedelta(days=30)
"""What was registered before and never judged stays as it is: it is no candidate any more."""
SECONDS_TO_JUDGE: Final = 60.0
"""With less time left nothing new is begun: the next sweep goes on."""


def sweep(b: Breaker) -> ResReport:
    """Look at every package that is pending in a configured group and region, at what serves there, and at whatever is
    still open. One that fails costs itself alone. Raises AwsError where the ledger fails.
    """
    w = b.w
    report = ResReport(at=w.now())
    if w.policy.res.mode is Mode.OFF:
        return report
    seen: set[str] = set()
    for region, rules in _places(b):
        if not _time_left(b, report):
            break
        with report.isolating(f"{region} {rules.group}"):
            _group(b, region, rules, report, seen)
    for judgement in b.judgements.open(w.account, report.skip):
        claim = claims.of_candidate(judgement)
        report.unsettled(claim)
        if judgement.region not in w.policy.regions or w.policy.res.of_group(judgement.group) is None:
            if claim is not None:
                report.fail(Failure(judgement.id, _not_configured(judgement), retry=False))
        elif judgement.id not in seen and _time_left(b, report):
            _again(b, judgement, report)
    outbox.flush(w, report, warnings=False)
    return report


def _places(b: Breaker) -> list[tuple[str, ModelRules]]:
    """Where to look: each sweep begins one further on, so that one that takes all the time starves no other."""
    policy = b.w.policy
    found = [(region, rules) for region in policy.regions for rules in policy.res.models]
    first = int(b.w.now().timestamp() // policy.sweep_every.total_seconds()) % max(len(found), 1)
    return found[first:] + found[:first]


def _group(b: Breaker, region: str, rules: ModelRules, report: ResReport, seen: set[str]) -> None:
    """What serves, then what is pending: the newest first, and described only where something may follow from it."""
    registry, now = b.registry(region), b.w.now()
    rows = {each.id: each for each in b.judgements.of_model(b.w.account, rules.name, report.skip)}
    newest = registry.newest_approved(rules.group)
    if newest is not None and _time_left(b, report):
        seen.add(id_of(newest))
        with report.isolating(id_of(newest)):
            consider(b, newest, report)
    ours = _approved_by_us(rows.values(), region, rules.group)
    if ours is not None and ours.id not in seen and _time_left(b, report):
        seen.add(ours.id)
        _again(b, ours, report)
    is_open = (each.created_at for each in rows.values() if each.region == region and not each.state.final)
    oldest = min((now - LOOKS_BACK, *is_open))
    for listed in registry.pending(rules.group):
        if listed.created_at < oldest:
            return
        if _is_due(b, listed, rows.get(id_of(listed)), now):
            if not _time_left(b, report):
                return
            with report.isolating(id_of(listed)):
                package = registry.package(listed.arn)
                if package is not None:
                    consider(b, package, report)
        seen.add(id_of(listed))


def _is_due(b: Breaker, listed: ListedPackage, row: Judgement | None, now: datetime) -> bool:
    """Whether anything may follow from a package that is pending, by what the ledger has of it."""
    if row is None or row.created_at != listed.created_at:  # of a group that was made anew
        return now - listed.created_at <= LOOKS_BACK
    if row.state.final:
        return row.state is State.WRITTEN  # somebody has undone what was written
    return row.state is State.WRITING or is_due(b, row, now)


def _approved_by_us(rows: Iterable[Judgement], region: str, group: str) -> Judgement | None:
    """What Costwatch approved last: where something else serves now, it was rolled back or there is a newer one."""
    approved = [
        each
        for each in rows
        if (each.region, each.group, each.state, each.target) == (region, group, State.WRITTEN, ApprovalStatus.APPROVED)
    ]
    return max(approved, key=lambda each: each.package_version, default=None)


def _again(b: Breaker, judgement: Judgement, report: ResReport) -> None:
    """See what became of one that the ledger has."""
    with report.isolating(judgement.id):
        package = b.registry(judgement.region).package(judgement.package_arn)
        if package is None:
            b.save(steps.gone(judgement, b.w.now()))
        else:
            consider(b, package, report)


def _not_configured(judgement: Judgement) -> str:
    """Of one that is claimed: whether it was written, only the registry says, and nobody may look there any more."""
    place = f"{judgement.group} in {judgement.region}"
    return f"claimed and not settled, and the configuration names {place} no more: name it again and deploy"


def _time_left(b: Breaker, report: ResReport) -> bool:
    if b.w.seconds_left() >= SECONDS_TO_JUDGE:
        return True
    report.fail(Failure("candidates", "the function's time is nearly over; the rest is looked at later", True))
    return False
