"""Metrics that a candidate may not pay for its gain with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from costwatch.core.gains import Evaluation, Reading, checked
from costwatch.core.res_policy import Direction, Guardrail
from costwatch.errors import InputError


def broken(candidate: Evaluation, baseline: Evaluation | None, rails: Sequence[Guardrail]) -> Iterator[str]:
    """A sentence for each that does not hold. `baseline` None: tolerances have nothing to be held against.

    Raises InputError where one cannot be judged.
    """
    for rail in rails:
        if rail.floor is None and baseline is None:
            continue
        ours = reading(candidate, rail.reading, "the candidate").value
        if rail.floor is not None and _worse_by(ours, rail.floor, rail) > 0:
            yield f"{rail.reading} is {ours}, {_beyond(rail)} {rail.floor}"
        if rail.tolerance is None or baseline is None:
            continue
        theirs = reading(baseline, rail.reading, "what serves").value
        lost = _worse_by(ours, theirs, rail)
        if lost > rail.tolerance:
            yield f"{rail.reading} is {ours}, {lost} worse than {theirs}; {rail.tolerance} is allowed"


def reading(evaluation: Evaluation, name: str, whose: str) -> Reading:
    """One of its readings. Raises InputError where it has none of that name, or one that is no number."""
    found = evaluation.readings.get(name)
    if found is None:
        known = ", ".join(sorted(evaluation.readings)[:6]) or "none"
        where = f" in {evaluation.source}" if evaluation.source else ""
        raise InputError(f"{whose} has no metric {name}{where}; it has {known}")
    if found.problem:
        raise InputError(f"{whose}: {found.problem}")
    try:
        return checked(found, name)
    except InputError as error:
        raise InputError(f"{whose}: {error}") from None


def _worse_by(ours: Decimal, theirs: Decimal, rail: Guardrail) -> Decimal:
    return theirs - ours if rail.direction is Direction.MAXIMIZE else ours - theirs


def _beyond(rail: Guardrail) -> str:
    return "below the floor of" if rail.direction is Direction.MAXIMIZE else "above the most that is allowed,"
