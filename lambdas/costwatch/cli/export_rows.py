"""What `costwatch export` writes, column by column. Columns may be added at the end; none changes its meaning.

Dollars are text in USD, unrounded; times are RFC 3339 in UTC; None is what nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from costwatch.adapters.ledger import TimelineRow
from costwatch.cli import documents, judgement_document
from costwatch.core import times
from costwatch.core.judgements import Judgement
from costwatch.core.run_cost import RunCost

Row = Mapping[str, Any]

TIMELINE: Final = (
    "at", "run", "origin", "transition", "reason", "rule", "mode", "actor", "evidence", "policy_digest",
    "config_commit",
)  # fmt: skip
COSTS: Final = (
    "run", "name", "account", "region", "kind", "started_at", "ended_at", "runtime_seconds", "outcome", "owner",
    "team", "project", "model", "selector", "family", "capacity", "actual_usd", "basis", "price_note", "gpu_hours",
    "saved_by_spot_usd", "forecast_usd", "forecast_p90_usd", "forecast_at_most_usd", "forecast_confidence", "steps",
    "epochs",
)  # fmt: skip
VERDICTS: Final = (
    "id", "model", "version", "region", "group", "package_arn", "mode", "state", "status", "verdict", "cause",
    "reason", "metric", "baseline", "candidate", "gain", "standard_errors", "score", "needed", "worth_usd", "cost_usd",
    "all_candidates_usd", "gpu_hours", "serving_version", "run", "created_at", "judged_at", "approved_at",
    "decided_by", "decided_name", "decided_at", "decided_status", "decided_reason", "decided_how",
)  # fmt: skip


def entry(row: TimelineRow) -> Row:
    """One line of a timeline; `evidence` is an object of texts."""
    return documents.entry(row)


def cost(cost: RunCost) -> Row:
    """One run that is over."""
    forecast = cost.forecast
    return {
        "run": str(cost.run_id),
        "name": cost.name,
        "account": cost.run_id.account,
        "region": cost.run_id.region,
        "kind": cost.run_id.kind.value,
        "started_at": _time(cost.started_at),
        "ended_at": _time(cost.ended_at),
        "runtime_seconds": int(cost.runtime.total_seconds()) if cost.started_at is not None else None,
        "outcome": cost.outcome.value,
        "owner": cost.owners.owner,
        "team": cost.owners.team,
        "project": cost.owners.project,
        "model": cost.owners.model,
        "selector": cost.selector,
        "family": cost.family,
        "capacity": " + ".join(f"{count} x {kind}" for kind, count in cost.capacity),
        "actual_usd": _number(cost.actual_usd),
        "basis": cost.basis,
        "price_note": cost.price_note,
        "gpu_hours": _number(cost.gpu_hours),
        "saved_by_spot_usd": _number(cost.saved_by_spot_usd),
        "forecast_usd": _number(forecast.expected_usd) if forecast is not None else None,
        "forecast_p90_usd": _number(forecast.p90_usd) if forecast is not None else None,
        "forecast_at_most_usd": _number(forecast.worst_case_usd) if forecast is not None else None,
        "forecast_confidence": forecast.confidence.value if forecast is not None else None,
        "steps": cost.step,
        "epochs": _number(cost.epoch),
    }


def verdict(judgement: Judgement) -> Row:
    """One candidate; who decided about it stands in columns of its own."""
    found = judgement_document.of(judgement, may=False)
    decided = found.pop("decided") or {}
    names = ("by", "name", "at", "status", "reason", "how")
    return {**found, **{f"decided_{name}": decided.get(name) for name in names}}


def _time(moment: datetime | None) -> str | None:
    return times.to_key(moment) if moment is not None else None


def _number(value: Decimal | None) -> str | None:
    return f"{value.normalize():f}" if value is not None else None
