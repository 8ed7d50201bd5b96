"""What the functions print for CloudWatch: few metrics, one dimension (the service)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from costwatch import names
from costwatch.core.price_book import hours
from costwatch.procedures.report import SweepReport
from costwatch.procedures.res_report import ResReport

if TYPE_CHECKING:
    from costwatch.procedures.refresh_prices import PriceReport


def count_sweep(report: SweepReport, service: str, price_book_age: timedelta | None) -> None:
    """One embedded-metric line per sweep. Its absence is what the missed-sweep alarm breaches on.

    `BurnUsdPerHour` is of what this sweep judged and has a price. The age of the price book stands in it too: a refresh
    that never runs prints nothing of its own.
    """
    values: dict[str, float] = {
        names.METRIC_SWEEP_COMPLETED: 1,
        names.METRIC_SWEEP_FAILURES: len(report.failures),
        names.METRIC_RUNS_WATCHED: report.watched,
        names.METRIC_RUNS_STOPPED: report.stopped,
        names.METRIC_RUNS_HELD: report.held,
        names.METRIC_RUNS_CAME_BACK: report.came_back,
        names.METRIC_NOTICES_UNDELIVERED: report.undelivered,
        names.METRIC_BURN: float(report.burn_usd),
    }
    if price_book_age is not None:
        values[names.METRIC_PRICE_BOOK_AGE] = hours(price_book_age)
    _print(service, values)


def count_came_back(report: SweepReport, service: str) -> None:
    """Only when something did: hints are many."""
    if report.came_back:
        _print(service, {names.METRIC_RUNS_CAME_BACK: report.came_back})


def count_prices(report: PriceReport, service: str) -> None:
    """After every refresh, also after one that could read nothing."""
    if report.age is not None:
        _print(service, {names.METRIC_PRICE_BOOK_AGE: hours(report.age)})


def count_judged(report: ResReport, service: str, *, swept: bool) -> None:
    """One line per sweep, whose absence alarms; after an event only where something could not be done."""
    values: dict[str, float] = {
        names.METRIC_SWEEP_FAILURES: len(report.failures),
        names.METRIC_REGISTRY_NOT_WRITTEN: report.not_written,
        names.METRIC_HANDS_NOT_RESTORED: report.hands_not_restored,
        names.METRIC_NOTICES_UNDELIVERED: report.undelivered,
    }
    if swept:
        values[names.METRIC_SWEEP_COMPLETED] = 1
    if swept or any(values.values()):
        _print(service, values)


def count_refused(service: str, count: int = 1) -> None:
    _print(service, {names.METRIC_EVENTS_REFUSED: count})


def _print(service: str, values: Mapping[str, float]) -> None:
    metrics = EphemeralMetrics(namespace=names.METRIC_NAMESPACE, service=service)
    for name, value in values.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
