"""Whether to train now: asked by a pipeline's Lambda step, a state machine, a schedule or the command line."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from costwatch import intake, wiring
from costwatch.core.retrain_questions import Question
from costwatch.errors import InputError
from costwatch.handlers.metrics import note_refused
from costwatch.procedures.retraining import answer
from costwatch.topology import RETRAIN

if TYPE_CHECKING:
    from decimal import Decimal

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


def document(question: Question) -> dict[str, Any]:
    """Flat, and of texts, numbers and booleans alone: a pipeline's Lambda step takes nothing else. Empty: not known."""
    return {
        "answer": "train" if question.trains else "skip",
        "train": question.trains,
        "advice": question.advice.value,
        "reason": question.reason,
        "rule": question.rule,
        "model": question.asked.model,
        "mode": question.mode.value,
        "expected_gain": _text(question.expected_gain, ".6g"),
        "expected_worth_usd": _text(question.expected_worth_usd, ".2f"),
        "expected_cost_usd": _text(question.expected_cost_usd, ".2f"),
        "score": _text(question.score, ".4f"),
        "skipped_in_a_row": question.skipped_in_a_row,
        "most_skips": question.most_skips,
    }


def _text(value: Decimal | None, form: str) -> str:
    return format(value, form) if value is not None else ""
