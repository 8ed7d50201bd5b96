"""The values that the `res` section of costwatch.yaml may hold. Typed, or a ValueError that says why."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator

from costwatch.config.fields import decimal, shown, text, word
from costwatch.core.res_policy import Direction, GainKind, WhenTooDear

_MODEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_METRIC = re.compile(r"[A-Za-z0-9_.:/ -]{1,120}")
_SLICE = re.compile(r"[^\s@]{1,80}")
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LARGEST = Decimal(10) ** 9
_SMALLEST = Decimal("1e-9")


def model_name(value: object) -> str:
    """A model's name, or a model package group's: SageMaker allows letters, digits and dashes, up to 63."""
    written = text(value, "a model's name")
    if not _MODEL.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a name of letters, digits and dashes, up to 63 characters")
    return written


def metric(value: object) -> str:
    """A metric as it is named in the job's final metrics, or in the JSON of the package's model quality."""
    written = text(value, "a metric's name")
    if not _METRIC.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a metric's name such as auc or validation:auc")
    return written


def metric_slice(value: object) -> str:
    """A slice as the metrics' JSON names it."""
    written = text(value, "a slice's name")
    if not _SLICE.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a slice such as country=DE (no spaces, no @)")
    return written


def channel(value: object) -> str:
    """An input channel of a training job."""
    written = text(value, "a channel's name")
    if not _CHANNEL.fullmatch(written):
        raise ValueError(f"{shown(value)} is not an input channel of a training job such as validation")
    return written


def amount(value: object) -> Decimal:
    """A positive number in a metric's unit: 0.01, or "1e-4"."""
    expected = f"a number above 0, from {_SMALLEST:.0e} to {_LARGEST:,}, such as 0.01"
    written = decimal(value, expected)
    if not _SMALLEST <= written <= _LARGEST:
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def tolerance(value: object) -> Decimal:
    """The same, or 0: no worse at all."""
    expected = f"a number of 0 or more, up to {_LARGEST:,}, such as 0.01"
    written = decimal(value, expected)
    if not 0 <= written <= _LARGEST:
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def bound(value: object) -> Decimal:
    """A metric's value; it may be negative."""
    written = decimal(value, "a number, such as 0.8")
    if abs(written) > _LARGEST:
        raise ValueError(f"{shown(value)} is not a number that a metric could be")
    return written


def min_score(value: object) -> Decimal:
    """Of the bounded score: from 0, below 1, which no gain reaches. 0.5 is break-even."""
    expected = "a score from 0 to 0.99, such as 0.5 for break-even"
    written = decimal(value, expected)
    if not 0 <= written <= Decimal("0.99"):
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


def standard_errors(value: object) -> Decimal:
    """How many standard errors a gain must be at least: from 0 to 10."""
    expected = "a number of standard errors from 0 to 10, such as 2"
    written = decimal(value, expected)
    if not 0 <= written <= 10:
        raise ValueError(f"{shown(value)} is not {expected}")
    return written


ModelName = Annotated[str, PlainValidator(model_name)]
Metric = Annotated[str, PlainValidator(metric)]
Slice = Annotated[str, PlainValidator(metric_slice)]
Channel = Annotated[str, PlainValidator(channel)]
Amount = Annotated[Decimal, PlainValidator(amount)]
Tolerance = Annotated[Decimal, PlainValidator(tolerance)]
Bound = Annotated[Decimal, PlainValidator(bound)]
MinScore = Annotated[Decimal, PlainValidator(min_score)]
StandardErrors = Annotated[Decimal, PlainValidator(standard_errors)]
DirectionWord = Annotated[Direction, PlainValidator(lambda value: word(value, Direction))]
GainWord = Annotated[GainKind, PlainValidator(lambda value: word(value, GainKind))]
TooDearWord = Annotated[WhenTooDear, PlainValidator(lambda value: word(value, WhenTooDear))]
