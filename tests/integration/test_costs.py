"""What runs cost: booked once, when they are over, by what AWS says it billed; forecast beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.ledger import Ledger
from costwatch.core.estimator import InstanceGroup, JobSpec
from costwatch.core.policy import Service
from costwatch.core.run_cost import Outcome, RunCost
from costwatch.errors import PermanentAwsError, TransientAwsError
from costwatch.procedures import costs, hints
from costwatch.procedures.costs import LISTS_LAG
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


def test_a_warm_pool_that_is_kept_counts_as_long_as_the_job_says() -> None:
    of = jobs_town()
    job = of.world.train("churn", age=2 * HOUR, tags=TAGS, keep_alive=HOUR)
    job.spec = JobSpec(Service.TRAINING, REGION, (InstanceGroup("ml.p4d.24xlarge", 1),), 24 * HOUR, warm_pool=HOUR)
    job.billable = 2 * HOUR
    sweep(of.watchdog())
    of.world.end(job)
    later(of, minutes=5)
    assert only(of).actual_usd == ML_P4D * 3


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


def test_a_list_that_fails_loses_nothing() -> None:
    of = jobs_town()
    sweep(of.watchdog())
    short(of)
    of.world.fault = failing("ListProcessingJobs", TransientAwsError("throttled"))
    later(of, minutes=5)
    assert booked(of) == []
    of.world.fault = None
    later(of, minutes=5)
    assert [cost.name for cost in booked(of)] == ["quick"]


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
    monkeypatch.setattr(costs, "MOST_AT_ONCE", 2)
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


def test_what_is_regrouped_is_booked_by_the_run_that_it_ends_in() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.tags["costwatch:run"] = "llm"
    later(of, minutes=5)
    of.world.end(trainer)
    later(of, minutes=5)
    assert [cost.run_id.name for cost in booked(of)] == ["llm"]


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
