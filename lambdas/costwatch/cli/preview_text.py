"""A preview for a terminal: four parts and what could not be read, within 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

import click
from rich.console import Console

from costwatch.cli import show
from costwatch.cli.show import Row
from costwatch.core import durations
from costwatch.core.families import FEWEST_RUNS
from costwatch.core.money import show_usd
from costwatch.preview import limits
from costwatch.preview.approvals import Approvals
from costwatch.preview.judging import Fate, Judged, Over
from costwatch.preview.limits import Family
from costwatch.preview.report import Preview
from costwatch.preview.spending import Spending

_MOST_LINES: Final = 8
"""Of one list; what is over is counted, and --json has it."""
_MOST_WEEKS: Final = 6
_HEADINGS: Final = {
    Fate.STOPPED: "Would have been stopped",
    Fate.WARNED: "Only warned about (its selector says warn, or it ended before its notice did)",
    Fate.HELD: "Held: past the limit, reported, and never stopped",
}


def show_preview(found: Preview) -> None:
    """Print it."""
    out = show.console()
    days = durations.show(found.now - found.since) if found.now - found.since < timedelta(days=2) else (
        f"{(found.now - found.since).days} days")  # fmt: skip
    regions = ", ".join(each.region for each in found.histories)
    show.say(out, f"Account {found.account}, {regions}: {days} until {show.clock(found.now)}.", style="bold")
    read = ", ".join(f"{number:,} {service}" for service, number in sorted(found.jobs.items())) or "none"
    show.say(out, f"Jobs read: {read}; {show.count(len(found.runs), 'run')}. Nothing was changed.")
    show.say(out, f"Judged by {found.judged_by}, as if in enforce.")
    for each in found.left_out:
        more = f"of {each.total:,}" if each.total is not None else "and there are more"
        show.say(out, f"Left out: {each.region}: the newest {each.taken:,} {each.service} jobs were read, {more}; "
                 "every figure below is without the others (--max-jobs).", style="magenta")  # fmt: skip
    for sentence in found.not_read:
        show.say(out, f"Not read: {sentence}", style="magenta")
    _past_limits(out, found.judged)
    _today(out, found)
    _approvals(out, found.approvals)
    _families(out, found)
    _spending(out, found.spending, found.approvals)


def _title(out: Console, text: str) -> None:
    out.print()
    show.say(out, text, style="bold")


def _past_limits(out: Console, judged: Judged) -> None:
    _title(out, "1. What would have been stopped")
    if not judged.over:
        show.say(out, f"Nothing: none of {judged.within} ended runs went over its limit.")
    else:
        kept = f"{judged.within} stayed within it" if judged.within else "none stayed within it"
        show.say(out, f"{show.count(len(judged.over), 'ended run')} went over the limit, {kept}.")
        _balance(out, judged)
    if judged.off:
        show.say(out, f"{show.count(judged.off, 'run')} had no limit: no selector picks them, or it is off.")
    for fate in Fate:
        if lines := judged.of(fate):
            out.print()
            show.say(out, f"{_HEADINGS[fate]}: {len(lines)}")
            _over(out, lines)


def _balance(out: Console, judged: Judged) -> None:
    balance = judged.balance
    if not balance.runs:
        return
    if balance.finished:
        lost = f"Of them {balance.finished} finished their work later: stopping them would have destroyed "
        wrote = f"; {balance.checkpoints} wrote checkpoints and would have lost less" if balance.checkpoints else ""
        show.say(out, f"{lost}{show_usd(balance.destroyed_usd)} of work{wrote}.")
    if balance.failed:
        show.say(out, f"{balance.failed} failed or were stopped later: stopping them would have saved "
                 f"{show_usd(balance.saved_usd)}.")  # fmt: skip
    net = f"{show_usd(abs(balance.net_usd))} {'saved' if balance.net_usd >= 0 else 'lost'}"
    unknown = f" ({show.count(balance.unknown, 'run')} of unknown cost in no sum)" if balance.unknown else ""
    show.say(out, f"Net with these limits: {net}{unknown}.", style="bold")


def _over(out: Console, lines: Sequence[Over]) -> None:
    rows = [Row((each.past.run.id.name, durations.short(each.limit), show.age(each.ended - each.deadline + each.limit),
                 each.past.state, show.usd(each.usd_before), show.usd(each.usd_after)),
                each.held_by or ("" if "max_runtime" in each.rule else each.rule))
            for each in lines[:_MOST_LINES]]  # fmt: skip
    show.listing(out, ("run", "limit", "ran", "then", "$ to limit", "$ after"), rows,
                 right=("limit", "ran", "$ to limit", "$ after"))  # fmt: skip
    _rest(out, len(lines) - _MOST_LINES)


def _today(out: Console, found: Preview) -> None:
    fleet, due = found.fleet, found.fleet.due[:_MOST_LINES]
    _title(out, f"Now: {show.count(len(fleet.due), 'run')} of {fleet.watched} that run past the limit or near it")
    cells = [
        (each.name, each.verdict.value, show.moment(each.deadline), show.usd(each.hourly_rate_usd)) for each in due
    ]
    rows = [Row(each, line.reason) for each, line in zip(cells, due, strict=True)]
    if rows:
        show.listing(out, ("run", "verdict", "limit at", "$/h"), rows, right=("$/h",))
        _rest(out, len(fleet.due) - _MOST_LINES)


def _approvals(out: Console, found: Approvals) -> None:
    _title(out, "2. Approvals a week, had they been asked for above a threshold")
    rows = [
        Row((show_usd(each.above_usd).removesuffix(".00"), f"{found.a_week(each.by_forecast):.1f}",
             show_usd(found.a_week(each.forecast_usd)), f"{found.a_week(each.by_actual):.1f}",
             show_usd(found.a_week(each.actual_usd))))
        for each in found.thresholds
    ]  # fmt: skip
    headings = ("above", "by worst case", "$ a week", "by actual", "$ a week ")
    show.listing(out, headings, rows, right=headings)
    out.print()
    said = f"{show.count(found.asked, 'run')} in {found.weeks:.1f} weeks; a tuning or AutoML job is asked for once."
    show.say(out, f"Worst case: all of its maximum runtime at list price. {said}")
    for number, what in (
        (found.forecast_unknown, "without a known worst case (no price, or AutoML): in no worst-case column"),
        (found.actual_unknown, "without a known cost: in no actual column"),
        (found.running, "still in progress: in the worst-case columns only"),
        (found.prepaid, "prepaid: not asked for"),
    ):
        if number:
            show.say(out, f"{show.count(number, 'run')} {what}.")


def _families(out: Console, found: Preview) -> None:
    _title(out, "3. How long runs take, and limits that fit")
    if not found.families:
        show.say(out, "No run ended.")
        return
    lines = found.families[:_MOST_LINES]
    rows = [Row(_cells(each), _outlier(each)) for each in lines]
    show.listing(out, ("family", "runs", "p50", "p90", "spend", "limit"), rows,
                 right=("runs", "p50", "p90", "spend", "limit"))  # fmt: skip
    _rest(out, len(found.families) - _MOST_LINES)
    out.print()
    show.say(out, limits.RULE)
    few = sum(each.suggestion is None for each in found.families)
    if few:
        families = show.count(few, "family", "families")
        show.say(out, f"{families} with fewer than {FEWEST_RUNS} finished runs: too few to tell.")
    tags = list(limits.tag_lines(lines, found.policy))
    if not tags:
        return
    out.print()
    show.say(out, "A selector picks jobs by kind, tags and types, never by name: to limit one family, tag its jobs.")
    for family, tag in tags:
        click.echo(f"  {tag:<28} {family}")
    out.print()
    show.say(out, "What costwatch.yaml can say, under dead_man.selectors (the longest limit of each kind and type):")
    for line in limits.selector_lines(found.families, found.policy):
        click.echo(f"    {line}")


def _cells(each: Family) -> tuple[str, ...]:
    name = "\n".join([each.stem, f"{each.service}, {', '.join(each.types) or 'any type'}"])
    spend = f"{show_usd(each.usd)}{f' + {each.unpriced}?' if each.unpriced else ''}"
    took = (show.age(each.taken.expected), show.age(each.taken.p90)) if each.taken else ("-", "-")
    return name, str(each.runs), *took, spend, durations.short(each.suggestion.limit) if each.suggestion else "-"


def _outlier(each: Family) -> str:
    if each.suggestion is None or each.suggestion.outlier is None:
        return ""
    return f"one finished run took {show.age(each.suggestion.outlier)}: taken for an outlier"


def _spending(out: Console, found: Spending, asked: Approvals) -> None:
    _title(out, "4. Spending")
    if not found.jobs:
        show.say(out, "No job with machines of its own ended.")
        return
    after = f"{show_usd(found.after_limits_usd)} ({_percent(found.after_limits_usd, found.usd)})"
    a_week = show_usd(asked.a_week(found.usd))
    jobs = show.count(found.jobs, "job")
    show.say(out, f"{show_usd(found.usd)} for {jobs}, {a_week} a week; {after} of it was billed after the limits.")
    if found.spot_jobs:
        share = _percent(found.saved_by_spot_usd, found.saved_by_spot_usd + found.spot_usd)
        saved = f"{show_usd(found.saved_by_spot_usd)} on {show.count(found.spot_jobs, 'job')}"
        show.say(out, f"Managed spot saved {saved}: {share} of what they would have cost.")
    out.print()
    rows = [Row((each.begins.strftime("%Y-%m-%d"), str(each.jobs), show_usd(each.usd), show_usd(each.after_limits_usd),
                 show_usd(each.saved_by_spot_usd))) for each in found.weeks[:_MOST_WEEKS]]  # fmt: skip
    headings = ("week from", "jobs", "spend", "after limits", "saved by spot")
    show.listing(out, headings, rows, right=headings[1:])
    _rest(out, len(found.weeks) - _MOST_WEEKS, "week")
    out.print()
    for what, number in found.unpriced:
        show.say(out, f"No known price: {what}, {show.count(number, 'job')}; in no sum, and not free.")
    if found.storage_left_out:
        jobs = show.count(found.storage_left_out, "job")
        show.say(out, f"The attached storage of {jobs} has no known price and is left out.")
    if found.prepaid_jobs:
        jobs = show.count(found.prepaid_jobs, "job")
        show.say(out, f"Prepaid: {jobs} at $0.00 more, list value {show_usd(found.prepaid_list_usd)}.")
    for each in found.discounts:
        show.say(out, f"Negotiated, and applied: {each}.")
    trust = ", ".join(f"{number} {name}" for name, number in found.confidences)
    day = f", the oldest of {found.price_as_of.isoformat()}" if found.price_as_of else ""
    show.say(out, f"Prices by job: {trust}{day}.")


def _rest(out: Console, more: int, noun: str = "line") -> None:
    if more > 0:
        show.say(out, f"... and {show.count(more, noun)} more; --json shows them")


def _percent(part: Decimal, whole: Decimal) -> str:
    share = part / whole * 100 if whole else Decimal(0)
    return "under 1%" if 0 < share < 1 else f"{share:.0f}%"
