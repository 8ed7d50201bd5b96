"""A preview's arithmetic: who went over, what a stop would have destroyed or saved, approvals, limits, weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costwatch.adapters.prices import SeedPrices
from costwatch.config.loader import load
from costwatch.config.model import parse
from costwatch.core.durations import parse as duration
from costwatch.core.families import Runtimes
from costwatch.core.model import RunKind
from costwatch.core.policy import Mode, Policy, Service
from costwatch.core.prices import VolumeRate, VolumeUse
from costwatch.preview import limits
from costwatch.preview.approvals import Approvals, approvals
from costwatch.preview.defaults import default_policy, enforced_policy
from costwatch.preview.describing import past_job
from costwatch.preview.history import PastJob, PastRun, forecast_usd, past_runs
from costwatch.preview.judging import Fate, Judged, Over, judge
from costwatch.preview.limits import families_of, rounded_up, selector_lines, suggest, tag_lines
from costwatch.preview.spending import Spending, spending
from tests.support.prices import NoPrices

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SINCE = NOW - timedelta(days=28)
P4D, G5, UNKNOWN = "ml.p4d.24xlarge", "ml.g5.xlarge", "ml.p9.48xlarge"
P4D_USD = Decimal("25.251286")
ARN = "arn:aws:sagemaker:us-east-1:111122223333:"


def training(
    name: str = "churn",
    *,
    hours: float | None = 1,
    kind: str = P4D,
    status: str = "Completed",
    days_ago: float = 10,
    tags: Mapping[str, str] | None = None,
    **raw: Any,
) -> PastJob:
    """A training job as Search has it; `hours` None: it never started. What `raw` says comes last."""
    created = NOW - timedelta(days=days_ago)
    ran = timedelta(hours=hours) if hours is not None else None
    over = status not in ("InProgress", "Stopping")
    seconds = int(ran.total_seconds()) if ran is not None else 0
    times: dict[str, Any] = {"TrainingStartTime": created} if ran is not None else {}
    if ran is not None and over:
        times |= {"TrainingEndTime": created + ran, "TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    body = {
        "TrainingJobName": name,
        "TrainingJobArn": f"{ARN}training-job/{name}",
        "TrainingJobStatus": status,
        "CreationTime": created,
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
        "AlgorithmSpecification": {"TrainingImage": "registry/pytorch:2.3"},
        **times,
        **raw,
    }
    return past_job(Service.TRAINING, body, tags or {}, "us-east-1")


def tuning(
    name: str = "sweep",
    *,
    hours: float = 80,
    status: str = "Completed",
    counters: Mapping[str, int] | None = None,
    **limits: int,
) -> PastJob:
    """`counters`: its training jobs by state, as it counts them; None: it does not say."""
    created = NOW - timedelta(days=10)
    body = {
        **({"TrainingJobStatusCounters": counters} if counters is not None else {}),
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobStatus": status,
        "CreationTime": created,
        "HyperParameterTuningEndTime": created + timedelta(hours=hours),
        "HyperParameterTuningJobConfig": {
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 2, **limits}
        },
        "TrainingJobDefinition": {
            "ResourceConfig": {"InstanceType": P4D, "InstanceCount": 1, "VolumeSizeInGB": 50},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
    }
    return past_job(Service.TUNING, body, {}, "us-east-1")


def child(name: str, *, begins: float, hours: float, status: str = "Completed") -> PastJob:
    """Of `sweep`, begun so many hours after it."""
    return training(
        name, hours=hours, days_ago=10 - begins / 24, status=status,
        TuningJobArn=f"{ARN}hyper-parameter-tuning-job/sweep",
    )  # fmt: skip


def configured(**dead_man: Any) -> Policy:
    """As `costwatch.yaml` would have it, judged as a preview does."""
    body = {"selectors": [{"name": "jobs", "sagemaker": ["training", "tuning"]}], **dead_man}
    return enforced_policy(parse({"version": 1, "regions": ["us-east-1"], "dead_man": body}), commit="")


def runs(*jobs: PastJob) -> list[PastRun]:
    return past_runs(jobs, SeedPrices(), account="111122223333", run_tag="costwatch:run")


def judged(*jobs: PastJob, policy: Policy | None = None) -> Judged:
    return judge(runs(*jobs), policy or default_policy(["us-east-1"]))


def only(*jobs: PastJob, policy: Policy | None = None) -> Over:
    [found] = judged(*jobs, policy=policy).over
    return found


def cents(amount: Decimal | None) -> Decimal | None:
    return amount.quantize(Decimal("0.01")) if amount is not None else None


# --- what would have been stopped ------------------------------------------------------------------------------


def test_exactly_at_its_limit_a_run_is_not_over() -> None:
    found = judged(training(hours=12))
    assert (found.over, found.within) == ((), 1)


def test_a_second_after_its_limit_it_is() -> None:
    found = only(training(hours=12 + 1 / 3600, status="Failed"))
    assert (found.limit, found.over_by, found.fate) == (12 * HOUR, timedelta(seconds=1), Fate.STOPPED)
    assert found.selector == "default-training"


def test_stopping_what_finished_later_would_have_destroyed_what_it_had_cost_by_then() -> None:
    found = only(training(hours=14))
    assert cents(found.destroyed_usd) == cents(12 * P4D_USD)
    assert found.saved_usd == 0
    assert cents(found.usd_after) == cents(2 * P4D_USD)


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_stopping_what_failed_or_was_stopped_later_would_have_saved_the_rest(status: str) -> None:
    found = only(training(hours=31, status=status))
    assert (cents(found.saved_usd), found.destroyed_usd) == (cents(19 * P4D_USD), Decimal(0))


def test_the_balance_is_what_was_saved_without_what_was_destroyed() -> None:
    balance = judged(training("a", hours=14), training("b", hours=31, status="Failed")).balance
    assert (balance.runs, balance.finished, balance.failed) == (2, 1, 1)
    assert cents(balance.net_usd) == cents(7 * P4D_USD)


def test_a_loss_is_a_negative_net() -> None:
    assert cents(judged(training(hours=13)).balance.net_usd) == cents(-12 * P4D_USD)


def test_an_unknown_cost_is_counted_and_in_no_sum() -> None:
    balance = judged(training(hours=14, kind=UNKNOWN), training("b", hours=31, status="Failed")).balance
    assert (balance.unknown, balance.destroyed_usd, cents(balance.saved_usd)) == (1, Decimal(0), cents(19 * P4D_USD))


def test_managed_spot_is_billed_after_the_limit_in_proportion() -> None:
    spot = training(hours=24, status="Failed", EnableManagedSpotTraining=True, BillableTimeInSeconds=12 * 3600)
    assert cents(only(spot).saved_usd) == cents(6 * P4D_USD)


def test_a_warm_pool_would_have_been_kept_all_the_same() -> None:
    pool = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 3600}
    found = only(training(hours=14, status="Failed", WarmPoolStatus=pool))
    assert cents(found.saved_usd) == cents(2 * P4D_USD)
    assert cents(found.past.usd) == cents(15 * P4D_USD)


def test_checkpoints_are_told_of_what_would_have_lost_less() -> None:
    kept = training(hours=14, CheckpointConfig={"S3Uri": "s3://b/c"})
    assert judged(kept).balance.checkpoints == 1
    assert judged(training(hours=14)).balance.checkpoints == 0


def test_the_first_selector_that_matches_gives_the_limit() -> None:
    policy = configured(
        selectors=[
            {"name": "big", "sagemaker": {"jobs": ["training"], "types": ["ml.p4d.*"]}, "max_runtime": "4h"},
            {"name": "rest", "sagemaker": ["training"], "max_runtime": "40h"},
        ]
    )
    found = judged(training("a", hours=5), training("b", hours=39, kind=G5), policy=policy)
    assert [(each.past.run.id.name, each.selector, each.limit) for each in found.over] == [("a", "big", 4 * HOUR)]


def test_what_is_protected_is_held_and_in_no_balance() -> None:
    policy = configured(protect=[{"tag": {"Environment": "prod"}}])
    found = judged(training(hours=31, status="Failed", tags={"Environment": "prod"}), policy=policy)
    assert [each.fate for each in found.over] == [Fate.HELD]
    assert "protected" in found.over[0].held_by
    assert (found.balance.runs, found.balance.saved_usd) == (0, Decimal(0))


def test_a_declared_limit_comes_before_the_selectors() -> None:
    policy = configured(selectors=[{"name": "jobs", "sagemaker": ["training"], "max_runtime": "declared"}])
    own: dict[str, Any] = {"StoppingCondition": {"MaxRuntimeInSeconds": 20 * 3600}}
    assert judged(training(hours=19, **own), policy=policy).over == ()
    assert only(training(hours=21, **own), policy=policy).limit == 20 * HOUR


def test_the_hard_cap_is_above_a_longer_tag() -> None:
    found = only(training(hours=80, status="Failed", tags={"costwatch:max-runtime": "90h"}))
    assert found.limit == 72 * HOUR


def test_an_exempt_tag_with_a_reason_lasts_a_week_from_the_start() -> None:
    tags = {"costwatch:exempt": "camera-ready"}
    assert judged(training(hours=30, tags=tags)).over == ()
    # The tag beats the hard cap while it lasts, and no longer.
    assert only(training(hours=7 * 24 + 1, tags=tags)).limit == 12 * HOUR


def test_a_selector_that_says_warn_itself_only_warns() -> None:
    policy = configured(selectors=[{"name": "jobs", "sagemaker": ["training"], "mode": "warn"}])
    found = judged(training(hours=31, status="Failed"), policy=policy)
    assert ([each.fate for each in found.over], found.balance.runs) == ([Fate.WARNED], 0)


def test_a_selector_that_is_off_sets_no_limit() -> None:
    policy = configured(selectors=[{"name": "jobs", "sagemaker": ["training"], "mode": "off"}])
    found = judged(training(hours=31), policy=policy)
    assert (found.over, found.off) == ((), 1)


@pytest.mark.parametrize("mode", ["observe", "warn", "enforce"])
def test_whatever_the_guard_is_in_it_is_judged_as_in_enforce(mode: str) -> None:
    tag = {"Purpose": "training"}
    policy = configured(mode=mode, selectors=[{"name": "jobs", "sagemaker": {"jobs": ["training"], "tag": tag}}])
    assert only(training(hours=14, tags=tag), policy=policy).fate is Fate.STOPPED
    assert judged(training(hours=14), policy=policy).off == 1


def test_a_guard_that_is_off_stays_off() -> None:
    assert configured(mode="off").mode is Mode.OFF
    assert judged(training(hours=31), policy=configured(mode="off")).off == 1


def test_what_was_over_before_its_notice_was_only_warned() -> None:
    # A limit of 10 minutes: warned at its start, and nobody is stopped within half an hour of that.
    tags = {"costwatch:max-runtime": "10m"}
    assert only(training(hours=0.5, tags=tags)).fate is Fate.WARNED
    stopped = only(training(hours=1, status="Failed", tags=tags))
    assert (stopped.fate, cents(stopped.usd_after)) == (Fate.STOPPED, cents(P4D_USD / 2))


def test_unreadable_tags_hold_a_run() -> None:
    job = training(hours=31)
    blind = replace(job, member=replace(job.member, tags=None))
    assert only(blind).fate is Fate.HELD


def test_a_job_that_failed_while_it_uploaded_is_judged_like_any_other() -> None:
    assert only(training(hours=31, status="Failed", SecondaryStatus="Uploading")).fate is Fate.STOPPED


def test_a_run_in_progress_is_judged_with_todays_fleet() -> None:
    found = judged(training(hours=31, status="InProgress"))
    assert (found.over, found.unended) == ((), 1)


def test_what_never_started_is_within() -> None:
    found = judged(training(hours=None, status="Failed"))
    assert (found.over, found.within, found.unended) == ((), 1, 0)


# --- tuning jobs with their children -----------------------------------------------------------------------------


def test_a_tuning_job_is_one_run_with_its_children_and_only_warned_after_72_hours() -> None:
    found = only(tuning(hours=80), child("c1", begins=0, hours=40), child("c2", begins=60, hours=20))
    assert (found.fate, found.limit) == (Fate.WARNED, 72 * HOUR)
    assert cents(found.past.usd) == cents(60 * P4D_USD)
    assert cents(found.usd_after) == cents(8 * P4D_USD), "what its children burned after 72 hours"


def test_a_tuning_job_is_not_over_at_72_hours() -> None:
    assert judged(tuning(hours=72), child("c1", begins=0, hours=72)).over == ()


def test_a_child_is_never_judged_by_itself() -> None:
    assert judged(tuning(hours=20), child("c1", begins=0, hours=20)).over == ()


def test_a_child_that_ended_as_it_began_burned_nothing_after_the_limit() -> None:
    found = only(tuning(hours=80), child("c1", begins=73, hours=0))
    assert found.usd_after == 0


def test_a_child_that_never_started_keeps_no_run_open() -> None:
    failed = training("c2", hours=None, status="Failed", TuningJobArn=f"{ARN}hyper-parameter-tuning-job/sweep")
    assert judged(tuning(hours=80), failed).unended == 0


def test_a_tuning_job_none_of_whose_children_is_known_costs_an_unknown_amount_and_never_nothing() -> None:
    found = judged(tuning(hours=80))
    [over] = found.over
    assert (over.past.usd, over.usd_after, over.usd_before) == (None, None, None)
    [family] = families_of(runs(tuning(hours=80)))
    assert (family.usd, family.unpriced) == (Decimal(0), 1)
    assert approvals(runs(tuning()), SeedPrices(), since=SINCE, now=NOW).actual_unknown == 1


def test_a_tuning_job_some_of_whose_children_were_left_out_costs_an_unknown_amount() -> None:
    children = child("c1", begins=0, hours=2), child("c2", begins=2, hours=1)
    for counters, usd in (
        ({"Completed": 2, "InProgress": 0, "Stopped": 0}, 3 * P4D_USD),
        ({"Completed": 1, "InProgress": 0, "NonRetryableError": 1}, 3 * P4D_USD),
        ({"Completed": 2, "InProgress": 0, "Stopped": 1}, None),
    ):
        [found] = runs(tuning(counters=counters), *children)
        assert found.usd == usd


def test_an_automl_job_whose_tuning_job_started_more_than_is_known_costs_an_unknown_amount() -> None:
    arns: dict[str, Any] = {
        "TuningJobArn": f"{ARN}hyper-parameter-tuning-job/sweep",
        "AutoMLJobArn": f"{ARN}automl-job/auto",
    }
    children = training("c1", hours=1, **arns), training("c2", hours=2, **arns)
    for counters, usd in (
        ({"Completed": 2}, 3 * P4D_USD),
        ({"Completed": 3}, None),
        (None, 3 * P4D_USD),
    ):
        [found] = runs(tuning(counters=counters), *children)
        assert (found.run.id.kind, found.usd) == (RunKind.AUTOML, usd)


def test_a_tuning_job_that_says_it_started_nothing_cost_nothing() -> None:
    [found] = runs(tuning(counters={"Completed": 0, "InProgress": 0}))
    assert found.usd == 0


def test_what_a_schedule_starts_is_a_run_each() -> None:
    schedule: dict[str, Any] = {"MonitoringScheduleArn": f"{ARN}monitoring-schedule/drift"}
    found = runs(*(processing(f"drift-{day}", hours=1, days_ago=day, **schedule) for day in (1, 2, 3)))
    assert [each.run.id.kind for each in found] == [RunKind.SCHEDULE] * 3
    assert judge(found, default_policy(["us-east-1"])).over == ()


def processing(name: str, *, hours: float, days_ago: float = 5, kind: str = G5, **raw: Any) -> PastJob:
    created = NOW - timedelta(days=days_ago)
    body = {
        "ProcessingJobName": name,
        "ProcessingJobStatus": "Completed",
        "CreationTime": created,
        "ProcessingStartTime": created,
        "ProcessingEndTime": created + timedelta(hours=hours),
        "ProcessingResources": {"ClusterConfig": {"InstanceType": kind, "InstanceCount": 2}},
        **raw,
    }
    return past_job(Service.PROCESSING, body, {}, "us-east-1")


def test_a_processing_job_costs_its_time_from_start_to_end() -> None:
    [found] = runs(processing("features", hours=1.5))
    assert (found.usd, found.jobs[0].cost is not None) == (Decimal("1.408") * 3, True)


def test_a_tuning_job_of_an_automl_job_is_its_child() -> None:
    arns: dict[str, Any] = {
        "TuningJobArn": f"{ARN}hyper-parameter-tuning-job/sweep",
        "AutoMLJobArn": f"{ARN}automl-job/auto",
    }
    [found] = runs(tuning(), training("c1", **arns))
    assert (found.run.id.kind, found.run.id.name) == (RunKind.AUTOML, "auto")


# --- approvals ----------------------------------------------------------------------------------------------------


class HundredAnHour(NoPrices):
    """Every training instance costs what the test says."""

    def __init__(self, hourly_usd: str = "100") -> None:
        self._hourly_usd = Decimal(hourly_usd)

    def training_hourly_rate(self, instance_type: str, region: str) -> Any:
        found = SeedPrices().training_hourly_rate(P4D, "us-east-1")
        assert found is not None
        return replace(found, hourly_rate_usd=self._hourly_usd) if instance_type != UNKNOWN else None


def asked(*jobs: PastJob, prices: Any = None) -> Approvals:
    table = prices or HundredAnHour()
    found = past_runs(jobs, table, account="111122223333", run_tag="costwatch:run")
    return approvals(found, table, since=SINCE, now=NOW)


def above(found: Approvals, usd: int) -> tuple[int, int]:
    [row] = [each for each in found.thresholds if each.above_usd == usd]
    return row.by_forecast, row.by_actual


def test_exactly_a_hundred_dollars_is_not_above_a_hundred() -> None:
    hour: dict[str, Any] = {"StoppingCondition": {"MaxRuntimeInSeconds": 3600}}
    assert above(asked(training(hours=1, **hour)), 100) == (0, 0)
    assert above(asked(training(hours=1, **hour), prices=HundredAnHour("100.01")), 100) == (1, 1)


def test_a_forecast_is_the_maximum_runtime_and_the_actual_what_was_billed() -> None:
    found = asked(training(hours=2))
    [row] = [each for each in found.thresholds if each.above_usd == 100]
    assert (row.forecast_usd, row.actual_usd) == (Decimal(2400), Decimal(200))
    assert above(found, 250) == (1, 0)


def test_without_a_stopping_condition_it_is_sagemakers_day() -> None:
    bare = training(hours=2, StoppingCondition={})
    assert forecast_usd(bare, HundredAnHour()) == Decimal(2400)


def test_a_warm_pool_is_in_the_worst_case() -> None:
    config = {"InstanceType": P4D, "InstanceCount": 1, "KeepAlivePeriodInSeconds": 3600}
    assert forecast_usd(training(ResourceConfig=config), HundredAnHour()) == Decimal(2500)


def test_where_a_volume_has_no_price_the_worst_case_is_without_it() -> None:
    config = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}
    assert forecast_usd(training(ResourceConfig=config), HundredAnHour()) == Decimal(2400)


def test_what_a_schedule_starts_is_not_asked_about() -> None:
    schedule: dict[str, Any] = {"MonitoringScheduleArn": f"{ARN}monitoring-schedule/drift"}
    assert asked(processing("drift", hours=1, **schedule)).asked == 0


def test_a_tuning_jobs_worst_case_is_all_its_jobs_within_its_own_limit() -> None:
    assert forecast_usd(tuning(), HundredAnHour()) == Decimal(1000), "10 jobs of an hour"
    assert forecast_usd(tuning(MaxRuntimeInSeconds=7200), HundredAnHour()) == Decimal(400), "2 at once for 2 hours"


@pytest.mark.parametrize(
    "definitions",
    [
        {"TrainingJobDefinitions": [{"ResourceConfig": {"InstanceType": each, "InstanceCount": count}}
                                    for each, count in ((P4D, 3), (G5, 1))]},
        {"TrainingJobDefinition": {"HyperParameterTuningResourceConfig": {
            "VolumeSizeInGB": 50, "InstanceConfigs": [{"InstanceType": each, "InstanceCount": count}
                                                      for each, count in ((P4D, 3), (G5, 1))]}}},
    ],
)  # fmt: skip
def test_of_several_possible_types_a_tuning_jobs_worst_case_is_the_dearest(definitions: dict[str, Any]) -> None:
    body = {
        "HyperParameterTuningJobName": "sweep",
        "HyperParameterTuningJobStatus": "Completed",
        "CreationTime": NOW,
        **definitions,
    }
    job = past_job(Service.TUNING, body, {}, "us-east-1")
    assert forecast_usd(job, HundredAnHour()) == Decimal(7200), "3 instances for a day, and one job where it names none"


def test_one_possible_type_without_a_price_makes_the_worst_case_unknown() -> None:
    first, *others = tuning().specs
    assert others == []
    unpriced = replace(first, groups=(replace(first.groups[0], instance_type=UNKNOWN),))
    for specs in ((first, unpriced), (unpriced, first), ()):
        assert forecast_usd(replace(tuning(), specs=specs), HundredAnHour()) is None


def test_children_are_never_asked_about_and_a_tuning_job_once() -> None:
    found = asked(tuning(), child("c1", begins=0, hours=40), child("c2", begins=1, hours=20))
    assert (found.asked, above(found, 1000)) == (1, (0, 1)), "10 jobs of an hour are exactly $1,000 at most"


def test_a_week_is_seven_days_of_the_time_that_is_looked_at() -> None:
    found = asked(*(training(f"j{n}") for n in range(6)))
    assert (found.weeks, found.a_week(above(found, 1000)[0])) == (Decimal(4), Decimal("1.5"))


def test_what_was_created_before_is_not_asked_about() -> None:
    assert asked(training(days_ago=28.01)).asked == 0
    assert asked(training(days_ago=28)).asked == 1


def test_unknown_prices_and_running_jobs_are_counted_beside() -> None:
    found = asked(training("a", kind=UNKNOWN), training("b", status="InProgress"))
    assert (found.asked, found.forecast_unknown, found.actual_unknown, found.running) == (2, 1, 1, 1)
    assert above(found, 50) == (1, 0)


def test_prepaid_capacity_is_not_asked_about() -> None:
    plan = {"InstanceType": P4D, "InstanceCount": 1, "TrainingPlanArn": f"{ARN}training-plan/p"}
    found = asked(training(ResourceConfig=plan))
    assert (found.asked, found.prepaid) == (0, 1)


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "limit"),
    [("1h", "1h"), ("1h1m", "1h30m"), ("6h", "6h"), ("6h1m", "7h"), ("24h", "24h"), ("24h1m", "30h")],
)
def test_a_limit_is_rounded_up_to_a_step(taken: str, limit: str) -> None:
    assert rounded_up(duration(taken)) == duration(limit)


def suggested(p90_hours: float, longest_hours: float) -> limits.Suggestion:
    p90 = timedelta(hours=p90_hours)
    return suggest(Runtimes(p90, p90, 10), timedelta(hours=longest_hours))


def test_a_limit_is_half_more_than_nine_in_ten_take() -> None:
    assert suggested(4, 5).limit == 6 * HOUR


def test_a_limit_is_an_hour_at_least() -> None:
    assert suggested(0.1, 0.1).limit == HOUR


def test_a_limit_is_never_under_the_longest_finished_run() -> None:
    assert suggested(4, 11.5).limit == 12 * HOUR
    assert suggested(4, 12) == limits.Suggestion(12 * HOUR), "three times the p90 is no outlier yet"


def test_a_clear_outlier_sets_no_limit_and_is_told() -> None:
    assert suggested(4, 12.1) == limits.Suggestion(6 * HOUR, outlier=timedelta(hours=12.1))


def test_families_are_of_name_image_and_types_and_of_what_finished() -> None:
    jobs = [training(f"churn-2026-11-0{n}", hours=n) for n in (1, 2, 3)]
    jobs += [training("churn-2026-11-05", hours=50, status="Failed"), training("churn-v9", kind=G5)]
    first, second = families_of(runs(*jobs))
    assert (first.stem, first.types, first.runs, first.finished) == ("churn", (P4D,), 4, 3)
    assert first.image == "pytorch:2.3"
    assert first.taken == Runtimes(2 * HOUR, 3 * HOUR, 3)
    assert first.suggestion == limits.Suggestion(4.5 * HOUR)
    assert (second.types, second.suggestion) == ((G5,), None)


def test_an_algorithm_without_an_image_goes_by_its_name() -> None:
    job = training("churn-2026-11-01", AlgorithmSpecification={"AlgorithmName": "our-forest"})
    assert families_of(runs(job))[0].image == "our-forest"


def test_a_run_that_still_runs_is_in_no_family() -> None:
    assert families_of(runs(tuning(status="InProgress"), child("c1", begins=0, hours=1))) == []


def test_the_lines_to_paste_are_a_configuration_that_is_accepted(tmp_path: Path) -> None:
    jobs = [training(f"churn-2026-11-0{n}", hours=60) for n in (1, 2, 3)]
    jobs += [training(f"tiny-2026-11-0{n}", hours=1, kind=G5) for n in (1, 2, 3)]
    jobs += [training("odd-one", hours=9, kind=G5)]
    found, policy = families_of(runs(*jobs)), default_policy(["us-east-1"])
    assert list(tag_lines(found, policy)) == [
        ("churn (training, ml.p4d.24xlarge)", "costwatch:max-runtime=90h"),
        ("tiny (training, ml.g5.xlarge)", "costwatch:max-runtime=1h30m"),
    ]
    body = "\n".join(f"    {line}" for line in selector_lines(found, policy))
    file = tmp_path / "costwatch.yaml"
    file.write_text(
        f'version: 1\nregions: [us-east-1]\nslack: {{platform_channel: "#ml"}}\ndead_man:\n  selectors:\n{body}\n',
        "utf-8",
    )
    picked = Policy.from_document(load(file).policy_document).selectors
    assert [(each.types, each.limits.max_runtime) for each in picked] == [((G5,), 9 * HOUR), ((P4D,), 90 * HOUR)]
    assert picked[1].limits.hard_cap == 90 * HOUR, "nothing runs past the hard cap"


# --- spending -------------------------------------------------------------------------------------------------------


def spent(*jobs: PastJob, prices: Any = None) -> Spending:
    found = past_runs(jobs, prices or SeedPrices(), account="111122223333", run_tag="costwatch:run")
    over = judge(found, default_policy(["us-east-1"])).over
    return spending(found, over, since=SINCE, now=NOW)


def test_a_job_counts_in_the_week_in_which_it_began() -> None:
    found = spent(
        training("a", days_ago=1), training("b", days_ago=7), training("c", days_ago=7.01), training("d", days_ago=28)
    )
    assert [each.jobs for each in found.weeks] == [2, 1, 0, 1]
    assert sum(each.usd for each in found.weeks) == found.usd == 4 * P4D_USD


def test_the_oldest_week_is_cut_short_and_loses_nothing() -> None:
    found = past_runs([training(days_ago=9)], SeedPrices(), account="1", run_tag="r")
    shown = spending(found, (), since=NOW - timedelta(days=8), now=NOW)
    assert [each.jobs for each in shown.weeks] == [0, 1]
    assert shown.weeks[-1].begins == NOW - timedelta(days=8)


def test_what_was_billed_after_the_limits_is_summed_also_where_nothing_is_stopped() -> None:
    found = spent(training(hours=14), tuning(hours=80), child("c1", begins=0, hours=80))
    assert cents(found.after_limits_usd) == cents(10 * P4D_USD)
    assert cents(sum((each.after_limits_usd for each in found.weeks), Decimal(0))) == cents(10 * P4D_USD)


def test_the_saving_of_managed_spot_is_what_was_not_billed() -> None:
    found = spent(training(hours=4, EnableManagedSpotTraining=True, BillableTimeInSeconds=3600), training("b"))
    assert (found.spot_jobs, found.saved_by_spot_usd, found.spot_usd) == (1, 3 * P4D_USD, P4D_USD)


def test_what_waited_for_spot_capacity_is_no_saving() -> None:
    job = training(
        hours=10, EnableManagedSpotTraining=True, TrainingTimeInSeconds=8 * 3600, BillableTimeInSeconds=4 * 3600
    )
    assert spent(job).saved_by_spot_usd == 4 * P4D_USD


def test_a_job_in_progress_has_no_cost_yet() -> None:
    found = spent(training(status="InProgress"), training("b"))
    assert (found.jobs, found.usd) == (1, P4D_USD)


def test_a_type_without_a_price_is_listed_and_counted_and_never_zero() -> None:
    found = spent(training("a", kind=UNKNOWN), training("b", kind=UNKNOWN), training("c"))
    assert found.unpriced == (("ml.p9.48xlarge in us-east-1 (training)", 2),)
    assert found.usd == P4D_USD


def test_storage_without_a_price_is_said_and_the_rest_is_summed() -> None:
    class WithoutStorage(SeedPrices):
        def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
            return None

    found = spent(training(kind="ml.m5.xlarge", hours=1), prices=WithoutStorage())
    assert (found.usd, found.storage_left_out, found.unpriced) == (Decimal("0.23"), 1, ())


def test_storage_with_a_price_is_in_the_sum() -> None:
    found = spent(training(kind="ml.m5.xlarge", hours=1))
    assert found.usd is not None
    assert (found.usd > Decimal("0.23"), found.storage_left_out) == (True, 0)


def test_prepaid_capacity_costs_nothing_more_and_has_its_list_value_beside() -> None:
    plan = {"InstanceType": P4D, "InstanceCount": 1, "TrainingPlanArn": f"{ARN}training-plan/p"}
    found = spent(training(ResourceConfig=plan))
    assert (found.usd, found.prepaid_jobs, found.prepaid_list_usd) == (Decimal(0), 1, P4D_USD)


def test_heterogeneous_groups_and_a_selected_type_are_what_is_billed() -> None:
    groups = {"InstanceGroups": [{"InstanceType": P4D, "InstanceCount": 1}, {"InstanceType": G5, "InstanceCount": 2}]}
    selected = {
        "InstancePreferences": [{"InstanceType": P4D, "InstanceCount": 3}, {"InstanceType": G5, "InstanceCount": 2}],
        "SelectedInstanceType": G5,
    }
    assert spent(training(ResourceConfig=groups)).usd == P4D_USD + Decimal("2.816")
    assert spent(training(ResourceConfig=selected)).usd == Decimal("2.816")
