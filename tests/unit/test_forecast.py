"""A run's forecast: from what it is made of, its own limit, and its family's past."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from costwatch.adapters.prices import SeedPrices
from costwatch.core.estimator import Confidence, InstanceGroup, JobSpec, estimate
from costwatch.core.families import PastRun
from costwatch.core.forecast import Forecast, family_of, forecast
from costwatch.core.model import Member, Run, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import SpotRate, hourly_rate
from tests.support.builders import HOUR, NOW, family, job, member, run

PRICES = SeedPrices()
P4D = Decimal("21.957642")
ML_P4D = Decimal("25.251286")


def of(found: Run, limit: timedelta | None = 12 * HOUR, past: list[PastRun] | None = None) -> Forecast:
    return forecast(found, limit, PRICES, past or [], NOW)


def finished(hours: float, usd: str, number: int) -> PastRun:
    return PastRun(f"run-{number}", NOW - number * HOUR, timedelta(hours=hours), Decimal(100), Decimal(usd), True)


def test_an_instance_is_forecast_to_its_time_limit_while_nothing_is_known_of_its_family() -> None:
    found = of(run(member()))
    assert (found.expected_usd, found.p90_usd, found.worst_case_usd) == (P4D * 12,) * 3
    assert found.runtime == 12 * HOUR
    assert found.sentence == "$263.49 by its time limit (12 h; no past run says how long it takes)"


def test_a_job_that_sagemaker_ends_has_a_worst_case_that_is_one() -> None:
    assert of(run(job())).sentence == "at most $606.03 (24 h; no past run says how long it takes)"


def test_an_instance_that_nobody_named_is_of_no_family() -> None:
    named = family_of(run(member("i-0a", tags={"Name": "churn"})))
    assert named == family_of(run(member("i-0b", tags={"Name": "churn"})))
    assert family_of(run(member("i-0123456789abcdef0"))) == ""


def test_a_job_is_forecast_to_its_own_maximum_and_not_to_the_limit_of_its_selector() -> None:
    found = of(run(job(declared_limit=48 * HOUR)), 12 * HOUR)
    assert found.worst_case_usd == ML_P4D * 48


def test_a_job_that_declares_nothing_has_sagemakers_day() -> None:
    assert of(run(job())).worst_case_usd == Decimal("606.030864")


def test_past_runs_of_the_family_say_how_long_it_takes() -> None:
    found = of(run(job()), past=[finished(hours, "70", n) for n, hours in enumerate([3, 4, 10], start=1)])
    assert (found.expected_usd, found.p90_usd, found.worst_case_usd) == (ML_P4D * 4, ML_P4D * 10, ML_P4D * 24)
    assert found.sentence == "$101.01 (4 h: the median of its last 3 runs), at most $606.03"


def test_a_family_whose_forecasts_were_too_low_widens_the_band_of_the_next_one() -> None:
    past = [finished(4, "150", n) for n in range(1, 5)]
    found = of(run(job()), past=past)
    assert found.expected_usd == ML_P4D * 4
    assert found.p90_usd == ML_P4D * 4 * Decimal("1.5")


def test_the_band_never_reaches_above_the_worst_case() -> None:
    past = [finished(4, "10000", n) for n in range(1, 5)]
    found = of(run(job()), past=past)
    assert found.p90_usd == found.worst_case_usd == ML_P4D * 24


def test_the_members_of_a_run_are_forecast_together() -> None:
    both = run(member("i-0a"), member("i-0b"), kind=RunKind.TAGGED, name="llm")
    assert of(both).worst_case_usd == P4D * 24


def test_spot_and_on_demand_members_each_have_their_price() -> None:
    class WithSpot(SeedPrices):
        def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
            return SpotRate(Decimal(8), Decimal(10), zone, 14, date(2026, 11, 20), "spot")

    mixed = run(member("i-0a"), member("i-0b", purchase=PurchaseOption.SPOT), kind=RunKind.TAGGED, name="llm")
    found = forecast(mixed, 10 * HOUR, WithSpot(), [], NOW)
    assert found.expected_usd == P4D * 10 + 80
    assert found.p90_usd == P4D * 10 + 100
    assert found.worst_case_usd == P4D * 20


def test_a_job_whose_specification_was_read_is_forecast_by_it() -> None:
    spec = JobSpec(Service.TRAINING, "us-east-1", (InstanceGroup("ml.p4d.24xlarge", 2),), 6 * HOUR, warm_pool=HOUR)
    assert of(run(job(spec=spec))).worst_case_usd == ML_P4D * 2 * 7


def test_a_type_without_a_price_makes_it_unknown_and_says_which() -> None:
    found = of(run(member(instance_type="p9.48xlarge")))
    assert (found.expected_usd, found.worst_case_usd, found.confidence) == (None, None, Confidence.UNKNOWN)
    assert found.sentence == "unknown (no known price for p9.48xlarge in us-east-1)"


def test_an_instance_with_a_price_of_its_own_is_unknown_and_never_priced_as_linux() -> None:
    found = of(run(member(priced_apart="Windows")))
    assert found.expected_usd is None
    assert "Windows" in found.sentence


def test_an_instance_in_a_local_zone_is_unknown() -> None:
    assert of(run(member(zone="us-east-1-bos-1a"))).expected_usd is None


def test_prepaid_capacity_costs_nothing_more() -> None:
    found = of(run(member(purchase=PurchaseOption.CAPACITY_BLOCK)))
    assert (found.expected_usd, found.worst_case_usd, found.confidence) == (Decimal(0), Decimal(0), Confidence.PREPAID)


def test_a_tuning_job_is_forecast_by_its_definition_and_its_children_not_beside_it() -> None:
    spec = JobSpec(Service.TUNING, "us-east-1", (InstanceGroup("ml.p4d.24xlarge", 1),), 2 * HOUR, jobs=10, parallel=3)
    found = of(family(children=3, spec=spec))
    assert found.worst_case_usd == ML_P4D * 20


def test_a_tuning_job_whose_past_runs_are_known_is_expected_to_cost_what_they_did() -> None:
    spec = JobSpec(Service.TUNING, "us-east-1", (InstanceGroup("ml.p4d.24xlarge", 1),), 2 * HOUR, jobs=10, parallel=3)
    past = [finished(30, usd, n) for n, usd in enumerate(["200", "210", "400"], start=1)]
    found = of(family(spec=spec), past=past)
    assert (found.expected_usd, found.p90_usd, found.basis) == (
        Decimal(210),
        Decimal(400),
        "the median cost of its last 3 runs",
    )


def test_a_tuning_job_that_nothing_is_known_of_is_unknown_and_not_what_its_children_cost_now() -> None:
    assert of(family(children=3)).expected_usd is None


def test_a_run_without_a_limit_yet_is_unknown_for_instances() -> None:
    assert of(run(member()), None).expected_usd is None


def test_the_family_of_a_job_is_its_stem_its_image_and_its_types() -> None:
    named: Member = job("churn-v7", image="1111.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.3")
    assert family_of(run(named)) == "churn|pytorch:2.3|ml.p4d.24xlarge"
    assert family_of(run(member(tags={"Name": "churn-v7"}))) == "churn||p4d.24xlarge"


def test_the_estimate_of_a_tuning_job_by_its_past_runs_is_what_its_card_says() -> None:
    spec = JobSpec(Service.TUNING, "us-east-1", (InstanceGroup("ml.p4d.24xlarge", 1),), 2 * HOUR, jobs=10, parallel=3)
    for dollars in (["200", "210", "400"], ["900", "900", "900"], ["1", "2"]):
        past = [finished(30, usd, n) for n, usd in enumerate(dollars, start=1)]
        card, made = of(family(spec=spec), past=past), estimate(spec, PRICES, past)
        assert (card.expected_usd, card.p90_usd, card.worst_case_usd, card.basis) == (
            made.expected_usd,
            made.p90_usd,
            made.worst_case_usd,
            made.basis,
        )


@pytest.mark.parametrize(
    ("service", "declared_days", "days"),
    [(Service.TRAINING, 60, 28), (Service.TRAINING, 28, 28), (Service.PROCESSING, 10, 9)],
)
def test_a_job_that_declares_more_than_its_service_takes_is_forecast_to_what_that_takes(
    service: Service, declared_days: int, days: int
) -> None:
    head = job(declared_limit=declared_days * 24 * HOUR)
    if service is Service.PROCESSING:
        head = replace(head, service=service, capacity=(("ml.g6.xlarge", 1),), types=("ml.g6.xlarge",))
    kind = RunKind.PROCESSING if service is Service.PROCESSING else RunKind.TRAINING
    rate = hourly_rate(PRICES, service, head.capacity[0][0], "us-east-1")
    assert rate is not None
    assert of(run(head, kind=kind)).worst_case_usd == rate.hourly_rate_usd * 24 * days


def test_a_forecast_is_as_trusted_as_the_weakest_price_in_it_whichever_member_comes_first() -> None:
    block, paid = member("i-0a", purchase=PurchaseOption.CAPACITY_BLOCK), member("i-0b")
    for members in ((block, paid), (paid, block)):
        assert of(run(*members, kind=RunKind.TAGGED, name="llm")).confidence is Confidence.SEED
