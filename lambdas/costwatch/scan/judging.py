"""Judges an inventory by the defaults: the same code and the same limits as the deployed sweep, without a record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from costwatch.config.compiler import compile_policy
from costwatch.config.model import parse
from costwatch.core import deadman, durations, grouping, times
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.model import Member, Run, RunKind
from costwatch.core.money import PriceTable, Rate, burn_rate
from costwatch.core.policy import Policy, PurchaseOption, Service
from costwatch.core.selection import HoldCode
from costwatch.scan.inventory import Findings, Inventory, Resource, ResourceKind, Unread
from costwatch.scan.lines import Finding, Line, dearest_first

OWNER_KEYS: Final = ("owner", "created-by", "createdby", "creator", "user", "contact", "email")
TEAM_KEYS: Final = ("team", "squad", "group")
_SELECTOR = "default"


class Prices(PriceTable, Protocol):
    """Prices of everything that a scan lists. Hosting has none: an endpoint's price is unknown."""

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """List price of a SageMaker processing instance type."""

    def notebook_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """List price of a SageMaker notebook instance type."""


def default_policy(regions: Iterable[str]) -> Policy:
    """What an empty costwatch.yaml would decide by, with selectors that pick all that this version can pick."""
    selectors = [{"name": _SELECTOR, "ec2": {}}, {"name": "default-training", "sagemaker": ["training"]}]
    document = {"version": 1, "regions": sorted(regions), "dead_man": {"selectors": selectors}}
    return Policy.from_document(compile_policy(parse(document), config_commit=""))


def judge(
    inventory: Inventory,
    policy: Policy,
    prices: Prices,
    protected: Callable[[str, list[str]], Mapping[str, bool | None]] = lambda _region, _ids: {},
) -> list[Line]:
    """One line for each run and resource, the dearest first.

    `protected(region, ids)` reads termination protection; it is asked only about instances of runs past their time.
    """
    lines: list[Line] = []
    for region, parts in _by_region(inventory).items():
        lines += _judge_region(inventory, region, parts, policy, prices, protected)
    return dearest_first(lines)


def _by_region(inventory: Inventory) -> dict[str, list[Findings]]:
    found: dict[str, list[Findings]] = {}
    for each in inventory.findings:
        found.setdefault(each.region, []).append(each)
    return found


def _judge_region(
    inventory: Inventory,
    region: str,
    parts: list[Findings],
    policy: Policy,
    prices: Prices,
    protected: Callable[[str, list[str]], Mapping[str, bool | None]],
) -> Iterator[Line]:
    now = inventory.at
    members = [member for each in parts for member in each.members]
    resources = [resource for each in parts for resource in each.resources]
    runs = grouping.runs(members, account=inventory.account, region=region, run_tag=policy.tags.run)
    decided = [(run, deadman.judge(run, None, policy, None, now)) for run in runs]
    asked = [m.id for run, decision in decided if _to_stop(decision, now) for m in run.members if _is_ec2(m)]
    answers = protected(region, asked) if asked else {}
    children: defaultdict[tuple[str, str], list[Resource]] = defaultdict(list)
    for resource in resources:
        if resource.parent is not None:
            children[resource.parent.kind.value, resource.parent.id].append(resource)
    parents = {(resource.kind.value, resource.name): resource for resource in resources if not resource.parent}
    for run, decision in decided:
        known = tuple(replace(m, termination_protection=answers.get(m.id)) for m in run.members)
        if asked and known != run.members:
            run_read = replace(run, members=known)
            decision_read = deadman.judge(run_read, None, policy, None, now)
        else:
            run_read, decision_read = run, decision
        key = (run.id.kind.value, run.id.name)
        yield _line_of_run(run_read, decision_read, policy, prices, now, parents.pop(key, None), children.pop(key, []))
    for key, rolled_up in children.items():
        # A parent whose training children have ended, or that was not listed itself.
        parent = parents.pop(key, None) or _stand_in(rolled_up[0])
        yield _line_of_resource(parent, region, policy, prices, now, rolled_up)
    for resource in parents.values():
        yield _line_of_resource(resource, region, policy, prices, now, [])
    for each in parts:
        for unread in each.unread:
            yield _line_of_unread(unread, region)


# --- runs: judged as the sweep would ---------------------------------------------------------------------


def _line_of_run(
    run: Run,
    decision: Decision,
    policy: Policy,
    prices: Prices,
    now: datetime,
    parent: Resource | None,
    rolled_up: list[Resource],
) -> Line:
    finding, reason = _finding(run, decision, now)
    billed = replace(run, members=tuple(m for m in run.members if _billed(m)))
    burn = burn_rate(billed, prices)
    hourly, listed, note = burn.hourly_rate_usd, burn.list_rate_usd, burn.note
    if not billed.members:
        note = "not started yet: it costs nothing so far"
    for child in rolled_up:
        rate, child_note = _rate(child, run.id.region, prices)
        hourly, listed, note = _plus(hourly, rate), _plus(listed, rate), f"{note}; {child_note}"
    first = min(run.members, key=lambda m: m.clock.running_since or datetime.max.replace(tzinfo=now.tzinfo))
    exists = first.clock.exists_since
    restarted = exists is not None and run.start is not None and exists < run.start and _is_ec2(first)
    tagged = [m.tags for m in run.members if m.tags] + ([parent.tags] if parent and parent.tags else [])
    label = run.parent.label if run.parent is not None else ""
    return Line(
        region=run.id.region,
        kind=run.id.kind.value,
        name=run.name,
        id=run.id.name,
        finding=finding,
        reason=reason,
        hourly_rate_usd=hourly,
        list_rate_usd=listed,
        price_note=note,
        capacity=_capacity(run, rolled_up),
        purchase=tuple(sorted({m.purchase.value for m in run.members})),
        owner=_tag(tagged, policy.tags.owner, OWNER_KEYS),
        team=_tag(tagged, policy.tags.team, TEAM_KEYS),
        group=label,
        since=run.start,
        evidence=first.clock.running_evidence if run.start else "",
        exists_since=exists if restarted else None,
        exists_evidence=first.clock.exists_evidence if restarted else "",
        deadline=decision.deadline_at,
        members=run.members,
        children=tuple(m.id for m in run.members if not _is_ec2(m) and run.parent) + tuple(c.name for c in rolled_up),
    )


def _finding(run: Run, decision: Decision, now: datetime) -> tuple[Finding, str]:
    reason = decision.reason
    unreadable = [m.id for m in run.members if m.tags is None]
    if decision.verdict is Verdict.HOLD and decision.hold is HoldCode.UNPROVABLE:
        return Finding.UNPROVEN, reason
    if unreadable:
        return Finding.UNPROVEN, f"the tags of {', '.join(unreadable)} could not be read; {reason}"
    if decision.verdict is Verdict.IGNORE:
        return Finding.LISTED, "prepaid: no default picks it, a selector must name purchase: capacity_block"
    if decision.verdict is Verdict.HOLD:
        return Finding.HOLD, reason
    if decision.verdict is Verdict.WARN:
        notice = decision.selector.limits.min_notice if decision.selector else None
        later = f"; warned now, stopped {durations.show(notice)} later at the earliest" if notice else ""
        return (Finding.STOP, reason + later) if _to_stop(decision, now) else (Finding.WARN, reason)
    return Finding.KEEP, reason


def _to_stop(decision: Decision, now: datetime) -> bool:
    return decision.verdict is Verdict.WARN and decision.deadline is not None and now > decision.deadline.at


def _is_ec2(member: Member) -> bool:
    return member.service is Service.EC2


def _billed(member: Member) -> bool:
    """A job that has not started costs nothing yet."""
    return _is_ec2(member) or member.clock.running_since is not None


def _capacity(run: Run, rolled_up: Iterable[Resource]) -> tuple[tuple[str, int], ...] | None:
    totals = run.capacity
    for child in rolled_up:
        for instance_type, count in child.capacity or ():
            totals[instance_type] = totals.get(instance_type, 0) + count
    unknown = any(not m.capacity for m in run.members) or any(child.capacity is None for child in rolled_up)
    return None if unknown and not totals else tuple(sorted(totals.items()))


# --- what is listed, and judged by its age alone ------------------------------------------------------------


def _line_of_resource(
    resource: Resource, region: str, policy: Policy, prices: Prices, now: datetime, rolled_up: list[Resource]
) -> Line:
    rate, note = _rate(resource, region, prices)
    capacity = dict(resource.capacity or ())
    for child in rolled_up:
        child_rate, child_note = _rate(child, region, prices)
        rate, note = _plus(rate, child_rate), f"{note}; {child_note}"
        for instance_type, count in child.capacity or ():
            capacity[instance_type] = capacity.get(instance_type, 0) + count
    starts = [each.since for each in (resource, *rolled_up) if each.since is not None]
    since = min(starts, default=None)
    unknown = resource.capacity is None
    finding, reason = _finding_of(resource, policy, since, now)
    tags = [resource.tags] if resource.tags else []
    return Line(
        region=region,
        kind=resource.kind.value,
        name=resource.name,
        id=resource.name,
        finding=finding,
        reason=reason,
        hourly_rate_usd=rate,
        list_rate_usd=rate,
        price_note=note,
        capacity=None if unknown else tuple(sorted(capacity.items())),
        owner=_tag(tags, policy.tags.owner, OWNER_KEYS),
        team=_tag(tags, policy.tags.team, TEAM_KEYS),
        group=resource.parent.label if resource.parent else "",
        since=since,
        evidence=resource.evidence if since else "",
        children=tuple(child.name for child in rolled_up),
    )


def _finding_of(resource: Resource, policy: Policy, since: datetime | None, now: datetime) -> tuple[Finding, str]:
    if resource.tags is None:
        return Finding.UNPROVEN, f"the tags of {resource.name} could not be read"
    if resource.kind in (ResourceKind.NOTEBOOK, ResourceKind.ENDPOINT):
        word = "a notebook" if resource.kind is ResourceKind.NOTEBOOK else "an endpoint"
        said = f"; {resource.note}" if resource.note else ""
        return Finding.LISTED, f"{word} has no time limit; exists since {_when(since)}, whether used or not{said}"
    limit = policy.limits.max_runtime
    note = f" ({resource.note})" if resource.note else ""
    if since is None or now <= since + limit:
        return Finding.LISTED, f"{_not_stopped(resource)}{note}"
    over = durations.show(now - since - limit)
    return Finding.LISTED, f"past {durations.short(limit)} by {over}; {_not_stopped(resource)}{note}"


def _not_stopped(resource: Resource) -> str:
    words = {
        ResourceKind.PROCESSING: "processing jobs are",
        ResourceKind.TUNING: "tuning jobs are",
        ResourceKind.AUTOML: "AutoML jobs are",
    }
    return f"{words[resource.kind]} reported and not stopped in this version"


def _when(moment: datetime | None) -> str:
    return times.to_key(moment) if moment is not None else "an unknown time"


def _stand_in(child: Resource) -> Resource:
    """A parent that only its child names."""
    if child.parent is None:
        raise ValueError(f"{child.name} names no parent")
    return Resource(
        ResourceKind(child.parent.kind.value), child.parent.id, "InProgress", (), {}, None, child.evidence,
        note="known only by its children",
    )  # fmt: skip


def _line_of_unread(unread: Unread, region: str) -> Line:
    return Line(
        region=region,
        kind=unread.kind,
        name=unread.name,
        id=unread.name,
        finding=Finding.UNPROVEN,
        reason=f"it could not be described: {unread.reason}",
        hourly_rate_usd=None,
        list_rate_usd=None,
        price_note="its instance type is unknown",
        capacity=None,
        since=unread.since,
        evidence=unread.evidence if unread.since else "",
    )


# --- money and tags ----------------------------------------------------------------------------------------


def _rate(resource: Resource, region: str, prices: Prices) -> tuple[Decimal | None, str]:
    """USD per hour of its own instances, and the sentence that says so."""
    if resource.kind in (ResourceKind.TUNING, ResourceKind.AUTOML):
        return Decimal(0), "no instances of its own"
    if resource.kind is ResourceKind.PROCESSING and resource.since is None:
        return Decimal(0), resource.note
    if resource.capacity is None:
        return None, "its instance types are unknown"
    if not resource.capacity:
        return (None if resource.note else Decimal(0)), resource.note or "no instances"
    look_up: Callable[[str, str], Rate | None] = {
        ResourceKind.PROCESSING: prices.processing_hourly_rate,
        ResourceKind.NOTEBOOK: prices.notebook_hourly_rate,
    }.get(resource.kind, lambda _type, _region: None)
    amount: Decimal | None = Decimal(0)
    parts: list[str] = []
    for instance_type, count in resource.capacity:
        found = look_up(instance_type, region)
        amount = _plus(amount, found.hourly_rate_usd * count if found else None)
        priced = f"list price (as of {found.as_of.isoformat()})" if found else "no known price"
        parts.append(f"{count} x {instance_type}, {priced}")
    return amount, "; ".join(parts)


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _tag(tagged: Iterable[Mapping[str, str]], default: str, others: Iterable[str]) -> str:
    """The default key's value; else one of the usual keys', whatever its case."""
    known = list(tagged)
    for tags in known:
        if tags.get(default):
            return tags[default]
    for wanted in others:
        for tags in known:
            for key, value in tags.items():
                if key.lower() == wanted and value:
                    return value
    return ""


def prepaid(line: Line) -> bool:
    """Whether any of it runs in capacity that is paid for already."""
    return PurchaseOption.CAPACITY_BLOCK.value in line.purchase


def is_group(line: Line) -> bool:
    """Whether a controller stands above it that would relaunch what is stopped."""
    kinds = {RunKind.ASG, RunKind.FLEET, RunKind.CLUSTER}
    return line.kind in {kind.value for kind in kinds}
