"""Callback steps that wait and that nobody would ever answer: their message was lost, or our answer was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from costwatch.adapters.callback_steps import WaitingStep
from costwatch.core.approvals import State
from costwatch.intake.gate import Here, found_again, waiter
from costwatch.procedures import approvals
from costwatch.procedures.approvals import Gate
from costwatch.procedures.gate_messages import take
from costwatch.procedures.report import Failure, SweepReport

_WHERE: Final = "callback steps that wait"
LOOK_EVERY: Final = timedelta(hours=1)
LOOK_BACK: Final = timedelta(days=15)
"""A message lies in a queue for 14 days at most: who waits for longer is found by the dead letters' alarm."""
OLD_ENOUGH: Final = timedelta(minutes=45)
"""Until then the message may still be on its way through the queue's tries."""


def find_waiting(g: Gate, queue_url: str, here: Here, report: SweepReport) -> None:
    """Once an hour: ask, withdraw or answer again. One that fails costs the others nothing. Empty `queue_url`: there
    is no gate.
    """
    if queue_url and is_due(report.at, g.w.policy.sweep_every):
        look(g, queue_url, here, report)


def is_due(now: datetime, every: timedelta) -> bool:
    """Whether the sweep at `now` is the first of its hour. It costs a call for each pipeline that is in use."""
    hour = LOOK_EVERY.total_seconds()
    return now.timestamp() // hour != (now - every).timestamp() // hour


def look(g: Gate, queue_url: str, here: Here, report: SweepReport) -> None:
    """The same, whatever the hour."""
    now = g.w.now()
    with report.isolating(_WHERE):
        waiting = g.steps(here.region).waiting_steps(queue_url, now - LOOK_BACK)
        report.failures.extend(Failure(_WHERE, str(error), error.retry, error.code) for error in waiting.errors)
        for step in waiting.steps:
            if step.since is None or now - step.since >= OLD_ENOUGH:
                with report.isolating(f"callback step {step.name} of {step.execution_arn}"):
                    _one(g, step, here)


def _one(g: Gate, step: WaitingStep, here: Here) -> None:
    waiting = waiter(here, step.token, step.execution_arn)
    if step.stopping:
        approvals.withdraw(g, waiting, "its pipeline was stopped")
        return
    known = g.approvals.get(here.account, waiting.id)
    if known is None:
        source = g.steps(here.region).source_of(step.execution_arn)
        take(g, found_again(waiting, step.name, source.definition, source.parameters, here))
    elif known.state is not State.PENDING:
        approvals.answer_again(g, known)
