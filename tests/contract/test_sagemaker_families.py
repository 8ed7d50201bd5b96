"""Tuning, AutoML and processing jobs as the adapter shows them: a job with children is read with all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from costwatch.adapters.sagemaker import SageMaker
from costwatch.core import grouping
from costwatch.core.known_jobs import KnownJob
from costwatch.core.model import Member, Run, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import Fleet, World
from demo.embedded.faults import Call
from tests.contract.conftest import Clients
from tests.support.builders import ACCOUNT, HOUR, MINUTE, NOW, REGION


@pytest.fixture
def sagemaker(clients: Clients, world: World) -> SageMaker:
    del world
    return SageMaker(clients("sagemaker"), region=REGION)


def runs_of(members: list[Member]) -> dict[str, Run]:
    found = grouping.runs(members, account=ACCOUNT, region=REGION, run_tag="costwatch:run")
    return {f"{run.id.kind.value}/{run.id.name}": run for run in found}


def by_id(members: list[Member]) -> dict[str, Member]:
    return {member.id: member for member in members}


def search(fleet: Fleet, *, children: int = 2) -> str:
    arn = fleet.tuning_job("search", created_at=NOW - 30 * HOUR, tags={"owner": "maria"}, max_runtime_seconds=7200)
    for n in range(children):
        fleet.child_of(arn, f"search-{n:03}", started_at=NOW - HOUR)
    return arn


def called(world: World, *operations: str) -> list[Call]:
    """Calls of these operations from now on; none of them fails."""
    found: list[Call] = []

    def note(call: Call) -> bool:
        found.append(call)
        return False

    for operation in operations:
        world.faults.fail("sagemaker", operation, "Never", when=note)
    return found


# --- processing jobs ------------------------------------------------------------------------------------------------


def test_a_processing_job_is_a_member_with_its_own_limit_and_clock(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.processing_job(
        "features", count=3, created_at=NOW - 2 * HOUR, started_at=NOW - HOUR, tags={"owner": "maria"},
        max_runtime_seconds=3600,
    )  # fmt: skip
    (found,) = sagemaker.jobs().members
    assert (found.id, found.service, found.state, found.alive) == ("features", Service.PROCESSING, "InProgress", True)
    assert (found.capacity, found.tags) == ((("ml.m5.4xlarge", 3),), {"owner": "maria"})
    assert (found.clock.running_since, found.clock.running_evidence) == (NOW - HOUR, "ProcessingStartTime")
    assert (found.clock.exists_since, found.declared_limit, found.parent) == (NOW - 2 * HOUR, HOUR, None)


def test_a_processing_job_that_declares_no_limit_says_so(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.processing_job("features", started_at=NOW)
    assert sagemaker.jobs().members[0].declared_limit is None


def test_a_processing_job_is_stopped_and_settles(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    fleet.processing_job("features", started_at=NOW - HOUR)
    sagemaker.stop("features", Service.PROCESSING)
    stopping = sagemaker.job("features", Service.PROCESSING)
    assert stopping is not None
    assert (stopping.alive, stopping.gone) == (False, False)
    world.clock = lambda: NOW + 3 * MINUTE
    stopped = sagemaker.job("features", Service.PROCESSING)
    assert stopped is not None
    assert (stopped.state, stopped.ended_at) == ("Stopped", NOW + 2 * MINUTE)


def test_a_monitoring_schedules_job_names_the_schedule(sagemaker: SageMaker, fleet: Fleet) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:monitoring-schedule/churn-quality"
    fleet.processing_job("model-quality-1", started_at=NOW, monitoring_schedule_arn=arn)
    (run,) = runs_of(sagemaker.jobs().members).values()
    assert (run.id.kind, run.id.name, run.id.kind.stoppable) == (RunKind.SCHEDULE, "churn-quality", False)
    assert run.parent is not None
    assert run.parent.label == "monitoring schedule churn-quality"


# --- a job and its children -----------------------------------------------------------------------------------------


def test_a_tuning_job_with_its_children_is_one_run(sagemaker: SageMaker, fleet: Fleet) -> None:
    search(fleet)
    fleet.training_job("other", started_at=NOW)
    runs = runs_of(sagemaker.jobs().members)
    assert sorted(runs) == ["training/other", "tuning/search"]
    run = runs["tuning/search"]
    assert [member.id for member in run.members] == ["search", "search-000", "search-001"]
    assert (run.start, run.parent, run.capacity) == (NOW - 30 * HOUR, None, {"ml.p4d.24xlarge": 2})
    (head,) = run.judged
    assert (head.clock.running_evidence, head.declared_limit, head.types) == (
        "CreationTime",
        2 * HOUR,
        ("ml.p4d.24xlarge",),
    )
    assert (head.capacity, head.tags, head.purchase) == ((), {"owner": "maria"}, PurchaseOption.ON_DEMAND)


def test_tags_of_children_are_never_asked_for(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    search(fleet)
    asked = called(world, "ListTags")
    found = by_id(sagemaker.jobs().members)
    assert [str(call.parameters["ResourceArn"]).rpartition(":")[2] for call in asked] == [
        "hyper-parameter-tuning-job/search"
    ]
    assert (found["search-000"].tags, found["search"].tags) == ({}, {"owner": "maria"})


def test_an_automl_job_rolls_up_training_and_processing_jobs(sagemaker: SageMaker, fleet: Fleet) -> None:
    arn = fleet.automl_job("auto", created_at=NOW - 3 * HOUR, tags={"owner": "maria"}, max_runtime_seconds=3600)
    fleet.child_of(arn, "auto-t1", type="ml.g5.xlarge", started_at=NOW - HOUR)
    fleet.processing_job("auto-p1", started_at=NOW - HOUR, automl_job_arn=arn)
    (run,) = runs_of(sagemaker.jobs().members).values()
    assert (run.id.kind, [m.id for m in run.members]) == (RunKind.AUTOML, ["auto", "auto-p1", "auto-t1"])
    assert (run.start, run.declared_limit) == (NOW - 3 * HOUR, HOUR)


def test_a_tuning_job_that_an_automl_job_started_is_no_run_of_its_own(sagemaker: SageMaker, fleet: Fleet) -> None:
    auto = fleet.automl_job("auto", created_at=NOW - 3 * HOUR)
    tuner = fleet.tuning_job("auto-tuning", created_at=NOW - 2 * HOUR)
    fleet.training_job("auto-tuning-1", started_at=NOW - HOUR, automl_job_arn=auto, tuning_job_arn=tuner)
    runs = runs_of(sagemaker.jobs().members)
    assert sorted(runs) == ["automl/auto"]
    assert [m.id for m in runs["automl/auto"].judged] == ["auto"]


def test_that_tuning_job_stays_the_automl_jobs_when_it_has_no_child_for_a_moment(
    sagemaker: SageMaker, fleet: Fleet
) -> None:
    auto = fleet.automl_job("auto", created_at=NOW - 3 * HOUR)
    tuner = fleet.tuning_job("auto-tuning", created_at=NOW - 2 * HOUR)
    fleet.training_job("auto-tuning-1", started_at=NOW - HOUR, automl_job_arn=auto, tuning_job_arn=tuner)
    known = {job.key: job for job in sagemaker.jobs().learned}
    fleet.finish_job("auto-tuning-1", NOW)
    assert sorted(runs_of(sagemaker.jobs(known, NOW).members)) == ["automl/auto"]


def test_a_tuning_job_that_is_stopping_still_stands_beside_its_running_children(
    sagemaker: SageMaker, fleet: Fleet
) -> None:
    arn = search(fleet)
    sagemaker.stop("search", Service.TUNING)
    fleet.child_of(arn, "search-late", started_at=NOW)
    runs = runs_of(sagemaker.jobs().members)
    assert [(m.id, m.state) for m in runs["tuning/search"].members] == [
        ("search", "Stopping"),
        ("search-late", "InProgress"),
    ]


def test_children_whose_tuning_job_cannot_be_read_come_with_a_stand_in_that_proves_nothing(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    arn = search(fleet)
    fleet.end_family_job(arn, NOW, "Stopped")
    world.faults.fail("sagemaker", "DescribeHyperParameterTuningJob", "AccessDeniedException")
    seen = sagemaker.jobs()
    head = by_id(seen.members)["search"]
    assert (head.tags, head.clock.running_since, head.alive, head.gone) == (None, None, False, False)
    assert [str(error).partition(":")[0] for error in seen.errors] == ["sagemaker"]


def test_a_family_holds_what_its_head_started_since_and_not_what_is_over(sagemaker: SageMaker, fleet: Fleet) -> None:
    arn = search(fleet)
    fleet.finish_job("search-000", NOW)
    fleet.child_of(arn, "search-late", started_at=NOW)
    head, children = sagemaker.family("search", Service.TUNING)
    assert head is not None
    assert (head.id, sorted(child.id for child in children)) == ("search", ["search-001", "search-late"])


def test_an_automl_familys_children_are_found_among_all_jobs(sagemaker: SageMaker, fleet: Fleet) -> None:
    arn = fleet.automl_job("auto", created_at=NOW - 3 * HOUR)
    fleet.child_of(arn, "auto-t1", started_at=NOW - HOUR)
    fleet.processing_job("auto-p1", started_at=NOW - HOUR, automl_job_arn=arn)
    fleet.training_job("other", started_at=NOW)
    known = {job.key: job for job in sagemaker.jobs().learned}
    for given in (known, {}):
        head, children = sagemaker.family("auto", Service.AUTOML, given)
        assert head is not None
        assert sorted(child.id for child in children) == ["auto-p1", "auto-t1"]


def test_a_family_that_is_not_there_is_empty(sagemaker: SageMaker) -> None:
    assert sagemaker.family("nobody", Service.TUNING) == (None, [])


def test_a_family_read_afresh_goes_on_while_a_child_does(sagemaker: SageMaker, fleet: Fleet) -> None:
    arn = search(fleet, children=1)
    run = runs_of(sagemaker.jobs().members)["tuning/search"]
    fleet.end_family_job(arn, NOW, "Stopped")
    assert [member.id for member in sagemaker.afresh(run).members] == ["search", "search-000"]
    fleet.finish_job("search-000", NOW)
    assert sagemaker.afresh(run).members == ()


# --- stopping a family ----------------------------------------------------------------------------------------------


def test_a_stopped_tuning_job_ends_its_children_and_is_stopped_after_them(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    search(fleet)
    sagemaker.stop("search", Service.TUNING)
    head, children = sagemaker.family("search", Service.TUNING)
    assert head is not None
    assert (head.state, {child.state for child in children}) == ("Stopping", {"Stopping"})
    world.clock = lambda: NOW + 3 * MINUTE
    head, children = sagemaker.family("search", Service.TUNING)
    assert head is not None
    assert (head.state, children) == ("Stopped", [])


def test_a_tuning_job_is_not_stopped_before_a_child_that_it_started_late(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    arn = search(fleet)
    sagemaker.stop("search", Service.TUNING)
    fleet.child_of(arn, "search-late", started_at=NOW)
    world.clock = lambda: NOW + 10 * MINUTE
    head, children = sagemaker.family("search", Service.TUNING)
    assert head is not None
    assert (head.state, [(c.id, c.state) for c in children]) == ("Stopping", [("search-late", "InProgress")])


@pytest.mark.parametrize("kind", ["processing", "tuning", "automl"])
def test_stopping_what_had_ended_is_a_permanent_error(sagemaker: SageMaker, fleet: Fleet, kind: str) -> None:
    make = {"processing": fleet.processing_job, "tuning": fleet.tuning_job, "automl": fleet.automl_job}[kind]
    fleet.end_family_job(make("x", created_at=NOW - HOUR), NOW)
    with pytest.raises(PermanentAwsError) as error:
        sagemaker.stop("x", Service(kind))
    assert error.value.code == "ValidationException"


@pytest.mark.parametrize("service", [Service.PROCESSING, Service.TUNING, Service.AUTOML])
def test_a_job_of_any_kind_that_nobody_knows_is_none(sagemaker: SageMaker, service: Service) -> None:
    assert sagemaker.job("nobody", service) is None


# --- warm pools -----------------------------------------------------------------------------------------------------


def test_a_stopped_job_keeps_its_warm_pool_until_it_is_ended(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR, keep_alive_seconds=3600)
    sagemaker.stop("churn")
    world.clock = lambda: NOW + 12 * MINUTE
    kept = sagemaker.job("churn")
    assert kept is not None
    assert (kept.state, kept.pool, kept.pool_billed) == ("Stopped", "Available", None)
    sagemaker.end_warm_pool("churn")
    ended = sagemaker.job("churn")
    assert ended is not None
    assert (ended.pool, ended.pool_billed) == ("Terminated", 10 * MINUTE)


def test_a_warm_pool_ends_by_itself_when_its_time_is_over(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR, keep_alive_seconds=600)
    fleet.finish_job("churn", NOW)
    world.clock = lambda: NOW + 20 * MINUTE
    over = sagemaker.job("churn")
    assert over is not None
    assert (over.pool, over.pool_billed) == ("Terminated", 10 * MINUTE)


@pytest.mark.parametrize("pool", ["InUse", "Reused", "Terminated"])
def test_a_warm_pool_that_does_not_wait_cannot_be_ended(sagemaker: SageMaker, fleet: Fleet, pool: str) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR, keep_alive_seconds=600)
    fleet.finish_job("churn", NOW)
    fleet.set_warm_pool("churn", pool)
    with pytest.raises(PermanentAwsError) as error:
        sagemaker.end_warm_pool("churn")
    assert error.value.code == "ValidationException"


# --- described once -------------------------------------------------------------------------------------------------


def described(world: World) -> list[Call]:
    """Calls of Describe and ListTags from now on."""
    return called(world, "DescribeTrainingJob", "DescribeProcessingJob", "DescribeHyperParameterTuningJob",
                  "DescribeAutoMLJobV2", "ListTags")  # fmt: skip


def test_a_job_that_is_known_is_not_described_again(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    search(fleet)
    fleet.processing_job("features", started_at=NOW - HOUR)
    fleet.training_job("churn", started_at=NOW - HOUR, tags={"owner": "maria"})
    first = sagemaker.jobs({}, NOW)
    calls = described(world)
    again = sagemaker.jobs({job.key: job for job in first.learned}, NOW)
    assert calls == []
    assert again.members == first.members
    assert (again.learned, again.over) == ([], [])


def test_a_job_that_has_not_started_is_described_until_it_has(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", created_at=NOW - HOUR)
    assert sagemaker.jobs({}, NOW).learned == []


def test_a_known_jobs_phase_comes_from_the_list(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    known = {job.key: job for job in sagemaker.jobs({}, NOW).learned}
    fleet.set_secondary_status("churn", "Uploading")
    calls = described(world)
    assert [member.phase for member in sagemaker.jobs(known, NOW).members] == ["Uploading"]
    assert calls == []


def test_another_job_under_the_same_name_is_described(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    (job,) = sagemaker.jobs({}, NOW).learned
    clock = replace(job.member.clock, exists_since=NOW - 9 * HOUR)
    before = KnownJob(replace(job.member, capacity=(("ml.wrong", 1),), clock=clock), NOW)
    (found,) = sagemaker.jobs({before.key: before}, NOW).members
    assert (found.clock.exists_since, found.capacity) == (NOW - HOUR, (("ml.p4d.24xlarge", 1),))


def test_tags_of_a_known_job_are_read_again_within_the_hour_and_once(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    arn = fleet.training_job("churn", started_at=NOW - HOUR, tags={"owner": "maria"})
    known = {job.key: job for job in sagemaker.jobs({}, NOW).learned}
    fleet.tag(arn, {"costwatch:max-runtime": "2h"})
    calls = described(world)
    seen_at: list[int] = []
    for minutes in range(5, 126, 5):
        seen = sagemaker.jobs(known, NOW + minutes * MINUTE)
        known |= {job.key: job for job in seen.learned}
        if "costwatch:max-runtime" in (seen.members[0].tags or {}):
            seen_at.append(minutes)
    assert seen_at[0] <= 65
    assert seen_at == list(range(seen_at[0], 126, 5))
    assert [call.operation for call in calls] == ["ListTags"] * 2


def test_tags_that_cannot_be_read_at_their_turn_are_unknown_and_asked_for_again(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR, tags={"owner": "maria"})
    known = {job.key: job for job in sagemaker.jobs({}, NOW).learned}
    world.faults.fail("sagemaker", "ListTags", "AccessDeniedException")
    seen = sagemaker.jobs(known, NOW + HOUR)
    assert (seen.members[0].tags, seen.learned) == (None, [])
    world.faults.clear()
    assert sagemaker.jobs(known, NOW + HOUR).members[0].tags == {"owner": "maria"}


def test_known_jobs_that_are_over_are_told(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    known = {job.key: job for job in sagemaker.jobs({}, NOW).learned}
    fleet.finish_job("churn", NOW)
    assert sagemaker.jobs(known, NOW).over == [(Service.TRAINING, "churn")]


def test_what_is_on_a_list_that_failed_is_not_taken_for_over(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    fleet.processing_job("features", started_at=NOW - HOUR)
    known = {job.key: job for job in sagemaker.jobs({}, NOW).learned}
    world.faults.fail("sagemaker", "ListProcessingJobs", "AccessDeniedException")
    seen = sagemaker.jobs(known, NOW)
    assert (seen.members, seen.over) == ([], [])
    assert "sagemaker:ListProcessingJobs" in str(seen.errors[0])


# --- what cannot be read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["ListProcessingJobs", "ListHyperParameterTuningJobs", "ListAutoMLJobs"])
def test_one_list_that_fails_costs_its_kind_alone(
    sagemaker: SageMaker, fleet: Fleet, world: World, operation: str
) -> None:
    fleet.training_job("churn", started_at=NOW)
    world.faults.fail("sagemaker", operation, "AccessDeniedException")
    seen = sagemaker.jobs()
    assert [member.id for member in seen.members] == ["churn"]
    assert operation in str(seen.errors[0])


def test_children_of_a_tuning_job_whose_list_failed_are_still_beside_it(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    search(fleet)
    world.faults.fail("sagemaker", "ListHyperParameterTuningJobs", "ThrottlingException")
    assert sorted(runs_of(sagemaker.jobs().members)) == ["tuning/search"]


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("ListTrainingJobsForHyperParameterTuningJob", "ThrottlingException", TransientAwsError),
        ("ListTrainingJobsForHyperParameterTuningJob", "AccessDeniedException", PermanentAwsError),
        ("DescribeHyperParameterTuningJob", "AccessDeniedException", PermanentAwsError),
        ("DescribeTrainingJob", "ThrottlingException", TransientAwsError),
    ],
)
def test_a_family_that_cannot_be_read_wholly_is_an_error(
    sagemaker: SageMaker, fleet: Fleet, world: World, operation: str, code: str, kind: type[Exception]
) -> None:
    search(fleet)
    world.faults.fail("sagemaker", operation, code)
    with pytest.raises(kind, match=f"sagemaker:{operation}: {code}"):
        sagemaker.family("search", Service.TUNING)


def test_two_pages_of_children_are_all_there(sagemaker: SageMaker, fleet: Fleet) -> None:
    search(fleet, children=130)
    _, children = sagemaker.family("search", Service.TUNING)
    assert len(children) == 130


def test_the_ages_of_families_come_from_their_heads(sagemaker: SageMaker, fleet: Fleet) -> None:
    search(fleet)
    run = runs_of(sagemaker.jobs().members)["tuning/search"]
    assert NOW - (run.start or NOW) == timedelta(hours=30)
