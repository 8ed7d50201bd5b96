"""Judge one candidate as the world is now: what trained it, what that cost, how good it is, and what serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from costwatch.core import judgement_steps as steps
from costwatch.core import res
from costwatch.core.gains import Evaluation
from costwatch.core.judgement_steps import PATIENCE, JudgementStep
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.packages import ModelPackage
from costwatch.core.res import Cause, Cost, Extra, Value, Verdict
from costwatch.core.res_policy import ModelRules
from costwatch.errors import InputError
from costwatch.procedures import res_costs, res_joins, res_readings
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.report import SweepReport
from costwatch.procedures.retraining import outlook

_FEWEST_SERVED: Final = 3
"""With fewer models that served before, nobody knows how long one of this kind does."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves now, as it was measured when it was approved."""

    package: ModelPackage
    since: datetime
    evaluation: Evaluation


def judge(
    b: Breaker, package: ModelPackage, rules: ModelRules, before: Judgement | None, report: SweepReport
) -> JudgementStep | None:
    """The next step of a package that is pending; None: nothing has changed. Raises AwsError."""
    now, policy = b.w.now(), b.w.policy.res
    trained = res_joins.trained(b, package)
    judged = b.judgements.of_model(b.w.account, rules.name, report.skip)
    run = trained.run if trained is not None else ""
    spent = res_costs.spent(b, trained, package.created_at, _last_of_run(judged, run, package))
    job, known = trained.job if trained is not None else None, before.evaluation if before is not None else None
    own = res_readings.measured(b, package, rules, job, known)
    serving = serving_now(b, package, rules)
    found = _row(
        b,
        package,
        rules,
        before,
        now,
        verdict=Verdict(Value.UNJUDGED, Cause.NO_COST, spent.waits, metric=rules.metric, cost=spent.cost),
        run=run,
        runs=spent.runs,
        evaluation=own.evaluation,
        serving_version=serving.package.version if serving is not None else None,
        capacity=spent.capacity,
        runtime=spent.runtime,
        team=spent.team,
    )
    if spent.waits and (spent.goes_on or now - package.created_at < PATIENCE):
        return steps.waits(before, found, now)
    cost = spent.cost
    if serving is not None:
        cost = replace(cost, all_candidates_usd=res_costs.all_candidates(b, rules.name, serving.since, judged, spent))
    verdict = verdict_of(b, package, rules, own, serving, cost, served(judged, package.region))
    if spent.waits and verdict.cause is Cause.NO_COST:
        verdict = replace(verdict, reason=spent.waits)
    found = replace(found, verdict=verdict)
    if verdict.value in (Value.REJECT, Value.TOO_DEAR):
        found = replace(found, advice=outlook(b.adviser, found, rules))
    return steps.judged(before, found, now, auto_approve=policy.auto_approve)


def record(b: Breaker, package: ModelPackage, rules: ModelRules) -> JudgementStep:
    """Of a package that is not pending when it is first seen: what it was measured on is the next one's baseline."""
    trained = res_joins.trained(b, package)
    own = res_readings.measured(b, package, rules, trained.job if trained is not None else None)
    reason = f"it was {package.approval.value} when Costwatch first saw it"
    verdict = Verdict(Value.OVERRIDDEN, Cause.NOT_PENDING, reason, metric=rules.metric)
    now = b.w.now()
    found = _row(
        b,
        package,
        rules,
        None,
        now,
        verdict=verdict,
        run=trained.run if trained is not None else "",
        runs=tuple(str(each) for each in trained.runs) if trained is not None else (),
        evaluation=own.evaluation,
    )
    return steps.recorded(found, hand_of(package, now), now)


def hand_of(package: ModelPackage, now: datetime, hand: Hand = Hand.FIRST) -> Decided:
    """Of whoever set the status that the registry shows, as far as SageMaker tells."""
    by = package.modified_by
    return Decided(by, package.modified_at or now, package.approval, name=by.rpartition("/")[2], hand=hand)


def served(judged: Sequence[Judgement], region: str) -> timedelta | None:
    """How long models of this kind served in a region: the median of the times from one approval to the next.

    None: too few did.
    """
    here = [each for each in judged if each.region == region]
    moments = sorted(each.approved_at for each in here if each.approved_at is not None)
    seconds = [(later - earlier).total_seconds() for earlier, later in pairwise(moments) if later > earlier]
    return timedelta(seconds=median(seconds)) if len(seconds) >= _FEWEST_SERVED else None


def verdict_of(
    b: Breaker,
    package: ModelPackage,
    rules: ModelRules,
    own: res_readings.Measured,
    serving: Serving | None,
    cost: Cost,
    in_service: timedelta | None,
    extra: Extra | None = None,
) -> Verdict:
    """`extra`: what a caller knows about chance; None: what the package's metadata say counts."""
    try:
        baseline = serving.evaluation if serving is not None else None
        told = res_readings.told(package, rules, own.evaluation, baseline)
        chance = extra or res_readings.chance(b, package)
    except InputError as error:
        return Verdict(Value.UNJUDGED, Cause.NO_METRIC, str(error), metric=rules.metric, cost=cost)
    if serving is not None and told is None and rules.metric not in own.evaluation.readings:
        known = ", ".join(sorted(own.evaluation.readings)[:6]) or "none"
        sentence = own.problem or f"the candidate has no metric {rules.metric}; it has {known}"
        return Verdict(Value.UNJUDGED, Cause.NO_METRIC, sentence, metric=rules.metric, cost=cost)
    both = told is not None and baseline is not None
    return res.judge(
        told.candidate if told is not None else own.evaluation,
        told.baseline if told is not None and both else baseline,
        cost,
        rules,
        extra=chance,
        in_service=in_service,
        same_data=True if both else None,
        when_too_dear=b.w.policy.res.when_too_dear,
    )


def serving_now(b: Breaker, package: ModelPackage, rules: ModelRules) -> Serving | None:
    """What it was measured on when it was judged itself, else what can be read of it now."""
    newest = b.registry(package.region).newest_approved(package.group)
    if newest is None or newest.arn == package.arn:
        return None
    row = b.judgements.get(b.w.account, f"{newest.region}/{newest.group}/{newest.version}")
    since = row.approved_at if row is not None and row.approved_at is not None else None
    since = since or newest.modified_at or newest.created_at
    if row is not None and row.evaluation is not None and row.evaluation.readings:
        return Serving(newest, since, row.evaluation)
    trained = res_joins.trained(b, newest)
    measured = res_readings.measured(b, newest, rules, trained.job if trained is not None else None)
    return Serving(newest, since, measured.evaluation)


def _last_of_run(judged: Sequence[Judgement], run: str, package: ModelPackage) -> datetime | None:
    """When the candidate before this one was registered by a run of the same name: what that cost is not this one's."""
    if not run:
        return None
    before = [each.created_at for each in judged if each.run == run and each.created_at < package.created_at]
    return max(before, default=None)


def _row(
    b: Breaker,
    package: ModelPackage,
    rules: ModelRules,
    before: Judgement | None,
    now: datetime,
    *,
    verdict: Verdict,
    run: str,
    runs: tuple[str, ...],
    evaluation: Evaluation,
    serving_version: int | None = None,
    capacity: str = "",
    runtime: timedelta | None = None,
    team: str = "",
) -> Judgement:
    policy = b.w.policy.res
    known = before or Judgement(
        package_arn=package.arn,
        account=package.account,
        region=package.region,
        model=rules.name,
        group=package.group,
        package_version=package.version,
        created_at=package.created_at,
        judged_at=now,
        mode=policy.mode,
        state=State.WAITING,
        verdict=verdict,
    )
    return replace(
        known,
        judged_at=now,
        mode=policy.mode,
        verdict=verdict,
        run=run,
        runs=runs,
        artifact=package.artifacts[0] if package.artifacts else "",
        evaluation=evaluation if evaluation.readings else known.evaluation,
        approvers=policy.approvers,
        serving_version=serving_version,
        capacity=capacity,
        runtime=runtime,
        worth=rules.worth,
        team=team or known.team,
    )
