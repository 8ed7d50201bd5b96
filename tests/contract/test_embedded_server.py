"""The embedded AWS as a server, and without one: reached, reset, taken out again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from demo.embedded import EmbeddedAws, Fleet, World, install
from demo.embedded.install import _patches
from tests.support.builders import NOW
from tests.support.looking_at_aws import instances, refusal

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
