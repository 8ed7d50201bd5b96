"""Which selector picks a run, and what stands in the way of ever stopping it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from costwatch import names
from costwatch.core.model import Member, Run, RunKind
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

    @property
    def voids_notice(self) -> bool:
        """After a hold of this kind people were told, or could conclude, that nothing will happen: warn again."""
        return self not in (
            HoldCode.CAP,
            HoldCode.MASS_SILENCE,
            HoldCode.UNDELIVERED,
            HoldCode.UNPROVABLE,
            HoldCode.SPOT_REQUEST_UNTAGGED,
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

    `known`: the selector by which the run is in the ledger. Tags that cannot be read show nothing new, so it stays.
    """
    picked = [first_match(member, policy) for member in run.members]
    chosen = chosen_of(picked, policy)
    if known and any(member.tags is None for member in run.members):
        chosen = policy.selector(known) or chosen
    if chosen is None:
        return Selection(None, ())
    return Selection(chosen, tuple(_blockers(run, chosen, picked, policy)))


def chosen_of(picked: Collection[Selector | None], policy: Policy) -> Selector | None:
    """Of the selectors that pick a run's members the one that it is judged by."""
    found = [s for s in policy.selectors if s in picked]
    # A member of a selector that is off must not hide the others of its run: it holds them.
    return next((s for s in found if s.mode is not Mode.OFF), found[0] if found else None)


def first_match(member: Member, policy: Policy) -> Selector | None:
    return next((selector for selector in policy.selectors if picks(selector, member)), None)


def picks(selector: Selector, member: Member) -> bool:
    """Whether `selector` picks `member`. Unreadable tags may hide a match, so they count as one (and block)."""
    if selector.service is not member.service:
        return False
    if selector.types and not (
        member.capacity and all(_matches_type(selector, kind) for kind, _count in member.capacity)
    ):
        return False
    if selector.purchase is None:
        if member.purchase is PurchaseOption.CAPACITY_BLOCK:
            return False
    elif selector.purchase is not member.purchase:
        return False
    return member.tags is None or _has_tags(selector.tags, member.tags)


def protected_by(member: Member, policy: Policy) -> ProtectRule | None:
    """The first protect rule that covers `member`."""
    for rule in policy.protect:
        if rule.asg is not None:
            in_group = member.parent is not None and member.parent.kind is RunKind.ASG
            if in_group and member.parent is not None and fnmatchcase(member.parent.id, rule.asg):
                return rule
        elif member.tags is not None and _has_tags(rule.tags, member.tags):
            return rule
    return None


def _blockers(run: Run, chosen: Selector, picked: list[Selector | None], policy: Policy) -> list[Blocker]:
    found: list[Blocker] = []

    def add(code: HoldCode, reason: str) -> None:
        found.append(Blocker(code, reason))

    for member in run.members:
        rule = protected_by(member, policy)
        if rule is not None:
            add(HoldCode.PROTECT_RULE, f"{member.id} is protected ({rule.describe()})")
    for member in run.members:
        if member.tags is not None and names.TAG_NEVER in member.tags:
            add(HoldCode.NEVER, f"{member.id} carries {names.TAG_NEVER}")
    parent = run.parent or next((m.parent for m in run.members if m.parent is not None), None)
    if parent is not None or not run.id.kind.stoppable:
        label = parent.label if parent is not None else run.id.kind.value
        add(HoldCode.PARENT, f"it belongs to {label}, which this version reports and does not stop")
    for member, selector in zip(run.members, picked, strict=True):
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
        elif request is not None and request.would_relaunch and not _has_tags(chosen.tags, request.tags):
            tags = " ".join(f"Key={key},Value={values[0]}" for key, values in chosen.tags.items())
            found.append(
                Blocker(
                    HoldCode.SPOT_REQUEST_UNTAGGED,
                    f"spot request {request.id} would relaunch {member.id} and lacks the tag of selector "
                    f"{chosen.name}; tag it: aws ec2 create-tags --resources {request.id} --tags {tags}",
                )
            )
    return found


def _matches_type(selector: Selector, instance_type: str) -> bool:
    return any(fnmatchcase(instance_type, pattern) for pattern in selector.types)


def _has_tags(wanted: Mapping[str, tuple[str, ...]], tags: Mapping[str, str]) -> bool:
    return all(tags.get(key) in values for key, values in wanted.items())
