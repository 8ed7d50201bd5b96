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
    """None: it has one, nothing watches it, or it could not be made; then it is tried again by the next sweep.

    What its family cost before is read once a sweep and family. Nothing here may keep a run from being judged.
    """
    before = record.forecast if record is not None else None
    if decision.selector is None or not run.members or (before is not None and before.expected_usd is not None):
        return None
    with report.isolating(f"forecast of {run.id}"):
        family = forecast.family_of(run)
        made = forecast.forecast(run, limit_of(decision), w.prices, _past(w, run, family, report), w.now())
        # What is unknown is looked at again in every sweep, and written when it is known.
        return made if before is None or made.expected_usd is not None else None
    return None


def _past(w: Watchdog, run: Run, family: str, report: SweepReport) -> Sequence[PastRun]:
    """Without them the maximum runtime stands."""
    if family and family not in report.past_runs:
        report.past_runs[family] = ()
        with report.isolating(f"past runs of {family}"):
            report.past_runs[family] = w.ledger.past_runs(run.id.account, family)
    return report.past_runs.get(family, ())


def limit_of(decision: Decision) -> timedelta | None:
    """How long the run may take: to its deadline, else as long as its selector says; whatever it may spend."""
    if decision.deadline is not None and decision.start is not None:
        until = decision.deadline.time_at or decision.deadline.at
        return max(until - decision.start, timedelta(0)) or None
    return decision.selector.limits.max_runtime if decision.selector is not None else None
