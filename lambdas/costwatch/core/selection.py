"""Which selector picks a run, and what stands in the way of ever stopping it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from costwatch import names
from costwatch.core.model import Member, Parent, Run, RunKind
from costwatch.core.policy import Action, Mode, Policy, ProtectRule, PurchaseOption, Selector


class HoldCode(StrEnum):
    """Why something that was due must not be stopped now."""

    PROTECT_RULE = "protect-rule"
    NEVER = "never-tag"
    PARENT = "parent"
    OUTSIDE = "member-outside-selector"
    OWNERS = "several-owners"
    UNPROVABLE = "unprovable"
    TERMINATION_PROTECTION = "termination-protection"
    STOP_PROTECTION = "stop-protection"
    ONE_TIME_SPOT = "one-time-spot"
    SPOT_REQUEST_UNTAGGED = "spot-request-untagged"
    PAUSED = "paused"
    UNDELIVERED = "notice-undelivered"
    CAP = "cap"
    MASS_SILENCE = "mass-silence"
    GROUP_ACTION = "group-action"
    GROUP_UNTAGGED = "group-untagged"
    SCALE_IN_PROTECTION = "scale-in-protection"
    STANDBY = "standby"
    WARM_POOL = "warm-pool"
    PROCESS_SUSPENDED = "process-suspended"
    MIN_SIZE = "minimum-size"
    ZONE_REBALANCE = "zone-rebalance"

    @property
    def voids_notice(self) -> bool:
        """After a hold of this kind people were told, or could conclude, that nothing will happen: warn again."""
        return self not in (
            HoldCode.CAP,
            HoldCode.MASS_SILENCE,
            HoldCode.UNDELIVERED,
            HoldCode.UNPROVABLE,
            HoldCode.SPOT_REQUEST_UNTAGGED,
            HoldCode.GROUP_UNTAGGED,
        )

    @property
    def waits_for_release(self) -> bool:
        """Whether a person can lift it by `costwatch release`."""
        return self in (HoldCode.CAP, HoldCode.MASS_SILENCE)


@dataclass(frozen=True, slots=True)
class Blocker:
    code: HoldCode
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """`selector` None: no selector picks any member. Blockers come most binding first."""

    selector: Selector | None
    blockers: tuple[Blocker, ...]


def select(run: Run, policy: Policy, known: str = "") -> Selection:
    """Match every member against the selectors, first match wins; `protect` beats all.

    Of a job with children only the job itself is matched and can be protected: children may carry other tags or none.
    `known`: the selector by which the run is in the ledger. Tags that cannot be read show nothing new, so it stays.
    """
    picked = [_first(member, policy) for member in run.judged]
    found = [s for s in policy.selectors if s in picked]
    # A member of a selector that is off must not hide the others of its run: it holds them.
    chosen = next((s for s in found if s.mode is not Mode.OFF), found[0] if found else None)
    if known and any(member.tags is None for member in run.judged):
        chosen = policy.selector(known) or chosen
    if chosen is None:
        return Selection(None, ())
    return Selection(chosen, tuple(_blockers(run, chosen, picked, policy)))


def picks(selector: Selector, member: Member) -> bool:
    """Whether `selector` picks `member`. Unreadable tags may hide a match, so they count as one (and block)."""
    if selector.service is not member.service:
        return False
    types = member.types or tuple(kind for kind, _count in member.capacity)
    if selector.types and not (types and all(_matches_type(selector, kind) for kind in types)):
        return False
    if selector.purchase is None:
        if member.purchase is PurchaseOption.CAPACITY_BLOCK:
            return False
    elif selector.purchase is not member.purchase:
        return False
    return member.tags is None or has_tags(selector.tags, member.tags)


def protected_by(member: Member, policy: Policy) -> ProtectRule | None:
    """The first protect rule that covers `member`."""
    for rule in policy.protect:
        if rule.asg is not None:
            if (group := _group_of(member)) and fnmatchcase(group, rule.asg):
                return rule
        elif member.tags is not None and has_tags(rule.tags, member.tags):
            return rule
    return None


def _group_of(member: Member) -> str:
    """The name of its Auto Scaling group, also where a cluster owns that group; empty: it is in none."""
    tagged = (member.tags or {}).get(names.TAG_ASG, "")
    return member.parent.id if member.parent is not None and member.parent.kind is RunKind.ASG else tagged


def _blockers(run: Run, chosen: Selector, picked: list[Selector | None], policy: Policy) -> list[Blocker]:
    found: list[Blocker] = []

    def add(code: HoldCode, reason: str) -> None:
        found.append(Blocker(code, reason))

    for member in run.judged:
        rule = protected_by(member, policy)
        if rule is not None:
            add(HoldCode.PROTECT_RULE, f"{member.id} is protected ({rule.describe()})")
    for member in run.judged:
        if member.tags is not None and names.TAG_NEVER in member.tags:
            add(HoldCode.NEVER, f"{member.id} carries {names.TAG_NEVER}")
    parent = _controller(run)
    if parent is not None or not run.id.kind.stoppable:
        label = parent.label if parent is not None else run.id.kind.value
        why = "which this version reports and does not stop"
        if parent is not None and parent.kind is RunKind.ASG:
            why = f"which is the run: leave the tag {policy.tags.run} off its instances"
        add(HoldCode.PARENT, f"it belongs to {label}, {why}")
    for member, selector in zip(run.judged, picked, strict=True):
        if member.tags is None:
            add(HoldCode.UNPROVABLE, f"the tags of {member.id} could not be read")
        elif selector is None:
            add(HoldCode.OUTSIDE, f"its member {member.id} is not picked by selector {chosen.name}")
        elif selector.name != chosen.name:
            add(HoldCode.OUTSIDE, f"its member {member.id} is picked by selector {selector.name}, not {chosen.name}")
    owners = sorted({m.tags[policy.tags.owner] for m in run.members if m.tags and m.tags.get(policy.tags.owner)})
    if len(owners) > 1:
        # Two people who happened on the same run tag: one's notice is not the other's.
        shown = " and ".join(owners[:2]) + (f" and {len(owners) - 2} more" if len(owners) > 2 else "")
        add(HoldCode.OWNERS, f"its members belong to {shown}: give each owner a {policy.tags.run} tag of their own")
    found.extend(_blockers_read_afresh(run, chosen))
    return found


def _blockers_read_afresh(run: Run, chosen: Selector) -> list[Blocker]:
    """Protection and spot requests are known only for what was read just now."""
    found: list[Blocker] = []
    for member in run.members:
        if member.termination_protection:
            found.append(Blocker(HoldCode.TERMINATION_PROTECTION, f"{member.id} has termination protection"))
        if member.stop_protection:
            found.append(Blocker(HoldCode.STOP_PROTECTION, f"{member.id} has stop protection"))
        request = member.spot_request
        if run.fresh and member.spot_request_id and request is None:
            found.append(
                Blocker(HoldCode.UNPROVABLE, f"spot request {member.spot_request_id} of {member.id} could not be read")
            )
        if request is not None and request.would_relaunch and names.TAG_NEVER in request.tags:
            found.append(Blocker(HoldCode.NEVER, f"spot request {request.id} carries {names.TAG_NEVER}"))
        elif chosen.action is Action.STOP:
            # The request stays: EC2 disables it with the instance it stops, and starts that again with it.
            if run.fresh and member.purchase is PurchaseOption.SPOT and (request is None or not request.persistent):
                reason = f"{member.id} is a one-time spot instance, which EC2 can terminate and not stop"
                found.append(Blocker(HoldCode.ONE_TIME_SPOT, reason))
        elif request is not None and request.would_relaunch and not has_tags(chosen.tags, request.tags):
            tags = " ".join(f"Key={key},Value={values[0]}" for key, values in chosen.tags.items())
            found.append(
                Blocker(
                    HoldCode.SPOT_REQUEST_UNTAGGED,
                    f"spot request {request.id} would relaunch {member.id} and lacks the tag of selector "
                    f"{chosen.name}; tag it: aws ec2 create-tags --resources {request.id} --tags {tags}",
                )
            )
    return found


def _controller(run: Run) -> Parent | None:
    """Who else directs it. A group's instances belong to the group, which is the run itself."""
    parents = (run.parent, *(member.parent for member in run.judged))
    own = (RunKind.ASG, run.id.name) if run.id.kind is RunKind.ASG else None
    return next((p for p in parents if p is not None and (p.kind, p.id) != own), None)


def _first(member: Member, policy: Policy) -> Selector | None:
    return next((selector for selector in policy.selectors if picks(selector, member)), None)


def _matches_type(selector: Selector, instance_type: str) -> bool:
    return any(fnmatchcase(instance_type, pattern) for pattern in selector.types)


def has_tags(wanted: Mapping[str, tuple[str, ...]], tags: Mapping[str, str]) -> bool:
    """Whether every key is there with one of its values."""
    return all(tags.get(key) in values for key, values in wanted.items())
