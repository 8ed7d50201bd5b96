"""What a job will cost, to the cent: hand-worked figures, trust, and jobs that nobody could start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.prices import SeedPrices
from costwatch.core.estimator import Confidence, Estimate, InstanceGroup, JobSpec, Volume, check, estimate
from costwatch.core.families import PastRun
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import PriceTable, Trust, VolumeUse
from costwatch.errors import InputError
from tests.support.priced import DAY, HOUR, P4D, Priced, job

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SPOT, BLOCK = PurchaseOption.SPOT, PurchaseOption.CAPACITY_BLOCK
STORAGE = {
    (VolumeUse.TRAINING, "gp2"): "0.14",
    (VolumeUse.PROCESSING, "gp2"): "0.10",
    (VolumeUse.EC2, "gp3"): "0.08",
}


def sums(spec: JobSpec, prices: PriceTable | None = None, past: tuple[PastRun, ...] = ()) -> tuple[str, str, str]:
    """Expected, p90 and worst case, as text; `unknown` for None."""
    made = estimate(spec, prices or Priced(), past)
    return tuple(format(each.normalize(), "f") if each is not None else "unknown" for each in amounts(made))  # type: ignore[return-value]


def amounts(made: Estimate) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    return made.expected_usd, made.p90_usd, made.worst_case_usd


def runs(*hours: float, ratio: str = "1", finished: bool = True) -> tuple[PastRun, ...]:
    """Past runs, the newest last. `ratio`: what they cost by what had been forecast."""
    return tuple(
        PastRun(
            f"run-{number}",
            NOW + number * HOUR,
            timedelta(hours=each),
            Decimal(100),
            Decimal(100) * Decimal(ratio),
            finished,
        )
        for number, each in enumerate(hours)
    )


# --- instances ---------------------------------------------------------------------------------------


def test_a_day_of_one_p4d_in_sagemaker_training_costs_606_dollars_and_3_cents() -> None:
    made = estimate(job(), SeedPrices())
    assert amounts(made) == (Decimal("606.030864"),) * 3
    assert made.hourly_usd == Decimal("25.251286")
    assert made.gpu_hours == Decimal(192)
    assert (made.confidence, made.price_as_of) == (Confidence.SEED, date(2026, 9, 1))


def test_an_hour_of_one_p4d_in_ec2_costs_21_dollars_and_96_cents() -> None:
    made = estimate(job(("p4d.24xlarge", 1), hours=1, service=Service.EC2), SeedPrices())
    assert made.hourly_usd == made.worst_case_usd == Decimal("21.957642")


def test_two_types_of_one_family_keep_their_different_uplifts_over_ec2() -> None:
    def uplift(size: str) -> Decimal:
        in_sagemaker = estimate(job((f"ml.g5.{size}", 1), hours=1), SeedPrices()).expected_usd
        in_ec2 = estimate(job((f"g5.{size}", 1), hours=1, service=Service.EC2), SeedPrices()).expected_usd
        assert in_sagemaker is not None
        assert in_ec2 is not None
        return round(in_sagemaker / in_ec2, 4)

    assert uplift("12xlarge") == Decimal("1.2500")
    assert uplift("xlarge") != uplift("12xlarge")


def test_an_ec2_start_is_billed_sixty_seconds_at_least() -> None:
    short = job(("g5.xlarge", 1), hours=20 / 3600, service=Service.EC2)
    assert sums(short, Priced(rates={"g5.xlarge": "3.6"})) == ("0.06", "0.06", "0.06")
    in_sagemaker = job(("ml.g5.xlarge", 1), hours=20 / 3600)
    assert sums(in_sagemaker, Priced(rates={"ml.g5.xlarge": "3.6"})) == ("0.02", "0.02", "0.02")


def test_groups_of_a_heterogeneous_cluster_are_added_up() -> None:
    made = estimate(job((P4D, 2), ("ml.c5.9xlarge", 3), hours=10), Priced())
    assert [item.expected_usd for item in made.line_items] == [Decimal("505.02572"), Decimal("55.08")]
    assert amounts(made) == (Decimal("560.10572"),) * 3
    assert made.hourly_usd == Decimal("56.010572")
    assert made.gpu_hours == 160


def test_expected_is_what_was_declared_and_nobody_declares_a_tail() -> None:
    spec = job(expected_runtime=6 * HOUR)
    assert sums(spec) == ("151.507716", "606.030864", "606.030864")
    assert estimate(spec, Priced()).basis == "declared"
    assert sums(spec, past=runs(7, 7, 8)) == ("151.507716", "202.010288", "606.030864")


def test_past_runs_give_median_and_tail_and_too_few_of_them_give_nothing() -> None:
    past = runs(14, 13, 15, 17, 14)
    made = estimate(job(), Priced(), past)
    assert amounts(made) == (Decimal("353.518004"), Decimal("429.271862"), Decimal("606.030864"))
    assert (made.basis, made.p90_runtime) == ("the median of its last 5 runs", 17 * HOUR)
    few = estimate(job(), Priced(), runs(14, 13))
    assert few.expected_runtime == 24 * HOUR
    assert few.basis.startswith("its maximum runtime")
    assert estimate(job(), Priced(), runs(1, 1, 1, finished=False)).expected_runtime == 24 * HOUR


def test_past_runs_longer_than_the_limit_end_at_the_limit() -> None:
    assert sums(job(hours=10), past=runs(30, 30, 30)) == ("252.51286", "252.51286", "252.51286")


def test_a_family_whose_forecasts_were_too_low_raises_p90_and_never_the_worst_case() -> None:
    assert sums(job(hours=20), past=runs(10, 10, 10, ratio="1.5"))[1:] == ("378.76929", "505.02572")
    assert sums(job(hours=20), past=runs(10, 10, 10, ratio="9"))[1:] == ("505.02572", "505.02572")


def test_a_p90_that_past_errors_raised_says_that_it_is_above_the_sum_of_its_lines() -> None:
    raised = estimate(job(hours=20), Priced(), runs(10, 10, 10, ratio="1.5"))
    assert raised.notes == ("past runs cost more than was forecast, so the p90 is above the sum of its lines",)
    assert raised.p90_usd != raised.line_items[0].p90_usd
    for as_forecast in ("1", "0.7"):
        made = estimate(job(hours=20), Priced(), runs(10, 10, 10, ratio=as_forecast))
        assert (made.notes, made.p90_usd) == ((), made.line_items[0].p90_usd)


# --- tuning ------------------------------------------------------------------------------------------


def test_a_tuning_job_costs_its_jobs_and_its_rate_is_of_those_that_run_at_once() -> None:
    made = estimate(job(hours=2, service=Service.TUNING, jobs=20, parallel=4), Priced())
    assert made.worst_case_usd == Decimal("1010.05144")
    assert made.hourly_usd == Decimal("101.005144")
    assert made.gpu_hours == 320


def test_a_tuning_job_is_capped_by_its_own_runtime_times_what_runs_at_once() -> None:
    spec = job(hours=2, service=Service.TUNING, jobs=20, parallel=4, total_runtime=3 * HOUR)
    assert sums(spec) == ("303.015432",) * 3
    assert sums(replace(spec, total_runtime=100 * HOUR)) == ("1010.05144",) * 3
    assert sums(replace(spec, jobs=2, total_runtime=HOUR))[2] == "50.502572", "two jobs are never four at once"


SWEEP = job(hours=2, service=Service.TUNING, jobs=20, parallel=4)


def cost(*usd: int | None, hours: float = 5) -> tuple[PastRun, ...]:
    """Past runs that cost so much, and were forecast at $10."""
    return tuple(
        replace(run, expected_usd=Decimal(10), actual_usd=Decimal(each) if each is not None else None)
        for run, each in zip(runs(*[hours] * len(usd)), usd, strict=True)
    )


def test_a_tuning_job_is_expected_to_cost_what_its_past_runs_did_however_long_they_took() -> None:
    for hours in (1, 5, 500):
        made = estimate(SWEEP, Priced(), cost(200, 210, 400, hours=hours))
        assert amounts(made) == (Decimal(210), Decimal(400), Decimal("1010.05144"))
        assert (made.basis, made.expected_runtime) == ("the median cost of its last 3 runs", 2 * HOUR)


def test_what_past_runs_of_a_tuning_job_cost_is_no_sum_of_its_lines_and_that_is_said() -> None:
    made = estimate(SWEEP, Priced(), cost(200, 210, 400))
    assert made.line_items[0].expected_usd == Decimal("1010.05144")
    assert made.notes == ("expected and p90 are what its last 3 runs cost, and not the sums of the lines",)
    assert estimate(SWEEP, Priced()).notes == ()
    assert estimate(SWEEP, Priced(), cost(2000, 2000, 3000)).notes == (), "both are the worst case, as the lines are"


def test_a_tuning_job_whose_past_runs_cost_more_than_it_can_ends_at_its_worst_case() -> None:
    assert sums(SWEEP, past=cost(900, 2000, 3000)) == ("1010.05144",) * 3
    assert sums(SWEEP, past=cost(200, 210, 3000)) == ("210", "1010.05144", "1010.05144")
    assert sums(replace(SWEEP, purchase=BLOCK), past=cost(200, 210, 400)) == ("0", "0", "0")


def test_too_few_known_costs_of_a_tuning_job_say_nothing() -> None:
    for past in (cost(200, 210), cost(200, 210, None, None, None)):
        made = estimate(SWEEP, Priced(), past)
        assert amounts(made) == (Decimal("1010.05144"),) * 3
        assert made.basis.startswith("its maximum runtime")


def test_what_one_job_of_a_tuning_job_was_declared_to_take_goes_before_what_past_runs_cost() -> None:
    made = estimate(replace(SWEEP, expected_runtime=HOUR), Priced(), cost(200, 210, 400))
    assert amounts(made) == (Decimal("505.02572"), Decimal("505.02572"), Decimal("1010.05144"))
    assert made.basis == "declared"
    assert sums(replace(SWEEP, expected_runtime=HOUR), past=cost(200, 210, 600))[1] == "600"
    assert made.notes == ("the p90 is by what its last 3 runs cost, and not the sum of the lines",)


# --- warm pools, volumes -----------------------------------------------------------------------------


def test_a_warm_pool_is_a_line_of_its_own_at_its_longest() -> None:
    made = estimate(job(hours=10, expected_runtime=5 * HOUR, warm_pool=timedelta(minutes=30)), Priced())
    pool = made.line_items[1]
    assert (pool.what, pool.quantity) == ("ml.p4d.24xlarge warm pool", Decimal("0.5"))
    assert (pool.expected_usd, pool.worst_case_usd) == (Decimal("12.625643"), Decimal("12.625643"))
    assert amounts(made) == (Decimal("138.882073"), Decimal("265.138503"), Decimal("265.138503"))
    assert made.hourly_usd == Decimal("25.251286"), "while it runs nothing is kept"


def test_volumes_are_billed_by_the_gb_month_with_each_services_own_price() -> None:
    prices = Priced(volumes=STORAGE)
    training = estimate(job(("ml.m5.xlarge", 2), hours=36, volume=Volume(500)), prices).line_items[1]
    assert (training.what, training.expected_usd) == ("500 GB gp2 for ml.m5.xlarge", Decimal(7))
    processing = job(("ml.m5.xlarge", 1), hours=72, service=Service.PROCESSING, volume=Volume(100))
    assert estimate(processing, prices).line_items[1].expected_usd == 1
    in_ec2 = job(("p4d.24xlarge", 1), hours=72, service=Service.EC2, volume=Volume(100, "gp3"))
    assert estimate(in_ec2, prices).line_items[1].expected_usd == Decimal("0.8")


def test_a_warm_pool_keeps_its_volumes() -> None:
    spec = job(("ml.m5.xlarge", 1), hours=71, volume=Volume(100), warm_pool=HOUR)
    assert estimate(spec, Priced(volumes=STORAGE)).line_items[-1].expected_usd == Decimal("1.4")


@pytest.mark.parametrize("name", ["ml.p4d.24xlarge", "ml.g5.xlarge", "ml.g5.12xlarge"])
def test_types_with_disks_of_their_own_get_no_volume_and_say_so(name: str) -> None:
    made = estimate(job((name, 1), volume=Volume(500)), Priced(volumes=STORAGE))
    assert len(made.line_items) == 1
    assert made.notes == (f"{name} brings its own disks, so no volume is attached",)


# --- spot, prepaid, discounts ------------------------------------------------------------------------


def test_spot_is_expected_at_its_median_and_at_worst_at_list_price() -> None:
    spec = job(("p4d.24xlarge", 2), hours=10, service=Service.EC2, purchase=SPOT, expected_runtime=5 * HOUR)
    made = estimate(spec, Priced(spot={"p4d.24xlarge": ("9.1", "11.4")}))
    assert amounts(made) == (Decimal(91), Decimal(228), Decimal("439.15284"))
    assert made.hourly_usd == Decimal("22.8")
    assert (made.confidence, made.notes) == (Confidence.SPOT_P90, ())
    assert made.line_items[0].what == "p4d.24xlarge (spot, us-east-1a)"


def test_spot_without_a_list_price_has_no_known_worst_case() -> None:
    spec = job(("p4d.24xlarge", 1), hours=10, service=Service.EC2, purchase=SPOT)
    made = estimate(spec, Priced(rates={}, spot={"p4d.24xlarge": ("9.1", "11.4")}))
    assert amounts(made) == (Decimal(91), Decimal(114), None)
    assert made.confidence is Confidence.UNKNOWN
    assert made.unpriced == ("p4d.24xlarge (spot, us-east-1a) in us-east-1",)


def test_spot_over_a_stale_list_price_is_no_better_than_that() -> None:
    spec = job(("p4d.24xlarge", 1), service=Service.EC2, purchase=SPOT)
    old = date(2026, 11, 1)
    made = estimate(spec, Priced(spot={"p4d.24xlarge": ("9.1", "11.4")}, trust=Trust.STALE, as_of=old))
    assert (made.confidence, made.price_as_of) == (Confidence.STALE, old)


def test_spot_above_a_list_price_of_yesterday_is_the_worst_case_itself() -> None:
    spec = job(("g5.xlarge", 1), hours=1, service=Service.EC2, purchase=SPOT)
    assert sums(spec, Priced(spot={"g5.xlarge": ("1.2", "1.5")})) == ("1.2", "1.5", "1.5")


def test_spot_without_a_spot_price_is_list_price_without_any_discount_and_says_so() -> None:
    spec = job(("g5.xlarge", 1), hours=1, service=Service.EC2, purchase=SPOT)
    made = estimate(spec, Priced(multipliers={"g5.xlarge": "0.5"}))
    assert amounts(made) == (Decimal("1.006"),) * 3
    assert made.notes == (
        "g5.xlarge at list price, which spot does not exceed: no spot price of the last days is known",
    )


def test_managed_spot_training_is_priced_at_list_as_an_upper_bound_and_says_so() -> None:
    made = estimate(job(purchase=SPOT), Priced(spot={P4D: ("1", "2")}))
    assert amounts(made) == (Decimal("606.030864"),) * 3
    assert made.confidence is Confidence.LIST
    assert made.notes == (
        "managed spot training at list price, its upper bound: what it saves is known when it is over",
    )


def test_managed_spot_training_at_list_price_is_a_bound_and_takes_no_discount() -> None:
    made = estimate(job(hours=10, purchase=SPOT, warm_pool=HOUR), Priced(multipliers={P4D: "0.71"}))
    assert made.worst_case_usd == 11 * Decimal("25.251286")
    assert [item.unit for item in made.line_items] == ["instance-hour", "instance-hour"]


def test_prepaid_costs_nothing_more_and_shows_its_list_value() -> None:
    made = estimate(job(expected_runtime=6 * HOUR, purchase=BLOCK), Priced())
    assert amounts(made) == (Decimal(0),) * 3
    assert (made.hourly_usd, made.list_value_usd) == (Decimal(0), Decimal("151.507716"))
    assert made.confidence is Confidence.PREPAID
    assert made.gpu_hours == 48


def test_prepaid_without_a_list_price_costs_nothing_and_its_value_is_unknown() -> None:
    made = estimate(job(purchase=BLOCK), Priced(rates={}))
    assert amounts(made) == (Decimal(0),) * 3
    assert (made.list_value_usd, made.confidence) == (None, Confidence.PREPAID)


def test_a_discount_is_a_negative_line_of_its_own() -> None:
    made = estimate(job(hours=10, warm_pool=HOUR), Priced(multipliers={P4D: "0.71"}))
    assert [item.what for item in made.line_items] == [
        P4D,
        f"{P4D} warm pool",
        f"{P4D}: negotiated, x 0.71 ({P4D})",
        f"{P4D} warm pool: negotiated, x 0.71 ({P4D})",
    ]
    assert made.line_items[2].expected_usd == Decimal("-73.2287294")
    assert made.expected_usd == 11 * Decimal("25.251286") * Decimal("0.71")
    assert made.hourly_usd == Decimal("17.92841306")


# --- trust -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trust", "confidence"),
    [(Trust.FRESH, Confidence.LIST), (Trust.STALE, Confidence.STALE), (Trust.SEED, Confidence.SEED)],
)
def test_an_estimate_is_as_trusted_as_its_prices(trust: Trust, confidence: Confidence) -> None:
    made = estimate(job(), Priced(trust=trust))
    assert (made.confidence, made.price_as_of, made.line_items[0].confidence) == (confidence, DAY, confidence)


def test_a_type_without_a_price_makes_every_sum_unknown_and_is_named() -> None:
    made = estimate(job((P4D, 1), ("ml.p9.48xlarge", 1)), Priced())
    assert (*amounts(made), made.hourly_usd) == (None,) * 4
    assert made.gpu_hours is None, "nobody knows how many accelerators it has"
    assert made.confidence is Confidence.UNKNOWN
    assert made.unpriced == ("ml.p9.48xlarge in us-east-1",)
    assert made.line_items[0].expected_usd == Decimal("606.030864"), "what is known stays known"


def test_a_volume_without_a_price_makes_the_sum_unknown() -> None:
    made = estimate(job(("ml.m5.xlarge", 1), volume=Volume(10)), Priced())
    assert made.expected_usd is None
    assert made.unpriced == ("10 GB gp2 for ml.m5.xlarge in us-east-1",)


def test_a_price_of_zero_is_no_price() -> None:
    zero = Priced(
        rates={"ml.m5.xlarge": "0", "g5.xlarge": "0.0"},
        spot={"g5.xlarge": ("0", "0")},
        volumes={(VolumeUse.TRAINING, "gp2"): "0", (VolumeUse.EC2, "gp3"): "0"},
    )
    for spec in (
        job(("ml.m5.xlarge", 1)),
        job(("ml.m5.xlarge", 1), volume=Volume(10)),
        job(("g5.xlarge", 1), service=Service.EC2),
        job(("g5.xlarge", 1), service=Service.EC2, purchase=SPOT),
    ):
        assert sums(spec, zero) == ("unknown",) * 3
    in_ec2 = job(("p4d.24xlarge", 1), service=Service.EC2, volume=Volume(10, "gp3"))
    assert sums(in_ec2, replace(zero, rates={"p4d.24xlarge": "1"})) == ("unknown",) * 3


# --- jobs that nobody could start --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"groups": ()}, "instance_type: the job names neither an instance type nor instance groups"),
        ({"groups": (InstanceGroup("", 1),)}, "instance_type: it is empty"),
        ({"groups": (InstanceGroup("p4d.24xlarge", 1),)}, "is no type of SageMaker; did you mean 'ml.p4d.24xlarge'?"),
        ({"service": Service.EC2}, "'ml.p4d.24xlarge' is no type of EC2; did you mean 'p4d.24xlarge'?"),
        ({"groups": (InstanceGroup(P4D, 0),)}, "instance_count: 0 is no number of instances; expected 1 to 100,000"),
        ({"groups": (InstanceGroup(P4D, 10**30),)}, "instance_count: 1000000000000000000000000000000 is no number"),
        ({"max_runtime": timedelta(0)}, "max_runtime: expected a duration longer than zero"),
        ({"max_runtime": -HOUR}, "max_runtime: expected a duration longer than zero"),
        ({"max_runtime": timedelta(days=29)}, "max_runtime: 696h is above the service's limit of 672h"),
        (
            {"service": Service.PROCESSING, "max_runtime": timedelta(days=10)},
            "max_runtime: 240h is above the service's limit of 216h",
        ),
        ({"expected_runtime": timedelta(0)}, "expected_runtime: expected a duration longer than zero"),
        ({"expected_runtime": 25 * HOUR}, "expected_runtime: 25h is longer than max_runtime, 24h"),
        ({"warm_pool": 7 * HOUR}, "warm_pool: expected at most 6h"),
        ({"warm_pool": -HOUR}, "warm_pool: expected at most 6h, and not less than zero"),
        ({"service": Service.PROCESSING, "warm_pool": HOUR}, "warm_pool: only training jobs keep their instances"),
        ({"volume": Volume(0)}, "volume_gb: 0 is no number of GB; expected 1 to 65,536"),
        ({"volume": Volume(10, "gp3")}, "volume_kind: SageMaker attaches gp2 and nothing else, not 'gp3'"),
        ({"jobs": 3}, "jobs, parallel, total_runtime: only a tuning job starts several jobs"),
        ({"service": Service.TUNING, "jobs": 0}, "jobs: 0 is no number of training jobs"),
        ({"service": Service.TUNING, "parallel": -1}, "parallel: -1 is no number of training jobs at once"),
        (
            {"service": Service.TUNING, "total_runtime": timedelta(days=200)},
            "total_runtime: 4800h is above the service's limit of 4380h",
        ),
        ({"service": Service.PROCESSING, "purchase": SPOT}, "purchase: a processing job is on-demand"),
    ],
)
def test_a_job_that_nobody_could_start_is_one_sentence_that_names_the_field(changes: Any, says: str) -> None:
    with pytest.raises(InputError) as wrong:
        check(replace(job(), **changes))
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)
