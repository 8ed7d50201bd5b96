"""CloudWatch's alarms, as far as the template's use them: what each says at a moment, over the lines functions printed.

Covered: the statistics Sum, Average, Minimum, Maximum and SampleCount; periods that are aligned to their own length; M
of N datapoints; the four comparisons with a threshold; the four ways to treat missing data; `SUM([m0, m1, ...])` over
metrics, in which a metric without data counts for nothing; `FILL(m0, 0)`, which leaves nothing missing. Not covered:
the few datapoints more than N that CloudWatch looks back for where some are missing (so an alarm that is to ring for
missing data must fill it), percentiles, anomaly bands, metrics of other accounts, any other expression.
What it does not know it refuses, so that no alarm passes for not being understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

Watched = tuple[str, str, str]
"""Namespace, metric, dimensions as one text."""

_STATISTICS: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "Sum": sum,
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
    "SampleCount": lambda values: float(len(values)),
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}
_FILLED: Final = re.compile(r"FILL\((m\d+), (\d+)\)")
_SUM: Final = re.compile(r"SUM\(\[(m\d+(?:, m\d+)*)\]\)")


@dataclass
class Metrics:
    """What CloudWatch holds: datapoints by metric."""

    points: dict[Watched, list[tuple[datetime, float]]] = field(default_factory=dict)

    def put(self, watched: Watched, at: datetime, value: float) -> None:
        self.points.setdefault(watched, []).append((at, value))

    def take(self, printed: str) -> None:
        """What the embedded-metric lines among those that a function printed stand for."""
        for text in printed.splitlines():
            line = json.loads(text) if text.startswith("{") else {}
            for group in line.get("_aws", {}).get("CloudWatchMetrics", []):
                at = datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000).astimezone()
                for keys in group["Dimensions"]:
                    dimensions = dimensions_text({key: line[key] for key in keys})
                    for metric in group["Metrics"]:
                        values = line[metric["Name"]]
                        for value in values if isinstance(values, list) else [values]:
                            self.put((group["Namespace"], metric["Name"], dimensions), at, value)

    @property
    def own(self) -> set[Watched]:
        """Each is one metric on AWS's bill."""
        return set(self.points)


def dimensions_text(dimensions: Mapping[str, Any]) -> str:
    return json.dumps(dimensions, sort_keys=True)


def watched_by(properties: Mapping[str, Any]) -> list[Watched]:
    """The metrics of an alarm; AWS bills it by their number."""
    if "Metrics" not in properties:
        return [_watched(properties)]
    return [_watched(each["MetricStat"]["Metric"]) for each in properties["Metrics"] if "MetricStat" in each]


def state_of(properties: Mapping[str, Any], metrics: Metrics, at: datetime, before: str = "INSUFFICIENT_DATA") -> str:
    """OK, ALARM or INSUFFICIENT_DATA at the end of the last whole period before `at`."""
    period = timedelta(seconds=_period(properties))
    end = at - timedelta(seconds=at.timestamp() % period.total_seconds())
    count = properties["EvaluationPeriods"]
    needed = properties.get("DatapointsToAlarm", count)
    breaches, limit = _COMPARISONS[properties["ComparisonOperator"]], properties["Threshold"]
    found = [_datapoint(properties, metrics, end - period * (n + 1), end - period * n) for n in range(count)]
    missing = properties.get("TreatMissingData", "missing")
    if missing not in ("breaching", "notBreaching", "ignore", "missing"):
        raise ValueError(f"TreatMissingData {missing!r} is unknown")
    if missing == "breaching" and not any(
        "FILL" in each.get("Expression", "") for each in properties.get("Metrics", ())
    ):
        raise ValueError("missing data breaches later than after the evaluation periods, unless it is filled")
    if all(value is None for value in found) and missing in ("ignore", "missing"):
        return before if missing == "ignore" else "INSUFFICIENT_DATA"
    bad = sum(breaches(value, limit) if value is not None else missing == "breaching" for value in found)
    return "ALARM" if bad >= needed else "OK"


def _period(properties: Mapping[str, Any]) -> int:
    if "Period" in properties:
        return int(properties["Period"])
    (period,) = {each["MetricStat"]["Period"] for each in properties["Metrics"] if "MetricStat" in each}
    return int(period)


def _datapoint(properties: Mapping[str, Any], metrics: Metrics, begin: datetime, end: datetime) -> float | None:
    if "Metrics" not in properties:
        return _value(_watched(properties), properties["Statistic"], metrics, begin, end)
    values = {
        each["Id"]: _value(_watched(each["MetricStat"]["Metric"]), each["MetricStat"]["Stat"], metrics, begin, end)
        for each in properties["Metrics"]
        if "MetricStat" in each
    }
    (expression,) = [each["Expression"] for each in properties["Metrics"] if "Expression" in each]
    filled = _FILLED.fullmatch(expression)
    if filled is not None:
        value = values[filled[1]]
        return float(filled[2]) if value is None else value
    summed = _SUM.fullmatch(expression)
    if summed is None:
        raise ValueError(f"the expression {expression!r} is not one that this evaluator knows")
    known = [value for value in (values[name] for name in summed[1].split(", ")) if value is not None]
    return sum(known) if known else None


def _value(watched: Watched, statistic: str, metrics: Metrics, begin: datetime, end: datetime) -> float | None:
    values = [value for at, value in metrics.points.get(watched, []) if begin <= at < end]
    return _STATISTICS[statistic](values) if values else None


def _watched(of: Mapping[str, Any]) -> Watched:
    dimensions: Iterable[Mapping[str, Any]] = of.get("Dimensions", [])
    return of["Namespace"], of["MetricName"], dimensions_text({each["Name"]: each["Value"] for each in dimensions})
