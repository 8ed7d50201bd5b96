"""Judges an inventory by the defaults: the same code and the same limits as the deployed sweep, without a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from costwatch.adapters.sagemaker_members import unreadable
from costwatch.core import deadman, durations, grouping
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.model import Member, Parent, Run, RunKind
from costwatch.core.money import burn_rate
from costwatch.core.policy import Policy, Service
from costwatch.core.selection import HoldCode
from costwatch.scan import resources
from costwatch.scan.defaults import JOB_SELECTORS, OWNER_KEYS, SELECTOR, TEAM_KEYS, Prices, tag_value
from costwatch.scan.inventory import Findings, Inventory
from costwatch.scan.lines import Doubt, Finding, Line, dearest_first
from costwatch.scan.resources import Basis

Protection = Callable[[str, list[str]], Mapping[str, bool | None]]
"""(region, instance ids) -> termination protection by id; None where it could not be read."""

MOST_READ_AFRESH: Final = 200
"""Of a region, the dearest first: protection is one call for each instance. Where it is not read, that is said."""
_OWN_LIMITS = tuple(f"of selector {name}" for name in (SELECTOR, *JOB_SELECTORS))
_BELONGS = "it would be held: it belongs to "
_GROUP: Final = (
    "it is an Auto Scaling group past its limit, held: its minimum size and its protection were not read, "
    "which a deployed sweep does"
)
_CHILDREN_ARE_LISTED_BY = frozenset({"sagemaker", "sagemaker:ListTrainingJobs", "sagemaker:ListProcessingJobs"})


def judge(inventory: Inventory, policy: Policy, prices: Prices, protected: Protection) -> list[Line]:
    """One line for each run and resource, the dearest first. Children stand on their parent's line alone.

    `protected` is asked only about instances of runs past their time.
    """
    by_region: dict[str, list[Findings]] = {}
    for each in inventory.findings:
        by_region.setdefault(each.region, []).append(each)
    lines: list[Line] = []
    for region, parts in by_region.items():
        gaps = {gap.operation for each in parts for gap in each.gaps}
        basis = Basis(region, policy, prices, inventory.at, children_unread=bool(gaps & _CHILDREN_ARE_LISTED_BY))
        lines += _lines(inventory.account, parts, basis, protected)
    return dearest_first(lines)


def _lines(account: str, parts: list[Findings], basis: Basis, protected: Protection) -> Iterator[Line]:
    members = [member for each in parts for member in each.members]
    members += [unreadable(parent) for parent in _not_listed(members)]
    counted = {name: number for each in parts for name, number in each.running_children.items()}
    runs = grouping.runs(members, account=account, region=basis.region, run_tag=basis.policy.tags.run)
    for run, decision, note in _decided(runs, basis, protected):
        yield _line(run, decision, note, basis, counted)
    for each in parts:
        for resource in each.resources:
            yield resources.line(resource, basis)
        for unread in each.unread:
            yield resources.line_of_unread(unread, basis.region)


def _not_listed(members: list[Member]) -> list[Parent]:
    """Parents that only their children name."""
    there = {(member.service, member.id) for member in members}
    found = dict.fromkeys(m.parent for m in members if m.parent is not None and m.parent.kind.has_children)
    return [parent for parent in found if (parent.kind.service, parent.id) not in there]


def _decided(runs: list[Run], basis: Basis, protected: Protection) -> Iterator[tuple[Run, Decision, str]]:
    """Every run with its decision; those past their time with termination protection, which may hold them."""
    first = [(run, deadman.judge(run, None, basis.policy, None, basis.now)) for run in runs]
    past = [run for run, decision in first if _to_stop(decision, basis.now)]
    past.sort(key=lambda run: burn_rate(run, basis.prices).hourly_rate_usd or Decimal(0), reverse=True)
    alone = (run for run in past if run.id.kind is not RunKind.ASG)
    asked = [m.id for run in alone for m in run.members if _is_ec2(m)][:MOST_READ_AFRESH]
    answers = protected(basis.region, asked) if asked else {}
    for run, decision in first:
        if run.id.kind is RunKind.ASG and _to_stop(decision, basis.now):
            yield run, replace(decision, verdict=Verdict.HOLD, hold=HoldCode.MIN_SIZE, reason=_GROUP), ""
            continue
        if not _to_stop(decision, basis.now) or not any(_is_ec2(m) for m in run.members):
            yield run, decision, ""
            continue
        read = replace(run, members=tuple(replace(m, termination_protection=answers.get(m.id)) for m in run.members))
        unknown = any(m.termination_protection is None for m in read.members)
        note = "whether it has termination protection was not read" if unknown else ""
        yield read, deadman.judge(read, None, basis.policy, None, basis.now), note


def _line(run: Run, decision: Decision, note: str, basis: Basis, counted: Mapping[str, int]) -> Line:
    finding, reason, remark = _finding(run, decision, basis.now)
    doubt = _doubt(run)
    if note:
        reason, remark = f"{reason}; {note}", "; ".join(filter(None, (remark, note)))
    hourly, listed, price_note = _rates(run, basis, counted)
    first = min(run.members, key=lambda m: m.clock.running_since or datetime.max.replace(tzinfo=basis.now.tzinfo))
    exists = first.clock.exists_since
    restarted = exists is not None and run.start is not None and exists < run.start and _is_ec2(first)
    tagged = [m.tags for m in run.members]
    return Line(
        region=basis.region,
        kind=run.id.kind.value,
        name=run.name,
        id=run.id.name,
        finding=finding,
        reason=reason,
        remark=remark,
        hourly_rate_usd=hourly,
        list_rate_usd=listed,
        price_note=price_note,
        capacity=tuple(sorted(run.capacity.items())) if run.capacity or run.id.kind.has_children else None,
        purchase=tuple(sorted({m.purchase.value for m in run.members})),
        owner=tag_value(tagged, basis.policy.tags.owner, OWNER_KEYS),
        team=tag_value(tagged, basis.policy.tags.team, TEAM_KEYS),
        group=run.parent.label if run.parent is not None else "",
        since=run.start,
        evidence=first.clock.running_evidence if run.start else "",
        exists_since=exists if restarted else None,
        exists_evidence=first.clock.exists_evidence if restarted else "",
        deadline=decision.deadline_at,
        members=run.members,
        children=tuple(m.id for m in run.children or (run.members if run.id.kind is RunKind.SCHEDULE else ())),
        doubt=doubt,
    )


def _doubt(run: Run) -> Doubt | None:
    if any(m.tags is None for m in run.members):
        return Doubt.TAGS
    ageless = any(m.state == "running" and m.clock.running_since is None for m in run.members)
    return Doubt.AGE if ageless else None


def _finding(run: Run, decision: Decision, now: datetime) -> tuple[Finding, str, str]:
    """With the whole sentence, and what of it is not the rule."""
    reason = decision.reason
    unreadable = [m.id for m in run.members if m.tags is None]
    if unreadable:
        told = f"the tags of {', '.join(unreadable)} could not be read"
        return Finding.UNPROVEN, reason if told in reason else f"{told}; {reason}", told
    if _doubt(run) is Doubt.AGE:
        return Finding.UNPROVEN, reason, reason
    if decision.verdict is Verdict.IGNORE:
        return Finding.LISTED, "prepaid: a selector picks it only where it says purchase: capacity_block", "prepaid"
    if decision.verdict is Verdict.HOLD:
        return Finding.HOLD, reason, "" if decision.hold is HoldCode.PARENT else reason.partition(", held: ")[2]
    rule = decision.deadline.rule if decision.deadline else ""
    remark = "" if rule.endswith(_OWN_LIMITS) else rule
    if decision.verdict is Verdict.WARN and run.id.kind.has_children:
        only_warned = "a job with children is only warned about, unless its selector says more"
        return Finding.WARN, f"{reason}; {only_warned}", remark
    if decision.verdict is Verdict.WARN:
        notice = decision.selector.limits.min_notice if decision.selector else None
        later = f"; warned now, stopped {durations.show(notice)} later at the earliest" if notice else ""
        return (Finding.STOP, reason + later, remark) if _to_stop(decision, now) else (Finding.WARN, reason, remark)
    usual = reason.startswith("its time is up at ") or _BELONGS in reason
    return Finding.KEEP, reason, remark if usual else reason


def _rates(run: Run, basis: Basis, counted: Mapping[str, int]) -> tuple[Decimal | None, Decimal | None, str]:
    """USD per hour to end by stopping, and at list price, with the note that explains them. Children included."""
    billed = replace(run, members=tuple(m for m in run.members if _is_ec2(m) or m.clock.running_since is not None))
    burn = burn_rate(billed, basis.prices)
    hourly, listed, note = burn.hourly_rate_usd, burn.list_rate_usd, burn.note
    if run.id.kind.has_children and not run.children:
        note = "no instances of its own, and none of its jobs runs now"
    elif not billed.members:
        note = "not started yet: it costs nothing so far"  # a job is billed from its training start on
    missing = max(0, counted.get(run.id.name, 0) - len(run.children)) if run.id.kind is RunKind.TUNING else 0
    if missing or (run.id.kind.has_children and basis.children_unread):
        what = f"{missing} more of its running jobs" if missing else "some of its jobs"
        return None, None, f"{note}; {what} could not be read"
    return hourly, listed, note


def _to_stop(decision: Decision, now: datetime) -> bool:
    return decision.verdict is Verdict.WARN and decision.deadline is not None and now > decision.deadline.at


def _is_ec2(member: Member) -> bool:
    return member.service is Service.EC2
