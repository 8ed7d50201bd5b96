"""A scan's report for a terminal: what burns, what the defaults would do, what could not be proven, what to write."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click
from rich.console import Console

from costwatch.cli import show
from costwatch.cli.show import Row
from costwatch.core.money import show_usd
from costwatch.scan.lines import Finding, Line, Total, total
from costwatch.scan.report import BASIS, HEADINGS, NOTES, Report

_MOST_LINES: Final = 40
"""Of one finding; what is over is summed up in a sentence, and --all shows it."""
_ROOMY: Final = 96
"""From this many columns on, type and owner have columns of their own."""
_TYPE_COLUMNS: Final = 20


def show_report(report: Report, *, everything: bool) -> None:
    """Print it. `everything`: every line, however many."""
    out = show.console()
    inventory = report.inventory
    show.say(out, f"Account {inventory.account} at {show.clock(inventory.at)}. Nothing was changed.", style="bold")
    show.say(out, f"{report.regions_line}.")
    for gap in report.gaps:
        show.say(out, f"Not read: {gap}", style="magenta")
    out.print()
    if report.lines:
        _totals(out, report)
    else:
        show.say(out, "No accelerator instance and no SageMaker job, notebook or endpoint was found.", style="bold")
    for finding in Finding:
        if lines := report.lines_of(finding):
            _section(out, lines, finding, inventory.at, everything=everything)
    if report.unproven:
        out.print()
        show.say(out, "Not proven", style="bold")
        for sentence in report.unproven:
            show.say(out, sentence, indent=2)
    out.print()
    show.say(out, "A costwatch.yaml for this account (--write FILE saves it):", style="bold")
    out.print()
    click.echo(report.configuration, nl=False)  # never wrapped: it is there to be copied


def _totals(out: Console, report: Report) -> None:
    show.say(out, f"Burning {money(report.total)}.", style="bold")
    out.print()
    rows = []
    for finding in Finding:
        found = report.total_of(finding)
        if found.lines:
            counts = (str(found.lines), str(found.instances), *_rates(found))
            rows.append(Row((finding.value, *counts, str(found.without_price) if found.without_price else "-")))
    headings = ("", "lines", "machines", "$/h", "$/month", "no price")
    show.listing(out, headings, rows, right=headings[1:])
    out.print()
    show.say(out, BASIS)


def _section(out: Console, lines: list[Line], finding: Finding, now: datetime, *, everything: bool) -> None:
    shown = lines if everything else lines[:_MOST_LINES]
    left = lines[len(shown) :]
    out.print()
    show.say(out, f"{HEADINGS[finding]}: {show.count(len(lines), 'line')}, {money(total(lines))}", style="bold")
    if note := NOTES.get(finding):
        show.say(out, note)
    roomy = out.width >= _ROOMY
    headings = (
        ("what", "type and region", "age", "owner", "$/h", "$/month") if roomy else ("what", "age", "$/h", "$/month")
    )
    rows = [Row(_cells(line, now, roomy=roomy)) for line in shown]
    show.listing(out, headings, rows, right=("$/h", "$/month"))
    if left:
        show.say(out, f"... and {show.count(len(left), 'line')} more, {money(total(left))}; --all shows them")
    remarks = [line for line in shown if line.remark]
    if remarks:
        out.print()
    for line in remarks:
        show.say(out, f"{line.name}: {line.remark}", indent=2)


def _cells(line: Line, now: datetime, *, roomy: bool) -> tuple[str, ...]:
    what = [line.name] if line.name == line.id else [line.name, line.id]
    what.append(line.kind_label)
    age = "not started" if line.not_started else "unknown"
    if line.since:
        # Without the word that stands beside it anyway: the ids need the room.
        age = f"{show.age(now - line.since)}\n{line.evidence.removeprefix('Processing')}"
    if line.exists_since:
        age += f"\nfirst {show.age(now - line.exists_since)}"
    rates = (show.usd(line.hourly_rate_usd), show.usd(line.monthly_rate_usd))
    if roomy:
        return ("\n".join(what), _types(line), age, line.owner_label, *rates)
    return ("\n".join([*what, _types(line).replace("\n", ", "), f"owner {line.owner_label}"]), age, *rates)


def _types(line: Line) -> str:
    if line.capacity is None:
        return f"unknown\n{line.region}"
    counted = [f"{count} x {kind}" for kind, count in line.capacity]
    bought = [each.replace("_", " ") for each in line.purchase if each != "on_demand"]
    where = ", ".join([*bought, line.region])
    # Room for the ids beside it, which are to be copied whole.
    return "\n".join([*counted, *([where] if len(where) <= _TYPE_COLUMNS else [*bought, line.region])])


def money(amount: Total) -> str:
    """`$48.21 an hour, $35,196.90 a month, and 2 without a known price`."""
    unknown = f", and {amount.without_price} without a known price" if amount.without_price else ""
    return f"{show_usd(amount.hourly_rate_usd)} an hour, {show_usd(amount.monthly_rate_usd)} a month{unknown}"


def _rates(amount: Total) -> tuple[str, str]:
    return show_usd(amount.hourly_rate_usd), show_usd(amount.monthly_rate_usd)
