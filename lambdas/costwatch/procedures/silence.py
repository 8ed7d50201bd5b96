"""Runs that fell silent: judged together, since many at once are more likely our fault than theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from costwatch.core import ladder
from costwatch.core.deadman import MASS_SILENCE, Verdict, of_mass_silence
from costwatch.core.record import RunRecord
from costwatch.core.silences import StoppedSilent, is_released, stopped_for_silence
from costwatch.errors import UnreadableRow
from costwatch.procedures import costs, digest
from costwatch.procedures.forecasting import forecast_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.put_back import put_back_where_spared
from costwatch.procedures.report import Judged, Seen, SweepReport
from costwatch.procedures.stop import Due, with_stopped_before


@dataclass(frozen=True, slots=True)
class Silent:
    """A run that is to be warned or stopped for its silence. `previous`: see ladder.observe."""

    seen: Seen
    record: RunRecord | None
    previous: RunRecord | None

    @property
    def released(self) -> bool:
        return is_released(self.record, self.seen.decision)

    @property
    def last_beat_at(self) -> datetime:
        vitals = self.seen.decision.vitals
        assert vitals is not None  # noqa: S101 - who never beat is not silent
        return vitals.last_at

    @property
    def due(self) -> Due | None:
        """None: it is to be warned."""
        decision = self.seen.decision
        if decision.verdict is not Verdict.STOP or self.record is None:
            return None
        return Due(self.seen.run, self.record, decision)


@dataclass(frozen=True, slots=True)
class _Earlier:
    stopped: Sequence[StoppedSilent]
    unreadable: frozenset[str]
    """Whose entries cannot be read: each may have been stopped for its silence, too."""

    def since(self, moment: datetime, but: frozenset[str]) -> list[StoppedSilent]:
        """Those stopped at `moment` or later."""
        return [each for each in self.stopped if each.at >= moment and each.run_id not in but]


def judge_silence(w: Watchdog, silent: Sequence[Silent], report: SweepReport) -> list[Due]:
    """Warn about the silent runs and return those that are due, or hold them where too many fell silent together.

    For each, all that are silent now count, those too that are only watched or held already, and those that were
    stopped for their silence since its own last heartbeat: so one fault is seen whose runs are due one after the
    other, and nothing counts that was over before this run fell silent. What was released does not count and goes on,
    also while its notice runs, and so does a stop that was begun. While it would be too many with those that could not
    be read in this sweep, nobody is warned or stopped for silence.
    """
    released = {each.run_id for each in report.judged if each.released}
    fell_silent = {each.run_id for each in report.judged if each.fell_silent}
    silent_now = frozenset(str(each) for each in (fell_silent | {item.seen.run.id for item in silent}) - released)
    unjudged = {str(each) for each in report.unjudged - released} - silent_now
    earlier: _Earlier | None = None
    with report.isolating("who was stopped for silence"):
        earlier = _earlier(w, [item.last_beat_at for item in silent if not item.released], report)
    due: list[Due] = []
    held: list[Seen] = []
    stopped: set[StoppedSilent] = set()
    for item in silent:
        with report.isolating(str(item.seen.run.id)):
            decision = item.seen.decision
            if not item.released:
                if earlier is None:
                    continue  # whether it may be our fault is not known: the next sweep sees
                before = earlier.since(item.last_beat_at, but=silent_now)
                together = len(silent_now) + len(before) + len(earlier.unreadable)
                begun = together >= MASS_SILENCE - len(unjudged) and _is_begun(w, item)
                if together < MASS_SILENCE <= together + len(unjudged) and not begun:
                    continue  # so many may be silent, and who could not be read says nothing: the next sweep sees
                if together >= MASS_SILENCE and not begun:
                    few = len(silent_now) < MASS_SILENCE
                    decision = of_mass_silence(decision, some_stopped=few and bool(before))
                    held.append(replace(item.seen, decision=decision))
                    report.note_hold(item.seen.run.id, item.record, decision)
                    put_back_where_spared(w, item.record, decision, report)
                    stopped.update(before)
            if decision.verdict is Verdict.STOP and item.due is not None:
                due.append(item.due)
                continue
            step = ladder.observe(
                item.seen.run,
                item.record,
                decision,
                policy=w.policy,
                origin=w.ledger.origin,
                burn=item.seen.burn,
                now=w.now(),
                previous=item.previous,
                forecast=forecast_of(w, item.seen.run, item.record, decision, report),
                moved=report.moved(item.seen.run),
            )
            w.save(costs.restarted(step, item.previous, item.seen.run))
    _say_held(report, held)
    if held:
        with report.isolating("mass silence"):
            digest.mass_silence(w, held, sorted(stopped, key=lambda each: (each.at, each.run_id)))
    return due


def _earlier(w: Watchdog, last_beats: Sequence[datetime], report: SweepReport) -> _Earlier:
    """Who was stopped for silence since the first of these moments, in all regions. Raises AwsError.

    The index that is read may be a moment behind. Nobody is stopped for that: whoever is due was silent, and counted,
    for all of its notice.
    """
    if not last_beats:
        return _Earlier((), frozenset())
    unreadable: list[UnreadableRow] = []
    rows = w.ledger.since(min(last_beats), w.now(), unreadable.append)
    for row in unreadable:
        report.skip(row)
    ours = ((row.run_id, row.entry) for row in rows if row.origin == w.ledger.origin)
    return _Earlier(stopped_for_silence(ours), frozenset(row.pk for row in unreadable))


def _is_begun(w: Watchdog, item: Silent) -> bool:
    """It is or may be half done: no hold must leave it so."""
    return item.due is not None and with_stopped_before(w, item.due).finishes


def _say_held(report: SweepReport, held: Sequence[Seen]) -> None:
    """The report says of them what became of them."""
    now = {seen.run.id: seen for seen in held}
    report.judged = [
        Judged.of(now[each.run_id], released=each.released) if each.run_id in now else each for each in report.judged
    ]
