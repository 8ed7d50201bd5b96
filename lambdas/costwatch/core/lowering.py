"""What a stop of a group sets its numbers to, and what they were: recorded before, so that they can be put back. Pure.

A lowering aims at numbers and never at a delta. Whoever takes over after a crash finds the numbers of before, those of
after, or what somebody has set since. What they were before the first lowering of a stop stands until that stop is over
or they are put back: neither 0 nor what somebody raised them to in between is taken for what they were before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
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
    """Before the first lowering of this stop."""
    after: Capacity
    at: datetime
    back: Capacity | None = None
    """What a stop that may not go on sets them to again, so that the group ends nobody who is left."""
    settled: bool = False
    """`back` was seen to hold in the group, after the call: numbers that differ from it since are a person's."""
    left: bool = False
    """Such numbers were seen and told."""

    @property
    def undone(self) -> bool:
        """Whether the group has, with what it is set `back` to, all that it had: there is nothing left to restore."""
        back, before = self.back, self.before
        return back is not None and back.min_size == before.min_size and back.desired >= before.desired


def lowering(record: RunRecord, group: Group, known: Lowering | None, now: datetime) -> Lowering | None:
    """What is to be recorded before the numbers of `group` are set; None: it is recorded, or nothing changes."""
    if group.capacity == group.emptied:
        return None
    over = known is not None and known.undone and group.capacity == known.back
    if known is None or over or not of_this_stop(known, record):
        return Lowering(record.run_id, before=group.capacity, after=group.emptied, at=now)
    if (known.before, known.after, known.back) == (group.capacity, group.emptied, None):
        return None
    return Lowering(record.run_id, before=known.before, after=group.emptied, at=now)


def of_this_stop(known: Lowering, record: RunRecord) -> bool:
    """Whether the stop that `record` tells of has lowered the group, and not one of before: that ended all it had."""
    return known.at > (record.start or record.first_seen_at)


def to_be_put_back(known: Lowering, record: RunRecord) -> bool:
    """Whether it is for `record` to put them back: of its own stop, or of one whose run gave way while that failed."""
    since = record.lowered_since
    return of_this_stop(known, record) or (since is not None and known.at > since)


def still_lowered(record: RunRecord, previous: RunRecord) -> RunRecord:
    """`record`, with which a new episode begins, where the numbers of `previous` could not be put back yet."""
    since = previous.lowered_since or previous.start or previous.first_seen_at
    return replace(record, lowered_since=since)


def lowered_entry(record: RunRecord, lowered: Lowering, found: Capacity | None = None) -> Entry:
    """For the timeline, written with the record of the numbers and before the call. `found`: what the group has now."""
    again = found is not None and found != lowered.before
    kept = f"puts back {lowered.before}, which it had before it was first lowered" if again else "puts them back"
    reason = f"sets {lowered.run_id.name} from {found or lowered.before} to {lowered.after}; costwatch restore {kept}"
    return Entry(lowered.at, Transition.LOWERED, reason, mode=record.mode.value, evidence=_evidence(lowered))


def to_put_back(known: Lowering, group: Group, ended: Collection[str] = ()) -> Capacity | None:
    """What a lowered group is to have again, so that it ends none of those that are left; None: nobody needs it.

    No more than that: what was ended is not launched anew, which is a person's to ask for. `ended`: ids that the group
    still lists and EC2 ends already. Numbers that are not what we set are somebody's own. Above its maximum a group
    keeps nobody. Once what was put back has been seen to hold even the numbers that we had set are somebody's own.
    """
    if known.settled:
        return None
    left = sum(member.serving and member.id not in ended for member in group.members)
    if group.deleting or group.capacity != known.after or not left:
        return None
    desired = min(left, group.max_size)
    return Capacity(min(known.before.min_size, desired), desired)


def put_back_entry(record: RunRecord, lowered: Lowering, why: str, now: datetime) -> Entry:
    """Written with what the numbers are set back to, and before the call."""
    name, after, back = lowered.run_id.name, lowered.after, lowered.back
    text = f"sets {name} from {after} back to {back}, so that it ends none of those left: {why}"
    text += "" if lowered.undone else f"; before the stop it had {lowered.before}, which costwatch restore puts back"
    return Entry(now, Transition.PUT_BACK, text, mode=record.mode.value, evidence=_evidence(lowered))


def left_entry(record: RunRecord, lowered: Lowering, found: Capacity, now: datetime) -> Entry:
    """Somebody has set a group that was put back to other numbers: said once, and nothing is done."""
    name, before = lowered.run_id.name, lowered.before
    text = (
        f"{name} has {found} and no longer {lowered.back}, to which it was put back: somebody has set it since, so it "
        f"is left as it is; before the stop it had {before}"
    )
    return Entry(now, Transition.CAPACITY_LEFT, text, mode=record.mode.value, evidence=_evidence(lowered))


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
    if lowered.undone and group.capacity == lowered.back:
        raise RefusedError(f"nothing is left to put back: the stop itself has set {name} back to {lowered.back}")
    if group.capacity not in (lowered.after, lowered.before, lowered.back):
        raise RefusedError(
            f"{name} has {group.capacity} now, neither what the stop set ({lowered.after}) nor what it was before "
            f"({lowered.before}): somebody changed it since, so it is left as it is"
        )
    return lowered


def restoring_entry(lowered: Lowering, *, by: str, reason: str, now: datetime) -> Entry:
    """A named person asks for it: written before the call."""
    text = f"{by} asked to put {lowered.run_id.name} back to {lowered.before}: {reason or 'no reason given'}"
    return Entry(now, Transition.RESTORE_ASKED, text, actor=by, evidence=_evidence(lowered))


def restored_entry(lowered: Lowering, *, by: str, now: datetime, to: Capacity | None = None) -> Entry:
    """The group has its numbers again: written after the call, with what ends the lowering. `to`: where it has more."""
    text = f"restored by {by}: {lowered.run_id.name} is back at {to or lowered.before}"
    return Entry(now, Transition.RESTORED, text, actor=by, evidence=_evidence(lowered))


def _evidence(lowered: Lowering) -> tuple[tuple[str, str], ...]:
    return (
        ("min_size_before", str(lowered.before.min_size)),
        ("desired_before", str(lowered.before.desired)),
        ("min_size_after", str(lowered.after.min_size)),
        ("desired_after", str(lowered.after.desired)),
    )
