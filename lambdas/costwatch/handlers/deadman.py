"""The dead-man's switch: one sweep per tick of the schedule, or when a person asks for one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import __version__, intake, wiring
from costwatch.core.sweeps import SweepDone
from costwatch.errors import MalformedEvent
from costwatch.handlers.metrics import count_sweep, note_refused
from costwatch.procedures.approvals import tend
from costwatch.procedures.gate_waiting import find_waiting
from costwatch.procedures.own_cost import own_cost_of
from costwatch.procedures.report import SweepReport
from costwatch.procedures.restore_asked import restore_asked
from costwatch.procedures.stop_asked import stop_asked
from costwatch.procedures.sweep import sweep
from costwatch.procedures.sweep_asked import check_policy
from costwatch.settings import DeadmanSettings
from costwatch.topology import DEADMAN

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def deployed() -> wiring.Wiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.from_environment(DeadmanSettings, DEADMAN.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.Wiring) -> dict[str, Any]:
    """Sweep, or stop the one run that a person names, or put its numbers back.

    A malformed event is refused into the queue; a failing ledger raises, so the missed sweep alarms.
    """
    try:
        message = intake.deadman(event)
    except MalformedEvent as error:
        wired.refused.refuse(event, reason=str(error), function=DEADMAN.name)
        note_refused(DEADMAN.name, wired.clock())
        return {"refused": str(error)}
    if isinstance(message, intake.SweepRequested):
        check_policy(message, wired.policy)
        wired.logger.info("sweep requested", extra={"requested_by": message.requested_by})
    if isinstance(message, intake.StopRequested):
        wired.logger.info("stop requested", extra={"run": str(message.run_id), "requested_by": message.requested_by})
        return stop_asked(wired.watchdog(context), message)
    if isinstance(message, intake.RestoreRequested):
        wired.logger.info("restore requested", extra={"run": str(message.run_id), "requested_by": message.requested_by})
        return restore_asked(wired.watchdog(context), message.run_id, by=message.requested_by, reason=message.reason)
    gate = wired.gate(context)
    report = sweep(gate.w)
    tend(gate, wiring.account_of(context), report)
    find_waiting(gate, wired.gate_queue_url, wired.here(context), report)
    note_done(wired, report)
    for failure in report.failures:
        wired.logger.error("not handled", extra={"where": failure.where, "reason": failure.reason})
    count_sweep(report, wired.price_book_age(report.at), own_cost_of(wired.policy))
    return report.document()


def note_done(wired: wiring.Wiring, report: SweepReport) -> None:
    """Write down that it came to its end, with what really ran: of one that died there is no such row."""
    policy, failures = wired.policy, report.failures
    done = SweepDone(
        began_at=report.at,
        completed_at=wired.clock(),
        mode=policy.mode,
        policy_digest=policy.digest,
        config_commit=policy.config_commit,
        version=__version__,
        failures=len(failures),
        first_failure=failures[0].where if failures else "",
    )
    with report.isolating("the note of its end"):
        wired.ledger.keep_sweep(done)
