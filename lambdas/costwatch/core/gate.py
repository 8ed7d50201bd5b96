"""Whether somebody is to be asked before money flows: a quote against the thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from costwatch.core import accelerators, families
from costwatch.core.approvals import Approval, Asked, Requester, Way, approval_id
from costwatch.core.estimator import Confidence, JobSpec
from costwatch.core.forecast import Forecast
from costwatch.core.money import show_usd
from costwatch.core.policy import ApprovalPolicy, JudgeBy, Mode, Tier
from costwatch.core.purses import SpecSeen, spec_seen
from costwatch.core.quote import Part, Quote


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants to spend money. `key`: the facts that tell it from every other request of its way.

    `source`: what waits, for people and for matching: an execution's ARN.
    """

    way: Way
    key: tuple[str, ...]
    name: str
    account: str
    region: str
    parts: tuple[Part, ...]
    requester: Requester = field(default_factory=Requester)
    owner: str = ""
    team: str = ""
    project: str = ""
    model: str = ""
    token: str = ""
    source: str = ""

    @property
    def id(self) -> str:
        """The same for a request that comes twice."""
        return approval_id(self.way, self.account, self.region, *self.key)


class Verdict(StrEnum):
    """HOLD waits for a yes; WOULD_HOLD goes on, and the ledger says that it would have waited."""

    PASS = "pass"
    HOLD = "hold"
    WOULD_HOLD = "would hold"


@dataclass(frozen=True, slots=True)
class Judged:
    """`usd`: what was held against the threshold; None: unknown. `tier`: who decides; None: nobody is asked."""

    verdict: Verdict
    usd: Decimal | None
    tier: Tier | None
    reason: str
    spent_usd: Decimal | None = None
    """What is spent already, where that is why somebody is asked."""


def judge(quote: Quote, policy: ApprovalPolicy) -> Judged:
    """Exactly at a threshold nobody is asked. What has no known price is asked about: unknown is never zero.

    Prepaid capacity costs nothing more and is not asked about.
    """
    usd = judged_usd(quote, policy.judge_by)
    if policy.mode is Mode.OFF:
        return Judged(Verdict.PASS, usd, None, "the gate is switched off")
    if quote.confidence is Confidence.PREPAID:
        return Judged(Verdict.PASS, usd, None, "prepaid capacity costs nothing more, so nobody is asked")
    tier = policy.tier(usd)
    lowest = policy.tiers[0].above_usd
    if tier is None:
        amount = show_usd(usd) if usd is not None else "unknown"
        return Judged(Verdict.PASS, usd, None, f"{amount} ({policy.judge_by.words}) is not above {show_usd(lowest)}")
    verdict = Verdict.HOLD if policy.mode is Mode.ENFORCE else Verdict.WOULD_HOLD
    if usd is None:
        what = ", ".join(quote.unpriced) or "a part of it"
        return Judged(verdict, usd, tier, f"nobody knows what it costs: no known price for {what}")
    return Judged(verdict, usd, tier, f"{show_usd(usd)} ({policy.judge_by.words}) is above {show_usd(tier.above_usd)}")


def judged_usd(made: Quote | Forecast, judge_by: JudgeBy) -> Decimal | None:
    """Those of the dollars that are held against the threshold."""
    return {
        JudgeBy.EXPECTED: made.expected_usd,
        JudgeBy.FORECAST_P90: made.p90_usd,
        JudgeBy.WORST_CASE: made.worst_case_usd,
    }[judge_by]


def question(request: Request, made: Quote, judged: Judged, policy: ApprovalPolicy, now: datetime) -> Approval:
    """What is asked of the tier's approvers. `judged`: with a tier."""
    if judged.tier is None:
        raise ValueError("nobody is to be asked")
    return Approval(
        id=request.id,
        way=request.way,
        mode=policy.mode,
        asked=asked(request, made, judged, policy),
        requester=request.requester,
        approvers=judged.tier.approvers,
        asked_at=now,
        answer_by=now + policy.answer_within,
        remind_at=now + policy.answer_within - policy.remind_before,
        yes_lasts=policy.yes_lasts,
        requester_may_approve=policy.requester_may_approve,
        token=request.token,
        source=request.source,
    )


def asked(request: Request, made: Quote, judged: Judged, policy: ApprovalPolicy) -> Asked:
    """What whoever answers sees."""
    priced = [each.estimate for each in made.parts if each.estimate is not None]
    specs = [each.spec for each in priced]
    longest = max(priced, key=lambda each: each.expected_runtime) if priced else None
    return Asked(
        name=request.name,
        kind=" + ".join(dict.fromkeys(part.part.kind for part in made.parts)),
        account=request.account,
        region=request.region,
        capacity=capacity(specs),
        hourly_usd=made.hourly_usd,
        expected_usd=made.expected_usd,
        p90_usd=made.p90_usd,
        worst_case_usd=made.worst_case_usd,
        judged_usd=judged.usd,
        judge_by=policy.judge_by,
        above_usd=judged.tier.above_usd if judged.tier is not None else policy.tiers[0].above_usd,
        confidence=made.confidence,
        price_as_of=made.price_as_of,
        specs=seen(request.parts, way=request.way, team=request.team),
        gpus=gpus(specs),
        expected_runtime=longest.expected_runtime if longest is not None else None,
        p90_runtime=longest.p90_runtime if longest is not None else None,
        max_runtime=max((spec.max_runtime for spec in specs), default=None),
        basis=longest.basis if longest is not None else "",
        owner=request.owner,
        team=request.team,
        project=request.project,
        model=request.model,
        spent_usd=judged.spent_usd,
        notes=(*(f"no known price: {each}" for each in made.unpriced), *made.notes),
    )


def seen(parts: Iterable[Part], *, way: Way, team: str) -> tuple[SpecSeen, ...]:
    """What each job is held to when it starts. An execution binds its jobs by itself, whatever they are called."""
    bound = way is Way.PIPELINE
    return tuple(
        replace(spec_seen(spec, team=team, family="" if bound else families.name_stem(part.name)), job=job)
        for job, part in enumerate(parts)
        for spec in part.choices
    )


def capacity(specs: Iterable[JobSpec]) -> str:
    """For people: `2 x ml.p4d.24xlarge`."""
    counts: dict[str, int] = {}
    for instance_type, count in _machines(specs):
        counts[instance_type] = counts.get(instance_type, 0) + count
    return " + ".join(f"{count} x {kind}" for kind, count in counts.items())


def gpus(specs: Iterable[JobSpec]) -> int:
    """Accelerators that are busy at once, as far as they are known."""
    return int(sum((accelerators.count(kind) or 0) * count for kind, count in _machines(specs)))


def _machines(specs: Iterable[JobSpec]) -> list[tuple[str, int]]:
    return [(each.instance_type, each.count * min(spec.parallel, spec.jobs)) for spec in specs for each in spec.groups]


def caps(asked: Asked) -> tuple[timedelta, ...]:
    """Runtimes that are offered as caps: what is expected and what nine in ten stay under, up to the next whole hour,
    each shorter than what was asked for.
    """
    hour = timedelta(hours=1)
    found = [-(-runtime // hour) * hour for runtime in (asked.expected_runtime, asked.p90_runtime) if runtime]
    return tuple(sorted({each for each in found if asked.max_runtime is None or each < asked.max_runtime}))
