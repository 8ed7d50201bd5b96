"""The validated policy a function decides by, read from policy.json.

costwatch.yaml is validated by `costwatch.config` (pydantic, at synth and in the command line) and compiled
to policy.json; functions only read that file, so this module needs the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from costwatch import names
from costwatch.core import modes
from costwatch.core.changes import Changes
from costwatch.core.res_policy import ResPolicy
from costwatch.errors import ConfigError

FORMAT_VERSION = 1

Mode = modes.Mode


class Service(StrEnum):
    """What a selector picks and a member is: EC2 instances, or one kind of SageMaker job."""

    EC2 = "ec2"
    TRAINING = "training"
    PROCESSING = "processing"
    TUNING = "tuning"
    AUTOML = "automl"

    @property
    def is_sagemaker(self) -> bool:
        return self is not Service.EC2

    @property
    def has_children(self) -> bool:
        """Jobs that start other jobs, and end them."""
        return self in (Service.TUNING, Service.AUTOML)

    @property
    def plural(self) -> str:
        """For people."""
        return {
            Service.EC2: "EC2 instances",
            Service.TRAINING: "SageMaker training jobs",
            Service.PROCESSING: "SageMaker processing jobs",
            Service.TUNING: "SageMaker tuning jobs, with their training jobs",
            Service.AUTOML: "AutoML jobs, with their training and processing jobs",
        }[self]


class PurchaseOption(StrEnum):
    ON_DEMAND = "on_demand"
    SPOT = "spot"
    CAPACITY_BLOCK = "capacity_block"
    """Prepaid: its marginal cost is $0, so it is stopped only where a selector names this option."""


class Action(StrEnum):
    """What a stop is for an EC2 instance. A SageMaker job can only be stopped."""

    TERMINATE = "terminate"
    STOP = "stop"
    """The instance can be started again: its EBS volumes stay (and bill), what its instance disks hold is lost."""


class AtMinSize(StrEnum):
    """What becomes of an Auto Scaling group that may not be smaller than it is."""

    HOLD = "hold"
    LOWER = "lower"
    """Its minimum is set to 0 with its desired capacity; `costwatch restore` puts both back."""


class ZoneRebalance(StrEnum):
    """What becomes of a group over several zones, which AWS balances by ending instances of its own choice."""

    HOLD = "hold"
    ACCEPT = "accept"


class JudgeBy(StrEnum):
    """Which of a forecast's dollars is held against the threshold."""

    EXPECTED = "expected"
    FORECAST_P90 = "forecast_p90"
    WORST_CASE = "worst_case"

    @property
    def words(self) -> str:
        """For people."""
        return {
            JudgeBy.EXPECTED: "the expected cost",
            JudgeBy.FORECAST_P90: "what nine in ten stay under",
            JudgeBy.WORST_CASE: "the most it can cost",
        }[self]


@dataclass(frozen=True, slots=True)
class Limits:
    """max_runtime: from the start of the current run. hard_cap: past it nothing moves the deadline.

    finish_grace: past its deadline, once, for a run that will be done within it.
    """

    max_runtime: timedelta
    warn_before: timedelta
    min_notice: timedelta
    hard_cap: timedelta
    finish_grace: timedelta
    declared: bool = False
    """Whether a job's own MaxRuntimeInSeconds comes before max_runtime."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A named entry that picks members. All tag keys must match, each with one of its values.

    `types` are wildcards such as `p4d.*`; empty means any. `purchase` None means on-demand and spot, but
    never prepaid capacity.
    """

    name: str
    mode: Mode
    service: Service
    tags: Mapping[str, tuple[str, ...]]
    types: tuple[str, ...]
    purchase: PurchaseOption | None
    limits: Limits
    action: Action = Action.TERMINATE
    heartbeat: timedelta | None = None
    """In which time a run is expected to beat; None: its silence means nothing, unless its tag says so."""
    at_min_size: AtMinSize = AtMinSize.HOLD
    az_rebalance: ZoneRebalance = ZoneRebalance.HOLD


@dataclass(frozen=True, slots=True)
class ProtectRule:
    """Beats every selector. Either tags (all must match) or a wildcard over Auto Scaling group names."""

    tags: Mapping[str, tuple[str, ...]]
    asg: str | None

    def describe(self) -> str:
        if self.asg is not None:
            return f"protect: asg {self.asg}"
        return "protect: tag " + ", ".join(f"{key}={'|'.join(values)}" for key, values in self.tags.items())


@dataclass(frozen=True, slots=True)
class BlastCap:
    """Most stops a sweep, a selector (share of its runs, rounded down, at least one) and a UTC day."""

    runs: int
    share: Decimal
    per_day: int


@dataclass(frozen=True, slots=True)
class TagKeys:
    """Configurable tag keys. `never` is fixed (see names)."""

    owner: str
    team: str
    project: str
    model: str
    run: str
    max_runtime: str
    deadline: str
    exempt: str
    heartbeat: str
    approval: str = names.TAG_APPROVAL


@dataclass(frozen=True, slots=True)
class SlackRoutes:
    """Where messages go. `platform_channel` empty: Slack is not configured, SNS takes the notices."""

    platform_channel: str
    team_channels: Mapping[str, str]
    warn_owner_by: str
    """`dm` or `team_channel`."""
    app_id: str = ""
    """Clicks of any other app are refused; empty: of any app that signs with our secret."""
    workspace: str = ""
    """The same for Slack's workspace (`T...`)."""
    weekly_digest: bool = False

    @property
    def clickable(self) -> bool:
        """Whether cards get buttons: whoever names the app has set it up to tell us of clicks."""
        return bool(self.platform_channel and self.app_id)


@dataclass(frozen=True, slots=True)
class Tier:
    """Who decides about what costs more than `above_usd` (exclusive), up to the next tier.

    `approvers`: Slack user ids, `@handles` or ids of user groups, ARNs for the command line. Empty: nobody may.
    """

    above_usd: Decimal
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """When somebody is asked, who may answer, and how long a question and a yes last. `tiers`: cheapest first."""

    mode: Mode = Mode.OBSERVE
    judge_by: JudgeBy = JudgeBy.FORECAST_P90
    tiers: tuple[Tier, ...] = (Tier(Decimal(100)),)
    answer_within: timedelta = timedelta(hours=24)
    remind_before: timedelta = timedelta(hours=4)
    yes_lasts: timedelta = timedelta(days=7)
    requester_may_approve: bool = False
    roles: tuple[str, ...] = ()
    """Those that `GatedTraining` may hand to a job."""

    def tier(self, usd: Decimal | None) -> Tier | None:
        """The highest one that `usd` is above; None: nobody is asked. Of what has no known price the highest is."""
        above = [each for each in self.tiers if usd is None or usd > each.above_usd]
        return above[-1] if above else None

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> Self:
        """Read what the compiler wrote. Raises KeyError, TypeError or ValueError."""
        return cls(
            mode=Mode(body["mode"]),
            judge_by=JudgeBy(body["judge_by"]),
            tiers=tuple(Tier(Decimal(each["above_usd"]), tuple(each["approvers"])) for each in body["tiers"]),
            answer_within=timedelta(seconds=body["answer_within_seconds"]),
            remind_before=timedelta(seconds=body["remind_before_seconds"]),
            yes_lasts=timedelta(seconds=body["yes_lasts_seconds"]),
            requester_may_approve=bool(body["requester_may_approve"]),
            roles=tuple(body["roles"]),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the dead-man's switch decides by. `digest` is the SHA-256 of the canonical policy."""

    digest: str
    config_commit: str
    account: str | None
    regions: tuple[str, ...]
    timezone: str
    tags: TagKeys
    slack: SlackRoutes
    mode: Mode
    sweep_every: timedelta
    blast_cap: BlastCap
    protect: tuple[ProtectRule, ...]
    limits: Limits
    extend_steps: tuple[timedelta, ...]
    extend_owner_total: timedelta
    selectors: tuple[Selector, ...]
    multipliers: Mapping[str, Decimal] = field(default_factory=dict)
    """Negotiated discounts on list prices: see `core.price_book.TrustedPrices.discount`."""
    approval: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    res: ResPolicy = field(default_factory=ResPolicy)
    changes: Changes = field(default_factory=Changes)
    """Which lines of the deployed file make things enforce. Nothing is decided by them, and no digest has them."""

    def selector(self, name: str) -> Selector | None:
        return next((s for s in self.selectors if s.name == name), None)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `document_of` wrote. Raises ConfigError when format or digest do not fit."""
        try:
            if document["format"] != FORMAT_VERSION:
                raise ConfigError(f"policy.json has format {document['format']!r}, this version reads {FORMAT_VERSION}")
            body = document["policy"]
            if digest_of(body) != document["digest"]:
                raise ConfigError("policy.json was changed after it was compiled: its digest does not match")
            return cls(
                digest=document["digest"],
                config_commit=document["config_commit"],
                account=body["account"],
                regions=tuple(body["regions"]),
                timezone=body["timezone"],
                tags=TagKeys(**body["tags"]),
                slack=SlackRoutes(**body["slack"]),
                mode=Mode(body["mode"]),
                sweep_every=timedelta(seconds=body["sweep_every_seconds"]),
                blast_cap=BlastCap(
                    runs=body["blast_cap"]["runs"],
                    share=Decimal(body["blast_cap"]["share"]),
                    per_day=body["blast_cap"]["per_day"],
                ),
                protect=tuple(ProtectRule(tags=_tag_values(p["tags"]), asg=p["asg"]) for p in body["protect"]),
                limits=_limits(body["limits"]),
                extend_steps=tuple(timedelta(seconds=s) for s in body["extend"]["steps_seconds"]),
                extend_owner_total=timedelta(seconds=body["extend"]["owner_total_seconds"]),
                selectors=tuple(
                    Selector(
                        name=s["name"],
                        mode=Mode(s["mode"]),
                        service=Service(s["service"]),
                        tags=_tag_values(s["tags"]),
                        types=tuple(s["types"]),
                        purchase=PurchaseOption(s["purchase"]) if s["purchase"] else None,
                        limits=_limits(s["limits"]),
                        action=Action(s["action"]),
                        heartbeat=timedelta(seconds=s["heartbeat_seconds"]) if s["heartbeat_seconds"] else None,
                        at_min_size=AtMinSize(s["at_min_size"]),
                        az_rebalance=ZoneRebalance(s["az_rebalance"]),
                    )
                    for s in body["selectors"]
                ),
                approval=ApprovalPolicy.from_document(body["approval"]) if "approval" in body else ApprovalPolicy(),
                res=ResPolicy.from_document(body["res"]) if "res" in body else ResPolicy(),
                multipliers={k: Decimal(by) for k, by in body.get("prices", {}).get("multipliers", {}).items()},
                changes=Changes.from_document(document.get("changes", {})),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ConfigError(f"policy.json is not what `costwatch check-config` compiles: {error!r}") from error


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the canonical JSON of the policy body; the commit is not part of it."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _limits(body: Mapping[str, Any]) -> Limits:
    return Limits(
        max_runtime=timedelta(seconds=body["max_runtime_seconds"]),
        warn_before=timedelta(seconds=body["warn_before_seconds"]),
        min_notice=timedelta(seconds=body["min_notice_seconds"]),
        hard_cap=timedelta(seconds=body["hard_cap_seconds"]),
        finish_grace=timedelta(seconds=body["finish_grace_seconds"]),
        declared=bool(body.get("declared", False)),
    )


def _tag_values(body: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in body.items()}
