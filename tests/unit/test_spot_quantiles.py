"""Spot prices over time: each counts for as long as it held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from costwatch.core.spot_quantiles import PriceChange, quantile

BEGINS = datetime(2026, 11, 1, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=10)
MEDIAN, NINE_TENTHS = Decimal("0.5"), Decimal("0.9")


def change(days: float, usd: str) -> PriceChange:
    """`days` after the window's beginning."""
    return PriceChange(BEGINS + timedelta(days=days), Decimal(usd))


def of(share: Decimal, *history: PriceChange) -> Decimal | None:
    return quantile(history, share, begins=BEGINS, ends=ENDS)


def test_a_price_counts_for_as_long_as_it_held_and_not_for_how_often_it_was_told() -> None:
    history = [change(0, "1"), *(change(9 + hour / 24, "5") for hour in range(12)), change(9.5, "1")]
    assert of(MEDIAN, *history) == 1
    assert of(Decimal("0.96"), *history) == 5


def test_the_price_of_before_the_window_holds_from_its_beginning_on() -> None:
    assert of(MEDIAN, change(-30, "3"), change(8, "9")) == 3
    assert of(NINE_TENTHS, change(-30, "3"), change(8, "9")) == 9


def test_a_price_that_held_for_exactly_nine_tenths_is_the_quantile_and_a_second_less_is_not() -> None:
    second = timedelta(seconds=1)
    dear = change(9, "9")
    assert of(NINE_TENTHS, change(0, "3"), dear) == 3
    assert of(NINE_TENTHS, change(0, "3"), PriceChange(dear.at - second, dear.usd)) == 9


def test_what_changed_at_the_end_is_not_looked_at_and_a_second_before_it_is() -> None:
    share = Decimal(1)
    assert of(share, change(0, "3"), PriceChange(ENDS, Decimal(9))) == 3
    assert of(share, change(0, "3"), PriceChange(ENDS - timedelta(seconds=1), Decimal(9))) == 9


def test_time_before_the_first_known_price_counts_for_nobody() -> None:
    assert of(NINE_TENTHS, change(9, "4")) == 4


def test_the_order_in_which_changes_are_told_does_not_matter() -> None:
    history = [change(0, "2"), change(3, "7"), change(5, "4")]
    assert of(MEDIAN, *history) == of(MEDIAN, *reversed(history)) == 4


def test_nothing_known_is_unknown() -> None:
    assert of(MEDIAN) is None
    assert of(MEDIAN, PriceChange(ENDS, Decimal(4))) is None
