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
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.res import Cause, Cost, Extra, Value, Verdict
from costwatch.core.res_policy import ModelRules
from costwatch.errors import InputError, UnreadableRow
from costwatch.procedures import res_costs, res_joins, res_readings
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.report import SweepReport
from costwatch.procedures.retraining import outlook

_FEWEST_SERVED: Final = 3
"""With fewer models that served before, nobody knows how long one of this kind does."""
_LEAST_SERVED: Final = timedelta(days=1)


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
    spent = res_costs.spent(b, trained, package, judged)
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
    began_at = job.began_at if job is not None else None
    verdict = verdict_of(b, package, rules, own, serving, cost, judged, began_at=began_at)
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


def served(judged: Sequence[Judgement], region: str, every: timedelta) -> timedelta | None:
    """How long models of this kind served in a region: the median of the times from one approval to the next.

    What was approved over within a day, or within `every` where they are trained more often, never served: by a script
    that approves many at once, or since it was a mistake. None: too few did.
    """
    least = min(_LEAST_SERVED, every)
    here = [each for each in judged if each.region == region]
    moments = sorted(each.approved_at for each in here if each.approved_at is not None)
    seconds = [(later - earlier).total_seconds() for earlier, later in pairwise(moments) if later - earlier >= least]
    return timedelta(seconds=median(seconds)) if len(seconds) >= _FEWEST_SERVED else None


def _serves_since(serving: Serving, judged: Sequence[Judgement]) -> datetime:
    """When it became what serves: approved, or by taking back what had been approved over it."""
    taken_back = (
        each.decided.at
        for each in judged
        if each.region == serving.package.region
        and each.approved_at is not None
        and each.decided is not None
        and each.decided.target is not ApprovalStatus.APPROVED
    )
    return max((serving.since, *taken_back))


def verdict_of(
    b: Breaker,
    package: ModelPackage,
    rules: ModelRules,
    own: res_readings.Measured,
    serving: Serving | None,
    cost: Cost,
    judged: Sequence[Judgement],
    extra: Extra | None = None,
    *,
    began_at: datetime | None = None,
) -> Verdict:
    """`judged`: every candidate of the model so far. `extra`: what a caller knows about chance; None: what the metadata
    of the package say counts. `began_at`: when its training did; None: not known.
    """
    try:
        baseline = serving.evaluation if serving is not None else None
        told = res_readings.told(package, rules, own.evaluation, baseline)
        if told is not None and serving is not None:
            since = _serves_since(serving, judged)
            res_readings.check_baseline(package, serving.package.version, since, began_at or package.created_at)
        chance = extra or res_readings.chance(b, package)
    except InputError as error:
        return Verdict(Value.UNJUDGED, Cause.NO_METRIC, str(error), metric=rules.metric, cost=cost)
    if serving is not None and told is None and rules.metric not in own.evaluation.readings:
        return Verdict(Value.UNJUDGED, Cause.NO_METRIC, own.problem, metric=rules.metric, cost=cost)
    both = told is not None and baseline is not None
    return res.judge(
        told.candidate if told is not None else own.evaluation,
        told.baseline if told is not None and both else baseline,
        cost,
        rules,
        extra=chance,
        in_service=served(judged, package.region, rules.retrain.every),
        same_data=True if both else None,
        when_too_dear=b.w.policy.res.when_too_dear,
    )


def serving_now(b: Breaker, package: ModelPackage, rules: ModelRules) -> Serving | None:
    """What it was measured on when it was judged itself; what is not known of that is read now."""
    newest = b.registry(package.region).newest_approved(package.group)
    if newest is None or newest.arn == package.arn:
        return None
    row = _row_of(b, newest)
    since = row.approved_at if row is not None and row.approved_at is not None else None
    since = since or newest.modified_at or newest.created_at
    known = row.evaluation if row is not None else None
    if known is not None and known.data is not None and res_readings.has_all(known, rules):
        return Serving(newest, since, known)
    trained = res_joins.trained(b, newest)
    read = res_readings.measured(b, newest, rules, trained.job if trained is not None else None, known).evaluation
    # What was written down stands, unless what is read now tells more of the same.
    stands = known is not None and known.readings and (read.data is None or known.data not in (None, read.data))
    return Serving(newest, since, known if known is not None and stands else read)


def _row_of(b: Breaker, package: ModelPackage) -> Judgement | None:
    """None: none, or none that can be read; it is said by whoever looks at that package itself."""
    try:
        row = b.judgements.get(b.w.account, f"{package.region}/{package.group}/{package.version}")
    except UnreadableRow:
        return None
    return row if row is not None and row.is_of(package) else None


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
