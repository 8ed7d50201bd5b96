"""What stands in the way of stopping an Auto Scaling group whole: everything AWS does not look at itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from costwatch import names
from costwatch.core.group import Group
from costwatch.core.model import Run, RunKind
from costwatch.core.policy import Action, AtMinSize, Policy, Selector, ZoneRebalance
from costwatch.core.selection import Blocker, HoldCode, has_tags, select

_SHOWN = 3


def group_blockers(run: Run, chosen: Selector, policy: Policy) -> Iterator[Blocker]:
    """Beside those of its instances, most binding first; none where `run` is no group.

    Most are known only for what was read afresh: AWS's own call ends protected instances without a word.
    """
    if run.id.kind is not RunKind.ASG:
        return
    if chosen.action is Action.STOP:
        yield Blocker(
            HoldCode.GROUP_ACTION,
            f"selector {chosen.name} says `action: stop`, and an Auto Scaling group replaces what is stopped: give the "
            "group a selector of its own that terminates",
        )
    for member in run.members:
        if (member.tags or {}).get(policy.tags.run, "").strip():
            reason = f"its member {member.id} carries {policy.tags.run}, and the group is the run: leave the tag off"
            yield Blocker(HoldCode.OUTSIDE, reason)
    if not run.fresh:
        return
    if run.group is None or run.group.deleting:
        yield Blocker(HoldCode.UNPROVABLE, f"Auto Scaling group {run.id.name} is gone or going, and cannot be read")
        return
    yield from _permission(run.group, chosen, policy)
    yield from _protection(run, run.group)
    yield from _numbers(run.group, chosen)


def all_blockers(run: Run, policy: Policy, known: str = "") -> tuple[Blocker, ...]:
    """Everything that holds `run` now. `known`: the selector by which it is in the ledger."""
    selection = select(run, policy, known)
    if selection.selector is None:
        return (Blocker(HoldCode.OUTSIDE, "no selector picks it"),)
    return (*selection.blockers, *group_blockers(run, selection.selector, policy))


def _permission(group: Group, chosen: Selector, policy: Policy) -> Iterator[Blocker]:
    """Whose group it is, by its own tags."""
    for rule in policy.protect:
        if rule.asg is None and has_tags(rule.tags, group.tags):
            yield Blocker(HoldCode.PROTECT_RULE, f"{group.label} is protected ({rule.describe()})")
    if names.TAG_NEVER in group.tags:
        yield Blocker(HoldCode.NEVER, f"{group.label} carries {names.TAG_NEVER}")
    if group.controller:
        reason = f"{group.label} belongs to {group.controller}, which this version reports and does not stop"
        yield Blocker(HoldCode.PARENT, reason)
    if not has_tags(chosen.tags, group.tags):
        yield Blocker(
            HoldCode.GROUP_UNTAGGED,
            f"{group.label} lacks the tag of selector {chosen.name}; tag it: aws autoscaling create-or-update-tags "
            f"--tags {_tag_arguments(group.name, chosen.tags)}",
        )


def _protection(run: Run, group: Group) -> Iterator[Blocker]:
    for member in group.members:
        if member.protected and not member.ending:
            yield Blocker(HoldCode.SCALE_IN_PROTECTION, f"{member.id} is protected from scale-in")
    listed = {member.id for member in group.members}
    for instance in run.members:
        if instance.id not in listed:
            reason = f"{instance.id} carries the tag of {group.label}, which does not list it"
            yield Blocker(HoldCode.UNPROVABLE, reason)
    standby = [member.id for member in group.members if member.lifecycle == "Standby"]
    if standby:
        yield Blocker(
            HoldCode.STANDBY,
            f"{_listed(standby)} in Standby: its capacity does not count there; bring it back: aws autoscaling "
            f"exit-standby --auto-scaling-group-name {group.name} --instance-ids {' '.join(standby[:_SHOWN])}",
        )
    for member in group.members:
        if not (member.serving or member.ending or member.lifecycle == "Standby"):
            reason = f"{member.id} is {member.lifecycle} in {group.label}, neither in service nor on its way out"
            yield Blocker(HoldCode.UNPROVABLE, reason)


def _numbers(group: Group, chosen: Selector) -> Iterator[Blocker]:
    """What of its settings would leave some of it running, or end more than was meant."""
    command = f"--auto-scaling-group-name {group.name}"
    if group.warm_pool:
        yield Blocker(
            HoldCode.WARM_POOL,
            f"{group.label} has a warm pool, which may keep what is stopped; take it away: aws autoscaling "
            f"delete-warm-pool {command}",
        )
    if "Terminate" in group.suspended:
        yield Blocker(
            HoldCode.PROCESS_SUSPENDED,
            f"the process Terminate of {group.label} is suspended, so it ends nothing; resume it: aws autoscaling "
            f"resume-processes {command} --scaling-processes Terminate",
        )
    if group.capacity.min_size > 0 and chosen.at_min_size is AtMinSize.HOLD:
        yield Blocker(
            HoldCode.MIN_SIZE,
            f"{group.label} has a minimum size of {group.capacity.min_size}, below which AWS keeps it; let selector "
            f"{chosen.name} say `at_min_size: lower`, or set it: aws autoscaling update-auto-scaling-group {command} "
            "--min-size 0",
        )
    balances = len(group.zones) > 1 and "AZRebalance" not in group.suspended
    if balances and chosen.az_rebalance is ZoneRebalance.HOLD:
        yield Blocker(
            HoldCode.ZONE_REBALANCE,
            f"{group.label} spans {len(group.zones)} zones and balances them while it shrinks; let selector "
            f"{chosen.name} say `az_rebalance: accept`, or suspend that: aws autoscaling suspend-processes {command} "
            "--scaling-processes AZRebalance",
        )


def _tag_arguments(name: str, tags: Mapping[str, tuple[str, ...]]) -> str:
    return " ".join(
        f"ResourceId={name},ResourceType=auto-scaling-group,Key={key},Value={values[0]},PropagateAtLaunch=true"
        for key, values in tags.items()
    )


def _listed(ids: list[str]) -> str:
    shown = ", ".join(ids[:_SHOWN]) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")
    return f"{shown} {'is' if len(ids) == 1 else 'are'}"
