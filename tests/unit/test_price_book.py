"""The price book: what is trusted in which order, what is merged, how old it is. Unknown is never zero."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.core.money import burn_rate
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.price_book import (
    PriceBook,
    PriceKind,
    TrustedPrices,
    book_of,
    empty_book,
    hours,
    is_stale,
    only_regions,
    with_failure,
    with_rates,
    with_spot,
)
from costwatch.core.prices import Rate, Trust, VolumeRate, VolumeUse
from tests.support.builders import member, run
from tests.support.prices import NoPrices

HOME = "us-east-1"
NOW = datetime(2026, 11, 14, 4, tzinfo=UTC)
DAY = timedelta(days=1)


class Seed(NoPrices):
    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return (
            Rate(Decimal("20"), date(2025, 11, 30), "seed") if instance_type in {"p4d.24xlarge", "g5.xlarge"} else None
        )

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        return VolumeRate(Decimal("0.14"), date(2026, 9, 1), "seed") if use is VolumeUse.TRAINING else None


def book(**rates: str) -> PriceBook:
    return with_rates(empty_book(NOW), PriceKind.EC2, HOME, {k.replace("_", "."): v for k, v in rates.items()}, NOW)


def trusted(of: PriceBook | None, now: datetime = NOW) -> TrustedPrices:
    return TrustedPrices(of, Seed(), now)


def ec2(of: PriceBook | None, instance_type: str = "p4d.24xlarge", now: datetime = NOW) -> tuple[str, Trust] | None:
    rate = trusted(of, now).ec2_hourly_rate(instance_type, HOME)
    return (str(rate.hourly_rate_usd), rate.trust) if rate is not None else None


# --- trust ---------------------------------------------------------------------------------------------------------


def test_the_book_goes_before_the_seed_and_the_seed_before_nothing() -> None:
    known = book(p4d_24xlarge="21.957642")
    assert ec2(known) == ("21.957642", Trust.FRESH)
    assert ec2(known, "g5.xlarge") == ("20", Trust.SEED)
    assert ec2(None) == ("20", Trust.SEED)
    assert ec2(known, "x9.large") is None


def test_a_price_of_three_days_ago_is_fresh_and_of_four_days_ago_is_stale_and_still_told() -> None:
    known = book(p4d_24xlarge="21.957642")
    assert ec2(known, now=NOW + 3 * DAY) == ("21.957642", Trust.FRESH)
    assert ec2(known, now=NOW + 4 * DAY) == ("21.957642", Trust.STALE)


def test_exactly_three_days_are_not_stale_and_the_future_is_not() -> None:
    day = date(2026, 11, 14)
    assert not is_stale(day, datetime(2026, 11, 17, 23, 59, 59, tzinfo=UTC))
    assert is_stale(day, datetime(2026, 11, 18, tzinfo=UTC))
    assert not is_stale(day, datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["0", "0.0000000000", "-1", "NaN", "Infinity", "free", None, 1.5, [], {}])
def test_what_is_no_positive_price_is_unknown_and_never_zero(text: Any) -> None:
    known = with_rates(empty_book(NOW), PriceKind.EC2, HOME, {"x9.large": text}, NOW)
    assert ec2(known, "x9.large") is None


@pytest.mark.parametrize("text", ["1e-9", "0.000000001", "10000000", "1e7"])
def test_the_least_and_the_most_that_something_can_cost_are_prices(text: str) -> None:
    known = with_rates(empty_book(NOW), PriceKind.EC2, HOME, {"x9.large": text}, NOW)
    assert known.price(PriceKind.EC2, HOME, "x9.large") == (Decimal(text), NOW.date())


@pytest.mark.parametrize("text", ["0.99e-9", "1e-400", "10000000.01", "1e400"])
def test_what_nothing_can_cost_is_unknown(text: str) -> None:
    known = with_rates(empty_book(NOW), PriceKind.EC2, HOME, {"x9.large": text}, NOW)
    assert ec2(known, "x9.large") is None
    spot = with_spot(empty_book(NOW), HOME, {"us-east-1a": {"x9.large": ("1", text)}}, days=14, now=NOW)
    assert spot.spot(HOME, "x9.large") is None


def altered(**parts: Any) -> PriceBook:
    """A book that somebody wrote parts of by hand."""
    return PriceBook({**empty_book(NOW).document, "spot_days": 14, **parts})


@pytest.mark.parametrize(
    "entry",
    [
        ["9.1"], [], ["9.1", "11.4", 14, 14], ["9.1", 11.4], [None, "11.4"], "91", "9.1", {"p50": "9.1"}, 5, None,
        ["9.1", "11.4", "many"], ["9.1", "11.4", None], ["9.1", "11.4", 0], ["9.1", "11.4", -3], [["9.1"], "11.4"],
    ],
)  # fmt: skip
def test_a_spot_price_that_cannot_be_read_is_unknown_and_the_others_and_list_prices_stay(entry: Any) -> None:
    types = {"g5.xlarge": entry, "p4d.24xlarge": ["9.1", "11.4"]}
    prices = trusted(altered(spot={HOME: {"2026-11-14": {"us-east-1a": types}}}))
    assert prices.spot_hourly_rate("g5.xlarge", HOME) is None
    assert prices.spot_hourly_rate("p4d.24xlarge", HOME) is not None
    burn = burn_rate(run(member(instance_type="g5.xlarge", purchase=PurchaseOption.SPOT)), prices)
    assert burn.hourly_rate_usd == 20


@pytest.mark.parametrize(
    "parts",
    [
        {"rates": {"ec2": {HOME: {"2026-11-14": ["x9.large"]}}}},
        {"rates": {"ec2": {HOME: {"2026-11-14": "x9.large"}}}},
        {"rates": {"ec2": {HOME: ["2026-11-14"]}}},
        {"rates": {"ec2": {HOME: {"yesterday": {"x9.large": "1"}}}}},
        {"rates": {"ec2": None}},
        {"rates": {"ec2-volume": {HOME: {"2026-11-14": {"gp3": ["0.08"]}}}}},
        {"spot": {HOME: {"2026-11-14": {"us-east-1a": ["x9.large"]}}}},
        {"spot": {HOME: {"2026-11-14": ["us-east-1a"]}}},
        {"spot": {HOME: ["2026-11-14"]}},
        {"spot": {HOME: {"yesterday": {"us-east-1a": {"x9.large": ["9.1", "11.4"]}}}}},
        {"spot": {HOME: {"2026-11-14": {"us-east-1a": {"x9.large": ["9.1", "11.4"]}}}}, "spot_days": "many"},
        {"spot": {HOME: {"2026-11-14": {"us-east-1a": {"x9.large": ["9.1", "11.4"]}}}}, "spot_days": None},
    ],
)
def test_a_part_of_another_shape_has_no_known_price_and_is_no_error(parts: Any) -> None:
    known = altered(**parts)
    prices = trusted(known)
    assert prices.ec2_hourly_rate("x9.large", HOME) is None
    assert prices.volume_rate(VolumeUse.EC2, "gp3", HOME) is None
    assert prices.spot_hourly_rate("x9.large", HOME) is None
    assert "p4d.24xlarge" not in known.types()


def test_a_kind_of_price_and_a_region_are_no_other() -> None:
    known = book(m5_large="0.096")
    prices = trusted(known)
    assert prices.ec2_hourly_rate("m5.large", "eu-west-1") is None
    assert prices.training_hourly_rate("m5.large", HOME) is None
    assert prices.processing_hourly_rate("m5.large", HOME) is None


def test_storage_is_priced_by_who_uses_it() -> None:
    known = with_rates(empty_book(NOW), PriceKind.PROCESSING_VOLUME, HOME, {"gp2": "0.10"}, NOW)
    prices = trusted(known)
    found = {use: prices.volume_rate(use, "gp2", HOME) for use in VolumeUse}
    processing, training = found[VolumeUse.PROCESSING], found[VolumeUse.TRAINING]
    assert processing is not None
    assert training is not None
    assert (processing.gb_month_usd, processing.trust) == (Decimal("0.10"), Trust.FRESH)
    assert (training.gb_month_usd, training.trust) == (Decimal("0.14"), Trust.SEED)
    assert found[VolumeUse.EC2] is None


def test_a_spot_price_is_that_of_its_zone_or_of_the_dearest_one() -> None:
    zones: dict[str, dict[str, Any]] = {
        "us-east-1a": {"g5.xlarge": ("0.4", "0.5")},
        "us-east-1b": {"g5.xlarge": ("0.3", "0.9", 2)},
    }
    known = with_spot(empty_book(NOW), HOME, zones, days=14, now=NOW)
    prices = trusted(known)
    own, dearest = prices.spot_hourly_rate("g5.xlarge", HOME, "us-east-1a"), prices.spot_hourly_rate("g5.xlarge", HOME)
    assert own is not None
    assert dearest is not None
    assert (own.p50_usd, own.p90_usd, own.days) == (Decimal("0.4"), Decimal("0.5"), 14)
    assert (dearest.zone, dearest.p90_usd, dearest.days) == ("us-east-1b", Decimal("0.9"), 2)
    assert prices.spot_hourly_rate("g5.xlarge", HOME, "us-east-1c") is None


def test_a_stale_spot_price_says_nothing_at_all() -> None:
    known = with_spot(empty_book(NOW), HOME, {"us-east-1a": {"g5.xlarge": ("0.4", "0.5")}}, days=14, now=NOW)
    assert trusted(known, NOW + 3 * DAY).spot_hourly_rate("g5.xlarge", HOME) is not None
    assert trusted(known, NOW + 4 * DAY).spot_hourly_rate("g5.xlarge", HOME) is None


def test_a_discount_of_the_type_goes_before_the_familys_and_that_before_the_services() -> None:
    every = {"ec2": Decimal("0.9"), "ec2:p4d": Decimal("0.8"), "ec2:p4d.24xlarge": Decimal("0.7")}
    prices = TrustedPrices(None, Seed(), NOW, every)
    found = [prices.discount(Service.EC2, each) for each in ("p4d.24xlarge", "p4d.metal", "g5.xlarge")]
    assert [each.multiplier for each in found if each is not None] == [Decimal("0.7"), Decimal("0.8"), Decimal("0.9")]
    assert prices.discount(Service.TRAINING, "ml.p4d.24xlarge") is None


# --- merging -------------------------------------------------------------------------------------------------------


def test_a_part_is_replaced_as_a_whole_and_the_others_keep_their_day() -> None:
    before = with_rates(book(p4d_24xlarge="22", g5_xlarge="1.006"), PriceKind.TRAINING, HOME, {"ml.x": "1"}, NOW)
    later = NOW + DAY
    after = with_rates(before, PriceKind.EC2, HOME, {"p4d.24xlarge": "21.957642"}, later)
    assert after.price(PriceKind.EC2, HOME, "p4d.24xlarge") == (Decimal("21.957642"), later.date())
    assert after.price(PriceKind.EC2, HOME, "g5.xlarge") is None
    assert after.price(PriceKind.TRAINING, HOME, "ml.x") == (Decimal(1), NOW.date())
    assert before.price(PriceKind.EC2, HOME, "p4d.24xlarge") == (Decimal(22), NOW.date())
    assert after.oldest == NOW.date()


def test_what_could_not_be_read_keeps_its_day_and_its_prices() -> None:
    known = book(g5_xlarge="1.006")
    assert with_failure(known, PriceKind.EC2, HOME, NOW + DAY) is known


def test_the_age_is_that_of_the_oldest_part_to_the_second() -> None:
    known = with_rates(book(g5_xlarge="1.006"), PriceKind.TRAINING, HOME, {}, NOW + DAY)
    assert known.age(NOW + 3 * DAY, [HOME]) == 3 * DAY
    assert hours(3 * DAY) == 72
    assert hours(3 * DAY + timedelta(seconds=1)) > 72
    assert known.age(NOW - DAY, [HOME]) == timedelta()


def test_a_part_that_was_never_read_gets_older_from_the_first_try_on() -> None:
    tried = with_failure(with_failure(empty_book(NOW), None, HOME, NOW), None, HOME, NOW + DAY)
    assert tried.age(NOW + 2 * DAY, [HOME]) == 2 * DAY
    assert tried.oldest is None
    read = with_spot(tried, HOME, {}, days=14, now=NOW + 2 * DAY)
    assert read.age(NOW + 2 * DAY, [HOME]) == timedelta()


def test_regions_nobody_asks_about_any_more_make_no_book_old() -> None:
    known = with_rates(book(g5_xlarge="1.006"), PriceKind.EC2, "eu-west-1", {"g5.xlarge": "1.1"}, NOW + DAY)
    assert known.age(NOW + DAY, ["eu-west-1"]) == timedelta()
    kept = only_regions(known, ["eu-west-1"])
    assert {region for _, region, _ in kept.parts()} == {"eu-west-1"}
    assert kept.age(NOW + DAY, [HOME]) is None


def test_an_empty_book_has_no_age() -> None:
    assert empty_book(NOW).age(NOW, [HOME]) is None
    assert empty_book(NOW).oldest is None


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {**empty_book(NOW).document, "format": 2},
        {**empty_book(NOW).document, "written_at": "yesterday"},
        {**empty_book(NOW).document, "rates": []},
        {**empty_book(NOW).document, "spot_days": float("inf")},
        {**empty_book(NOW).document, "since": {"ec2": {HOME: "yesterday"}}},
        {name: part for name, part in empty_book(NOW).document.items() if name != "since"},
    ],
)
def test_a_document_of_another_shape_is_no_book(document: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, it is refused
        book_of(document)


def test_types_are_those_of_a_kind_and_region_or_of_all() -> None:
    known = with_rates(book(g5_xlarge="1.006"), PriceKind.TRAINING, "eu-west-1", {"ml.g5.xlarge": "1.5"}, NOW)
    assert known.types() == {"g5.xlarge", "ml.g5.xlarge"}
    assert known.types(PriceKind.EC2, HOME) == {"g5.xlarge"}
    assert known.types(PriceKind.EC2, "eu-west-1") == set()
