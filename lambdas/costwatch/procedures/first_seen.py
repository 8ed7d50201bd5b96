"""What has just begun gets its record and its forecast by its event, without waiting for the sweep.

Only where that is all there is to it: who is to be warned, held or stopped is the sweep's. About what costs more than
needs no yes somebody is asked at once.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from costwatch.core import candidates, grouping, ladder, unapproved
from costwatch.core.deadman import Verdict, judge
from costwatch.core.model import Member, Run, RunId, RunKind
from costwatch.core.money import burn_rate
from costwatch.core.policy import Mode
from costwatch.procedures.exempt import exemption_of
from costwatch.procedures.forecasting import forecast_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport
from costwatch.procedures.unapproved import attend, is_to_be_attended


def record_start(w: Watchdog, region: str, job: Member, report: SweepReport) -> None:
    """`job`: in progress, without a record. What another job started is that one's. Raises AwsError."""
    if not job.alive or job.tags is None or job.parent is not None:
        return
    (run,) = grouping.runs([job], account=w.account, region=region, run_tag=w.policy.tags.run)
    _record(w, run, report, costly=False)


def record_costly(w: Watchdog, region: str, instance_id: str, known: Container[RunId], report: SweepReport) -> None:
    """An instance that came up: its run gets its record where its time limit costs more than needs no yes.

    Every other one is left to the sweep, and so are groups, fleets and clusters. `known`: runs that have a record.
    Raises AwsError.
    """
    if w.policy.approval.mode is Mode.OFF:
        return
    found = w.ec2(region).instances_by_id([instance_id]).get(instance_id)
    if found is None or not found.alive or found.tags is None:
        return
    run_id = grouping.run_id_of(found, account=w.account, region=region, run_tag=w.policy.tags.run)
    if run_id in known or run_id.kind not in (RunKind.INSTANCE, RunKind.TAGGED):
        return
    _record_members(w, run_id, [found] if run_id.kind is RunKind.INSTANCE else _members(w, run_id), report)


def record_dear(w: Watchdog, run_id: RunId, report: SweepReport) -> None:
    """The same for a run of any kind that the hourly count found. Raises AwsError."""
    _record_members(w, run_id, _members(w, run_id), report)


def _members(w: Watchdog, run_id: RunId) -> list[Member]:
    alone = run_id.kind is RunKind.INSTANCE
    filters = candidates.with_ids([run_id.name]) if alone else candidates.of_runs([run_id], w.policy.tags.run)
    return [member for each in filters for member in w.ec2(run_id.region).matching(each)]


def _record_members(w: Watchdog, run_id: RunId, members: Sequence[Member], report: SweepReport) -> None:
    """Perhaps others besides, as `of_runs` finds them."""
    for run in grouping.runs(members, account=w.account, region=run_id.region, run_tag=w.policy.tags.run):
        if run.id == run_id:
            _record(w, run, report, costly=True)


def _record(w: Watchdog, run: Run, report: SweepReport, *, costly: bool) -> None:
    """`costly`: only where its time limit costs more than needs no yes."""
    now = w.now()
    run = replace(run, exemption=exemption_of(w, run))
    decision = judge(run, None, w.policy, w.ledger.pause(), now, {})
    if decision.verdict is not Verdict.KEEP:
        return
    step = ladder.observe(
        run,
        None,
        decision,
        policy=w.policy,
        origin=w.ledger.origin,
        burn=burn_rate(run, w.prices),
        now=now,
        forecast=forecast_of(w, run, None, decision, report),
    )
    if step is None or step.after is None or (costly and not unapproved.may_cost_more(step.after, w.policy.approval)):
        return
    if w.save(step) and is_to_be_attended(w, run, step.after, decision):
        attend(w, run, decision, report)
