"""Spot requests of the embedded AWS: what they relaunch, how they end, what cancelling does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.looking_at_aws import CLOCK, instances, refusal, request, state, tags


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
