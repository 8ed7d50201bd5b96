"""The evaluator that proves the stop role: IAM's documented semantics, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.iam import (
    Context,
    Decision,
    UnsupportedPolicyError,
    Verdict,
    evaluate,
    statements_of,
)
from tests.support.template_roles import Resolver, physical_ids, policies_of, role_of_function

INSTANCE = "arn:aws:ec2:us-east-1:111122223333:instance/i-0abc"
TERMINATE = "ec2:TerminateInstances"
NEVER = "aws:ResourceTag/costwatch:never"


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(condition: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    statement = {"Sid": "Stop", "Effect": "Allow", "Action": TERMINATE, "Resource": "*", **changes}
    return {**statement, "Condition": condition} if condition else statement


def judge(
    context: Context, *statements: Mapping[str, Any], action: str = TERMINATE, resource: str = INSTANCE
) -> Decision:
    return evaluate(statements_of(document(*statements)), action, resource, context)


def holds(operator: str, key: str, values: Any, context: Context) -> bool:
    return judge(context, allow({operator: {key: values}})).allowed


# --- effects ------------------------------------------------------------------------------------------


def test_what_no_statement_names_is_implicitly_denied() -> None:
    assert judge({}, allow(), action="ec2:StopInstances") == Decision(Verdict.IMPLICITLY_DENIED)


def test_an_allow_names_its_statement() -> None:
    assert judge({}, allow()) == Decision(Verdict.ALLOWED, "Stop")


@pytest.mark.parametrize("deny_first", [True, False])
def test_an_explicit_deny_wins_wherever_it_stands(deny_first: bool) -> None:
    deny = allow(Effect="Deny", Sid="Never")
    pair = (deny, allow()) if deny_first else (allow(), deny)
    assert judge({}, *pair) == Decision(Verdict.EXPLICITLY_DENIED, "Never")


def test_a_statement_without_sid_is_named_by_its_policy() -> None:
    statements = statements_of(document({"Effect": "Allow", "Action": "*", "Resource": "*"}), "inline:Default")
    assert evaluate(statements, TERMINATE, INSTANCE).sid == "inline:Default (no Sid)"


def test_a_boundary_limits_but_never_grants() -> None:
    role = statements_of(document(allow()))
    nothing = statements_of(document(allow(Action="s3:*")))
    everything = statements_of(document(allow(Action="*")))
    forbids = statements_of(document(allow(Action="*"), allow(Effect="Deny", Sid="Boundary")))
    assert evaluate(role, TERMINATE, INSTANCE, boundary=everything).allowed
    assert evaluate(role, TERMINATE, INSTANCE, boundary=nothing).verdict is Verdict.IMPLICITLY_DENIED
    assert evaluate(role, TERMINATE, INSTANCE, boundary=forbids) == Decision(Verdict.EXPLICITLY_DENIED, "Boundary")
    assert evaluate(nothing, TERMINATE, INSTANCE, boundary=everything).verdict is Verdict.IMPLICITLY_DENIED


# --- actions and resources ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["*", "ec2:*", "EC2:terminateinstances", "ec2:Terminate*", "ec2:T?rminateInstances"]
)
def test_actions_match_by_wildcard_without_regard_to_case(pattern: str) -> None:
    pattern = pattern.replace("EC2:", "ec2:")
    assert judge({}, allow(Action=pattern)).allowed


def test_the_case_of_the_asked_action_does_not_matter() -> None:
    assert judge({}, allow(), action="EC2:TERMINATEINSTANCES").allowed


@pytest.mark.parametrize("pattern", ["ec2:Terminate", "ec2:TerminateInstances?", "s3:*"])
def test_an_action_pattern_must_match_the_whole_action(pattern: str) -> None:
    assert not judge({}, allow(Action=pattern)).allowed


def test_not_action_names_everything_else() -> None:
    statement = {"Effect": "Allow", "NotAction": ["iam:*", "ec2:Stop*"], "Resource": "*"}
    assert judge({}, statement).allowed
    assert not judge({}, statement, action="iam:CreateUser").allowed
    assert not judge({}, statement, action="ec2:StopInstances").allowed


def test_not_resource_names_everything_else() -> None:
    statement = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:ec2:*:*:volume/*"}
    assert judge({}, statement).allowed
    assert not judge({}, statement, resource="arn:aws:ec2:us-east-1:111122223333:volume/vol-1").allowed


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (INSTANCE, True),
        ("arn:aws:ec2:*:*:instance/*", True),
        ("arn:aws:ec2:us-east-?:111122223333:instance/i-0abc", True),
        ("arn:aws:ec2:eu-*:*:instance/*", False),
        ("arn:aws:ec2:*:444455556666:instance/*", False),
        ("arn:aws:ec2:*:*:instance/i-0ab", False),
        ("arn:aws:ec2:*:*:INSTANCE/*", False),
        ("arn:aws:ec2:us*1:111122223333:instance/i-0abc", True),
    ],
)
def test_resource_arns_match_by_wildcard_and_by_case(pattern: str, expected: bool) -> None:
    assert judge({}, allow(Resource=pattern)).allowed is expected


def test_a_wildcard_at_the_end_of_a_segment_reaches_over_colons_and_one_inside_does_not() -> None:
    function = "arn:aws:lambda:us-east-1:111122223333:function:costwatch:live"
    assert judge({}, allow(Resource="arn:aws:lambda:us-east-1:111122223333:function:*"), resource=function).allowed
    assert not judge(
        {}, allow(Resource="arn:aws:lambda:us-east-1:111122223333:function:c*live"), resource=function
    ).allowed


def test_an_action_without_resource_level_permissions_needs_a_star() -> None:
    listing = {"action": "ec2:DescribeInstances", "resource": "*"}
    assert judge({}, allow(Action="ec2:Describe*"), **listing).allowed
    assert not judge({}, allow(Action="ec2:Describe*", Resource="arn:aws:ec2:*:*:instance/*"), **listing).allowed


# --- conditions ---------------------------------------------------------------------------------------

TEAM = "aws:ResourceTag/team"


@pytest.mark.parametrize(
    ("operator", "value", "context", "expected"),
    [
        ("StringEquals", "risk", {TEAM: "risk"}, True),
        ("StringEquals", "risk", {TEAM: "Risk"}, False),
        ("StringEquals", "risk", {}, False),
        ("StringEquals", ["ml", "risk"], {TEAM: "risk"}, True),
        ("StringEquals", "r*", {TEAM: "risk"}, False),  # a wildcard is a plain character here
        ("StringEquals", "r*", {TEAM: "r*"}, True),
        ("StringNotEquals", "risk", {TEAM: "risk"}, False),
        ("StringNotEquals", "risk", {TEAM: "ml"}, True),
        ("StringNotEquals", "risk", {}, True),  # a missing key satisfies every negated operator
        ("StringNotEquals", ["ml", "risk"], {TEAM: "ml"}, False),  # negated values are joined by NOR
        ("StringNotEquals", ["ml", "risk"], {TEAM: "web"}, True),
        ("StringEqualsIgnoreCase", "RISK", {TEAM: "risk"}, True),
        ("StringEqualsIgnoreCase", "RISK", {}, False),
        ("StringNotEqualsIgnoreCase", "RISK", {TEAM: "risk"}, False),
        ("StringNotEqualsIgnoreCase", "RISK", {}, True),
        ("StringLike", "p4d.*", {TEAM: "p4d.24xlarge"}, True),
        ("StringLike", "p4d.*", {TEAM: "p4de.24xlarge"}, False),
        ("StringLike", "p4?.*", {TEAM: "p4d.24xlarge"}, True),
        ("StringLike", "P4D.*", {TEAM: "p4d.24xlarge"}, False),
        ("StringLike", "*", {TEAM: ""}, True),
        ("StringLike", "*", {}, False),
        ("StringLike", "a${*}", {TEAM: "a*"}, True),
        ("StringLike", "a${*}", {TEAM: "ab"}, False),
        ("StringLike", "${$}${?}*", {TEAM: "$?x"}, True),
        ("StringNotLike", "p4d.*", {TEAM: "g5.xlarge"}, True),
        ("StringNotLike", "p4d.*", {TEAM: "p4d.24xlarge"}, False),
        ("StringNotLike", "p4d.*", {}, True),
        ("StringNotLike", "?*", {TEAM: ""}, True),
        ("StringNotLike", "?*", {TEAM: "r"}, False),
        ("StringEqualsIfExists", "risk", {}, True),
        ("StringEqualsIfExists", "risk", {TEAM: "ml"}, False),
        ("StringNotEqualsIfExists", "risk", {}, True),
        ("StringNotEqualsIfExists", "risk", {TEAM: "risk"}, False),
        ("StringLikeIfExists", "r*", {}, True),
    ],
)
def test_string_operators(operator: str, value: Any, context: Context, expected: bool) -> None:
    assert holds(operator, TEAM, value, context) is expected


@pytest.mark.parametrize(
    ("value", "context", "expected"),
    [
        ("true", {}, True),
        ("true", {NEVER: ""}, False),
        ("false", {NEVER: ""}, True),
        ("false", {NEVER: "false"}, True),
        ("false", {}, False),
        (False, {NEVER: "x"}, True),
        (["true", "false"], {}, True),
        ("true", {NEVER: []}, True),  # an empty set of values counts as absent
    ],
)
def test_null_asks_whether_the_key_is_there(value: Any, context: Context, expected: bool) -> None:
    assert holds("Null", NEVER, value, context) is expected


@pytest.mark.parametrize(
    ("operator", "value", "context", "expected"),
    [
        ("Bool", "true", {"aws:SecureTransport": "true"}, True),
        ("Bool", True, {"aws:SecureTransport": "True"}, True),
        ("Bool", "false", {"aws:SecureTransport": "true"}, False),
        ("Bool", "false", {}, False),
        ("BoolIfExists", "false", {}, True),
        ("NumericLessThan", "10", {"aws:SecureTransport": "9.5"}, True),
        ("NumericLessThan", "10", {"aws:SecureTransport": "10"}, False),
        ("NumericLessThanEquals", 10, {"aws:SecureTransport": "10.0"}, True),
        ("NumericGreaterThan", "10", {"aws:SecureTransport": "10"}, False),
        ("NumericGreaterThan", "10", {"aws:SecureTransport": "11"}, True),
        ("NumericGreaterThan", "10", {}, False),  # an absent number is greater than nothing
        ("NumericGreaterThan", ["10", "20"], {"aws:SecureTransport": "15"}, True),  # any of them
        ("NumericGreaterThanEquals", "10", {"aws:SecureTransport": "10"}, True),
        ("NumericEquals", "10", {"aws:SecureTransport": "10.0"}, True),
        ("NumericNotEquals", "10", {}, True),
        ("DateLessThan", "2026-12-01T00:00:00Z", {"aws:SecureTransport": "2026-11-30T23:59:59Z"}, True),
        ("DateLessThan", "2026-12-01T00:00:00Z", {"aws:SecureTransport": "2026-12-01T00:00:00Z"}, False),
        ("DateGreaterThan", "2026-12-01", {"aws:SecureTransport": "1800000000"}, True),
        ("DateGreaterThanEquals", "2026-12-01T00:00:00Z", {}, False),
        ("DateNotEquals", "2026-12-01T00:00:00Z", {}, True),
    ],
)
def test_bool_numeric_and_date_operators(operator: str, value: Any, context: Context, expected: bool) -> None:
    assert holds(operator, "aws:SecureTransport", value, context) is expected


@pytest.mark.parametrize("operator", ["ArnLike", "ArnEquals"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("arn:aws:events:us-east-1:111122223333:rule/sweep", True),
        ("arn:aws:events:*:*:rule/*", True),
        ("arn:aws:events:*:*:RULE/*", False),
        ("arn:aws:*:rule/sweep:*:*", False),
        ("arn:aws:events:eu-west-1:111122223333:rule/sweep", False),
    ],
)
def test_arn_equals_and_arn_like_are_the_same_and_compare_component_by_component(
    operator: str, pattern: str, expected: bool
) -> None:
    context = {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/sweep"}
    assert holds(operator, "aws:SourceArn", pattern, context) is expected
    assert holds("ArnNotLike", "aws:SourceArn", pattern, context) is not expected


def test_a_missing_arn_is_unlike_every_arn() -> None:
    assert not holds("ArnLike", "aws:SourceArn", "arn:aws:events:*:*:rule/*", {})
    assert holds("ArnNotEquals", "aws:SourceArn", "arn:aws:events:*:*:rule/*", {})
    assert holds("ArnNotLike", "aws:SourceArn", "arn:aws:events:*:*:rule/*", {})


def test_an_arn_is_not_like_several_only_where_it_is_like_none() -> None:
    patterns = ["arn:aws:iam::*:role/Gated*", "arn:aws:iam::111122223333:role/Admin"]
    assert not holds("ArnNotLike", "aws:PrincipalArn", patterns, {"aws:PrincipalArn": patterns[1]})
    assert holds("ArnNotLike", "aws:PrincipalArn", patterns, {"aws:PrincipalArn": patterns[1] + "s"})


@pytest.mark.parametrize(
    ("operator", "context", "expected"),
    [
        ("ForAllValues:StringEquals", {"aws:TagKeys": ["a", "b"]}, True),
        ("ForAllValues:StringEquals", {"aws:TagKeys": ["a", "z"]}, False),
        ("ForAllValues:StringEquals", {}, True),  # the documented trap: true for an absent key
        ("ForAllValues:StringNotEquals", {"aws:TagKeys": ["y", "z"]}, True),
        ("ForAllValues:StringNotEquals", {"aws:TagKeys": ["a", "z"]}, False),
        ("ForAllValues:StringNotEquals", {}, True),
        ("ForAnyValue:StringEquals", {"aws:TagKeys": ["a", "z"]}, True),
        ("ForAnyValue:StringEquals", {"aws:TagKeys": ["y", "z"]}, False),
        ("ForAnyValue:StringEquals", {}, False),
        ("ForAnyValue:StringNotEquals", {"aws:TagKeys": ["a", "z"]}, True),
        ("ForAnyValue:StringNotEquals", {"aws:TagKeys": ["a", "b"]}, False),
        ("ForAnyValue:StringNotEquals", {}, False),  # also when negated
        ("ForAllValues:StringLike", {"aws:TagKeys": ["a", "b"]}, True),
        ("ForAllValues:StringLike", {"aws:TagKeys": ["a", "ab"]}, False),
        ("ForAllValues:StringLike", {}, True),
        ("ForAllValues:StringNotLike", {"aws:TagKeys": ["a", "z"]}, False),
        ("ForAllValues:StringNotLike", {}, True),
        ("ForAnyValue:StringLike", {"aws:TagKeys": ["b", "z"]}, True),
        ("ForAnyValue:StringLike", {"aws:TagKeys": ["y", "z"]}, False),
        ("ForAnyValue:StringLike", {"aws:TagKeys": []}, False),
        ("ForAnyValue:StringLike", {}, False),
        ("ForAnyValue:StringNotLike", {"aws:TagKeys": ["a", "z"]}, True),
        ("ForAnyValue:StringNotLike", {"aws:TagKeys": ["a", "b"]}, False),
        ("ForAnyValue:StringNotLike", {"aws:TagKeys": []}, False),
        ("ForAnyValue:StringNotLike", {}, False),
    ],
)
def test_set_operators_over_multivalued_keys(operator: str, context: Context, expected: bool) -> None:
    assert holds(operator, "aws:TagKeys", ["a", "b"], context) is expected


def test_several_values_without_a_set_operator_are_refused() -> None:
    with pytest.raises(UnsupportedPolicyError, match="set operator"):
        holds("StringEquals", "aws:TagKeys", "a", {"aws:TagKeys": ["a", "b"]})


def test_condition_keys_are_compared_without_regard_to_case_also_the_tag_key() -> None:
    assert holds("StringEquals", "AWS:resourcetag/Costwatch:Never", "x", {NEVER: "x"})
    with pytest.raises(UnsupportedPolicyError, match="case only"):
        holds("StringEquals", TEAM, "x", {TEAM: "x", TEAM.upper(): "x"})


def test_all_operators_and_all_keys_must_hold() -> None:
    statement = allow(
        {
            "StringEquals": {"aws:ResourceTag/Purpose": "training", "ec2:InstanceMarketType": "spot"},
            "StringLike": {"ec2:InstanceType": ["p4d.*", "p5.*"]},
        }
    )
    whole = {
        "aws:ResourceTag/Purpose": "training",
        "ec2:InstanceMarketType": "spot",
        "ec2:InstanceType": "p5.48xlarge",
    }
    assert judge(whole, statement).allowed
    for key in whole:
        assert not judge({k: v for k, v in whole.items() if k != key}, statement).allowed, key
        assert not judge({**whole, key: "other"}, statement).allowed, key


def test_a_deny_by_null_spares_only_what_wears_the_tag() -> None:
    deny = allow({"Null": {NEVER: "false"}}, Effect="Deny", Sid="Never")
    assert judge({}, allow(), deny).allowed
    assert judge({NEVER: ""}, allow(), deny).verdict is Verdict.EXPLICITLY_DENIED


def test_a_deny_by_string_equals_does_not_catch_another_value() -> None:
    deny = allow({"StringEquals": {NEVER: "true"}}, Effect="Deny", Sid="Never")
    assert judge({NEVER: "yes"}, allow(), deny).allowed


# --- what is not understood ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        allow({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        allow({"BinaryEquals": {"key": "QmluYXJ5"}}),
        allow({"StringEqual": {TEAM: "risk"}}),
        allow({"ForSomeValues:StringEquals": {TEAM: "risk"}}),
        allow({"ForAnyValue:StringEqualsIfExists": {TEAM: "risk"}}),
        allow({"NullIfExists": {TEAM: "true"}}),
        allow({"StringEquals": {TEAM: "${aws:PrincipalTag/team}"}}),
        allow({"StringEquals": {TEAM: []}}),
        allow({"Null": {TEAM: "yes"}}),
        allow({"Bool": {TEAM: "1"}}),
        allow({"NumericEquals": {TEAM: "ten"}}),
        allow({"DateEquals": {TEAM: "tomorrow"}}),
        allow({"ArnLike": {TEAM: "*"}}),
        allow(Principal="*"),
        allow(NotAction="s3:*"),
        allow(Effect="allow"),
        allow(Action=[]),
        allow(Action="TerminateInstances"),
        allow(Action="e*:TerminateInstances"),
        allow(Resource="arn:aws:ec2:*"),
        allow(Resource="i-0abc"),
        allow(Resource="arn:aws:s3:::bucket/${aws:username}"),
        {"Effect": "Allow", "Action": "ec2:*"},
    ],
)
def test_what_is_not_understood_raises_even_where_it_would_not_apply(broken: Mapping[str, Any]) -> None:
    with pytest.raises(UnsupportedPolicyError):
        judge({}, broken, action="s3:GetObject")


def test_another_policy_version_raises() -> None:
    with pytest.raises(UnsupportedPolicyError, match="version"):
        statements_of({"Version": "2008-10-17", "Statement": []})


# --- templates ----------------------------------------------------------------------------------------

ACCOUNT, REGION = "111122223333", "us-east-1"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/costwatch-ledger"
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Ledger": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
        "Alerts": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "alerts"}},
        "Token": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/costwatch/token"}},
        "Sweep": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Handler": "costwatch.handlers.deadman.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Policies": [
                    {
                        "PolicyName": "own",
                        "PolicyDocument": document(
                            {
                                "Sid": "Ledger",
                                "Effect": "Allow",
                                "Action": ["dynamodb:GetItem", "dynamodb:Query"],
                                "Resource": [
                                    {"Fn::GetAtt": ["Ledger", "Arn"]},
                                    {"Fn::Join": ["", [{"Fn::GetAtt": ["Ledger", "Arn"]}, "/index/*"]]},
                                    {"Ref": "AWS::NoValue"},
                                ],
                            }
                        ),
                    }
                ],
                "ManagedPolicyArns": [
                    {
                        "Fn::Join": [
                            "",
                            [
                                "arn:",
                                {"Ref": "AWS::Partition"},
                                ":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
                            ],
                        ]
                    },
                    {"Ref": "Parameters"},
                ],
            },
        },
        "Other": {"Type": "AWS::IAM::Role", "Properties": {}},
        "Attached": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "Roles": [{"Ref": "Role"}],
                "PolicyDocument": document(
                    {"Sid": "Alerts", "Effect": "Allow", "Action": "sns:Publish", "Resource": {"Ref": "Alerts"}}
                ),
            },
        },
        "Parameters": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "PolicyDocument": document(
                    {
                        "Sid": "Token",
                        "Effect": "Allow",
                        "Action": "ssm:GetParameter",
                        "Resource": {
                            "Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${Token}"
                        },
                    }
                )
            },
        },
        "Stops": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Roles": [{"Ref": "Role"}],
                "PolicyDocument": document(
                    {
                        "Sid": "Stops",
                        "Effect": "Allow",
                        "Action": TERMINATE,
                        "Resource": {
                            "Fn::Sub": [
                                "arn:aws:ec2:${Where}:${AWS::AccountId}:instance/*",
                                {"Where": {"Fn::Select": [1, {"Fn::Split": [",", "eu-west-1,us-east-1"]}]}},
                            ]
                        },
                    }
                ),
            },
        },
    }
}


def resolver(**names: str) -> Resolver:
    physical = physical_ids(TEMPLATE, account=ACCOUNT, region=REGION, names={"Ledger": "costwatch-ledger", **names})
    return Resolver(physical, account=ACCOUNT, region=REGION)


@pytest.mark.parametrize(
    ("action", "resource", "sid"),
    [
        ("dynamodb:GetItem", TABLE_ARN, "Ledger"),
        ("dynamodb:Query", f"{TABLE_ARN}/index/by-day", "Ledger"),
        ("sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts", "Alerts"),
        ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/costwatch/token", "Token"),
        (TERMINATE, f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-1", "Stops"),
        ("logs:PutLogEvents", "*", "AWSLambdaBasicExecutionRole"),
    ],
)
def test_inline_attached_and_managed_policies_are_all_collected(action: str, resource: str, sid: str) -> None:
    role = policies_of(TEMPLATE, role_of_function(TEMPLATE, "costwatch.handlers.deadman.handler"), resolver())
    assert role.evaluate(action, resource) == Decision(Verdict.ALLOWED, sid)
    assert policies_of(TEMPLATE, "Other", resolver()).evaluate(action, resource) == Decision(Verdict.IMPLICITLY_DENIED)


def test_what_is_not_in_the_resolved_resources_is_denied() -> None:
    role = policies_of(TEMPLATE, "Role", resolver())
    assert not role.evaluate(TERMINATE, f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-1").allowed
    assert not role.evaluate("dynamodb:GetItem", TABLE_ARN + "-other").allowed


def test_granting_ignores_resource_and_condition() -> None:
    role = policies_of(TEMPLATE, "Role", resolver())
    assert [statement.sid for statement in role.granting(TERMINATE)] == ["Stops"]
    assert role.granting("ec2:StopInstances") == ()


def with_role(**properties: Any) -> dict[str, Any]:
    return {"Resources": {**TEMPLATE["Resources"], "Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}


@pytest.mark.parametrize(
    "properties",
    [
        {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
        {"PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/unheard-of"},
        {"Policies": [{"PolicyName": "p", "PolicyDocument": document(allow(Resource={"Fn::ImportValue": "x"}))}]},
        {"Policies": [{"PolicyName": "p", "PolicyDocument": document(allow(Resource={"Fn::If": ["c", "*", "*"]}))}]},
        {"Policies": [{"PolicyName": "p", "PolicyDocument": document(allow(Resource={"Ref": "Nobody"}))}]},
        {
            "Policies": [
                {"PolicyName": "p", "PolicyDocument": document(allow(Resource={"Fn::GetAtt": ["Ledger", "StreamArn"]}))}
            ]
        },
    ],
)
def test_what_cannot_be_resolved_raises(properties: Mapping[str, Any]) -> None:
    with pytest.raises(UnsupportedPolicyError):
        policies_of(with_role(**properties), "Role", resolver())


def test_a_boundary_of_the_role_is_applied() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/limit"
    template = with_role(PermissionsBoundary=arn, Policies=[{"PolicyName": "p", "PolicyDocument": document(allow())}])
    limit = document(allow(Action="s3:*"))
    assert not policies_of(template, "Role", resolver(), boundaries={arn: limit}).evaluate(TERMINATE, INSTANCE).allowed


def test_a_sub_keeps_an_escaped_variable() -> None:
    assert resolver().resolve({"Fn::Sub": "${!aws:username}-${AWS::Region}"}) == "${aws:username}-us-east-1"


def test_the_function_must_be_found_exactly_once() -> None:
    with pytest.raises(LookupError):
        role_of_function(TEMPLATE, "costwatch.handlers.hints.handler")
