"""A report as one HTML page: no script, no request to anywhere, light or dark as the reader's system says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from costwatch.core import durations
from costwatch.core.money import show_usd
from costwatch.scan import permissions
from costwatch.scan.lines import Finding, Line
from costwatch.scan.report import BASIS, HEADINGS, NOTES, Report

TEMPLATE: Final = Path(__file__).with_name("page.html.j2")


def render(report: Report) -> str:
    """The page's text. Everything foreign in it is escaped."""
    inventory = report.inventory
    sections = [
        {
            "finding": finding.value,
            "heading": HEADINGS[finding],
            "note": NOTES.get(finding, ""),
            "total": report.total_of(finding),
            "share": _share(report, finding),
            "rows": [_row(line, inventory.at) for line in report.lines_of(finding)],
        }
        for finding in Finding
        if report.lines_of(finding)
    ]
    return _template().render(
        report=report,
        account=inventory.account,
        at=f"{inventory.at:%Y-%m-%d %H:%M} UTC",
        basis=BASIS,
        sections=sections,
        policy=json.dumps(permissions.policy_document(), indent=2),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    made = environment(TEMPLATE.parent)
    made.filters["usd"] = _usd
    return made.get_template(TEMPLATE.name)


def environment(directory: Path) -> Environment:
    """For templates of pages in `directory`: what is foreign is escaped, and `page.css.j2` is every page's style."""
    return Environment(
        loader=FileSystemLoader([directory, TEMPLATE.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _usd(amount: Decimal | None) -> str:
    return show_usd(amount)


def _share(report: Report, finding: Finding) -> str:
    """Percent of the burn that has a price, for the bar; text, since CSS wants a point whatever the locale."""
    whole = report.total.hourly_rate_usd
    part = report.total_of(finding).hourly_rate_usd
    return f"{part / whole * 100:.2f}" if whole else "0"


def _row(line: Line, now: datetime) -> Mapping[str, Any]:
    capacity = ["unknown"] if line.capacity is None else [f"{count} x {kind}" for kind, count in line.capacity] or ["-"]
    bought = [each.replace("_", " ") for each in line.purchase if each != "on_demand"]
    return {
        "line": line,
        "where": f"{line.region} · {line.kind_label}",
        "types": capacity + bought,
        "age": _age(now - line.since) if line.since else "not started" if line.not_started else "unknown",
        "first": _age(now - line.exists_since) if line.exists_since else "",
        "members": [
            {
                "id": member.id,
                "name": "" if member.name == member.id else member.name,
                "types": ", ".join(f"{count} x {kind}" for kind, count in member.capacity) or "type unknown",
                "age": _age(now - member.clock.running_since) if member.clock.running_since else "age unknown",
            }
            for member in line.members
            if len(line.members) > 1 or member.id != line.id
        ],
        "children": [name for name in line.children if name not in {member.id for member in line.members}],
    }


def _age(elapsed: timedelta) -> str:
    """`45 min`, `20 h`, `3 d 4 h`."""
    days, rest = divmod(max(elapsed, timedelta(0)), timedelta(days=1))
    if not days:
        return durations.show(rest)
    hours = int(rest.total_seconds()) // 3600
    return f"{days} d {hours} h" if hours else f"{days} d"
