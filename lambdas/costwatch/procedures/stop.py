"""Stop what is due: claim it, look once more, act, settle from the world, say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from costwatch.adapters.ledger import ClaimOutcome
from costwatch.core import caps, endings, grouping, ladder, stopping, unapproved
from costwatch.core.deadman import Decision, Verdict, judge
from costwatch.core.model import Run, RunKind
from costwatch.core.policy import Action, Mode
from costwatch.core.record import Pause, RunRecord, Status, same_episode
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.procedures import costs
from costwatch.procedures.exempt import exemption_of
from costwatch.procedures.kinds import kind_of
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.put_back import put_back_where_spared
from costwatch.procedures.report import Failure, SweepReport
from costwatch.procedures.unapproved import answered_meanwhile
from costwatch.procedures.vitals import heard_afresh

SECONDS_TO_STOP = 45.0
"""No stop is begun with less time left."""


@dataclass(frozen=True, slots=True)
class Due:
    run: Run
    record: RunRecord
    decision: Decision
    stopped_before: tuple[str, ...] = ()
    """Members that an attempt which crashed or failed half way has ended: who takes over answers for them too."""

    @property
    def again(self) -> bool:
        """Claimed before under this key."""
        return self.record.stop is not None and self.record.stop.key == self.decision.key

    @property
    def counted(self) -> tuple[str, ...]:
        """The cap counters that attempts before under this key have counted against."""
        return self.record.stop.counted if self.again and self.record.stop is not None else ()

    @property
    def finishes(self) -> bool:
        """It ends what was begun and may be half done: no second stop, and no cap must leave it half done."""
        return self.again and (self.record.status is Status.STOPPING or bool(self.stopped_before))

    @property
    def ordered(self) -> bool:
        """A named person asked for it: it counts against no cap."""
        return self.record.order_of(self.decision.key) is not None

    @property
    def released(self) -> bool:
        """A person lifted the caps for it; it still counts."""
        return self.record.released


def stop_due(
    w: Watchdog, due: Sequence[Due], *, runs_of: Mapping[str, int], pause: Pause | None, report: SweepReport
) -> None:
    """Stop due runs, the longest overdue first, what failed before last; what a cap does not allow is held.

    What failed counts against the caps like any other: when AWS refused many and then no more, they would all go at
    once.
    """
    known: list[Due] = []
    for item in due:
        with report.isolating(str(item.run.id)):
            known.append(with_stopped_before(w, item))
    in_order = sorted(known, key=lambda d: (d.again and not d.finishes, d.decision.deadline_at or w.now(), d.run.id))
    for item in _within_caps(w, in_order, runs_of, report):
        with report.isolating(str(item.run.id)):
            if w.seconds_left() < SECONDS_TO_STOP:
                raise PermanentAwsError("the function's time is nearly over; the next sweep stops it")
            _stop(w, item, runs_of=runs_of, pause=pause, report=report)


def afresh(w: Watchdog, run: Run, record: RunRecord | None, decision: Decision) -> Run:
    """The run as the world shows it right now, with spot requests, what protects it and what people exempted.

    Without members where it is not the run of `record` any more: it ended, started anew, or its members belong to
    another run now.
    """
    found = still_the_run(w, kind_of(w, run.id).afresh(run, decision.action), run, record)
    if not found.members:
        return found
    found = heard_afresh(w, found, record)
    return replace(found, left=left_behind(w, found, record), exemption=exemption_of(w, found))


def still_the_run(w: Watchdog, found: Run, run: Run, record: RunRecord | None) -> Run:
    """`found` as it was read afresh; without members where it is not `run`, or not the run of `record`, any more."""
    # Whatever the tags of a group's instances say, the group has them: what contradicts it holds the group.
    grouped = run.id.kind is not RunKind.ASG
    if grouped and any(grouping.run_id_now(m, run.id, run_tag=w.policy.tags.run) != run.id for m in found.members):
        return replace(found, members=())
    if record is not None and found.members and not same_episode(found, record):
        return replace(found, members=())
    return found


def left_behind(w: Watchdog, run: Run, record: RunRecord | None) -> tuple[str, ...]:
    """Members of the notice that run on outside of the run: it would be cut in two."""
    if run.id.kind not in (RunKind.TAGGED, RunKind.ASG) or record is None or record.notice is None:
        return ()
    missing = sorted({m.id for m in record.notice.members} - {m.id for m in run.members})
    world = kind_of(w, run.id).read(run.id, missing) if missing else {}
    return tuple(name for name in missing if name in world and world[name].alive)


def _stop(w: Watchdog, due: Due, *, runs_of: Mapping[str, int], pause: Pause | None, report: SweepReport) -> None:
    now = w.now()
    record, decision = due.record, due.decision
    caps_of_now = _caps(w, due, runs_of, now)
    counters = _uncounted(due, caps_of_now)
    step = stopping.claim(
        due.run,
        record,
        decision,
        owner=w.worker,
        lease=stopping.LEASE,
        now=now,
        stopped_before=due.stopped_before,
        counted=[cap.counter for cap in caps_of_now] if caps_of_now else due.counted,
        money=_terms(w, record, decision, now),
    )
    claim = w.ledger.claim(step, pause=pause, caps=counters, released=due.released, now=now)
    if claim.outcome is ClaimOutcome.CAPPED:
        w.save(ladder.capped(record, decision, claim.cap, now))
        _spared(w, due, report)
        return
    if claim.outcome is ClaimOutcome.LOST:
        w.log("claim lost", {"run": str(due.run.id), "key": decision.key})
        return
    w.log_step(step)
    if decision.mode is not Mode.ENFORCE:
        report.would_stop += 1
        return
    _act(w, due, report)


def _terms(w: Watchdog, record: RunRecord, decision: Decision, now: datetime) -> dict[str, str]:
    if decision.deadline is None or not decision.deadline.money or decision.selector is None:
        return {}
    limits = decision.selector.limits
    return unapproved.terms(record, w.policy.approval, w.policy.sweep_every, limits.min_notice, now)


def _within_caps(w: Watchdog, due: Sequence[Due], runs_of: Mapping[str, int], report: SweepReport) -> list[Due]:
    """Hold what one sweep's caps cannot allow and return the rest, in order.

    Before the first stop and not when its turn comes: a sweep that dies after a stop would leave what it had not
    held yet to the next one, whose caps are unused.
    """
    taken: Counter[tuple[Mode, str]] = Counter()
    within: list[Due] = []
    for item in due:
        now = w.now()
        counters = _uncounted(item, _caps(w, item, runs_of, now))
        mode = item.decision.mode
        over = next((cap for cap in counters if taken[mode, cap.counter] >= cap.limit), None)
        if over is not None and not item.released:
            with report.isolating(str(item.run.id)):
                w.save(ladder.capped(item.record, item.decision, over.label, now))
                _spared(w, item, report)
            continue
        taken.update((mode, cap.counter) for cap in counters)
        within.append(item)
    return within


def _spared(w: Watchdog, due: Due, report: SweepReport) -> None:
    """A cap holds it now: what an attempt before has lowered must not end it all the same."""
    held = replace(due.decision, verdict=Verdict.HOLD, hold=HoldCode.CAP)
    report.note_hold(due.run.id, due.record, held)
    put_back_where_spared(w, due.record, held, report)


def _caps(w: Watchdog, due: Due, runs_of: Mapping[str, int], now: datetime) -> tuple[caps.CapLimit, ...]:
    """What a stop of it counts against at `now`, once under one key."""
    if due.finishes or due.ordered:
        return ()
    selector = due.decision.selector.name if due.decision.selector else ""
    return caps.limits(w.policy, selector=selector, runs_of_selector=runs_of.get(selector, 1), now=now)


def _uncounted(due: Due, caps_of_now: Sequence[caps.CapLimit]) -> tuple[caps.CapLimit, ...]:
    return tuple(cap for cap in caps_of_now if cap.counter not in due.counted)


def with_stopped_before(w: Watchdog, due: Due) -> Due:
    """`due` with what an earlier attempt ended, as the world shows it. Raises AwsError."""
    claimed = due.record.stop.members if due.again and due.record.stop is not None else ()
    missing = sorted(set(claimed) - {m.id for m in due.run.members})
    if not missing:
        return due
    world = kind_of(w, due.run.id).read(due.run.id, missing)
    return replace(due, stopped_before=tuple(i for i in missing if i not in world or not world[i].alive))


def _act(w: Watchdog, due: Due, report: SweepReport) -> None:
    """We hold the claim. Read the run, its row and the pause once more; act only on the same decision."""
    run = afresh(w, due.run, due.record, due.decision)
    record = w.ledger.record(due.run.id)
    claimed = record.stop if record is not None else None
    if record is None or claimed is None or claimed.owner != w.worker:
        w.log("claim lost", {"run": str(due.run.id), "key": due.decision.key})
        return
    now = w.now()
    if not run.members:
        w.save(stopping.given_up(record, "it had ended, started anew or changed its run before the act", now))
        return
    if claimed.money:
        record = answered_meanwhile(w, record)
    decision = judge(run, record, w.policy, w.ledger.pause(), now)
    if decision.verdict is not Verdict.STOP or decision.key != due.decision.key:
        put_back_where_spared(w, record, decision, report)
        w.save(stopping.stood_down(record, decision, now))
        return
    outcome = _outcome(w, run, decision.action)
    now = w.now()
    # Members may have joined since the claim; whoever verifies must look for them too.
    members = tuple(sorted({*claimed.members, *(m.id for m in run.judged)}))
    record = replace(record, stop=replace(claimed, members=members))
    if outcome.problem:
        w.save(stopping.failed(record, outcome.problem, now))
        report.failures.append(Failure(str(run.id), outcome.problem, retry=True))
        return
    itself = outcome.ended
    if itself is not None:
        completed = itself.state == "Completed"
        at = itself.ended_at or now
        cost = costs.settled(w, record, [itself], at, costs.outcome_of([itself]))
        w.save(endings.ended(record, ended_at=at, finished=completed, how=outcome.seen, now=now, cost=cost))
    elif w.save(stopping.stop_requested(record, now, seen=outcome.seen)):
        report.stopped += 1


def _outcome(w: Watchdog, run: Run, action: Action) -> Outcome:
    try:
        return kind_of(w, run.id).stop(run, action)
    except AwsError as error:
        return Outcome(seen=str(error), problem=str(error))
