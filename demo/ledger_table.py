"""The ledger's table as infra/ledger.py deploys it, for an AWS without CloudFormation."""

from __future__ import annotations

from typing import Any

from costwatch import names


def create_ledger_table(dynamodb: Any, name: str) -> None:
    """`dynamodb` is a client; the table is there when this returns."""
    key, sort = names.TABLE_PARTITION_KEY, names.TABLE_SORT_KEY
    day, at = names.INDEX_BY_DAY_PARTITION_KEY, names.INDEX_BY_DAY_SORT_KEY
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in (key, sort, day, at)],
        KeySchema=_keys(key, sort),
        GlobalSecondaryIndexes=[
            {
                "IndexName": names.INDEX_BY_DAY,
                "KeySchema": _keys(day, at),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
