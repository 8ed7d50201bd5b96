"""A run's forecast, made once: when it is first seen, or when a new start of it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from costwatch.core import forecast
from costwatch.core.deadman import Decision
from costwatch.core.families import PastRun
from costwatch.core.forecast import Forecast
from costwatch.core.model import Run
from costwatch.core.record import RunRecord
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport


def forecast_of(
    w: Watchdog, run: Run, record: RunRecord | None, decision: Decision, report: SweepReport
) -> Forecast | None:
    """None: it has one, or nothing watches it. What its family cost before is read once a sweep and family."""
    if decision.selector is None or not run.members or (record is not None and record.forecast is not None):
        return None
    family = forecast.family_of(run)
    return forecast.forecast(run, _limit(decision), w.prices, _past(w, run, family, report), w.now())


def _past(w: Watchdog, run: Run, family: str, report: SweepReport) -> Sequence[PastRun]:
    """Without them the maximum runtime stands: a row that cannot be read must not keep a run from being judged."""
    if family not in report.past_runs:
        report.past_runs[family] = ()
        with report.isolating(f"past runs of {family}"):
            report.past_runs[family] = w.ledger.past_runs(run.id.account, family)
    return report.past_runs[family]


def _limit(decision: Decision) -> timedelta | None:
    """How long the run may take: to its deadline, else as long as its selector says."""
    if decision.deadline is not None and decision.start is not None:
        return max(decision.deadline.at - decision.start, timedelta(0)) or None
    return decision.selector.limits.max_runtime if decision.selector is not None else None
