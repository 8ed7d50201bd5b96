"""How an Auto Scaling group is stopped: its numbers first, recorded before, then its instances by its own call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from costwatch.core.group import Group
from costwatch.core.group_blockers import all_blockers
from costwatch.core.lowering import Lowering, lowered_entry, lowering
from costwatch.core.model import Member, Run
from costwatch.core.record import RunRecord
from costwatch.errors import AwsError
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import AutoScalingPort, Ec2Port, Watchdog
from costwatch.procedures.put_back import put_back
from costwatch.procedures.stop_instances import act_in_halves, cancel_requests

MOST_IDS = 100
"""What one call of the group takes."""


def members_of(ec2: Ec2Port, group: Group | None, members: dict[str, Member]) -> dict[str, Member]:
    """`members` and all others the group lists, by id. What the group is ending already says so as its state."""
    listed = {member.id: member.lifecycle for member in group.members} if group is not None else {}
    missing = sorted(set(listed) - set(members))
    found = {**members, **(ec2.instances_by_id(missing) if missing else {})}
    ending = group.ending if group is not None else frozenset()
    return {i: replace(m, state=listed[i]) if m.alive and i in ending else m for i, m in found.items()}


def group_afresh(w: Watchdog, run: Run) -> Run:
    """The group with every living instance it has or had in `run`, and what protects each of them."""
    ec2, name = w.ec2(run.id.region), run.id.name
    group = w.autoscaling(run.id.region).group(name)
    found = members_of(ec2, group, {member.id: member for member in run.members})
    ids = [m for m in found.values() if group is None or m.id not in group.ending]
    read = ec2.afresh(replace(run, members=tuple(ids)), w.policy.tags.run)
    return replace(read, group=group)


def stop_group(w: Watchdog, run: Run) -> Outcome:
    """Stop all of a group that was read afresh and that nothing holds. AwsError only for reads.

    Every step aims at a state: the numbers are set and not lowered again, and what is ending is not asked twice.
    """
    ec2, autoscaling, group = w.ec2(run.id.region), w.autoscaling(run.id.region), run.group
    if group is None:
        return _failed(f"Auto Scaling group {run.id.name} vanished before the act")
    if not _same(group, autoscaling.group(group.name)):
        changed = f"{group.label} changed while it was being looked at; nothing was stopped"
        return _failed(f"{changed}{_put_back(w, run, changed)}")  # by an attempt before it may have been lowered
    cancelled = cancel_requests(ec2, run)
    if cancelled.problem:
        return cancelled
    lowered = _lower(w, run, group)
    if lowered.problem:
        return lowered
    now = autoscaling.group(group.name)
    if now is None:
        return _seen(ec2, run, None, [])
    spared = _spared(w, run, group, now)
    if spared:
        return _failed(f"{spared}{_put_back(w, run, spared)}")
    problems: list[str] = []
    wanted = [member.id for member in now.members if not member.ending]
    for start in range(0, len(wanted), MOST_IDS):
        _terminate(autoscaling, group.name, wanted[start : start + MOST_IDS], problems)
    seen = _seen(ec2, run, autoscaling.group(group.name), problems)
    return replace(seen, seen=f"{seen.seen}{lowered.seen}{cancelled.seen}")


def _same(looked_at: Group, now: Group | None) -> bool:
    """Whether all that was judged still holds. One call, right before the act: AWS itself checks nothing."""
    if now is None:
        return False
    kept, found = ({m.id: m.protected for m in each.members if not m.ending} for each in (looked_at, now))
    settings = [(g.capacity, g.suspended, g.tags, g.warm_pool, g.deleting) for g in (looked_at, now)]
    return kept == found and settings[0] == settings[1]


def _lower(w: Watchdog, run: Run, group: Group) -> Outcome:
    """Record the numbers as they are, then set them. After an error what the group shows counts."""
    if group.capacity == group.emptied:
        return Outcome(seen="")
    record = w.ledger.record(run.id)
    known = w.ledger.lowering(run.id)
    wanted = lowering(record, group, known, w.now()) if record is not None else None
    if record is None or (wanted and not _recorded(w, wanted, known, record, group)):
        return _failed("the ledger was changed by others before the numbers were recorded; nothing was stopped")
    autoscaling = w.autoscaling(run.id.region)
    try:
        autoscaling.set_capacity(group.name, group.emptied, min_size=group.capacity.min_size != group.emptied.min_size)
    except AwsError as error:
        now = autoscaling.group(group.name)
        if now is not None and now.capacity != group.emptied:
            return _failed(f"{group.label} keeps {now.capacity}, so nothing was stopped: {error}")
    return Outcome(seen=f"; {group.label} went from {group.capacity} to {group.emptied}")


def _recorded(w: Watchdog, wanted: Lowering, known: Lowering | None, record: RunRecord, group: Group) -> bool:
    return w.ledger.lower(wanted, known, record, lowered_entry(record, wanted, group.capacity))


def _spared(w: Watchdog, run: Run, looked_at: Group, group: Group) -> str:
    """Why what was lowered is not ended now, as a sentence; empty: nothing is in the way.

    What was launched since `run` was read is stopped with it, unless something holds it, or the group, which may have
    been changed in the same moment.
    """
    known = {member.id for member in run.members} | group.ending
    joined = {member.id for member in group.members} - known
    if not joined and _same(replace(looked_at, capacity=group.capacity), group):
        return ""
    again = group_afresh(w, run)
    blocker = next(iter(all_blockers(again, w.policy)), None) if again.members else None
    if blocker is None:
        return ""
    if not joined:
        return f"{group.label} changed while it was being stopped, and is left as it is: {blocker.reason}"
    names = ", ".join(sorted({member.id for member in again.members} - known))
    return f"{names} joined {group.label} while it was being stopped, and is left to it: {blocker.reason}"


def _put_back(w: Watchdog, run: Run, why: str) -> str:
    """What came of it, to be said behind `why`; never an error: what it could not do the next sweep does."""
    try:
        record = w.ledger.record(run.id)
        return put_back(w, run.id, record, why) if record is not None else ""
    except AwsError as error:
        return f"; its numbers could not be put back: {error}"


def _terminate(autoscaling: AutoScalingPort, name: str, ids: list[str], problems: list[str]) -> None:
    """By the group's own call; after an error what the group still keeps is tried again."""

    def left(asked: Sequence[str], error: AwsError) -> list[str]:
        del error
        group = autoscaling.group(name)
        kept = {member.id for member in group.members if not member.ending} if group is not None else set()
        return [i for i in asked if i in kept]

    act_in_halves(partial(autoscaling.terminate, name), ids, left, problems)


def _seen(ec2: Ec2Port, run: Run, group: Group | None, problems: list[str]) -> Outcome:
    """Every instance of the run and of the group, as EC2 and the group show it now."""
    ids = {member.id for member in run.members} | ({m.id for m in group.members} if group is not None else set())
    world = members_of(ec2, group, ec2.instances_by_id(sorted(ids)))
    states = ", ".join(f"{i} {world[i].state if i in world else 'gone'}" for i in sorted(ids))
    alive = [i for i in sorted(ids) if i in world and world[i].alive]
    if problems and alive:
        return Outcome(seen=states, problem=f"{', '.join(alive)} still running: {'; '.join(problems)}")
    return Outcome(seen=states)


def _failed(problem: str) -> Outcome:
    return Outcome(seen=problem, problem=problem)
