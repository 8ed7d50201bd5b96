"""Forecasts, and what runs cost in the end, to ledger rows and back. Money stays Decimal, as DynamoDB keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from costwatch.core import times
from costwatch.core.estimator import Confidence
from costwatch.core.families import PastRun
from costwatch.core.forecast import Forecast
from costwatch.core.model import RunId
from costwatch.core.run_cost import Booked, Outcome, Owners, RunCost

KEEP_FAMILY: Final = timedelta(days=180)
"""What a run took half a year ago says nothing about the next one."""
_DIGITS: Final = Decimal("1e-9")
"""DynamoDB keeps 38 digits and boto3 refuses to round: what a division made longer is cut far below a cent."""

Body = Mapping[str, Any]


def usd(amount: Decimal | None) -> Decimal | None:
    return amount.quantize(_DIGITS) if amount is not None else None


def forecast_to_item(forecast: Forecast) -> dict[str, Any]:
    return _compact(
        {
            "made_at": times.to_text(forecast.made_at),
            "family": forecast.family,
            "expected_usd": usd(forecast.expected_usd),
            "p90_usd": usd(forecast.p90_usd),
            "worst_case_usd": usd(forecast.worst_case_usd),
            "confidence": forecast.confidence.value,
            "price_as_of": forecast.price_as_of.isoformat() if forecast.price_as_of is not None else None,
            "runtime_seconds": _seconds(forecast.runtime),
            "basis": forecast.basis,
        }
    )


def forecast_from_item(item: Body) -> Forecast:
    runtime = item.get("runtime_seconds")
    return _forecast(
        item["made_at"],
        item["family"],
        item.get("expected_usd"),
        item.get("p90_usd"),
        item.get("worst_case_usd"),
        item["confidence"],
        item.get("price_as_of"),
        int(runtime) if runtime is not None else None,
        item["basis"],
    )


@lru_cache(maxsize=256)
def _forecast(
    made_at: str,
    family: str,
    expected_usd: Decimal | None,
    p90_usd: Decimal | None,
    worst_case_usd: Decimal | None,
    confidence: str,
    as_of: str | None,
    runtime_seconds: int | None,
    basis: str,
) -> Forecast:
    """One for all runs that were forecast alike: a sweep has all open records in memory."""
    return Forecast(
        made_at=times.from_text(made_at),
        family=family,
        expected_usd=expected_usd,
        p90_usd=p90_usd,
        worst_case_usd=worst_case_usd,
        confidence=Confidence(confidence),
        price_as_of=date.fromisoformat(as_of) if as_of else None,
        runtime=timedelta(seconds=runtime_seconds) if runtime_seconds is not None else None,
        basis=basis,
    )


def cost_to_item(cost: RunCost) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    return _compact(
        {
            "run_id": str(cost.run_id),
            "name": cost.name,
            "started_at": _text(cost.started_at),
            "ended_at": _text(cost.ended_at),
            "outcome": cost.outcome.value,
            "owner": cost.owners.owner,
            "team": cost.owners.team,
            "project": cost.owners.project,
            "model": cost.owners.model,
            "family": cost.family,
            "capacity": [[kind, count] for kind, count in cost.capacity],
            "actual_usd": usd(cost.actual_usd),
            "basis": cost.basis,
            "price_note": cost.price_note,
            "gpu_hours": usd(cost.gpu_hours),
            "saved_by_spot_usd": usd(cost.saved_by_spot_usd),
            "forecast": forecast_to_item(cost.forecast) if cost.forecast is not None else None,
            "step": cost.step,
            "epoch": usd(cost.epoch),
            "selector": cost.selector,
        }
    )


def cost_from_item(item: Body) -> RunCost:
    """The inverse; unknown attributes (keys, stamp) are ignored."""
    return RunCost(
        run_id=RunId.parse(item["run_id"]),
        name=item["name"],
        started_at=times.from_text(item["started_at"]) if item.get("started_at") else None,
        ended_at=times.from_text(item["ended_at"]),
        outcome=Outcome(item["outcome"]),
        owners=Owners(item["owner"], item["team"], item["project"], item["model"]),
        family=item["family"],
        capacity=tuple((kind, int(count)) for kind, count in item["capacity"]),
        actual_usd=item.get("actual_usd"),
        basis=item["basis"],
        price_note=item["price_note"],
        gpu_hours=item.get("gpu_hours"),
        saved_by_spot_usd=item.get("saved_by_spot_usd"),
        forecast=forecast_from_item(item["forecast"]) if item.get("forecast") else None,
        step=int(item["step"]) if item.get("step") is not None else None,
        epoch=item.get("epoch"),
        selector=item["selector"],
    )


def past_run_to_item(run: PastRun) -> dict[str, Any]:
    return _compact(
        {
            "run": run.run,
            "ended_at": _text(run.ended_at),
            "runtime_seconds": _seconds(run.runtime),
            "expected_usd": usd(run.expected_usd),
            "actual_usd": usd(run.actual_usd),
            "finished": run.finished,
        }
    )


def past_run_from_item(item: Body) -> PastRun:
    return PastRun(
        run=item["run"],
        ended_at=times.from_text(item["ended_at"]),
        runtime=timedelta(seconds=int(item["runtime_seconds"])),
        expected_usd=item.get("expected_usd"),
        actual_usd=item.get("actual_usd"),
        finished=bool(item["finished"]),
    )


def booked_to_item(booked: Booked) -> dict[str, Any]:
    return {"until": times.to_text(booked.until), "looked_at": sorted(booked.looked_at)}


def booked_from_item(item: Body) -> Booked:
    return Booked(times.from_text(item["until"]), frozenset(str(name) for name in item["looked_at"]))


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment is not None else None


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None


def _compact(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
