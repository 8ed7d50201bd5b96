"""Acknowledges cdk-nag findings: each with its reason, on the narrowest construct it holds for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import Acknowledgment, Aws, Validations
from constructs import IConstruct


def acknowledge(scope: IConstruct, reasons: Mapping[str, str]) -> None:
    """Record `reasons` (finding id -> why it stays) on `scope`."""
    Validations.of(scope).acknowledge(*(Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items()))


def acknowledge_resource_wildcards(scope: IConstruct, statements: Iterable[Mapping[str, Any]], reason: str) -> None:
    """Record `reason` for each resource with a wildcard in `statements`, by name: any other one is still a finding."""
    resources = {resource for statement in statements for resource in statement["Resource"] if "*" in resource}
    shown = sorted(
        # The way cdk-nag spells what CloudFormation fills in.
        r.replace(Aws.PARTITION, "<AWS::Partition>").replace(Aws.ACCOUNT_ID, "<AWS::AccountId>")
        for r in resources
    )
    acknowledge(scope, {f"AwsSolutions-IAM5[Resource::{resource}]": reason for resource in shown})
