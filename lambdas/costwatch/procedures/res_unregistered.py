"""What would become of a training job's model before it is registered: the same judgement, which writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal

from costwatch.adapters.ledger_rows import Skip
from costwatch.core.model import Member, RunId, RunKind
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.policy import Service
from costwatch.core.res import Cost, Extra, Verdict
from costwatch.core.res_policy import ModelRules
from costwatch.core.run_cost import RunCost
from costwatch.errors import InputError
from costwatch.procedures import res_costs, res_readings
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.costs import of_children, of_jobs
from costwatch.procedures.res_judge import served, serving_now, verdict_of


@dataclass(frozen=True, slots=True)
class Looked:
    """`serving`: for people, `churn v38`; empty: nothing serves yet. `cost_waits`: why the cost is not known."""

    verdict: Verdict
    serving: str
    cost_waits: str = ""


def look(
    b: Breaker, rules: ModelRules, job_name: str, region: str, skip: Skip, *, usd: Decimal | None, extra: Extra | None
) -> Looked:
    """Judge what the job left, as if it were registered now. `usd`: what it cost, by the caller; None: it is read.

    Raises InputError where there is no such job, and AwsError.
    """
    job = b.registry(region).trained(job_name)
    member = b.w.sagemaker(region).job(job_name, Service.TRAINING)
    if job is None or member is None:
        raise InputError(f"there is no training job {job_name!r} in {region}")
    package = ModelPackage(
        arn="",
        account=b.w.account,
        region=region,
        group=rules.group,
        version=0,
        status="Completed",
        approval=ApprovalStatus.PENDING,
        created_at=b.w.now(),
        artifacts=(job.artifact,) if job.artifact else (),
    )
    run_id = _run_of(b, region, member)
    cost, waits = (Cost(usd, what="as given"), "") if usd is not None else _cost(b, run_id, member, skip)
    judged = b.judgements.of_model(b.w.account, rules.name, skip)
    serving = serving_now(b, package, rules)
    if serving is not None:
        own = res_costs.Spent(cost, (str(run_id),))
        cost = replace(cost, all_candidates_usd=res_costs.all_candidates(b, rules.name, serving.since, judged, own))
    measured = res_readings.measured(b, package, rules, job)
    verdict = verdict_of(b, package, rules, measured, serving, cost, served(judged, region), extra)
    return Looked(verdict, serving.package.name if serving is not None else "", waits)


def _run_of(b: Breaker, region: str, job: Member) -> RunId:
    """A tuning job with all its children is one run."""
    parent = job.parent
    if parent is not None and parent.kind.has_children:
        return RunId(b.w.account, region, parent.kind, parent.id)
    return RunId(b.w.account, region, RunKind.TRAINING, job.id)


def _cost(b: Breaker, run_id: RunId, job: Member, skip: Skip) -> tuple[Cost, str]:
    """As the ledger has booked it, else from what SageMaker billed and the prices; and why it is not known."""
    head: Member | None = job
    if run_id.kind is not RunKind.TRAINING:
        head = b.w.sagemaker(run_id.region).job(run_id.name, run_id.kind.service)
    name = f"{run_id.kind.value} job {run_id.name}"
    if head is None or not head.gone:
        return Cost(None, what=name), f"{name} is not over yet"
    booked = b.judgements.cost_of(run_id, skip) or _of_its_day(b, run_id, head, skip)
    if booked:
        last = booked[-1]
        return Cost(last.actual_usd, last.gpu_hours, what=f"{name}, as booked in the ledger"), ""
    found = of_children(b.w, run_id, head) if head.has_children else of_jobs(b.w, run_id.region, [head])
    if found is None or found.usd is None:
        unpriced = f": no known price for {', '.join(found.unpriced)}" if found is not None and found.unpriced else ""
        return Cost(None, what=name), f"what {name} cost is not known{unpriced}"
    as_of = f" of {found.price_as_of.isoformat()}" if found.price_as_of is not None else ""
    return Cost(found.usd, found.gpu_hours, what=f"{name}, by its {found.basis} and prices{as_of}"), ""


def _of_its_day(b: Breaker, run_id: RunId, job: Member, skip: Skip) -> list[RunCost]:
    """What was booked before costs could be found by their run."""
    if job.ended_at is None:
        return []
    booked = b.w.ledger.costs(b.w.account, job.ended_at.astimezone(UTC).date(), skip)
    return [cost for cost in booked if cost.run_id == run_id]
