"""What was spent, by whom and on what: runs that are over at their actual cost, open ones as the meter says. Pure.

A run's dollars count where it ended: whole, on that day. An open run counts with what it has accrued, an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core.record import RunRecord, Status
from costwatch.core.run_cost import Outcome, Owners, RunCost, gpu_hours_of

UNTAGGED: Final = "(untagged)"


class By(StrEnum):
    """What the dollars are told apart by."""

    OWNER = "owner"
    TEAM = "team"
    PROJECT = "project"
    MODEL = "model"
    FAMILY = "family"
    SELECTOR = "selector"
    KIND = "kind"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Spent:
    """One run, over or open. USD; None: unknown, never 0."""

    run: str
    name: str
    kind: str
    owners: Owners
    family: str
    selector: str
    open: bool
    usd: Decimal | None
    forecast_usd: Decimal | None
    gpu_hours: Decimal | None
    saved_by_spot_usd: Decimal | None
    usd_per_step: Decimal | None = None
    usd_per_epoch: Decimal | None = None
    wasted: bool = False
    """It failed or was stopped: what it cost came to nothing, as far as can be seen."""


@dataclass(frozen=True, slots=True)
class Line:
    """Runs together. Sums are of what is known; `unknown` says of how many runs the dollars are not."""

    key: str
    runs: int
    open: int
    usd: Decimal
    unknown: int
    forecast_usd: Decimal
    """Expected at their start, of the runs that are over and have both."""
    forecast_actual_usd: Decimal
    """What those same runs cost."""
    gpu_hours: Decimal
    saved_by_spot_usd: Decimal
    wasted_usd: Decimal
    usd_per_step: Decimal | None = None
    """Of a single run."""
    usd_per_epoch: Decimal | None = None

    @property
    def forecast_error(self) -> Decimal | None:
        """Actual over forecast, less one: 0.2 is 20% above. None: no run has both."""
        return self.forecast_actual_usd / self.forecast_usd - 1 if self.forecast_usd else None


def of_cost(cost: RunCost) -> Spent:
    return Spent(
        run=str(cost.run_id),
        name=cost.name,
        kind=cost.run_id.kind.value,
        owners=cost.owners,
        family=cost.family,
        selector=cost.selector,
        open=False,
        usd=cost.actual_usd,
        forecast_usd=cost.forecast.expected_usd if cost.forecast is not None else None,
        gpu_hours=cost.gpu_hours,
        saved_by_spot_usd=cost.saved_by_spot_usd,
        usd_per_step=cost.usd_per_step,
        usd_per_epoch=cost.usd_per_epoch,
        wasted=cost.outcome in (Outcome.FAILED, Outcome.STOPPED, Outcome.STOPPED_BY_COSTWATCH),
    )


def of_open(record: RunRecord, now: datetime) -> Spent:
    """What an open run has accrued by `now`, or by when its stop was accepted."""
    stop = record.stop if record.status is Status.STOPPING else None
    until = stop.requested_at if stop is not None and stop.requested_at is not None else now
    runtime = max(until - record.start, timedelta(0)) if record.start is not None else timedelta(0)
    usd = record.spent_usd(until)
    return Spent(
        run=str(record.run_id),
        name=record.name,
        kind=record.run_id.kind.value,
        owners=Owners(record.owner, record.team, record.project, record.model),
        family=record.forecast.family if record.forecast is not None else "",
        selector=record.selector,
        open=True,
        usd=usd,
        forecast_usd=record.forecast.expected_usd if record.forecast is not None else None,
        gpu_hours=gpu_hours_of(record, usd, runtime),
        saved_by_spot_usd=None,
    )


def lines(spent: Iterable[Spent], by: By) -> list[Line]:
    """The dearest first; then by name."""
    found: dict[str, list[Spent]] = {}
    for each in spent:
        found.setdefault(_KEYS[by](each) or UNTAGGED, []).append(each)
    made = [_line(key, runs) for key, runs in found.items()]
    return sorted(made, key=lambda line: (-line.usd, line.key))


def total(spent: Sequence[Spent]) -> Line:
    return _line("total", spent)


def _line(key: str, runs: Sequence[Spent]) -> Line:
    both = [each for each in runs if not each.open and each.usd is not None and each.forecast_usd is not None]
    alone = runs[0] if len(runs) == 1 else None
    return Line(
        key=key,
        runs=len(runs),
        open=sum(each.open for each in runs),
        usd=_sum(each.usd for each in runs),
        unknown=sum(each.usd is None for each in runs),
        forecast_usd=_sum(each.forecast_usd for each in both),
        forecast_actual_usd=_sum(each.usd for each in both),
        gpu_hours=_sum(each.gpu_hours for each in runs),
        saved_by_spot_usd=_sum(each.saved_by_spot_usd for each in runs),
        wasted_usd=_sum(each.usd for each in runs if each.wasted),
        usd_per_step=alone.usd_per_step if alone is not None else None,
        usd_per_epoch=alone.usd_per_epoch if alone is not None else None,
    )


_KEYS: Final[dict[By, Callable[[Spent], str]]] = {
    By.OWNER: lambda each: each.owners.owner,
    By.TEAM: lambda each: each.owners.team,
    By.PROJECT: lambda each: each.owners.project,
    By.MODEL: lambda each: each.owners.model,
    By.FAMILY: lambda each: each.family,
    By.SELECTOR: lambda each: each.selector,
    By.KIND: lambda each: each.kind,
    By.RUN: lambda each: each.run,
}


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))
