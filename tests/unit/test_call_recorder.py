"""The recorder of AWS calls and the judge behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from costwatch.settings import DeadmanSettings
from demo import recorder
from demo.embedded import EmbeddedAws
from demo.iam_questions import Question, questions
from demo.recorder import Acting, Asked, acting_as
from demo.stage import Stage
from tests.support.recorded_calls import denied_by, refused

ACCOUNT, REGION = "123456789012", "us-east-1"
SETTINGS = DeadmanSettings(
    ledger_table="ledger",
    alerts_topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts",
    refused_queue_url=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/refused",
    heartbeat_bus="costwatch",
)
STAGED = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
dead_man: {mode: observe, selectors: [{name: trainers, ec2: {tag: {Purpose: training}}}]}
"""
POLICY: dict[str, Any] = {
    "mode": "observe",
    "regions": [REGION],
    "protect": [{"tags": {"Environment": ["prod"]}, "asg": None}],
    "selectors": [
        {
            "name": "spot",
            "mode": "enforce",
            "service": "ec2",
            "tags": {"Purpose": ["training"]},
            "types": ["p4d.*"],
            "purchase": "spot",
            "action": "terminate",
            "at_min_size": "hold",
        },
        {
            "name": "jobs",
            "mode": "enforce",
            "service": "training",
            "tags": {"watch": ["yes"]},
            "types": [],
            "purchase": None,
            "action": "stop",
            "at_min_size": "hold",
        },
    ],
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def seen(aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counter[Asked]:
    """A recorder of this test's own: what the test provokes is not judged at the end of the session."""
    own: Counter[Asked] = Counter()
    monkeypatch.setattr(recorder, "_asked", own)
    monkeypatch.setenv(recorder.ENV_FILE, str(tmp_path / "calls.jsonl"))
    return own


@cache
def client(service: str) -> Any:
    recorder.install()
    return boto3.Session(region_name=REGION).client(service)  # type: ignore[call-overload]


def instance(*, market: str = "spot", instance_type: str = "p4d.24xlarge", **tags: str) -> str:
    options: dict[str, Any] = {"InstanceMarketOptions": {"MarketType": "spot"}} if market == "spot" else {}
    answer = client("ec2").run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        InstanceType=instance_type,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ]
        if tags
        else [],
        **options,
    )
    return str(answer["Instances"][0]["InstanceId"])


def terminate(instance_id: str, role: str = "deadman") -> None:
    with acting_as(role, policy=POLICY, settings=SETTINGS):
        client("ec2").terminate_instances(InstanceIds=[instance_id])


def test_what_nobody_acts_for_is_not_recorded(seen: Counter[Asked]) -> None:
    client("ec2").describe_instances()
    with acting_as("deadman", policy=POLICY, settings=SETTINGS), acting_as(None):
        client("ec2").describe_instances()
    assert not seen


def test_a_call_is_recorded_with_role_action_and_region(seen: Counter[Asked]) -> None:
    with acting_as("hints", policy=POLICY, settings=SETTINGS):
        client("ec2").describe_instances()
        client("ec2").describe_instances()
    ((one, times),) = seen.items()
    assert (one.acting and one.acting.role, one.question.action, one.question.resource, times) == (
        "hints",
        "ec2:DescribeInstances",
        "*",
        2,
    )
    assert dict(one.question.context) == {"aws:RequestedRegion": REGION}


def test_recording_makes_no_call_of_its_own(seen: Counter[Asked]) -> None:
    target = instance(Purpose="training")
    with recorder.collecting(roles=("deadman", "hints", "operator", None)) as calls:
        terminate(target)
    assert [call.operation for call in calls] == ["TerminateInstances"]
    assert calls[0].params == {"InstanceIds": [target]}


def test_a_termination_is_judged_by_the_tags_type_and_market_of_that_moment(seen: Counter[Asked]) -> None:
    target = instance(Purpose="training")
    terminate(target)
    client("ec2").create_tags(Resources=[target], Tags=[{"Key": "Purpose", "Value": "other"}])
    ((one, _),) = seen.items()
    assert one.question.resource == f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{target}"
    context = dict(one.question.context)
    assert context["aws:ResourceTag/Purpose"] == "training"
    assert context["ec2:InstanceType"] == "p4d.24xlarge"
    assert context["ec2:InstanceMarketType"] == "spot"
    assert refused(seen) == []


@pytest.mark.parametrize(
    ("changes", "denied"),
    [
        ({"Purpose": "other"}, ""),
        ({}, ""),
        ({"Purpose": "training", "market": "on-demand"}, ""),
        ({"Purpose": "training", "instance_type": "t3.micro"}, ""),
        ({"Purpose": "training", "costwatch:never": ""}, "NeverStop"),
        ({"Purpose": "training", "Environment": "prod"}, "Protected1"),
    ],
)
def test_a_termination_outside_the_selector_is_refused(
    changes: dict[str, str], denied: str, seen: Counter[Asked]
) -> None:
    terminate(instance(**changes))
    ((one, _),) = seen.items()
    assert len(refused(seen)) == 1
    assert denied_by(one) == denied


def test_the_same_call_by_hints_is_refused(seen: Counter[Asked]) -> None:
    terminate(instance(Purpose="training"), role="hints")
    assert refused(seen)[0].startswith("hints: ec2:TerminateInstances needs ec2:TerminateInstances on ")


def test_the_same_call_by_the_operator_is_refused(seen: Counter[Asked]) -> None:
    terminate(instance(Purpose="training"), role="operator")
    assert len(refused(seen)) == 1


def test_an_instance_that_is_not_there_is_judged_without_its_conditions(seen: Counter[Asked]) -> None:
    missing = "i-00000000000000000"
    for role in ("deadman", "hints"):
        with pytest.raises(Exception, match="does not exist"):
            terminate(missing, role=role)
    assert not any(one.question.exists for one in seen)
    (complaint,) = refused(seen)
    assert complaint.startswith("hints:")


def test_cancelling_a_spot_request_is_judged_by_the_tags_of_the_request(seen: Counter[Asked]) -> None:
    ids = []
    for purpose in ("training", "other"):
        request = client("ec2").request_spot_instances(
            SpotPrice="30",
            InstanceCount=1,
            LaunchSpecification={"ImageId": "ami-12c6146b", "InstanceType": "p4d.24xlarge"},
            TagSpecifications=[
                {"ResourceType": "spot-instances-request", "Tags": [{"Key": "Purpose", "Value": purpose}]}
            ],
        )
        ids.append(request["SpotInstanceRequests"][0]["SpotInstanceRequestId"])
    with acting_as("deadman", policy=POLICY, settings=SETTINGS):
        client("ec2").cancel_spot_instance_requests(SpotInstanceRequestIds=ids)
    (complaint,) = refused(seen)
    assert ids[1] in complaint


@pytest.mark.parametrize(("tags", "allowed"), [([{"Key": "watch", "Value": "yes"}], True), ([], False)])
def test_stopping_a_job_is_judged_by_its_tags(tags: list[dict[str, str]], allowed: bool, seen: Counter[Asked]) -> None:
    client("sagemaker").create_training_job(
        TrainingJobName="churn",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/trainer",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        Tags=tags,
    )
    with acting_as("deadman", policy=POLICY, settings=SETTINGS), pytest.raises(NotImplementedError):
        client("sagemaker").stop_training_job(TrainingJobName="churn")  # moto has no such call; the hook comes first
    assert (refused(seen) == []) is allowed


def ask(service: str, operation: str, **params: Any) -> list[Question]:
    return questions(service, operation, params, account=ACCOUNT, region=REGION, describe=lambda *_: {})


def test_a_transaction_needs_the_permissions_of_what_is_inside() -> None:
    items = [{word: {"TableName": "ledger"}} for word in ("Put", "Update", "Delete", "ConditionCheck")]
    asked = ask("dynamodb", "TransactWriteItems", TransactItems=items)
    assert [question.action.split(":")[1] for question in asked] == [
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "ConditionCheckItem",
    ]
    assert {question.resource for question in asked} == {f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/ledger"}


@pytest.mark.parametrize(
    ("service", "operation", "params", "action", "resource"),
    [
        ("dynamodb", "Query", {"TableName": "t"}, "dynamodb:Query", "dynamodb:R:A:table/t"),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, "dynamodb:Query", "dynamodb:R:A:table/t/index/i"),
        ("dynamodb", "GetItem", {"TableName": "t"}, "dynamodb:GetItem", "dynamodb:R:A:table/t"),
        (
            "ec2",
            "DescribeInstanceAttribute",
            {"InstanceId": "i-1"},
            "ec2:DescribeInstanceAttribute",
            "ec2:R:A:instance/i-1",
        ),
        (
            "autoscaling",
            "UpdateAutoScalingGroup",
            {"AutoScalingGroupName": "nodes", "DesiredCapacity": 0},
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:R:A:autoScalingGroup:0:autoScalingGroupName/nodes",
        ),
        (
            "sagemaker",
            "ListTags",
            {"ResourceArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/churn"},
            "sagemaker:ListTags",
            "sagemaker:R:A:training-job/churn",
        ),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:t"}, "sns:Publish", "sns:R:A:t"),
        ("sqs", "SendMessage", {"QueueUrl": "http://127.0.0.1:1/123/q"}, "sqs:SendMessage", "sqs:R:A:q"),
        (
            "sqs",
            "ChangeMessageVisibilityBatch",
            {"QueueUrl": "http://127.0.0.1:1/123/q", "Entries": []},
            "sqs:ChangeMessageVisibility",
            "sqs:R:A:q",
        ),
        ("sqs", "ReceiveMessage", {"QueueUrl": "http://127.0.0.1:1/123/q"}, "sqs:ReceiveMessage", "sqs:R:A:q"),
        ("ssm", "GetParameter", {"Name": "/a/b"}, "ssm:GetParameter", "ssm:R:A:parameter/a/b"),
        ("lambda", "Invoke", {"FunctionName": "f"}, "lambda:InvokeFunction", "lambda:R:A:function:f"),
        (
            "events",
            "PutEvents",
            {"Entries": [{"Source": "costwatch", "DetailType": "d"}]},
            "events:PutEvents",
            "events:R:A:event-bus/default",
        ),
    ],
)
def test_the_permission_behind_each_call(
    service: str, operation: str, params: dict[str, Any], action: str, resource: str
) -> None:
    (question,) = ask(service, operation, **params)
    expected = "arn:aws:" + resource.replace(":R:", f":{REGION}:").replace(":A:", f":{ACCOUNT}:")
    assert (question.action, question.resource) == (action, expected)


def test_what_an_update_of_a_group_names_is_what_it_is_judged_by() -> None:
    (question,) = ask("autoscaling", "UpdateAutoScalingGroup", AutoScalingGroupName="nodes", MinSize=0, MaxSize=9,
                      VPCZoneIdentifier="subnet-1", DesiredCapacity=0)  # fmt: skip
    named = {key: value for key, value in question.context if key.startswith("autoscaling:")}
    assert named == {
        "autoscaling:MinSize": "0",
        "autoscaling:MaxSize": "9",
        "autoscaling:VPCZoneIdentifiers": "subnet-1",
    }


def test_who_am_i_needs_no_permission() -> None:
    assert ask("sts", "GetCallerIdentity") == []


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("ec2", "RebootInstances", {"InstanceIds": ["i-1"]}),
        ("s3", "DeleteBucket", {"Bucket": "b"}),
        ("sns", "Publish", {"PhoneNumber": "1"}),
        ("sagemaker", "ListTags", {"ResourceArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/m"}),
        ("dynamodb", "ExecuteStatement", {"Statement": "DELETE"}),
        ("events", "PutRule", {"Name": "r"}),
    ],
)
def test_a_call_the_mapping_does_not_know_is_never_passed(service: str, operation: str, params: dict[str, Any]) -> None:
    (question,) = ask(service, operation, **params)
    assert question.unmapped
    acting = Acting("deadman", json.dumps(POLICY), tuple(sorted(SETTINGS.to_env().items())))
    (complaint,) = refused([Asked(acting, service, operation, question)])
    assert "does not know this call" in complaint


def test_a_thread_without_a_role_is_complained_about(seen: Counter[Asked]) -> None:
    with acting_as("deadman", policy=POLICY, settings=SETTINGS):
        worker = threading.Thread(target=client("ec2").describe_instances)
        worker.start()
        worker.join(timeout=30)
    (complaint,) = refused(seen)
    assert "in a thread without a role" in complaint


def test_nothing_is_recorded_while_paused(seen: Counter[Asked]) -> None:
    target = instance(Environment="prod")
    with recorder.paused():
        terminate(target)
    assert not seen


def test_a_function_that_acts_without_a_policy_cannot_be_judged() -> None:
    question = ask("sts", "AssumeRole")[0]
    with pytest.raises(ValueError, match="without policy or settings"):
        refused([Asked(Acting("deadman"), "ec2", "X", Question("ec2:X", "*", ()))])
    assert question.unmapped


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="none of deadman, hints, "), acting_as("root"):
        pass


def test_forked_children_that_die_at_once_leave_their_calls_in_the_file(seen: Counter[Asked]) -> None:
    targets = [instance(Purpose="training"), instance(Purpose="training")]
    ec2 = client("ec2")
    for target in targets:
        child = os.fork()
        if child == 0:
            with acting_as("deadman", policy=POLICY, settings=SETTINGS):
                ec2.terminate_instances(InstanceIds=[target])
                os._exit(9)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 9
    assert not seen
    recorded = recorder.asked()
    assert {one.question.resource.rpartition("/")[2] for one in recorded} == set(targets)
    assert refused(recorded) == []


def test_what_comes_back_from_the_file_is_what_was_recorded(seen: Counter[Asked]) -> None:
    terminate(instance(Purpose="training"))
    assert recorder.asked() == seen


IN_A_SUBPROCESS = """
import json, sys
from demo import recorder
recorder.install_if_asked()
import boto3
with recorder.acting_as("deadman", policy=json.loads(sys.argv[1]), settings=json.loads(sys.argv[2])):
    boto3.client("ec2").terminate_instances(InstanceIds=[sys.argv[3]])
"""


def test_a_subprocess_that_talks_to_a_server_reads_the_tags_from_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(recorder, "_asked", Counter())
    monkeypatch.setenv(recorder.ENV_FILE, str(tmp_path / "calls.jsonl"))
    with EmbeddedAws() as aws:
        ec2: Any = aws.client("ec2")
        answer = ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            InstanceType="p4d.24xlarge",
            InstanceMarketOptions={"MarketType": "spot"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Purpose", "Value": "training"}]}],
        )
        target = answer["Instances"][0]["InstanceId"]
        subprocess.run(
            [sys.executable, "-c", IN_A_SUBPROCESS, json.dumps(POLICY), json.dumps(SETTINGS.to_env()), target],
            env={
                **aws.environment(),
                recorder.ENV_FILE: os.environ[recorder.ENV_FILE],
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            check=True,
            timeout=60,
        )
    (one,) = recorder.asked()
    assert dict(one.question.context)["ec2:InstanceMarketType"] == "spot"
    assert refused([one]) == []


def test_the_bus_of_the_stage_is_nobody_while_it_looks_for_clicks_in_its_own_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(recorder, "_asked", own := Counter[Asked]())
    monkeypatch.setenv(recorder.ENV_FILE, str(tmp_path / "calls.jsonl"))
    recorder.install()
    looked, saw = threading.Event(), recorder._saw
    with Stage(start=datetime(2026, 11, 23, 18, 0, tzinfo=UTC), people=[]) as stage:
        stage.deploy(STAGED)

        def watched(service: str, operation: str, region: str, params: Any) -> None:
            saw(service, operation, region, params)
            if operation == "DeleteMessage":
                looked.set()

        monkeypatch.setattr(recorder, "_saw", watched)
        stage.aws.client("sqs").send_message(QueueUrl=stage._clicks_url, MessageBody="{}")
        with acting_as("operator"), stage.taking_clicks():
            assert looked.wait(timeout=30)
    assert not [one for one in own if one.acting is None]
