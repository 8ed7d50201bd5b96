"""Stop what is due: claim it, look once more, act, settle from the world, say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from costwatch.adapters.ledger import ClaimOutcome
from costwatch.core import caps, endings, ladder, stopping
from costwatch.core.deadman import Decision, Verdict, judge
from costwatch.core.model import Run
from costwatch.core.policy import Action, Mode, Service
from costwatch.core.record import Pause, RunRecord
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Failure, SweepReport
from costwatch.procedures.stop_instances import stop_instances
from costwatch.procedures.stop_job import stop_job

LEASE = timedelta(minutes=6)
"""Longer than the function's timeout: nobody takes over while the first may still be acting."""
SECONDS_TO_STOP = 45.0
"""No stop is begun with less time left."""


@dataclass(frozen=True, slots=True)
class Due:
    run: Run
    record: RunRecord
    decision: Decision

    @property
    def again(self) -> bool:
        """Claimed before under this key, and counted then: a retry or takeover is not a second stop."""
        return self.record.stop is not None and self.record.stop.key == self.decision.key

    @property
    def released(self) -> bool:
        """A person lifted the caps for it; it still counts."""
        return self.record.released_key == self.decision.key


def stop_due(
    w: Watchdog, due: Sequence[Due], *, runs_of: Mapping[str, int], pause: Pause | None, report: SweepReport
) -> None:
    """Stop due runs, the longest overdue first; what a cap does not allow is held for a release."""
    longest_first = sorted(due, key=lambda d: (d.decision.deadline_at or w.now(), d.run.id))
    for item in _within_caps(w, longest_first, runs_of, report):
        with report.isolating(str(item.run.id)):
            if w.seconds_left() < SECONDS_TO_STOP:
                raise PermanentAwsError("the function's time is nearly over; the next sweep stops it")
            _stop(w, item, runs_of=runs_of, pause=pause, report=report)


def afresh(w: Watchdog, run: Run, decision: Decision) -> Run:
    """The run as the world shows it right now, with spot requests and what protects it from the decision's act."""
    if run.id.kind.service is Service.TRAINING:
        return w.sagemaker(run.id.region).afresh(run)
    return w.ec2(run.id.region).afresh(run, w.policy.tags.run, decision.action)


def _stop(w: Watchdog, due: Due, *, runs_of: Mapping[str, int], pause: Pause | None, report: SweepReport) -> None:
    now = w.now()
    record, decision = due.record, due.decision
    stopped_before = _stopped_before(w, due) if due.again else ()
    step = stopping.claim(
        due.run, record, decision, owner=w.worker, lease=LEASE, now=now, stopped_before=stopped_before
    )
    counters = _counters(w, due, runs_of, now)
    claim = w.ledger.claim(step, pause=pause, caps=counters, released=due.released, now=now)
    if claim.outcome is ClaimOutcome.CAPPED:
        w.save(ladder.capped(record, decision, claim.cap, now))
        return
    if claim.outcome is ClaimOutcome.LOST:
        w.log("claim lost", {"run": str(due.run.id), "key": decision.key})
        return
    w.log_step(step)
    if decision.mode is not Mode.ENFORCE:
        report.would_stop += 1
        return
    _act(w, due, report)


def _within_caps(w: Watchdog, due: Sequence[Due], runs_of: Mapping[str, int], report: SweepReport) -> list[Due]:
    """Hold what one sweep's caps cannot allow and return the rest, in order.

    Before the first stop and not when its turn comes: a sweep that dies after a stop would leave what it had not
    held yet to the next one, whose caps are unused.
    """
    taken: Counter[tuple[Mode, str]] = Counter()
    within: list[Due] = []
    for item in due:
        now = w.now()
        counters = _counters(w, item, runs_of, now)
        mode = item.decision.mode
        over = next((cap for cap in counters if taken[mode, cap.counter] >= cap.limit), None)
        if over is not None and not item.released:
            with report.isolating(str(item.run.id)):
                w.save(ladder.capped(item.record, item.decision, over.label, now))
            continue
        taken.update((mode, cap.counter) for cap in counters)
        within.append(item)
    return within


def _counters(w: Watchdog, due: Due, runs_of: Mapping[str, int], now: datetime) -> tuple[caps.CapLimit, ...]:
    """What a stop counts against."""
    if due.again:
        return ()
    selector = due.decision.selector.name if due.decision.selector else ""
    return caps.limits(w.policy, selector=selector, runs_of_selector=runs_of.get(selector, 1), now=now)


def _stopped_before(w: Watchdog, due: Due) -> list[str]:
    """Members that an attempt which crashed or failed half way has ended: who takes over answers for them too."""
    claimed = due.record.stop.members if due.record.stop is not None else ()
    missing = sorted(set(claimed) - {m.id for m in due.run.members})
    if not missing or due.run.id.kind.service is Service.TRAINING:
        return []
    world = w.ec2(due.run.id.region).instances_by_id(missing)
    return [i for i in missing if i not in world or not world[i].alive]


def _act(w: Watchdog, due: Due, report: SweepReport) -> None:
    """We hold the claim. Read the run, its row and the pause once more; act only on the same decision."""
    run = afresh(w, due.run, due.decision)
    record = w.ledger.record(due.run.id)
    if record is None or record.stop is None or record.stop.owner != w.worker:
        w.log("claim lost", {"run": str(due.run.id), "key": due.decision.key})
        return
    now = w.now()
    if not run.members:
        how = "it had ended when it was looked at once more before the act"
        w.save(endings.ended(record, ended_at=now, finished=False, how=how, now=now))
        return
    decision = judge(run, record, w.policy, w.ledger.pause(), now)
    if decision.verdict is not Verdict.STOP or decision.key != due.decision.key:
        w.save(stopping.stood_down(record, decision, now))
        return
    outcome = _outcome(w, run, decision.action)
    now = w.now()
    # Members may have joined since the claim; whoever verifies must look for them too.
    members = tuple(sorted({*record.stop.members, *(m.id for m in run.members)}))
    record = replace(record, stop=replace(record.stop, members=members))
    if outcome.problem:
        w.save(stopping.failed(record, outcome.problem, now))
        report.failures.append(Failure(str(run.id), outcome.problem, retry=True))
        return
    if w.save(stopping.stop_requested(record, now, seen=outcome.seen)):
        report.stopped += 1


def _outcome(w: Watchdog, run: Run, action: Action) -> Outcome:
    try:
        if run.id.kind.service is Service.TRAINING:
            return stop_job(w.sagemaker(run.id.region), run.id.name)
        return stop_instances(w.ec2(run.id.region), run, action)
    except AwsError as error:
        return Outcome(seen=str(error), problem=str(error))
