"""A job that has just begun gets its record and its forecast by its event, without waiting for the sweep.

Only where that is all there is to it: who is to be warned, held or stopped is the sweep's.
"""

from __future__ import annotations

from costwatch.core import grouping, ladder
from costwatch.core.deadman import Verdict, judge
from costwatch.core.model import Member
from costwatch.core.money import burn_rate
from costwatch.procedures.forecasting import forecast_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport


def record_start(w: Watchdog, region: str, job: Member, report: SweepReport) -> None:
    """`job`: in progress, without a record. What another job started is that one's. Raises AwsError."""
    if not job.alive or job.tags is None or job.parent is not None:
        return
    (run,) = grouping.runs([job], account=w.account, region=region, run_tag=w.policy.tags.run)
    now = w.now()
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
    w.save(step)
