"""What an evaluation wrote about a model, as metrics by name. Pure: the parsed JSON goes in.

Three shapes, which may stand together:

    {"regression_metrics": {"mse": {"value": 4.9, "standard_deviation": 0.02}}}      SageMaker's; any name in `_metrics`
    {"slices": {"country=DE": {"recall": {"value": 0.81}}}}                          ours: the metric recall@country=DE
    {"dataset": {"item_count": 20000}}                                               how many examples, as Model Monitor

A metric may also name its `sample_size` and its `standard_error`. `standard_deviation` is not that: Model Monitor draws
80% of the examples five times and takes the deviation of the five results, which of draws without replacement is half
the standard error (sqrt((1 - 0.8) / 0.8)); it is doubled here. In reports of other makers it may mean anything (the
widely copied evaluation script of SageMaker's abalone example writes the spread of the residuals), so it counts only
beside Model Monitor's `dataset.item_count`. Curves and matrices are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from costwatch.core import gains
from costwatch.core.gains import Reading
from costwatch.errors import InputError

_GROUP: Final = "_metrics"
_COUNTS: Final = ("sample_size", "item_count")
_TO_STANDARD_ERROR: Final = Decimal(2)
_SHAPE: Final = 'expected an object such as {"regression_metrics": {"mse": {"value": 4.9}}}'
_MOST_EXAMPLES: Final = Decimal("1e15")
_NAN: Final = Decimal("NaN")

Body = Mapping[str, Any]


def readings(document: object, where: str) -> dict[str, Reading]:
    """Metrics by name, of a slice as `recall@country=DE`. One that is no finite number has its problem with it.

    Raises InputError for a document of another shape, and for one without any metric.
    """
    if not isinstance(document, Mapping):
        raise InputError(f"{where} is {kind_of(document)}, {_SHAPE}")
    dataset = document.get("dataset")
    by_monitor = isinstance(dataset, Mapping) and "item_count" in dataset
    shared = dataset if isinstance(dataset, Mapping) and by_monitor else document
    found: dict[str, Reading] = {}
    for group, metrics in document.items():
        if not group.endswith(_GROUP):
            continue
        if not isinstance(metrics, Mapping):
            raise InputError(f"{group} in {where} is {kind_of(metrics)}, {_SHAPE}")
        for name, reading in _group(metrics, shared, where, by_monitor=by_monitor):
            found[name] = reading if name not in found else _agreed(found[name], reading, name, where)
    for name, reading in _slices(document.get("slices", {}), where):
        found[name] = reading if name not in found else _agreed(found[name], reading, name, where)
    if not found:
        raise InputError(f"{where} has no metric, {_SHAPE}")
    return found


def _slices(slices: object, where: str) -> Iterator[tuple[str, Reading]]:
    if not isinstance(slices, Mapping):
        raise InputError(f'slices in {where} is {kind_of(slices)}, expected {{"country=DE": {{"recall": ...}}}}')
    for part, metrics in slices.items():
        if not isinstance(metrics, Mapping):
            raise InputError(f"slice {part} in {where} is {kind_of(metrics)}, expected its metrics by name")
        yield from _group(metrics, metrics, where, part=f"@{part}")


def _group(
    metrics: Body, shared: Body, where: str, *, part: str = "", by_monitor: bool = False
) -> Iterator[tuple[str, Reading]]:
    for name, told in metrics.items():
        entry = told if isinstance(told, Mapping) else {"value": told}
        if not name or name in _COUNTS or "value" not in entry or isinstance(entry["value"], list | Mapping):
            continue  # nobody can ask for it, or it is a count, a curve or a matrix
        yield f"{name}{part}", _reading(entry, shared, f"{name}{part}", where, by_monitor=by_monitor)


def _reading(entry: Body, shared: Body, name: str, where: str, *, by_monitor: bool) -> Reading:
    value = entry["value"]
    if isinstance(value, str | bool | None) and not _is_not_finite(value):
        said = f"the text {value[:40]!r}" if isinstance(value, str) else kind_of(value)
        return Reading(_NAN, problem=f"{name} is {said}, expected a finite number in {where}")
    found = gains.reading(value, name, where)
    if found.problem:
        return found
    try:
        return replace(
            found, standard_error=_standard_error(entry, name, by_monitor=by_monitor), sample_size=_count(entry, shared)
        )
    except InputError as error:
        return Reading(_NAN, problem=f"{error} for {name} in {where}")


def _standard_error(entry: Body, name: str, *, by_monitor: bool) -> Decimal | None:
    """None where nothing tells it: `NaN` is what Model Monitor writes of fewer than 200 examples."""
    said, factor = entry.get("standard_error"), Decimal(1)
    if said is None and by_monitor:
        said, factor = entry.get("standard_deviation"), _TO_STANDARD_ERROR
    if said is None or _is_not_finite(said):
        return None
    error = gains.finite(said, "the standard error")
    if error < 0:
        raise InputError(f"the standard error is {error}, expected 0 or more")
    return error * factor or None


def _count(entry: Body, shared: Body) -> int | None:
    said = next((each[key] for each in (entry, shared) for key in _COUNTS if each.get(key) is not None), None)
    if said is None:
        return None
    number = Decimal(said) if isinstance(said, int | Decimal) and not isinstance(said, bool) else _NAN
    if not number.is_finite() or not 1 <= number < _MOST_EXAMPLES or number % 1:
        raise InputError(f"the sample size is {str(said)[:40]}, expected a whole number from 1")
    return int(number)


def _agreed(before: Reading, now: Reading, name: str, where: str) -> Reading:
    """A metric that is told twice, by two groups or by `recall@10` and a slice 10: the same, or nobody knows which."""
    if before.problem or now.problem or before.value == now.value:
        return before if before.problem or not now.problem else now
    return Reading(_NAN, problem=f"{name} is {before.value} and {now.value}, expected one of the two in {where}")


def _is_not_finite(said: object) -> bool:
    return str(said).strip().lower().lstrip("+-") in ("nan", "inf", "infinity")


def kind_of(value: object) -> str:
    """What JSON value it is, for a sentence."""
    return {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )
