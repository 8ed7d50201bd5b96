"""The one door: AWS's documented events become typed messages, anything else is refused with a sentence."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from costwatch import intake
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Service
from costwatch.errors import MalformedEvent

TICK = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "111122223333",
    "time": "2026-11-22T09:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:111122223333:rule/costwatch-sweep"],
    "detail": {},
}
REQUEST = {
    "source": "costwatch.cli",
    "detail-type": "Sweep Requested",
    "detail": {"mode": "enforce", "policy_digest": "ab12", "requested_by": "arn:aws:iam::111122223333:user/ada"},
}
STOP = {
    "source": "costwatch.cli",
    "detail-type": "Stop Requested",
    "detail": {
        "run": "111122223333/us-east-1/run/llm",
        "members": ["i-1", "i-2"],
        "requested_by": "arn:aws:iam::111122223333:user/ada",
        "reason": "",
    },
}
# The shape of AWS's sample: no `version`, and two fields of detail.
INSTANCE = {
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "111122223333",
    "time": "2026-11-22T09:00:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:ec2:eu-central-1:111122223333:instance/i-0abc"],
    "detail": {"instance-id": "i-0abc", "state": "terminated"},
}
# As in AWS's sample the name in detail is not the one in the ARN.
JOB = {
    "version": "0",
    "id": "844e2571-85d4-695f-b930-0153b71dcb42",
    "detail-type": "SageMaker Training Job State Change",
    "source": "aws.sagemaker",
    "account": "111122223333",
    "time": "2026-11-22T09:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:sagemaker:us-east-1:111122223333:training-job/churn-bert"],
    "detail": {
        "TrainingJobName": "89c96cc8-dded-4739-afcc-6f1dc936701d",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/churn-bert",
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 3, "VolumeSizeInGB": 20},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "CreationTime": "1583831889050",
        "TrainingStartTime": "1583831889050",
        "TrainingEndTime": "1583831889050",
        "LastModifiedTime": "1583831889050",
        "SecondaryStatusTransitions": [{"Status": "Completed", "StartTime": "1583831889050", "StatusMessage": "done"}],
        "Tags": {},
    },
}

PROCESSING_JOB = {
    **JOB,
    "detail-type": "SageMaker Processing Job State Change",
    "detail": {
        "ProcessingJobName": "features",
        "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:processing-job/features",
        "ProcessingJobStatus": "Completed",
        "Tags": {},
    },
}
# As in AWS's sample: another name in detail, and both counters of job states.
TUNING_JOB = {
    **JOB,
    "detail-type": "SageMaker HyperParameter Tuning Job State Change",
    "detail": {
        "HyperParameterTuningJobName": "016bffd3-6d71-4d3a-9710-0a332b2759fc",
        "HyperParameterTuningJobArn": "arn:aws:sagemaker:us-east-1:111122223333:hyper-parameter-tuning-job/search",
        "HyperParameterTuningJobStatus": "Completed",
        "CreationTime": "1583831889050",
        "LastModifiedTime": "1583831889050",
        "TrainingJobStatusCounters": {"Completed": 1, "InProgress": 0, "Stopped": 0},
        "ObjectiveStatusCounters": {"Succeeded": 1, "Pending": 0, "Failed": 0},
        "Tags": {},
    },
}


def changed(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the event with another value at `a.b`; None takes it away."""
    made = copy.deepcopy(event)
    *parents, last = path.split(".")
    inner = made
    for parent in parents:
        inner = inner[parent]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return made


# --- what is taken --------------------------------------------------------------------------------------------


def test_the_schedule_is_a_tick() -> None:
    assert intake.deadman(TICK) == intake.Tick()


def test_a_sweep_request_carries_the_digest_and_who_asked() -> None:
    assert intake.deadman(REQUEST) == intake.SweepRequested("ab12", "arn:aws:iam::111122223333:user/ada")


def test_an_instance_event_names_account_region_and_instance() -> None:
    assert intake.hint(INSTANCE) == intake.ResourceChanged("111122223333", "eu-central-1", Service.EC2, "i-0abc")


def test_a_training_event_is_named_by_its_arn() -> None:
    expected = intake.ResourceChanged("111122223333", "us-east-1", Service.TRAINING, "churn-bert")
    assert intake.hint(JOB) == expected


def test_a_processing_event_is_named_by_its_arn() -> None:
    expected = intake.ResourceChanged("111122223333", "us-east-1", Service.PROCESSING, "features")
    assert intake.hint(PROCESSING_JOB) == expected


@pytest.mark.parametrize("kind", ["hyper-parameter-tuning-job", "tuningJob"])
def test_a_tuning_event_is_named_by_its_arn_as_the_api_and_as_the_sample_spell_it(kind: str) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:111122223333:{kind}/search"
    expected = intake.ResourceChanged("111122223333", "us-east-1", Service.TUNING, "search")
    assert intake.hint(changed(TUNING_JOB, "detail.HyperParameterTuningJobArn", arn)) == expected


@pytest.mark.parametrize("moment", ["1583831889050", 1583831889050, 1583831889050.0, "2026-11-22T09:00:00Z"])
def test_times_come_as_text_or_as_numbers_and_change_nothing(moment: object) -> None:
    event = changed(changed(JOB, "detail.TrainingEndTime", moment), "time", moment)
    assert intake.hint(event) == intake.hint(JOB)


@pytest.mark.parametrize("tags", [{}, [], [{"Key": "owner", "Value": "maria"}], {"owner": "maria"}, "none"])
def test_tags_come_as_an_object_or_as_a_list_and_change_nothing(tags: object) -> None:
    for event in (JOB, PROCESSING_JOB, TUNING_JOB):
        assert intake.hint(changed(event, "detail.Tags", tags)) == intake.hint(event)


@pytest.mark.parametrize("optional", ["TrainingStartTime", "TrainingEndTime", "Tags", "TrainingJobName"])
def test_optional_fields_may_be_missing(optional: str) -> None:
    assert intake.hint(changed(JOB, f"detail.{optional}", None)) == intake.hint(JOB)


# --- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [None, "tick", 1, [], [TICK], True])
def test_an_event_that_is_no_object_is_refused(event: object) -> None:
    for door in (intake.deadman, intake.hint):
        with pytest.raises(MalformedEvent, match="expected an EventBridge event"):
            door(event)


@pytest.mark.parametrize(
    ("event", "path", "value"),
    [
        (INSTANCE, "account", None),
        (INSTANCE, "account", 111122223333),
        (INSTANCE, "account", ""),
        (INSTANCE, "region", None),
        (INSTANCE, "region", ["us-east-1"]),
        (INSTANCE, "detail", None),
        (INSTANCE, "detail", "i-0abc"),
        (INSTANCE, "detail.instance-id", None),
        (INSTANCE, "detail.instance-id", ""),
        (INSTANCE, "detail.instance-id", {"S": "i-0abc"}),
        (JOB, "detail", []),
        (JOB, "detail.TrainingJobArn", None),
        (JOB, "detail.TrainingJobArn", 7),
        (JOB, "detail.TrainingJobArn", "churn-bert"),
        (JOB, "detail.TrainingJobArn", "arn:aws:sagemaker:us-east-1:111122223333:training-job/"),
        (JOB, "detail.TrainingJobArn", "arn:aws:sagemaker:us-east-1:111122223333:processing-job/x"),
        (PROCESSING_JOB, "detail.ProcessingJobArn", "arn:aws:sagemaker:us-east-1:111122223333:training-job/x"),
        (TUNING_JOB, "detail.HyperParameterTuningJobArn", None),
        (TUNING_JOB, "detail.HyperParameterTuningJobArn", "arn:aws:sagemaker:us-east-1:111122223333:tuningJob/"),
    ],
)
def test_a_malformed_hint_is_refused_and_the_field_is_named(event: dict[str, Any], path: str, value: object) -> None:
    with pytest.raises(MalformedEvent, match=path.replace(".", r"\.")):
        intake.hint(changed(event, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("detail", None),
        ("detail.mode", None),
        ("detail.mode", "observe"),
        ("detail.mode", "x" * 5000),
        ("detail.mode", ["enforce"]),
        ("detail.policy_digest", None),
        ("detail.policy_digest", ""),
        ("detail.requested_by", None),
    ],
)
def test_a_malformed_sweep_request_is_refused_and_the_field_is_named(path: str, value: object) -> None:
    with pytest.raises(MalformedEvent, match=path.replace(".", r"\.")) as refused:
        intake.deadman(changed(REQUEST, path, value))
    assert len(str(refused.value)) < 300


def test_a_stop_request_names_the_run_who_asks_and_the_members_that_were_shown() -> None:
    run_id = RunId("111122223333", "us-east-1", RunKind.TAGGED, "llm")
    asked = intake.StopRequested(run_id, "arn:aws:iam::111122223333:user/ada", "", ("i-1", "i-2"))
    assert intake.deadman(STOP) == asked


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("detail.run", None),
        ("detail.run", "llm"),
        ("detail.requested_by", ""),
        ("detail.reason", 5),
        ("detail.members", None),
        ("detail.members", []),
        ("detail.members", "i-1"),
        ("detail.members", ["i-1", 2]),
        ("detail.members", [""]),
    ],
)
def test_a_malformed_stop_request_is_refused_and_the_field_is_named(path: str, value: object) -> None:
    with pytest.raises(MalformedEvent, match=path.replace(".", r"\.")):
        intake.deadman(changed(STOP, path, value))


@pytest.mark.parametrize(
    "unknown",
    [
        {},
        {"source": "aws.ec2"},
        {"source": "aws.ec2", "detail-type": "EC2 Spot Instance Interruption Warning", "detail": {}},
        {"source": "aws.sagemaker", "detail-type": "SageMaker Endpoint State Change", "detail": {}},
        {"source": "custom.app", "detail-type": "Scheduled Event", "detail": {}},
        {"source": ["aws.events"], "detail-type": {"a": 1}},
        {"source": "x" * 9999, "detail-type": None},
    ],
)
def test_an_unknown_event_is_refused_with_its_source_and_kind(unknown: dict[str, Any]) -> None:
    for door in (intake.deadman, intake.hint):
        with pytest.raises(MalformedEvent, match="is no event this function takes") as refused:
            door(unknown)
        assert len(str(refused.value)) < 300


def test_an_event_nested_too_deeply_to_be_printed_is_refused() -> None:
    deep: object = "end"
    for _ in range(5000):
        deep = [{"a": deep}]
    for event in ({"source": deep}, {"source": "aws.ec2", "detail-type": deep}, {"source": "x", "detail": deep}):
        for door in (intake.deadman, intake.hint):
            with pytest.raises(MalformedEvent, match="is no event this function takes"):
                door(event)


def test_each_function_refuses_what_the_other_takes() -> None:
    for event in (TICK, REQUEST):
        with pytest.raises(MalformedEvent):
            intake.hint(event)
    for event in (INSTANCE, JOB, PROCESSING_JOB, TUNING_JOB):
        with pytest.raises(MalformedEvent):
            intake.deadman(event)
