"""A question whether to train: of a pipeline's Lambda step, a state machine's task, a schedule, or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from costwatch import names
from costwatch.core.gains import finite
from costwatch.core.retrain_questions import Asked
from costwatch.errors import InputError, MalformedEvent
from costwatch.intake.reading import body_of, mapping, text_of

KNOWN: Final = frozenset({"model", "id", "cost_usd", "served_error", "reference_error", "requested_by"})
_LONGEST: Final = 500


def retraining(event: object) -> Asked:
    """`{"model": "churn", "cost_usd": 3200, "served_error": 0.12, "reference_error": 0.2, "id": "..."}`.

    All but the model may be left out. Raises MalformedEvent naming the field.
    """
    body = body_of(event)
    if body.get("source") == names.SOURCE_CLI and body.get("detail-type") == names.DETAIL_ADVICE_REQUESTED:
        body = mapping(body, "detail")
    unknown = sorted(str(each) for each in body if each not in KNOWN)
    if unknown:
        raise MalformedEvent(f"{unknown[0][:80]} is nothing this function takes; expected {', '.join(sorted(KNOWN))}")
    return Asked(
        model=_short(text_of(body, "model"), "model"),
        by=_optional(body, "requested_by"),
        id=_optional(body, "id"),
        cost_usd=_figure(body, "cost_usd"),
        served_error=_figure(body, "served_error"),
        reference_error=_figure(body, "reference_error"),
    )


def _optional(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name, "")
    if found is None:
        return ""
    if not isinstance(found, str):
        raise MalformedEvent(f"{name} is no text")
    return _short(found, name)


def _short(text: str, name: str) -> str:
    if len(text) > _LONGEST:
        raise MalformedEvent(f"{name} has {len(text)} characters; expected at most {_LONGEST}")
    return text


def _figure(body: Mapping[str, Any], name: str) -> Decimal | None:
    """A pipeline's Lambda step hands numbers over as text too. Empty: not known."""
    found = body.get(name)
    if found is None or found == "":
        return None
    try:
        number = finite(found, name)
    except InputError as error:
        raise MalformedEvent(str(error)) from None
    if number < 0:
        raise MalformedEvent(f"{name} is {number}; expected 0 or more")
    return number
