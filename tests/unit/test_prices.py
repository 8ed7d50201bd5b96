"""Dollars: the seed price table, what a run burns, what it has spent, and how an amount is shown."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.prices import SEED_FILE, SeedPrices
from costwatch.core.model import Clock, Member, Run, RunId, RunKind
from costwatch.core.money import Burn, burn_rate, show_usd, spent_usd
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import PriceTable, Rate, Trust, VolumeUse
from costwatch.errors import ConfigError
from tests.support.priced import Priced
from tests.support.prices import NoPrices

TRAINING, PROCESSING = VolumeUse.TRAINING, VolumeUse.PROCESSING
STARTED = datetime(2026, 11, 20, 9, 10, tzinfo=UTC)


class ListedPrices(NoPrices):
    """A price table of us-east-1 with what a test says; `p4d_24xlarge` is p4d.24xlarge."""

    def __init__(self, **rates_usd: str) -> None:
        self._rates = {
            name.replace("_", "."): Rate(Decimal(rate), date(2026, 11, 14), "test") for name, rate in rates_usd.items()
        }

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return self._rates.get(instance_type) if region == "us-east-1" else None

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return self.ec2_hourly_rate(instance_type, region)

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return self.ec2_hourly_rate(instance_type, region)


def member(
    *capacity: tuple[str, int],
    name: str = "i-1",
    state: str = "running",
    zone: str = "us-east-1a",
    purchase: PurchaseOption = PurchaseOption.ON_DEMAND,
    service: Service = Service.EC2,
    priced_apart: str = "",
) -> Member:
    clock = Clock(STARTED, "LaunchTime", STARTED, "attach time")
    return Member(name, service, state, capacity, zone, {}, clock, purchase, priced_apart=priced_apart)


def burn(*members: Member) -> Burn:
    run = Run(RunId("111122223333", "us-east-1", RunKind.TAGGED, "churn"), members)
    prices: PriceTable = ListedPrices(p4d_24xlarge="21.957642", g5_xlarge="1.006", ml_p4d_24xlarge="25.251286")
    return burn_rate(run, prices)


# --- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance_type", "hourly_rate_usd", "as_of"),
    [
        ("p4d.24xlarge", "21.957642", date(2026, 9, 10)),
        ("p5.48xlarge", "55.04", date(2025, 11, 30)),
        ("p5en.48xlarge", "63.296", date(2025, 11, 30)),
        ("g5.xlarge", "1.006", date(2025, 11, 30)),
        ("trn1.32xlarge", "21.5", date(2025, 11, 30)),
        ("p6-b300.48xlarge", "142.416", date(2026, 5, 18)),
        ("m5.xlarge", "0.192", date(2026, 9, 10)),
        ("t3.medium", "0.0416", date(2023, 9, 18)),
    ],
)
def test_the_seed_table_knows_list_prices_of_us_east_1(instance_type: str, hourly_rate_usd: str, as_of: date) -> None:
    rate = SeedPrices().ec2_hourly_rate(instance_type, "us-east-1")
    assert rate is not None
    assert (rate.hourly_rate_usd, rate.as_of) == (Decimal(hourly_rate_usd), as_of)
    assert rate.source


def test_the_seed_table_prices_each_region_by_itself() -> None:
    rate = SeedPrices().ec2_hourly_rate("p4d.24xlarge", "eu-west-1")
    assert rate is not None
    assert rate.hourly_rate_usd == Decimal("23.71569")


def test_a_training_price_is_its_own_and_not_derived_from_ec2() -> None:
    prices = SeedPrices()
    rate = prices.training_hourly_rate("ml.p4d.24xlarge", "us-east-1")
    assert rate is not None
    assert rate.hourly_rate_usd == Decimal("25.251286")
    assert prices.training_hourly_rate("p4d.24xlarge", "us-east-1") is None
    assert prices.ec2_hourly_rate("ml.p4d.24xlarge", "us-east-1") is None
    assert prices.training_hourly_rate("ml.trn1.32xlarge", "us-east-1") is None


def test_processing_and_notebooks_have_prices_of_their_own() -> None:
    prices = SeedPrices()
    processing = prices.processing_hourly_rate("ml.g6.xlarge", "us-east-1")
    notebook = prices.notebook_hourly_rate("ml.g5.xlarge", "us-east-1")
    training = prices.training_hourly_rate("ml.g6.xlarge", "us-east-1")
    assert processing is not None
    assert notebook is not None
    assert training is not None
    assert (processing.hourly_rate_usd, notebook.hourly_rate_usd) == (Decimal("1.1267"), Decimal("1.41"))
    assert training.hourly_rate_usd == Decimal("1.127")
    assert prices.notebook_hourly_rate("ml.p4d.24xlarge", "us-east-1") is None


def test_the_seed_prices_the_storage_of_jobs_by_who_uses_it_and_knows_no_ebs() -> None:
    prices = SeedPrices()
    training, processing = (prices.volume_rate(use, "gp2", "us-east-1") for use in (TRAINING, PROCESSING))
    assert training is not None
    assert processing is not None
    assert (training.gb_month_usd, processing.gb_month_usd) == (Decimal("0.14"), Decimal("0.10"))
    assert (training.as_of, training.trust) == (date(2026, 9, 1), Trust.SEED)
    assert prices.volume_rate(VolumeUse.EC2, "gp3", "us-east-1") is None
    assert prices.volume_rate(TRAINING, "gp2", "eu-west-1") is None


def test_a_type_or_region_that_is_not_listed_has_no_price() -> None:
    prices = SeedPrices()
    assert prices.ec2_hourly_rate("p99.metal", "us-east-1") is None
    assert prices.ec2_hourly_rate("p4d.24xlarge", "us-east-1-atl-1") is None
    assert prices.ec2_hourly_rate("p4d.24xlarge", "mars-north-1") is None


def test_the_committed_table_is_text_priced_sourced_and_free_of_paths() -> None:
    text = SEED_FILE.read_text(encoding="utf-8")
    document = json.loads(text, parse_float=lambda _: pytest.fail("a price is a JSON number"))
    assert "/work" not in text
    assert {block["source"] for block in document["blocks"]} == set(document["sources"])
    assert {block["source"] for block in document["volumes"]} <= set(document["sources"])
    for block in document["blocks"]:
        assert re.fullmatch(r"[a-z]{2}(-gov)?-[a-z]+-\d", block["region"])
        assert all(re.fullmatch(r"\d+(\.\d+)?", rate) and Decimal(rate) > 0 for rate in block["rates"].values())
        assert all(name.startswith("ml.") == (block["service"] != "ec2") for name in block["rates"])


def test_the_table_is_read_at_the_first_look_up_and_not_before(tmp_path: Path) -> None:
    prices = SeedPrices(tmp_path / "missing.json")
    with pytest.raises(ConfigError, match=r"missing\.json"):
        prices.ec2_hourly_rate("p4d.24xlarge", "us-east-1")


VOLUMES = {"use": "training", "region": "us-east-1", "as_of": "2026-09-01", "source": "s", "rates": {"gp2": "0.14"}}


def table(**changes: Any) -> dict[str, Any]:
    block = {"service": "ec2", "region": "us-east-1", "as_of": "2026-09-10", "source": "s", "rates": {"a.b": "1"}}
    return {
        "format": 1,
        "currency": "USD",
        "unit": "instance-hour",
        "sources": {"s": "a source"},
        "blocks": [block],
    } | changes


@pytest.mark.parametrize(
    "document",
    [
        table(format=2),
        table(currency="EUR"),
        table(sources={}),
        table(blocks=table()["blocks"] * 2),
        table(blocks=[table()["blocks"][0] | {"rates": {"a.b": "0"}}]),
        table(blocks=[table()["blocks"][0] | {"rates": {"a.b": "-1"}}]),
        table(blocks=[table()["blocks"][0] | {"rates": {"a.b": "NaN"}}]),
        table(blocks=[table()["blocks"][0] | {"rates": {"a.b": 1.5}}]),
        table(blocks=[table()["blocks"][0] | {"rates": {"a.b": "cheap"}}]),
        table(blocks=[table()["blocks"][0] | {"rates": ["a.b"]}]),
        table(blocks=[table()["blocks"][0] | {"as_of": "yesterday"}]),
        table(blocks=[table()["blocks"][0] | {"service": "bakery"}]),
        table(volume_unit="litre"),
        table(volumes=[VOLUMES | {"use": "bakery"}]),
        table(volumes=[VOLUMES | {"rates": {"gp2": "0"}}]),
        table(volumes=[VOLUMES] * 2),
        [],
    ],
)
def test_a_table_that_cannot_be_trusted_is_refused_whole(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prices\.json cannot be used"):
        SeedPrices(path).ec2_hourly_rate("a.b", "us-east-1")


def test_a_well_formed_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(table()), encoding="utf-8")
    assert SeedPrices(path).ec2_hourly_rate("a.b", "us-east-1") == Rate(Decimal(1), date(2026, 9, 10), "a source")


# --- burn ----------------------------------------------------------------------------------------------------------


def test_an_on_demand_run_burns_its_list_price() -> None:
    made = burn(member(("p4d.24xlarge", 1)))
    assert made.hourly_rate_usd == made.list_rate_usd == Decimal("21.957642")
    assert made.unknown_types == ()
    assert made.note == "1 x p4d.24xlarge, list price (as of 2026-11-14)"


def test_a_run_burns_the_sum_over_members_and_counts() -> None:
    made = burn(member(("p4d.24xlarge", 1)), member(("g5.xlarge", 2), ("p4d.24xlarge", 3), name="i-2"))
    assert made.hourly_rate_usd == Decimal("21.957642") * 4 + Decimal("1.006") * 2
    assert made.note.startswith("2 x g5.xlarge + 4 x p4d.24xlarge, list price")


def test_a_training_job_burns_the_training_price() -> None:
    job = member(("ml.p4d.24xlarge", 2), state="InProgress", zone="", service=Service.TRAINING)
    assert burn(job).hourly_rate_usd == Decimal("50.502572")


def test_one_unknown_type_makes_the_whole_rate_unknown_and_never_zero() -> None:
    made = burn(member(("p4d.24xlarge", 1)), member(("x9.large", 1), name="i-2"))
    assert made.hourly_rate_usd is None
    assert made.list_rate_usd is None
    assert made.unknown_types == ("x9.large",)
    assert made.note.endswith("; no known price for x9.large")


def test_a_member_without_a_known_type_has_an_unknown_rate() -> None:
    made = burn(member())
    assert (made.hourly_rate_usd, made.unknown_types) == (None, ("i-1 (type unknown)",))


def test_spot_is_priced_at_list_and_says_so() -> None:
    made = burn(member(("g5.xlarge", 1), purchase=PurchaseOption.SPOT))
    assert made.hourly_rate_usd == Decimal("1.006")
    assert "list price, spot costs less" in made.note


def negotiated(found: Member, *, spot: tuple[str, str] | None = None) -> Burn:
    """What it burns where half of every list price was negotiated away. `spot`: quantiles of its type."""
    ((name, _),) = found.capacity
    prices = Priced(multipliers={name: "0.5"}, spot={name: spot} if spot is not None else {})
    return burn_rate(Run(RunId("111122223333", "us-east-1", RunKind.TAGGED, "churn"), (found,)), prices)


def test_what_was_negotiated_lowers_the_rate_of_on_demand_and_says_so() -> None:
    made = negotiated(member(("g5.xlarge", 1)))
    assert (made.hourly_rate_usd, made.note) == (Decimal("0.503"), "1 x g5.xlarge, list price x 0.5 (as of 2026-11-14)")


@pytest.mark.parametrize(("service", "name"), [(Service.EC2, "g5.xlarge"), (Service.TRAINING, "ml.g5.xlarge")])
def test_spot_at_list_price_is_a_bound_and_takes_no_discount(service: Service, name: str) -> None:
    zone = "us-east-1a" if service is Service.EC2 else ""
    state = "running" if service is Service.EC2 else "InProgress"
    made = negotiated(member((name, 1), purchase=PurchaseOption.SPOT, service=service, zone=zone, state=state))
    assert made.hourly_rate_usd == (Decimal("1.006") if service is Service.EC2 else Decimal("1.408"))
    assert made.note == f"1 x {name}, list price, spot costs less (as of 2026-11-14)"


def test_a_spot_price_takes_no_discount_either() -> None:
    made = negotiated(member(("g5.xlarge", 1), purchase=PurchaseOption.SPOT), spot=("0.4", "0.5"))
    assert made.hourly_rate_usd == Decimal("0.5")


def test_the_list_value_of_prepaid_capacity_takes_no_discount() -> None:
    made = negotiated(member(("p4d.24xlarge", 2), purchase=PurchaseOption.CAPACITY_BLOCK))
    assert (made.hourly_rate_usd, made.list_rate_usd) == (Decimal(0), Decimal("43.915284"))


def test_a_capacity_block_costs_nothing_more_and_shows_its_list_value() -> None:
    made = burn(member(("p4d.24xlarge", 2), purchase=PurchaseOption.CAPACITY_BLOCK))
    assert made.hourly_rate_usd == 0
    assert made.list_rate_usd == Decimal("43.915284")
    assert made.note == "2 x p4d.24xlarge prepaid: $0.00 more an hour, list value $43.92/h"


def test_prepaid_is_not_unknown_even_without_a_list_price() -> None:
    made = burn(member(("x9.large", 1), purchase=PurchaseOption.CAPACITY_BLOCK))
    assert made.hourly_rate_usd == 0
    assert made.list_rate_usd is None
    assert made.note == "1 x x9.large prepaid: $0.00 more an hour, list value unknown; no known price for x9.large"


def test_a_run_of_paid_and_prepaid_members_burns_the_paid_part() -> None:
    block = member(("p4d.24xlarge", 1), name="i-2", purchase=PurchaseOption.CAPACITY_BLOCK)
    made = burn(member(("g5.xlarge", 1)), block)
    assert made.hourly_rate_usd == Decimal("1.006")
    assert made.list_rate_usd == Decimal("22.963642")


def test_only_members_that_are_alive_burn() -> None:
    ended = member(("x9.large", 1), name="i-2", state="terminated")
    assert burn(member(("g5.xlarge", 1)), ended).hourly_rate_usd == Decimal("1.006")
    nothing = burn(member(("g5.xlarge", 1), state="stopped"))
    assert (nothing.hourly_rate_usd, nothing.as_of, nothing.note) == (Decimal(0), None, "nothing is running")


def test_a_local_zone_is_not_priced_as_its_region() -> None:
    made = burn(member(("g5.xlarge", 1), zone="us-east-1-atl-1a"))
    assert (made.hourly_rate_usd, made.unknown_types) == (None, ("g5.xlarge in us-east-1-atl-1a",))


@pytest.mark.parametrize("apart", ["Windows with SQL Server Enterprise", "dedicated tenancy"])
def test_what_is_no_shared_linux_has_no_known_price_and_keeps_the_others_unknown_too(apart: str) -> None:
    other = member(("p4d.24xlarge", 1), name="i-2", priced_apart=apart)
    made = burn(member(("p4d.24xlarge", 1)), other)
    assert (made.hourly_rate_usd, made.unknown_types) == (None, (f"p4d.24xlarge ({apart})",))
    assert made.note.endswith(f"; no known price for p4d.24xlarge ({apart})")


# --- spent and shown -------------------------------------------------------------------------------------------------


def test_spent_is_rate_times_time_and_is_not_rounded() -> None:
    assert spent_usd(Decimal("25.251286"), timedelta(hours=11)) == Decimal("277.764146")
    assert spent_usd(Decimal("3.6"), timedelta(seconds=1)) == Decimal("0.001")


def test_spent_at_an_unknown_rate_is_unknown() -> None:
    assert spent_usd(None, timedelta(hours=1)) is None


def test_time_that_runs_backwards_costs_nothing() -> None:
    assert spent_usd(Decimal(1), timedelta(seconds=-1)) == 0


@pytest.mark.parametrize(
    ("amount_usd", "text"),
    [
        (None, "unknown"),
        (Decimal(0), "$0.00"),
        (Decimal("25.251286"), "$25.25"),
        (Decimal("1212.04"), "$1,212.04"),
        (Decimal("1234567.891"), "$1,234,567.89"),
        (Decimal("0.125"), "$0.12"),
        (Decimal("0.135"), "$0.14"),
        (Decimal("0.1250001"), "$0.13"),
        (Decimal(-3), "-$3.00"),
        (Decimal("-0.001"), "$0.00"),
    ],
)
def test_an_amount_is_rounded_once_when_it_is_shown(amount_usd: Decimal | None, text: str) -> None:
    assert show_usd(amount_usd) == text
