"""The approval gate: a request goes on, or waits for a yes. Starts and stops nothing itself."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.errors import AwsError, MalformedEvent
from costwatch.handlers.metrics import note_refused
from costwatch.procedures import approvals
from costwatch.procedures.approvals import Gate, Reply
from costwatch.procedures.gate_messages import amended, take
from costwatch.settings import GateSettings
from costwatch.topology import GATE

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def deployed() -> wiring.Wiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.from_environment(GateSettings, GATE.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.Wiring) -> dict[str, Any]:
    """Take a batch of the queue, one task of a state machine, or one command.

    Answers which messages are to be delivered again, or what became of the one request. What nobody could be answered
    about is refused into the queue. Raises AwsError for a task or a command that is to be tried again.
    """
    try:
        message = intake.gate(event, wired.here(context))
    except MalformedEvent as error:
        _refuse(wired, event, str(error))
        return {"refused": str(error)}
    if isinstance(message, intake.Amend):
        return {"job": amended(message.job, message.granted, wired.policy.tags.approval)}
    gate = wired.gate(context)
    if not isinstance(message, intake.GateBatch):
        reply = take(gate, message)
        approvals.say(gate.w)
        return _document(reply)
    for refused in message.refused:
        _refuse(wired, refused.event, refused.reason)
    failed = [each.message_id for each in message.messages if not _taken(gate, each, wired)]
    approvals.say(gate.w)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _taken(gate: Gate, message: intake.GateMessage, wired: wiring.Wiring) -> bool:
    """One that fails is delivered again, and costs the others of its batch nothing."""
    try:
        reply = take(gate, message)
    except AwsError as error:
        wired.logger.warning("gate message not handled", extra={"reason": str(error)})
        return False
    if isinstance(message, intake.GivenUp):
        what = "its question waits for an answer" if reply.waits else "whoever waited has been answered"
        _refuse(wired, message.event, f"the gate failed on it time after time; {what}")
    return True


def _refuse(wired: wiring.Wiring, event: object, reason: str) -> None:
    wired.refused.refuse(event, reason=reason, function=GATE.name)
    note_refused(GATE.name, wired.clock())


def _document(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.id,
        "decision": reply.decision,
        "reason": reply.reason,
        "goes_on": reply.goes_on,
        "waits": reply.waits,
        "outputs": dict(reply.outputs),
    }
