"""SageMaker training jobs as the adapter shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from costwatch.adapters.sagemaker import SageMaker
from costwatch.core import grouping
from costwatch.core.deadman import Verdict, judge
from costwatch.core.known_jobs import JobsSeen
from costwatch.core.model import Run, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.selection import HoldCode
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import Fleet, World
from tests.contract.conftest import Clients
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, NOW, REGION

LABELING_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:labeling-job/cats"


@pytest.fixture
def sagemaker(clients: Clients, world: World) -> SageMaker:
    del world
    return SageMaker(clients("sagemaker"), region=REGION)


def run_of(sagemaker: SageMaker, name: str) -> Run:
    found = grouping.runs(sagemaker.jobs().members, account=ACCOUNT, region=REGION, run_tag="costwatch:run")
    return next(run for run in found if name in [member.id for member in run.members])


def test_a_region_without_jobs_lists_nothing(sagemaker: SageMaker) -> None:
    assert sagemaker.jobs() == JobsSeen([], [], [], [])


def test_a_job_is_a_member_with_its_capacity_tags_phase_and_clock(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", count=2, created_at=NOW - 2 * HOUR, started_at=NOW - HOUR, tags={"owner": "maria"})
    seen = sagemaker.jobs()
    (found,) = seen.members
    assert seen.errors == []
    assert (found.id, found.service, found.state, found.phase) == ("churn", Service.TRAINING, "InProgress", "Training")
    assert found.capacity == (("ml.p4d.24xlarge", 2),)
    assert found.tags == {"owner": "maria"}
    assert (found.clock.running_since, found.clock.running_evidence) == (NOW - HOUR, "TrainingStartTime")
    assert (found.clock.exists_since, found.clock.exists_evidence) == (NOW - 2 * HOUR, "CreationTime")
    assert (found.purchase, found.parent, found.zone) == (PurchaseOption.ON_DEMAND, None, "")


def test_a_job_that_was_created_and_not_started_has_no_running_clock(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", created_at=NOW - HOUR)
    (found,) = sagemaker.jobs().members
    assert found.clock.running_since is None
    assert found.clock.exists_since == NOW - HOUR


def test_a_heterogeneous_cluster_names_each_of_its_types(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("mixed", instance_groups=[("ml.p4d.24xlarge", 2), ("ml.c5.18xlarge", 4)], started_at=NOW)
    (found,) = sagemaker.jobs().members
    assert found.capacity == (("ml.p4d.24xlarge", 2), ("ml.c5.18xlarge", 4))


PLAN = [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-plan/p4d"]
P4D, P5 = "ml.p4d.24xlarge", "ml.p5.48xlarge"


@pytest.mark.parametrize(
    ("preferences", "capacity", "purchase"),
    [
        (
            {"InstancePreferences": [{"InstanceType": P5, "InstanceCount": 1},
                                     {"InstanceType": P4D, "InstanceCount": 2}],
             "SelectedInstanceType": P4D, "SelectedInstanceCount": 2},
            ((P4D, 2),), PurchaseOption.ON_DEMAND,
        ),
        (
            {"InstancePreferences": [{"InstanceType": P4D, "InstanceCount": 3}], "SelectedInstanceType": P4D},
            ((P4D, 3),), PurchaseOption.ON_DEMAND,
        ),
        (
            {"InstancePreferences": [{"InstanceType": P4D}], "InstanceCount": 4, "SelectedInstanceType": P4D},
            ((P4D, 4),), PurchaseOption.ON_DEMAND,
        ),
        (
            {"InstancePreferences": [{"InstanceType": P4D, "TrainingPlanArns": PLAN}, {"InstanceType": P5}],
             "InstanceCount": 2, "SelectedInstanceType": P4D, "SelectedInstanceCount": 2},
            ((P4D, 2),), PurchaseOption.CAPACITY_BLOCK,
        ),
        (
            {"InstancePreferences": [{"InstanceType": P4D, "TrainingPlanArns": PLAN}, {"InstanceType": P5}],
             "InstanceCount": 2, "SelectedInstanceType": P5, "SelectedInstanceCount": 2},
            ((P5, 2),), PurchaseOption.ON_DEMAND,
        ),
        (
            {"InstancePreferences": [{"InstanceType": P4D, "TrainingPlanArns": PLAN}, {"InstanceType": P5}],
             "InstanceCount": 2},
            (), PurchaseOption.CAPACITY_BLOCK,
        ),
        (
            {"InstancePreferences": [{"InstanceType": P4D}, {"InstanceType": P5}], "InstanceCount": 2},
            (), PurchaseOption.ON_DEMAND,
        ),
        (
            {"InstanceType": P4D, "InstanceCount": 1, "TrainingPlanArn": PLAN[0]},
            ((P4D, 1),), PurchaseOption.CAPACITY_BLOCK,
        ),
    ],
)  # fmt: skip
def test_a_job_that_takes_one_of_several_types_has_the_one_that_was_selected_and_its_plan(
    sagemaker: SageMaker, fleet: Fleet, preferences: dict[str, Any], capacity: object, purchase: PurchaseOption
) -> None:
    fleet.training_job("flex", preferences=preferences, started_at=NOW - HOUR)
    seen = sagemaker.jobs()
    (found,) = seen.members
    assert (found.capacity, found.purchase, seen.errors) == (capacity, purchase, [])


@pytest.mark.parametrize(
    ("more", "verdict", "hold"),
    [
        ({}, Verdict.WARN, None),
        ({"TrainingPlanArns": PLAN}, Verdict.IGNORE, None),
        ({"labeling_job_arn": LABELING_ARN}, Verdict.HOLD, HoldCode.PARENT),
    ],
)
def test_what_was_selected_is_watched_what_is_prepaid_is_not_and_a_labeling_job_s_is_held(
    sagemaker: SageMaker, fleet: Fleet, more: dict[str, Any], verdict: Verdict, hold: HoldCode | None
) -> None:
    arn = {"labeling_job_arn": more["labeling_job_arn"]} if "labeling_job_arn" in more else {}
    preference = {"InstanceType": P4D, "InstanceCount": 2, **({} if arn else more)}
    selected = {"SelectedInstanceType": P4D, "SelectedInstanceCount": 2}
    fleet.training_job(
        "flex",
        preferences={"InstancePreferences": [preference], **selected},
        started_at=NOW - 40 * HOUR,
        tags={"Purpose": "training"},
        **arn,
    )
    policy = policies.policy(selectors=[policies.selector(service="training", types=["ml.p4d.*"])])
    found = judge(run_of(sagemaker, "flex"), None, policy, None, NOW)
    assert (found.verdict, found.hold) == (verdict, hold)


def test_a_labeling_job_s_training_jobs_roll_up_to_it(sagemaker: SageMaker, fleet: Fleet) -> None:
    for n in (1, 2):
        fleet.training_job(f"child-{n}", started_at=NOW, labeling_job_arn=LABELING_ARN)
    run = run_of(sagemaker, "child-1")
    assert (run.id.kind, run.id.name, len(run.members)) == (RunKind.LABELING, "cats", 2)
    assert run.parent is not None
    assert run.parent.label == "labeling job cats"


def test_managed_spot_is_spot(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", managed_spot=True, started_at=NOW)
    assert sagemaker.jobs().members[0].purchase is PurchaseOption.SPOT


def test_only_jobs_in_progress_are_listed_over_all_pages(sagemaker: SageMaker, fleet: Fleet) -> None:
    for n in range(25):
        fleet.training_job(f"job-{n:02}", started_at=NOW - HOUR)
    fleet.finish_job("job-07", NOW)
    found = sagemaker.jobs().members
    assert len(found) == 24
    assert "job-07" not in {member.id for member in found}


def test_an_ended_job_says_when_and_how(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    fleet.finish_job("churn", NOW - timedelta(minutes=3))
    found = sagemaker.job("churn")
    assert found is not None
    assert (found.gone, found.ended_at, found.end_reason) == (True, NOW - timedelta(minutes=3), "Completed")


def test_a_job_nobody_knows_is_none(sagemaker: SageMaker) -> None:
    assert sagemaker.job("no-such-job") is None


def test_a_stopped_job_is_stopping_and_then_stopped(sagemaker: SageMaker, fleet: Fleet, world: World) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    sagemaker.stop("churn")
    stopping = sagemaker.job("churn")
    assert stopping is not None
    assert (stopping.state, stopping.alive, stopping.gone) == ("Stopping", False, False)
    world.clock = lambda: NOW + timedelta(minutes=3)
    stopped = sagemaker.job("churn")
    assert stopped is not None
    assert (stopped.state, stopped.gone) == ("Stopped", True)


def test_stopping_a_job_that_had_ended_is_a_permanent_error_with_its_code(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    fleet.finish_job("churn", NOW)
    with pytest.raises(PermanentAwsError) as error:
        sagemaker.stop("churn")
    assert error.value.code == "ValidationException"


def test_a_job_that_uploads_shows_it(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    fleet.set_secondary_status("churn", "Uploading")
    assert sagemaker.jobs().members[0].phase == "Uploading"


def test_what_is_read_afresh_no_longer_holds_what_has_ended(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", started_at=NOW - HOUR)
    run = run_of(sagemaker, "churn")
    assert [member.id for member in sagemaker.afresh(run).members] == ["churn"]
    assert sagemaker.afresh(run).fresh
    fleet.finish_job("churn", NOW)
    assert sagemaker.afresh(run).members == ()


def test_tags_are_read_afresh(sagemaker: SageMaker, fleet: Fleet) -> None:
    arn = fleet.training_job("churn", started_at=NOW - HOUR)
    run = run_of(sagemaker, "churn")
    fleet.tag(arn, {"costwatch:exempt": "paper"})
    assert sagemaker.afresh(run).members[0].tags == {"costwatch:exempt": "paper"}


# --- what cannot be read --------------------------------------------------------------------------------------


def test_one_job_that_cannot_be_described_is_reported_and_the_others_are_there(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    for name in ("one", "two", "three"):
        fleet.training_job(name, started_at=NOW)
    world.faults.fail(
        "sagemaker", "DescribeTrainingJob", "AccessDeniedException",
        when=lambda call: call.parameters.get("TrainingJobName") == "two",
    )  # fmt: skip
    seen = sagemaker.jobs()
    assert {member.id for member in seen.members} == {"one", "three"}
    assert [type(error) for error in seen.errors] == [PermanentAwsError]


def test_a_job_whose_tags_cannot_be_read_is_there_without_tags_and_reported(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    fleet.training_job("churn", started_at=NOW, tags={"owner": "maria"})
    world.faults.fail("sagemaker", "ListTags", "AccessDeniedException")
    seen = sagemaker.jobs()
    assert seen.members[0].tags is None
    assert "tags of training job churn could not be read" in str(seen.errors[0])


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("ListTrainingJobs", "ThrottlingException", TransientAwsError),
        ("ListTrainingJobs", "AccessDeniedException", PermanentAwsError),
        ("DescribeTrainingJob", "InternalFailure", TransientAwsError),
        ("DescribeTrainingJob", "AccessDeniedException", PermanentAwsError),
        ("StopTrainingJob", "ServiceUnavailable", TransientAwsError),
        ("StopTrainingJob", "AccessDeniedException", PermanentAwsError),
    ],
)
def test_an_error_of_sagemaker_says_whether_to_try_again(
    sagemaker: SageMaker, fleet: Fleet, world: World, operation: str, code: str, kind: type[Exception]
) -> None:
    fleet.training_job("churn", started_at=NOW)
    world.faults.fail("sagemaker", operation, code)
    calls: dict[str, Callable[[], object]] = {
        "ListTrainingJobs": sagemaker.jobs,
        "DescribeTrainingJob": lambda: sagemaker.job("churn"),
        "StopTrainingJob": lambda: sagemaker.stop("churn"),
    }
    with pytest.raises(kind, match=f"sagemaker:{operation}: {code}"):
        calls[operation]()


def test_a_lost_connection_may_be_tried_again(sagemaker: SageMaker, world: World) -> None:
    world.faults.lose_connection("sagemaker", "ListTrainingJobs")
    with pytest.raises(TransientAwsError):
        sagemaker.jobs()
