"""The model registry of the embedded AWS: versions wait for an approval, and what is over a limit is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from costwatch import names
from demo.embedded import EmbeddedAws
from demo.embedded.faults import CONNECTION_LOST
from demo.state_events import StateEvents
from tests.support.builders import HOUR, NOW
from tests.support.looking_at_aws import CLOCK, refusal

GONE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/9"


def described(aws: EmbeddedAws, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    return found


def update(aws: EmbeddedAws, arn: str, **changes: Any) -> None:
    aws.client("sagemaker").update_model_package(ModelPackageArn=arn, **changes)


def test_a_version_registered_through_the_api_waits_for_an_approval(aws: EmbeddedAws) -> None:
    client = aws.client("sagemaker")
    client.create_model_package_group(ModelPackageGroupName="churn")
    arn = client.create_model_package(ModelPackageGroupName="churn")["ModelPackageArn"]
    found = described(aws, arn)
    assert (found["ModelApprovalStatus"], found["ModelPackageVersion"]) == ("PendingManualApproval", 1)
    assert (found["CreationTime"], "LastModifiedTime" in found) == (NOW, False)


def test_a_version_may_be_registered_as_approved(aws: EmbeddedAws) -> None:
    assert described(aws, aws.models.register("churn", approval="Approved"))["ModelApprovalStatus"] == "Approved"


def test_an_update_changes_what_it_names_and_tells_who_and_when(aws: EmbeddedAws) -> None:
    arn = aws.models.register("churn", metadata={"git": "c0ffee"})
    update(aws, arn, ApprovalDescription="no gain")
    CLOCK.now = NOW + HOUR
    update(aws, arn, ModelApprovalStatus="Rejected")
    found = described(aws, arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Rejected", "no gain")
    assert found["CustomerMetadataProperties"] == {"git": "c0ffee"}
    assert found["LastModifiedTime"] == NOW + HOUR
    assert found["LastModifiedBy"]["IamIdentity"]["Arn"].endswith("/costwatch-res")


def test_metadata_that_is_not_sent_again_is_lost(aws: EmbeddedAws) -> None:
    arn = aws.models.register("churn", metadata={"git": "c0ffee", "data": "v7"})
    update(aws, arn, CustomerMetadataProperties={"score": "0.5"})
    assert described(aws, arn)["CustomerMetadataProperties"] == {"score": "0.5"}


def test_metadata_is_removed_by_its_key(aws: EmbeddedAws) -> None:
    arn = aws.models.register("churn", metadata={"git": "c0ffee", "data": "v7"})
    update(aws, arn, CustomerMetadataPropertiesToRemove=["git", "unknown"])
    assert described(aws, arn)["CustomerMetadataProperties"] == {"data": "v7"}


@pytest.mark.parametrize(
    "changes",
    [
        {"ApprovalDescription": "a" * 1025},
        {"CustomerMetadataProperties": {"key": "a" * 257}},
        {"CustomerMetadataProperties": {"a" * 129: "value"}},
        {"CustomerMetadataProperties": {"key": "50%"}},
        {"CustomerMetadataProperties": {f"key-{n}": "1" for n in range(51)}},
    ],
)
def test_what_is_over_a_limit_is_refused_and_changes_nothing(aws: EmbeddedAws, changes: dict[str, Any]) -> None:
    arn = aws.models.register("churn")
    with pytest.raises(ClientError) as error:
        update(aws, arn, ModelApprovalStatus="Rejected", **changes)
    assert refusal(error)[0] == "ValidationException"
    assert described(aws, arn)["ModelApprovalStatus"] == "PendingManualApproval"


def test_what_is_at_every_limit_is_taken(aws: EmbeddedAws) -> None:
    arn = aws.models.register("churn")
    metadata = {**{f"key-{n}": "1" for n in range(49)}, "a" * 128: "Größe 1_.:/=+-@" + "b" * 241}
    update(aws, arn, ApprovalDescription="a" * 1024, CustomerMetadataProperties=metadata)
    assert described(aws, arn)["CustomerMetadataProperties"] == metadata


def test_an_unknown_version_or_group_is_refused(aws: EmbeddedAws) -> None:
    client = aws.client("sagemaker")
    with pytest.raises(ClientError) as version:
        client.describe_model_package(ModelPackageName=GONE)
    with pytest.raises(ClientError) as written:
        update(aws, GONE, ModelApprovalStatus="Rejected")
    with pytest.raises(ClientError) as group:
        client.list_model_packages(ModelPackageGroupName="fraud")
    assert refusal(version) == refusal(written) == ("ValidationException", f"ModelPackage {GONE} does not exist.")
    assert refusal(group)[1].endswith(":model-package-group/fraud does not exist.")


def test_versions_are_listed_by_group_and_status_page_by_page(aws: EmbeddedAws) -> None:
    arns = [aws.models.register("churn", created_at=NOW - timedelta(hours=30 - n)) for n in range(25)]
    aws.models.register("fraud")
    aws.models.decide(arns[3], "Rejected")
    asked = {"ModelPackageGroupName": "churn", "ModelApprovalStatus": "PendingManualApproval"}
    client = aws.client("sagemaker")
    assert len(client.list_model_packages(**asked)["ModelPackageSummaryList"]) == 10
    pages = client.get_paginator("list_model_packages").paginate(**asked, SortOrder="Descending")
    found = [each for page in pages for each in page["ModelPackageSummaryList"]]
    assert [each["ModelPackageVersion"] for each in found] == [n for n in range(25, 0, -1) if n != 4]
    assert "LastModifiedTime" not in found[0]


def test_a_person_decides_at_another_time_than_now(aws: EmbeddedAws) -> None:
    arn = aws.models.register("churn")
    aws.models.decide(arn, "Approved", at=NOW - HOUR)
    found = described(aws, arn)
    assert (found["ModelApprovalStatus"], found["LastModifiedTime"]) == ("Approved", NOW - HOUR)
    assert found["LastModifiedBy"]["IamIdentity"]["Arn"].endswith(":assumed-role/data-scientists/maria")


# --- training jobs and S3 -------------------------------------------------------------------------------------------


def test_a_job_names_its_artifact_once_it_is_over_and_its_metrics_in_32_bits(aws: EmbeddedAws) -> None:
    aws.fleet.training_job("churn-41", started_at=NOW - HOUR)
    aws.models.measured("churn-41", {"auc": 0.914})
    running = aws.client("sagemaker").describe_training_job(TrainingJobName="churn-41")
    aws.fleet.finish_job("churn-41", NOW)
    over = aws.client("sagemaker").describe_training_job(TrainingJobName="churn-41")
    assert "ModelArtifacts" not in running
    assert over["ModelArtifacts"] == {"S3ModelArtifacts": aws.models.artifact("churn-41")}
    assert over["FinalMetricDataList"] == [{"MetricName": "auc", "Value": 0.9139999747276306, "Timestamp": NOW}]


def test_an_object_is_read_as_it_was_put(aws: EmbeddedAws) -> None:
    etag = aws.models.put("s3://evaluations/churn/41.json", {"a": 1})
    s3 = aws.client("s3")
    found = s3.get_object(Bucket="evaluations", Key="churn/41.json")
    assert (found["Body"].read(), found["ETag"]) == (b'{"a": 1}', f'"{etag}"')


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("SlowDown", 503)])
def test_a_fault_strikes_calls_of_s3(aws: EmbeddedAws, code: str, status: int) -> None:
    aws.models.put("s3://evaluations/churn/41.json", {"a": 1})
    s3 = aws.client("s3")
    calls: dict[str, Callable[[], Any]] = {
        "GetObject": lambda: s3.get_object(Bucket="evaluations", Key="churn/41.json"),
        "HeadObject": lambda: s3.head_object(Bucket="evaluations", Key="churn/41.json"),
        "ListObjectsV2": lambda: s3.list_objects_v2(Bucket="evaluations", Prefix="churn/"),
    }
    for operation, call in calls.items():
        fault = aws.faults.fail("s3", operation, code, when=lambda each: each.parameters["Bucket"] == "evaluations")
        with pytest.raises(ClientError) as error:
            call()
        answer = error.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
        assert answer["Error"]["Code"] == (str(status) if operation == "HeadObject" else code)
        assert fault.hits == 1
        call()


def test_a_lost_connection_of_s3_is_one(aws: EmbeddedAws) -> None:
    aws.models.put("s3://evaluations/churn/41.json", {"a": 1})
    aws.faults.fail("s3", "GetObject", CONNECTION_LOST)
    with pytest.raises(HTTPClientError):
        aws.client("s3").get_object(Bucket="evaluations", Key="churn/41.json")


# --- events ---------------------------------------------------------------------------------------------------------


def test_registering_and_deciding_are_events_of_their_own_and_nothing_else_is(aws: EmbeddedAws) -> None:
    events = StateEvents(aws, CLOCK)
    aws.fleet.training_job("churn-41", started_at=NOW - HOUR)
    aws.fleet.finish_job("churn-41", NOW)
    arn = aws.models.register("churn", job="churn-41", statistics_uri="s3://evaluations/41.json", metadata={"a": "1"})
    trained, registered = events.take()
    update(aws, arn, CustomerMetadataProperties={"score": "0.5"})
    assert events.take() == []
    aws.models.decide(arn, "Approved")
    (decided,) = events.take()
    artifact = trained["detail"]["ModelArtifacts"]["S3ModelArtifacts"]
    assert registered["detail"]["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == artifact
    assert (registered["source"], registered["detail-type"]) == ("aws.sagemaker", names.DETAIL_PACKAGE_STATE)
    assert registered["resources"] == [arn] == [registered["detail"]["ModelPackageArn"]]
    assert registered["detail"]["CreationTime"] == "2026-11-22T09:00:00Z"
    assert registered["detail"]["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == "s3://evaluations/41.json"
    assert "CustomerMetadataProperties" not in registered["detail"]
    assert [each["detail"]["ModelApprovalStatus"] for each in (registered, decided)] == [
        "PendingManualApproval",
        "Approved",
    ]


def test_looking_for_events_asks_nothing_of_the_api(aws: EmbeddedAws) -> None:
    aws.models.register("churn")
    fault = aws.faults.fail("sagemaker", None, "AccessDeniedException", times=None)
    (found,) = StateEvents(aws, CLOCK).take()
    assert (found["detail"]["ModelPackageVersion"], fault.hits) == (1, 0)
