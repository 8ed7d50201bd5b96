"""What the functions print for CloudWatch: few metrics, one dimension (the service)."""

from __future__ import annotations

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from costwatch import names
from costwatch.procedures.report import SweepReport


def count_sweep(report: SweepReport, service: str) -> None:
    """One embedded-metric line per sweep. Its absence is what the missed-sweep alarm breaches on."""
    _print(
        service,
        {
            names.METRIC_SWEEP_COMPLETED: 1,
            names.METRIC_SWEEP_FAILURES: len(report.failures),
            names.METRIC_RUNS_WATCHED: report.watched,
            names.METRIC_RUNS_STOPPED: report.stopped,
            names.METRIC_RUNS_HELD: report.held,
            names.METRIC_RUNS_CAME_BACK: report.came_back,
            names.METRIC_NOTICES_UNDELIVERED: report.undelivered,
        },
    )


def count_came_back(report: SweepReport, service: str) -> None:
    """Only when something did: hints are many."""
    if report.came_back:
        _print(service, {names.METRIC_RUNS_CAME_BACK: report.came_back})


def count_refused(service: str, count: int = 1) -> None:
    _print(service, {names.METRIC_EVENTS_REFUSED: count})


def _print(service: str, values: dict[str, int]) -> None:
    metrics = EphemeralMetrics(namespace=names.METRIC_NAMESPACE, service=service)
    for name, value in values.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
