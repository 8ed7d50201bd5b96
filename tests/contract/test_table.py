"""The table's own contract, the same on DynamoDB (moto) and in memory, and what DynamoDB alone can answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from costwatch.adapters import dynamodb
from costwatch.adapters.dynamodb import DynamoTable
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
    Table,
)
from costwatch.errors import PermanentAwsError, TransientAwsError
from tests.support.builders import REGION

# --- the table's own contract ---------------------------------------------------------------------------------


KEY = Key("pk", "sk")


@pytest.mark.parametrize(
    ("item", "condition", "holds"),
    [
        (None, Absent(), True),
        ({"n": 1}, Absent(), False),
        (None, Exists(), False),
        ({"n": 1}, Exists(), True),
        (None, Equals("n", 1), False),
        ({}, Equals("n", 1), False),
        ({"n": 1}, Equals("n", 1), True),
        ({"n": 2}, Equals("n", 1), False),
        (None, AbsentOrBelow("n", 2), True),
        ({}, AbsentOrBelow("n", 2), True),
        ({"n": 1}, AbsentOrBelow("n", 2), True),
        ({"n": 2}, AbsentOrBelow("n", 2), False),
        (None, AbsentOrAtMost("t", "b"), True),
        ({"t": "a"}, AbsentOrAtMost("t", "b"), True),
        ({"t": "b"}, AbsentOrAtMost("t", "b"), True),
        ({"t": "c"}, AbsentOrAtMost("t", "b"), False),
    ],
)
def test_a_condition_is_judged_alike_for_every_kind_of_write(
    table: Table, item: dict[str, Any] | None, condition: Condition, holds: bool
) -> None:
    for write in (
        Put({"pk": "pk", "sk": "sk", "new": True}, condition),
        Delete(KEY, condition),
        Check(KEY, condition),
        Count(KEY, "n2", condition, {"also": "x"}),
    ):
        table.transact([Delete(KEY)] if item is None else [Put({"pk": "pk", "sk": "sk", **item})])
        before = table.get(KEY)
        beside = Put({"pk": "pk", "sk": f"beside {type(write).__name__}"})
        if holds:
            table.transact([beside, write])
        else:
            with pytest.raises(ConditionFailed) as failed:
                table.transact([beside, write])
            assert failed.value.indexes == (1,)
            assert table.get(KEY) == before
        assert (table.get(Key("pk", beside.item["sk"])) is not None) is holds, "all or nothing"


def test_a_count_begins_at_one_and_sets_what_stands_beside_it(table: Table) -> None:
    for expected in (1, 2, 3):
        table.transact([Count(KEY, "stops", AbsentOrBelow("stops", 3), {"expires_at": expected})])
        assert table.get(KEY) == {"pk": "pk", "sk": "sk", "stops": expected, "expires_at": expected}
    with pytest.raises(ConditionFailed):
        table.transact([Count(KEY, "stops", AbsentOrBelow("stops", 3))])


def test_a_query_finds_a_prefix_of_one_partition_in_order_over_all_pages(table: Table) -> None:
    filler = "x" * 40_000
    for n in (3, 1, 2, 0):
        for wide in range(10):
            table.transact([Put({"pk": "p", "sk": f"a#{n}#{wide}", "filler": filler})])
    table.transact([Put({"pk": "p", "sk": "b#0"}), Put({"pk": "q", "sk": "a#0"})])
    assert [item["sk"] for item in table.query("p", prefix="a#")] == [f"a#{n}#{w}" for n in range(4) for w in range(10)]
    assert len(table.query("p")) == 41


def test_what_is_read_a_few_at_a_time_is_all_of_it_in_order(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "_PART", 2)
    table.batch([Put({"pk": "p", "sk": str(n), "value": n}) for n in (3, 1, 4, 0, 2)])
    table.put(Put({"pk": "q", "sk": "0"}))
    assert [(item["sk"], item["value"]) for item in table.each("p")] == [(str(n), n) for n in range(5)]
    assert list(table.each("nothing")) == []


def test_rows_that_are_alike_are_each_their_own(table: Table) -> None:
    rows = [{"pk": "p", "sk": str(n), "text": f"run {n}", "parts": [{"id": n}]} for n in range(3)]
    for row in rows:
        table.put(Put(row))
        row["parts"][0]["id"] = "changed by whoever wrote it"  # type: ignore[index]
    found = table.query("p")
    assert [(item["text"], item["parts"]) for item in found] == [(f"run {n}", [{"id": n}]) for n in range(3)]
    found[0]["parts"][0]["id"] = "changed by whoever read it"
    assert table.query("p")[0]["parts"] == [{"id": 0}]


def test_a_batch_puts_and_deletes(table: Table) -> None:
    table.batch([Put({"pk": "a", "sk": str(n), "value": n}) for n in range(30)])
    table.batch([Delete(Key("a", str(n))) for n in range(29)])
    assert table.query("a") == [{"pk": "a", "sk": "29", "value": 29}]


def test_a_batch_judges_no_condition_so_it_takes_none(table: Table) -> None:
    with pytest.raises(ValueError, match="condition"):
        table.batch([Put({"pk": "a", "sk": "b"}, Absent())])


# --- DynamoDB alone -------------------------------------------------------------------------------------------


def cancelled(stub: Stubber, *codes: str) -> None:
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DynamoTable, Stubber, list[float]]]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    made: Any = boto3.client(
        "dynamodb", region_name=REGION, aws_access_key_id="embedded", aws_secret_access_key="embedded"
    )
    with Stubber(made) as stub:
        yield DynamoTable(made, "costwatch-ledger"), stub, slept
        stub.assert_no_pending_responses()


def test_a_conflict_with_another_transaction_is_tried_again_after_a_pause(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, slept = stubbed
    cancelled(stub, "None", "TransactionConflict")
    stub.add_response("transact_write_items", {})
    table.transact([Put({"pk": "a", "sk": "b"}), Check(KEY, Exists())])
    assert len(slept) == 1
    assert slept[0] > 0


def test_a_conflict_that_stays_is_another_writer_in_the_way(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, _ = stubbed
    for _attempt in range(4):
        cancelled(stub, "TransactionConflict")
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put({"pk": "a", "sk": "b"})])
    assert failed.value.indexes == ()


def test_a_failed_condition_beside_a_conflict_is_not_tried_again(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, slept = stubbed
    cancelled(stub, "TransactionConflict", "ConditionalCheckFailed")
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put({"pk": "a", "sk": "b"}), Check(KEY, Exists())])
    assert (failed.value.indexes, slept) == ((1,), [])


@pytest.mark.parametrize(
    ("code", "kind"),
    [("ThrottlingException", TransientAwsError), ("ProvisionedThroughputExceededException", TransientAwsError),
     ("AccessDeniedException", PermanentAwsError), ("ResourceNotFoundException", PermanentAwsError)],
)  # fmt: skip
def test_a_refused_call_is_translated(
    stubbed: tuple[DynamoTable, Stubber, list[float]], code: str, kind: type[Exception]
) -> None:
    table, stub, _ = stubbed
    stub.add_client_error("get_item", code)
    with pytest.raises(kind, match=f"dynamodb:GetItem: {code}"):
        table.get(KEY)


def test_a_transaction_cancelled_for_another_reason_is_an_error_and_no_lost_race(
    stubbed: tuple[DynamoTable, Stubber, list[float]],
) -> None:
    table, stub, _ = stubbed
    cancelled(stub, "ValidationError")
    with pytest.raises(PermanentAwsError) as error:
        table.transact([Put({"pk": "a", "sk": "b"})])
    assert isinstance(error.value.__cause__, ClientError)


class _Leaves:
    """A DynamoDB that leaves the last write of each call over, `times` times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.written: list[Any] = []
        self.calls = 0

    def batch_write_item(self, *, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        (name,) = RequestItems
        requests = RequestItems[name]
        assert len(requests) <= 25
        self.calls += 1
        kept = requests if self.times <= 0 else requests[:-1]
        self.written += kept
        self.times -= 1
        left = requests[len(kept) :]
        return {"UnprocessedItems": {name: left} if left else {}}


def test_what_dynamodb_leaves_over_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costwatch.adapters.dynamodb.time.sleep", lambda _seconds: None)
    leaves: Any = _Leaves(2)
    DynamoTable(leaves, "ledger").batch([Put({"pk": "a", "sk": str(n)}) for n in range(30)])
    assert (len(leaves.written), leaves.calls) == (30, 4)


def test_what_it_leaves_over_every_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costwatch.adapters.dynamodb.time.sleep", lambda _seconds: None)
    leaves: Any = _Leaves(99)
    with pytest.raises(TransientAwsError, match="1 writes were left over"):
        DynamoTable(leaves, "ledger").batch([Put({"pk": "a", "sk": str(n)}) for n in range(3)])
