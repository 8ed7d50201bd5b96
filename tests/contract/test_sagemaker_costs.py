"""What of SageMaker's answers moves money: a job's specification, what it was billed, and which jobs are over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from costwatch.adapters.sagemaker import SageMaker
from costwatch.adapters.sagemaker_members import processing, training, tuning
from costwatch.core.estimator import InstanceGroup, JobSpec, Volume
from costwatch.core.known_jobs import ListedChild
from costwatch.core.policy import PurchaseOption, Service
from demo.embedded import Fleet, World
from tests.contract.conftest import Clients
from tests.contract.test_sagemaker_families import called
from tests.support.builders import HOUR, MINUTE, NOW, REGION, SECOND


@pytest.fixture
def sagemaker(clients: Clients, world: World) -> SageMaker:
    del world
    return SageMaker(clients("sagemaker"), region=REGION)


def described(**changes: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "churn",
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/churn",
        "TrainingJobStatus": "InProgress",
        "AlgorithmSpecification": {"TrainingImage": "1111.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.3"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
        **changes,
    }


def test_a_description_says_all_that_the_request_had_said() -> None:
    raw = described(
        EnableManagedSpotTraining=True,
        ResourceConfig={
            "InstanceType": "ml.m5.xlarge", "InstanceCount": 3, "VolumeSizeInGB": 50, "KeepAlivePeriodInSeconds": 600,
        },
    )  # fmt: skip
    found = training(raw, {})
    assert found.spec == JobSpec(
        Service.TRAINING,
        "eu-west-1",
        (InstanceGroup("ml.m5.xlarge", 3),),
        2 * HOUR,
        purchase=PurchaseOption.SPOT,
        volume=Volume(50),
        warm_pool=10 * MINUTE,
    )
    assert found.image == "1111.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.3"


@pytest.mark.parametrize(
    ("told", "billed"), [({}, None), ({"BillableTimeInSeconds": 0}, 0), ({"BillableTimeInSeconds": 90}, 90)]
)
def test_billable_seconds_are_what_sagemaker_tells_and_nothing_told_is_not_zero(
    told: dict[str, int], billed: int | None
) -> None:
    expected = timedelta(seconds=billed) if billed is not None else None
    assert training(described(**told), {}).billable == expected


def test_of_several_acceptable_types_the_selected_one_is_specified_and_none_before() -> None:
    preferences = [{"InstanceType": kind, "InstanceCount": 1} for kind in ("ml.g5.xlarge", "ml.g6.xlarge")]
    before = training(described(ResourceConfig={"InstancePreferences": preferences}), {})
    after = training(
        described(ResourceConfig={"InstancePreferences": preferences, "SelectedInstanceType": "ml.g6.xlarge"}), {}
    )
    assert before.spec is None
    assert after.spec is not None
    assert after.spec.groups == (InstanceGroup("ml.g6.xlarge", 1),)


def test_a_heterogeneous_cluster_has_all_its_groups() -> None:
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2},
        {"InstanceGroupName": "b", "InstanceType": "ml.c5.9xlarge", "InstanceCount": 4},
    ]
    found = training(described(ResourceConfig={"InstanceGroups": groups}), {}).spec
    assert found is not None
    assert found.groups == (InstanceGroup("ml.p4d.24xlarge", 2), InstanceGroup("ml.c5.9xlarge", 4))


def test_an_odd_description_costs_the_specification_and_not_the_member() -> None:
    found = training(described(ResourceConfig={"InstanceType": "p4d.24xlarge", "InstanceCount": 1}), {})
    assert (found.id, found.capacity, found.spec) == ("churn", (("p4d.24xlarge", 1),), None)


def test_a_processing_job_has_its_own_default_and_volume() -> None:
    raw = {
        "ProcessingJobName": "features",
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:processing-job/features",
        "ProcessingJobStatus": "InProgress",
        "AppSpecification": {"ImageUri": "sklearn:1.2"},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
        },
    }
    found = processing(raw, {})
    expected = JobSpec(
        Service.PROCESSING, "us-east-1", (InstanceGroup("ml.m5.xlarge", 2),), 24 * HOUR, volume=Volume(30)
    )
    assert (found.spec, found.image) == (expected, "sklearn:1.2")


def test_a_tuning_job_is_specified_by_its_limits_and_its_definition() -> None:
    definition = {
        "AlgorithmSpecification": {"TrainingImage": "xgb:1"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    raw = {
        "HyperParameterTuningJobName": "search",
        "HyperParameterTuningJobArn": "arn:aws:sagemaker:us-east-1:111122223333:hyper-parameter-tuning-job/search",
        "HyperParameterTuningJobStatus": "InProgress",
        "HyperParameterTuningJobConfig": {
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 4, "MaxRuntimeInSeconds": 36_000,
            }
        },
        "TrainingJobDefinition": definition,
    }  # fmt: skip
    found = tuning(raw, {}).spec
    assert found is not None
    assert (found.jobs, found.parallel, found.max_runtime, found.total_runtime) == (20, 4, HOUR, 10 * HOUR)
    several = {
        **raw,
        "TrainingJobDefinition": None,
        "TrainingJobDefinitions": [
            definition,
            {**definition, "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1}},
        ],
    }
    assert tuning(several, {}).spec is None, "which of them its jobs will be of is not known"


def test_a_job_in_progress_comes_with_its_specification(sagemaker: SageMaker, fleet: Fleet) -> None:
    fleet.training_job("churn", type="ml.m5.xlarge", count=2, started_at=NOW - HOUR, max_runtime_seconds=7200)
    (found,) = sagemaker.jobs().members
    assert found.spec == JobSpec(
        Service.TRAINING, REGION, (InstanceGroup("ml.m5.xlarge", 2),), 2 * HOUR, volume=Volume(100)
    )


# --- what is over -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "names"), [(HOUR, ["churn"]), (HOUR + SECOND, [])])
def test_jobs_that_are_over_are_listed_from_when_they_were_created(
    sagemaker: SageMaker, fleet: Fleet, age: timedelta, names: list[str]
) -> None:
    fleet.training_job("churn", created_at=NOW - age, started_at=NOW - age)
    fleet.training_job("running", started_at=NOW - 10 * MINUTE)
    fleet.finish_job("churn", NOW - MINUTE)
    found, errors = sagemaker.over_since(NOW - HOUR)
    assert ([job.name for job in found], errors) == (names, [])


def test_they_are_read_the_newest_first_and_no_further_than_needed(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    for number in range(150):
        fleet.training_job(f"old-{number:03}", started_at=NOW - 10 * HOUR)
        fleet.finish_job(f"old-{number:03}", NOW - 9 * HOUR)
    calls = called(world, "ListTrainingJobs")
    assert sagemaker.over_since(NOW - HOUR) == ([], [])
    assert len(calls) == 1


def test_a_kind_whose_list_fails_is_reported_and_the_others_are_read(
    sagemaker: SageMaker, fleet: Fleet, world: World
) -> None:
    fleet.training_job("churn", started_at=NOW - 10 * MINUTE)
    fleet.finish_job("churn", NOW - MINUTE)
    world.faults.fail("sagemaker", "ListAutoMLJobs", "AccessDeniedException")
    found, errors = sagemaker.over_since(NOW - HOUR)
    assert ([job.name for job in found], len(errors)) == (["churn"], 1)


def test_every_child_that_a_tuning_job_ever_started_is_listed_with_its_times(
    sagemaker: SageMaker, fleet: Fleet
) -> None:
    arn = fleet.tuning_job("search", created_at=NOW - 3 * HOUR)
    fleet.child_of(arn, "search-1", started_at=NOW - 2 * HOUR)
    fleet.child_of(arn, "search-2", started_at=NOW - HOUR)
    fleet.finish_job("search-1", NOW - HOUR)
    fleet.training_job("other", started_at=NOW - HOUR)
    assert sorted(sagemaker.children_listed("search"), key=lambda child: child.name) == [
        ListedChild("search-1", NOW - 2 * HOUR, NOW - HOUR),
        ListedChild("search-2", NOW - HOUR, None),
    ]


def test_the_children_of_a_tuning_job_that_is_not_there_are_none(sagemaker: SageMaker) -> None:
    assert sagemaker.children_listed("nobody") == []
