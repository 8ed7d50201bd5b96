"""The guardrail policy: Deny statements that refuse a SageMaker job without a bound before it costs anything.

Which action knows which condition key is the word of AWS's service authorization reference (Amazon SageMaker, as of
October 2026). What an absent key means is never left to an operator's default alone: each is judged, by `Null` or by a
negated operator, which also holds where nothing is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from costwatch.core import durations
from costwatch.core.policy import Policy, Service
from costwatch.errors import InputError

MAX_RUNTIME: Final = "sagemaker:MaxRuntimeInSeconds"
INSTANCE_TYPES: Final = "sagemaker:InstanceTypes"
"""Multivalued: all types of the request."""
PRINCIPAL: Final = "aws:PrincipalArn"
"""Of a role's session the role's own ARN, with its path."""

ACTIONS: Final[Mapping[Service, str]] = {
    Service.TRAINING: "sagemaker:CreateTrainingJob",
    Service.TUNING: "sagemaker:CreateHyperParameterTuningJob",
    Service.PROCESSING: "sagemaker:CreateProcessingJob",
}
"""The actions that know all of MAX_RUNTIME, INSTANCE_TYPES and aws:RequestTag."""
UNBOUNDED: Final = ("sagemaker:CreateAutoMLJob", "sagemaker:CreateAutoMLJobV2")
"""They start training jobs too, and know neither a runtime nor a type."""
LONGEST: Final = timedelta(days=28)
"""No SageMaker job may declare more."""


class Format(StrEnum):
    """Where the policy is to be attached."""

    IAM = "iam"
    SCP = "scp"

    @property
    def most_characters(self) -> int:
        """Of a managed IAM policy without its blanks; of a service control policy with them (5,120 until May 2026)."""
        return 6_144 if self is Format.IAM else 10_240


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What is to be refused. Types are IAM wildcards such as `ml.p4d.*`."""

    bounds: Mapping[Service, timedelta]
    """The longest declared runtime that passes, inclusive, of each kind in ACTIONS."""
    types: tuple[str, ...] = ()
    """The only types that pass; empty: all."""
    approval_types: tuple[str, ...] = ()
    """Types that pass only with an approval tag; empty: none."""
    approval_tag: str = ""
    exempt: tuple[str, ...] = ()
    """ARNs of principals to whom nothing of this applies."""
    refuse_unbounded: bool = False
    """Refuse UNBOUNDED altogether."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A statement, and what it does as one sentence without its full stop."""

    statement: Mapping[str, Any]
    does: str

    @property
    def sid(self) -> str:
        return str(self.statement["Sid"])


def bounds_of(policy: Policy) -> dict[Service, timedelta]:
    """By kind the longest hard cap that any of its selectors gives, else the default one: past it nothing runs on."""
    found = {}
    for kind in ACTIONS:
        caps = [selector.limits.hard_cap for selector in policy.selectors if selector.service is kind]
        found[kind] = min(max(caps, default=policy.limits.hard_cap), LONGEST)
    return found


def statements(guardrail: Guardrail) -> list[Explained]:
    """What the policy consists of. Every statement denies."""
    made = [_undeclared(guardrail), *_too_long(guardrail)]
    if guardrail.types:
        made += _only_types(guardrail)
    if guardrail.approval_types:
        made += _unapproved(guardrail)
    if guardrail.refuse_unbounded:
        does = "refuses AutoML jobs: no condition key knows how long they run, or on what"
        made.append(_deny(guardrail, "CostwatchNoAutoML", UNBOUNDED, {}, does))
    return made


def document(explained: Iterable[Explained]) -> dict[str, Any]:
    """The policy document."""
    return {"Version": "2012-10-17", "Statement": [dict(each.statement) for each in explained]}


def written(policy: Mapping[str, Any], form: Format) -> str:
    """The document as text that AWS takes: indented where that fits, else without blanks.

    Raises InputError where even that is over the limit.
    """
    indented, compact = json.dumps(policy, indent=2), json.dumps(policy, separators=(",", ":"))
    size = size_of(policy)
    if size > form.most_characters:
        kind = "a managed IAM policy" if form is Format.IAM else "a service control policy"
        raise InputError(
            f"the policy has {size:,} characters and {kind} may have {form.most_characters:,}: "
            "name fewer types and roles, or put * where several differ"
        )
    fits = form is Format.IAM or len(indented) <= form.most_characters
    return indented if fits else compact


def size_of(policy: Mapping[str, Any]) -> int:
    """Its characters without blanks between its parts, as IAM counts a managed policy."""
    return len(json.dumps(policy, separators=(",", ":")))


def _undeclared(guardrail: Guardrail) -> Explained:
    does = "refuses a job that does not declare its maximum runtime (SageMaker would give it a day)"
    return _deny(guardrail, "CostwatchRuntimeUndeclared", ACTIONS.values(), {"Null": {MAX_RUNTIME: "true"}}, does)


def _too_long(guardrail: Guardrail) -> list[Explained]:
    """One statement a bound: kinds that share it share the statement."""
    made = []
    for bound in sorted(set(guardrail.bounds.values())):
        kinds = [kind for kind in ACTIONS if guardrail.bounds[kind] == bound]
        sid = "CostwatchRuntimeTooLong" + ("" if len(kinds) == len(ACTIONS) else _camel(kinds))
        condition = {"NumericGreaterThan": {MAX_RUNTIME: str(int(bound.total_seconds()))}}
        job = " or ".join(kind.value for kind in kinds) + " job" if len(kinds) < len(ACTIONS) else "job"
        does = f"refuses a {job} that declares more than {durations.short(bound)}; exactly that passes"
        made.append(_deny(guardrail, sid, [ACTIONS[kind] for kind in kinds], condition, does))
    return made


def _only_types(guardrail: Guardrail) -> list[Explained]:
    # Not ForAllValues: that is true of no types at all, and false as soon as one of several is allowed.
    other = {"ForAnyValue:StringNotLike": {INSTANCE_TYPES: list(guardrail.types)}}
    does = f"refuses a job of which any instance type is none of {', '.join(guardrail.types)}"
    unseen = "refuses a job whose instance types AWS does not show to the policy, such as one that names none"
    return [
        _deny(guardrail, "CostwatchTypeNotAllowed", ACTIONS.values(), other, does),
        _deny(guardrail, "CostwatchTypeUnseen", ACTIONS.values(), {"Null": {INSTANCE_TYPES: "true"}}, unseen),
    ]


def _unapproved(guardrail: Guardrail) -> list[Explained]:
    """Without the tag, or with an empty one: negated operators also hold for a key that is not there."""
    untagged = {"StringNotLike": {f"aws:RequestTag/{guardrail.approval_tag}": "?*"}}
    dear = {"ForAnyValue:StringLike": {INSTANCE_TYPES: list(guardrail.approval_types)}, **untagged}
    does = (
        f"refuses a job on any of {', '.join(guardrail.approval_types)} whose request does not carry "
        f"the tag {guardrail.approval_tag}"
    )
    made = [_deny(guardrail, "CostwatchApprovalMissing", ACTIONS.values(), dear, does)]
    if not guardrail.types:
        unseen = {"Null": {INSTANCE_TYPES: "true"}, **untagged}
        does = "refuses the same of a job whose instance types AWS does not show to the policy"
        made.append(_deny(guardrail, "CostwatchApprovalMissingTypeUnseen", ACTIONS.values(), unseen, does))
    return made


def _deny(guardrail: Guardrail, sid: str, actions: Iterable[str], condition: Mapping[str, Any], does: str) -> Explained:
    conditions = dict(condition)
    if guardrail.exempt:
        conditions["ArnNotLike"] = {PRINCIPAL: list(guardrail.exempt)}
    named: Sequence[str] = list(actions)
    statement = {
        "Sid": sid,
        "Effect": "Deny",
        "Action": named if len(named) > 1 else named[0],
        "Resource": "*",
        **({"Condition": conditions} if conditions else {}),
    }
    return Explained(statement, does)


def _camel(kinds: Iterable[Service]) -> str:
    return "".join(kind.value.capitalize() for kind in kinds)
