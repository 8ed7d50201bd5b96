"""What runs cost: booked once, when they are over, by what AWS says it billed; forecast beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.ledger import Ledger
from costwatch.adapters.table import Put
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.policy import Service
from costwatch.core.run_cost import Outcome, RunCost
from costwatch.errors import PermanentAwsError, TransientAwsError
from costwatch.procedures import booking, costs, hints
from costwatch.procedures.booking import LISTS_LAG
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION, SECOND
from tests.support.fakes import FakeJob, Town
from tests.support.ledger_steps import STAMP
from tests.support.town import TAGS, failing, later, records, town, transitions, warn_and_let_the_notice_pass

ML_P4D = Decimal("25.251286")  # USD an hour, training
P4D = Decimal("21.957642")


def jobs_town(**changes: Any) -> Town:
    return town(policies.selector("jobs", service="training", **changes), policies.selector("trainers"))


def booked(of: Town) -> list[RunCost]:
    return of.ledger.costs(ACCOUNT, of.clock().date())


def only(of: Town) -> RunCost:
    (cost,) = booked(of)
    return cost


def hinted(of: Town, job: FakeJob) -> None:
    hints.follow(of.watchdog(), ACCOUNT, job.region, Service(job.kind), job.name)


def kept(amount: Decimal) -> Decimal:
    """As the ledger keeps it: to a billionth of a dollar."""
    return amount.quantize(Decimal("1e-9"))


def usd(amount: Decimal | None) -> str:
    return f"{amount:.2f}" if amount is not None else "unknown"


# --- jobs ---------------------------------------------------------------------------------------------------


def test_a_job_that_finished_cost_its_billable_seconds_and_not_what_the_meter_had_counted() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=2 * HOUR, tags=TAGS, instance_count=2)
    sweep(of.watchdog())
    job.billable = 90 * MINUTE
    of.world.end(job)
    later(of, minutes=5)
    cost = only(of)
    assert (cost.outcome, cost.basis, cost.actual_usd) == (Outcome.FINISHED, "billable seconds", ML_P4D * 3)
    assert (cost.owners.owner, cost.gpu_hours) == ("maria@example.com", Decimal(24))


def test_managed_spot_is_billed_by_what_it_used_and_what_it_saved_is_said() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=4 * HOUR, tags=TAGS)
    job.spot, job.billable = True, HOUR
    sweep(of.watchdog())
    of.world.end(job)
    later(of, minutes=5)
    assert (only(of).actual_usd, only(of).saved_by_spot_usd) == (ML_P4D, ML_P4D * 3)


def test_a_warm_pool_is_booked_when_it_has_ended() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=2 * HOUR, tags=TAGS, keep_alive=HOUR)
    job.spec = JobSpec(Service.TRAINING, REGION, (InstanceGroup("ml.p4d.24xlarge", 1),), 24 * HOUR, warm_pool=HOUR)
    job.billable = 2 * HOUR
    sweep(of.watchdog())
    of.world.end(job)
    later(of, minutes=5)
    assert only(of).actual_usd == ML_P4D * 2, "how long it is kept nobody knows yet"
    later(of, minutes=60)
    job.pool, job.pool_until = "Terminated", (job.ended_at or of.clock()) + HOUR
    later(of, minutes=5)
    assert only(of).actual_usd == ML_P4D * 3


def test_pools_that_the_next_job_takes_over_are_counted_once() -> None:
    of = jobs_town()
    spec = JobSpec(Service.TRAINING, REGION, (InstanceGroup("ml.p4d.24xlarge", 1),), 24 * HOUR, warm_pool=HOUR)
    for number in range(4):
        job = of.world.train(f"churn-{number}", tags=TAGS, keep_alive=HOUR)
        job.spec = spec
        sweep(of.watchdog())
        of.clock.forward(minutes=10)
        job.billable = 10 * MINUTE
        of.world.end(job)
        sweep(of.watchdog())
        of.clock.forward(minutes=1)
        # The next job takes the pool over after a minute.
        job.pool, job.pool_until = "Terminated", of.clock()
    later(of, minutes=5)
    total = sum((cost.actual_usd or Decimal(0) for cost in booked(of)), Decimal(0))
    assert usd(total) == usd(ML_P4D * 44 / 60)


def test_the_ledger_says_forecast_and_actual_beside_each_other() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=2 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    job.billable = 2 * HOUR
    of.world.end(job)
    later(of, minutes=5)
    last = dict(of.ledger.timeline(only(of).run_id)[-1].entry.evidence)
    assert (last["actual_usd"], last["forecast_usd"]) == ("50.50", "606.03")


def test_the_next_run_of_the_family_is_forecast_by_what_the_last_ones_took() -> None:
    of = jobs_town()
    for number in range(3):
        job = of.world.train(f"churn-v{number}", age=timedelta(0), tags=TAGS)
        sweep(of.watchdog())
        of.clock.forward(hours=2)
        job.billable = 2 * HOUR
        of.world.end(job)
        sweep(of.watchdog())
    of.world.train("churn-v9", tags=TAGS)
    later(of, minutes=5)
    forecast = records(of)["churn-v9"].forecast
    assert forecast is not None
    assert (forecast.basis, forecast.runtime) == ("the median of its last 3 runs", 2 * HOUR)
    assert forecast.expected_usd == ML_P4D * 2


def test_a_failed_job_is_spend_and_teaches_its_family_nothing() -> None:
    of = jobs_town()
    job = of.world.train("churn-v1", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.end(job, status="Failed")
    later(of, minutes=5)
    assert only(of).outcome is Outcome.FAILED
    assert [run.finished for run in of.ledger.past_runs(ACCOUNT, only(of).family)] == [False]


def test_a_forecast_stays_what_it_was_when_the_run_was_first_seen() -> None:
    of = jobs_town()
    of.world.train("churn", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    first = records(of)["churn"].forecast
    later(of, hours=2)
    assert first is not None
    assert records(of)["churn"].forecast == first


def test_a_family_that_cannot_be_read_costs_a_forecast_its_past_and_nobody_its_watch() -> None:
    of = jobs_town()
    of.world.train("churn", age=40 * HOUR, tags=TAGS)
    broken = of.table.query

    def query(pk: str, **more: Any) -> Any:
        if pk.startswith("family#"):
            raise TransientAwsError("throttled")
        return broken(pk, **more)

    of.table.query = query  # type: ignore[method-assign]
    report = sweep(of.watchdog())
    assert records(of)["churn"].status.value == "warned"
    assert [f.where for f in report.failures] == ["past runs of churn||ml.p4d.24xlarge"]


# --- a job that has just begun ------------------------------------------------------------------------------


def test_a_job_that_has_just_begun_has_its_record_and_forecast_by_its_event() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    hinted(of, of.world.train("churn", tags=TAGS))
    record = records(of)["churn"]
    assert record.forecast is not None
    assert (record.forecast.worst_case_usd, record.owner) == (ML_P4D * 24, "maria@example.com")
    assert transitions(of, "churn", "training") == ["first seen"]


def test_the_sweep_makes_the_same_record_without_the_event() -> None:
    with_event, without = jobs_town(), jobs_town()
    for of in (with_event, without):
        of.world.train("churn", tags=TAGS)
    hinted(with_event, with_event.world.jobs["churn"])
    for of in (with_event, without):
        sweep(of.watchdog())
    assert records(with_event) == records(without)


def test_an_event_warns_and_holds_nobody_and_leaves_both_to_the_sweep() -> None:
    of = jobs_town()
    for name, tags in (("overdue", TAGS), ("never", {**TAGS, "costwatch:never": ""}), ("unwatched", {"a": "b"})):
        hinted(of, of.world.train(name, age=40 * HOUR, tags=tags))
    assert (records(of), of.world.posts) == ({}, [])


def test_events_about_children_make_no_record_of_their_own() -> None:
    of = town(policies.selector("jobs", service="training"), policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", tags=TAGS)
    child = of.world.child_of(tuner)
    child.tags = dict(TAGS)
    hinted(of, child)
    assert records(of) == {}


def test_an_event_that_comes_again_changes_nothing() -> None:
    of = jobs_town()
    job = of.world.train("churn", tags=TAGS)
    for _ in range(3):
        hinted(of, job)
        of.clock.forward(minutes=1)
    assert (records(of)["churn"].version, transitions(of, "churn", "training")) == (1, ["first seen"])


# --- jobs that no sweep saw running -------------------------------------------------------------------------


def short(of: Town, name: str = "quick", **changes: Any) -> FakeJob:
    """It begins and ends between two sweeps."""
    job = of.world.train(name, age=2 * MINUTE, tags=TAGS, **changes)
    job.billable = 2 * MINUTE
    of.world.end(job)
    return job


def test_a_job_that_no_sweep_saw_is_booked_by_its_event_once_however_often_that_comes() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    job = short(of)
    for _ in range(3):
        hinted(of, job)
    assert (usd(only(of).actual_usd), only(of).outcome) == ("0.84", Outcome.FINISHED)


def test_without_any_event_the_next_sweep_books_the_same() -> None:
    with_events, without = jobs_town(), jobs_town()
    for of in (with_events, without):
        sweep(of.watchdog())
        of.clock.forward(minutes=3)
    hinted(with_events, short(with_events))
    short(without)
    for of in (with_events, without):
        later(of, minutes=2)
    assert booked(with_events) == booked(without) != []


@pytest.mark.parametrize(("before", "found"), [(LISTS_LAG, ["quick"]), (LISTS_LAG + SECOND, [])])
def test_what_began_long_before_the_first_sweep_and_is_over_is_not_looked_for(
    before: timedelta, found: list[str]
) -> None:
    of = jobs_town()
    began = short(of).created_at
    of.clock.forward(seconds=(began + before - of.clock()).total_seconds())
    sweep(of.watchdog())
    later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == found


def test_a_job_with_a_record_is_closed_by_it_and_not_booked_beside_it() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    job.billable = HOUR
    of.world.end(job)
    hinted(of, job)
    hinted(of, job)
    later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == ["churn"]
    assert transitions(of, "churn", "training").count("ended by itself") == 1


def test_a_list_that_fails_for_a_while_loses_nothing() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of)
    denied = PermanentAwsError("denied", code="AccessDenied")
    of.world.fault = lambda operation, *_: denied if operation == "ListTrainingJobs" and over_is_read(of) else None
    for _ in range(5):
        report = later(of, minutes=5)
    assert booked(of) == []
    assert [f.where for f in report.failures] == [f"{REGION} jobs that are over"]
    of.world.fault = None
    later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == ["quick"]


def over_is_read(of: Town) -> bool:
    """Whether the list that is asked for now is the second one of its sweep: of what is over."""
    before = [call[0] for call in of.world.calls]
    return before.count("ListTrainingJobs") % 2 == 0


def test_one_job_that_cannot_be_described_does_not_keep_the_others_from_being_booked() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of, "quick-1")
    short(of, "quick-2")
    of.world.fault = failing("DescribeTrainingJob", PermanentAwsError("denied", code="AccessDenied"), holding="quick-1")
    report = later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == ["quick-2"]
    assert any("quick-1" in failure.where for failure in report.failures)


def test_a_job_that_nobody_watches_and_a_sweep_saw_running_is_booked_when_it_is_over() -> None:
    of = town(policies.selector("trainers"))
    job = of.world.train("unwatched", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    later(of, hours=9)
    job.billable = 10 * HOUR
    of.world.end(job)
    later(of, minutes=5)
    assert (only(of).name, only(of).actual_usd, only(of).selector) == ("unwatched", ML_P4D * 10, "")


def test_a_job_that_is_still_stopping_is_booked_when_it_has_stopped() -> None:
    of = town(policies.selector("trainers"))
    job = of.world.train("unwatched", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    job.status = "Stopping"
    later(of, minutes=5)
    assert booked(of) == []
    job.billable = HOUR
    of.world.end(job, status="Stopped")
    later(of, minutes=5)
    assert (only(of).outcome, only(of).actual_usd) == (Outcome.STOPPED, ML_P4D)


def test_a_job_that_cannot_be_read_when_it_is_over_stays_known_until_it_can() -> None:
    of = town(policies.selector("trainers"))
    job = of.world.train("unwatched", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    job.billable = HOUR
    of.world.end(job)
    of.world.fault = failing("DescribeTrainingJob", TransientAwsError("throttled"), times=1)
    later(of, hours=2)
    assert booked(of) == []
    later(of, hours=2)
    assert [cost.name for cost in booked(of)] == ["unwatched"]


def test_a_job_is_looked_at_once_though_the_list_goes_on_showing_it() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of)
    later(of, minutes=5)
    calls = len(of.world.calls)
    later(of, minutes=4)
    assert "DescribeTrainingJob" not in [call[0] for call in of.world.calls[calls:]]


def test_of_very_many_the_next_sweep_goes_on_where_this_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "MOST_AT_ONCE", 2)
    of = jobs_town()
    sweep(of.watchdog())
    for number in range(5):
        of.clock.forward(seconds=10)
        short(of, f"quick-{number}")
    found = []
    for _ in range(3):
        later(of, minutes=5)
        found.append(len(booked(of)))
    assert found == [2, 4, 5]


def test_a_call_that_fails_once_has_its_job_looked_at_again_and_no_other() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    for name in ("quick-1", "quick-2"):
        short(of, name)
    of.world.fault = failing("DescribeTrainingJob", TransientAwsError("throttled"), holding="quick-1", times=1)
    later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == ["quick-2"]
    calls = len(of.world.calls)
    later(of, minutes=30)
    assert sorted(cost.name for cost in booked(of)) == ["quick-1", "quick-2"]
    assert [call[2] for call in of.world.calls[calls:] if call[0] == "DescribeTrainingJob"] == [("quick-1",)]


def test_a_look_from_a_laptop_books_nothing_and_asks_for_nothing_that_ended() -> None:
    of = jobs_town()
    ledger = Ledger(of.table, stamp=STAMP, origin="laptop:ada")
    for _ in range(2):
        short(of)
        sweep(replace(of.watchdog(), ledger=ledger))
        of.clock.forward(minutes=5)
    assert sum(call[0] == "ListTrainingJobs" for call in of.world.calls) == 2
    assert booked(of) == []


def test_a_job_without_a_price_is_booked_as_unknown_and_never_as_zero() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of, instance_type="ml.p9.48xlarge")
    later(of, minutes=5)
    assert only(of).actual_usd is None


# --- tuning jobs --------------------------------------------------------------------------------------------


def test_a_tuning_job_cost_what_all_its_children_did_and_they_have_no_row_of_their_own() -> None:
    of = town(policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    for minutes in (30, 60, 90):
        child = of.world.child_of(tuner)
        later(of, minutes=5)
        child.billable = minutes * MINUTE
        of.world.end(child)
        hinted(of, child)
    of.world.end(tuner)
    later(of, minutes=5)
    later(of, minutes=5)
    cost = only(of)
    assert (cost.run_id.kind.value, cost.actual_usd, cost.basis) == ("tuning", ML_P4D * 3, "billable seconds")
    assert cost.gpu_hours == 24


def test_a_child_that_began_and_ended_between_two_sweeps_is_counted_too() -> None:
    of = town(policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    child = of.world.child_of(tuner, age=2 * MINUTE)
    child.billable = HOUR
    of.world.end(child)
    hinted(of, child)
    later(of, minutes=5)
    of.world.end(tuner)
    later(of, minutes=5)
    assert [cost.actual_usd for cost in booked(of)] == [ML_P4D]


def test_children_that_may_not_be_read_leave_the_meters_sum_and_the_run_ends_all_the_same() -> None:
    of = town(policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", age=HOUR, tags=TAGS)
    of.world.child_of(tuner)
    sweep(of.watchdog())
    of.clock.forward(hours=1)
    for job in list(of.world.jobs.values()):
        of.world.end(job)

    def fault(operation: str, where: str, ids: tuple[str, ...]) -> PermanentAwsError | None:
        del where, ids
        ever = operation == "DescribeTrainingJob"
        return PermanentAwsError("denied", code="AccessDenied") if ever else None

    of.world.fault = fault
    sweep(of.watchdog())
    assert records(of) == {}
    assert (only(of).basis, usd(only(of).actual_usd)) == ("accrued", "25.25")


def test_what_managed_spot_saved_is_added_up_over_all_children() -> None:
    of = town(policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", age=3 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    for _ in range(3):
        child = of.world.child_of(tuner, age=2 * HOUR)
        child.spot, child.billable = True, HOUR
        of.world.end(child)
    of.world.end(tuner)
    later(of, minutes=5)
    assert (only(of).actual_usd, only(of).saved_by_spot_usd) == (ML_P4D * 3, ML_P4D * 3)


def test_a_job_of_a_schedule_that_its_open_record_never_saw_is_booked_beside_it() -> None:
    of = town(policies.selector("processing", service="processing"))
    first = of.world.process("check-1", age=HOUR, tags=TAGS, instance_type="ml.g5.xlarge", schedule="checks")
    sweep(of.watchdog())
    between = of.world.process("check-2", age=2 * MINUTE, tags=TAGS, instance_type="ml.g5.xlarge", schedule="checks")
    of.world.end(between)
    hinted(of, between)
    assert [cost.name for cost in booked(of)] == ["checks"]
    of.world.end(first)
    later(of, minutes=5)
    assert len(booked(of)) == 2


def test_of_very_many_children_the_list_is_enough_and_none_is_described() -> None:
    of = town(policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", age=HOUR, tags=TAGS)
    tuner.spec = JobSpec(Service.TUNING, REGION, (InstanceGroup("ml.p4d.24xlarge", 1),), 24 * HOUR, jobs=900)
    sweep(of.watchdog())
    for _ in range(300):
        child = of.world.child_of(tuner, age=30 * MINUTE)
        of.world.end(child)
    calls = len(of.world.calls)
    of.world.end(tuner)
    later(of, minutes=5)
    described = [call for call in of.world.calls[calls:] if call[0] == "DescribeTrainingJob"]
    assert (len(described), only(of).actual_usd, only(of).basis) == (0, ML_P4D * 150, "run seconds")


def test_when_time_is_short_children_are_not_described() -> None:
    of = town(policies.selector("tuning", service="tuning"))
    tuner = of.world.tune("search", age=HOUR, tags=TAGS)
    tuner.spec = JobSpec(Service.TUNING, REGION, (InstanceGroup("ml.p4d.24xlarge", 1),), 24 * HOUR)
    of.world.end(of.world.child_of(tuner, age=HOUR))
    sweep(of.watchdog())
    of.world.end(tuner)
    of.clock.forward(minutes=1)
    before = len(of.world.calls)
    hints.follow(
        replace(of.watchdog(), seconds_left=lambda: costs.SECONDS_TO_DESCRIBE - 1), ACCOUNT, REGION, Service.TUNING,
        "search",
    )  # fmt: skip
    assert [c[0] for c in of.world.calls[before:]].count("DescribeTrainingJob") == 0
    assert only(of).actual_usd == ML_P4D


def test_an_automl_jobs_cost_is_unknown_and_never_what_little_a_sweep_happened_to_see() -> None:
    of = town(policies.selector("automl", service="automl"))
    head = of.world.tune("auto", age=HOUR, tags=TAGS, kind="automl")
    sweep(of.watchdog())
    of.world.end(head)
    later(of, minutes=5)
    later(of, minutes=5)
    assert (only(of).actual_usd, only(of).gpu_hours) == (None, None)


# --- nothing of this is in the way of the switch ------------------------------------------------------------


def test_an_odd_row_of_its_family_keeps_no_run_from_being_warned() -> None:
    of = jobs_town()
    of.world.train("churn", age=40 * HOUR, tags=TAGS)
    row = {"run": "a", "runtime_seconds": 3600, "finished": True, "actual_usd": "3", "expected_usd": "12.5"}
    pk = f"family#deployed#{ACCOUNT}#churn||ml.p4d.24xlarge"
    for number in range(3):
        of.table.put(Put({"pk": pk, "sk": str(number), "ended_at": "2026-11-01T00:00:00.000000Z", **row}))
    report = sweep(of.watchdog())
    assert (records(of)["churn"].status.value, report.failures) == ("warned", [])


def test_a_forecast_that_cannot_be_made_keeps_no_run_from_being_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr("costwatch.core.forecast.specs_of", broken)
    of = jobs_town()
    of.world.train("churn", age=40 * HOUR, tags=TAGS)
    report = sweep(of.watchdog())
    assert records(of)["churn"].status.value == "warned"
    assert [f.where for f in report.failures] == [f"forecast of {ACCOUNT}/{REGION}/training/churn"]
    monkeypatch.undo()
    later(of, minutes=5)
    assert records(of)["churn"].forecast is not None, "it is made when it can be"


def test_a_metric_beyond_all_numbers_keeps_no_record_open() -> None:
    of = jobs_town()
    job = of.world.train("churn", tags=TAGS)
    sweep(of.watchdog())
    of.beat(job, seq=1, step=10, metrics={"epoch": "1e25"})
    of.clock.forward(hours=1)
    job.billable = HOUR
    of.world.end(job)
    report = later(of, minutes=1)
    assert (report.failures, records(of), only(of).epoch) == ([], {}, None)


def test_a_cost_that_cannot_be_worked_out_is_left_to_the_meter_and_the_stop_is_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("odd")

    of = jobs_town()
    of.world.train("churn", age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    monkeypatch.setattr("costwatch.procedures.costs.actual_usd", broken)
    later(of, minutes=5)
    later(of, minutes=5)
    assert (records(of), only(of).basis) == ({}, "accrued")


def test_a_sweep_that_has_little_time_left_books_nothing_and_the_next_one_does() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of)
    of.clock.forward(minutes=5)
    sweep(replace(of.watchdog(), seconds_left=lambda: booking.SECONDS_TO_BOOK - 1))
    assert booked(of) == []
    later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == ["quick"]


# --- counted once ---------------------------------------------------------------------------------------------


def test_a_job_that_was_seen_before_it_had_started_is_booked_once() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    job = of.world.train("quick", age=None, tags=TAGS, secondary_status="Starting")
    sweep(of.watchdog())
    of.clock.forward(minutes=1)
    job.started_at = of.clock()
    of.clock.forward(minutes=3)
    job.billable = 3 * MINUTE
    of.world.end(job)
    hinted(of, job)
    hinted(of, job)
    later(of, minutes=1)
    later(of, minutes=5)
    assert [(cost.started_at, usd(cost.actual_usd)) for cost in booked(of)] == [(job.started_at, "1.26")]


def test_jobs_of_one_name_and_two_kinds_are_both_booked() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    of.world.end(of.world.process("churn", age=2 * MINUTE, tags=TAGS, instance_type="ml.g5.xlarge"))
    later(of, minutes=5)
    del of.world.jobs["churn"]
    short(of, "churn")
    later(of, minutes=5)
    assert sorted(cost.run_id.kind.value for cost in booked(of)) == ["processing", "training"]


def test_one_list_that_is_denied_keeps_the_others_jobs_from_nothing() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of)
    of.world.fault = failing("ListAutoMLJobs", PermanentAwsError("denied", code="AccessDenied"))
    later(of, minutes=5)
    later(of, minutes=30)
    assert [cost.name for cost in booked(of)] == ["quick"]


# --- instances ----------------------------------------------------------------------------------------------


def test_an_instance_cost_the_seconds_it_ran_and_not_those_until_the_sweep_that_missed_it() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=30)
    of.world.end(trainer)
    later(of, minutes=30)
    assert (only(of).actual_usd, only(of).basis) == (P4D * Decimal("1.5"), "run seconds")


def test_each_member_of_a_run_counts_until_its_own_end() -> None:
    of = town()
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "llm"}) for _ in range(2))
    sweep(of.watchdog())
    of.clock.forward(minutes=30)
    of.world.end(first)
    of.clock.forward(minutes=30)
    of.world.end(second)
    later(of, minutes=5)
    assert usd(only(of).actual_usd) == usd(P4D * Decimal("3.5"))


@pytest.mark.parametrize(("lived", "billed"), [(59 * SECOND, 60), (60 * SECOND, 60), (61 * SECOND, 61)])
def test_a_start_is_billed_a_minute_at_least(lived: timedelta, billed: int) -> None:
    of = town()
    trainer = of.world.launch(age=timedelta(0), tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(seconds=lived.total_seconds())
    of.world.end(trainer)
    later(of, minutes=5)
    assert only(of).actual_usd == kept(P4D * billed / 3600)


def test_what_was_stopped_is_booked_when_that_is_verified_until_it_was_gone() -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    assert booked(of) == []
    later(of, minutes=5)
    later(of, minutes=5)
    cost = only(of)
    assert cost.outcome is Outcome.STOPPED_BY_COSTWATCH
    assert usd(cost.actual_usd) == usd(P4D * (40 * 60 + 32) / 60)


def test_a_restart_books_the_episode_before_it_and_begins_a_new_one() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=30)
    of.world.restart(trainer)
    later(of, minutes=5)
    assert (only(of).outcome, usd(only(of).actual_usd)) == (Outcome.STARTED_ANEW, usd(P4D * Decimal("1.5")))
    record = records(of)[trainer.id]
    assert record.forecast is not None
    assert record.forecast.made_at == of.clock()


def test_what_is_regrouped_is_counted_in_each_run_for_as_long_as_it_was_there() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(hours=1)
    trainer.tags["costwatch:run"] = "llm"
    sweep(of.watchdog())
    of.clock.forward(hours=1)
    of.world.end(trainer)
    sweep(of.watchdog())
    costs_of = {cost.run_id.name: (usd(cost.actual_usd), cost.outcome) for cost in booked(of)}
    assert costs_of == {
        trainer.id: (usd(P4D * 2), Outcome.REGROUPED),
        "llm": (usd(P4D), Outcome.ENDED),
    }


def test_what_had_ended_in_a_run_before_the_last_of_it_was_regrouped_is_not_lost() -> None:
    of = town()
    first, second = (of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "a"}) for _ in range(2))
    sweep(of.watchdog())
    of.clock.forward(hours=1)
    of.world.end(first)
    sweep(of.watchdog())
    second.tags["costwatch:run"] = "b"
    later(of, hours=1)
    of.world.end(second)
    later(of, hours=1)
    assert usd(sum((cost.actual_usd or Decimal(0) for cost in booked(of)), Decimal(0))) == usd(P4D * 5)


def test_an_instance_that_a_group_lets_go_is_counted_once() -> None:
    of = town()
    of.world.launch_group("nodes", size=3, tags=TAGS, age=HOUR)
    sweep(of.watchdog())
    detached = next(iter(of.world.instances.values()))
    detached.asg = None
    later(of, hours=1)
    for instance in of.world.instances.values():
        of.world.end(instance)
    later(of, hours=1)
    later(of, minutes=5)
    assert sorted(cost.run_id.kind.value for cost in booked(of)) == ["asg", "instance"]
    total = sum((cost.actual_usd or Decimal(0) for cost in booked(of)), Decimal(0))
    # The group counts it until the sweep that misses it, and it counts itself from then on.
    assert usd(total) == usd(P4D * 6)


# --- would-haves, with the truth ----------------------------------------------------------------------------


def test_a_would_have_is_closed_at_what_the_job_really_cost() -> None:
    of = town(policies.selector("jobs", "observe", service="training"), mode="observe")
    job = of.world.train("churn", age=12 * HOUR, tags=TAGS)
    job.spot = True
    warn_and_let_the_notice_pass(of)
    assert records(of)["churn"].status.value == "would stop"
    of.clock.forward(hours=1)
    # Half of its time it waited for spot capacity: the meter had counted more than it cost.
    job.billable = 6 * HOUR
    of.world.end(job)
    later(of, minutes=5)
    reason = of.ledger.timeline(only(of).run_id)[-1].entry.reason
    assert reason == f"finished by itself 1 h later: would have destroyed ${6 * ML_P4D:.2f} of work"


# --- progress -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last", "steps"), [(100, 400, 400), (100_100, 100_400, 400)])
def test_a_run_that_went_on_from_a_checkpoint_is_not_credited_with_the_steps_before_it(
    first: int, last: int, steps: int
) -> None:
    of = jobs_town()
    job = of.world.train("churn", tags=TAGS)
    for number, step in enumerate(range(first, last + 1, 100), start=1):
        of.clock.forward(minutes=10)
        of.beat(job, seq=number, step=step)
    sweep(of.watchdog())
    of.world.end(job)
    later(of, minutes=5)
    assert only(of).step == steps


def test_a_run_whose_heartbeats_tell_steps_and_epochs_has_a_cost_for_each() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=HOUR, tags=TAGS)
    for number, step in enumerate([100, 200, 400], start=1):
        of.beat(job, seq=number, step=step, metrics={"epoch": str(number)})
        of.clock.forward(minutes=10)
    sweep(of.watchdog())
    job.billable = 2 * HOUR
    of.world.end(job)
    later(of, minutes=5)
    cost = only(of)
    assert (cost.step, cost.usd_per_step) == (400, ML_P4D * 2 / 400)
    assert cost.usd_per_epoch == ML_P4D * 2 / 3
