"""Whoever is to be warned or stopped is looked at once more: many in a few calls, and by itself who is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from costwatch.adapters.pulses import MemberKey
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.heartbeats import Pulse
from costwatch.core.messages import heard
from costwatch.core.model import Run, RunId, RunKind
from costwatch.core.record import RunRecord
from costwatch.errors import AwsError
from costwatch.procedures.exempt import exemption_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.stop import afresh, left_behind, still_the_run
from costwatch.procedures.vitals import heard_afresh, heard_run

TOGETHER: Final = 200
"""So many runs are read, judged and written before the next ones are read: what was read stays seconds old."""
_KINDS: Final = (RunKind.INSTANCE, RunKind.TAGGED)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Looked:
    """A run as it was judged. `previous`: see ladder.observe."""

    run: Run
    record: RunRecord | None
    decision: Decision
    previous: RunRecord | None


def parts(items: list[_T]) -> Iterator[list[_T]]:
    """In order. Each is taken out of `items`: what a sweep is done with is not kept until its end."""
    while items:
        part = items[:TOGETHER]
        del items[:TOGETHER]
        yield part


def read_together(w: Watchdog, region: str, items: Iterable[Looked]) -> Mapping[RunId, Run]:
    """Members and spot requests of these runs as they are now.

    Without those that AWS would not answer for: each is then read by itself, and fails by itself.
    """
    runs = [item.run for item in items if item.run.id.kind in _KINDS]
    if not runs:
        return {}
    try:
        return w.ec2(region).afresh_together(runs, w.policy.tags.run)
    except AwsError:
        return {}


def looked_again(
    w: Watchdog,
    item: Looked,
    read: Mapping[RunId, Run],
    pulses: Mapping[MemberKey, Pulse],
    path_since: datetime | None,
) -> Run:
    """The run as it is now; without members where it ended, started anew or was regrouped just now.

    What protects it, its newest beats and its exemptions are asked for only where somebody is told or something is
    stopped: each is a call. Where a selector only observes, a warning is a line in the ledger; what is held, perhaps
    for its protection, is asked for all the same, lest it be warned of again and again. Raises AwsError.
    """
    run, record, decision = item.run, item.record, item.decision
    known = read.get(run.id)
    if known is None:
        return afresh(w, run, record, decision)
    found = still_the_run(w, known, run, record)
    if not found.members:
        return found
    held = record is not None and record.hold is not None
    if decision.verdict is Verdict.WARN and not heard(decision.mode) and not held:
        found, exemption = heard_run(found, record, pulses, path_since), run.exemption
    else:
        found = heard_afresh(w, w.ec2(run.id.region).with_protection(found, decision.action), record)
        exemption = exemption_of(w, found)
    return replace(found, left=left_behind(w, found, record), exemption=exemption)
