"""`costwatch res --json`: a stable contract. Keys keep their names, order and meaning; new ones come last.

Amounts are USD as text with every digit, durations whole seconds; metrics, gains and scores are numbers. null: unknown,
or not of this verdict.
"""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

from costwatch.core.res import Cost, Verdict
from costwatch.core.res_policy import Direction, ModelRules


def document(verdict: Verdict, rules: ModelRules, exit_code: int) -> dict[str, Any]:
    found, measured, cost = verdict.gain, verdict.score, verdict.cost or Cost(None)
    noise = found.noise if found is not None else None
    return {
        "verdict": verdict.value.value,
        "cause": verdict.cause.value,
        "reason": verdict.reason,
        "asks": verdict.ask,
        "exit_code": exit_code,
        "model": rules.name or None,
        "metric": rules.metric,
        "direction": rules.direction.value,
        "baseline": _number(found.baseline if found is not None else None),
        "candidate": _number(found.candidate if found is not None else None),
        "gain": _number(found.amount if found is not None else None),
        "gain_kind": rules.gain.value,
        "standard_error": _number(noise.standard_error if noise is not None else None),
        "standard_errors": _number(found.standard_errors if found is not None else None),
        "noise_basis": noise.basis if noise is not None else None,
        "score": _number(measured.value if measured is not None else None),
        "needed": _number(measured.needed if measured is not None else None),
        "score_kind": None if measured is None else "bounded" if measured.bounded else "raw",
        "worth_usd": _digits(measured.worth_usd if measured is not None else None),
        "cost_usd": _digits(cost.usd),
        "all_candidates_usd": _digits(cost.all_candidates_usd),
        "gpu_hours": _number(cost.gpu_hours),
        "in_service_seconds": verdict.in_service // timedelta(seconds=1) if verdict.in_service is not None else None,
        "passes_at_metric": _passing(verdict.passes_at_metric, rules.direction),
        "passes_at_usd": _digits(verdict.passes_at_usd),
        "cost_of": cost.what or None,
    }


def _number(value: Decimal | None) -> float | None:
    return float(value) if value is not None else None


def _passing(bound: Decimal | None, direction: Direction) -> float | None:
    """The nearest float that passes, read as it is written."""
    if bound is None:
        return None
    found, better = float(bound), math.inf if direction is Direction.MAXIMIZE else -math.inf
    passes = Decimal(str(found)) >= bound if direction is Direction.MAXIMIZE else Decimal(str(found)) <= bound
    return found if passes else math.nextafter(found, better)


def _digits(amount: Decimal | None) -> str | None:
    if amount is None:
        return None
    return f"{amount.normalize():f}" if amount else "0"
