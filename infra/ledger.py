"""The ledger: one DynamoDB table, the only state there is."""

from __future__ import annotations

from typing import Final

from aws_cdk import CfnDeletionPolicy, CfnOutput, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from costwatch import names
from costwatch.errors import ConfigError

KEEP: Final = "keep"
DELETE: Final = "delete"
OUTPUT: Final = "LedgerTableName"
"""Each deploy prints it: once the stack is gone nothing else says which table it was."""


def read_keeps(value: object) -> bool:
    """Whether the ledger stays when the stack goes; it does unless somebody says otherwise. Raises ConfigError."""
    if value not in (None, KEEP, DELETE):
        raise ConfigError(
            f"context ledger is {value!r}; expected {KEEP} or {DELETE}: what becomes of it with the stack"
        )
    return value != DELETE


class Ledger(Construct):
    """On demand, recoverable to any second of the last 35 days. `keep`: whether it stays when the stack goes.

    A replacement by an update never deletes the one before.
    """

    def __init__(self, scope: Construct, construct_id: str, *, keep: bool) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text(names.TABLE_PARTITION_KEY),
            sort_key=_text(names.TABLE_SORT_KEY),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=names.TABLE_TTL_ATTRIBUTE,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            removal_policy=RemovalPolicy.RETAIN,
        )
        name = CfnOutput(self, OUTPUT, value=self.table.table_name, description="Costwatch's ledger; keep the name")
        name.override_logical_id(OUTPUT)
        table = self.table.node.default_child
        if not keep and isinstance(table, dynamodb.CfnTable):
            table.cfn_options.deletion_policy = CfnDeletionPolicy.DELETE
        self.table.add_global_secondary_index(
            index_name=names.INDEX_BY_DAY,
            partition_key=_text(names.INDEX_BY_DAY_PARTITION_KEY),
            sort_key=_text(names.INDEX_BY_DAY_SORT_KEY),
            projection_type=dynamodb.ProjectionType.ALL,
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
