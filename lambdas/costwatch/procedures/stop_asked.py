"""A named person's stop: no notice and no cap, and everything else that holds a stop holds this one too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from costwatch.core import grants
from costwatch.core.deadman import Decision, Verdict, judge
from costwatch.core.model import Run, RunId
from costwatch.core.policy import Mode
from costwatch.core.record import RunRecord
from costwatch.errors import RefusedError
from costwatch.intake import StopRequested
from costwatch.procedures import outbox
from costwatch.procedures.kinds import kind_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport
from costwatch.procedures.stop import Due, afresh, stop_due

_TRIES: Final = 4


def stop_asked(w: Watchdog, asked: StopRequested) -> dict[str, Any]:
    """Stop the run now, by the same claim, act and verification as one whose time is up.

    The order is recorded first and lasts an hour, so that what fails or crashes here is tried again by the sweep.
    Returns what came of it as a document. Raises RefusedError, with nothing written, where anything holds the run:
    protection, `costwatch:never`, an exemption, an upload, a selector that is not in enforce. So it does where members
    joined that the person has not seen.
    """
    run_id = asked.run_id
    report = SweepReport(at=w.now())
    for _ in range(_TRIES):
        record = w.ledger.record(run_id)
        if record is None:
            raise RefusedError(f"no run is open under {run_id}")
        step = grants.order_stop(record, by=asked.requested_by, reason=asked.reason, members=asked.members, now=w.now())
        ordered = replace(record, order=step.after.order if step.after else None, version=step.version)
        run, decision = _judged(w, ordered)
        if w.save(step):
            due = Due(run, ordered, decision)
            stop_due(w, [due], runs_of={}, pause=w.ledger.pause(), report=report)
            outbox.flush(w, report, warnings=False)
            return _document(w, run_id, decision, report)
    raise RefusedError(f"{run_id} was changed by others each time; nothing was written: try again")


def _judged(w: Watchdog, record: RunRecord) -> tuple[Run, Decision]:
    """The run as it is now, and the verdict: always to stop. Raises RefusedError."""
    found = kind_of(w, record.run_id).read(record.run_id, record.member_ids).values()
    alive = sorted((member for member in found if member.alive), key=lambda member: member.id)
    run = Run(record.run_id, tuple(alive))
    gone = f"{record.run_id} has ended, started anew or changed its members: the next sweep sees which"
    if not run.members:
        raise RefusedError(gone)
    pause = w.ledger.pause()
    run = afresh(w, run, record, judge(run, record, w.policy, pause, w.now()))
    if not run.members:
        raise RefusedError(gone)
    others = record.order.others(run) if record.order is not None else []
    if others:
        raise RefusedError(
            f"{', '.join(others)} joined {record.run_id} since you looked: look at it again, and ask again"
        )
    decision = judge(run, record, w.policy, pause, w.now())
    if decision.selector is not None and decision.mode is not Mode.ENFORCE:
        name, mode = decision.selector.name, decision.mode.value
        raise RefusedError(f"selector {name} is in {mode}: only what is in enforce may be stopped from here")
    if decision.verdict is not Verdict.STOP:
        raise RefusedError(decision.reason)
    return run, decision


def _document(w: Watchdog, run_id: RunId, decision: Decision, report: SweepReport) -> dict[str, Any]:
    after = w.ledger.record(run_id)
    return {
        "run": str(run_id),
        "stopped": report.stopped > 0,
        "reason": decision.reason,
        "status": after.status.value if after is not None else "over",
        "hold": after.hold.reason if after is not None and after.hold is not None else None,
        "failures": [{"where": f.where, "reason": f.reason, "retry": f.retry} for f in report.failures],
    }
