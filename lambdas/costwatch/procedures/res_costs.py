"""What a candidate cost, from what the ledger has booked, and what all candidates cost since the last promotion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from costwatch.core.judgements import Judgement
from costwatch.core.model import Member, RunId
from costwatch.core.packages import ModelPackage
from costwatch.core.res import Cost
from costwatch.core.run_cost import RunCost
from costwatch.errors import UnreadableRow
from costwatch.procedures.booking import book_job
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.res_joins import Trained


@dataclass(frozen=True, slots=True)
class Spent:
    """`waits`: why it is not known yet; empty: it is as known as it will be. `goes_on`: it still runs."""

    cost: Cost
    runs: tuple[str, ...] = ()
    waits: str = ""
    goes_on: bool = False
    capacity: str = ""
    runtime: timedelta | None = None
    team: str = ""


@dataclass(frozen=True, slots=True)
class _Booked:
    run_id: RunId
    costs: tuple[RunCost, ...] = ()
    waits: str = ""
    goes_on: bool = False


def spent(b: Breaker, found: Trained | None, package: ModelPackage, judged: Iterable[Judgement]) -> Spent:
    """What every run of `found` cost in sum. `judged`: every candidate of the model. Raises AwsError."""
    if found is None:
        waits = "nothing tells what trained it: no training job, pipeline execution or run is known for it"
        return Spent(Cost(None), waits=waits)
    siblings = [each for each in judged if each.run == found.run]
    booked = {each.run_id: each for each in (_booked(b, run_id) for run_id in found.runs)}
    own = [_of_candidate(each, package, siblings) for each in booked.values()]
    runs = tuple(str(run_id) for run_id in booked)
    waiting = [each for each in own if each.waits]
    if waiting:
        goes_on = any(each.goes_on for each in waiting)
        reason = "; ".join(each.waits for each in waiting[:3])
        return Spent(Cost(None, what=found.what), runs, reason, goes_on)
    costs = [cost for each in own for cost in each.costs]
    return Spent(
        Cost(_sum(each.actual_usd for each in costs), _sum(each.gpu_hours for each in costs), what=found.what),
        runs,
        capacity=_capacity(costs),
        runtime=sum((each.runtime for each in costs), timedelta(0)),
        team=next((each.owners.team for each in costs if each.owners.team), ""),
    )


def _of_candidate(booked: _Booked, package: ModelPackage, siblings: Sequence[Judgement]) -> _Booked:
    """Machines may train again and again under one name, a job runs once. What began last before the candidate was
    registered is its own, and of two candidates the cost of neither is known then: only what was counted for one stays.
    """
    if booked.waits or booked.run_id.kind.is_job:
        return booked
    own = _last_begun(booked.costs, package.created_at)
    run = f"{booked.run_id.kind.value} {booked.run_id.name}"
    if own is None:
        return replace(booked, waits=f"what {run} cost before the candidate was registered is not in the ledger")
    counted = any(each.is_of(package) and _is_counted(each) for each in siblings)
    others = [each for each in siblings if not each.is_of(package)]
    rival = next((each for each in others if _last_begun(booked.costs, each.created_at) is own), None)
    if rival is not None and not counted:
        waits = f"in the ledger it comes of the same {run} as {rival.name}: what each of them cost is not known"
        return replace(booked, waits=waits)
    return replace(booked, costs=(own,))


def _is_counted(judgement: Judgement) -> bool:
    return judgement.verdict.cost is not None and judgement.verdict.cost.usd is not None


def _last_begun(costs: Iterable[RunCost], registered_at: datetime) -> RunCost | None:
    """At the very moment of registration is before it. What never started left nothing."""
    begun = [(cost.started_at, cost) for cost in costs if cost.started_at is not None]
    return max((each for each in begun if each[0] <= registered_at), key=itemgetter(0), default=(None, None))[1]


def all_candidates(b: Breaker, model: str, since: datetime, judged: Iterable[Judgement], own: Spent) -> Decimal | None:
    """USD of every run that is tagged with the model and ended since then, of those that failed and left nothing too.

    With them the runs of candidates, which need not be tagged. None: of one of them it is not known.
    """
    costs = b.judgements.costs_of_model(b.w.account, model, since, _none)
    tagged = {str(cost.run_id) for cost in costs}
    others = [run for each in judged if each.created_at >= since for run in each.runs]
    for run in dict.fromkeys((*others, *own.runs)):
        if run not in tagged:
            costs.extend(cost for cost in b.judgements.cost_of(RunId.parse(run), _none) if cost.ended_at >= since)
    return _sum(cost.actual_usd for cost in costs) if costs else None


def _booked(b: Breaker, run_id: RunId) -> _Booked:
    """What is booked of it. A job that is over is booked first, where it is not; a child's cost is its parent's."""
    w = b.w
    job: Member | None = None
    if run_id.kind.is_job:
        sagemaker = w.sagemaker(run_id.region)
        job = sagemaker.job(run_id.name, run_id.kind.service)
        if job is not None and job.parent is not None and job.parent.kind.has_children:
            run_id = RunId(run_id.account, run_id.region, job.parent.kind, job.parent.id)
            job = sagemaker.job(run_id.name, run_id.kind.service)
        if job is not None and not job.gone:
            return _Booked(run_id, waits=f"{run_id.kind.value} job {run_id.name} is not over yet", goes_on=True)
        if job is not None:
            book_job(w, run_id.region, job)
    if w.ledger.record(run_id) is not None:
        return _Booked(run_id, waits=f"{run_id.kind.value} {run_id.name} is not over yet", goes_on=True)
    costs = b.judgements.cost_of(run_id, _none) or _of_its_day(b, run_id, job)
    if not costs:
        return _Booked(run_id, waits=f"what {run_id.kind.value} {run_id.name} cost is not in the ledger")
    return _Booked(run_id, tuple(costs))


def _of_its_day(b: Breaker, run_id: RunId, job: Member | None) -> list[RunCost]:
    """What was booked before costs could be found by their run."""
    if job is None or job.ended_at is None:
        return []
    booked = b.w.ledger.costs(b.w.account, job.ended_at.astimezone(UTC).date(), _none)
    return [cost for cost in booked if cost.run_id == run_id]


def _capacity(costs: Iterable[RunCost]) -> str:
    """The most of each type that one of them had."""
    counts: Counter[str] = Counter()
    for cost in costs:
        for kind, count in cost.capacity:
            counts[kind] = max(counts[kind], count)
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _none(_row: UnreadableRow) -> None:
    """A row that cannot be read is as good as none: what it held stays unknown."""
