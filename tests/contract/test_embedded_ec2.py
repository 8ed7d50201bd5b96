"""EC2 of the embedded AWS: seeding, filters and termination as AWS does them, where moto alone would not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.looking_at_aws import instances, refusal, request, state, tags

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
