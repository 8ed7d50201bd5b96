"""The destructive permissions, generated from the policy: plain IAM statements, no CDK.

None at all unless a selector is in enforce. Each enforcing selector allows its own actions on what carries its
tags, in the policy's regions; selectors that differ in one respect only share a statement (grants.py). Condition
keys are those of AWS's service authorization reference:

    ec2:TerminateInstances           instance                aws:ResourceTag, ec2:InstanceType, ec2:InstanceMarketType
    ec2:StopInstances                instance                the same, for selectors with `action: stop`
    ec2:CancelSpotInstanceRequests   spot-instances-request  aws:ResourceTag (the request's tags, not the instance's)
    sagemaker:StopTrainingJob        training-job            aws:ResourceTag (no key for the instance type)
    sagemaker:UpdateTrainingJob      training-job            the same: it ends the warm pool of a job that was stopped
    sagemaker:StopProcessingJob      processing-job          the same
    sagemaker:StopHyperParameterTuningJob  hyper-parameter-tuning-job  the same (its own tags, not its children's)
    sagemaker:StopAutoMLJob          automl-job              the same
    autoscaling:TerminateInstanceInAutoScalingGroup
                                     autoScalingGroup        aws:ResourceTag (the group's tags, not the instance's)
    autoscaling:UpdateAutoScalingGroup
                                     autoScalingGroup        the same, autoscaling:MinSize, MaxSize, VPCZoneIdentifiers
                                                             and LaunchConfigurationName (none for the desired capacity)

A group's update may name the two numbers that are lowered and put back and nothing else of what IAM knows keys for; the
minimum only where a selector says `at_min_size: lower`. A key is null where the request does not name it.

IAM is the outer bound, not the decision: first match, limits, notice and caps are the code's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from costwatch import names
from costwatch.errors import ConfigError
from infra.grants import Grant, merged, parted
from infra.policy_size import MANAGED_POLICY_CHARACTERS, Statement, policy_characters

TERMINATE: Final = "ec2:TerminateInstances"
STOP: Final = "ec2:StopInstances"
CANCEL_SPOT: Final = "ec2:CancelSpotInstanceRequests"
STOP_TRAINING: Final = "sagemaker:StopTrainingJob"
END_WARM_POOL: Final = "sagemaker:UpdateTrainingJob"
STOP_PROCESSING: Final = "sagemaker:StopProcessingJob"
STOP_TUNING: Final = "sagemaker:StopHyperParameterTuningJob"
STOP_AUTOML: Final = "sagemaker:StopAutoMLJob"
END_IN_GROUP: Final = "autoscaling:TerminateInstanceInAutoScalingGroup"
UPDATE_GROUP: Final = "autoscaling:UpdateAutoScalingGroup"
DESTRUCTIVE_ACTIONS: Final = (
    END_IN_GROUP, UPDATE_GROUP, CANCEL_SPOT, STOP, TERMINATE, STOP_TRAINING, END_WARM_POOL, STOP_PROCESSING,
    STOP_TUNING, STOP_AUTOML,
)  # fmt: skip

_EMPTY_GROUP: Final = "empty a group"  # stands for both of a group's actions
_LOWER_GROUP: Final = "lower and empty a group"
_GROUPS: Final = "autoscaling:*:{account}:autoScalingGroup:*"
# what is granted -> what its statements are called, the actions, and the resources they are about
_ALLOWING: Final = {
    TERMINATE: ("Terminate", (TERMINATE,), "ec2:*:{account}:instance/*"),
    STOP: ("StopInstances", (STOP,), "ec2:*:{account}:instance/*"),
    CANCEL_SPOT: ("CancelSpot", (CANCEL_SPOT,), "ec2:*:{account}:spot-instances-request/*"),
    # Without the second the warm pool of a job that was stopped would go on billing.
    STOP_TRAINING: ("StopTraining", (STOP_TRAINING, END_WARM_POOL), "sagemaker:*:{account}:training-job/*"),
    STOP_PROCESSING: ("StopProcessing", (STOP_PROCESSING,), "sagemaker:*:{account}:processing-job/*"),
    STOP_TUNING: ("StopTuning", (STOP_TUNING,), "sagemaker:*:{account}:hyper-parameter-tuning-job/*"),
    STOP_AUTOML: ("StopAutoML", (STOP_AUTOML,), "sagemaker:*:{account}:automl-job/*"),
    _EMPTY_GROUP: ("EmptyGroup", (END_IN_GROUP, UPDATE_GROUP), _GROUPS),
    _LOWER_GROUP: ("LowerGroup", (END_IN_GROUP, UPDATE_GROUP), _GROUPS),
}
_STOPS_JOBS: Final = {
    "training": STOP_TRAINING,
    "processing": STOP_PROCESSING,
    "tuning": STOP_TUNING,
    "automl": STOP_AUTOML,
}
# What an update of a group may never name.
_UNTOUCHED: Final = ("autoscaling:LaunchConfigurationName", "autoscaling:MaxSize", "autoscaling:VPCZoneIdentifiers")
_MINIMUM: Final = "autoscaling:MinSize"
_PROTECT: Final = "protect"  # stands for an action on what is denied: all of the above
_TYPE: Final = "ec2:InstanceType"
_MARKET: Final = "ec2:InstanceMarketType"
# Policy word -> what EC2 calls it. A selector without `purchase` never means prepaid capacity.
_MARKETS: Final = {
    None: ("on-demand", "spot"),
    "on_demand": ("on-demand",),
    "spot": ("spot",),
    "capacity_block": ("capacity-block",),
}
# A group's instances end by the group's own call, and a fleet's not at all: EC2's would be undone by either.
_CONTROLLER_TAGS: Final = (names.TAG_ASG, names.TAG_EC2_FLEET, names.TAG_SPOT_FLEET)
_NAMES_IN_A_DENIAL: Final = 4  # a name may have 255 characters
# The longest values that the account and the partition can have once CloudFormation fills them in.
_LONGEST: Final = {"account": "0" * 12, "partition": "aws-us-gov"}
# Merged statements are parted at this length: of thirds little room is lost when they are packed into policies.
_COMFORTABLE_CHARACTERS: Final = MANAGED_POLICY_CHARACTERS // 3


def stop_statements(policy: Mapping[str, Any], *, account: str, partition: str) -> list[Statement]:
    """IAM statements for the body of policy.json, `NeverStop` first; empty unless something is in enforce.

    `account` and `partition` go into the ARNs and may be CloudFormation tokens: lengths are taken with the longest.
    Raises ConfigError for an enforcing selector without a tag: its condition would be empty, and it would allow
    everything.
    """
    selectors = enforcing(policy)
    if not selectors:
        return []
    regions = list(policy["regions"])
    protected = merged(_protected(policy["protect"]))
    allowed = merged(grant for number, selector in enumerate(selectors, start=1) for grant in _grants(number, selector))

    def length(grant: Grant) -> int:
        return policy_characters([_statement(grant, regions, **_LONGEST)])

    parts = [part for grant in [*protected, *allowed] for part in parted(grant, length, _COMFORTABLE_CHARACTERS)]
    statements = [_statement(part, regions, account=account, partition=partition) for part in parts]
    if any(grant.action in (_EMPTY_GROUP, _LOWER_GROUP) for grant in allowed):
        statements = [*_untouched(), *statements]
    patterns = [rule["asg"] for rule in policy["protect"] if rule["asg"]]
    return [*_denials(), *_protected_groups(patterns, account=account, partition=partition), *statements]


def longest_stop_statements(policy: Mapping[str, Any]) -> list[Statement]:
    """`stop_statements` as long as they can get once CloudFormation has filled in account and partition."""
    return stop_statements(policy, **_LONGEST)


def enforcing(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The selectors that may stop something, in their order."""
    return [] if policy["mode"] == "off" else [s for s in policy["selectors"] if s["mode"] == "enforce"]


def _grants(number: int, selector: Mapping[str, Any]) -> Iterator[Grant]:
    if not selector["tags"]:
        raise ConfigError(
            f"selector {selector['name']!r} is in enforce and names no tag; IAM's condition is made from its tag"
        )
    tags = _tag_conditions(selector["tags"])
    sources = (f"{number}{_alphanumeric(selector['name'])}",)
    if selector["service"] in _STOPS_JOBS:
        yield Grant(_STOPS_JOBS[selector["service"]], tags, sources)
        return
    markets = _MARKETS[selector["purchase"]]
    types = {_TYPE: tuple(selector["types"])} if selector["types"] else {}
    stops = selector["action"] == "stop"
    yield Grant(STOP if stops else TERMINATE, tags | {_MARKET: markets} | types, sources)
    if not stops:  # a group replaces what is stopped
        yield Grant(_LOWER_GROUP if selector["at_min_size"] == "lower" else _EMPTY_GROUP, tags, sources)
    if "spot" in markets and not stops:  # EC2 disables a stopped instance's request itself
        yield Grant(CANCEL_SPOT, tags, sources)


def _protected(rules: Iterable[Mapping[str, Any]]) -> Iterator[Grant]:
    for number, rule in enumerate(rules, start=1):
        if rule["tags"]:
            yield Grant(_PROTECT, _tag_conditions(rule["tags"]), (str(number),))


def _statement(grant: Grant, regions: Sequence[str], *, account: str, partition: str) -> Statement:
    others = f"And{len(grant.sources) - 1}More" if len(grant.sources) > 1 else ""
    name = f"{grant.sources[0]}{others}" + (f"Part{grant.part}" if grant.part else "")
    equals = {key: [_literal(v) for v in values] for key, values in grant.conditions.items() if key != _TYPE}
    if grant.action == _PROTECT:
        return _deny(f"Protected{name}", {"StringEquals": equals})
    prefix, actions, resource = _ALLOWING[grant.action]
    conditions: dict[str, Any] = {"StringEquals": {"aws:RequestedRegion": list(regions)} | equals}
    if types := grant.conditions.get(_TYPE):
        conditions["StringLike"] = {_TYPE: list(types)}
    if grant.action == _EMPTY_GROUP:
        conditions["Null"] = {_MINIMUM: "true"}
    return {
        "Sid": f"{prefix}{name}",
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [f"arn:{partition}:{resource.format(account=account)}"],
        "Condition": conditions,
    }


def _denials() -> list[Statement]:
    return [
        _deny("NeverStop", {"Null": {_tag_key(names.TAG_NEVER): "false"}}),
        *(
            _deny(f"ControlledElsewhere{number}", {"Null": {_tag_key(tag): "false"}}, actions=[STOP, TERMINATE])
            for number, tag in enumerate(_CONTROLLER_TAGS, start=1)
        ),
    ]


def _untouched() -> Iterator[Statement]:
    for number, key in enumerate(_UNTOUCHED, start=1):
        yield _deny(f"OnlyTheNumbers{number}", {"Null": {key: "false"}}, actions=[UPDATE_GROUP])


def _protected_groups(patterns: Sequence[str], *, account: str, partition: str) -> Iterator[Statement]:
    """By name, where IAM reads a wildcard as we do; a `[` is a set to us and a character to IAM."""
    names_of = [_literal(pattern) for pattern in patterns if "[" not in pattern]
    prefix = f"arn:{partition}:{_GROUPS.format(account=account)}:autoScalingGroupName/"
    for start in range(0, len(names_of), _NAMES_IN_A_DENIAL):
        resources = [prefix + name for name in names_of[start : start + _NAMES_IN_A_DENIAL]]
        sid = f"NamedGroups{start // _NAMES_IN_A_DENIAL + 1}"
        yield {"Sid": sid, "Effect": "Deny", "Action": [END_IN_GROUP, UPDATE_GROUP], "Resource": resources}


def _deny(sid: str, condition: dict[str, Any], *, actions: Sequence[str] = DESTRUCTIVE_ACTIONS) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": ["*"], "Condition": condition}


def _tag_conditions(tags: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {_tag_key(key): tuple(values) for key, values in sorted(tags.items())}


def _tag_key(tag: str) -> str:
    return f"aws:ResourceTag/{tag}"


def _literal(value: str) -> str:
    """IAM would read `${` in a value as one of its variables."""
    return value.replace("$", "${$}")


def _alphanumeric(name: str) -> str:
    """For a Sid, which takes letters and digits only; the number before it keeps it unique."""
    return "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", name))[:40]
