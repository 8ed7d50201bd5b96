"""The model registry as the adapter shows and writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from costwatch.adapters import registry_answers as answers
from costwatch.adapters.registry import Registry
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.policy import Service
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import EmbeddedAws
from tests.support.builders import HOUR, NOW, REGION
from tests.support.looking_at_aws import CLOCK
from tests.support.pipelines import TRAINING, start

REJECTION = "Cost-Efficiency Rejection: no gain"
FIGURES = {"costwatch:score": "0.12"}


@pytest.fixture
def registry(aws: EmbeddedAws) -> Registry:
    return Registry(aws.client("sagemaker"), region=REGION)


def described(aws: EmbeddedAws, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    return found


def versions(found: list[ModelPackage]) -> list[int]:
    return [each.version for each in found]


# --- one version ----------------------------------------------------------------------------------------------------


def test_a_version_tells_what_it_is_made_of_and_who_registered_and_decided_about_it(
    aws: EmbeddedAws, registry: Registry
) -> None:
    aws.fleet.training_job("churn-41", started_at=NOW - HOUR)
    execution = f"arn:aws:sagemaker:{REGION}:{aws.account_id}:pipeline/churn/execution/abc"
    arn = aws.models.register(
        "churn",
        job="churn-41",
        statistics_uri="s3://evaluations/41.json",
        metadata={"git": "c0ffee"},
        generated_by=execution,
        created_at=NOW - HOUR,
    )
    maria = f"arn:aws:sts::{aws.account_id}:assumed-role/data-scientists/maria"
    aws.models.decide(arn, "Approved", by=maria, description="looks good")
    assert registry.package(arn) == ModelPackage(
        arn=arn,
        account=aws.account_id,
        region=REGION,
        group="churn",
        version=1,
        status="Completed",
        approval=ApprovalStatus.APPROVED,
        created_at=NOW - HOUR,
        modified_at=NOW,
        modified_by=maria,
        artifacts=(aws.models.artifact("churn-41"),),
        metadata={"git": "c0ffee"},
        generated_by=execution,
        statistics_uri="s3://evaluations/41.json",
        approval_description="looks good",
    )


def test_a_version_that_nobody_touched_tells_no_change(aws: EmbeddedAws, registry: Registry) -> None:
    found = registry.package(aws.models.register("churn"))
    assert found is not None
    assert (found.pending, found.modified_at, found.modified_by, found.metadata) == (True, None, "", {})


def test_what_is_not_there_is_none(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn")
    aws.models.delete(arn)
    assert registry.package(arn) is None
    assert registry.trained("nobody") is None
    assert registry.steps(f"arn:aws:sagemaker:{REGION}:{aws.account_id}:pipeline/churn/execution/gone") == []


def test_a_package_outside_of_any_group_is_nobodys_candidate(aws: EmbeddedAws, registry: Registry) -> None:
    client = aws.client("sagemaker")
    arn = client.create_model_package(ModelPackageName="for-sale")["ModelPackageArn"]
    assert registry.package(arn) is None


@pytest.mark.parametrize(
    ("code", "kind"), [("ThrottlingException", TransientAwsError), ("AccessDeniedException", PermanentAwsError)]
)
def test_a_refusal_is_not_taken_for_absence(
    aws: EmbeddedAws, registry: Registry, code: str, kind: type[Exception]
) -> None:
    arn = aws.models.register("churn")
    aws.faults.fail("sagemaker", "DescribeModelPackage", code)
    with pytest.raises(kind):
        registry.package(arn)


def test_an_invalid_name_is_an_error_and_not_absence(aws: EmbeddedAws, registry: Registry) -> None:
    aws.faults.fail("sagemaker", "DescribeModelPackage", "ValidationException", message="failed to satisfy")
    with pytest.raises(PermanentAwsError, match="failed to satisfy"):
        registry.package(aws.models.register("churn"))


def test_an_approval_status_of_a_later_day_is_named() -> None:
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:model-package/churn/1"
    raw = {"ModelPackageArn": arn, "ModelPackageGroupName": "churn", "ModelPackageVersion": 1, "CreationTime": NOW}
    with pytest.raises(
        PermanentAwsError, match="is 'Maybe', expected one of PendingManualApproval, Approved, Rejected"
    ):
        answers.package({**raw, "ModelApprovalStatus": "Maybe"})


@pytest.mark.parametrize(
    ("context", "who"),
    [
        ({"UserProfileArn": "arn:profile", "IamIdentity": {"Arn": "arn:role"}}, "arn:profile"),
        ({"IamIdentity": {"Arn": "arn:role"}}, "arn:role"),
        ({}, ""),
    ],
)
def test_who_changed_it_is_a_user_profile_or_an_iam_identity(context: dict[str, Any], who: str) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:model-package/churn/1"
    found = answers.package(
        {
            "ModelPackageArn": arn,
            "ModelPackageGroupName": "churn",
            "ModelPackageVersion": 1,
            "CreationTime": NOW,
            "ModelApprovalStatus": "Approved",
            "LastModifiedBy": context,
            "MetadataProperties": {"GeneratedBy": "a notebook"},
            "InferenceSpecification": {
                "Containers": [
                    {"ModelDataUrl": "s3://a/1"},
                    {"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://a/2/"}}},
                    {"ModelDataUrl": "s3://a/1"},
                    {"Image": "no data"},
                ]
            },
        }
    )
    assert found is not None
    assert (found.modified_by, found.generated_by, found.artifacts) == (who, "", ("s3://a/1", "s3://a/2/"))


# --- lists ----------------------------------------------------------------------------------------------------------


def test_pending_versions_come_oldest_first_beyond_one_page(aws: EmbeddedAws, registry: Registry) -> None:
    arns = [aws.models.register("churn", created_at=NOW - timedelta(hours=200 - n)) for n in range(103)]
    aws.models.register("fraud")
    aws.models.decide(arns[1], "Rejected")
    aws.models.decide(arns[2], "Approved")
    assert versions(registry.pending("churn")) == [1, *range(4, 104)]


def test_a_version_decided_about_since_it_was_listed_is_left_out(aws: EmbeddedAws) -> None:
    arn = aws.models.register("churn")
    client = aws.client("sagemaker")

    class DecidesInBetween:
        def get_paginator(self, method: str) -> Any:
            return client.get_paginator(method)

        def describe_model_package(self, **named: str) -> Any:
            aws.models.decide(arn, "Approved")
            return client.describe_model_package(**named)

    slow: Any = DecidesInBetween()
    assert Registry(slow, region=REGION).pending("churn") == []


def test_a_group_that_is_not_there_has_nothing(registry: Registry) -> None:
    assert registry.pending("churn") == []
    assert registry.newest_approved("churn") is None


def test_the_highest_approved_version_serves_whenever_it_was_approved(aws: EmbeddedAws, registry: Registry) -> None:
    arns = [aws.models.register("churn") for _ in range(12)]
    aws.models.decide(arns[10], "Approved", at=NOW - HOUR)
    aws.models.decide(arns[1], "Approved", at=NOW)
    found = registry.newest_approved("churn")
    assert found is not None
    assert (found.version, found.arn) == (11, arns[10])


def test_an_approved_version_that_cannot_be_deployed_does_not_serve(aws: EmbeddedAws, registry: Registry) -> None:
    aws.models.register("churn", approval="Approved")
    aws.models.register("churn", approval="Approved", status="Failed")
    found = registry.newest_approved("churn")
    assert found is not None
    assert found.version == 1


# --- writing --------------------------------------------------------------------------------------------------------


def test_a_decision_writes_status_reason_and_figures_beside_what_is_there(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn", metadata={"git": "c0ffee", "costwatch:score": "old"})
    CLOCK.now = NOW + HOUR
    registry.decide(arn, ApprovalStatus.REJECTED, REJECTION, FIGURES)
    found = registry.package(arn)
    assert found is not None
    assert (found.approval, found.approval_description) == (ApprovalStatus.REJECTED, REJECTION)
    assert found.metadata == {"git": "c0ffee", "costwatch:score": "0.12"}
    assert (found.modified_at, found.modified_by.rpartition("/")[2]) == (NOW + HOUR, "costwatch-res")


def test_a_decision_without_figures_leaves_them_as_they_are(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn")
    registry.decide(arn, ApprovalStatus.APPROVED, "", {})
    assert "CustomerMetadataProperties" not in described(aws, arn)
    assert described(aws, arn)["ModelApprovalStatus"] == "Approved"


def test_what_sagemaker_refuses_is_made_to_fit(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn")
    told = {
        "costwatch:reason": "1.5% -- “dear”;\n  $3,200",
        "costwatch:long": "a" * 257,
        "costwatch:empty": "",
        "x": "!",
    }
    registry.decide(arn, ApprovalStatus.REJECTED, "b" * 1025, told)
    found = described(aws, arn)
    assert found["CustomerMetadataProperties"] == {
        "costwatch:reason": "1.5 percent -- dear 3 200",
        "costwatch:long": "a" * 256,
    }
    assert found["ApprovalDescription"] == "b" * 1024


def test_the_fiftieth_entry_is_written_and_the_next_left_out(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn", metadata={f"own-{n}": "1" for n in range(49)})
    registry.decide(arn, ApprovalStatus.REJECTED, REJECTION, {"a": "1", "b": "2", "own-0": "changed"})
    found = described(aws, arn)["CustomerMetadataProperties"]
    assert (len(found), found["a"], "b" in found, found["own-0"]) == (50, "1", False, "changed")


def test_a_decision_about_a_version_that_is_gone_is_an_error(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn")
    aws.models.delete(arn)
    with pytest.raises(PermanentAwsError, match="does not exist"):
        registry.decide(arn, ApprovalStatus.REJECTED, REJECTION, FIGURES)


def test_a_denied_decision_changes_nothing(aws: EmbeddedAws, registry: Registry) -> None:
    arn = aws.models.register("churn")
    aws.faults.fail("sagemaker", "UpdateModelPackage", "AccessDeniedException")
    with pytest.raises(PermanentAwsError):
        registry.decide(arn, ApprovalStatus.REJECTED, REJECTION, FIGURES)
    assert described(aws, arn)["ModelApprovalStatus"] == "PendingManualApproval"


# --- what trained them ----------------------------------------------------------------------------------------------


def test_a_job_tells_its_artifact_channels_and_the_newest_value_of_each_metric(
    aws: EmbeddedAws, registry: Registry
) -> None:
    aws.fleet.training_job("churn-41", started_at=NOW - HOUR)
    aws.models.read_from("churn-41", {"train": "s3://data/train/", "validation": "s3://data/validation/"})
    aws.models.measured("churn-41", {"validation:auc": 0.914, "train:loss": 0.31}, at=NOW)
    aws.models.measured("churn-41", {"validation:auc": 0.9}, at=NOW - HOUR)
    running = registry.trained("churn-41")
    aws.fleet.finish_job("churn-41", NOW)
    found = registry.trained("churn-41")
    assert running is not None
    assert found is not None
    assert (running.artifact, found.artifact) == ("", aws.models.artifact("churn-41"))
    assert found.final_metrics == {"validation:auc": "0.914", "train:loss": "0.31"}
    assert found.channels == {"train": "s3://data/train/", "validation": "s3://data/validation/"}
    assert found.began_at == NOW - HOUR


def test_a_job_without_metrics_or_channels_has_none() -> None:
    found = answers.trained({"TrainingJobName": "churn-41", "InputDataConfig": [{"ChannelName": "lustre"}]})
    assert (found.artifact, found.final_metrics, found.channels) == ("", {}, {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9139999747276306, "0.914"),
        (0.914, "0.914"),
        (0.0, "0"),
        (-1.5, "-1.5"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (1e300, "1e+300"),
        (16777217.0, "16777217.0"),
    ],
)
def test_a_metric_is_the_shortest_text_of_its_32_bits(value: float, text: str) -> None:
    assert answers.metric_text(value) == text


def test_metrics_of_one_instant_are_taken_in_their_order() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    told = [{"MetricName": "auc", "Value": value, "Timestamp": at} for value in (0.5, 0.75)]
    assert answers.trained({"TrainingJobName": "j", "FinalMetricDataList": told}).final_metrics == {"auc": "0.75"}


def test_the_steps_of_an_execution_are_its_jobs_in_order(aws: EmbeddedAws, registry: Registry) -> None:
    steps = [{"Name": f"Train{n:02}", "Type": "Training", "Arguments": dict(TRAINING)} for n in range(12)]
    execution = start(
        aws, {"Version": "2020-12-01", "Parameters": [], "Steps": [{"Name": "Fit", "Type": "Wait"}, *steps]}
    )
    name = f"pipelines-{execution.rpartition('/')[2]}-Train"
    assert registry.steps(execution) == [(Service.TRAINING, f"{name}{n:02}"[:63]) for n in range(12)]


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"TrainingJob": {"Arn": "arn:x:training-job/a"}}, (Service.TRAINING, "a")),
        ({"ProcessingJob": {"Arn": "arn:x:processing-job/a"}}, (Service.PROCESSING, "a")),
        ({"TuningJob": {"Arn": "arn:x:hyper-parameter-tuning-job/a"}}, (Service.TUNING, "a")),
        ({"AutoMLJob": {"Arn": "arn:x:automl-job/a"}}, (Service.AUTOML, "a")),
        ({"QualityCheck": {"CheckJobArn": "arn:x:processing-job/a"}}, (Service.PROCESSING, "a")),
        ({"ClarifyCheck": {"CheckJobArn": "arn:x:processing-job/a"}}, (Service.PROCESSING, "a")),
        ({"QualityCheck": {}}, None),
        ({"TransformJob": {"Arn": "arn:x:transform-job/a"}}, None),
        ({"RegisterModel": {"Arn": "arn:x:model-package/churn/1"}}, None),
        (None, None),
    ],
)
def test_a_step_names_the_job_that_costs_are_booked_for(metadata: Any, key: Any) -> None:
    assert answers.job_of({"StepName": "s", **({"Metadata": metadata} if metadata is not None else {})}) == key
