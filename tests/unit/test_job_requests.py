"""What somebody asks the gate about: whole bodies or figures, and one sentence for what is neither."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.estimator import InstanceGroup, JobSpec, Volume
from costwatch.core.policy import PurchaseOption, Service
from costwatch.errors import InputError
from costwatch.intake.job_requests import JobRequest, job_request

BODY: dict[str, Any] = {
    "TrainingJobName": "churn-bert-large",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2, "VolumeSizeInGB": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    "Tags": [{"Key": "team", "Value": "risk"}, {"Key": "owner", "Value": "maria@example.com"}],
}
FIGURES: dict[str, Any] = {"instance_type": "ml.p4d.24xlarge", "instance_count": 2, "max_runtime_seconds": 86400}


def request(**arguments: Any) -> JobRequest:
    return job_request(arguments, "us-east-1")


def spec(**arguments: Any) -> JobSpec:
    (found,) = request(**arguments).part.choices
    return found


def refusal(arguments: Any) -> str:
    with pytest.raises(InputError) as error:
        job_request(arguments, "us-east-1")
    assert "\n" not in str(error.value)
    return str(error.value)


# --- a whole body -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [BODY, json.dumps(BODY)])
def test_a_body_is_taken_as_an_object_or_as_text(job: Any) -> None:
    found = request(job=job)
    (choice,) = found.part.choices
    assert choice.groups == (InstanceGroup("ml.p4d.24xlarge", 2),)
    assert (found.name, found.region) == ("churn-bert-large", "us-east-1")
    assert found.tags == {"team": "risk", "owner": "maria@example.com"}


def test_what_usually_runs_shorter_may_say_so() -> None:
    assert spec(job=BODY, expected_runtime="6h").expected_runtime == timedelta(hours=6)


def test_a_processing_and_a_tuning_body_are_jobs_too() -> None:
    processing = {
        "ProcessingJobName": "features",
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3,
                                                  "VolumeSizeInGB": 30}},
    }  # fmt: skip
    assert spec(job=processing).service is Service.PROCESSING
    tuning = {
        "HyperParameterTuningJobName": "tune",
        "HyperParameterTuningJobConfig": {
            "ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 10}
        },
        "TrainingJobDefinition": BODY,
    }
    assert (spec(job=tuning).service, spec(job=tuning).jobs) == (Service.TUNING, 10)


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ("{", "job: line 1, column 2: no JSON"),
        ("[]", "job: expected a JSON object"),
        (7, "job: expected a request body as an object or as JSON text, got 7"),
        ('{"a": NaN}', "job: no JSON"),
        ({}, "job: ResourceConfig is missing"),
        ({"Steps": []}, "job: this is a pipeline definition"),
        ({**BODY, "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": -1}},
         "job: ResourceConfig.InstanceCount: expected a whole number, 1 to 100,000, got -1"),
        ({**BODY, "ResourceConfig": {"InstanceType": "p4d.24xlarge", "InstanceCount": 1}},
         "job: ResourceConfig.InstanceType: expected an instance type that begins with ml."),
    ],
)  # fmt: skip
def test_a_body_that_sagemaker_would_not_take_is_refused_by_its_path(job: Any, sentence: str) -> None:
    assert refusal({"job": job}).startswith(sentence)


def test_figures_beside_a_body_are_refused_since_one_of_them_would_be_ignored() -> None:
    assert refusal({"job": BODY, "instance_count": 1}).startswith("instance_count: no such argument beside job")


# --- figures ------------------------------------------------------------------------------------------------


def test_figures_are_a_training_job() -> None:
    found = spec(**FIGURES, volume_gb=50)
    assert found == JobSpec(
        Service.TRAINING,
        "us-east-1",
        (InstanceGroup("ml.p4d.24xlarge", 2),),
        timedelta(days=1),
        volume=Volume(50),
    )


def test_numbers_may_be_text_as_pipelines_hand_parameters_on() -> None:
    assert spec(**{**FIGURES, "instance_count": "2", "max_runtime_seconds": "86400"}) == spec(**FIGURES)


def test_a_runtime_may_be_a_duration_with_its_unit() -> None:
    assert spec(**{**FIGURES, "max_runtime_seconds": "24h"}) == spec(**FIGURES)


def test_without_a_runtime_sagemakers_own_day_is_taken_and_said() -> None:
    found = request(instance_type="ml.m5.large")
    assert found.part.choices[0].max_runtime == timedelta(days=1)
    assert found.part.choices[0].groups[0].count == 1
    assert "default of 1 day" in found.part.notes[0]


@pytest.mark.parametrize(
    ("arguments", "purchase"),
    [
        ({}, PurchaseOption.ON_DEMAND),
        ({"purchase": "spot"}, PurchaseOption.SPOT),
        ({"use_spot": True}, PurchaseOption.SPOT),
        ({"use_spot": "True"}, PurchaseOption.SPOT),
        ({"use_spot": "false"}, PurchaseOption.ON_DEMAND),
        ({"purchase": "spot", "use_spot": True}, PurchaseOption.SPOT),
        ({"purchase": "capacity_block"}, PurchaseOption.CAPACITY_BLOCK),
    ],
)
def test_how_it_is_bought(arguments: dict[str, Any], purchase: PurchaseOption) -> None:
    assert spec(**FIGURES, **arguments).purchase is purchase


def test_an_ec2_instance_needs_an_end() -> None:
    ec2 = {"service": "ec2", "instance_type": "p4d.24xlarge"}
    assert refusal(ec2).startswith("max_runtime_seconds is missing")
    assert spec(**ec2, max_runtime_seconds="12h").service is Service.EC2


def test_who_and_for_whom() -> None:
    named = {"name": "churn", "owner": "maria", "team": "risk", "project": "p", "model": "m", "requester": "maria"}
    found = request(**FIGURES, **named, region="eu-central-1")
    assert {name: getattr(found, name) for name in named} == named
    assert (found.region, found.part.choices[0].region) == ("eu-central-1", "eu-central-1")


def test_null_is_as_good_as_missing() -> None:
    assert spec(**FIGURES, team=None, purchase=None, volume_gb=None) == spec(**FIGURES)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"instance_count": -1}, "instance_count: expected a whole number, 1 to 100,000, got -1"),
        ({"instance_count": 0}, "instance_count: expected a whole number, 1 to 100,000, got 0"),
        ({"instance_count": 10**30}, "instance_count: expected a whole number, 1 to 100,000, got of kind int"),
        ({"instance_count": 1.5}, "instance_count: expected a whole number, 1 to 100,000, got 1.5"),
        ({"instance_count": float("nan")}, "instance_count: expected a whole number, 1 to 100,000, got of kind float"),
        ({"instance_count": True}, "instance_count: expected a whole number, 1 to 100,000, got True"),
        ({"instance_count": "two"}, "instance_count: expected a whole number, 1 to 100,000, got 'two'"),
        ({"instance_count": [2]}, "instance_count: expected a whole number, 1 to 100,000, got of kind list"),
        ({"max_runtime_seconds": -5}, "max_runtime_seconds: expected a whole number, 1 to 2,419,200, got -5"),
        ({"max_runtime_seconds": 2_419_201}, "max_runtime_seconds: expected a whole number, 1 to 2,419,200"),
        ({"max_runtime_seconds": "29d"}, "max_runtime_seconds: expected at most 672h"),
        ({"max_runtime_seconds": "soon"}, "max_runtime_seconds: 'soon' is not a duration"),
        ({"expected_runtime": 6}, "expected_runtime: expected a duration such as 12h"),
        ({"expected_runtime": "6"}, "expected_runtime: '6' is not a duration such as 12h"),
        ({"expected_runtime": "25h"}, "expected_runtime: 25h is longer than max_runtime, 24h"),
        ({"volume_gb": -1}, "volume_gb: expected a whole number, 0 to 65,536, got -1"),
        ({"service": "tuning"}, "service: expected one of training, processing, ec2, got 'tuning'"),
        ({"service": "processing", "use_spot": True, "max_runtime_seconds": "1h"}, "purchase: a processing job is on-"),
        ({"purchase": "borrowed"}, "purchase: expected one of on_demand, spot, capacity_block, got 'borrowed'"),
        ({"purchase": "on_demand", "use_spot": True}, "use_spot: it is true and purchase is on_demand"),
        ({"use_spot": "maybe"}, "use_spot: expected true or false, got 'maybe'"),
        ({"instance_type": ""}, "instance_type: expected an instance type such as ml.p4d.24xlarge"),
        ({"instance_type": "p4d.24xlarge"}, "instance_type: 'p4d.24xlarge' is no type of SageMaker; did you mean"),
        ({"instance_type": 5}, "instance_type: expected one line of at most 256 characters, got 5"),
        ({"instance_type": "ml.p4d/24xlarge"}, "instance_type: expected an instance type"),
        ({"region": "mars"}, "region: expected a region such as us-east-1, got 'mars'"),
        ({"team": "a\nb"}, "team: expected one line of at most 256 characters"),
        ({"team": "x" * 257}, "team: expected one line of at most 256 characters"),
        ({"owner": {"a": 1}}, "owner: expected one line of at most 256 characters, got of kind dict"),
        ({"instance_cout": 2}, "instance_cout: no such argument without job; expected one of expected_runtime"),
    ],
)
def test_what_no_job_could_be_is_one_sentence_that_names_the_argument(arguments: dict[str, Any], sentence: str) -> None:
    assert refusal({**FIGURES, **arguments}).startswith(sentence)


@pytest.mark.parametrize(("count", "taken"), [(1, True), (100_000, True), (100_001, False)])
def test_the_bounds_of_a_count(count: int, taken: bool) -> None:
    if taken:
        assert spec(**{**FIGURES, "instance_count": count}).groups[0].count == count
    else:
        assert "instance_count" in refusal({**FIGURES, "instance_count": count})


@pytest.mark.parametrize("arguments", [None, [], "text", 7])
def test_arguments_are_an_object(arguments: Any) -> None:
    assert refusal(arguments).startswith("arguments: expected an object")


def test_nothing_at_all_says_what_is_needed() -> None:
    assert refusal({}) == (
        "instance_type is missing; expected an instance type such as ml.p4d.24xlarge, or the whole request body as job"
    )
