"""How a run of instances is stopped or terminated: per zone, then settled from what is seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from costwatch.core.model import Member, Run
from costwatch.core.policy import Action
from costwatch.errors import AwsError
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import Ec2Port


def stop_instances(ec2: Ec2Port, run: Run, action: Action) -> Outcome:
    """Stop or terminate all members of a run that was read afresh.

    AwsError only for reads that leave nothing to say.
    """
    # A stopped instance's request is disabled by EC2 and belongs to it: only what is terminated would be relaunched.
    cancelled = cancel_requests(ec2, run) if action is Action.TERMINATE else Outcome(seen="")
    if cancelled.problem:
        return cancelled
    act = ec2.terminate if action is Action.TERMINATE else ec2.stop

    def undone(member: Member) -> bool:
        return member.alive or (action is Action.TERMINATE and member.halted)

    by_zone: dict[str, list[str]] = defaultdict(list)
    for member in run.members:
        by_zone[member.zone].append(member.id)
    problems: list[str] = []
    for zone in sorted(by_zone):
        _act_on_zone(ec2, act, by_zone[zone], problems, undone=undone)

    ids = [member.id for member in run.members]
    world = ec2.instances_by_id(ids)
    states = ", ".join(f"{i} {world[i].state if i in world else 'gone'}" for i in ids)
    alive = [i for i in ids if i in world and world[i].alive]
    if problems and alive:
        return Outcome(seen=states, problem=f"{', '.join(alive)} still running: {'; '.join(problems)}{cancelled.seen}")
    halted = [world[i] for i in ids if i in world and undone(world[i])]
    if problems and halted:
        stopped = ", ".join(member.id for member in halted)
        how = f"somebody else stopped {stopped} before it could be terminated: {'; '.join(problems)}"
        return Outcome(seen=f"{states}; {how}{cancelled.seen}", ended=halted[0])
    # Without an error EC2 accepted the call; a describe that still says running is late, and verified later.
    return Outcome(seen=f"{states}{cancelled.seen}")


def cancel_requests(ec2: Ec2Port, run: Run) -> Outcome:
    """A persistent request reopens when its instance goes: first it, then the instance. `seen` may be empty.

    It says which are cancelled, also by an attempt before: what runs on after a failure has lost its request.
    """
    persistent = [m.spot_request for m in run.members if m.spot_request is not None and m.spot_request.persistent]
    open_ones = sorted(request.id for request in persistent if request.would_relaunch)
    cancelled = sorted(request.id for request in persistent if request.would_relaunch or request.state == "cancelled")
    if open_ones:
        ec2.cancel_spot_requests(open_ones)
    still = sorted(r.id for r in ec2.spot_requests(open_ones).values() if r.would_relaunch)
    if still:
        problem = f"spot request {', '.join(still)} is still open after it was cancelled; nothing was terminated"
        return Outcome(seen=problem, problem=problem)
    return Outcome(seen=f"; spot request {', '.join(cancelled)} cancelled first" if cancelled else "")


def _act_on_zone(
    ec2: Ec2Port,
    act: Callable[[Sequence[str]], None],
    ids: list[str],
    problems: list[str],
    *,
    undone: Callable[[Member], bool],
) -> None:
    """One zone's instances. What somebody stopped meanwhile is left alone, and the error told."""

    def left(asked: Sequence[str], error: AwsError) -> list[str]:
        world = ec2.instances_by_id(asked)
        alive = [i for i in asked if i in world and world[i].alive]
        if any(i in world and undone(world[i]) for i in asked if i not in alive):
            problems.append(str(error))
        return alive

    act_in_halves(act, ids, left, problems)


def act_in_halves(
    act: Callable[[Sequence[str]], None],
    ids: list[str],
    left: Callable[[Sequence[str], AwsError], list[str]],
    problems: list[str],
) -> None:
    """Act on all. After an error look what is `left` of them and halve it, so one bad id spares no other."""
    try:
        act(ids)
    except AwsError as error:
        again = left(ids, error)
        if not again:
            return
        if error.retry or len(ids) == 1:
            problems.append(str(error))
            return
        middle = (len(again) + 1) // 2
        for half in (again[:middle], again[middle:]):
            if half:
                act_in_halves(act, half, left, problems)
