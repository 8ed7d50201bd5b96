"""What retrained models are held against: the `res` section of costwatch.yaml as functions read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from costwatch.core.modes import Mode

BREAK_EVEN: Final = Decimal("0.5")
"""The bounded score of a gain that is worth exactly what it cost."""
STANDARD_ERRORS: Final = Decimal(2)
"""A gain below so many standard errors is noise: about one in forty by chance alone."""


class Direction(StrEnum):
    """Which way a metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class GainKind(StrEnum):
    """What a gain is counted in: the metric's own unit, or a share of the baseline's value (0.02 is 2%)."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class WhenTooDear(StrEnum):
    """What becomes of a model that is better, but not by what it cost."""

    ASK = "ask"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Worth:
    """`per` of gain is worth `usd` for each `over` that the model serves. Of a relative gain `per` is a share."""

    usd: Decimal
    per: Decimal
    over: timedelta


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric that may not get worse by more than `tolerance` (its own unit), nor be worse than `floor`.

    `metric_slice`: of a part of the evaluation data; empty: of all. None: no such bound. Both bounds are inclusive:
    exactly at one is still good.
    """

    metric: str
    direction: Direction
    metric_slice: str = ""
    tolerance: Decimal | None = None
    floor: Decimal | None = None

    @property
    def reading(self) -> str:
        """The name its reading goes by: `recall`, or `recall@country=DE`."""
        return f"{self.metric}@{self.metric_slice}" if self.metric_slice else self.metric


@dataclass(frozen=True, slots=True)
class RetrainPolicy:
    """When training is advised against.

    `every`: how often somebody asks. `most_skips`: so often in a row at most. `budget_share`: of what training every
    time would cost; None: no bound. The defaults are those that the replay in docs/res.md is about.
    """

    every: timedelta = timedelta(days=7)
    most_skips: int = 6
    budget_share: Decimal | None = Decimal("0.375")


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What candidates of one model are held against.

    `group`: the model package group they are registered in. `in_service`: how long a model is expected to serve; None:
    as long as those before it did, or one `worth.over`. `min_score`: of the bounded score, inclusive.
    `min_gain_per_1000_usd`: of the raw score, where there is no worth. `min_gain`: the least that is no noise, where
    nothing tells how noisy the metric is. `evaluation_channel`: the input channel of the training job that its final
    metrics were measured on; empty: the first of `validation`, `test`, `evaluation` that it has.
    """

    name: str
    group: str
    metric: str
    direction: Direction
    gain: GainKind = GainKind.ABSOLUTE
    worth: Worth | None = None
    in_service: timedelta | None = None
    min_score: Decimal = BREAK_EVEN
    min_gain_per_1000_usd: Decimal | None = None
    min_gain: Decimal | None = None
    standard_errors: Decimal = STANDARD_ERRORS
    guardrails: tuple[Guardrail, ...] = ()
    evaluation_channel: str = ""
    retrain: RetrainPolicy = RetrainPolicy()


@dataclass(frozen=True, slots=True)
class ResPolicy:
    """The RES breaker. `approvers` may promote or reject what was only asked about. Empty `models`: it judges none.

    `auto_approve`: whether what earned its compute is approved at once, and what a person promotes with it; while it is
    off the role can set Rejected and nothing else.
    """

    mode: Mode = Mode.OBSERVE
    when_too_dear: WhenTooDear = WhenTooDear.ASK
    auto_approve: bool = False
    approvers: tuple[str, ...] = ()
    models: tuple[ModelRules, ...] = ()

    def of_group(self, group: str) -> ModelRules | None:
        """The rules of a model package group; None: it is not judged."""
        return next((each for each in self.models if each.group == group), None)

    def model(self, name: str) -> ModelRules | None:
        return next((each for each in self.models if each.name == name), None)

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> Self:
        """Read what the compiler wrote. Raises KeyError, TypeError, ValueError or ArithmeticError."""
        return cls(
            mode=Mode(body["mode"]),
            when_too_dear=WhenTooDear(body["when_too_dear"]),
            auto_approve=bool(body["auto_approve"]),
            approvers=tuple(body["approvers"]),
            models=tuple(_model(each) for each in body["models"]),
        )


def _model(body: Mapping[str, Any]) -> ModelRules:
    return ModelRules(
        name=body["name"],
        group=body["group"],
        metric=body["metric"],
        direction=Direction(body["direction"]),
        gain=GainKind(body["gain"]),
        worth=_worth(body["worth"]) if body.get("worth") else None,
        in_service=_duration(body.get("in_service_seconds")),
        min_score=Decimal(body["min_score"]),
        min_gain_per_1000_usd=_decimal(body.get("min_gain_per_1000_usd")),
        min_gain=_decimal(body.get("min_gain")),
        standard_errors=Decimal(body["standard_errors"]),
        guardrails=tuple(
            Guardrail(
                metric=each["metric"],
                direction=Direction(each["direction"]),
                metric_slice=each["slice"],
                tolerance=_decimal(each.get("tolerance")),
                floor=_decimal(each.get("floor")),
            )
            for each in body["guardrails"]
        ),
        evaluation_channel=body["evaluation_channel"],
        retrain=RetrainPolicy(
            every=timedelta(seconds=body["retrain"]["every_seconds"]),
            most_skips=int(body["retrain"]["most_skips"]),
            budget_share=_decimal(body["retrain"].get("budget_share")),
        ),
    )


def _worth(body: Mapping[str, Any]) -> Worth:
    return Worth(Decimal(body["usd"]), Decimal(body["per"]), timedelta(seconds=body["over_seconds"]))


def _duration(seconds: Any) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds is not None else None


def _decimal(text: Any) -> Decimal | None:
    return Decimal(text) if text is not None else None
