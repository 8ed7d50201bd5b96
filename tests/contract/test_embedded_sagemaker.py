"""SageMaker of the embedded AWS: jobs that run until somebody ends them, as AWS's do, where moto alone would not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.looking_at_aws import CLOCK, refusal


def job(aws: EmbeddedAws, name: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    return found


def test_a_training_job_runs_until_somebody_ends_it(aws: EmbeddedAws) -> None:
    aws.fleet.training_job("train", started_at=NOW - timedelta(hours=5), created_at=NOW - timedelta(hours=6), count=2)
    found = job(aws, "train")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("InProgress", "Training")
    assert found["TrainingStartTime"] == NOW - timedelta(hours=5)
    assert found["CreationTime"] == NOW - timedelta(hours=6)
    assert (found["ResourceConfig"]["InstanceType"], found["ResourceConfig"]["InstanceCount"]) == ("ml.p4d.24xlarge", 2)
    assert "TrainingEndTime" not in found


def test_a_job_that_has_not_started_has_no_start_time(aws: EmbeddedAws) -> None:
    aws.fleet.training_job("waiting", created_at=NOW)
    found = job(aws, "waiting")
    assert (found["SecondaryStatus"], "TrainingStartTime" in found) == ("Starting", False)


def test_a_job_created_through_the_api_runs_too(aws: EmbeddedAws) -> None:
    aws.client("sagemaker").create_training_job(
        TrainingJobName="mine",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn=f"arn:aws:iam::{aws.account_id}:role/training",
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    found = job(aws, "mine")
    assert (found["TrainingJobStatus"], found["TrainingStartTime"]) == ("InProgress", NOW)


def test_a_heterogeneous_child_of_a_tuning_job_shows_groups_and_parent(aws: EmbeddedAws) -> None:
    aws.fleet.training_job(
        "child",
        started_at=NOW,
        instance_groups=[("ml.p4d.24xlarge", 2), ("ml.m5.large", 1)],
        tuning_job_arn="arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tune",
        automl_job_arn="arn:aws:sagemaker:us-east-1:123456789012:automl-job/auto",
        keep_alive_seconds=600,
    )
    found = job(aws, "child")
    groups = [(each["InstanceType"], each["InstanceCount"]) for each in found["ResourceConfig"]["InstanceGroups"]]
    assert groups == [("ml.p4d.24xlarge", 2), ("ml.m5.large", 1)]
    assert "InstanceType" not in found["ResourceConfig"]
    assert found["TuningJobArn"].endswith("/tune")
    assert found["AutoMLJobArn"].endswith("/auto")
    assert found["WarmPoolStatus"]["Status"] == "InUse"
    aws.fleet.finish_job("child", NOW)
    assert job(aws, "child")["WarmPoolStatus"]["Status"] == "Available"


def test_a_stopped_job_says_stopping_until_its_grace_is_over(aws: EmbeddedAws) -> None:
    aws.fleet.training_job("train", started_at=NOW - timedelta(hours=1))
    aws.client("sagemaker").stop_training_job(TrainingJobName="train")
    CLOCK.now = NOW + timedelta(seconds=119)
    assert job(aws, "train")["TrainingJobStatus"] == "Stopping"
    aws.client("sagemaker").stop_training_job(TrainingJobName="train")  # asking again changes nothing
    CLOCK.now = NOW + timedelta(seconds=120)
    found = job(aws, "train")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert found["TrainingEndTime"] == NOW + timedelta(seconds=120)
    assert found["BillableTimeInSeconds"] == 3720


def test_a_job_without_grace_is_stopped_at_once(aws: EmbeddedAws) -> None:
    aws.world.stop_grace = timedelta(0)
    aws.fleet.training_job("train", started_at=NOW - timedelta(hours=1))
    aws.client("sagemaker").stop_training_job(TrainingJobName="train")
    assert job(aws, "train")["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_stopping_a_job_that_ended_is_refused(aws: EmbeddedAws, status: str) -> None:
    aws.fleet.training_job("train", started_at=NOW - timedelta(hours=1))
    aws.fleet.finish_job("train", NOW, status)
    with pytest.raises(ClientError) as error:
        aws.client("sagemaker").stop_training_job(TrainingJobName="train")
    assert refusal(error) == (
        "ValidationException",
        f"The request was rejected because the training job is in status {status}.",
    )


@pytest.mark.parametrize("call", ["describe_training_job", "stop_training_job"])
def test_an_unknown_job_is_refused(aws: EmbeddedAws, call: str) -> None:
    with pytest.raises(ClientError) as error:
        getattr(aws.client("sagemaker"), call)(TrainingJobName="nobody")
    assert refusal(error) == ("ValidationException", "Requested resource not found.")


def test_the_tags_of_an_unknown_job_are_refused(aws: EmbeddedAws) -> None:
    with pytest.raises(ClientError) as error:
        aws.client("sagemaker").list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:training-job/nobody")
    assert refusal(error) == ("ValidationException", "Requested resource not found.")


def test_running_jobs_are_listed_page_by_page_without_gaps(aws: EmbeddedAws) -> None:
    for number in range(25):
        aws.fleet.training_job(f"job-{number:02}", started_at=NOW - timedelta(hours=number + 1))
        if number % 2:
            aws.fleet.finish_job(f"job-{number:02}", NOW)
    client = aws.client("sagemaker")
    first = client.list_training_jobs(StatusEquals="InProgress")
    assert len(first["TrainingJobSummaries"]) == 10
    pages = client.get_paginator("list_training_jobs").paginate(StatusEquals="InProgress")
    names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    assert sorted(names) == [f"job-{number:02}" for number in range(0, 25, 2)]
    assert {each["SecondaryStatus"] for each in first["TrainingJobSummaries"]} == {"Training"}


def test_a_job_may_be_uploading(aws: EmbeddedAws) -> None:
    aws.fleet.training_job("train", started_at=NOW)
    aws.fleet.set_secondary_status("train", "Uploading")
    assert job(aws, "train")["SecondaryStatus"] == "Uploading"
