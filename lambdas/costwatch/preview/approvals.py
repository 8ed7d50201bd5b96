"""How often somebody would have been asked, at which threshold, and how many dollars that covers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core.prices import PriceTable
from costwatch.preview.history import PastRun, forecast_usd, is_schedule, known_total

THRESHOLDS_USD: Final = tuple(Decimal(each) for each in (50, 100, 250, 500, 1000))
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Runs strictly above `above_usd` over the whole time, and their dollars."""

    above_usd: Decimal
    by_forecast: int
    forecast_usd: Decimal
    by_actual: int
    actual_usd: Decimal


@dataclass(frozen=True, slots=True)
class Approvals:
    """`asked`: runs that could have been asked about: not prepaid, created in the time that is looked at."""

    weeks: Decimal
    asked: int
    thresholds: tuple[Threshold, ...]
    forecast_unknown: int
    actual_unknown: int
    running: int
    """Not over yet: they have a forecast and no actual."""
    prepaid: int

    def a_week(self, number: int | Decimal) -> Decimal:
        return Decimal(number) / self.weeks


def approvals(runs: Iterable[PastRun], prices: PriceTable, *, since: datetime, now: datetime) -> Approvals:
    """Count them. Children are never asked about, nor what a schedule starts, nor what was created before `since`."""
    new = [each for each in runs if each.created is not None and each.created >= since and not is_schedule(each)]
    asked = [each for each in new if not each.prepaid]
    forecasts = [forecast_usd(each.head.job, prices) if each.head is not None else None for each in asked]
    over = [each for each in asked if each.is_over]
    actuals = [each.usd for each in over]
    return Approvals(
        weeks=weeks_of(now - since),
        asked=len(asked),
        thresholds=tuple(_threshold(above, forecasts, actuals) for above in THRESHOLDS_USD),
        forecast_unknown=known_total(forecasts)[1],
        actual_unknown=known_total(actuals)[1],
        running=len(asked) - len(over),
        prepaid=len(new) - len(asked),
    )


def weeks_of(duration: timedelta) -> Decimal:
    """As a number, not rounded."""
    second = timedelta(seconds=1)
    return Decimal(duration // second) / (_WEEK // second)


def _threshold(above_usd: Decimal, forecasts: Sequence[Decimal | None], actuals: Sequence[Decimal | None]) -> Threshold:
    forecast = [usd for usd in forecasts if usd is not None and usd > above_usd]
    actual = [usd for usd in actuals if usd is not None and usd > above_usd]
    return Threshold(above_usd, len(forecast), sum(forecast, Decimal(0)), len(actual), sum(actual, Decimal(0)))
