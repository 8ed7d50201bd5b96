"""The ledger's table on DynamoDB."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from costwatch import names
from costwatch.adapters.aws_errors import translated
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
    Item,
    Key,
    Put,
    Write,
)
from costwatch.errors import TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_CONFLICT_TRIES = 4
_BATCH = 25
_PART = 250


class DynamoTable:
    """Conditions are judged by DynamoDB itself; a conflict with another transaction is tried again with jitter."""

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name
        self._encode: Callable[[Any], Any] = TypeSerializer().serialize
        self._decode: Callable[[Any], Any] = TypeDeserializer().deserialize

    def get(self, key: Key) -> Item | None:
        """Strongly consistent."""
        with translated("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table_name, Key=self._key(key), ConsistentRead=True)
        return self._item(answer["Item"]) if "Item" in answer else None

    def query(self, pk: str, *, prefix: str = "") -> list[Item]:
        """Strongly consistent, all pages."""
        return list(self._pages(**self._partition(pk, prefix)))

    def each(self, pk: str) -> Iterator[Item]:
        """Strongly consistent. Parsed, a page of 1 MB takes a dozen times more: a part of it at once is enough."""
        return self._pages(**self._partition(pk), PaginationConfig={"PageSize": _PART})

    def _partition(self, pk: str, prefix: str = "") -> dict[str, Any]:
        names_ = {"#pk": names.TABLE_PARTITION_KEY}
        values: dict[str, Any] = {":pk": self._encode(pk)}
        expression = "#pk = :pk"
        if prefix:
            names_["#sk"] = names.TABLE_SORT_KEY
            values[":prefix"] = self._encode(prefix)
            expression += " AND begins_with(#sk, :prefix)"
        return {
            "KeyConditionExpression": expression,
            "ExpressionAttributeNames": names_,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }

    def query_day(self, day: str, *, since: str = "") -> list[Item]:
        """From the index, so eventually consistent."""
        found = self._pages(
            IndexName=names.INDEX_BY_DAY,
            KeyConditionExpression="#day = :day AND #at >= :since",
            ExpressionAttributeNames={
                "#day": names.INDEX_BY_DAY_PARTITION_KEY,
                "#at": names.INDEX_BY_DAY_SORT_KEY,
            },
            ExpressionAttributeValues={":day": self._encode(day), ":since": self._encode(since or "0")},
        )
        return list(found)

    def put(self, write: Put) -> None:
        """One PutItem. Raises ConditionFailed."""
        arguments: Any = self._write(write)["Put"]
        with translated("dynamodb:PutItem"):
            try:
                self._client.put_item(**arguments)
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise ConditionFailed((0,)) from error

    def transact(self, writes: Sequence[Write]) -> None:
        """One TransactWriteItems. Raises ConditionFailed, also when another transaction stays in the way."""
        items: Any = [self._write(write) for write in writes]
        for attempt in range(_CONFLICT_TRIES):
            try:
                with translated("dynamodb:TransactWriteItems"):
                    try:
                        self._client.transact_write_items(TransactItems=items)
                    except self._client.exceptions.TransactionCanceledException as error:
                        self._judge_cancelled(error)
            except _Conflict:
                if attempt + 1 < _CONFLICT_TRIES:
                    time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - jitter, not a secret
                continue
            return
        raise ConditionFailed(())

    def batch(self, writes: Sequence[Put | Delete]) -> None:
        """BatchWriteItem. What DynamoDB leaves over is written again, and given up after a few tries."""
        for start in range(0, len(writes), _BATCH):
            waiting: Any = [self._request(write) for write in writes[start : start + _BATCH]]
            for attempt in range(_CONFLICT_TRIES):
                with translated("dynamodb:BatchWriteItem"):
                    answer = self._client.batch_write_item(RequestItems={self._table_name: waiting})
                waiting = answer.get("UnprocessedItems", {}).get(self._table_name, [])
                if not waiting:
                    break
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - jitter, not a secret
            else:
                raise TransientAwsError(f"dynamodb:BatchWriteItem: {len(waiting)} writes were left over")

    def _request(self, write: Put | Delete) -> Any:
        if write.condition is not None:
            raise ValueError("a batch judges no condition")
        if isinstance(write, Put):
            return {"PutRequest": {"Item": {name: self._encode(value) for name, value in write.item.items()}}}
        return {"DeleteRequest": {"Key": self._key(write.key)}}

    @staticmethod
    def _judge_cancelled(error: ClientError) -> None:
        reasons: list[Any] = error.response.get("CancellationReasons", [])
        codes = [reason.get("Code") for reason in reasons]
        failed = [index for index, code in enumerate(codes) if code == "ConditionalCheckFailed"]
        if failed:
            raise ConditionFailed(failed) from error
        if "TransactionConflict" in codes:
            raise _Conflict from error
        raise error

    def _pages(self, **arguments: Any) -> Iterator[Item]:
        with translated("dynamodb:Query"):
            for page in self._client.get_paginator("query").paginate(TableName=self._table_name, **arguments):
                left = page["Items"]
                left.reverse()
                while left:  # what was read is let go: the paginator has this page while it asks for the next one
                    yield self._item(left.pop())

    def _write(self, write: Write) -> dict[str, Any]:
        match write:
            case Put(item, condition):
                encoded = {name: self._encode(value) for name, value in item.items()}
                return {"Put": {"TableName": self._table_name, "Item": encoded, **self._condition(condition)}}
            case Delete(key, condition):
                return {"Delete": {"TableName": self._table_name, "Key": self._key(key), **self._condition(condition)}}
            case Check(key, condition):
                return {
                    "ConditionCheck": {
                        "TableName": self._table_name,
                        "Key": self._key(key),
                        **self._condition(condition),
                    }
                }
            case Count(key, name, condition, also):
                sets = [f"#s{i} = :s{i}" for i in range(len(also))]
                rendered = self._condition(condition)
                names_ = {"#count": name, **{f"#s{i}": n for i, n in enumerate(also)}}
                values = {":one": self._encode(1), **{f":s{i}": self._encode(v) for i, v in enumerate(also.values())}}
                return {
                    "Update": {
                        "TableName": self._table_name,
                        "Key": self._key(key),
                        "UpdateExpression": "ADD #count :one" + (f" SET {', '.join(sets)}" if sets else ""),
                        **rendered,
                        "ExpressionAttributeNames": {**rendered.get("ExpressionAttributeNames", {}), **names_},
                        "ExpressionAttributeValues": {**rendered.get("ExpressionAttributeValues", {}), **values},
                    }
                }

    def _condition(self, condition: Condition | None) -> dict[str, Any]:
        if condition is None:
            return {}
        built = ConditionExpressionBuilder().build_expression(_attr(condition))
        rendered: dict[str, Any] = {
            "ConditionExpression": built.condition_expression,
            "ExpressionAttributeNames": dict(built.attribute_name_placeholders),
        }
        if built.attribute_value_placeholders:
            rendered["ExpressionAttributeValues"] = {
                name: self._encode(value) for name, value in built.attribute_value_placeholders.items()
            }
        return rendered

    def _key(self, key: Key) -> dict[str, Any]:
        return {
            names.TABLE_PARTITION_KEY: self._encode(key.pk),
            names.TABLE_SORT_KEY: self._encode(key.sk),
        }

    def _item(self, raw: Any) -> Item:
        # Nearly all is text, which needs no decoding: a sweep reads thousands of rows.
        return {name: value["S"] if "S" in value else self._decode(value) for name, value in raw.items()}


class _Conflict(Exception):
    """Another transaction touched the same item at the same moment."""


def _attr(condition: Condition) -> ConditionBase:
    match condition:
        case Absent():
            return Attr(names.TABLE_PARTITION_KEY).not_exists()
        case Exists():
            return Attr(names.TABLE_PARTITION_KEY).exists()
        case Equals(name, value):
            return Attr(name).eq(value)
        case AbsentOrBelow(name, value):
            return Attr(name).not_exists() | Attr(name).lt(value)
        case AbsentOrAtMost(name, value):
            return Attr(name).not_exists() | Attr(name).lte(value)
