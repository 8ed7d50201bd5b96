"""The destructive permissions, generated from the policy: plain IAM statements, no CDK.

None at all unless a selector is in enforce. Each enforcing selector allows its own actions on what carries its
tags, in the policy's regions. Condition keys are those of AWS's service authorization reference:

    ec2:TerminateInstances           instance                aws:ResourceTag, ec2:InstanceType, ec2:InstanceMarketType
    ec2:CancelSpotInstanceRequests   spot-instances-request  aws:ResourceTag (the request's tags, not the instance's)
    sagemaker:StopTrainingJob        training-job            aws:ResourceTag (no key for the instance type)

IAM is the outer bound, not the decision: first match, limits, notice and caps are the code's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from costwatch import names
from costwatch.errors import ConfigError

Statement = dict[str, Any]

TERMINATE: Final = "ec2:TerminateInstances"
CANCEL_SPOT: Final = "ec2:CancelSpotInstanceRequests"
STOP_TRAINING: Final = "sagemaker:StopTrainingJob"
DESTRUCTIVE_ACTIONS: Final = (CANCEL_SPOT, TERMINATE, STOP_TRAINING)

MANAGED_POLICY_CHARACTERS: Final = 6144  # IAM's limit for one managed policy, white space not counted
MANAGED_POLICIES_PER_ROLE: Final = 10  # IAM's default quota

# Policy word -> what EC2 calls it. A selector without `purchase` never means prepaid capacity.
_MARKETS: Final = {
    None: ("on-demand", "spot"),
    "on_demand": ("on-demand",),
    "spot": ("spot",),
    "capacity_block": ("capacity-block",),
}
# Members of groups and fleets are held, never stopped, in this version; the role could not do it by mistake either.
_CONTROLLER_TAGS: Final = (names.TAG_ASG, names.TAG_EC2_FLEET, names.TAG_SPOT_FLEET)
# The longest values that the account and the partition can have once CloudFormation fills them in.
_LONGEST_ACCOUNT: Final = "0" * 12
_LONGEST_PARTITION: Final = "aws-us-gov"


def stop_statements(policy: Mapping[str, Any], *, account: str, partition: str) -> list[Statement]:
    """IAM statements for the body of policy.json; empty unless something is in enforce.

    `account` and `partition` go into the ARNs and may be CloudFormation tokens. Raises ConfigError for an enforcing
    selector without a tag: its condition would be empty, and it would allow everything.
    """
    selectors = [s for s in policy["selectors"] if s["mode"] == "enforce"]
    if policy["mode"] == "off" or not selectors:
        return []
    region_condition = {"aws:RequestedRegion": list(policy["regions"])}
    statements = _denials(policy["protect"])
    for number, selector in enumerate(selectors, start=1):
        if not selector["tags"]:
            raise ConfigError(
                f"selector {selector['name']!r} is in enforce and names no tag; IAM's condition is made from its tag"
            )
        conditions = region_condition | _tags_equal(selector["tags"])
        name = f"{number}{_alphanumeric(selector['name'])}"
        if selector["service"] == "training":
            resource = f"arn:{partition}:sagemaker:*:{account}:training-job/*"
            statements.append(_allow(f"StopTraining{name}", STOP_TRAINING, resource, {"StringEquals": conditions}))
            continue
        markets = _MARKETS[selector["purchase"]]
        terminate: dict[str, Any] = {"StringEquals": conditions | {"ec2:InstanceMarketType": list(markets)}}
        if selector["types"]:
            terminate["StringLike"] = {"ec2:InstanceType": list(selector["types"])}
        resource = f"arn:{partition}:ec2:*:{account}:instance/*"
        statements.append(_allow(f"Terminate{name}", TERMINATE, resource, terminate))
        if "spot" in markets:
            resource = f"arn:{partition}:ec2:*:{account}:spot-instances-request/*"
            statements.append(_allow(f"CancelSpot{name}", CANCEL_SPOT, resource, {"StringEquals": conditions}))
    return statements


def stop_policies(policy: Mapping[str, Any], *, account: str, partition: str) -> list[list[Statement]]:
    """`stop_statements` packed into managed policies that IAM accepts, in order, each as full as it goes.

    Sizes are taken with the longest account and partition, so tokens may stand in for them. Raises ConfigError when
    one statement is too long for a policy, or when a role could not hold all policies.
    """
    statements = stop_statements(policy, account=account, partition=partition)
    measured = stop_statements(policy, account=_LONGEST_ACCOUNT, partition=_LONGEST_PARTITION)
    packed: list[list[Statement]] = []
    room = 0
    for statement, as_measured in zip(statements, measured, strict=True):
        length = policy_characters([as_measured])
        if length > MANAGED_POLICY_CHARACTERS:
            raise ConfigError(
                f"the stop permission {statement['Sid']} takes {length:,} characters and an IAM policy holds "
                f"{MANAGED_POLICY_CHARACTERS:,}: give the selector or protect entry fewer tag values or types"
            )
        added = length - policy_characters([]) + 1  # and a comma
        if added > room or not packed:
            packed.append([])
            room = MANAGED_POLICY_CHARACTERS - policy_characters([])
        packed[-1].append(statement)
        room -= added
    if len(packed) > MANAGED_POLICIES_PER_ROLE:
        enforcing = sum(s["mode"] == "enforce" for s in policy["selectors"])
        raise ConfigError(
            f"the stop permissions of {enforcing} selectors in enforce need {len(packed)} managed policies, and an IAM "
            f"role holds {MANAGED_POLICIES_PER_ROLE}: merge selectors, or give them fewer tag values and types"
        )
    return packed


def policy_characters(statements: Sequence[Statement]) -> int:
    """Length of a policy document the way IAM counts it: without white space."""
    return len(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":")))


def _denials(protect: Iterable[Mapping[str, Any]]) -> list[Statement]:
    denials = [_deny("NeverStop", {"Null": {_tag_key(names.TAG_NEVER): "false"}})]
    denials += [
        _deny(f"ControlledElsewhere{number}", {"Null": {_tag_key(tag): "false"}}, actions=[TERMINATE])
        for number, tag in enumerate(_CONTROLLER_TAGS, start=1)
    ]
    denials += [
        _deny(f"Protected{number}", {"StringEquals": _tags_equal(rule["tags"])})
        for number, rule in enumerate(protect, start=1)
        if rule["tags"]
    ]
    return denials


def _allow(sid: str, action: str, resource: str, condition: dict[str, Any]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": [action], "Resource": [resource], "Condition": condition}


def _deny(sid: str, condition: dict[str, Any], *, actions: Sequence[str] = DESTRUCTIVE_ACTIONS) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": ["*"], "Condition": condition}


def _tags_equal(tags: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {_tag_key(key): [_literal(value) for value in values] for key, values in sorted(tags.items())}


def _tag_key(tag: str) -> str:
    return f"aws:ResourceTag/{tag}"


def _literal(value: str) -> str:
    """IAM would read `${` in a value as one of its variables."""
    return value.replace("$", "${$}")


def _alphanumeric(name: str) -> str:
    """For a Sid, which takes letters and digits only; the number before it keeps it unique."""
    return "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", name))[:40]
