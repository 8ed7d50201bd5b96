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
from costwatch.core.policy import Service
from costwatch.core.run_cost import Booked, Outcome, Owners, RunCost

KEEP_FAMILY: Final = timedelta(days=180)
"""What a run took half a year ago says nothing about the next one."""
_LARGEST: Final = Decimal("1e15")
_DIGITS: Final = Decimal("1e-9")
"""DynamoDB keeps 38 digits and boto3 refuses to round: what a division made longer is cut far below a cent."""

Body = Mapping[str, Any]


def usd(amount: Decimal | None) -> Decimal | None:
    """As a row keeps it. What is larger than any money that there is, is no amount: unknown."""
    if amount is None or not abs(amount) < _LARGEST:
        return None
    return amount.quantize(_DIGITS)


def _amount(item: Body, name: str) -> Decimal | None:
    """Raises TypeError for what is no number."""
    found = item.get(name)
    if found is not None and not isinstance(found, Decimal):
        raise TypeError(f"{name} is no number: {found!r}")
    return found


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
            "ends_itself": None if forecast.ends_itself else False,
        }
    )


def forecast_from_item(item: Body) -> Forecast:
    runtime = item.get("runtime_seconds")
    return _forecast(
        item["made_at"],
        item["family"],
        _amount(item, "expected_usd"),
        _amount(item, "p90_usd"),
        _amount(item, "worst_case_usd"),
        item["confidence"],
        item.get("price_as_of"),
        int(runtime) if runtime is not None else None,
        item["basis"],
        bool(item.get("ends_itself", True)),
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
    ends_itself: bool,
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
        ends_itself=ends_itself,
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
        actual_usd=_amount(item, "actual_usd"),
        basis=item["basis"],
        price_note=item["price_note"],
        gpu_hours=_amount(item, "gpu_hours"),
        saved_by_spot_usd=_amount(item, "saved_by_spot_usd"),
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
    runtime = timedelta(seconds=int(item["runtime_seconds"]))
    if runtime < timedelta(0):
        raise ValueError("a run that took less than no time")
    return PastRun(
        run=item["run"],
        ended_at=times.from_text(item["ended_at"]),
        runtime=runtime,
        expected_usd=_amount(item, "expected_usd"),
        actual_usd=_amount(item, "actual_usd"),
        finished=bool(item["finished"]),
    )


def booked_to_item(booked: Booked) -> dict[str, Any]:
    looked_at = sorted([service.value, name] for service, name in booked.looked_at)
    return {"until": times.to_text(booked.until), "looked_at": looked_at, "pools": sorted(booked.pools)}


def booked_from_item(item: Body) -> Booked:
    looked_at = frozenset((Service(service), str(name)) for service, name in item["looked_at"])
    return Booked(times.from_text(item["until"]), looked_at, frozenset(str(name) for name in item["pools"]))


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment is not None else None


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration is not None else None


def _compact(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
