"""Lines for what no selector picks in this version: processing, tuning and AutoML jobs, notebooks, endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from costwatch.core import durations
from costwatch.core.money import Rate
from costwatch.core.policy import Policy
from costwatch.scan.defaults import OWNER_KEYS, TEAM_KEYS, Prices, tag_value
from costwatch.scan.inventory import Resource, ResourceKind, Unread
from costwatch.scan.lines import Doubt, Finding, Line

_JOBS: Final = {
    ResourceKind.PROCESSING: "processing jobs",
    ResourceKind.TUNING: "tuning jobs",
    ResourceKind.AUTOML: "AutoML jobs",
}
_SERVERS: Final = {ResourceKind.NOTEBOOK: "a notebook", ResourceKind.ENDPOINT: "an endpoint"}


@dataclass(frozen=True, slots=True)
class Basis:
    """What the lines of one region are made by. `now` is aware UTC."""

    region: str
    policy: Policy
    prices: Prices
    now: datetime
    children_unread: bool
    """Whether a list that would show children failed: then no parent's burn is known."""


def line(resource: Resource, basis: Basis, rolled_up: list[Resource]) -> Line:
    """The line of `resource`, with the burn of the children that roll up into it."""
    hourly, note = rate(resource, basis)
    capacity = dict(resource.capacity or ())
    for child in rolled_up:
        child_rate, child_note = rate(child, basis)
        hourly, note = plus(hourly, child_rate), f"{note}; {child_note}"
        for instance_type, count in child.capacity or ():
            capacity[instance_type] = capacity.get(instance_type, 0) + count
    if _has_children(resource) and (resource.running_children or basis.children_unread):
        # This line is made only when no training job of it was found.
        hourly, note = None, f"{note}; its running jobs could not be read"
    starts = [each.since for each in (resource, *rolled_up) if each.since is not None]
    since = min(starts, default=None)
    finding, reason, remark = _finding(resource, basis, since)
    return Line(
        region=basis.region,
        kind=resource.kind.value,
        name=resource.name,
        id=resource.name,
        finding=finding,
        reason=reason,
        remark=remark,
        hourly_rate_usd=hourly,
        list_rate_usd=hourly,
        price_note=note,
        capacity=None if resource.capacity is None else tuple(sorted(capacity.items())),
        owner=tag_value([resource.tags], basis.policy.tags.owner, OWNER_KEYS),
        team=tag_value([resource.tags], basis.policy.tags.team, TEAM_KEYS),
        since=since,
        evidence=resource.evidence if since else "",
        children=tuple(child.name for child in rolled_up),
        doubt=Doubt.TAGS if resource.tags is None else None,
    )


def line_of_unread(unread: Unread, region: str) -> Line:
    """The line of what is there and could not be described."""
    reason = f"it could not be described: {unread.reason}"
    return Line(
        region=region,
        kind=unread.kind,
        name=unread.name,
        id=unread.name,
        finding=Finding.UNPROVEN,
        reason=reason,
        remark=reason,
        hourly_rate_usd=None,
        list_rate_usd=None,
        price_note="its instance type is unknown",
        capacity=None,
        since=unread.since,
        evidence=unread.evidence if unread.since else "",
        doubt=Doubt.DESCRIPTION,
    )


def stand_in(child: Resource) -> Resource:
    """A parent that only its child names. Raises ValueError for a resource without a parent."""
    if child.parent is None:
        raise ValueError(f"{child.name} names no parent")
    return Resource(
        kind=ResourceKind(child.parent.kind.value),
        name=child.parent.id,
        state="InProgress",
        capacity=(),
        tags=None,
        since=None,
        evidence=child.evidence,
        note="known only by its children",
    )


def rate(resource: Resource, basis: Basis) -> tuple[Decimal | None, str]:
    """USD per hour of its own instances (None: unknown), and the sentence that says so."""
    if _has_children(resource):
        return Decimal(0), "no instances of its own"
    if resource.kind is ResourceKind.PROCESSING and resource.since is None:
        return Decimal(0), resource.note
    if resource.capacity is None:
        return None, "its instance types are unknown"
    if not resource.capacity:
        return (None, resource.note) if resource.note else (Decimal(0), "no instances")
    look_up: Callable[[str, str], Rate | None] = {
        ResourceKind.PROCESSING: basis.prices.processing_hourly_rate,
        ResourceKind.NOTEBOOK: basis.prices.notebook_hourly_rate,
    }.get(resource.kind, _no_price)
    amount: Decimal | None = Decimal(0)
    parts: list[str] = []
    for instance_type, count in resource.capacity:
        found = look_up(instance_type, basis.region)
        amount = plus(amount, found.hourly_rate_usd * count if found else None)
        priced = f"list price (as of {found.as_of.isoformat()})" if found else "no known price"
        parts.append(f"{count} x {instance_type}, {priced}")
    return amount, "; ".join(parts)


def plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Unknown and anything is unknown."""
    return None if one is None or other is None else one + other


def _finding(resource: Resource, basis: Basis, since: datetime | None) -> tuple[Finding, str, str]:
    """With the whole sentence, and what of it is not the rule."""
    if resource.tags is None:
        told = resource.note or f"the tags of {resource.name} could not be read"
        return Finding.UNPROVEN, told, told
    note = resource.note
    if resource.kind in _SERVERS:
        usual = f"{_SERVERS[resource.kind]} has no time limit and costs the same whether it is used or not"
        return Finding.LISTED, note or usual, note
    usual = f"{_JOBS[resource.kind]} are reported and not stopped in this version"
    limit = basis.policy.limits.max_runtime
    over = ""
    if since is not None and basis.now > since + limit:
        over = f"past {durations.short(limit)} by {durations.show(basis.now - since - limit)}"
    return Finding.LISTED, "; ".join(filter(None, (over, usual, note))), "; ".join(filter(None, (over, note)))


def _has_children(resource: Resource) -> bool:
    return resource.kind in (ResourceKind.TUNING, ResourceKind.AUTOML)


def _no_price(_instance_type: str, _region: str) -> Rate | None:
    return None
