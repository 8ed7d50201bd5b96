"""`costwatch estimate --json`: a stable contract. Keys keep their names, order and meaning; new ones come last.

Amounts are USD as text with every digit, durations whole seconds, days ISO 8601 in UTC. null: unknown.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from costwatch.core.estimator import LineItem
from costwatch.core.quote import PricedPart, Quote


def document(quote: Quote, region: str) -> dict[str, Any]:
    return {
        "currency": "USD",
        "hourly_usd": _digits(quote.hourly_usd),
        "expected_usd": _digits(quote.expected_usd),
        "p90_usd": _digits(quote.p90_usd),
        "worst_case_usd": _digits(quote.worst_case_usd),
        "gpu_hours": _digits(quote.gpu_hours),
        "confidence": quote.confidence.value,
        "price_as_of": quote.price_as_of.isoformat() if quote.price_as_of is not None else None,
        "line_items": [
            _line(item, priced.part.name)
            for priced in quote.parts
            if priced.estimate is not None
            for item in priced.estimate.line_items
        ],
        "list_value_usd": _digits(quote.list_value_usd),
        "region": region,
        "steps": [_step(priced) for priced in quote.parts],
        "unpriced": list(quote.unpriced),
        "notes": list(quote.notes),
    }


def _line(item: LineItem, step: str) -> dict[str, Any]:
    return {
        "what": item.what,
        "quantity": _digits(item.quantity),
        "unit": item.unit,
        "unit_price_usd": _digits(item.unit_price_usd),
        "hourly_usd": _digits(item.hourly_usd),
        "expected_usd": _digits(item.expected_usd),
        "p90_usd": _digits(item.p90_usd),
        "worst_case_usd": _digits(item.worst_case_usd),
        "confidence": item.confidence.value,
        "price_as_of": item.price_as_of.isoformat() if item.price_as_of is not None else None,
        "source": item.source,
        "list_value_usd": _digits(item.list_value_usd),
        "step": step,
    }


def _step(priced: PricedPart) -> dict[str, Any]:
    """Durations are null where it runs no instances, or nobody knows what it costs."""
    made = priced.estimate
    return {
        "name": priced.part.name,
        "type": priced.part.kind,
        "hourly_usd": _digits(priced.hourly_usd),
        "expected_usd": _digits(priced.expected_usd),
        "p90_usd": _digits(priced.p90_usd),
        "worst_case_usd": _digits(priced.worst_case_usd),
        "gpu_hours": _digits(priced.gpu_hours),
        "basis": made.basis if made is not None else None,
        "expected_runtime_seconds": _seconds(made.expected_runtime) if made is not None else None,
        "p90_runtime_seconds": _seconds(made.p90_runtime) if made is not None else None,
        "max_runtime_seconds": _seconds(made.spec.max_runtime) if made is not None else None,
    }


def _digits(amount: Decimal | None) -> str | None:
    """Every digit, none of them behind an exponent: `606.030864`."""
    if amount is None:
        return None
    return f"{amount.normalize():f}" if amount else "0"  # a discount on nothing would be -0


def _seconds(duration: timedelta) -> int:
    return duration // timedelta(seconds=1)
