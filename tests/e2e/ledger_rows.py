"""The rows of the table that was deployed."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from costwatch import names
from costwatch.adapters.ledger import DEPLOYED
from tests.e2e.deployed import Deployed


def ledger_items(deployed: Deployed) -> list[dict[str, Any]]:
    answer = deployed.aws.client("dynamodb").scan(TableName=deployed.parameter["table"], ConsistentRead=True)
    decode = TypeDeserializer().deserialize
    return [{name: decode(value) for name, value in item.items()} for item in answer["Items"]]


def timeline(deployed: Deployed, run: str) -> list[dict[str, Any]]:
    """The ledger's rows of a run, oldest first, from the table that was deployed."""
    partition = f"run#{DEPLOYED}#{deployed.aws.account_id}/{deployed.aws.region}/{run}"
    answer = deployed.aws.client("dynamodb").query(
        TableName=deployed.parameter["table"],
        KeyConditionExpression="#pk = :pk",
        ExpressionAttributeNames={"#pk": names.TABLE_PARTITION_KEY},
        ExpressionAttributeValues={":pk": {"S": partition}},
    )
    read = TypeDeserializer().deserialize
    return [{name: read(value) for name, value in item.items()} for item in answer["Items"]]
