"""Lines for what no selector picks in this version: notebooks and endpoints; and for what could not be described."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from costwatch.core.policy import Policy
from costwatch.scan.defaults import OWNER_KEYS, TEAM_KEYS, Prices, tag_value
from costwatch.scan.inventory import Resource, ResourceKind, Unread
from costwatch.scan.lines import Doubt, Finding, Line

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


def line(resource: Resource, basis: Basis) -> Line:
    """The line of a notebook or an endpoint."""
    hourly, note = rate(resource, basis)
    finding, reason, remark = _finding(resource)
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
        capacity=None if resource.capacity is None else tuple(sorted(resource.capacity)),
        owner=tag_value([resource.tags], basis.policy.tags.owner, OWNER_KEYS),
        team=tag_value([resource.tags], basis.policy.tags.team, TEAM_KEYS),
        since=resource.since,
        evidence=resource.evidence if resource.since else "",
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


def rate(resource: Resource, basis: Basis) -> tuple[Decimal | None, str]:
    """USD per hour of its instances (None: unknown), and the sentence that says so."""
    if resource.capacity is None:
        return None, "its instance types are unknown"
    if not resource.capacity:
        return (None, resource.note) if resource.note else (Decimal(0), "no instances")
    amount: Decimal | None = Decimal(0)
    parts: list[str] = []
    for instance_type, count in resource.capacity:
        notebook = resource.kind is ResourceKind.NOTEBOOK
        found = basis.prices.notebook_hourly_rate(instance_type, basis.region) if notebook else None
        amount = plus(amount, found.hourly_rate_usd * count if found else None)
        priced = f"list price (as of {found.as_of.isoformat()})" if found else "no known price"
        parts.append(f"{count} x {instance_type}, {priced}")
    return amount, "; ".join(parts)


def plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Unknown and anything is unknown."""
    return None if one is None or other is None else one + other


def _finding(resource: Resource) -> tuple[Finding, str, str]:
    """With the whole sentence, and what of it is not the rule."""
    if resource.tags is None:
        told = resource.note or f"the tags of {resource.name} could not be read"
        return Finding.UNPROVEN, told, told
    usual = f"{_SERVERS[resource.kind]} has no time limit and costs the same whether it is used or not"
    return Finding.LISTED, resource.note or usual, resource.note
