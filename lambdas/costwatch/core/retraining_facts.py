"""What a decision to retrain rests on: past trainings, served errors, and rules. Each checks itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Self

from costwatch.core.res_policy import GainKind, ModelRules, RetrainPolicy
from costwatch.errors import InputError

_BOUNDS: Final = RetrainPolicy()


@dataclass(frozen=True, slots=True)
class PastTraining:
    """One training of the model that was paid. `at`: when it was decided, aware.

    `gain`: against what served then, in the model's unit (see RetrainRules.relative_gain); None: not judged.
    `promoted`: it serves, or served until another did. `margin`: the noise of `gain`, a gain within it counts as none;
    None: not known.
    """

    at: datetime
    cost_usd: Decimal
    gain: Decimal | None
    promoted: bool
    margin: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ServedError:
    """What the model that served showed in the period that began `at`. Lower is better, not negative.

    `reference`: the error of a naive baseline in that same period, such as "as in the period before", in the same unit;
    None: not known. It tells whether the period was hard for everybody.
    """

    at: datetime
    error: Decimal
    reference: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RetrainRules:
    """What a gain is worth, and how eager to be. The defaults are the same for every model.

    A gain of `per` is worth `worth_usd` for every `over` in service; None: nobody said, and then only the budget
    skips. `relative_gain`: gains are shares (0.02: 2% less error), else they are in the unit of the served errors: for
    a metric that grows, such as accuracy, the error is 1 minus the metric.
    """

    worth_usd: Decimal | None = None
    per: Decimal = Decimal("0.01")
    over: timedelta = timedelta(days=30)
    relative_gain: bool = True
    min_score: Decimal = Decimal("0.5")
    every: timedelta = _BOUNDS.every
    """How long a period is: how often the question is asked."""
    in_service: timedelta = timedelta(days=28)
    """How long a candidate is expected to serve."""
    most_skips: int = _BOUNDS.most_skips
    """In a row; then it trains whatever else is known."""
    budget_share: Decimal | None = _BOUNDS.budget_share
    """At most this share of what training in every period costs; None: no budget."""
    burst: Decimal = Decimal(6)
    """So many trainings of usual cost can be saved up in quiet times. At least 1."""
    normal_periods: int = 52
    """What is normal is the median error of so many periods before the serving model."""
    memory: Decimal = Decimal("0.5")
    """How much a period counts for drift, as a share of the one after it. 0: the newest only."""
    hardness: Decimal = Decimal("0.5")
    """How far the naive baseline explains an error. 0: not at all, 1: fully."""
    doubt: Decimal = Decimal(3)
    """How much noise a drift must exceed to be believed. At `sqrt(doubt)` standard deviations half of it is; 0: all."""
    ageing: Decimal = Decimal("0.03")
    """What a period of age is taken to cost while few trainings were judged, as a share of the normal error."""

    def __post_init__(self) -> None:
        """Raises InputError naming the field."""
        more_than_zero("per", self.per)
        for name in ("ageing", "doubt", "worth_usd"):
            if (value := getattr(self, name)) is not None:
                not_negative(name, value)
        for name in ("memory", "hardness", "min_score", "budget_share"):
            if (value := getattr(self, name)) is not None and not (value.is_finite() and 0 <= value <= 1):
                raise InputError(f"{name} must be from 0 to 1, not {value}")
        if not self.burst.is_finite() or self.burst < 1:
            raise InputError(f"burst must be a finite number and at least 1, not {self.burst}")
        if min(self.every, self.over, self.in_service) <= timedelta(0):
            raise InputError("every, over and in_service must be longer than zero")
        if self.most_skips < 0 or self.normal_periods < 1:
            raise InputError("most_skips must not be negative, normal_periods at least 1")

    @classmethod
    def of(cls, model: ModelRules) -> Self:
        """As costwatch.yaml has them for a model; the rest by default."""
        worth, asked = model.worth, model.retrain
        bounds = cls(
            relative_gain=model.gain is GainKind.RELATIVE, min_score=model.min_score,
            every=asked.every, most_skips=asked.most_skips, budget_share=asked.budget_share,
        )  # fmt: skip
        if worth is None:
            return bounds
        in_service = model.in_service or worth.over
        return replace(bounds, worth_usd=worth.usd, per=worth.per, over=worth.over, in_service=in_service)


def in_order(
    history: Sequence[PastTraining], served: Sequence[ServedError], now: datetime
) -> tuple[list[PastTraining], list[ServedError]]:
    """Both in the order of time. Raises InputError naming the field."""
    aware("now", now, now)
    for training in history:
        checked_training(training, now)
    for error in served:
        checked_served(error, now)
    return sorted(history, key=lambda each: each.at), sorted(served, key=lambda each: each.at)


def checked_training(training: PastTraining, now: datetime) -> None:
    """Raises InputError naming the field."""
    aware("at of a past training", training.at, now)
    not_negative("cost_usd of a past training", training.cost_usd)
    if training.gain is not None and not training.gain.is_finite():
        raise InputError(f"gain of a past training must be a finite number or None, not {training.gain}")
    if training.margin is not None:
        not_negative("margin of a past training", training.margin)


def checked_served(error: ServedError, now: datetime) -> None:
    """Raises InputError naming the field."""
    aware("at of a served error", error.at, now)
    not_negative("error of a period", error.error)
    if error.reference is not None:
        not_negative("reference of a period", error.reference)


def aware(name: str, value: datetime, now: datetime) -> None:
    """Raises InputError for a time without a zone, or later than `now`."""
    if value.tzinfo is None:
        raise InputError(f"{name} must have a time zone, not {value.isoformat()}")
    if value > now:
        raise InputError(f"{name} must not be later than now, not {value.isoformat()}")


def not_negative(name: str, value: Decimal) -> None:
    """Raises InputError, also for NaN and infinity."""
    if not value.is_finite() or value < 0:
        raise InputError(f"{name} must be a finite number and not negative, not {value}")


def more_than_zero(name: str, value: Decimal) -> None:
    """Raises InputError, also for NaN and infinity."""
    if not value.is_finite() or value <= 0:
        raise InputError(f"{name} must be a finite number above zero, not {value}")
