"""How much better a candidate is than what serves, on which data, and how much of that may be chance. Pure.

Metrics are Decimals made from the text of what was measured, so that 0.914 - 0.912 is 0.002. Gains are positive where
the candidate is better, whichever way the metric goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Final

from costwatch.core.res_policy import Direction, GainKind
from costwatch.errors import InputError

FEWEST_DIFFERENCES: Final = 2
_ZERO: Final = Decimal(0)
_LARGEST: Final = Decimal("1e15")
_SMALLEST: Final = Decimal("1e-100")
_UP, _DOWN = Context(rounding=ROUND_CEILING), Context(rounding=ROUND_FLOOR)
_SHARES: Final = frozenset(
    {"accuracy", "acc", "top1_accuracy", "top5_accuracy", "error_rate", "misclassification_rate", "error"}
)
"""Metrics that are the share of examples of one kind: the number of examples tells how far chance moves them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric as somebody measured it. `standard_error`: of the value; `sample_size`: examples it was measured on.

    `problem`: what is wrong where it is no finite number, as a sentence: then the value is NaN, and only who asks for
    this metric hears of it.
    """

    value: Decimal
    standard_error: Decimal | None = None
    sample_size: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """What a model was measured on: where it lies, and the content's ETag (or a digest of several)."""

    uri: str
    etag: str


@dataclass(frozen=True, slots=True)
class Content:
    """What lies at an S3 URI now: its ETag (or a digest of several), and when any of it was written last, aware UTC."""

    etag: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is known of one model's quality. `data` None: nobody says what it was measured on.

    `readings`: by name, of a slice as `recall@country=DE`. `source`: for people, such as `the package's ModelMetrics`.
    """

    readings: Mapping[str, Reading] = field(default_factory=dict)
    data: EvaluationData | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard error of a gain, in the gain's own unit, and what tells it.

    `examples`: of two shares, whose error moves with their values; None: it is the same whatever the metric is.
    """

    standard_error: Decimal
    basis: str
    examples: int | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """`amount` in the metric's unit, or as a share of the baseline's value. `noise` None: nothing tells it."""

    amount: Decimal
    kind: GainKind
    candidate: Decimal
    baseline: Decimal
    direction: Direction
    noise: Noise | None = None

    @property
    def standard_errors(self) -> Decimal | None:
        """How many of them the gain is; None: not known, or there is no noise at all."""
        if self.noise is None or not self.noise.standard_error:
            return None
        return self.amount / self.noise.standard_error

    def metric_at(self, amount: Decimal) -> Decimal:
        """The metric's value at which the gain would be `amount`; what has no end is rounded to the better side."""
        step = _UP.multiply(amount, abs(self.baseline)) if self.kind is GainKind.RELATIVE else amount
        if self.direction is Direction.MAXIMIZE:
            return _UP.add(self.baseline, step)
        return _DOWN.subtract(self.baseline, step)


def finite(value: object, what: str) -> Decimal:
    """A metric, or an error of one, as a Decimal. `what`: its name in the sentence. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InputError(f"{what} is {type(value).__name__}, expected a number")
    try:
        # By way of its text: the shortest that means this float, and not the binary fraction behind it.
        number = Decimal(str(value).strip())
    except ArithmeticError:
        raise InputError(f"{what} is {str(value)[:40]!r}, expected a number") from None
    if not number.is_finite():
        raise InputError(f"{what} is {str(value)[:40]}, expected a finite number")
    if abs(number) >= _LARGEST:
        raise InputError(f"{what} is {str(value)[:40]}, which no metric is: expected less than {_LARGEST:.0e}")
    if number and abs(number) < _SMALLEST:
        raise InputError(f"{what} is {str(value)[:40]}, which no metric is: expected 0, or at least {_SMALLEST:.0e}")
    return number


def checked(reading: Reading, what: str) -> Reading:
    """A reading whose numbers can be reckoned with. Raises InputError."""
    finite(reading.value, what)
    if reading.standard_error is not None and finite(reading.standard_error, f"the standard error of {what}") < 0:
        raise InputError(f"the standard error of {what} is {reading.standard_error}, expected 0 or more")
    if reading.sample_size is not None and reading.sample_size < 1:
        raise InputError(f"the sample size of {what} is {reading.sample_size}, expected 1 or more")
    return reading


def reading(value: object, name: str, where: str) -> Reading:
    """A metric as it stands in `where`; one that is no finite number has a problem, and nothing is raised."""
    try:
        return Reading(finite(value, name))
    except InputError as error:
        return Reading(Decimal("NaN"), problem=f"{error} in {where}")


def gain(candidate: Decimal, baseline: Decimal, direction: Direction, kind: GainKind) -> Gain:
    """Candidate against baseline. Raises InputError for a relative gain over a baseline of zero."""
    better = candidate - baseline if direction is Direction.MAXIMIZE else baseline - candidate
    if kind is GainKind.ABSOLUTE:
        return Gain(better, kind, candidate, baseline, direction)
    if not baseline:
        raise InputError("the baseline is 0, and no gain is a share of nothing: use an absolute gain")
    return Gain(better / abs(baseline), kind, candidate, baseline, direction)


def given(standard_error: Decimal, found: Gain) -> Noise:
    """A standard error of the difference, in the metric's own unit. Raises InputError for a negative one."""
    if finite(standard_error, "the standard error") < 0:
        raise InputError(f"the standard error is {standard_error}, expected 0 or more")
    return Noise(_in_unit(standard_error, found), "the standard error of the difference")


def paired(differences: Sequence[Decimal], found: Gain) -> Noise:
    """From candidate minus baseline of each example: their standard deviation over the root of their number.

    Raises InputError for fewer than two, or where their mean is not the difference of the two metrics (to 1% of it,
    or of their standard error): they are of something else.
    """
    n = len(differences)
    if n < FEWEST_DIFFERENCES:
        raise InputError(f"there is {n} paired difference, expected at least {FEWEST_DIFFERENCES}")
    for number, each in enumerate(differences, 1):
        finite(each, f"paired difference {number}")
    mean = sum(differences, _ZERO) / n
    variance = sum(((each - mean) ** 2 for each in differences), _ZERO) / (n - 1)
    error = (variance / n).sqrt()
    stated = found.candidate - found.baseline
    if abs(mean - stated) > max(abs(stated) / 100, error):
        raise InputError(
            f"the paired differences have a mean of {mean:.6g}, and the metrics differ by {stated:.6g}: "
            "expected candidate minus baseline for each example of the same metric"
        )
    return Noise(_in_unit(error, found), f"{n:,} paired differences")


def of_readings(candidate: Reading, baseline: Reading, metric: str, found: Gain) -> Noise | None:
    """From what each model's own reading tells; None: nothing does.

    Both are taken as measured apart, which on the same examples overstates the noise and never understates it.
    """
    if candidate.standard_error is not None and baseline.standard_error is not None:
        error = (candidate.standard_error**2 + baseline.standard_error**2).sqrt()
        return Noise(_in_unit(error, found), "both models' standard errors")
    sizes = [size for size in (candidate.sample_size, baseline.sample_size) if size is not None]
    if candidate.sample_size is None or not is_share(metric):
        return None
    return of_shares(min(sizes), metric, found)


def of_shares(sample_size: int, metric: str, found: Gain) -> Noise:
    """Of two shares of `sample_size` examples: sqrt(p(1-p)/n) for each, added as variances.

    Raises InputError for a metric that is no share of examples, and for values outside 0 to 1.
    """
    if not is_share(metric):
        raise InputError(
            f"a sample size tells nothing about the noise of {metric}: expected an accuracy-like metric, "
            "a standard error or paired differences"
        )
    if sample_size < 1:
        raise InputError(f"the sample size is {sample_size}, expected 1 or more")
    values = found.candidate, found.baseline
    if not all(0 <= each <= 1 for each in values):
        raise InputError(f"{metric} is {values[0]} and {values[1]}, expected shares from 0 to 1 with a sample size")
    variance = sum((each * (1 - each) / sample_size for each in values), _ZERO)
    return Noise(_in_unit(variance.sqrt(), found), f"two shares of {sample_size:,} examples", sample_size)


def least_beyond_chance(found: Gain, standard_errors: Decimal) -> Decimal:
    """The gain that is exactly `standard_errors` of its noise, in the gain's unit.

    Of two shares the noise moves with the metric, so with b the baseline, q = b + g or b - g and k standard errors the
    gain g solves g^2 n = k^2 (b(1-b) + q(1-q)). Without any noise: 0.
    """
    noise = found.noise
    if noise is None:
        return _ZERO
    if noise.examples is None:
        return noise.standard_error * standard_errors
    squared, b = standard_errors**2, found.baseline
    slope = squared * (1 - 2 * b) * (1 if found.direction is Direction.MAXIMIZE else -1)
    both = noise.examples + squared
    root = (slope**2 + 8 * squared * b * (1 - b) * both).sqrt()
    return _in_unit((slope + root) / (2 * both), found)


def is_share(metric: str) -> bool:
    """`validation:accuracy`, `top5_accuracy`, `error_rate`: not AUC, F1 or a loss."""
    plain = metric.partition("@")[0].replace("/", ":").rpartition(":")[2].lower().replace("-", "_")
    for prefix in ("validation_", "valid_", "val_", "test_", "eval_"):
        plain = plain.removeprefix(prefix)
    return plain in _SHARES


def _in_unit(error: Decimal, found: Gain) -> Decimal:
    return error / abs(found.baseline) if found.kind is GainKind.RELATIVE else error
