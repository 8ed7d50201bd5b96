"""spend: what was spent by team, owner, project, model or family, with forecast beside actual."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import click

from costwatch.cli import runs, show
from costwatch.cli.options import DurationOrMoment, as_json, begin_of, with_session
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import spend as spending
from costwatch.core import times
from costwatch.core.money import show_usd
from costwatch.core.spend import By, Line, Spent


@click.command(short_help="What was spent, by team or owner, with forecast beside actual.")
@click.option(
    "--by",
    type=click.Choice([each.value for each in By]),
    default=By.TEAM.value,
    show_default=True,
    help="What the dollars are told apart by: a tag, or what the run is.",
)
@click.option(
    "--since", type=DurationOrMoment(), default="30d", show_default=True, help="How far back, or from which time on."
)
@as_json
@with_session
def spend(session: Session, by: str, since: timedelta | datetime, as_json: bool) -> None:
    """What runs cost that ended since then, and what open ones have cost so far.

    A run that is over counts whole, at its actual cost, where it ended; an open one with what it has accrued, which is
    an upper bound. Dollars that are not known are counted beside the sum and are never taken for 0. With --by run each
    run stands alone, with its cost per step and epoch where its heartbeats tell them.
    """
    now = session.now()
    begin = begin_of(since, now)
    with show.busy("Reading the ledger"):
        spent = _spent(session, begin, now)
    found, everything = spending.lines(spent, By(by)), spending.total(spent)
    if as_json:
        show.document(_document(by, begin, now, found, everything))
    else:
        _draw(by, begin, found, everything)


def _spent(session: Session, begin: datetime, now: datetime) -> list[Spent]:
    ledger, account = session.ledger(), session.caller.account
    day, found = begin.astimezone(UTC).date(), []
    while day <= now.astimezone(UTC).date():
        found += [cost for cost in ledger.costs(account, day, session.skip) if cost.ended_at >= begin]
        day += timedelta(days=1)
    still = runs.open_records(session, ledger)
    return [*(spending.of_cost(cost) for cost in found), *(spending.of_open(record, now) for record in still)]


def _draw(by: str, begin: datetime, found: Sequence[Line], everything: Line) -> None:
    out = show.console()
    known = f"{show_usd(everything.usd)}{_unknown(everything)}"
    counted = f"{show.count(everything.runs, 'run')}, {everything.open} of them open"
    show.say(out, f"Since {show.clock(begin)}: {known} for {counted}; {_hours(everything.gpu_hours)} GPU-hours.")
    if everything.wasted_usd:
        show.say(out, f"Of it {show_usd(everything.wasted_usd)} for runs that failed or were stopped.")
    if everything.saved_by_spot_usd:
        show.say(out, f"Managed spot saved {show_usd(everything.saved_by_spot_usd)} beside it.")
    if not found:
        return
    out.print()
    each = by == By.RUN.value
    headings = (by, "runs", "spent", "forecast", "error", "GPU-h", *(("$/step", "$/epoch") if each else ()))
    rows = [
        Row(
            (
                line.key,
                f"{line.runs} ({line.open} open)" if line.open else str(line.runs),
                f"{show_usd(line.usd)}{_unknown(line)}",
                show_usd(line.forecast_usd) if line.forecast_usd else "-",
                _percent(line.forecast_error),
                _hours(line.gpu_hours),
                *((_small(line.usd_per_step), _small(line.usd_per_epoch)) if each else ()),
            )
        )
        for line in found
    ]
    show.listing(out, headings, rows, right=headings[2:])


def _unknown(line: Line) -> str:
    return f" + {line.unknown} unknown" if line.unknown else ""


def _hours(hours: Decimal) -> str:
    return f"{hours:,.1f}"


def _percent(error: Decimal | None) -> str:
    return f"{error * 100:+.0f}%" if error is not None else "-"


def _small(amount: Decimal | None) -> str:
    """A step may cost a fraction of a cent."""
    return f"${amount:.6f}" if amount is not None else "-"


def _document(by: str, begin: datetime, now: datetime, found: Sequence[Line], everything: Line) -> dict[str, Any]:
    return {
        "currency": "USD",
        "since": times.to_key(begin),
        "until": times.to_key(now),
        "by": by,
        "total": _line(everything),
        "lines": [{"key": line.key, **_line(line)} for line in found],
    }


def _line(line: Line) -> dict[str, Any]:
    error = line.forecast_error
    return {
        "runs": line.runs,
        "open": line.open,
        "spent_usd": f"{line.usd:.2f}",
        "without_price": line.unknown,
        "forecast_usd": f"{line.forecast_usd:.2f}" if line.forecast_usd else None,
        "actual_of_forecast_usd": f"{line.forecast_actual_usd:.2f}" if line.forecast_usd else None,
        "forecast_error": f"{error:.4f}" if error is not None else None,
        "gpu_hours": f"{line.gpu_hours:.2f}",
        "saved_by_spot_usd": f"{line.saved_by_spot_usd:.2f}",
        "failed_or_stopped_usd": f"{line.wasted_usd:.2f}",
        "usd_per_step": _exact(line.usd_per_step),
        "usd_per_epoch": _exact(line.usd_per_epoch),
    }


def _exact(amount: Decimal | None) -> str | None:
    return format(amount.normalize(), "f") if amount is not None else None
