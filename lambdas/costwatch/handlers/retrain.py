"""Whether to train now: asked by a pipeline's Lambda step, a state machine, a schedule or the command line."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.core.retrain_questions import document
from costwatch.errors import InputError
from costwatch.handlers.metrics import note_refused
from costwatch.procedures.retraining import answer
from costwatch.topology import RETRAIN

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def deployed() -> wiring.RetrainWiring:
    """Built on the first invocation, from the function's environment."""
    return wiring.retrain_from_environment(RETRAIN.service)


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry point."""
    return handle(event, context, deployed())


def handle(event: object, context: LambdaContext, wired: wiring.RetrainWiring) -> dict[str, Any]:
    """Answer one question.

    Raises InputError or AwsError: whoever waits is told so as a failure, and never that it may skip. What cannot be
    read is kept in the queue of refused events as well.
    """
    try:
        return document(answer(wired.adviser(context), intake.retraining(event)))
    except InputError as error:
        wired.refused.refuse(event, reason=str(error), function=RETRAIN.name)
        note_refused(RETRAIN.name, wired.clock())
        raise
