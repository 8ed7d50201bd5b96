"""Tuning, AutoML and processing jobs, and warm pools: the safety contract over everything SageMaker runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from costwatch.adapters.table import Put, Write
from costwatch.core.policy import Service
from costwatch.core.record import Status
from costwatch.core.selection import HoldCode
from costwatch.errors import PermanentAwsError, TransientAwsError
from costwatch.intake import StopRequested
from costwatch.procedures import hints
from costwatch.procedures.stop_asked import stop_asked
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION
from tests.support.fakes import FakeJob, Town
from tests.support.town import (
    TAGS,
    destroyed,
    failing,
    later,
    records,
    town,
    transitions,
    warn_and_let_the_notice_pass,
)

P4D = "25.251286"  # USD an hour, ml.p4d.24xlarge in training


def tuning_town(**changes: Any) -> Town:
    return town(policies.selector("tuning", service="tuning", **changes))


def search(of: Town, *, age: timedelta = 40 * HOUR, children: int = 2, **changes: Any) -> tuple[FakeJob, list[FakeJob]]:
    tuner = of.world.tune("search", age=age, tags=TAGS, **changes)
    return tuner, [of.world.child_of(tuner, age=HOUR) for _ in range(children)]


# --- a tuning job with all its children is one run ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "operation"), [("tuning", "StopHyperParameterTuningJob"), ("automl", "StopAutoMLJob")]
)
def test_it_is_warned_once_stopped_whole_by_one_call_and_verified(kind: str, operation: str) -> None:
    of = town(policies.selector("heads", service=kind))
    tuner, children = search(of, kind=kind)
    warn_and_let_the_notice_pass(of)
    assert destroyed(of) == [(operation, REGION, ("search",))]
    assert {job.status for job in (tuner, *children)} == {"Stopped"}
    later(of, minutes=5)
    later(of, minutes=5)
    assert records(of) == {}
    assert "verified gone" in transitions(of, "search", kind)
    assert sum("search stops in" in card.text for _, _, card in of.world.posts) == 1


def test_its_clock_starts_when_it_was_created_and_says_so() -> None:
    of = tuning_town()
    search(of, age=11 * HOUR)
    sweep(of.watchdog())
    record = records(of)["search"]
    assert record.start == of.clock() - 11 * HOUR
    assert "CreationTime of search" in record.clock_evidence
    assert record.deadline == of.clock() + HOUR


def test_its_burn_is_its_childrens_and_follows_them() -> None:
    of = tuning_town()
    tuner, _ = search(of, age=HOUR, children=0)
    sweep(of.watchdog())
    assert str(records(of)["search"].hourly_rate_usd) == "0"
    of.world.child_of(tuner)
    of.world.child_of(tuner)
    later(of, minutes=5)
    assert str(records(of)["search"].hourly_rate_usd) == "50.502572"


def test_what_it_has_spent_adds_up_over_children_that_come_and_go() -> None:
    of = tuning_town(limits=policies.limits(max_runtime_seconds=72 * 3600))
    tuner, _ = search(of, age=timedelta(0), children=0)
    sweep(of.watchdog())
    first, second = of.world.child_of(tuner), of.world.child_of(tuner)
    later(of, minutes=5)
    of.clock.forward(hours=1)
    of.world.end(first)
    sweep(of.watchdog())
    of.clock.forward(hours=2)
    of.world.end(second)
    sweep(of.watchdog())
    later(of, hours=10)
    # From when each started: both for 65 minutes, then one for two hours more.
    assert f"{records(of)['search'].spent_usd(of.clock()):.2f}" == "105.21"


def test_children_that_come_and_go_leave_its_notice_as_it_is() -> None:
    of = tuning_town()
    tuner, children = search(of)
    sweep(of.watchdog())
    for child in children:
        of.world.end(child)
    of.world.child_of(tuner)
    later(of, minutes=32)
    assert tuner.status == "Stopped"
    assert sum("search stops in" in card.text for _, _, card in of.world.posts) == 1


def test_between_two_children_it_goes_on() -> None:
    of = tuning_town(limits=policies.limits(max_runtime_seconds=72 * 3600))
    tuner, children = search(of)
    sweep(of.watchdog())
    start = records(of)["search"].start
    for child in children:
        of.world.end(child)
    later(of, minutes=5)
    of.world.child_of(tuner)
    later(of, minutes=5)
    record = records(of)["search"]
    assert (record.start, record.restarts) == (start, 0)


def test_a_selector_of_training_jobs_neither_picks_nor_stops_a_child() -> None:
    of = town(policies.selector("training", service="training"))
    tuner = of.world.tune("search", age=40 * HOUR, tags=TAGS)
    child = of.world.child_of(tuner, age=39 * HOUR)
    child.tags = dict(TAGS)
    warn_and_let_the_notice_pass(of)
    assert (child.status, destroyed(of), records(of)) == ("InProgress", [], {})


def test_one_that_no_selector_picks_is_reported_unwatched_with_its_burn() -> None:
    of = town(policies.selector("training", "warn", service="training"), mode="warn")
    search(of, age=2 * HOUR)
    sweep(of.watchdog())
    assert any("tuning/search" in card.text or "tuning/search" in str(card.blocks) for _, _, card in of.world.posts)


def test_one_that_ends_by_itself_is_closed_and_its_children_do_not_count() -> None:
    of = tuning_town()
    tuner, children = search(of, age=HOUR)
    sweep(of.watchdog())
    of.world.end(children[0], status="Failed")
    of.world.end(children[1])
    of.world.end(tuner)
    later(of, minutes=5)
    assert records(of) == {}
    assert transitions(of, "search", "tuning")[-1] == "ended by itself"


# --- a child uploads ------------------------------------------------------------------------------------------------


def test_it_waits_while_a_child_uploads_its_model_and_is_stopped_after_it() -> None:
    of = tuning_town()
    tuner, (child, _) = search(of)
    sweep(of.watchdog())
    child.secondary_status = "Uploading"
    later(of, minutes=32)
    assert (tuner.status, destroyed(of)) == ("InProgress", [])
    child.secondary_status = "Training"
    later(of, minutes=5)
    assert tuner.status == "Stopped"
    assert sum("search stops in" in card.text for _, _, card in of.world.posts) == 1, "the notice stayed as it was"


@pytest.mark.parametrize(("past_cap", "stopped"), [(timedelta(0), False), (timedelta(seconds=1), True)])
def test_past_the_hard_cap_it_waits_for_no_upload(past_cap: timedelta, stopped: bool) -> None:
    of = tuning_town()
    tuner, (child, _) = search(of, age=71 * HOUR)
    child.secondary_status = "Uploading"
    sweep(of.watchdog())
    of.clock.now += HOUR + past_cap
    sweep(of.watchdog())
    assert (tuner.status == "Stopped") is stopped


def _order(of: Town) -> StopRequested:
    record = records(of)["search"]
    return StopRequested(record.run_id, "ada", "wrong data", record.member_ids)


def test_a_named_persons_stop_of_a_tuning_job_takes_what_it_has_started_since() -> None:
    of = tuning_town()
    tuner, _ = search(of, age=HOUR)
    sweep(of.watchdog())
    order = _order(of)
    of.world.train("late", tuning_job="search")
    stop_asked(of.watchdog(), order)
    assert tuner.status == "Stopped"


def test_a_named_persons_stop_waits_for_an_upload_too() -> None:
    of = tuning_town()
    tuner, (child, _) = search(of, age=HOUR)
    sweep(of.watchdog())
    child.secondary_status = "Uploading"
    with pytest.raises(Exception, match="left to finish uploading its model"):
        stop_asked(of.watchdog(), _order(of))
    child.secondary_status = "Training"
    stop_asked(of.watchdog(), _order(of))
    assert tuner.status == "Stopped"


# --- what cannot be proven ------------------------------------------------------------------------------------------


def test_children_whose_tuning_job_cannot_be_read_hold_the_run() -> None:
    of = tuning_town()
    tuner, _ = search(of)
    sweep(of.watchdog())
    start = records(of)["search"].start
    tuner.status = "Stopping"  # so that it is on no list, and has to be asked for
    of.world.fault = failing("DescribeHyperParameterTuningJob", TransientAwsError("throttled"), holding="search")
    later(of, minutes=32)
    record = records(of)["search"]
    assert destroyed(of) == []
    assert record.hold is not None
    assert record.hold.code is HoldCode.UNPROVABLE
    assert (record.start, record.restarts, record.notice is not None) == (start, 0, True)


def test_one_whose_tags_cannot_be_read_is_held() -> None:
    of = tuning_town()
    tuner, _ = search(of)
    tuner.tags = None
    warn_and_let_the_notice_pass(of)
    assert destroyed(of) == []
    assert records(of)["search"].hold is not None


def test_the_never_tag_and_protection_are_the_tuning_jobs_own() -> None:
    of = tuning_town()
    tuner, _ = search(of)
    tuner.tags = {**TAGS, "costwatch:never": ""}
    warn_and_let_the_notice_pass(of)
    assert destroyed(of) == []


def test_a_deadline_tag_on_it_moves_the_whole_run() -> None:
    of = tuning_town()
    tuner, _ = search(of)
    tuner.tags = {**TAGS, "costwatch:max-runtime": "60h"}
    warn_and_let_the_notice_pass(of)
    assert destroyed(of) == []
    assert records(of)["search"].deadline == of.clock() - 32 * MINUTE + 20 * HOUR


# --- stopping it ----------------------------------------------------------------------------------------------------


def test_children_that_it_starts_while_it_is_being_stopped_fail_loudly_and_are_tried_again() -> None:
    of = tuning_town()
    search(of)
    late: list[FakeJob] = []
    of.world.after_stop = lambda job: late.append(of.world.child_of(job))
    warn_and_let_the_notice_pass(of)
    assert [job.status for job in late] == ["InProgress"]
    for _ in range(3):
        later(of, minutes=5)
    assert records(of)["search"].status is Status.STOPPING, "it may still be ending them"
    later(of, minutes=5)
    record = records(of)["search"]
    assert record.status is Status.FAILED
    assert record.hold is not None
    assert late[0].name in record.hold.reason
    later(of, minutes=5)
    assert len(destroyed(of)) == 2, "tried again"
    again = records(of)["search"].hold
    assert again is not None
    assert again.reason == f"search is Stopped, and {late[0].name} of it runs on"
    for _ in range(5):
        later(of, minutes=5)
    assert transitions(of, "search", "tuning").count("failed") == 2, "each reason is told once"
    of.world.end(late[0], status="Stopped")
    for _ in range(3):
        later(of, minutes=5)
    assert records(of) == {}
    assert "verified gone" in transitions(of, "search", "tuning")


def test_one_that_somebody_else_is_stopping_is_not_taken_for_gone_while_a_child_runs() -> None:
    of = tuning_town()
    tuner, (one, other) = search(of, age=HOUR)
    sweep(of.watchdog())
    tuner.status = "Stopping"
    of.world.end(one, status="Stopped")
    later(of, minutes=5)
    assert "search" in records(of)
    of.world.end(other, status="Stopped")
    later(of, minutes=5)
    assert "search" in records(of), "it is still stopping itself"
    of.world.end(tuner, status="Stopped")
    later(of, minutes=5)
    assert records(of) == {}


def test_one_that_had_already_stopped_counts_as_done() -> None:
    of = tuning_town()
    tuner, children = search(of)
    sweep(of.watchdog())
    of.world.fault = None
    stopped_by_hand = [False]

    def by_hand(operation: str, region: str, ids: tuple[str, ...]) -> None:
        del region, ids
        if operation == "StopHyperParameterTuningJob" and not stopped_by_hand[0]:
            stopped_by_hand[0] = True
            for job in (*children, tuner):
                of.world.ended(job, "Stopped", by="world")

    of.world.fault = by_hand
    report = later(of, minutes=32)
    assert (report.stopped, report.failures) == (1, [])
    later(of, minutes=5)
    later(of, minutes=5)
    assert records(of) == {}


def test_a_child_that_ends_between_two_attempts_frees_the_second_from_no_cap() -> None:
    of = town(
        policies.selector("tuning", service="tuning"),
        policies.selector("training", service="training"),
        blast_cap={"runs": 1, "share": "1", "per_day": 20},
    )
    _, children = search(of)
    other = of.world.train("churn", age=39 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.fault = failing("StopHyperParameterTuningJob", PermanentAwsError("AccessDenied", code="AccessDenied"))
    later(of, minutes=32)
    of.world.end(children[0])
    later(of, minutes=5)
    assert other.status == "InProgress", "it waits for a release, and nothing more was stopped beside the first"


# --- modes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["observe", "warn", "off"])
@pytest.mark.parametrize("kind", ["tuning", "automl", "processing"])
def test_without_enforce_nothing_destructive_is_called(mode: str, kind: str) -> None:
    of = town(policies.selector("jobs", mode, service=kind))
    if kind == "processing":
        of.world.process("features", age=40 * HOUR, tags=TAGS)
    else:
        search(of, kind=kind)
    for _ in range(30):
        later(of, hours=1)
    assert destroyed(of) == []


def test_in_observe_what_it_ran_on_for_is_counted_by_what_its_children_cost() -> None:
    of = town(policies.selector("tuning", "observe", service="tuning"))
    tuner, children = search(of)
    warn_and_let_the_notice_pass(of)
    assert records(of)["search"].status is Status.WOULD_STOP
    of.clock.forward(hours=1)
    for job in (*children, tuner):
        of.world.end(job, status="Stopped")
    sweep(of.watchdog())
    reason = of.table.query(f"run#deployed#{ACCOUNT}/{REGION}/tuning/search")[-1]["reason"]
    assert reason == "ran 1 h more: $50.50 (search Stopped: Stopped)"


# --- processing jobs ------------------------------------------------------------------------------------------------


def test_a_processing_job_is_stopped_by_its_own_call_at_its_own_price() -> None:
    of = town(policies.selector("jobs", service="processing"))
    job = of.world.process("features", age=40 * HOUR, instance_type="ml.g5.xlarge", tags=TAGS)
    warn_and_let_the_notice_pass(of)
    assert destroyed(of) == [("StopProcessingJob", REGION, ("features",))]
    assert job.status == "Stopped"
    assert str(records(of)["features"].hourly_rate_usd) == "1.408"


def test_a_monitoring_schedules_job_is_held_and_the_schedule_is_named() -> None:
    of = town(policies.selector("jobs", service="processing"))
    job = of.world.process("quality-1", age=40 * HOUR, schedule="quality", tags=TAGS)
    warn_and_let_the_notice_pass(of)
    hold = records(of)["quality"].hold
    assert (job.status, destroyed(of)) == ("InProgress", [])
    assert hold is not None
    assert "monitoring schedule quality" in hold.reason


def test_a_hold_is_told_once_though_an_older_job_of_the_schedule_is_seen_later_and_moves_the_start() -> None:
    of = town(policies.selector("checks", service="processing"))
    of.world.process("quality-2", age=40 * HOUR, schedule="quality", tags=TAGS)
    sweep(of.watchdog())
    (told,) = [card.plain for _, _, card in of.world.posts]
    before = records(of)["quality"].hold
    of.world.process("quality-1", age=50 * HOUR, schedule="quality", tags=TAGS)
    later(of, minutes=5)
    hold = records(of)["quality"].hold
    assert before is not None
    assert hold is not None
    assert [card.plain for _, _, card in of.world.posts] == [told]
    assert (hold.id, hold.since) == (before.id, before.since), "the one that was told"
    assert hold.id in told
    assert (hold.key == before.key, hold.reason == before.reason) == (False, False)


def test_a_processing_job_of_an_automl_job_is_never_judged_alone() -> None:
    of = town(policies.selector("jobs", service="processing"), policies.selector("auto", service="automl"))
    search(of, age=HOUR, kind="automl")
    job = of.world.process("search-data", age=40 * HOUR, automl_job="search", tags=TAGS)
    warn_and_let_the_notice_pass(of)
    assert (job.status, destroyed(of), list(records(of))) == ("InProgress", [], ["search"])
    assert records(of)["search"].capacity == (("ml.m5.4xlarge", 1), ("ml.p4d.24xlarge", 2))


# --- declared limits ------------------------------------------------------------------------------------------------


def declared_town(service: str) -> Town:
    return town(policies.selector("jobs", service=service, limits={**policies.limits(), "declared": True}))


def test_a_jobs_own_limit_comes_before_the_selectors() -> None:
    of = declared_town("training")
    of.world.train("long", age=20 * HOUR, tags=TAGS, declared=24 * HOUR)
    of.world.train("short", age=20 * HOUR, tags=TAGS, declared=21 * HOUR)
    sweep(of.watchdog())
    found = records(of)
    assert found["long"].status is Status.RUNNING
    assert found["short"].status is Status.WARNED
    assert found["short"].deadline == of.clock() + HOUR


def test_a_job_that_declares_none_has_the_selectors_limit() -> None:
    of = declared_town("processing")
    of.world.process("features", age=11 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    assert records(of)["features"].deadline == of.clock() + HOUR


def test_a_declared_limit_ends_at_the_hard_cap() -> None:
    of = declared_town("training")
    of.world.train("churn", age=60 * HOUR, tags=TAGS, declared=timedelta(days=28))
    sweep(of.watchdog())
    assert records(of)["churn"].deadline == of.clock() + 12 * HOUR


def test_a_childs_own_limit_is_not_its_tuning_jobs() -> None:
    of = declared_town("tuning")
    search(of, age=11 * HOUR, declared=20 * HOUR)
    sweep(of.watchdog())
    assert records(of)["search"].deadline == of.clock() + 9 * HOUR


# --- warm pools -----------------------------------------------------------------------------------------------------


def stopped_with_a_pool(mode: str = "enforce", **changes: Any) -> tuple[Town, FakeJob]:
    of = town(policies.selector("jobs", mode, service="training", **changes))
    job = of.world.train("churn", age=40 * HOUR, tags=TAGS, keep_alive=HOUR)
    warn_and_let_the_notice_pass(of)
    return of, job


def test_a_stopped_jobs_warm_pool_is_ended_counted_and_only_then_is_it_gone() -> None:
    of, job = stopped_with_a_pool()
    assert (job.status, job.pool) == ("Stopped", "Available")
    later(of, minutes=6)
    assert (job.pool, job.pool_ended_by) == ("Terminated", "costwatch")
    assert "churn" in records(of), "gone is what a later sweep has seen"
    later(of, minutes=5)
    assert "churn" in records(of)
    later(of, minutes=5)
    assert records(of) == {}
    (final,) = [row for row in of.table.query(f"run#deployed#{ACCOUNT}/{REGION}/training/churn")
                if row["transition"] == "verified gone"]  # fmt: skip
    assert final["evidence"]["warm_pool_seconds"] == "360"
    assert final["evidence"]["warm_pool_usd"] == "2.53"
    assert "its warm pool was kept for 6 min: $2.53" in final["reason"]
    assert destroyed(of) == [("StopTrainingJob", REGION, ("churn",)), ("UpdateTrainingJob", REGION, ("churn",))]


def test_a_hint_never_ends_a_warm_pool() -> None:
    of, job = stopped_with_a_pool()
    of.clock.forward(minutes=6)
    for _ in range(3):
        hints.follow(of.watchdog(), ACCOUNT, REGION, Service.TRAINING, "churn")
    assert (job.pool, "churn" in records(of)) == ("Available", True)


def test_a_warm_pool_that_another_job_took_over_is_left_to_it() -> None:
    of, job = stopped_with_a_pool()
    job.pool = "Reused"
    for _ in range(3):
        later(of, minutes=5)
    assert job.pool == "Reused"
    assert records(of) == {}
    assert [call[0] for call in destroyed(of)] == ["StopTrainingJob"]


def test_a_warm_pool_in_use_is_waited_for() -> None:
    of, job = stopped_with_a_pool()
    job.pool = "InUse"
    for _ in range(3):
        later(of, minutes=5)
    assert "churn" in records(of)
    assert [call[0] for call in destroyed(of)] == ["StopTrainingJob"]


def test_a_warm_pool_that_cannot_be_ended_is_reported_and_ends_by_itself() -> None:
    of, job = stopped_with_a_pool()
    of.world.fault = failing("UpdateTrainingJob", PermanentAwsError("AccessDenied", code="AccessDenied"))
    assert [failure.reason for failure in later(of, minutes=5).failures] == ["AccessDenied"]
    assert "churn" in records(of)
    later(of, hours=1)
    later(of, minutes=5)
    later(of, minutes=5)
    assert (job.pool, records(of)) == ("Terminated", {})


def test_a_selector_that_no_longer_enforces_ends_no_warm_pool() -> None:
    of, job = stopped_with_a_pool()
    of.policy = policies.policy(selectors=[policies.selector("jobs", "warn", service="training")])
    later(of, minutes=5)
    assert job.pool == "Available"


def test_a_job_that_ended_by_itself_keeps_its_warm_pool() -> None:
    of = town(policies.selector("jobs", service="training"))
    job = of.world.train("churn", age=HOUR, tags=TAGS, keep_alive=HOUR)
    sweep(of.watchdog())
    of.world.end(job)
    for _ in range(3):
        later(of, minutes=5)
    assert (job.pool, records(of), destroyed(of)) == ("Available", {}, [])


def test_a_job_that_somebody_else_stopped_keeps_its_warm_pool() -> None:
    of = town(policies.selector("jobs", service="training"))
    job = of.world.train("churn", age=HOUR, tags=TAGS, keep_alive=HOUR)
    sweep(of.watchdog())
    of.world.end(job, status="Stopped")
    for _ in range(3):
        later(of, minutes=5)
    assert (job.pool, records(of), destroyed(of)) == ("Available", {}, [])


# --- described once -------------------------------------------------------------------------------------------------


def test_a_thousand_jobs_are_described_once_for_their_life_and_not_once_a_sweep() -> None:
    of = town(policies.selector("jobs", service="training"))
    for n in range(1000):
        of.world.train(f"job-{n:04}", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    assert Counter(call[0] for call in of.world.calls)["DescribeTrainingJob"] == 1000
    for _ in range(3):
        before, writes = len(of.world.calls), of.table.transactions
        later(of, minutes=5)
        calls = Counter(call[0] for call in of.world.calls[before:])
        # Each list twice: for what is in progress, and for what has ended since.
        assert calls == {"DescribeInstances": 1, "ListTrainingJobs": 2, "ListProcessingJobs": 2,
                         "ListHyperParameterTuningJobs": 2, "ListAutoMLJobs": 2, "PutEvents": 1}  # fmt: skip
        assert of.table.transactions - writes <= 3, "what was learned, the canary's arrival, how far costs are booked"


def test_rows_of_jobs_that_are_over_are_taken_out() -> None:
    of = town(policies.selector("jobs", service="training"))
    job = of.world.train("churn", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    pk = f"jobs#deployed#{ACCOUNT}/{REGION}".replace("/", "#")
    assert [row["sk"] for row in of.table.query(pk)] == ["training/churn"]
    of.world.end(job)
    later(of, minutes=5)
    assert of.table.query(pk) == []


def test_a_row_that_cannot_be_read_costs_one_more_description() -> None:
    of = town(policies.selector("jobs", service="training"))
    of.world.train("churn", age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    (row,) = [item for item in of.table.items.values() if item["pk"].startswith("jobs#")]
    row["purchase"] = "borrowed"
    before = len(of.world.calls)
    report = later(of, minutes=5)
    assert report.failures == []
    assert ("DescribeTrainingJob", REGION, ("churn",)) in of.world.calls[before:]
    assert row != of.table.items[row["pk"], row["sk"]]


def test_what_cannot_be_remembered_is_reported_and_everybody_is_judged() -> None:
    of = town(policies.selector("jobs", service="training"))
    job = of.world.train("churn", age=40 * HOUR, tags=TAGS)

    def refuse(writes: Sequence[Write]) -> None:
        if any(isinstance(write, Put) and write.item["pk"].startswith("jobs#") for write in writes):
            raise TransientAwsError("throttled")

    of.table.before_transact = refuse
    assert [failure.reason for failure in sweep(of.watchdog()).failures] == ["throttled"]
    later(of, minutes=32)
    assert job.status == "Stopped"


def test_a_tag_that_makes_the_limit_shorter_is_seen_within_the_hour() -> None:
    of = town(policies.selector("jobs", service="training"))
    job = of.world.train("churn", age=2 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    job.tags = {**TAGS, "costwatch:max-runtime": "3h"}
    for _ in range(13):
        later(of, minutes=5)
    assert records(of)["churn"].deadline == job.started_at + 3 * HOUR if job.started_at else False


def test_a_tag_that_gives_more_time_is_seen_before_anybody_is_warned_or_stopped() -> None:
    of = town(policies.selector("jobs", service="training"))
    job = of.world.train("churn", age=11 * HOUR - 4 * MINUTE, tags=TAGS)
    sweep(of.watchdog())
    job.tags = {**TAGS, "costwatch:max-runtime": "30h"}
    later(of, minutes=5)
    assert of.world.posts == []
