"""What a stop of a group sets its numbers to, and what they were: recorded before, so that they can be put back. Pure.

A lowering aims at numbers and never at a delta. Whoever takes over after a crash finds either the numbers of before or
those of after; in the second case what was recorded then stands, and 0 is never taken for what it was before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from costwatch.core.group import Capacity, Group
from costwatch.core.model import RunId
from costwatch.core.record import Entry, RunRecord, Status, Transition
from costwatch.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Lowering:
    """A group's numbers before and after a stop; it stands until they are put back. `at`: when it was recorded, UTC."""

    run_id: RunId
    before: Capacity
    after: Capacity
    at: datetime


def lowering(record: RunRecord, group: Group, known: Lowering | None, now: datetime) -> Lowering | None:
    """What is to be recorded before the numbers of `group` are set; None: it is recorded, or nothing changes."""
    if group.capacity == group.emptied:
        return None
    wanted = Lowering(record.run_id, before=group.capacity, after=group.emptied, at=now)
    if known is not None and (known.before, known.after) == (wanted.before, wanted.after):
        return None
    return wanted


def lowered_entry(record: RunRecord, lowered: Lowering) -> Entry:
    """For the timeline, written with the record of the numbers and before the call."""
    reason = f"sets {lowered.run_id.name} from {lowered.before} to {lowered.after}; costwatch restore puts them back"
    return Entry(lowered.at, Transition.LOWERED, reason, mode=record.mode.value, evidence=_evidence(lowered))


def to_restore(lowered: Lowering | None, group: Group | None, record: RunRecord | None, name: str) -> Lowering:
    """The lowering whose numbers may be put back now. Raises RefusedError with the sentence that says why not.

    `name`: the group's. `record`: its open record, if any.
    """
    if lowered is None:
        raise RefusedError(f"nothing was lowered: no stop has set the numbers of {name}")
    if record is not None and record.stop is not None and record.status in (Status.STOPPING, Status.FAILED):
        raise RefusedError(
            f"{name} is being stopped and that is not verified yet: wait for it, or keep the run (costwatch exempt)"
        )
    if group is None or group.deleting:
        raise RefusedError(f"{name} is gone: there is no group to give {lowered.before} back to")
    if group.capacity not in (lowered.after, lowered.before):
        raise RefusedError(
            f"{name} has {group.capacity} now, neither what the stop set ({lowered.after}) nor what it was before "
            f"({lowered.before}): somebody changed it since, so it is left as it is"
        )
    return lowered


def restoring_entry(lowered: Lowering, *, by: str, reason: str, now: datetime) -> Entry:
    """A named person asks for it: written before the call."""
    text = f"{by} asked to put {lowered.run_id.name} back to {lowered.before}: {reason or 'no reason given'}"
    return Entry(now, Transition.RESTORE_ASKED, text, actor=by, evidence=_evidence(lowered))


def restored_entry(lowered: Lowering, *, by: str, now: datetime) -> Entry:
    """The group has its numbers again: written after the call, with what ends the lowering."""
    text = f"restored by {by}: {lowered.run_id.name} is back at {lowered.before}"
    return Entry(now, Transition.RESTORED, text, actor=by, evidence=_evidence(lowered))


def _evidence(lowered: Lowering) -> tuple[tuple[str, str], ...]:
    return (
        ("min_size_before", str(lowered.before.min_size)),
        ("desired_before", str(lowered.before.desired)),
        ("min_size_after", str(lowered.after.min_size)),
        ("desired_after", str(lowered.after.desired)),
    )
