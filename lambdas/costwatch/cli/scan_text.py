"""A scan's report for a terminal: what burns, what the defaults would do, what could not be proven, what to write."""

from __future__ import annotations

from typing import Final

from rich.console import Console

from costwatch.cli import show
from costwatch.cli.show import Row
from costwatch.core import durations
from costwatch.core.money import show_usd
from costwatch.scan.judging import prepaid
from costwatch.scan.lines import Finding, Line, Total
from costwatch.scan.report import Report

_MOST_LINES: Final = 40
"""Of one finding; the rest is summed up in a sentence, and --all shows it."""
_ROOMY = 96
"""From this many columns on, type and owner have columns of their own."""

HEADINGS: Final = {
    Finding.STOP: "Would be warned now and stopped when the notice is over",
    Finding.WARN: "Would be warned now",
    Finding.UNPROVEN: "Cannot be proven: reported, never acted on",
    Finding.HOLD: "Past the limit, but held",
    Finding.KEEP: "Within the limit",
    Finding.LISTED: "Without a limit in this version",
}


def show_report(report: Report, *, everything: bool) -> None:
    """Print it. `everything`: every line, however many."""
    out = show.console()
    inventory = report.inventory
    show.say(out, f"Account {inventory.account}, {show.clock(inventory.at)}. Nothing was changed.")
    show.say(out, f"{report.regions_line}.")
    for gap in report.gaps:
        show.say(out, f"Not read: {gap}", style="magenta")
    out.print()
    if not report.lines:
        show.say(out, "No accelerator instance and no SageMaker job, notebook or endpoint runs there.", style="bold")
    else:
        _totals(out, report)
    for finding in Finding:
        _section(out, report.lines_of(finding), report.total_of(finding), finding, everything=everything)
    if report.unproven:
        out.print()
        show.say(out, "Not proven", style="bold")
        for sentence in report.unproven:
            show.say(out, sentence, indent=2)
    out.print()
    show.say(out, "A costwatch.yaml for this account (--write FILE saves it):", style="bold")
    out.print()
    for line in report.configuration.splitlines():
        show.say(out, line)


def _totals(out: Console, report: Report) -> None:
    total = report.total
    show.say(out, f"Burning {_money(total)}.", style="bold")
    rows = []
    for finding in Finding:
        found = report.total_of(finding)
        if found.lines:
            cells = (finding.value, str(found.lines), str(found.instances), *_rates(found))
            rows.append(Row((*cells, str(found.without_price) if found.without_price else "-")))
    headings = ("finding", "lines", "instances", "$/h", "$/month", "no price")
    show.listing(out, headings, rows, right=headings[1:])
    show.say(
        out,
        "Judged by the defaults: max_runtime 12h, warn_before 1h, hard_cap 72h. List prices before discounts, without "
        "storage; a month is 730 h. Only accelerator instances are listed on EC2.",
    )


def _section(out: Console, lines: list[Line], total: Total, finding: Finding, *, everything: bool) -> None:
    if not lines:
        return
    shown = lines if everything else lines[:_MOST_LINES]
    out.print()
    show.say(out, f"{HEADINGS[finding]}: {show.count(total.lines, 'line')}, {_money(total)}", style="bold")
    now_roomy = out.width >= _ROOMY
    headings = ("what runs", "type", "age", "owner", "$/h", "$/month") if now_roomy else (
        "what runs", "age", "$/h", "$/month")  # fmt: skip
    rows = [Row(_cells(line, roomy=now_roomy), _reason(line)) for line in shown]
    show.listing(out, headings, rows, right=("$/h", "$/month"))
    left = lines[len(shown) :]
    if left:
        from costwatch.scan.lines import total as total_of

        show.say(out, f"and {show.count(len(left), 'line')} more, {_money(total_of(left))}; --all shows them")


def _cells(line: Line, *, roomy: bool) -> tuple[str, ...]:
    name = line.name if line.name == line.id else f"{line.name}\n{line.id}"
    capacity = _capacity(line)
    where = f"{line.region} {line.kind}"
    age = f"{_age(line)}\n{line.evidence}" if line.evidence else "unknown"
    rates = (show.usd(line.hourly_rate_usd), show.usd(line.monthly_rate_usd))
    owner = line.owner or "-"
    if roomy:
        return (f"{name}\n{where}", capacity, age, owner, *rates)
    return ("\n".join((name, where, capacity, f"owner {owner}")), age, *rates)


def _age(line: Line) -> str:
    return show.moment(line.since)


def _capacity(line: Line) -> str:
    if line.capacity is None:
        return "type unknown"
    return "-"


def _reason(line: Line) -> str:
    return line.reason


def _money(total: Total) -> str:
    unknown = f", and {total.without_price} without a known price" if total.without_price else ""
    return f"{show_usd(total.hourly_rate_usd)} an hour, {show_usd(total.monthly_rate_usd)} a month{unknown}"


def _rates(total: Total) -> tuple[str, str]:
    return show_usd(total.hourly_rate_usd), show_usd(total.monthly_rate_usd)
