"""A report as one JSON document. Money is text in USD, times are RFC 3339 in UTC; null is unknown and never 0."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from costwatch.core import times
from costwatch.core.model import Member
from costwatch.scan.lines import HOURS_A_MONTH, Finding, Line, Total
from costwatch.scan.report import Report


def document(report: Report) -> dict[str, Any]:
    """`costwatch scan --json`."""
    inventory = report.inventory
    return {
        "at": times.to_key(inventory.at),
        "account": inventory.account,
        "regions": list(inventory.regions),
        "regions_not_enabled": list(inventory.not_enabled),
        "regions_of_another_partition": list(inventory.elsewhere),
        "not_read": [
            {"region": gap.region, "operation": gap.operation, "kind": gap.kind.value, "reason": gap.reason}
            for gap in inventory.gaps
        ],
        "hours_a_month": int(HOURS_A_MONTH),
        "total": _total(report.total),
        "findings": {finding.value: _total(report.total_of(finding)) for finding in Finding},
        "not_proven": report.unproven,
        "lines": [_line(line) for line in report.lines],
        "configuration": report.configuration,
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "lines": total.lines,
        "instances": total.instances,
        "hourly_rate_usd": _usd(total.hourly_rate_usd),
        "monthly_rate_usd": _usd(total.monthly_rate_usd),
        "without_price": total.without_price,
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "region": line.region,
        "kind": line.kind,
        "id": line.id,
        "name": line.name,
        "finding": line.finding.value,
        "reason": line.reason,
        "since": _time(line.since),
        "evidence": line.evidence,
        "exists_since": _time(line.exists_since),
        "exists_evidence": line.exists_evidence,
        "deadline": _time(line.deadline),
        "owner": line.owner,
        "team": line.team,
        "group": line.group,
        "purchase": list(line.purchase),
        "capacity": None if line.capacity is None else dict(line.capacity),
        "hourly_rate_usd": _usd(line.hourly_rate_usd),
        "monthly_rate_usd": _usd(line.monthly_rate_usd),
        "list_rate_usd": _usd(line.list_rate_usd),
        "price_note": line.price_note,
        "members": [_member(member) for member in line.members],
        "children": list(line.children),
    }


def _member(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "name": member.name,
        "state": member.state,
        "types": dict(member.capacity),
        "zone": member.zone,
        "purchase": member.purchase.value,
        "since": _time(member.clock.running_since),
        "evidence": member.clock.running_evidence,
        "exists_since": _time(member.clock.exists_since),
        "exists_evidence": member.clock.exists_evidence,
        "termination_protection": member.termination_protection,
    }


def _time(moment: datetime | None) -> str | None:
    return times.to_key(moment) if moment is not None else None


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"
