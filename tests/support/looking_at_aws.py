"""What a test sees of the embedded AWS through boto3, and the clock that it runs by."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.embedded import EmbeddedAws
from tests.support.fakes import TestClock

CLOCK = TestClock()


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
