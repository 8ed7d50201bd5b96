"""Verdicts and evaluations to table items and back. Metrics are text: they may have more digits than DynamoDB keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from costwatch.core.gains import Evaluation, EvaluationData, Gain, Noise, Reading
from costwatch.core.res import Cause, Cost, Score, Value, Verdict
from costwatch.core.res_policy import Direction, GainKind

Body = Mapping[str, Any]


def verdict_to_item(verdict: Verdict) -> dict[str, Any]:
    """Absent values are left out."""
    return compact(
        {
            "value": verdict.value.value,
            "cause": verdict.cause.value,
            "reason": verdict.reason,
            "metric": verdict.metric,
            "gain": _gain_to_item(verdict.gain) if verdict.gain is not None else None,
            "score": _score_to_item(verdict.score) if verdict.score is not None else None,
            "cost": _cost_to_item(verdict.cost) if verdict.cost is not None else None,
            "in_service": seconds(verdict.in_service),
            "passes_at_metric": _text(verdict.passes_at_metric),
            "passes_at_usd": _text(verdict.passes_at_usd),
            "ask": verdict.ask,
        }
    )


def verdict_from_item(item: Body) -> Verdict:
    """The inverse."""
    return Verdict(
        value=Value(item["value"]),
        cause=Cause(item["cause"]),
        reason=item["reason"],
        metric=item["metric"],
        gain=_gain_from_item(item["gain"]) if item.get("gain") else None,
        score=_score_from_item(item["score"]) if item.get("score") else None,
        cost=_cost_from_item(item["cost"]) if item.get("cost") else None,
        in_service=duration(item, "in_service"),
        passes_at_metric=_decimal(item, "passes_at_metric"),
        passes_at_usd=_decimal(item, "passes_at_usd"),
        ask=bool(item["ask"]),
    )


def _gain_to_item(gain: Gain) -> dict[str, Any]:
    noise = gain.noise
    return compact(
        {
            "amount": str(gain.amount),
            "kind": gain.kind.value,
            "candidate": str(gain.candidate),
            "baseline": str(gain.baseline),
            "direction": gain.direction.value,
            "noise": [str(noise.standard_error), noise.basis] if noise is not None else None,
        }
    )


def _gain_from_item(item: Body) -> Gain:
    noise = item.get("noise")
    return Gain(
        amount=Decimal(item["amount"]),
        kind=GainKind(item["kind"]),
        candidate=Decimal(item["candidate"]),
        baseline=Decimal(item["baseline"]),
        direction=Direction(item["direction"]),
        noise=Noise(Decimal(noise[0]), noise[1]) if noise else None,
    )


def _score_to_item(score: Score) -> dict[str, Any]:
    return compact(
        {
            "value": str(score.value),
            "needed": str(score.needed),
            "bounded": score.bounded,
            "worth_usd": _text(score.worth_usd),
        }
    )


def _score_from_item(item: Body) -> Score:
    return Score(Decimal(item["value"]), Decimal(item["needed"]), bool(item["bounded"]), _decimal(item, "worth_usd"))


def _cost_to_item(cost: Cost) -> dict[str, Any]:
    return compact(
        {
            "usd": _text(cost.usd),
            "gpu_hours": _text(cost.gpu_hours),
            "all_candidates_usd": _text(cost.all_candidates_usd),
            "what": cost.what,
        }
    )


def _cost_from_item(item: Body) -> Cost:
    return Cost(
        usd=_decimal(item, "usd"),
        gpu_hours=_decimal(item, "gpu_hours"),
        all_candidates_usd=_decimal(item, "all_candidates_usd"),
        what=item["what"],
    )


def evaluation_to_item(evaluation: Evaluation) -> dict[str, Any]:
    """Absent values are left out."""
    data = evaluation.data
    return compact(
        {
            "readings": {
                name: compact(
                    {
                        "value": str(reading.value),
                        "standard_error": _text(reading.standard_error),
                        "sample_size": reading.sample_size,
                    }
                )
                for name, reading in evaluation.readings.items()
            },
            "data": [data.uri, data.etag] if data is not None else None,
            "source": evaluation.source,
        }
    )


def evaluation_from_item(item: Body) -> Evaluation:
    """The inverse."""
    data = item.get("data")
    return Evaluation(
        readings={
            name: Reading(
                value=Decimal(each["value"]),
                standard_error=_decimal(each, "standard_error"),
                sample_size=int(each["sample_size"]) if each.get("sample_size") is not None else None,
            )
            for name, each in item["readings"].items()
        },
        data=EvaluationData(data[0], data[1]) if data else None,
        source=item["source"],
    )


def _text(value: Decimal | None) -> str | None:
    return str(value) if value is not None else None


def _decimal(item: Body, name: str) -> Decimal | None:
    return Decimal(item[name]) if item.get(name) is not None else None


def seconds(value: timedelta | None) -> int | None:
    """Whole seconds."""
    return int(value.total_seconds()) if value is not None else None


def duration(item: Body, name: str) -> timedelta | None:
    """The inverse."""
    return timedelta(seconds=int(item[name])) if item.get(name) is not None else None


def compact(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is absent."""
    return {name: value for name, value in body.items() if value is not None}
