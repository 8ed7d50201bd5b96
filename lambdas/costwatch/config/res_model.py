"""The `res` section of costwatch.yaml: what retrained models are held against."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

from costwatch.config import fields, res_fields
from costwatch.core.modes import Mode
from costwatch.core.res_policy import BREAK_EVEN, STANDARD_ERRORS, GainKind, RetrainPolicy, WhenTooDear

_DEFAULTS: Final = RetrainPolicy()


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Worth(_Model):
    """`per` of gain is worth `usd` for each `over` that the model serves."""

    usd: fields.Usd
    per: res_fields.Amount
    over: fields.Duration


class Guardrail(_Model):
    """A metric, or a slice of one, that may not get worse by more than `tolerance`, nor be worse than `floor`."""

    metric: res_fields.Metric
    slice: Annotated[str, PlainValidator(res_fields.metric_slice)] = ""
    direction: res_fields.DirectionWord
    tolerance: Annotated[Decimal | None, PlainValidator(res_fields.tolerance)] = None
    floor: Annotated[Decimal | None, PlainValidator(res_fields.bound)] = None


class Retrain(_Model):
    """When training is advised against: asked `every` so often, it is skipped `most_skips` times in a row at most.

    `budget`: the share of what training every time would cost, such as 40%; None: no bound.
    """

    every: fields.Duration = _DEFAULTS.every
    most_skips: fields.Count = _DEFAULTS.most_skips
    budget: Annotated[Decimal | None, PlainValidator(fields.share)] = _DEFAULTS.budget_share


class ResModel(_Model):
    """One model. `group`: its model package group; where none is named, the one of the model's own name."""

    metric: res_fields.Metric
    direction: res_fields.DirectionWord
    group: Annotated[str, PlainValidator(res_fields.model_name)] = ""
    gain: res_fields.GainWord = GainKind.ABSOLUTE
    worth: Worth | None = None
    in_service: Annotated[timedelta | None, PlainValidator(fields.duration)] = None
    min_score: res_fields.MinScore = BREAK_EVEN
    min_gain_per_1000_usd: Annotated[Decimal | None, PlainValidator(res_fields.amount)] = None
    min_gain: Annotated[Decimal | None, PlainValidator(res_fields.amount)] = None
    standard_errors: res_fields.StandardErrors = STANDARD_ERRORS
    guardrails: Annotated[tuple[Guardrail, ...], BeforeValidator(fields.listed)] = ()
    evaluation_channel: Annotated[str, PlainValidator(res_fields.channel)] = ""
    should_retrain: Retrain = Retrain()


class Res(_Model):
    """The RES breaker: whether a retrained model earned its compute."""

    mode: fields.ModeWord = Mode.OBSERVE
    when_better_but_too_dear: res_fields.TooDearWord = WhenTooDear.ASK
    auto_approve: fields.YesOrNo = False
    approvers: Annotated[tuple[fields.Approver, ...], BeforeValidator(fields.listed)] = ()
    models: dict[res_fields.ModelName, ResModel] = {}
