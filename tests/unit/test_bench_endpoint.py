"""The benchmark's endpoint answers as EC2, SageMaker and DynamoDB document: the figures depend on it."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bench import parsers
from bench.endpoint.account import Account
from bench.endpoint.ec2 import Ec2 as Ec2Service
from bench.endpoint.filters import any_of
from bench.endpoint.fleet import LIMIT, Fleet, filter_text
from bench.endpoint.server import Server
from costwatch.adapters import dynamodb
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ec2 import Ec2
from costwatch.adapters.sagemaker import SageMaker
from costwatch.adapters.table import (
    Absent,
    AbsentOrAtMost,
    AbsentOrBelow,
    Check,
    Condition,
    ConditionFailed,
    Count,
    Delete,
    Equals,
    Exists,
    Key,
    Put,
)

AS_OF = datetime(2026, 11, 27, 12, tzinfo=UTC)
SIZE = 150
JOBS = 120
REGION = "us-east-1"
ROW = Key("partition", "row")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account(Fleet(AS_OF, SIZE, JOBS))) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def client(server: Server) -> Callable[[str], Any]:
    session = boto3.session.Session("bench", "bench", region_name=REGION)
    made: dict[str, Any] = {}

    def make(service: str) -> Any:
        if service not in made:
            make_client: Any = session.client
            made[service] = make_client(service, endpoint_url=server.url)
        return made[service]

    return make


@pytest.fixture
def ec2(server: Server, client: Callable[[str], Any]) -> Any:
    server.account.reset()
    return client("ec2")


@pytest.fixture
def table(server: Server, client: Callable[[str], Any]) -> DynamoTable:
    server.account.reset()
    return DynamoTable(client("dynamodb"), "costwatch-ledger")


def pages(ec2: Any, page_size: int | None = None, /, **filters: list[str]) -> list[list[dict[str, Any]]]:
    """Instances by page. `launch_time=[...]` is the filter `launch-time`."""
    wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
    config = {"PageSize": page_size} if page_size else {}
    found = ec2.get_paginator("describe_instances").paginate(Filters=wanted, PaginationConfig=config)
    return [[i for r in page["Reservations"] for i in r["Instances"]] for page in found]


def ids(ec2: Any, **filters: list[str]) -> set[str]:
    return {instance["InstanceId"] for page in pages(ec2, None, **filters) for instance in page}


def refusal(call: Callable[..., object], **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


# --- the fleet ----------------------------------------------------------------------------------------------------


def test_one_instance_in_fifty_is_past_the_limit_and_no_other_comes_near_it(ec2: Any) -> None:
    ages = [AS_OF - instance["LaunchTime"] for page in pages(ec2) for instance in page]
    assert len(ages) == SIZE
    assert sum(age > LIMIT for age in ages) == SIZE / 50
    assert not [age for age in ages if timedelta(hours=9) < age <= LIMIT]


def test_the_same_numbers_make_the_same_fleet() -> None:
    one, other = Fleet(AS_OF, 100), Fleet(AS_OF, 100)
    assert list(one.instances.values()) == list(other.instances.values())


def test_an_instance_is_as_large_as_ec2_writes_it() -> None:
    assert 9_000 < len(parsers.page_of(100)) / 100 < 9_800


def test_every_parser_reads_the_same_from_an_answer() -> None:
    page = parsers.page_of(40)
    first, *others = [read(page) for read in parsers.VARIANTS.values()]
    assert len(first) == 40
    assert all(other == first for other in others)


def test_costwatchs_own_adapters_read_the_fleet(ec2: Any, client: Callable[[str], Any]) -> None:
    members = Ec2(ec2, region=REGION).instances()
    assert len(members) == SIZE
    assert all(m.alive and m.clock.running_since == m.clock.exists_since for m in members)
    seen = SageMaker(client("sagemaker"), region=REGION).jobs()
    assert (len(seen.members), seen.errors) == (JOBS, [])
    assert all(job.tags and job.clock.running_since for job in seen.members)


# --- filters ------------------------------------------------------------------------------------------------------


def test_filters_are_joined_by_and_their_values_by_or(ec2: Any) -> None:
    spot, large = ids(ec2, instance_lifecycle=["spot"]), ids(ec2, instance_type=["p4d.24xlarge", "p5.48xlarge"])
    assert ids(ec2, instance_lifecycle=["spot"], instance_type=["p4d.24xlarge", "p5.48xlarge"]) == spot & large
    assert spot & large not in (spot, large, set())


def test_wildcards_stand_for_any_number_and_for_exactly_one_character(ec2: Any) -> None:
    assert ids(ec2, instance_type=["p?d.*"]) == ids(ec2, instance_type=["p4d.24xlarge"]) != set()
    assert ids(ec2, instance_type=["p?.48xlarge"]) == ids(ec2, instance_type=["p5.48xlarge"]) != set()
    assert ids(ec2, instance_type=["p4d"]) == set()
    either = ids(ec2, instance_type=["p4d.*"]) | ids(ec2, instance_type=["g5.2*"])
    assert ids(ec2, instance_type=["p4d.*", "g5.2*"]) == either


def test_a_backslash_takes_a_wildcard_as_it_is() -> None:
    assert any_of((r"a\*b",))("a*b")
    assert not any_of((r"a\*b",))("axb")
    assert not any_of(("A*",))("ab")  # with its case


def test_launch_times_are_matched_as_text_with_milliseconds(ec2: Any) -> None:
    (all_instances,) = [[i for page in pages(ec2) for i in page]]
    on_the_26th = {i["InstanceId"] for i in all_instances if i["LaunchTime"].date().isoformat() == "2026-11-26"}
    assert ids(ec2, launch_time=["2026-11-26*"]) == on_the_26th != set()
    launched = all_instances[0]["LaunchTime"]
    assert all_instances[0]["InstanceId"] in ids(ec2, launch_time=[filter_text(launched)])
    assert ids(ec2, launch_time=[f"{launched:%Y-%m-%dT%H:%M:%S}Z"]) == set()


def test_tags_are_found_by_key_and_by_value(ec2: Any) -> None:
    (with_own_limit,) = ids(ec2, tag_key=["costwatch:max-runtime"])
    assert ids(ec2, **{"tag:costwatch:max-runtime": ["20h"]}) == {with_own_limit}
    assert ids(ec2, tag_key=["costwatch:*"]) == ids(ec2, tag_key=["costwatch:max-runtime", "no-such-key"])
    assert len(ids(ec2, **{"tag:Purpose": ["transient-ml-training"]})) == SIZE
    assert ids(ec2, **{"tag:Purpose": ["other"]}) == ids(ec2, **{"tag:purpose": ["transient*"]}) == set()


def test_an_id_that_is_gone_fails_a_call_that_names_it_and_no_filter(ec2: Any) -> None:
    known = sorted(ids(ec2))[:2]
    assert ids(ec2, instance_id=[*known, "i-0123"]) == set(known)
    assert refusal(ec2.describe_instances, InstanceIds=[*known, "i-0123"]) == "InvalidInstanceID.NotFound"


def test_a_filter_takes_200_values_and_not_one_more(ec2: Any) -> None:
    wanted = [f"i-{n:017x}" for n in range(201)]
    assert ids(ec2, instance_id=wanted[:200]) <= set(wanted)
    code = refusal(ec2.describe_instances, Filters=[{"Name": "instance-id", "Values": wanted}])
    assert code == "FilterLimitExceeded"


def test_an_unknown_filter_is_refused(ec2: Any) -> None:
    code = refusal(ec2.describe_instances, Filters=[{"Name": "launch-tiem", "Values": ["*"]}])
    assert code == "InvalidParameterValue"


# --- pages --------------------------------------------------------------------------------------------------------


def test_a_page_holds_what_was_asked_for(ec2: Any) -> None:
    found = pages(ec2, 60)
    assert [len(page) for page in found] == [60, 60, 30]
    assert len({i["InstanceId"] for page in found for i in page}) == SIZE
    assert [len(page) for page in pages(ec2, 75)] == [75, 75]


def test_a_page_holds_a_thousand_where_nothing_is_asked_for() -> None:
    answer = Ec2Service(Fleet(AS_OF, 1001)).answer("DescribeInstances", b"Action=DescribeInstances")
    assert answer.count(b"<instanceId>") == 1000
    assert answer.count(b"<nextToken>") == 1


def test_pages_count_what_is_left_after_filtering(ec2: Any) -> None:
    assert [len(page) for page in pages(ec2, 20, instance_type=["p4d.*"])] == [20, 18]


@pytest.mark.parametrize("most", [4, 1001])
def test_pages_outside_of_5_to_1000_are_refused(ec2: Any, most: int) -> None:
    assert refusal(ec2.describe_instances, MaxResults=most) == "InvalidParameterValue"


def test_a_token_goes_only_with_the_filters_that_it_came_from(ec2: Any) -> None:
    token = ec2.describe_instances(MaxResults=5)["NextToken"]
    assert len(ec2.describe_instances(MaxResults=5, NextToken=token)["Reservations"]) == 5
    state = [{"Name": "instance-state-name", "Values": ["running"]}]
    assert refusal(ec2.describe_instances, MaxResults=5, NextToken=token, Filters=state) == "InvalidParameterValue"


# --- what changes -------------------------------------------------------------------------------------------------


def test_a_terminated_instance_is_no_longer_running_until_the_reset(server: Server, ec2: Any) -> None:
    chosen = sorted(ids(ec2))[:2]
    ec2.terminate_instances(InstanceIds=chosen)
    assert not set(chosen) & ids(ec2, instance_state_name=["running"])
    assert ids(ec2, instance_state_name=["shutting-down"]) == set(chosen)
    server.account.reset()
    assert len(ids(ec2, instance_state_name=["running"])) == SIZE


def test_one_unknown_id_terminates_none(ec2: Any) -> None:
    known = sorted(ids(ec2))[0]
    assert refusal(ec2.terminate_instances, InstanceIds=[known, "i-0123"]) == "InvalidInstanceID.NotFound"
    assert len(ids(ec2, instance_state_name=["running"])) == SIZE


def test_spot_requests_name_their_instances(ec2: Any) -> None:
    spot = [i for i in pages(ec2, 5)[0] if "SpotInstanceRequestId" in i]
    wanted = [{"Name": "spot-instance-request-id", "Values": [i["SpotInstanceRequestId"] for i in spot]}]
    found = ec2.describe_spot_instance_requests(Filters=wanted)["SpotInstanceRequests"]
    assert {(r["SpotInstanceRequestId"], r["InstanceId"]) for r in found} == {
        (i["SpotInstanceRequestId"], i["InstanceId"]) for i in spot
    }


# --- the ledger's table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "on_absent", "on_five"),
    [
        (None, True, True),
        (Absent(), True, False),
        (Exists(), False, True),
        (Equals("n", 5), False, True),
        (Equals("n", 4), False, False),
        (AbsentOrBelow("n", 6), True, True),
        (AbsentOrBelow("n", 5), True, False),
        (AbsentOrAtMost("n", 5), True, True),
        (AbsentOrAtMost("n", 4), True, False),
    ],
)
def test_the_ledgers_conditions_hold_where_dynamodb_lets_them(
    table: DynamoTable, condition: Condition | None, on_absent: bool, on_five: bool
) -> None:
    def written() -> bool:
        try:
            table.transact([Put({"pk": ROW.pk, "sk": ROW.sk, "n": 5}, condition)])
        except ConditionFailed:
            return False
        return True

    assert written() is on_absent
    table.transact([Put({"pk": ROW.pk, "sk": ROW.sk, "n": 5})])
    assert written() is on_five


def test_a_transaction_is_written_whole_or_not_at_all_and_says_what_failed(table: DynamoTable) -> None:
    other = {"pk": "partition", "sk": "other"}
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put(other), Check(ROW, Exists())])
    assert failed.value.indexes == (1,)
    assert table.query("partition") == []
    table.transact([Put(other), Count(ROW, "stops", AbsentOrBelow("stops", 1), {"kept": "x"})])
    assert table.get(ROW) == {"pk": ROW.pk, "sk": ROW.sk, "stops": 1, "kept": "x"}
    with pytest.raises(ConditionFailed):
        table.transact([Delete(Key("partition", "other")), Count(ROW, "stops", AbsentOrBelow("stops", 1))])
    assert [item["sk"] for item in table.query("partition")] == ["other", "row"]


def test_a_query_is_in_order_over_pages_of_a_megabyte(server: Server, table: DynamoTable) -> None:
    wanted = [f"a{n:02d}" for n in range(12)]
    for sk in [*reversed(wanted), "b"]:
        table.transact([Put({"pk": "large", "sk": sk, "text": "x" * 200_000})])
    server.account.forget_calls()
    assert [item["sk"] for item in table.query("large", prefix="a")] == wanted
    assert server.account.calls() == {"dynamodb:Query": 3}


def test_a_query_asked_for_less_is_in_order_over_smaller_pages(
    server: Server, table: DynamoTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb, "_PART", 2)
    wanted = [f"a{n}" for n in range(4)]
    table.batch([Put({"pk": "few", "sk": sk}) for sk in wanted])
    server.account.forget_calls()
    assert [item["sk"] for item in table.each("few")] == wanted
    assert server.account.calls() == {"dynamodb:Query": 3}  # a full page does not say that it is the last one


def test_the_index_lists_a_day_by_time_from_a_moment_on(table: DynamoTable) -> None:
    for n, at in enumerate(("2026-11-27T09", "2026-11-27T08", "2026-11-26T23")):
        table.transact([Put({"pk": f"run{n}", "sk": "line", "day": at[:10], "at": at})])
    assert [item["at"] for item in table.query_day("2026-11-27")] == ["2026-11-27T08", "2026-11-27T09"]
    assert [item["at"] for item in table.query_day("2026-11-27", since="2026-11-27T09")] == ["2026-11-27T09"]


def test_batches_are_bounded_as_dynamodb_bounds_them(client: Callable[[str], Any], table: DynamoTable) -> None:
    raw = client("dynamodb")
    puts = [{"PutRequest": {"Item": {"pk": {"S": "batch"}, "sk": {"S": f"{n:03d}"}}}} for n in range(26)]
    assert refusal(raw.batch_write_item, RequestItems={"t": puts}) == "ValidationException"
    raw.batch_write_item(RequestItems={"t": puts[:25]})
    assert len(table.query("batch")) == 25
    keys = [{"pk": {"S": "batch"}, "sk": {"S": f"{n:03d}"}} for n in range(101)]
    assert refusal(raw.batch_get_item, RequestItems={"t": {"Keys": keys}}) == "ValidationException"
    answer = raw.batch_get_item(RequestItems={"t": {"Keys": keys[:100]}})
    assert (len(answer["Responses"]["t"]), answer["UnprocessedKeys"]) == (25, {})


# --- counting -----------------------------------------------------------------------------------------------------


def test_every_call_is_counted_by_its_operation_a_refused_one_too(server: Server, client: Callable[[str], Any]) -> None:
    server.account.reset()
    client("sts").get_caller_identity()
    client("ssm").get_parameter(Name="/costwatch/deployment")
    assert refusal(client("ec2").describe_vpcs) == "InvalidAction"
    list(client("sagemaker").get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100}))
    with urllib.request.urlopen(f"{server.url}/__calls", timeout=5) as answer:
        assert json.load(answer) == {
            "ec2:DescribeVpcs": 1,
            "sagemaker:ListTrainingJobs": 2,
            "ssm:GetParameter": 1,
            "sts:GetCallerIdentity": 1,
        }
