"""What the functions print for CloudWatch: four metrics of one dimension; what they are made of stands beside them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta

from costwatch import names
from costwatch.core.metric_line import metric_line
from costwatch.core.own_cost import OwnCost
from costwatch.core.price_book import hours
from costwatch.procedures.report import SweepReport
from costwatch.procedures.res_report import ResReport
from costwatch.topology import DEADMAN, HINTS, RES


def count_sweep(report: SweepReport, price_book_age: timedelta | None, own_cost: OwnCost) -> None:
    """One line per sweep. Its absence is what the alarm of missed sweeps breaches on.

    `BurnUsdPerHour` is of what this sweep judged and has a price, and of what it could not look at as it burned last.
    The age of the price book stands in it too: a refresh that never runs prints nothing of its own. What is held or has
    no price asks for attention when that is new: such a state may last for weeks, and an alarm that it keeps up would
    not ring for the next thing.
    """
    values = {
        names.METRIC_BURN: float(report.burn_usd),
        names.METRIC_OLDEST_CLAIM: report.oldest_claim / timedelta(minutes=1),
    }
    if price_book_age is not None:
        values[names.METRIC_PRICE_BOOK_AGE] = hours(price_book_age)
    attention = {
        "failures": len(report.failures),
        "held_anew": len(report.held_anew),
        "came_back": report.came_back,
        "unpriced_anew": len(report.unpriced_anew),
        "undelivered": report.undelivered,
    }
    _print(
        DEADMAN.name, "sweep", report.at, values, attention,
        watched=report.watched, stopped=report.stopped,
        held=report.held_for_good, would_stop=report.would_stop, would_hold=report.held - report.held_for_good,
        unpriced=report.unpriced,
        own_usd_a_month=float(round(own_cost.usd, 2)),
    )  # fmt: skip


def count_came_back(report: SweepReport) -> None:
    """Only when something did: hints are many."""
    if report.came_back:
        _print(HINTS.name, "came back", report.at, {}, {"came_back": report.came_back})


def count_judged(report: ResReport, *, swept: bool) -> None:
    """One line per sweep, whose absence alarms; after an event only where something could not be done."""
    attention = {
        "failures": len(report.failures),
        "not_written": report.not_written,
        "hands_not_restored": report.hands_not_restored,
        "undelivered": report.undelivered,
    }
    if swept:
        values = {names.METRIC_OLDEST_CLAIM: report.oldest_claim / timedelta(minutes=1)}
        _print(
            RES.name, "res sweep", report.at, values, attention, candidates=report.candidates, written=report.written
        )
    elif any(attention.values()):
        _print(RES.name, "res event", report.at, {}, attention)


def note_refused(function: str, at: datetime, count: int = 1) -> None:
    """No metric: what is refused lies in a queue whose depth alarms."""
    sys.stdout.write(metric_line(at, function, "refused", {}, refused=count) + "\n")


def _print(
    function: str,
    message: str,
    at: datetime,
    values: Mapping[str, float],
    attention: Mapping[str, int],
    **fields: object,
) -> None:
    counted = {names.METRIC_ATTENTION: float(sum(attention.values())), **values}
    sys.stdout.write(metric_line(at, function, message, counted, **attention, **fields) + "\n")
