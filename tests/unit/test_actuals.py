"""What a run that is over has cost: billed time, groups, warm pool, volumes, discounts, and what is not known."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from costwatch.core.actuals import Actual, EndedJob, actual_usd
from costwatch.core.estimator import Confidence, InstanceGroup
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import Discount, Rate, SpotRate, Trust, VolumeRate, VolumeUse
from tests.support.prices import NoPrices

HOUR = timedelta(hours=1)
ZERO = Decimal(0)
P4D, M5, G5 = "ml.p4d.24xlarge", "ml.m5.xlarge", "ml.g5.xlarge"


TRAINING = {P4D: "25.251286", M5: "0.23", G5: "1.408"}


class Prices(NoPrices):
    """us-east-1 alone; training and processing differ, as they do."""

    def __init__(self, *, volumes: bool = True, discount: Discount | None = None, spot: str = "") -> None:
        self._volumes, self._discount, self._spot = volumes, discount, spot

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return (
            Rate(Decimal("20"), date(2026, 11, 10), "test", Trust.FRESH)
            if instance_type in ("p4d.24xlarge", "m5.xlarge")
            else None
        )

    def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
        spot = Decimal(self._spot) if self._spot else None
        return SpotRate(spot, spot + 1, "us-east-1a", 14, date(2026, 11, 14), "test") if spot else None

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        found = TRAINING.get(instance_type) if region == "us-east-1" else None
        return Rate(Decimal(found), date(2026, 11, 14), "test", Trust.FRESH) if found else None

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return Rate(Decimal("0.24"), date(2026, 11, 14), "test", Trust.FRESH) if instance_type == M5 else None

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        price = {VolumeUse.TRAINING: "0.14", VolumeUse.PROCESSING: "0.10"}.get(use) if self._volumes else None
        return VolumeRate(Decimal(price), date(2026, 11, 12), "test", Trust.STALE) if price and kind == "gp2" else None

    def discount(self, service: Service, instance_type: str) -> Discount | None:
        return self._discount


def actual(
    *groups: tuple[str, int],
    prices: Prices | None = None,
    service: Service = Service.TRAINING,
    region: str = "us-east-1",
    billable: timedelta | None = None,
    running: timedelta | None = 2 * HOUR,
    purchase: PurchaseOption = PurchaseOption.ON_DEMAND,
    volume_gb: int = 0,
    pool_kept: timedelta = timedelta(0),
) -> Actual:
    job = EndedJob(
        service, region, tuple(InstanceGroup(*each) for each in groups), billable, running, purchase, volume_gb,
        pool_kept,
    )  # fmt: skip
    return actual_usd(job, prices or Prices())


def rounded(found: Actual) -> Decimal | None:
    return round(found.usd, 7) if found.usd is not None else None


def test_what_is_billed_is_the_billable_time_of_every_instance() -> None:
    found = actual((P4D, 2), billable=HOUR, running=3 * HOUR)
    assert found.usd == Decimal("50.502572")
    assert (found.hours, found.gpu_hours, found.basis) == (Decimal(2), Decimal(16), "billable seconds")
    assert (found.confidence, found.price_as_of) == (Confidence.LIST, date(2026, 11, 14))


def test_without_billable_time_it_is_start_to_end() -> None:
    found = actual((P4D, 1), running=timedelta(minutes=90))
    assert (found.usd, found.basis) == (Decimal("37.876929"), "run seconds")


def test_a_billable_second_is_a_second_and_not_an_hour() -> None:
    assert rounded(actual((P4D, 1), billable=timedelta(seconds=1))) == Decimal("0.0070142")


def test_managed_spot_saved_what_it_was_not_billed_for() -> None:
    found = actual((P4D, 1), billable=HOUR, running=4 * HOUR, purchase=PurchaseOption.SPOT)
    assert found.usd == Decimal("25.251286")
    assert found.saved_by_spot_usd == 3 * Decimal("25.251286")


def test_on_demand_saved_nothing_by_spot_and_does_not_say_zero() -> None:
    assert actual((P4D, 1), billable=HOUR, running=4 * HOUR).saved_by_spot_usd is None


def test_managed_spot_without_billable_time_has_an_unknown_saving() -> None:
    found = actual((P4D, 1), purchase=PurchaseOption.SPOT)
    assert (found.usd, found.saved_by_spot_usd) == (Decimal("50.502572"), None)


def test_billable_beyond_running_saves_nothing_and_never_less() -> None:
    found = actual((P4D, 1), billable=2 * HOUR, running=HOUR, purchase=PurchaseOption.SPOT)
    assert found.saved_by_spot_usd == 0


def test_a_warm_pool_is_billed_for_as_long_as_it_was_kept() -> None:
    found = actual((P4D, 2), billable=HOUR, pool_kept=timedelta(minutes=30))
    assert found.usd == Decimal("25.251286") * 3
    assert (found.hours, found.gpu_hours) == (Decimal(2), Decimal(16)), "the job's own hours"


def test_the_volumes_of_a_warm_pool_stay_with_it() -> None:
    assert actual((M5, 1), billable=HOUR, volume_gb=720, pool_kept=HOUR).volumes_usd == Decimal("0.28")


def test_several_groups_are_added_up() -> None:
    found = actual((P4D, 1), (M5, 4), billable=HOUR)
    assert found.usd == Decimal("25.251286") + Decimal("0.92")
    assert (found.hours, found.gpu_hours) == (Decimal(5), Decimal(8))


def test_volumes_are_billed_by_the_hour_and_instance() -> None:
    found = actual((M5, 2), billable=HOUR, volume_gb=720)
    assert (found.instances_usd, found.volumes_usd) == (Decimal("0.46"), Decimal("0.28"))
    assert found.usd == Decimal("0.74")
    assert (found.confidence, found.price_as_of) == (Confidence.STALE, date(2026, 11, 12)), "the weakest, the oldest"


def test_a_type_with_local_disks_has_no_volume() -> None:
    found = actual((P4D, 1), billable=HOUR, volume_gb=500, prices=Prices(volumes=False))
    assert (found.usd, found.volumes_usd) == (Decimal("25.251286"), ZERO)


def test_of_mixed_groups_only_those_without_local_disks_have_volumes() -> None:
    assert actual((P4D, 1), (M5, 1), billable=HOUR, volume_gb=720).volumes_usd == Decimal("0.14")


def test_an_unknown_volume_price_makes_the_sum_unknown_and_leaves_the_instances() -> None:
    found = actual((M5, 1), billable=HOUR, volume_gb=30, prices=Prices(volumes=False))
    assert (found.usd, found.instances_usd, found.volumes_usd) == (None, Decimal("0.23"), None)
    assert found.unpriced == ("gp2 volumes of training jobs in us-east-1",)


def test_processing_has_prices_of_its_own() -> None:
    found = actual((M5, 1), service=Service.PROCESSING, running=HOUR, volume_gb=720)
    assert (found.instances_usd, found.volumes_usd) == (Decimal("0.24"), Decimal("0.10"))


@pytest.mark.parametrize("unknown", [(("ml.p9.48xlarge", 1),), ((P4D, 1), ("ml.p9.48xlarge", 1))])
def test_an_unknown_type_makes_it_unknown_and_never_zero(unknown: tuple[tuple[str, int], ...]) -> None:
    found = actual(*unknown, billable=HOUR)
    assert (found.usd, found.confidence) == (None, Confidence.UNKNOWN)
    assert found.unpriced == ("ml.p9.48xlarge in us-east-1",)
    assert found.hours == len(unknown), "what ran is known all the same"


def test_another_region_has_no_price_of_this_one() -> None:
    assert actual((P4D, 1), region="eu-central-1", billable=HOUR).usd is None


def test_unknown_machines_cost_an_unknown_amount() -> None:
    found = actual(billable=HOUR)
    assert (found.usd, found.gpu_hours, found.confidence) == (None, None, Confidence.UNKNOWN)


def test_an_unknown_time_costs_an_unknown_amount() -> None:
    found = actual((P4D, 1), running=None)
    assert (found.usd, found.hours, found.gpu_hours, found.basis) == (None, ZERO, None, "run seconds")


def test_what_never_started_is_known_to_cost_nothing() -> None:
    found = actual(("ml.p9.48xlarge", 1), running=timedelta(0))
    assert (found.usd, found.confidence, found.unpriced) == (ZERO, Confidence.LIST, ())


def test_an_end_before_the_start_counts_as_no_time() -> None:
    assert actual((P4D, 1), running=-HOUR).usd == 0


def test_prepaid_costs_nothing_more_and_has_its_list_value_beside() -> None:
    found = actual((P4D, 1), billable=HOUR, purchase=PurchaseOption.CAPACITY_BLOCK)
    assert (found.usd, found.list_value_usd) == (ZERO, Decimal("25.251286"))
    assert found.confidence is Confidence.PREPAID


def test_the_volumes_of_prepaid_capacity_are_paid_and_it_stays_prepaid() -> None:
    found = actual((M5, 1), billable=HOUR, volume_gb=720, purchase=PurchaseOption.CAPACITY_BLOCK)
    assert (found.usd, found.confidence) == (Decimal("0.14"), Confidence.PREPAID)


def test_prepaid_without_a_list_price_still_costs_nothing_more() -> None:
    found = actual(("ml.p9.48xlarge", 1), billable=HOUR, purchase=PurchaseOption.CAPACITY_BLOCK)
    assert (found.usd, found.list_value_usd, found.confidence) == (ZERO, None, Confidence.PREPAID)


def test_a_negotiated_discount_is_applied_and_shown() -> None:
    agreed = Discount("sagemaker:ml.p4d", Decimal("0.5"))
    found = actual(
        (P4D, 1), billable=HOUR, running=3 * HOUR, pool_kept=HOUR, purchase=PurchaseOption.SPOT,
        prices=Prices(discount=agreed),
    )  # fmt: skip
    assert (found.usd, found.list_value_usd) == (Decimal("25.251286"), 2 * Decimal("25.251286"))
    assert found.saved_by_spot_usd == Decimal("25.251286"), "two hours, at the price that would have been paid"
    assert found.discounts == (agreed,)


def test_a_discount_is_none_on_volumes() -> None:
    halved = Prices(discount=Discount("sagemaker", Decimal("0.5")))
    assert actual((M5, 1), billable=HOUR, volume_gb=720, prices=halved).volumes_usd == Decimal("0.14")


def test_an_ec2_start_is_billed_a_minute_at_least() -> None:
    short = actual(("p4d.24xlarge", 1), service=Service.EC2, running=timedelta(seconds=59))
    exact = actual(("p4d.24xlarge", 1), service=Service.EC2, running=timedelta(seconds=60))
    above = actual(("p4d.24xlarge", 1), service=Service.EC2, running=timedelta(seconds=61))
    assert rounded(short) == rounded(exact) == Decimal("0.3333333")
    assert rounded(above) == Decimal("0.3388889")


def test_sagemaker_has_no_least_time() -> None:
    assert rounded(actual((M5, 1), running=timedelta(seconds=59))) == Decimal("0.0037694")


def test_an_ec2_spot_run_is_priced_at_the_median_of_its_price() -> None:
    found = actual(
        ("p4d.24xlarge", 1), service=Service.EC2, running=HOUR, purchase=PurchaseOption.SPOT, prices=Prices(spot="8")
    )
    assert (found.usd, found.saved_by_spot_usd, found.confidence) == (Decimal(8), Decimal(12), Confidence.SPOT_P90)


def test_ec2_volumes_are_not_counted() -> None:
    found = actual(("m5.xlarge", 1), service=Service.EC2, running=HOUR, volume_gb=500)
    assert (found.usd, found.volumes_usd) == (Decimal(20), ZERO)


def test_an_accelerator_type_of_unknown_size_has_unknown_gpu_hours() -> None:
    assert actual(("ml.p9.48xlarge", 1), billable=HOUR).gpu_hours is None
