"""What a whole request will cost: one job, or a pipeline with all its steps. Pure.

A part of which nobody knows what it costs makes every sum unknown; one that runs no instances adds nothing and is
there to be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from costwatch.core.estimator import Confidence, Estimate, JobSpec, estimate, weakest
from costwatch.core.families import PastRun
from costwatch.core.prices import PriceTable
from costwatch.errors import InputError

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Part:
    """A job, or a step of a pipeline. Without `choices` and `unpriced` it runs no instances."""

    name: str
    kind: str
    """`Training`, or whatever the step's type is."""
    choices: tuple[JobSpec, ...] = ()
    """What it may turn out to be: exactly one of them runs, and the dearest is taken."""
    notes: tuple[str, ...] = ()
    """What one must know to read the dollars, a clause each."""
    unpriced: str = ""
    """Why nobody can say what it costs, as a clause."""
    image: str = ""
    """The container image, empty where none is named: it belongs to the family of a run."""


@dataclass(frozen=True, slots=True)
class PricedPart:
    """`estimate` None: it runs no instances, or nobody knows what it costs (see `part.unpriced`)."""

    part: Part
    estimate: Estimate | None

    @property
    def is_unknown(self) -> bool:
        return bool(self.part.unpriced)

    @property
    def hourly_usd(self) -> Decimal | None:
        return self._sum(self.estimate.hourly_usd if self.estimate is not None else _ZERO)

    @property
    def expected_usd(self) -> Decimal | None:
        return self._sum(self.estimate.expected_usd if self.estimate is not None else _ZERO)

    @property
    def p90_usd(self) -> Decimal | None:
        return self._sum(self.estimate.p90_usd if self.estimate is not None else _ZERO)

    @property
    def worst_case_usd(self) -> Decimal | None:
        return self._sum(self.estimate.worst_case_usd if self.estimate is not None else _ZERO)

    @property
    def gpu_hours(self) -> Decimal | None:
        return self._sum(self.estimate.gpu_hours if self.estimate is not None else _ZERO)

    def _sum(self, amount: Decimal | None) -> Decimal | None:
        return None if self.is_unknown else amount


@dataclass(frozen=True, slots=True)
class Quote:
    """Sums over all parts, USD; None: unknown. `hourly_usd`: if all of them ran at once."""

    parts: tuple[PricedPart, ...]
    hourly_usd: Decimal | None
    expected_usd: Decimal | None
    p90_usd: Decimal | None
    """The sum of each part's: no more than that in nine of ten, and most likely less."""
    worst_case_usd: Decimal | None
    gpu_hours: Decimal | None
    confidence: Confidence
    price_as_of: date | None
    list_value_usd: Decimal | None
    """Of prepaid capacity, expected, at list price; None: nothing is prepaid, or it is unknown."""
    unpriced: tuple[str, ...]
    """What has no known price: a type with its region, or a step with the reason."""
    notes: tuple[str, ...]


def quote(parts: Sequence[Part], prices: PriceTable, past: Callable[[Part], Sequence[PastRun]] = lambda _: ()) -> Quote:
    """Price all `parts`. `past`: earlier runs of a part's family.

    Raises InputError that names the part, where there are several, and the field that is wrong.
    """
    priced = tuple(_priced(part, prices, past(part), named=len(parts) > 1) for part in parts)
    made = [each.estimate for each in priced if each.estimate is not None]
    values = [each.list_value_usd for each in made if each.confidence is Confidence.PREPAID]
    unknown = any(each.is_unknown for each in priced)
    return Quote(
        parts=priced,
        hourly_usd=_total(each.hourly_usd for each in priced),
        expected_usd=_total(each.expected_usd for each in priced),
        p90_usd=_total(each.p90_usd for each in priced),
        worst_case_usd=_total(each.worst_case_usd for each in priced),
        gpu_hours=_total(each.gpu_hours for each in priced),
        # Where no instance runs at all no price is in it that could be wrong.
        confidence=Confidence.UNKNOWN if unknown else weakest((each.confidence for each in made), Confidence.LIST),
        price_as_of=min((each.price_as_of for each in made if each.price_as_of is not None), default=None),
        list_value_usd=_total(values) if values else None,
        unpriced=tuple(dict.fromkeys(text for each in priced for text in _unpriced(each))),
        notes=tuple(dict.fromkeys(note for each in priced for note in _notes(each, named=len(parts) > 1))),
    )


def _priced(part: Part, prices: PriceTable, past: Sequence[PastRun], *, named: bool) -> PricedPart:
    if not part.choices or part.unpriced:
        return PricedPart(part, None)
    try:
        made = [estimate(spec, prices, past) for spec in part.choices]
    except InputError as error:
        if not named:
            raise
        raise InputError(f"{part.name}: {error}") from error
    return PricedPart(part, max(made, key=_dearness))


def _dearness(made: Estimate) -> tuple[bool, Decimal, Decimal]:
    """What nobody can price may be the dearest, so it is."""
    unknown = made.worst_case_usd is None or made.p90_usd is None
    return unknown, made.worst_case_usd or _ZERO, made.list_value_usd or _ZERO


def _unpriced(priced: PricedPart) -> tuple[str, ...]:
    if priced.is_unknown:
        return (f"{priced.part.name}: {priced.part.unpriced}",)
    return priced.estimate.unpriced if priced.estimate is not None else ()


def _notes(priced: PricedPart, *, named: bool) -> Iterable[str]:
    own = (*priced.part.notes, *(priced.estimate.notes if priced.estimate is not None else ()))
    return (f"{priced.part.name}: {note}" for note in own) if named else own


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = _ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
