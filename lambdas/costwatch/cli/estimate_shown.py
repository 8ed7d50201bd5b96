"""A quote for people: in a terminal, and in a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from costwatch.cli import show
from costwatch.cli.markdown import table, text
from costwatch.cli.show import Row, usd
from costwatch.core import durations
from costwatch.core.estimator import BY_COST, UNBOUNDED_JOBS, Confidence, LineItem
from costwatch.core.quote import PricedPart, Quote

MARKER: Final = "<!-- costwatch-estimate -->"
"""By this line a workflow finds the comment that it wrote before."""
TRUST: Final = {
    Confidence.LIST: "list price",
    Confidence.STALE: "list price that was not refreshed for more than 3 days",
    Confidence.SEED: "list price of the table that ships with Costwatch",
    Confidence.SPOT_P90: "spot price: median and 90% quantile of the last days",
    Confidence.PREPAID: "prepaid: nothing more is paid",
    Confidence.UNKNOWN: "unknown",
}
_ROOMY: Final = 100
"""From this many columns on, quantity and unit price have columns of their own."""
_DOLLARS: Final = ("$/h", "expected", "p90", "at most")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `--fail-above` says. `sentence` without a full stop."""

    exit_code: int
    sentence: str


def title(quote: Quote, region: str) -> str:
    """What it is, and where."""
    if len(quote.parts) > 1:
        return f"Pipeline of {len(quote.parts)} steps, {region}"
    (only,) = quote.parts
    named = only.part.name
    # `training job: 2 x ml.g5.xlarge`, but `churn-bert: Training, 2 x ml.g5.xlarge`.
    what = _what(only).removeprefix(f"{only.part.kind}, " if named.lower().startswith(only.part.kind.lower()) else "")
    return f"{named}: {what}, {region}"


def dollars(quote: Quote) -> str:
    """`at most $1,212.06, expected $303.02`."""
    if quote.worst_case_usd is None and quote.expected_usd is None:
        return "what it costs is not known"
    said = f"at most {usd(quote.worst_case_usd)}, expected {usd(quote.expected_usd)}"
    if quote.confidence is Confidence.PREPAID:
        said = f"{usd(quote.expected_usd)} more, prepaid with a list value of {usd(quote.list_value_usd)}"
    return said


def show_quote(quote: Quote, region: str, verdict: Verdict | None) -> None:
    """Print it."""
    out = show.console()
    show.say(out, title(quote, region), style="bold")
    said = dollars(quote)
    show.say(out, f"{said[0].upper()}{said[1:]}.")
    out.print()
    if len(quote.parts) > 1:
        headings: tuple[str, ...] = ("step", *_DOLLARS)
        rows = [Row((f"{p.part.name}\n{_what(p)}", *_amounts(p))) for p in quote.parts]
        rows.append(Row(("total", *_amounts(quote))))
    else:
        roomy = out.width >= _ROOMY
        headings = ("line", *(("quantity", "each") if roomy else ()), *_DOLLARS)
        rows = []
        for item in _items(quote):
            middle = (_quantity(item), _each(item)) if roomy else ()
            rows.append(Row((item.what, *middle, *_amounts(item))))
        rows.append(Row(("total", *(("", "") if roomy else ()), *_amounts(quote))))
    show.listing(out, headings, rows, right=headings[1:])
    out.print()
    show.facts(out, [*_facts(quote), *(("Note" if not n else "", note) for n, note in enumerate(quote.notes))])
    for each in quote.unpriced:
        show.say(out, f"No known price: {each}", style="magenta")
    if verdict is not None:
        show.say(out, f"{verdict.sentence}.", style="bold")


def in_markdown(quote: Quote, region: str, verdict: Verdict | None) -> str:
    """A comment that ends with a line break. Names in it are other people's text."""
    several = len(quote.parts) > 1
    blocks = [MARKER, f"### Costwatch: {dollars(quote)}", text(title(quote, region))]
    if verdict is not None:
        blocks.append(f"**{text(verdict.sentence)}.**")
    headings = ("Step" if several else "Line", "Runs" if several else "Quantity", "$/h", "Expected", "p90", "At most")
    if several:
        lines = [(text(p.part.name), text(_what(p)), *_amounts(p)) for p in quote.parts]
    else:
        lines = [(text(i.what), text(_quantity(i)), *_amounts(i)) for i in _items(quote)]
    blocks.append(table(headings, [*lines, ("**Total**", "", *(f"**{each}**" for each in _amounts(quote)))]))
    said = [f"{label}: {text(value)}" for label, value in _facts(quote) if value and label != "Prices"]
    said += [text(note) for note in quote.notes]
    said += [f"No known price: {text(each)}" for each in quote.unpriced]
    blocks.append("\n".join(f"- {each}" for each in said))
    priced = [item for item in _items(quote) if item.unit_price_usd is not None]
    if priced:
        rows = [(text(i.what), _each(i), _day(i), TRUST[i.confidence], text(i.source)) for i in _once(priced)]
        blocks += [
            "<details><summary>Prices</summary>",
            table(("What", "Each", "As of", "Trust", "Source"), rows),
            "</details>",
        ]
    return "\n\n".join(blocks) + "\n"


def _facts(quote: Quote) -> Iterator[tuple[str, str]]:
    if len(quote.parts) == 1 and (made := quote.parts[0].estimate) is not None:
        whole = "" if made.spec.jobs == 1 else " a job"
        by_time = f"{durations.show(made.expected_runtime)}{whole}, {made.basis}"
        yield "Expected", made.basis if made.basis.startswith(BY_COST) else by_time
        yield "At most", f"{durations.show(made.spec.max_runtime)}{whole}"
    if quote.gpu_hours is None:
        yield "GPU-hours", "unknown"
    elif quote.gpu_hours:
        yield "GPU-hours", _short(quote.gpu_hours)
    if len(quote.parts) > 1:
        yield "Rate", "if all steps ran at once"
    if quote.list_value_usd is not None:
        yield "List value", usd(quote.list_value_usd)
    for number, said in enumerate(dict.fromkeys(_price(item) for item in _items(quote) if item.source)):
        yield ("Prices" if not number else ""), said


def _price(item: LineItem) -> str:
    if item.unit == "discount":
        return "discounts as configured under prices.multipliers"
    return f"{TRUST[item.confidence]}, as of {_day(item)} ({item.source})"


def _day(item: LineItem) -> str:
    return item.price_as_of.isoformat() if item.price_as_of is not None else "unknown"


def _items(quote: Quote) -> list[LineItem]:
    return [item for each in quote.parts if each.estimate is not None for item in each.estimate.line_items]


def _once(items: list[LineItem]) -> list[LineItem]:
    """One of those that share a price."""
    return list({(i.what, i.unit_price_usd, i.price_as_of): i for i in items}.values())


def _what(priced: PricedPart) -> str:
    """`training, 2 x ml.p4d.24xlarge`."""
    part, made = priced.part, priced.estimate
    if made is None:
        return f"{part.kind}, {'unknown' if priced.is_unknown else 'no instances'}"
    spec = made.spec
    groups = " + ".join(f"{group.count} x {group.instance_type}" for group in spec.groups)
    jobs = "as many jobs as fit" if spec.jobs == UNBOUNDED_JOBS else f"{spec.jobs} jobs"
    several = f", {jobs}, {min(spec.parallel, spec.jobs)} at once" if spec.jobs > 1 else ""
    return f"{part.kind}, {groups}{several}"


def _amounts(of: LineItem | PricedPart | Quote) -> tuple[str, str, str, str]:
    if isinstance(of, PricedPart) and of.estimate is None and not of.is_unknown:
        return ("-", "-", "-", "-")
    return usd(of.hourly_usd), usd(of.expected_usd), usd(of.p90_usd), usd(of.worst_case_usd)


def _quantity(item: LineItem) -> str:
    if item.unit == "discount":
        return ""
    return f"{_short(item.quantity)} {item.unit}{'' if item.quantity == 1 else 's'}"


def _each(item: LineItem) -> str:
    if item.unit_price_usd is None:
        return "unknown"
    sign = "-" if item.unit_price_usd < 0 else ""
    return f"{sign}${abs(item.unit_price_usd).normalize():f}"


def _short(number: Decimal) -> str:
    """To at most two places."""
    shown = f"{number:,.2f}"
    return shown.rstrip("0").rstrip(".")
