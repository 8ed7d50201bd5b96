"""The embedded AWS, seen through boto3: that it behaves as AWS does where moto alone would not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from demo.embedded import EmbeddedAws, Fleet, World, install
from demo.embedded.install import _patches

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Clock:
    """A clock the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


CLOCK = Clock()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture
def aws(server: EmbeddedAws) -> Iterator[EmbeddedAws]:
    CLOCK.now = NOW
    server.reset()
    yield server
    assert server.errors == []


def instances(aws: EmbeddedAws, region: str = "us-east-1", **filters: str) -> list[dict[str, Any]]:
    wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    pages = aws.client("ec2", region).get_paginator("describe_instances").paginate(Filters=wanted)
    return [each for page in pages for group in page["Reservations"] for each in group["Instances"]]


def state(aws: EmbeddedAws, instance_id: str, region: str = "us-east-1") -> str:
    return str(next(each for each in instances(aws, region) if each["InstanceId"] == instance_id)["State"]["Name"])


def tags(described: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}


def request(aws: EmbeddedAws, request_id: str | None) -> dict[str, Any]:
    assert request_id is not None
    answer = aws.client("ec2").describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    found: dict[str, Any] = answer["SpotInstanceRequests"][0]
    return found


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


# --- the server ----------------------------------------------------------------------------------------


def test_a_process_with_only_the_environment_reaches_this_aws(aws: EmbeddedAws) -> None:
    aws.fleet.instance(name="forgotten")
    code = "import boto3; print(len(boto3.client('ec2').describe_instances()['Reservations']))"
    environment = {"PATH": os.environ["PATH"], **aws.environment()}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("1", "")


def test_nothing_is_set_in_this_process(aws: EmbeddedAws) -> None:
    assert os.environ.get("AWS_ENDPOINT_URL") != aws.endpoint_url


def test_a_client_made_from_the_session_cannot_reach_the_real_aws(aws: EmbeddedAws) -> None:
    client = aws.session().client("sts")
    assert client.meta.endpoint_url == aws.endpoint_url
    assert client.get_caller_identity()["Account"] == aws.account_id


def test_regions_are_apart(aws: EmbeddedAws) -> None:
    aws.fleet.instance(region="eu-central-1", type="p5.48xlarge", az="eu-central-1b")
    assert instances(aws, "us-east-1") == []
    assert [each["Placement"]["AvailabilityZone"] for each in instances(aws, "eu-central-1")] == ["eu-central-1b"]


def test_reset_empties_the_account_and_forgets_the_faults(aws: EmbeddedAws) -> None:
    aws.fleet.instance()
    aws.faults.fail("ec2", None, "RequestLimitExceeded", times=None)
    aws.reset()
    assert instances(aws) == []


def test_a_failure_inside_the_server_is_kept_and_told_without_a_retry(server: EmbeddedAws) -> None:
    server.reset()
    server.fleet.instance()
    with pytest.raises(ClientError, match="NotImplementedError") as error:
        server.client("ec2").describe_instances(Filters=[{"Name": "no-such-filter", "Values": ["x"]}])
    assert refusal(error)[0] == "EmbeddedAwsFailure"
    assert len(server.errors) == 1
    assert "NotImplementedError" in server.errors[0]


def test_the_server_is_quiet(aws: EmbeddedAws, capfd: pytest.CaptureFixture[str]) -> None:
    instances(aws)
    with pytest.raises(ClientError):
        aws.client("ec2").describe_instances(InstanceIds=["i-0123456789abcdef0"])
    assert capfd.readouterr() == ("", "")


def test_two_writers_of_one_condition_take_turns_and_one_wins(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = aws.client("dynamodb")
    table.create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    inside: list[int] = []
    most_inside: list[int] = []
    moto_put_item = DynamoDBBackend.put_item

    def slow_put_item(*arguments: Any, **options: Any) -> Any:
        inside.append(1)
        most_inside.append(len(inside))
        time.sleep(0.02)  # long enough for the others to arrive
        try:
            return moto_put_item(*arguments, **options)
        finally:
            inside.pop()

    monkeypatch.setattr(DynamoDBBackend, "put_item", slow_put_item)
    outcomes: list[str] = []

    def claim(number: int) -> None:
        try:
            table.put_item(
                TableName="ledger",
                Item={"pk": {"S": "claim"}, "owner": {"N": str(number)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
            outcomes.append("won")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    writers = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=30)
    assert sorted(outcomes) == ["ConditionalCheckFailedException"] * 3 + ["won"]
    assert max(most_inside) == 1


# --- seeding -------------------------------------------------------------------------------------------


def test_a_seeded_instance_has_both_of_its_launch_times(aws: EmbeddedAws) -> None:
    aws.fleet.instance(
        type="g5.xlarge", launched_at=NOW - timedelta(hours=5), first_launched_at=NOW - timedelta(days=3), name="a"
    )
    (found,) = instances(aws)
    assert found["LaunchTime"] == NOW - timedelta(hours=5)
    assert found["NetworkInterfaces"][0]["Attachment"]["AttachTime"] == NOW - timedelta(days=3)
    assert (found["InstanceType"], tags(found)) == ("g5.xlarge", {"Name": "a"})
    assert "InstanceLifecycle" not in found
    assert "SpotInstanceRequestId" not in found


def test_a_restart_moves_the_launch_and_keeps_the_first(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(launched_at=NOW - timedelta(days=2))
    aws.fleet.restart_instance(instance_id, NOW - timedelta(hours=1))
    (found,) = instances(aws)
    assert found["LaunchTime"] == NOW - timedelta(hours=1)
    assert found["NetworkInterfaces"][0]["Attachment"]["AttachTime"] == NOW - timedelta(days=2)


def test_a_seeded_instance_may_be_protected_owned_and_in_a_group(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(
        protected=True, operator="eks.amazonaws.com", tags={"aws:autoscaling:groupName": "trainers"}
    )
    (found,) = instances(aws)
    assert found["Operator"] == {"Managed": True, "Principal": "eks.amazonaws.com"}
    assert tags(found) == {"aws:autoscaling:groupName": "trainers"}
    attribute = aws.client("ec2").describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    assert attribute["DisableApiTermination"] == {"Value": True}


def test_tags_come_and_go(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(spot="persistent")
    request_id = aws.fleet.spot_request_id(instance_id)
    assert request_id is not None
    arn = aws.fleet.training_job("train", started_at=NOW, tags={"team": "nlp"})
    for resource in (instance_id, request_id, arn):
        aws.fleet.tag(resource, {"team": "vision", "run": "r1"})
        aws.fleet.untag(resource, "run")
    assert tags(instances(aws)[0]) == {"team": "vision"}
    assert tags(request(aws, request_id)) == {"team": "vision"}
    assert tags(aws.client("sagemaker").list_tags(ResourceArn=arn)) == {"team": "vision"}


def test_every_instance_is_in_a_reservation_of_its_own_and_pages_join(aws: EmbeddedAws) -> None:
    made = {aws.fleet.instance(type="m5.large", tags={"n": str(number)}) for number in range(12)}
    pages = aws.client("ec2").get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    found = [each["InstanceId"] for page in pages for group in page["Reservations"] for each in group["Instances"]]
    assert len(found) == 12
    assert set(found) == made


# --- filters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "types"),
    [
        ("instance-type", "p4d.*", {"p4d.24xlarge"}),
        ("instance-type", "p?d.24xlarge", {"p4d.24xlarge"}),
        ("instance-type", "p4d", set()),
        ("instance-type", "g5.xlarge", {"g5.xlarge"}),
        ("instance-lifecycle", "spot", {"g5.xlarge"}),
        ("instance-lifecycle", "capacity-block", {"p5.48xlarge"}),
        ("instance-state-name", "running", {"p4d.24xlarge", "g5.xlarge", "p5.48xlarge"}),
        ("launch-time", "2026-11-20T*", {"p4d.24xlarge"}),
        ("tag:role", "train*", {"p4d.24xlarge"}),
        ("tag-key", "role", {"p4d.24xlarge"}),
        ("availability-zone", "us-east-1b", {"g5.xlarge"}),
    ],
)
def test_filters_take_wildcards(aws: EmbeddedAws, name: str, value: str, types: set[str]) -> None:
    aws.fleet.instance(type="p4d.24xlarge", tags={"role": "trainer"}, launched_at=NOW - timedelta(days=2))
    aws.fleet.instance(type="g5.xlarge", spot="one-time", az="b")
    aws.fleet.instance(type="p5.48xlarge", capacity_block=True)
    assert {each["InstanceType"] for each in instances(aws, **{name: value})} == types


# --- termination -----------------------------------------------------------------------------------------


def test_a_terminated_instance_says_who_ended_it_and_when(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance()
    answer = aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert answer["TerminatingInstances"][0]["PreviousState"]["Name"] == "running"
    (found,) = instances(aws)
    assert found["State"]["Name"] == "terminated"
    assert found["StateTransitionReason"] == "User initiated (2026-11-22 09:00:00 GMT)"


def test_terminating_twice_succeeds_twice(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(spot="persistent")
    for _ in range(2):
        aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert len(instances(aws, instance_state_name="running")) == 1


def test_one_protected_id_spares_its_zone_and_only_its_zone(aws: EmbeddedAws) -> None:
    free = aws.fleet.instance(az="a")
    protected = aws.fleet.instance(az="b", protected=True)
    neighbour = aws.fleet.instance(az="b")
    with pytest.raises(ClientError) as error:
        aws.client("ec2").terminate_instances(InstanceIds=[protected, neighbour, free])
    assert refusal(error) == (
        "OperationNotPermitted",
        f"The instance '{protected}' may not be terminated. Modify its 'disableApiTermination' instance attribute and "
        "try again.",
    )
    assert [state(aws, each) for each in (free, protected, neighbour)] == ["terminated", "running", "running"]


def test_an_id_that_aws_has_forgotten_spares_its_zone_and_only_its_zone(aws: EmbeddedAws) -> None:
    free, neighbour = aws.fleet.instance(az="a"), aws.fleet.instance(az="b")
    gone = aws.fleet.instance(az="b")
    aws.fleet.forget(gone)
    with pytest.raises(ClientError) as error:
        aws.client("ec2").terminate_instances(InstanceIds=[neighbour, free, gone])
    assert refusal(error) == ("InvalidInstanceID.NotFound", f"The instance ID '{gone}' does not exist")
    assert [state(aws, each) for each in (free, neighbour)] == ["terminated", "running"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [("i-0123456789abcdef0", "InvalidInstanceID.NotFound"), ("i-trainer", "InvalidInstanceID.Malformed")],
)
def test_an_id_that_never_was_spares_everybody(aws: EmbeddedAws, bad: str, code: str) -> None:
    known = aws.fleet.instance()
    with pytest.raises(ClientError) as error:
        aws.client("ec2").terminate_instances(InstanceIds=[known, bad])
    assert refusal(error)[0] == code
    assert state(aws, known) == "running"


def test_an_instance_that_ended_earlier_says_when(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(launched_at=NOW - timedelta(hours=9))
    aws.fleet.end_instance(instance_id, NOW - timedelta(hours=2))
    assert instances(aws)[0]["StateTransitionReason"] == "User initiated (2026-11-22 07:00:00 GMT)"


# --- spot ------------------------------------------------------------------------------------------------


def test_a_persistent_request_relaunches_what_was_terminated(aws: EmbeddedAws) -> None:
    first = aws.fleet.instance(
        type="p4d.24xlarge",
        az="c",
        spot="persistent",
        tags={"role": "trainer"},
        late_tags={"noted": "later"},
        request_tags={"role": "request"},
        launched_at=NOW - timedelta(hours=30),
    )
    request_id = aws.fleet.spot_request_id(first)
    CLOCK.now += timedelta(minutes=7)
    aws.client("ec2").terminate_instances(InstanceIds=[first])
    (second,) = instances(aws, instance_state_name="running")
    assert second["InstanceId"] != first
    assert second["SpotInstanceRequestId"] == request_id
    assert second["InstanceLifecycle"] == "spot"
    assert second["LaunchTime"] == NOW + timedelta(minutes=7)
    assert second["NetworkInterfaces"][0]["Attachment"]["AttachTime"] == NOW + timedelta(minutes=7)
    assert (second["InstanceType"], second["Placement"]["AvailabilityZone"]) == ("p4d.24xlarge", "us-east-1c")
    assert tags(second) == {"role": "trainer"}
    shown = request(aws, request_id)
    assert (shown["State"], shown["Status"]["Code"]) == ("active", "fulfilled")
    assert (shown["InstanceId"], tags(shown)) == (second["InstanceId"], {"role": "request"})


def test_the_relaunched_instance_is_relaunched_too(aws: EmbeddedAws) -> None:
    aws.fleet.instance(spot="persistent")
    for _ in range(3):
        (running,) = instances(aws, instance_state_name="running")
        aws.client("ec2").terminate_instances(InstanceIds=[running["InstanceId"]])
    assert len(instances(aws, instance_state_name="running")) == 1


def test_cancelling_alone_terminates_nothing_and_then_nothing_comes_back(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(spot="persistent")
    request_id = aws.fleet.spot_request_id(instance_id)
    answer = aws.client("ec2").cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert answer["CancelledSpotInstanceRequests"] == [{"SpotInstanceRequestId": request_id, "State": "cancelled"}]
    assert state(aws, instance_id) == "running"
    shown = request(aws, request_id)
    assert (shown["State"], shown["Status"]["Code"]) == ("cancelled", "request-canceled-and-instance-running")
    aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert [each["State"]["Name"] for each in instances(aws)] == ["terminated"]
    assert request(aws, request_id)["State"] == "cancelled"


def test_cancelling_after_the_end_comes_too_late(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(spot="persistent")
    request_id = aws.fleet.spot_request_id(instance_id)
    aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    aws.client("ec2").cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert len(instances(aws, instance_state_name="running")) == 1


def test_a_one_time_request_closes_with_its_instance(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(spot="one-time")
    request_id = aws.fleet.spot_request_id(instance_id)
    assert (request(aws, request_id)["Type"], request(aws, request_id)["State"]) == ("one-time", "active")
    aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert instances(aws, instance_state_name="running") == []
    shown = request(aws, request_id)
    assert (shown["State"], shown["Status"]["Code"]) == ("closed", "instance-terminated-by-user")


def test_a_one_time_spot_instance_cannot_be_stopped(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance(spot="one-time")
    with pytest.raises(ClientError) as error:
        aws.client("ec2").stop_instances(InstanceIds=[instance_id])
    assert refusal(error)[0] == "UnsupportedOperation"


def test_a_relaunch_can_be_held_back_and_then_happen(aws: EmbeddedAws) -> None:
    aws.world.spot_relaunch = "held"
    instance_id = aws.fleet.instance(spot="persistent")
    request_id = aws.fleet.spot_request_id(instance_id)
    assert request_id is not None
    aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    shown = request(aws, request_id)
    assert (shown["State"], "InstanceId" in shown) == ("open", False)
    assert instances(aws, instance_state_name="running") == []
    relaunched = aws.fleet.relaunch(request_id)
    assert [each["InstanceId"] for each in instances(aws, instance_state_name="running")] == [relaunched]
    with pytest.raises(ValueError, match="is active, not open"):
        aws.fleet.relaunch(request_id)


@pytest.mark.parametrize(("options", "kind"), [({"SpotInstanceType": "persistent"}, "persistent"), ({}, "one-time")])
def test_an_instance_launched_on_the_spot_market_has_a_request(
    aws: EmbeddedAws, options: dict[str, str], kind: str
) -> None:
    answer = aws.client("ec2").run_instances(
        ImageId="ami-0c05f7e0d2a5b9e11",
        InstanceType="g5.xlarge",
        MinCount=1,
        MaxCount=1,
        Placement={"AvailabilityZone": "us-east-1b"},
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "trainer"}]},
            {"ResourceType": "spot-instances-request", "Tags": [{"Key": "role", "Value": "request"}]},
        ],
    )
    launched = answer["Instances"][0]
    assert launched["InstanceLifecycle"] == "spot"
    shown = request(aws, launched["SpotInstanceRequestId"])
    assert (shown["Type"], shown["InstanceId"]) == (kind, launched["InstanceId"])
    assert (tags(launched), tags(shown)) == ({"role": "trainer"}, {"role": "request"})
    aws.client("ec2").terminate_instances(InstanceIds=[launched["InstanceId"]])
    running = instances(aws, instance_state_name="running")
    assert [tags(each) for each in running] == ([{"role": "trainer"}] if kind == "persistent" else [])


def test_a_requested_spot_instance_keeps_its_zone(aws: EmbeddedAws) -> None:
    answer = aws.client("ec2", "eu-west-1").request_spot_instances(
        Type="persistent",
        LaunchSpecification={
            "ImageId": "ami-0c05f7e0d2a5b9e11",
            "InstanceType": "g5.xlarge",
            "Placement": {"AvailabilityZone": "eu-west-1c"},
        },
    )
    request_id = answer["SpotInstanceRequests"][0]["SpotInstanceRequestId"]
    (launched,) = instances(aws, "eu-west-1")
    assert launched["Placement"]["AvailabilityZone"] == "eu-west-1c"
    assert (launched["SpotInstanceRequestId"], launched["InstanceLifecycle"]) == (request_id, "spot")


@pytest.mark.parametrize("call", ["describe_spot_instance_requests", "cancel_spot_instance_requests"])
def test_an_unknown_spot_request_is_refused(aws: EmbeddedAws, call: str) -> None:
    with pytest.raises(ClientError) as error:
        getattr(aws.client("ec2"), call)(SpotInstanceRequestIds=["sir-12345678"])
    assert refusal(error)[0] == "InvalidSpotInstanceRequestID.NotFound"


def test_a_spot_request_is_tagged_like_anything_else(aws: EmbeddedAws) -> None:
    request_id = aws.fleet.spot_request_id(aws.fleet.instance(spot="persistent", request_tags={"team": "nlp"}))
    assert request_id is not None
    aws.client("ec2").create_tags(Resources=[request_id], Tags=[{"Key": "role", "Value": "trainer"}])
    assert tags(request(aws, request_id)) == {"team": "nlp", "role": "trainer"}


# --- SageMaker -------------------------------------------------------------------------------------------


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


# --- faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "call", "code", "status"),
    [
        ("ec2", "DescribeInstances", "describe_instances", "RequestLimitExceeded", 503),
        ("ec2", "DescribeInstances", "describe_instances", "UnauthorizedOperation", 403),
        ("ec2", "DescribeInstances", "describe_instances", "InternalError", 500),
        ("sagemaker", "ListTrainingJobs", "list_training_jobs", "ThrottlingException", 400),
        ("sagemaker", "ListTrainingJobs", "list_training_jobs", "AccessDeniedException", 400),
        ("dynamodb", "ListTables", "list_tables", "ProvisionedThroughputExceededException", 400),
        ("sns", "ListTopics", "list_topics", "InternalError", 500),
        ("sqs", "ListQueues", "list_queues", "AccessDenied", 403),
        ("ssm", "DescribeParameters", "describe_parameters", "ThrottlingException", 400),
        ("events", "ListRules", "list_rules", "InternalException", 500),
    ],
)
def test_a_fault_answers_in_the_words_of_the_service(
    aws: EmbeddedAws, service: str, operation: str, call: str, code: str, status: int
) -> None:
    fault = aws.faults.fail(service, operation, code)
    with pytest.raises(ClientError) as error:
        getattr(aws.client(service), call)()
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    getattr(aws.client(service), call)()
    assert fault.hits == 1


def test_a_fault_strikes_only_the_calls_it_is_about(aws: EmbeddedAws) -> None:
    spared, struck = aws.fleet.instance(), aws.fleet.instance()
    aws.faults.fail(
        "ec2",
        "TerminateInstances",
        "UnauthorizedOperation",
        times=None,
        when=lambda call: struck in call.parameters["InstanceIds"],
    )
    aws.client("ec2").terminate_instances(InstanceIds=[spared])
    with pytest.raises(ClientError):
        aws.client("ec2").terminate_instances(InstanceIds=[struck])
    assert [state(aws, each) for each in (spared, struck)] == ["terminated", "running"]


def test_a_fault_may_wait_for_the_second_call(aws: EmbeddedAws) -> None:
    aws.faults.fail("ec2", "DescribeInstances", "RequestLimitExceeded", pass_first=1)
    instances(aws)
    with pytest.raises(ClientError):
        instances(aws)


def test_a_region_that_is_down_leaves_the_others_up(aws: EmbeddedAws) -> None:
    down = aws.faults.region_down("eu-west-1")
    with pytest.raises(ConnectionClosedError):
        instances(aws, "eu-west-1")
    instances(aws, "us-east-1")
    down.clear()
    instances(aws, "eu-west-1")


def test_an_answer_can_be_lost_after_the_call_took_effect(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance()
    aws.faults.lose_connection("ec2", "TerminateInstances", answer_lost=True)
    with pytest.raises(ConnectionClosedError):
        aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert state(aws, instance_id) == "terminated"


def test_retries_see_every_hit_of_a_throttle(aws: EmbeddedAws) -> None:
    fault = aws.faults.fail("sagemaker", "ListTrainingJobs", "ThrottlingException", times=1)
    patient = aws.client("sagemaker", config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    patient.list_training_jobs()
    assert fault.hits == 1


# --- SNS -------------------------------------------------------------------------------------------------


def test_nobody_hears_a_topic_before_the_subscription_is_confirmed(aws: EmbeddedAws) -> None:
    sns = aws.client("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    assert answer["SubscriptionArn"] == "pending confirmation"
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Endpoint"]) == ("PendingConfirmation", "ops@example.com")
    sns.publish(TopicArn=topic, Subject="first", Message="lost")
    assert aws.fleet.confirm_subscriptions(topic) == 1
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"].startswith(topic)
    CLOCK.now += timedelta(minutes=1)
    sns.publish(TopicArn=topic, Subject="second", Message="heard")
    assert [(each.subject, each.message, each.heard_by, each.at) for each in aws.sns_messages] == [
        ("first", "lost", (), NOW),
        ("second", "heard", ("ops@example.com",), NOW + timedelta(minutes=1)),
    ]


def test_a_queue_needs_no_confirmation(aws: EmbeddedAws) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    assert answer["SubscriptionArn"].startswith(topic)
    sns.publish(TopicArn=topic, Message="heard")
    assert "heard" in sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"]


# --- without a server --------------------------------------------------------------------------------------


def test_the_same_behaviour_without_a_server_and_moto_as_it_was_afterwards(aws: EmbeddedAws) -> None:
    elsewhere = World(clock=lambda: NOW + timedelta(days=1))
    with mock_aws(), install(elsewhere):
        fleet = Fleet(elsewhere)
        instance_id = fleet.instance(spot="persistent")
        ec2 = boto3.client("ec2", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))
        elsewhere.faults.lose_connection("ec2", "TerminateInstances")
        with pytest.raises(ConnectionClosedError):
            ec2.terminate_instances(InstanceIds=[instance_id])
        ec2.terminate_instances(InstanceIds=[instance_id])
        (group,) = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])[
            "Reservations"
        ]
        assert group["Instances"][0]["LaunchTime"] == NOW + timedelta(days=1)


def test_uninstalling_leaves_moto_as_it_was() -> None:
    code = (
        "from demo.embedded.install import _patches, install\n"
        "look = lambda: [p.owner.__dict__.get(p.name) for p in _patches()]\n"
        "before = look()\n"
        "with install():\n"
        "    with install():\n"
        "        during = look()\n"
        "    assert look() == during != before\n"
        "assert look() == before\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len({(patch.owner, patch.name) for patch in _patches()}) == len(_patches())


def test_an_event_in_a_queue_names_the_account_it_was_sent_from(aws: EmbeddedAws) -> None:
    events, sqs = aws.client("events"), aws.client("sqs")
    url = sqs.create_queue(QueueName="beats")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name="costwatch")
    events.put_rule(Name="beats", EventPattern=json.dumps({"source": ["trainer"]}), EventBusName="costwatch")
    events.put_targets(Rule="beats", EventBusName="costwatch", Targets=[{"Id": "1", "Arn": arn}])
    entry = {"EventBusName": "costwatch", "Source": "trainer", "DetailType": "Beat", "Detail": json.dumps({"a": [1]})}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(message["Body"])
    assert (event["account"], event["source"], event["detail"]) == (aws.account_id, "trainer", {"a": [1]})
