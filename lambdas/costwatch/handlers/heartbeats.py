"""Heartbeats: a batch from the queue becomes one write for each run that beats. Warns and stops nobody."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.handlers.metrics import note_refused
from costwatch.procedures.beats import take
from costwatch.topology import HEARTBEATS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_REFUSED_ONE_BY_ONE = 10
"""Of a flood of what cannot be read so many are kept; the rest is counted."""


@cache
def deployed() -> wiring.TableWiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.heartbeats_from_environment(HEARTBEATS.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.TableWiring) -> dict[str, Any]:
    """Take a batch; answers which messages are to be delivered again. Raises MalformedEvent for what is no batch."""
    batch = intake.heartbeats(event, account=wiring.account_of(context))
    for refused in batch.refused[:_REFUSED_ONE_BY_ONE]:
        wired.refused.refuse(refused.event, reason=refused.reason, function=HEARTBEATS.name)
    if batch.refused:
        note_refused(HEARTBEATS.name, wired.clock(), len(batch.refused))
        wired.logger.warning(
            "heartbeats refused", extra={"count": len(batch.refused), "first_reason": batch.refused[0].reason}
        )
    taken = take(wired.pulses, batch.arrived, wired.policy)
    for problem in taken.problems:
        wired.logger.error("heartbeats not written", extra={"reason": problem})
    wired.logger.info("heartbeats taken", extra={"beats": taken.beats, "members": taken.members})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in taken.failed]}
