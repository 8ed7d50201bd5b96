"""What a run cost in the end, beside what was forecast: one row for each run that is over, counted once. Pure.

Its dollars are booked on the day it ended (UTC). Children of a tuning or AutoML job have no row: their parent's has
them. A machine that goes on in another run is counted here until then, and there from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core import accelerators
from costwatch.core.actuals import Actual
from costwatch.core.families import PastRun
from costwatch.core.forecast import Forecast
from costwatch.core.heartbeats import Pulse, Session
from costwatch.core.known_jobs import JobKey
from costwatch.core.model import RunId
from costwatch.core.money import show_usd
from costwatch.core.record import RunRecord

_MOST_EPOCHS: Final = 10**9
ACCRUED: Final = "accrued"
"""How an actual is known that nothing else tells: the meter's sum, an upper bound."""
RUN_SECONDS: Final = "run seconds"


class Outcome(StrEnum):
    """How a run ended, as far as the world shows it."""

    FINISHED = "finished"
    """A job that completed its work."""
    FAILED = "failed"
    STOPPED = "stopped"
    """By somebody, by SageMaker at its limit, or by EC2, which takes spot instances back."""
    STOPPED_BY_COSTWATCH = "stopped by costwatch"
    ENDED = "ended"
    """Instances that somebody, or they themselves, ended: whether their work was done cannot be seen."""
    STARTED_ANEW = "started anew"
    REGROUPED = "regrouped"
    """Its members run on in another run, which counts them from when it first saw them."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Whom a run's dollars belong to, by its tags; empty: not tagged."""

    owner: str = ""
    team: str = ""
    project: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class RunCost:
    """One run that is over. USD, unrounded; None: unknown, never 0."""

    run_id: RunId
    name: str
    started_at: datetime | None
    ended_at: datetime
    outcome: Outcome
    owners: Owners
    family: str
    capacity: tuple[tuple[str, int], ...]
    actual_usd: Decimal | None
    basis: str
    """`billable seconds`, `run seconds`, or `accrued`, which is an upper bound."""
    price_note: str
    gpu_hours: Decimal | None
    saved_by_spot_usd: Decimal | None = None
    forecast: Forecast | None = None
    step: int | None = None
    """Steps that it took, by its heartbeats: of one that went on from a checkpoint without those before."""
    epoch: Decimal | None = None
    selector: str = ""

    @property
    def runtime(self) -> timedelta:
        """Zero for what never started."""
        return max(self.ended_at - self.started_at, timedelta(0)) if self.started_at is not None else timedelta(0)

    @property
    def usd_per_step(self) -> Decimal | None:
        return self.actual_usd / self.step if self.actual_usd is not None and self.step else None

    @property
    def usd_per_epoch(self) -> Decimal | None:
        return self.actual_usd / self.epoch if self.actual_usd is not None and self.epoch else None

    @property
    def past_run(self) -> PastRun:
        """As its family remembers it."""
        expected = self.forecast.expected_usd if self.forecast is not None else None
        # Instances end themselves when their work is done; what EC2 took back, or we stopped, did not.
        finished = self.outcome in (Outcome.FINISHED, Outcome.ENDED)
        return PastRun(str(self.run_id), self.ended_at, self.runtime, expected, self.actual_usd, finished)

    @property
    def evidence(self) -> tuple[tuple[str, str], ...]:
        """For the timeline."""
        found = {
            "actual_usd": f"{self.actual_usd:.2f}" if self.actual_usd is not None else "unknown",
            "actual_by": self.basis,
            "forecast_usd": _cents(self.forecast.expected_usd) if self.forecast is not None else "",
            "gpu_hours": f"{self.gpu_hours:.2f}" if self.gpu_hours else "",
            "saved_by_spot_usd": _cents(self.saved_by_spot_usd) if self.saved_by_spot_usd else "",
        }
        return tuple((name, value) for name, value in found.items() if value)

    @property
    def sentence(self) -> str:
        """For a card: `$303.02 by billable seconds; forecast was $707.04 (14 h: ...), at most $1,212.06`."""
        cost = f"{show_usd(self.actual_usd)} by {self.basis}" if self.actual_usd is not None else "unknown"
        if self.basis == ACCRUED and self.actual_usd is not None:
            cost = f"at most {show_usd(self.actual_usd)}"
        if self.forecast is None or self.forecast.expected_usd is None:
            return cost
        return f"{cost}; forecast was {self.forecast.sentence}"


@dataclass(frozen=True, slots=True)
class Booked:
    """Until when (UTC) jobs that ended are booked, and those of the last minutes that were looked at."""

    until: datetime
    looked_at: frozenset[JobKey] = frozenset()
    pools: frozenset[str] = frozenset()
    """Training jobs that are booked and whose warm pools may still be kept: these are booked when they end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run came, as its heartbeats told."""

    step: int | None = None
    epoch: Decimal | None = None


def cost_of(
    record: RunRecord,
    *,
    ended_at: datetime,
    outcome: Outcome,
    actual: Actual | None,
    progress: Progress | None = None,
    started_at: datetime | None = None,
) -> RunCost:
    """Of the run that `record` tells of. `actual` None: nothing tells, so the meter's sum stands for it.

    `started_at`: where the record does not know it yet.
    """
    accrued = record.spent_usd(ended_at)
    start = record.start or started_at
    hours = max(ended_at - start, timedelta(0)) if start is not None else timedelta(0)
    came = progress or Progress()
    return RunCost(
        run_id=record.run_id,
        name=record.name,
        started_at=start,
        ended_at=ended_at,
        outcome=outcome,
        owners=Owners(record.owner, record.team, record.project, record.model),
        family=record.forecast.family if record.forecast is not None else "",
        capacity=record.capacity,
        actual_usd=actual.usd if actual is not None else accrued,
        basis=actual.basis if actual is not None else ACCRUED,
        price_note=record.price_note,
        gpu_hours=actual.gpu_hours if actual is not None else gpu_hours_of(record, accrued, hours),
        saved_by_spot_usd=actual.saved_by_spot_usd if actual is not None else None,
        forecast=record.forecast,
        step=came.step,
        epoch=came.epoch,
        selector=record.selector,
    )


def gpu_hours_of(record: RunRecord, usd: Decimal | None, runtime: timedelta) -> Decimal | None:
    """Of members that come and go: of one type, its dollars say how many instance-hours there were."""
    if len(record.capacity) == 1 and usd is not None and record.hourly_rate_usd:
        ((kind, count),) = record.capacity
        each = accelerators.count(kind)
        return each * usd * count / record.hourly_rate_usd if each is not None else None
    return gpu_hours(record.capacity, runtime)


def gpu_hours(capacity: Iterable[tuple[str, int]], runtime: timedelta) -> Decimal | None:
    """Accelerator-hours of `capacity` over `runtime`; None: a type's number of accelerators is not known."""
    total = Decimal(0)
    for kind, count in capacity:
        each = accelerators.count(kind)
        if each is None:
            return None
        total += each * count * Decimal(runtime // timedelta(microseconds=1)) / 3_600_000_000
    return total


def progress_of(pulses: Iterable[Pulse], since: datetime) -> Progress:
    """The furthest step and epoch that any process told since then; an epoch comes as a metric `epoch`."""
    sessions = [session for pulse in pulses for session in pulse.since(since)]
    steps = [taken for session in sessions if (taken := _steps_of(session, since)) is not None]
    epochs = [found for session in sessions if (found := _epoch(session.metrics.get("epoch", ""))) is not None]
    return Progress(max(steps, default=None), max(epochs, default=None))


def _steps_of(session: Session, since: datetime) -> int | None:
    """A process that was already further at its first beat than it could have come had gone on from a checkpoint."""
    if session.step is None or session.first_step is None or session.first_step_at is None or session.step_at is None:
        return session.step
    between, taken = session.step_at - session.first_step_at, session.step - session.first_step
    if between <= timedelta(0) or taken <= 0:
        return session.step
    before = int(taken * ((session.first_step_at - since) / between))
    return session.step if session.first_step <= 2 * before + taken else taken + min(before, session.first_step)


def _epoch(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except ArithmeticError:
        return None
    return found if found.is_finite() and 0 < found < _MOST_EPOCHS else None


def _cents(amount: Decimal | None) -> str:
    return f"{amount:.2f}" if amount is not None else "unknown"
