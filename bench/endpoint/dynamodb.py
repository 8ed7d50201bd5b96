"""DynamoDB, JSON protocol: one table in memory with its index, conditions, transactions, batches and pages of 1 MB.

A page that `Limit` ends names a next one, as in AWS, even where nothing is left.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from threading import Lock
from typing import Any, Final

from bench.endpoint.errors import Refused
from bench.endpoint.expressions import Given, holds
from costwatch import names

MOST_IN_TRANSACTION: Final = 100
MOST_IN_WRITE_BATCH: Final = 25
MOST_IN_READ_BATCH: Final = 100
PAGE_BYTES: Final = 1_000_000

_PK, _SK = names.TABLE_PARTITION_KEY, names.TABLE_SORT_KEY
_DAY, _AT = names.INDEX_BY_DAY_PARTITION_KEY, names.INDEX_BY_DAY_SORT_KEY
_ASSIGNED: Final = re.compile(r"(#?\w+) = (:\w+)")
_FAILED: Final = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}

Body = Mapping[str, Any]


class DynamoDb:
    """Any table name is this table. Items are kept as the text they came in: that is a third of the memory."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._partitions: dict[str, dict[str, str]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._operations: dict[str, Callable[[Body], Body]] = {
            "GetItem": self._get,
            "PutItem": lambda body: self._write_all([{"Put": body}]),
            "DeleteItem": lambda body: self._write_all([{"Delete": body}]),
            "UpdateItem": lambda body: self._write_all([{"Update": body}]),
            "Query": self._query,
            "TransactWriteItems": self._transact,
            "BatchWriteItem": self._batch_write,
            "BatchGetItem": self._batch_get,
        }

    def answer(self, operation: str, body: Body) -> Body:
        """One call at a time, as its conditions demand. Raises Refused."""
        if operation not in self._operations:
            raise Refused("UnknownOperationException", f"{operation} is not known here")
        with self._lock:
            return self._operations[operation](body)

    def reset(self) -> None:
        """An empty table."""
        with self._lock:
            self._partitions.clear()
            self._sorted.clear()

    # --- reads ---------------------------------------------------------------------------------------

    def _get(self, body: Body) -> Body:
        found = self._text(_key(body["Key"]))
        return {"Item": json.loads(found)} if found is not None else {}

    def _batch_get(self, body: Body) -> Body:
        answers: dict[str, list[Any]] = {}
        keys = [(table, each) for table, wanted in body["RequestItems"].items() for each in wanted["Keys"]]
        if not 1 <= len(keys) <= MOST_IN_READ_BATCH:
            raise Refused("ValidationException", f"Too many items for BatchGetItem: {len(keys)}")
        for table, each in keys:
            found = self._text(_key(each))
            answers.setdefault(table, []).extend([json.loads(found)] if found is not None else [])
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _query(self, body: Body) -> Body:
        """In the order of the sort key; of the table, or of the index by day."""
        by_day = body.get("IndexName") == names.INDEX_BY_DAY
        given = (body.get("ExpressionAttributeNames", {}), body.get("ExpressionAttributeValues", {}))
        wanted = body["KeyConditionExpression"]
        partition = self._partition_asked(wanted, *given)
        start = body.get("ExclusiveStartKey")
        after = _place(start, by_day=by_day) if start else ()
        items = self._of_day(partition) if by_day else self._of_partition(partition, after)
        found: list[Any] = []
        size = 0
        for place, text in items:
            if place <= after:
                continue
            item = json.loads(text)
            if not holds(wanted, Given(item, *given)):
                continue
            found.append(item)
            size += len(text)
            if size >= PAGE_BYTES or len(found) == body.get("Limit"):
                last = {name: item[name] for name in (_PK, _SK, *((_DAY, _AT) if by_day else ()))}
                return {"Items": found, "Count": len(found), "LastEvaluatedKey": last}
        return {"Items": found, "Count": len(found)}

    @staticmethod
    def _partition_asked(expression: str, names_: Mapping[str, str], values: Mapping[str, Any]) -> str:
        """Of the equality that every key condition begins with here."""
        matched = re.match(r"\(?(#?\w+) = (:\w+)", expression)
        if matched is None or names_.get(matched[1], matched[1]) not in (_PK, _DAY):
            raise Refused("ValidationException", f"Query condition missed key schema element: {expression}")
        return str(values[matched[2]]["S"])

    def _of_partition(self, pk: str, after: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        items = self._partitions.get(pk, {})
        if pk not in self._sorted:  # a page of many would sort them all again
            self._sorted[pk] = sorted(items)
        keys = self._sorted[pk]
        first = bisect_right(keys, after[0]) if after else 0
        return (((keys[n],), items[keys[n]]) for n in range(first, len(keys)))

    def _of_day(self, day: str) -> Iterable[tuple[tuple[str, ...], str]]:
        marked = f'"{_DAY}": {{"S": "{day}"}}'
        texts = (text for partition in self._partitions.values() for text in partition.values() if marked in text)
        return sorted((_place(json.loads(text), by_day=True), text) for text in texts)

    # --- writes --------------------------------------------------------------------------------------

    def _transact(self, body: Body) -> Body:
        return self._write_all(body["TransactItems"], transaction=True)

    def _batch_write(self, body: Body) -> Body:
        requests = [each for wanted in body["RequestItems"].values() for each in wanted]
        if not 1 <= len(requests) <= MOST_IN_WRITE_BATCH:
            raise Refused("ValidationException", f"Too many items for BatchWriteItem: {len(requests)}")
        self._write_all([{kind.removesuffix("Request"): each for kind, each in r.items()} for r in requests])
        return {"UnprocessedItems": {}}

    def _write_all(self, writes: Sequence[Mapping[str, Any]], *, transaction: bool = False) -> Body:
        """All or none. A write is `{"Put": {...}}`, or Delete, Update, ConditionCheck."""
        if len(writes) > MOST_IN_TRANSACTION:
            raise Refused("ValidationException", f"{len(writes)} writes are more than {MOST_IN_TRANSACTION}")
        named = [(kind, write) for each in writes for kind, write in each.items()]
        each = [(kind, write, _key(write["Item"] if kind == "Put" else write["Key"])) for kind, write in named]
        if len({key for _, _, key in each}) != len(each):
            raise Refused("ValidationException", "Transaction request cannot include multiple operations on one item")
        fine = [self._holds(write, key) for _, write, key in each]
        if not all(fine):
            if transaction:
                raise _cancelled(fine)
            raise Refused("ConditionalCheckFailedException", _FAILED["Message"])
        for kind, write, key in each:
            self._apply(kind, write, key)
        return {}

    def _holds(self, write: Body, key: tuple[str, str]) -> bool:
        expression = write.get("ConditionExpression")
        if expression is None:
            return True
        text = self._text(key)
        item = json.loads(text) if text is not None else {}
        return holds(
            expression,
            Given(item, write.get("ExpressionAttributeNames", {}), write.get("ExpressionAttributeValues", {})),
        )

    def _apply(self, kind: str, write: Body, key: tuple[str, str]) -> None:
        pk, sk = key
        self._sorted.pop(pk, None)
        match kind:
            case "Put":
                self._partitions.setdefault(pk, {})[sk] = json.dumps(write["Item"])
            case "Delete":
                self._partitions.get(pk, {}).pop(sk, None)
            case "Update":
                text = self._text(key)
                item = json.loads(text) if text is not None else dict(write["Key"])
                self._partitions.setdefault(pk, {})[sk] = json.dumps(_updated(item, write))

    def _text(self, key: tuple[str, str]) -> str | None:
        return self._partitions.get(key[0], {}).get(key[1])


def _key(attributes: Mapping[str, Any]) -> tuple[str, str]:
    try:
        return attributes[_PK]["S"], attributes[_SK]["S"]
    except KeyError as missing:
        raise Refused("ValidationException", "The provided key element does not match the schema") from missing


def _place(item: Mapping[str, Any], *, by_day: bool) -> tuple[str, ...]:
    """Where an item stands in its listing."""
    return (item[_AT]["S"], item[_PK]["S"], item[_SK]["S"]) if by_day else (item[_SK]["S"],)


def _updated(item: dict[str, Any], write: Body) -> dict[str, Any]:
    """`ADD #count :one SET #a = :a, #b = :b`, the parts in any order."""
    names_, values = write.get("ExpressionAttributeNames", {}), write.get("ExpressionAttributeValues", {})
    expression = write["UpdateExpression"]
    parts = re.split(r"\b(ADD|SET)\b", expression)
    if parts[0].strip():
        raise Refused("ValidationException", f"Invalid UpdateExpression: {expression}")
    for verb, text in zip(parts[1::2], parts[2::2], strict=True):
        if verb == "SET":
            for name, value in _ASSIGNED.findall(text):
                item[names_.get(name, name)] = values[value]
        else:
            name, value = text.split()
            before = item.get(names_.get(name, name), {"N": "0"})
            item[names_.get(name, name)] = {"N": str(Decimal(before["N"]) + Decimal(values[value]["N"]))}
    return item


def _cancelled(fine: Sequence[bool]) -> Refused:
    reasons = [{"Code": "None"} if held else _FAILED for held in fine]
    codes = ", ".join(reason["Code"] for reason in reasons)
    return Refused(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        {"CancellationReasons": reasons},
    )
