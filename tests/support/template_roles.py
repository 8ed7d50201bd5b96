"""What the roles of a synthesized template are allowed: statements collected, intrinsics made concrete.

An intrinsic, a managed policy or a permissions boundary that is not known here raises UnsupportedPolicyError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.iam import (
    POLICY_VERSION,
    Context,
    Decision,
    Statement,
    UnsupportedPolicyError,
    evaluate,
    statements_of,
)

LONGEST_INLINE_POLICIES = 10_240
LONGEST_MANAGED_POLICY = 6_144
MOST_MANAGED_POLICIES = 10

AWS_MANAGED_POLICIES: Mapping[str, Mapping[str, Any]] = {
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Sid": "AWSLambdaBasicExecutionRole",
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "*",
            }
        ],
    },
}


@dataclass(frozen=True)
class Resolver:
    """Turns intrinsics into text.

    `physical` maps what `Ref` and `Fn::GetAtt` answer: `{"Ledger": "costwatch-ledger", "Ledger.Arn": "arn:..."}`.
    An attribute that is not in it raises: a guessed ARN would prove nothing.
    """

    physical: Mapping[str, str]
    account: str
    region: str
    partition: str = "aws"
    stack: str = "Costwatch"

    def resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not None]
        if not isinstance(node, Mapping):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not None}

    def _ref(self, name: str) -> str | None:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": self.stack,
            "AWS::NoValue": None,
        }
        if name in pseudo:
            return pseudo[name]
        if name not in self.physical:
            raise UnsupportedPolicyError(f"no physical value is known for Ref {name}")
        return self.physical[name]

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Fn::GetAtt":
                path = argument if isinstance(argument, str) else ".".join(argument)
                if path not in self.physical:
                    raise UnsupportedPolicyError(f"no physical value is known for Fn::GetAtt {path}")
                return self.physical[path]
            case "Fn::Join":
                separator, parts = argument
                return separator.join(self.resolve(parts))
            case "Fn::Split":
                separator, text = argument
                return self.resolve(text).split(separator)
            case "Fn::Select":
                index, choices = argument
                return self.resolve(choices)[int(index)]
            case "Fn::Sub":
                template, extra = (argument, {}) if isinstance(argument, str) else argument
                return self._sub(template, self.resolve(extra))
            case _:
                raise UnsupportedPolicyError(f"intrinsic {name}")

    def _sub(self, template: str, extra: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in extra:
                return extra[name]
            found = self._function("Fn::GetAtt", name) if "." in name else self._ref(name)
            return str(found)

        return re.sub(r"\$\{([^}]*)\}", value, template)


def physical_ids(
    template: Mapping[str, Any], *, account: str, region: str, names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What `Ref` and `.Arn` answer for every resource of `template` whose ARN follows from its name.

    A name comes from `names` (by logical id), else from the template where it is plain text, else it is the
    logical id itself. Types not listed here get no entry, so an IAM statement that needs one raises.
    """
    ids: dict[str, str] = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] not in _NAMED_TYPES:
            continue
        service, prefix, name_property, ref_is, arn_attribute, regional = _NAMED_TYPES[resource["Type"]]
        written = resource.get("Properties", {}).get(name_property)
        name = (names or {}).get(logical_id) or (written if isinstance(written, str) else logical_id)
        path = name.lstrip("/") if service == "ssm" else name
        arn = f"arn:aws:{service}:{region if regional else ''}:{account}:{prefix}{path}"
        url = f"https://sqs.{region}.amazonaws.com/{account}/{name}"
        ids[logical_id] = {"name": name, "arn": arn, "url": url}[ref_is]
        if arn_attribute:
            ids[f"{logical_id}.{arn_attribute}"] = arn
        if resource["Type"] == "AWS::Logs::LogGroup":
            ids[f"{logical_id}.Arn"] = f"{arn}:*"  # CloudFormation's answer ends so
        if resource["Type"] == "AWS::SQS::Queue":
            ids[f"{logical_id}.QueueName"] = name
        if resource["Type"] == "AWS::SNS::Topic":
            ids[f"{logical_id}.TopicName"] = name
    return ids


# type: (service, prefix of the resource part, property with the name, what Ref answers, ARN attribute, regional)
_NAMED_TYPES: dict[str, tuple[str, str, str, str, str, bool]] = {
    "AWS::DynamoDB::Table": ("dynamodb", "table/", "TableName", "name", "Arn", True),
    "AWS::DynamoDB::GlobalTable": ("dynamodb", "table/", "TableName", "name", "Arn", True),
    "AWS::SNS::Topic": ("sns", "", "TopicName", "arn", "TopicArn", True),
    "AWS::SQS::Queue": ("sqs", "", "QueueName", "url", "Arn", True),
    "AWS::Lambda::Function": ("lambda", "function:", "FunctionName", "name", "Arn", True),
    "AWS::Logs::LogGroup": ("logs", "log-group:", "LogGroupName", "name", "", True),
    "AWS::Events::EventBus": ("events", "event-bus/", "Name", "name", "Arn", True),
    "AWS::Events::Rule": ("events", "rule/", "Name", "name", "Arn", True),
    "AWS::SSM::Parameter": ("ssm", "parameter/", "Name", "name", "", True),
    "AWS::IAM::Role": ("iam", "role/", "RoleName", "name", "Arn", False),
    "AWS::IAM::ManagedPolicy": ("iam", "policy/", "ManagedPolicyName", "arn", "PolicyArn", False),
}


# --- roles --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RolePolicies:
    """Everything one role of a template is allowed and denied."""

    logical_id: str
    statements: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Policy documents by `inline:NAME` or `managed:NAME`, to measure against IAM's size limits."""

    def evaluate(self, action: str, resource: str, context: Context | None = None) -> Decision:
        return evaluate(self.statements, action, resource, context, boundary=self.boundary)

    def granting(self, action: str) -> tuple[Statement, ...]:
        """Allow statements that name `action`, whatever resource and condition: an upper bound of what it may do."""
        return tuple(s for s in self.statements if s.effect == "Allow" and s.names_action(action))


def role_ids(template: Mapping[str, Any]) -> list[str]:
    return [name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::IAM::Role"]


def role_of_function(template: Mapping[str, Any], handler: str) -> str:
    """Logical id of the role of the function whose Handler is `handler`. Raises LookupError."""
    roles = [
        resource["Properties"]["Role"]["Fn::GetAtt"][0]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function" and resource["Properties"].get("Handler") == handler
    ]
    if len(roles) != 1:
        raise LookupError(f"{len(roles)} functions of the template have the handler {handler}")
    return str(roles[0])


def policies_of(
    template: Mapping[str, Any],
    role: str,
    resolver: Resolver,
    *,
    boundaries: Mapping[str, Mapping[str, Any]] | None = None,
) -> RolePolicies:
    """Collect inline and managed policies of the role with logical id `role`.

    `boundaries` gives the document of a permissions boundary by its ARN; a boundary that is neither there nor
    in the template raises, as does a managed policy this module does not know.
    """
    resources = template["Resources"]
    properties = resources[role].get("Properties", {})
    documents: dict[str, Mapping[str, Any]] = {}
    for inline in properties.get("Policies", ()):
        documents[f"inline:{inline['PolicyName']}"] = inline["PolicyDocument"]
    for logical_id, resource in resources.items():
        own = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::Policy" if _attached(own.get("Roles", ()), role, resolver):
                documents[f"inline:{logical_id}"] = own["PolicyDocument"]
            case "AWS::IAM::RolePolicy" if _attached([own.get("RoleName")], role, resolver):
                documents[f"inline:{logical_id}"] = own["PolicyDocument"]
            case "AWS::IAM::ManagedPolicy" if _attached(own.get("Roles", ()), role, resolver):
                documents[f"managed:{logical_id}"] = own["PolicyDocument"]
    for arn_node in properties.get("ManagedPolicyArns", ()):
        name, document = _managed(template, arn_node, resolver)
        documents[f"managed:{name}"] = document

    boundary = None
    if "PermissionsBoundary" in properties:
        node = properties["PermissionsBoundary"]
        arn = resolver.resolve(node)
        document = (boundaries or {}).get(arn) or _managed(template, node, resolver)[1]
        boundary = statements_of(resolver.resolve(document), f"boundary {arn}")
    resolved = {name: resolver.resolve(document) for name, document in documents.items()}
    statements = tuple(s for name, document in resolved.items() for s in statements_of(document, name))
    return RolePolicies(role, statements, boundary, resolved)


def _attached(roles: Iterable[Any], role: str, resolver: Resolver) -> bool:
    return any(node == {"Ref": role} or resolver.resolve(node) == resolver.physical.get(role) for node in roles)


def _managed(template: Mapping[str, Any], node: Any, resolver: Resolver) -> tuple[str, Mapping[str, Any]]:
    if isinstance(node, Mapping) and node.keys() == {"Ref"} and node["Ref"] in template["Resources"]:
        return node["Ref"], template["Resources"][node["Ref"]]["Properties"]["PolicyDocument"]
    arn = resolver.resolve(node)
    if arn not in AWS_MANAGED_POLICIES:
        raise UnsupportedPolicyError(f"managed policy {arn}: its document is not known here")
    return str(arn), AWS_MANAGED_POLICIES[arn]


def policy_characters(document: Mapping[str, Any]) -> int:
    """Length of a policy document as IAM counts it: white space left out."""
    return len(json.dumps(document, separators=(",", ":")))
