"""What the RES breaker may write into the model registry, from the configuration: nothing unless it is in enforce.

One action, on versions of the configured groups in the configured regions, and only with the status that it may set:
Rejected, and Approved where `auto_approve` is switched on. IAM reads the status from the request itself, so while the
switch is off no mistake in the code can promote a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.policy_size import MANAGED_POLICY_CHARACTERS, Statement, policy_characters

WRITE: Final = "sagemaker:UpdateModelPackage"
STATUS: Final = "sagemaker:ModelApprovalStatus"
# The longest values that the account and the partition can have once CloudFormation fills them in.
_LONGEST: Final = {"account": "0" * 12, "partition": "aws-us-gov"}


def write_policies(policy: Mapping[str, Any], *, account: str, partition: str) -> list[list[Statement]]:
    """Managed policies for the body of policy.json, each with one statement and no longer than IAM takes."""
    res = policy.get("res")
    if res is None or res["mode"] != "enforce":
        return []
    statuses = ["Rejected", *(["Approved"] if res["auto_approve"] else [])]
    names = list(_names(res["models"]))
    regions = list(policy["regions"])
    return [
        [_statement(part, statuses, regions, number, account=account, partition=partition)]
        for number, part in enumerate(_parts(names, statuses, regions), start=1)
    ]


def _names(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of the groups. SageMaker may write a name in small letters into ARNs."""
    for model in models:
        yield from dict.fromkeys((model["group"], model["group"].lower()))


def _parts(names: list[str], statuses: list[str], regions: list[str]) -> Iterator[list[str]]:
    """As many names in each as one policy has room for."""
    part: list[str] = []
    for name in names:
        longer = policy_characters([_statement([*part, name], statuses, regions, len(names), **_LONGEST)])
        if part and longer > MANAGED_POLICY_CHARACTERS:
            yield part
            part = []
        part.append(name)
    if part:
        yield part


def _statement(
    names: Sequence[str], statuses: list[str], regions: list[str], number: int, *, account: str, partition: str
) -> Statement:
    return {
        "Sid": f"DecideCandidates{number}",
        "Effect": "Allow",
        "Action": [WRITE],
        "Resource": [f"arn:{partition}:sagemaker:*:{account}:model-package/{name}/*" for name in names],
        "Condition": {"StringEquals": {STATUS: statuses, "aws:RequestedRegion": regions}},
    }
