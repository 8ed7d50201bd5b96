"""What the RES breaker's door takes, as AWS documents it and as it comes, and what it refuses with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from costwatch import intake, names
from costwatch.core.packages import ApprovalStatus
from costwatch.errors import MalformedEvent
from tests.unit.test_intake import INSTANCE, JOB, TUNING_JOB, changed

ARN = "arn:aws:sagemaker:us-east-2:123456789012:model-package/versionedmp-p-idy6c3e1fiqj/2"
PACKAGE: dict[str, Any] = {
    "version": "0",
    "id": "844e2571-85d4-695f-b930-0153b71dcb42",
    "detail-type": names.DETAIL_PACKAGE_STATE,
    "source": names.SOURCE_SAGEMAKER,
    "account": "123456789012",
    "time": "2021-02-24T17:00:20Z",
    "region": "us-east-2",
    "resources": [ARN],
    "detail": {
        "ModelPackageGroupName": "VersionedMP-p-idy6c3e1fiqj",
        "ModelPackageVersion": 2,
        "ModelPackageArn": ARN,
        "CreationTime": "2021-02-24T17:00:14Z",
        "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": "s3://b/k/output/model.tar.gz"}]},
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "Rejected",
        "LastModifiedTime": "2021-02-24T17:00:14Z",
    },
}
DECISION: dict[str, Any] = {
    "source": names.SOURCE_CLI,
    "detail-type": names.DETAIL_DECISION_REQUESTED,
    "detail": {"judgement": "us-east-1/churn/41", "target": "Approved", "by": "U0MARIA00"},
}
MODIFIED = datetime(2021, 2, 24, 17, 0, 14, tzinfo=UTC)


def package(event: object) -> intake.PackageChanged:
    found = intake.res(event)
    assert isinstance(found, intake.PackageChanged)
    return found


def without(event: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {**event, "detail": {name: value for name, value in event["detail"].items() if name not in fields}}


def test_the_schedule_is_a_tick() -> None:
    assert intake.res({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}) == intake.Tick()


def test_a_package_event_as_aws_documents_it() -> None:
    assert package(PACKAGE) == intake.PackageChanged(
        "123456789012",
        "us-east-2",
        ARN,
        "VersionedMP-p-idy6c3e1fiqj",
        ApprovalStatus.REJECTED,
        ours=False,
        at=MODIFIED,
    )


@pytest.mark.parametrize("value", [1614186014000, "1614186014000", "2021-02-24T17:00:14Z", "2021-02-24T18:00:14+01:00"])
def test_a_time_may_be_text_of_either_kind_or_a_number(value: object) -> None:
    assert package(changed(PACKAGE, "detail.LastModifiedTime", value)).at == MODIFIED


def test_the_times_and_the_status_may_be_missing_and_the_tags_may_be_of_either_kind() -> None:
    bare = package(without(PACKAGE, "LastModifiedTime", "ModelApprovalStatus", "CreationTime", "ModelPackageStatus"))
    assert (bare.at, bare.approval) == (datetime(2021, 2, 24, 17, 0, 20, tzinfo=UTC), None)
    each_kind: tuple[Any, ...] = ({}, [], [{"Key": "team", "Value": "risk"}])
    for tags in each_kind:
        assert package(changed(PACKAGE, "detail.Tags", tags)) == package(PACKAGE)


def test_without_its_name_the_group_is_the_arns() -> None:
    assert package(without(PACKAGE, "ModelPackageGroupName")).group == "versionedmp-p-idy6c3e1fiqj"


def test_a_package_of_no_group_is_no_version() -> None:
    alone = changed(PACKAGE, "detail.ModelPackageArn", ARN.rpartition("/")[0])
    assert package(without(alone, "ModelPackageGroupName")).group == ""


@pytest.mark.parametrize(
    ("name", "value", "ours"),
    [
        ("CustomerMetadataProperties", {"costwatch:verdict": "reject"}, True),
        ("CustomerMetadataProperties", {"costwatch:run": "churn-weekly"}, False),
        ("CustomerMetadataProperties", [], False),
        ("ApprovalDescription", "Cost-Efficiency Rejection: no gain", True),
        ("ApprovalDescription", "Costwatch: promote: a real gain, worth its cost", True),
        ("ApprovalDescription", "the board wants it", False),
    ],
)
def test_whether_a_change_is_ours_is_told_by_what_we_write(name: str, value: object, ours: bool) -> None:
    assert package(changed(PACKAGE, f"detail.{name}", value)).ours is ours


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_a_training_event_names_the_job_by_its_arn_and_what_it_left(status: str) -> None:
    event = changed(JOB, "detail.TrainingJobStatus", status)
    found = intake.res(event)
    assert isinstance(found, intake.TrainingEnded)
    assert (found.account, found.region) == (JOB["account"], JOB["region"])
    assert event["detail"]["TrainingJobArn"].endswith(f"/{found.job}")
    left = changed(event, "detail.ModelArtifacts", {"S3ModelArtifacts": "s3://b/model.tar.gz"})
    again = intake.res(left)
    assert isinstance(again, intake.TrainingEnded)
    assert (found.artifact, again.artifact) == ("", "s3://b/model.tar.gz")


def test_a_decision_names_who_and_may_name_why_and_what_they_were_shown() -> None:
    assert intake.res(DECISION) == intake.DecisionRequested(
        "us-east-1/churn/41", ApprovalStatus.APPROVED, "U0MARIA00", "", "", None
    )
    more = {"name": "Maria", "reason": "the board", "judged_at": "2026-11-22T09:00:00.000001Z", "target": "Rejected"}
    found = intake.res({**DECISION, "detail": {**DECISION["detail"], **more, "by_click": True}})
    assert isinstance(found, intake.DecisionRequested)
    assert (found.target, found.name, found.reason) == (ApprovalStatus.REJECTED, "Maria", "the board")
    assert found.by_click
    assert found.judged_at == datetime(2026, 11, 22, 9, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "field", "value", "sentence"),
    [
        (PACKAGE, "detail", None, "detail is missing or no object"),
        (PACKAGE, "detail.ModelPackageArn", None, "detail.ModelPackageArn is missing or no text"),
        (PACKAGE, "detail.ModelPackageArn", "churn/41", "expected arn:...:model-package/GROUP/VERSION"),
        (PACKAGE, "detail.ModelPackageGroupName", 7, "detail.ModelPackageGroupName is no text"),
        (PACKAGE, "detail.ModelApprovalStatus", "Maybe", "detail.ModelApprovalStatus is 'Maybe'; expected one of"),
        (PACKAGE, "detail.ModelApprovalStatus", ["Approved"], "expected one of"),
        (PACKAGE, "detail.LastModifiedTime", "yesterday", "detail.LastModifiedTime is 'yesterday'; expected"),
        (PACKAGE, "detail.LastModifiedTime", 10**30, "detail.LastModifiedTime"),
        (PACKAGE, "detail.LastModifiedTime", float("nan"), "detail.LastModifiedTime"),
        (PACKAGE, "detail.LastModifiedTime", True, "detail.LastModifiedTime"),
        (JOB, "detail.TrainingJobArn", None, "detail.TrainingJobArn is missing or no text"),
        (JOB, "detail.TrainingJobArn", ARN, "expected arn:...:training-job/NAME"),
        (JOB, "detail.ModelArtifacts", {"S3ModelArtifacts": 7}, "S3ModelArtifacts is no text"),
        (JOB, "account", None, "account is missing or no text"),
        (DECISION, "detail.target", "PendingManualApproval", "detail.target is 'PendingManualApproval'; expected Appr"),
        (DECISION, "detail.target", None, "detail.target is missing or no text"),
        (DECISION, "detail.by_click", "yes", "detail.by_click is 'yes'; expected true or false"),
        (DECISION, "detail.judgement", "", "detail.judgement is missing or no text"),
        (DECISION, "detail.by", None, "detail.by is missing or no text"),
        (DECISION, "detail.name", ["Maria"], "detail.name is no text"),
        (DECISION, "detail.reason", "x" * 1001, "detail.reason has 1001 characters, expected at most 1000"),
        (DECISION, "detail.judged_at", "soon", "detail.judged_at is 'soon'"),
        (PACKAGE, "detail-type", "SageMaker Model State Change", "is no event this function takes"),
    ],
)
def test_what_is_not_as_documented_is_refused_with_a_sentence_that_names_it(
    event: dict[str, Any], field: str, value: object, sentence: str
) -> None:
    with pytest.raises(MalformedEvent) as refused:
        intake.res(changed(event, field, value))
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("event", [INSTANCE, TUNING_JOB, None, [], "Completed"])
def test_events_of_others_are_refused(event: object) -> None:
    with pytest.raises(MalformedEvent):
        intake.res(event)


def test_an_event_without_any_time_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="time is missing"):
        intake.res({**without(PACKAGE, "LastModifiedTime"), "time": None})


# --- a sweep that a person asks for -----------------------------------------------------------------------------------

SWEEP: dict[str, Any] = {
    "source": names.SOURCE_CLI,
    "detail-type": names.DETAIL_SWEEP_REQUESTED,
    "detail": {"mode": "enforce", "policy_digest": "f" * 64, "requested_by": "arn:aws:iam::1:user/maria"},
}


def test_a_sweep_is_asked_for_by_a_named_person_and_a_policy() -> None:
    assert intake.res(SWEEP) == intake.SweepRequested("f" * 64, "arn:aws:iam::1:user/maria")


@pytest.mark.parametrize("field", ["mode", "policy_digest", "requested_by"])
def test_a_sweep_that_lacks_one_of_them_is_refused_with_its_name(field: str) -> None:
    with pytest.raises(MalformedEvent, match=rf"detail\.{field}"):
        intake.res({**SWEEP, "detail": {**SWEEP["detail"], field: None}})


def test_a_sweep_that_only_observes_is_none_of_the_deployed_functions() -> None:
    with pytest.raises(MalformedEvent, match="only an enforce sweep is asked of the deployed function"):
        intake.res({**SWEEP, "detail": {**SWEEP["detail"], "mode": "observe"}})
