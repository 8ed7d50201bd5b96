"""From members to runs: run tag first, then the parent, else each member for itself."""

from __future__ import annotations

from collections.abc import Iterable

from costwatch.core.model import Member, Parent, Run, RunId, RunKind
from costwatch.core.policy import Service


def runs(members: Iterable[Member], *, account: str, region: str, run_tag: str) -> list[Run]:
    """Group members into runs, sorted by id. A run is watched, warned and stopped whole.

    Precedence: children of a tuning or AutoML job roll up to it; instances that share the run tag form one
    run; else an Auto Scaling group, fleet or cluster; else the member alone.
    """
    grouped: dict[RunId, list[Member]] = {}
    for member in members:
        grouped.setdefault(run_id_of(member, account=account, region=region, run_tag=run_tag), []).append(member)
    return [_run(run_id, found) for run_id, found in sorted(grouped.items())]


def run_id_of(member: Member, *, account: str, region: str, run_tag: str) -> RunId:
    """The id of the run that `member` belongs to."""
    tagged = (member.tags or {}).get(run_tag, "")
    if member.service is Service.EC2 and tagged.strip():
        return RunId(account, region, RunKind.TAGGED, tagged)
    if member.parent is not None:
        return RunId(account, region, member.parent.kind, member.parent.id)
    kind = RunKind.INSTANCE if member.service is Service.EC2 else RunKind(member.service.value)
    return RunId(account, region, kind, member.id)


def run_id_now(member: Member, run_id: RunId, *, run_tag: str) -> RunId:
    """The run that `member`, read in the account and region of `run_id`, belongs to now."""
    return run_id_of(member, account=run_id.account, region=run_id.region, run_tag=run_tag)


def _run(run_id: RunId, members: list[Member]) -> Run:
    return Run(id=run_id, members=tuple(sorted(members, key=lambda m: m.id)), parent=controller(run_id, members))


def controller(run_id: RunId, members: Iterable[Member]) -> Parent | None:
    """What would replace members of a run that were stopped. The job at the head of a run is none: it is stopped."""
    if run_id.kind.has_children:
        return None
    return next((m.parent for m in members if m.parent is not None), None)
