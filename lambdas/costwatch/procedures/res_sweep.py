"""The breaker's own sweep: whatever an event starts, this starts without it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from costwatch.core import judgement_steps as steps
from costwatch.core.judgements import State
from costwatch.core.modes import Mode
from costwatch.core.packages import ModelPackage
from costwatch.core.res_policy import ModelRules
from costwatch.procedures import outbox
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.report import Failure
from costwatch.procedures.res_consider import consider, id_of
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
    for region in w.policy.regions:
        for rules in w.policy.res.models:
            with report.isolating(f"{region} {rules.group}"):
                _group(b, region, rules, report, seen)
    for judgement in b.judgements.open(w.account, report.skip):
        if judgement.state is State.WRITING:
            report.unsettled(judgement.decided.at if judgement.decided is not None else judgement.judged_at)
        known = judgement.region in w.policy.regions and w.policy.res.of_group(judgement.group) is not None
        if judgement.id in seen or not known or not _time_left(b, report):
            continue
        with report.isolating(f"{judgement.id}"):
            package = b.registry(judgement.region).package(judgement.package_arn)
            if package is None:
                b.save(steps.gone(judgement, w.now()))
            else:
                consider(b, package, report)
    outbox.flush(w, report, warnings=False)
    return report


def _group(b: Breaker, region: str, rules: ModelRules, report: ResReport, seen: set[str]) -> None:
    registry, account = b.registry(region), b.w.account
    newest = registry.newest_approved(rules.group)
    if newest is not None and _time_left(b, report):
        seen.add(id_of(newest))
        with report.isolating(f"{id_of(newest)}"):
            consider(b, newest, report)
    for package in registry.pending(rules.group):
        if not _time_left(b, report):
            return
        seen.add(id_of(package))
        with report.isolating(f"{id_of(package)}"):
            if _is_young(b, package) or b.judgements.get(account, id_of(package)) is not None:
                consider(b, package, report)


def _is_young(b: Breaker, package: ModelPackage) -> bool:
    return b.w.now() - package.created_at <= LOOKS_BACK


def _time_left(b: Breaker, report: ResReport) -> bool:
    if b.w.seconds_left() >= SECONDS_TO_JUDGE:
        return True
    report.fail(Failure("candidates", "the function's time is nearly over; the rest is looked at later", True))
    return False
