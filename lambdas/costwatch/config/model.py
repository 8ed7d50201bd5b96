"""costwatch.yaml as pydantic models: its keys, their types and their defaults.

`parse` is the way in: it reports every problem at once and also judges what no single field can (checks.py).
Unknown keys are refused. Durations are timedeltas of whole seconds; shares are Decimals (20% is 0.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError, model_validator
from pydantic_core import ErrorDetails

from costwatch import names
from costwatch.config import approval_checks, checks, fields
from costwatch.config.problems import Path, Problem
from costwatch.config.res_model import Guardrail, Res, ResModel, Retrain, Worth
from costwatch.core.policy import Action, AtMinSize, JudgeBy, Mode, PurchaseOption, ZoneRebalance


class InvalidDocument(ValueError):
    """A document that is no valid configuration. `problems` has all of them, in no particular order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = problems


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TagKeys(_Model):
    """The tag keys Costwatch reads. `costwatch:never` is fixed, because IAM denies on it by name."""

    owner: fields.TagKey = "owner"
    team: fields.TagKey = "team"
    project: fields.TagKey = "project"
    model: fields.TagKey = "model"
    run: fields.TagKey = names.TAG_RUN
    max_runtime: fields.TagKey = names.TAG_MAX_RUNTIME
    deadline: fields.TagKey = names.TAG_DEADLINE
    exempt: fields.TagKey = names.TAG_EXEMPT
    heartbeat: fields.TagKey = names.TAG_HEARTBEAT
    approval: fields.TagKey = names.TAG_APPROVAL


class Slack(_Model):
    """Where messages go. No `platform_channel`: Slack is not used and e-mail takes the notices."""

    platform_channel: fields.Channel = ""
    team_channels: dict[fields.TagKey, fields.Channel] = {}
    warn_owner_by: fields.OwnerWord = fields.OwnerBy.DM
    token_parameter: fields.ParameterName = names.DEFAULT_SLACK_TOKEN_PARAMETER
    signing_secret_parameter: fields.ParameterName = names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER
    app_id: fields.SlackApp = ""
    workspace: fields.SlackWorkspace = ""
    weekly_digest: fields.YesOrNo = True


class Email(_Model):
    """Addresses subscribed to the alerts topic: alarms, and notices while Slack takes none."""

    to: Annotated[tuple[fields.Address, ...], BeforeValidator(fields.listed)] = ()


class BlastCap(_Model):
    """Most stops a sweep, a selector (share of its runs) and a UTC day."""

    runs: fields.Count = 5
    share: fields.Share = Decimal("0.2")
    per_day: fields.Count = 20


class ProtectRule(_Model):
    """Exactly one of the two: tags that must all match, or a wildcard over Auto Scaling group names."""

    tag: fields.Tags | None = None
    asg: Annotated[str | None, PlainValidator(fields.asg_pattern)] = None


class Extend(_Model):
    """What Extend offers, and how far an owner may extend a run in all."""

    buttons: Annotated[tuple[fields.Duration, ...], BeforeValidator(fields.listed)] = (
        timedelta(hours=4),
        timedelta(hours=12),
    )
    owner_total: fields.Duration = timedelta(hours=24)


class Ec2Selection(_Model):
    """EC2 instances: every tag must match, and one of the types. No `purchase`: on-demand and spot, never prepaid."""

    tag: fields.Tags = {}
    types: Annotated[tuple[fields.Ec2Type, ...], BeforeValidator(fields.listed)] = ()
    purchase: Annotated[PurchaseOption | None, PlainValidator(fields.purchase)] = None


class SageMakerSelection(_Model):
    """SageMaker jobs of one or several kinds. `[training, tuning]` is short for `{jobs: [training, tuning]}`."""

    jobs: Annotated[tuple[fields.JobKind, ...], BeforeValidator(fields.listed)]
    tag: fields.Tags = {}
    types: Annotated[tuple[fields.JobType, ...], BeforeValidator(fields.listed)] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        return {"jobs": value} if isinstance(value, list) else value


class Selector(_Model):
    """A named entry that picks runs; the first that matches decides. What it leaves out comes from `dead_man`."""

    name: fields.SelectorName
    mode: Annotated[Mode | None, PlainValidator(fields.mode)] = None
    ec2: Ec2Selection | None = None
    sagemaker: SageMakerSelection | None = None
    action: Annotated[Action | None, PlainValidator(fields.action)] = None
    at_min_size: Annotated[AtMinSize | None, PlainValidator(fields.at_min_size)] = None
    az_rebalance: Annotated[ZoneRebalance, PlainValidator(fields.az_rebalance)] = ZoneRebalance.HOLD
    max_runtime: Annotated[timedelta | fields.Declared | None, PlainValidator(fields.selector_max_runtime)] = None
    warn_before: Annotated[timedelta | None, PlainValidator(fields.duration)] = None
    min_notice: Annotated[timedelta | None, PlainValidator(fields.duration)] = None
    hard_cap: Annotated[timedelta | None, PlainValidator(fields.duration)] = None
    finish_grace: Annotated[timedelta | None, PlainValidator(fields.duration)] = None
    heartbeat: Annotated[timedelta | None, PlainValidator(fields.duration)] = None


class DeadMan(_Model):
    """The dead-man's switch. Limits here are defaults that a selector may override; `mode: off` switches all off."""

    mode: fields.ModeWord = Mode.OBSERVE
    sweep_every: fields.Duration = timedelta(minutes=5)
    blast_cap: BlastCap = BlastCap()
    protect: Annotated[tuple[ProtectRule, ...], BeforeValidator(fields.listed)] = ()
    max_runtime: fields.MaxRuntime = checks.DEFAULT_LIMITS["max_runtime"]
    warn_before: fields.Duration = checks.DEFAULT_LIMITS["warn_before"]
    min_notice: fields.Duration = checks.DEFAULT_LIMITS["min_notice"]
    hard_cap: fields.Duration = checks.DEFAULT_LIMITS["hard_cap"]
    finish_grace: fields.Duration = checks.DEFAULT_LIMITS["finish_grace"]
    extend: Extend = Extend()
    at_min_size: Annotated[AtMinSize, PlainValidator(fields.at_min_size)] = AtMinSize.HOLD
    selectors: Annotated[tuple[Selector, ...], BeforeValidator(fields.listed)] = ()


class Alarms(_Model):
    """When the alerts topic is told, beside what is always told."""

    burn_usd_per_hour: fields.Usd = Decimal(names.DEFAULT_BURN_LIMIT_USD_PER_HOUR)


class Prices(_Model):
    """What the organisation negotiated: list prices are multiplied, the most specific key holds."""

    multipliers: dict[fields.MultiplierKey, fields.Multiplier] = {}


class Tier(_Model):
    """Who decides about what costs more than `above_usd`, up to the next tier."""

    above_usd: fields.Usd
    approvers: Annotated[tuple[fields.Approver, ...], BeforeValidator(fields.listed)] = ()


class Approval(_Model):
    """When somebody is asked before money flows, who may answer, and how long a question and a yes last."""

    mode: fields.ModeWord = Mode.OBSERVE
    judge_by: fields.JudgeWord = JudgeBy.FORECAST_P90
    tiers: Annotated[tuple[Tier, ...], BeforeValidator(fields.listed)] = (Tier.model_validate({"above_usd": 100}),)
    answer_within: fields.Duration = approval_checks.TIMES["answer_within"]
    remind_before: Annotated[timedelta | None, PlainValidator(fields.duration)] = None
    """Before the answer is due. None: four hours, or a quarter of `answer_within` where that is less."""
    yes_lasts: fields.Duration = approval_checks.TIMES["yes_lasts"]
    requester_may_approve: fields.YesOrNo = False
    roles: Annotated[tuple[fields.RoleArn, ...], BeforeValidator(fields.listed)] = ()


class Config(_Model):
    """The whole file. The first of `regions` is the home region: the stack and its ledger live there."""

    version: fields.Version
    account: Annotated[str | None, PlainValidator(fields.account)] = None
    regions: Annotated[tuple[fields.Region, ...], BeforeValidator(fields.listed)]
    timezone: fields.Timezone = "UTC"
    tags: TagKeys = TagKeys()
    slack: Slack = Slack()
    email: Email = Email()
    alarms: Alarms = Alarms()
    dead_man: DeadMan = DeadMan()
    prices: Prices = Prices()
    approval: Approval = Approval()
    res: Res = Res()

    @property
    def home_region(self) -> str:
        """Where the stack is deployed; the sweep covers all `regions` from there."""
        return self.regions[0]


_LATER_KEYS: dict[type[BaseModel], frozenset[str]] = {
    Config: frozenset({"budgets"}),
}
"""Keys that product documents name but that this version would silently not act on."""


def parse(document: object) -> Config:
    """Validate what YAML gave. Raises InvalidDocument with every problem found, cross-field ones included."""
    empty = tuple(checks.keys_without_value(document))
    problems = list(empty)
    config: Config | None = None
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        found = (_problem(details) for details in error.errors(include_url=False))
        problems += [p for p in found if not any(p.path[: len(e.path)] == e.path for e in empty)]
    if isinstance(document, dict):
        problems += checks.across_fields(document)
    if config is None or problems:
        raise InvalidDocument(tuple(problems))
    return config


def _problem(details: ErrorDetails) -> Problem:
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    kind, value = details["type"], details["input"]
    if kind == "value_error":
        return Problem(path, str(details["ctx"]["error"]))
    if kind == "missing":
        return Problem(path, "is required")
    if kind == "extra_forbidden":
        return Problem(path, _unknown_key(path))
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return Problem(path, f"{fields.kind_of(value)} is not a mapping; expected `key: value` lines")
    return Problem(path, f"{details['msg']}, not {fields.kind_of(value)}")


def _unknown_key(path: Path) -> str:
    key, owner = str(path[-1]), _model_at(path[:-1])
    if key in _LATER_KEYS.get(owner, ()):
        return "not in this version"
    known = list(owner.model_fields)
    hint = fields.did_you_mean(key, known)
    if not hint:
        elsewhere = [name for name, model in _SECTIONS.items() if key in model.model_fields and model is not owner]
        hint = f"; it belongs under {elsewhere[0]}" if elsewhere else ""
    return f"unknown key{hint or '; expected one of ' + ', '.join(known)}"


_SECTIONS: dict[str, type[BaseModel]] = {
    "the top level": Config,
    "dead_man": DeadMan,
    "alarms": Alarms,
    "prices": Prices,
    "approval": Approval,
    "res": Res,
    "a model of res": ResModel,
    "worth of a model": Worth,
    "guardrails of a model": Guardrail,
    "should_retrain of a model": Retrain,
    "slack": Slack,
    "dead_man.blast_cap": BlastCap,
    "ec2 of a selector": Ec2Selection,
}


def known_keys(path: Path) -> tuple[str, ...]:
    """The keys that the mapping at `path` may have."""
    return tuple(_model_at(path).model_fields)


def _model_at(path: Path) -> type[BaseModel]:
    """The model that validates the mapping at `path`."""
    model: type[BaseModel] = Config
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
