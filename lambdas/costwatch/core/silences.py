"""Which runs were stopped for their silence, as the ledger's timeline tells it. Pure.

One fault may silence many runs that are not due together, since each has a grace of its own: those that were stopped
meanwhile are silent no more, and are the best evidence of it all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from costwatch.core import times
from costwatch.core.deadman import Decision
from costwatch.core.record import Entry, RunRecord, Transition

_SILENT_SINCE = "silent_since"


@dataclass(frozen=True, slots=True)
class StoppedSilent:
    """`at`: when its stop was claimed (UTC). `how`: what came of it, for people: `stopped`, `to be stopped`."""

    run_id: str
    at: datetime
    how: str


def is_released(record: RunRecord | None, decision: Decision) -> bool:
    """Whether a person said that this silence is the run's own."""
    if record is None:
        return False
    return record.released_key == decision.key or (record.capped_for_silence and record.released)


def evidence(record: RunRecord, decision: Decision) -> dict[str, str]:
    """What the entry of a stop says, by which it is found; nothing where silence was not what stopped it.

    Neither what a named person stopped nor what one released says anything about the others.
    """
    ordered = record.order_of(decision.key) is not None
    if not decision.silent or decision.vitals is None or ordered or is_released(record, decision):
        return {}
    return {_SILENT_SINCE: times.to_key(decision.vitals.last_at)}


def stopped_for_silence(timeline: Iterable[tuple[str, Entry]]) -> list[StoppedSilent]:
    """The last such stop of each run, from entries of runs by id, oldest first.

    A claim counts, since a sweep may have died before it could say what came of it, and so does an attempt that failed:
    it may have stopped a part. What was given back at the last look does not.
    """
    claimed: dict[str, StoppedSilent] = {}
    stopped: dict[str, StoppedSilent] = {}
    for run_id, entry in timeline:
        silent = _SILENT_SINCE in dict(entry.evidence)
        match entry.transition:
            case Transition.WOULD_STOP if silent:
                stopped[run_id] = StoppedSilent(run_id, entry.at, "would have been stopped")
            case Transition.STOPPING if silent:
                claimed[run_id] = StoppedSilent(run_id, entry.at, "to be stopped")
            case Transition.STOP_REQUESTED if run_id in claimed:
                stopped[run_id] = replace(claimed.pop(run_id), how="stopped")
            case Transition.FAILED if run_id in claimed:
                stopped[run_id] = claimed.pop(run_id)
            case Transition.STANDS_DOWN:
                claimed.pop(run_id, None)
            case _:
                pass
    return list({**stopped, **claimed}.values())
