"""Runs that fell silent: judged together, since many at once are more likely our fault than theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from costwatch.core import ladder
from costwatch.core.deadman import MASS_SILENCE, Verdict, of_mass_silence
from costwatch.core.record import RunRecord
from costwatch.procedures import digest
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Seen, SweepReport
from costwatch.procedures.stop import Due


@dataclass(frozen=True, slots=True)
class Silent:
    """A run that is to be warned or stopped for its silence. `previous`: see ladder.observe."""

    seen: Seen
    record: RunRecord | None
    previous: RunRecord | None

    @property
    def released(self) -> bool:
        """A person said that this silence is the run's own."""
        return self.record is not None and self.record.released_key == self.seen.decision.key


def judge_silence(
    w: Watchdog, silent: Sequence[Silent], records: Sequence[RunRecord], report: SweepReport
) -> list[Due]:
    """Warn about the silent runs and return those that are due, or hold them where too many are silent at once.

    All that are silent now count, those too that are only watched or held already; what was released does not count
    and goes on, also while its notice runs. `records`: the open records of all regions.
    """
    released = {record.released_key for record in records if record.released_key}
    together = sum(seen.decision.silent and seen.decision.key not in released for seen in report.seen)
    due: list[Due] = []
    held: list[Seen] = []
    for item in silent:
        with report.isolating(str(item.seen.run.id)):
            decision = item.seen.decision
            if together >= MASS_SILENCE and not item.released:
                decision = of_mass_silence(decision)
                held.append(replace(item.seen, decision=decision))
            if decision.verdict is Verdict.STOP and item.record is not None:
                due.append(Due(item.seen.run, item.record, decision))
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
            )
            w.save(step)
    _replace_seen(report, held)
    if held:
        with report.isolating("mass silence"):
            digest.mass_silence(w, held)
    return due


def _replace_seen(report: SweepReport, held: Sequence[Seen]) -> None:
    """The report says of them what became of them."""
    now = {seen.run.id: seen for seen in held}
    report.seen = [now.get(seen.run.id, seen) for seen in report.seen]
