"""The adapter's own reading of DescribeInstances: what botocore reads, of what is needed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.parsers import EC2QueryParser

from bench import parsers
from costwatch.adapters import ec2_answer
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.ec2 import Ec2
from costwatch.errors import TransientAwsError
from demo.embedded import Fleet, World
from tests.contract.conftest import Clients
from tests.support.builders import HOUR, NOW, REGION

_OPERATION = botocore.session.get_session().get_service_model("ec2").operation_model("DescribeInstances")
_EVENT = "before-parse.ec2.DescribeInstances"
_HEAD = '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'


def by_botocore(body: bytes) -> list[Any]:
    """All of an answer as botocore reads it, cut to what is wanted of it."""
    shape: Any = _OPERATION.output_shape
    parsed = EC2QueryParser().parse({"body": body, "headers": {}, "status_code": 200}, shape)
    return [_cut(reservation, ec2_answer.WANTED) for reservation in parsed["Reservations"]]


def _cut(value: Any, wanted: Any) -> Any:
    if isinstance(value, list):
        return [_cut(each, wanted) for each in value]
    if isinstance(value, dict):
        return {name: _cut(part, wanted[name]) for name, part in value.items() if name in wanted}
    return value


def by_us(body: bytes) -> dict[str, Any]:
    """An answer as the adapter's handler reads it."""
    found: dict[str, Any] = {}
    response = {"status_code": 200, "body": body, "headers": {}}
    ec2_answer.take(_OPERATION, response, found)
    return found


def one(inside: str) -> bytes:
    items = f"<reservationSet><item><instancesSet><item>{inside}</item></instancesSet></item></reservationSet>"
    return f"{_HEAD}{items}</DescribeInstancesResponse>".encode()


@pytest.fixture
def bodies(clients: Clients) -> Iterator[list[bytes]]:
    """The answers as they came, before anybody read them."""
    found: list[bytes] = []

    def keep(response_dict: dict[str, Any], **_: Any) -> None:
        found.append(response_dict["body"])

    events = clients("ec2").meta.events
    events.register_first(_EVENT, keep)
    yield found
    events.unregister(_EVENT, keep)


def test_what_moto_answers_is_read_as_botocore_reads_it(
    clients: Clients, world: World, fleet: Fleet, bodies: list[bytes]
) -> None:
    del world
    tags = {"Purpose": "training", "Ünicode & <more>": "a 'b' \"c\" \n d", "empty": ""}
    fleet.instance(tags=tags, launched_at=NOW - HOUR, first_launched_at=NOW - 3 * HOUR)
    fleet.instance(spot="persistent", az="b")
    fleet.instance(capacity_block=True, operator="eks.amazonaws.com")
    fleet.end_instance(fleet.instance(), NOW)
    page = clients("ec2").describe_instances()
    assert len(bodies) == 1
    expected = by_botocore(bodies[0])
    assert by_us(bodies[0])["Reservations"] == expected
    assert len(expected) == len(page["Reservations"]) == 4


def test_what_ec2_writes_is_read_as_botocore_reads_it() -> None:
    page = parsers.page_of(300)
    assert by_us(page)["Reservations"] == by_botocore(page)


def test_what_instances_have_in_common_is_in_memory_once() -> None:
    instances = [i for r in by_us(parsers.page_of(60))["Reservations"] for i in r["Instances"]]
    types = [i["InstanceType"] for i in instances]
    tags = [(tag["Key"], tag["Value"]) for i in instances for tag in i["Tags"]]
    assert len({id(each) for each in types}) == len(set(types)) < len(types)
    for texts in zip(*tags, strict=True):
        assert len({id(each) for each in texts}) == len(set(texts))


def test_pages_are_turned_by_botocore_and_none_is_lost(clients: Clients, world: World, fleet: Fleet) -> None:
    del world
    made = {fleet.instance() for _ in range(12)}
    client = clients("ec2")
    Ec2(client, region=REGION)
    pages = list(client.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["Reservations"]) for page in pages] == [5, 5, 2]
    assert {i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]} == made
    assert {field for page in pages for r in page["Reservations"] for i in r["Instances"] for field in i} <= {
        *ec2_answer.WANTED["Instances"]
    }


def test_a_page_is_asked_for_when_somebody_reads_so_far(clients: Clients, world: World, bodies: list[bytes]) -> None:
    del world
    found = Ec2(clients("ec2"), region=REGION).matching((("instance-state-name", ("running",)),))
    assert bodies == []
    assert list(found) == []
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "inside",
    [
        "<instanceId>i-0a</instanceId>",
        "<instanceId/><tagSet/><instanceState/>",
        "<instanceId>i-0a</instanceId><somethingNew><item><instanceId>i-0b</instanceId></item></somethingNew>",
        "<placement><somethingNew><availabilityZone>b</availabilityZone></somethingNew></placement>",
        "<tagSet><item><key>a</key><value>1</value></item><item><value>2</value><key>b</key></item></tagSet>",
        "<instanceId>i-&#48;a</instanceId><tagSet><item><key>&amp;</key><value><![CDATA[<x>]]></value></item></tagSet>",
        "<operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator>",
        "<operator><managed>false</managed></operator>",
        "<networkInterfaceSet><item><attachment><deviceIndex>1</deviceIndex></attachment></item></networkInterfaceSet>",
        "<launchTime>2026-11-22T09:00:00.000Z</launchTime>",
        "<launchTime>2026-11-22T10:00:00+01:00</launchTime>",
    ],
)
def test_whatever_an_instance_has_is_read_as_botocore_reads_it(inside: str) -> None:
    assert by_us(one(inside))["Reservations"] == by_botocore(one(inside))


def test_a_time_without_a_zone_is_utc() -> None:
    (found,) = by_us(one("<launchTime>2026-11-22T09:00:00</launchTime>"))["Reservations"][0]["Instances"]
    assert found["LaunchTime"] == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert found["LaunchTime"].utcoffset() == timedelta(0)


def test_an_empty_region_has_no_instances(clients: Clients, world: World) -> None:
    del world
    assert Ec2(clients("ec2"), region=REGION).instances() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML",
        b"<DescribeInstancesResponse><reservationSet>",
        one("<launchTime>yesterday</launchTime>"),
        one(
            "<networkInterfaceSet><item><attachment><deviceIndex>x</deviceIndex></attachment></item></networkInterfaceSet>"
        ),
    ],
)
def test_an_answer_that_cannot_be_read_may_be_whole_the_next_time(body: bytes) -> None:
    with pytest.raises(TransientAwsError, match="DescribeInstances") as failed, translated("ec2:DescribeInstances"):
        by_us(body)
    assert failed.value.code == "ResponseParserError"


def test_an_error_is_left_to_botocore() -> None:
    response = {"status_code": 503, "body": b"<html>busy</html>", "headers": {}}
    found: dict[str, Any] = {}
    ec2_answer.take(_OPERATION, response, found)
    assert (found, response["body"]) == ({}, b"<html>busy</html>")
