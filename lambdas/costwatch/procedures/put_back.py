"""A group that was lowered and may not be ended gets its numbers again, lest it ends by itself who is left in it."""

from __future__ import annotations

from dataclasses import replace

from costwatch.core.deadman import Decision, Verdict
from costwatch.core.group import Capacity, Group
from costwatch.core.lowering import Lowering, left_entry, put_back_entry, restored_entry, to_be_put_back, to_put_back
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Mode
from costwatch.core.record import RunRecord
from costwatch.errors import AwsError
from costwatch.procedures.ports import AutoScalingPort, Watchdog
from costwatch.procedures.report import Failure, SweepReport


def put_back(w: Watchdog, run_id: RunId, record: RunRecord, why: str) -> str:
    """Set what a stop of `run_id` has lowered back, as far as it takes, and say so; empty: there is nothing to do.

    By one call, recorded before; only where the group still has what we set. Where the numbers are whole again that is
    recorded after, so whoever comes after a crash ends what was begun; where they are not, a later sweep records that
    it has seen them hold, and from then on other numbers are a person's. Raises AwsError.
    """
    known = w.ledger.lowering(run_id)
    if known is None or known.left or not to_be_put_back(known, record):
        return ""
    autoscaling = w.autoscaling(run_id.region)
    group = autoscaling.group(run_id.name)
    if group is None:
        return ""
    if known.back is not None and not known.undone and (known.settled or group.capacity == known.back):
        _seen_after(w, record, known, group)
        return ""
    numbers = to_put_back(known, group)
    if numbers is not None:
        numbers = to_put_back(known, group, _ended(w, run_id, group))
    if numbers is not None:
        if numbers != known.back:
            known = replace(known, back=numbers)
            if not w.ledger.putting_back(known, record, put_back_entry(record, known, why, w.now())):
                return ""
        _set(autoscaling, group, numbers)
    elif not known.undone or group.capacity != known.back:
        return ""
    if known.undone:
        w.ledger.restored(known, restored_entry(known, by="costwatch", now=w.now(), to=known.back), record)
    w.log("capacity put back", {"run": str(run_id), "capacity": str(known.back), "reason": why})
    return f"; {group.label} is back at {known.back}"


def _seen_after(w: Watchdog, record: RunRecord, known: Lowering, group: Group) -> None:
    """What was put back in part is seen to hold, or has given way to what a person has set: each is recorded once."""
    if not known.settled:
        w.ledger.settled(replace(known, settled=True), record)
    elif group.capacity != known.back and not group.deleting:
        told = left_entry(record, known, group.capacity, w.now())
        if w.ledger.settled(replace(known, left=True), record, told):
            w.log("capacity left", {"run": str(known.run_id), "capacity": str(group.capacity), "reason": told.reason})


def _ended(w: Watchdog, run_id: RunId, group: Group) -> set[str]:
    """Who of the group's instances EC2 ends already: a group lists them for a while. Raises AwsError."""
    listed = [member.id for member in group.members]
    known = w.ec2(run_id.region).instances_by_id(listed) if listed else {}
    return {name for name in listed if name not in known or not known[name].alive}


def _set(autoscaling: AutoScalingPort, group: Group, numbers: Capacity) -> None:
    """After an error what the group shows counts. A group that got `costwatch:never` just now IAM lets nobody set."""
    try:
        autoscaling.set_capacity(group.name, numbers, min_size=numbers.min_size != group.capacity.min_size)
    except AwsError as error:
        now = autoscaling.group(group.name)
        if now is not None and now.capacity != numbers:
            command = (
                f"aws autoscaling update-auto-scaling-group --auto-scaling-group-name {group.name} --min-size "
                f"{numbers.min_size} --desired-capacity {numbers.desired}"
            )
            raise type(error)(f"{error}; set them yourself: {command}", code=error.code) from error


def put_back_where_spared(w: Watchdog, record: RunRecord | None, decision: Decision, report: SweepReport) -> bool:
    """A stop that failed or crashed half way may have left numbers at 0: where it may not go on now, they go back.

    What fails is reported and tried again by the next sweep; it is in the way of nothing else. False: it failed.
    """
    if record is None or record.run_id.kind is not RunKind.ASG:
        return True
    if record.stop is None and record.lowered_since is None:
        return True
    # Of what no selector picks any more the permission may stand; of what is not in enforce any more it does not.
    ours = decision.mode if decision.selector is not None else record.mode
    if ours is not Mode.ENFORCE or decision.verdict is Verdict.STOP:
        return True
    try:
        put_back(w, record.run_id, record, decision.reason)
    except AwsError as error:
        problem = f"a stop that may not go on has lowered it, and its numbers could not be put back: {error}"
        report.failures.append(Failure(str(record.run_id), problem, retry=True))
        return False
    return True
