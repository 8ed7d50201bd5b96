"""The RES breaker: judges candidates in the model registry, and is the only function that writes it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.errors import MalformedEvent
from costwatch.handlers.metrics import count_judged, note_refused
from costwatch.procedures.res_decide import decide
from costwatch.procedures.res_events import package_changed, training_ended
from costwatch.procedures.res_report import ResReport
from costwatch.procedures.res_sweep import sweep
from costwatch.procedures.sweep_asked import check_policy
from costwatch.settings import ResSettings
from costwatch.topology import RES

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def deployed() -> wiring.Wiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.from_environment(ResSettings, RES.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.Wiring) -> dict[str, Any]:
    """Sweep, follow an event, or do what a person decided.

    A malformed event is refused into the queue; a failing call raises and is retried by Lambda. A sweep that a person
    asks for counts as none of the schedule's.
    """
    try:
        message = intake.res(event)
    except MalformedEvent as error:
        wired.refused.refuse(event, reason=str(error), function=RES.name)
        note_refused(RES.name, wired.clock())
        return {"refused": str(error)}
    if isinstance(message, intake.SweepRequested):
        check_policy(message, wired.policy)
        wired.logger.info("sweep requested", extra={"requested_by": message.requested_by})
    breaker = wired.breaker(context)
    if isinstance(message, intake.DecisionRequested):
        wired.logger.info("decision requested", extra={"judgement": message.judgement, "requested_by": message.by})
        report = ResReport(at=wired.clock())
        document = decide(breaker, message, report)
        count_judged(report, swept=False)
        return document
    if isinstance(message, intake.PackageChanged):
        report = package_changed(breaker, message)
    elif isinstance(message, intake.TrainingEnded):
        report = training_ended(breaker, message)
    else:
        report = sweep(breaker)
    for failure in report.failures:
        wired.logger.error("not handled", extra={"where": failure.where, "reason": failure.reason})
    count_judged(report, swept=isinstance(message, intake.Tick))
    return report.document()
