"""Proofs over the synthesized roles: what each may stop, and that in observe none may stop anything.

The written lists below are the second pair of eyes on what infra generates: a new permission needs a change here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import botocore.session
import pytest

import costwatch_client
from costwatch import names, topology
from infra.registry_permissions import WRITE
from infra.stop_permissions import stop_statements
from tests.infra import documents
from tests.support.iam import Context, Statement, Verdict, evaluate, statements_of
from tests.support.synth import BOUNDARY
from tests.support.template_roles import (
    LONGEST_INLINE_POLICIES,
    LONGEST_MANAGED_POLICY,
    MOST_MANAGED_POLICIES,
    Resolver,
    RolePolicies,
    physical_ids,
    policies_of,
    policy_characters,
    role_ids,
    role_of_function,
)

Template = Mapping[str, Any]

FUNCTION = "AWS::Lambda::Function"
ACCOUNT, OTHER_ACCOUNT, HOME = "111122223333", "444455556666", "us-east-1"
FUNCTIONS = {function.name: function for function in topology.FUNCTIONS}
WITHOUT_SLACK = [function.name for function in topology.functions(slack=False, models=False)]
"""Those that the configuration `observe`, which leaves Slack out, deploys."""
WITHOUT_MODELS = [function.name for function in topology.functions(slack=True, models=False)]
"""Those that `enforce` deploys; `models` has the one that judges them as well."""
WATCHERS = (topology.DEADMAN.name, topology.HINTS.name)
"""They look at the world; the third takes heartbeats and looks at nothing, the fourth looks at prices only."""
DESTRUCTIVE = (
    "ec2:TerminateInstances",
    "ec2:StopInstances",
    "ec2:CancelSpotInstanceRequests",
    "sagemaker:StopTrainingJob",
    "sagemaker:UpdateTrainingJob",
    "sagemaker:StopProcessingJob",
    "sagemaker:StopHyperParameterTuningJob",
    "sagemaker:StopAutoMLJob",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
)
ALLOWING_SID = r"(Terminate|StopInstances|CancelSpot|Stop(Training|Processing|Tuning|AutoML)|EmptyGroup|LowerGroup)\d"
ENDS_INSTANCES = DESTRUCTIVE[:2]

JOB_RESOURCES = {
    "training": "training-job",
    "processing": "processing-job",
    "tuning": "hyper-parameter-tuning-job",
    "automl": "automl-job",
}
JOB_ACTIONS = {
    "training": ("sagemaker:StopTrainingJob", "sagemaker:UpdateTrainingJob"),
    "processing": ("sagemaker:StopProcessingJob",),
    "tuning": ("sagemaker:StopHyperParameterTuningJob",),
    "automl": ("sagemaker:StopAutoMLJob",),
}
JOBS = frozenset(f"arn:aws:sagemaker:*:{ACCOUNT}:{resource}/*" for resource in JOB_RESOURCES.values())

# What a watcher may do while nothing is in enforce. {role} is its name; every ARN is in this account.
ALLOWED_IN_OBSERVE: Mapping[str, frozenset[str]] = {
    "ec2:DescribeInstances": frozenset({"*"}),
    "ec2:DescribeSpotInstanceRequests": frozenset({"*"}),
    "ec2:DescribeInstanceAttribute": frozenset({f"arn:aws:ec2:*:{ACCOUNT}:instance/*"}),
    "autoscaling:DescribeAutoScalingGroups": frozenset({"*"}),
    "autoscaling:DescribeScalingActivities": frozenset({"*"}),
    "sagemaker:ListTrainingJobs": frozenset({"*"}),
    "sagemaker:ListProcessingJobs": frozenset({"*"}),
    "sagemaker:ListHyperParameterTuningJobs": frozenset({"*"}),
    "sagemaker:ListAutoMLJobs": frozenset({"*"}),
    "sagemaker:DescribeTrainingJob": JOBS,
    "sagemaker:DescribeProcessingJob": JOBS,
    "sagemaker:DescribeHyperParameterTuningJob": JOBS,
    "sagemaker:DescribeAutoMLJobV2": JOBS,
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob": JOBS,
    "sagemaker:ListTags": JOBS,
    "dynamodb:BatchWriteItem": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"}),
    "dynamodb:GetItem": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"}),
    "dynamodb:Query": frozenset(
        {
            f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger",
            f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger/index/by-day",
        }
    ),
    "dynamodb:PutItem": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"}),
    "dynamodb:UpdateItem": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"}),
    "dynamodb:DeleteItem": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"}),
    "dynamodb:ConditionCheckItem": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"}),
    "sns:Publish": frozenset({f"arn:aws:sns:{HOME}:{ACCOUNT}:alerts"}),
    "sns:ListSubscriptionsByTopic": frozenset({f"arn:aws:sns:{HOME}:{ACCOUNT}:alerts"}),
    "sqs:SendMessage": frozenset(
        {f"arn:aws:sqs:{HOME}:{ACCOUNT}:refused", f"arn:aws:sqs:{HOME}:{ACCOUNT}:{{role}}-dead-letters"}
    ),
    "events:PutEvents": frozenset({f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/default"}),
    "ssm:GetParameter": frozenset({f"arn:aws:ssm:{HOME}:{ACCOUNT}:parameter/costwatch/slack-token"}),
    "logs:CreateLogStream": frozenset({f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:{{role}}-logs:*"}),
    "logs:PutLogEvents": frozenset({f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:{{role}}-logs:*"}),
}

# On top of that the gate and the sweep answer who waits, and the sweep finds them again where a message was lost.
_EXECUTIONS = frozenset({f"arn:aws:sagemaker:*:{ACCOUNT}:pipeline/*/execution/*"})
_MACHINES = frozenset({f"arn:aws:states:{HOME}:{ACCOUNT}:stateMachine:*"})
_PIPELINES = frozenset({f"arn:aws:sagemaker:*:{ACCOUNT}:pipeline/*"})
ANSWERS: Mapping[str, frozenset[str]] = {
    "sagemaker:DescribePipelineExecution": _EXECUTIONS,
    "sagemaker:ListPipelineExecutionSteps": _EXECUTIONS,
    "sagemaker:SendPipelineExecutionStepFailure": _EXECUTIONS,
    "sagemaker:SendPipelineExecutionStepSuccess": _EXECUTIONS,
    "states:SendTaskFailure": _MACHINES,
    "states:SendTaskSuccess": _MACHINES,
}
FINDS_WAITING: Mapping[str, frozenset[str]] = {
    "sagemaker:ListPipelines": frozenset({"*"}),
    "sagemaker:ListPipelineExecutions": _PIPELINES,
    "sagemaker:DescribePipelineDefinitionForExecution": _PIPELINES,
    "sagemaker:ListPipelineParametersForExecution": _PIPELINES,
}

# And the sweep sends its canary.
CANARY_BUS = f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/costwatch"
_BEATS = frozenset({f"arn:aws:sqs:{HOME}:{ACCOUNT}:beats"})
HEARTBEATS_MAY: Mapping[str, frozenset[str]] = {
    **{a: ALLOWED_IN_OBSERVE[a] for a in ("dynamodb:GetItem", "dynamodb:PutItem")},
    **{a: ALLOWED_IN_OBSERVE[a] for a in ("logs:CreateLogStream", "logs:PutLogEvents")},
    "sqs:SendMessage": frozenset({f"arn:aws:sqs:{HOME}:{ACCOUNT}:refused"}),
    "sqs:ReceiveMessage": _BEATS,
    "sqs:ChangeMessageVisibility": _BEATS,
    "sqs:GetQueueUrl": _BEATS,
    "sqs:DeleteMessage": _BEATS,
    "sqs:GetQueueAttributes": _BEATS,
}

PRICES_MAY: Mapping[str, frozenset[str]] = {
    "pricing:GetProducts": frozenset({"*"}),
    "ec2:DescribeSpotPriceHistory": frozenset({"*"}),
    **{
        a: frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"})
        for a in ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query")
    },
    **{a: ALLOWED_IN_OBSERVE[a] for a in ("logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage")},
}

_REQUESTS = frozenset(
    {f"arn:aws:sqs:{HOME}:{ACCOUNT}:gate-requests", f"arn:aws:sqs:{HOME}:{ACCOUNT}:gate-requests-dead-letters"}
)
GATE_MAY: Mapping[str, frozenset[str]] = {
    **{a: r for a, r in ALLOWED_IN_OBSERVE.items() if a.startswith(("dynamodb:", "sns:", "logs:", "ssm:"))},
    **ANSWERS,
    "sqs:SendMessage": frozenset({f"arn:aws:sqs:{HOME}:{ACCOUNT}:refused"}),
    **{a: _REQUESTS for a in HEARTBEATS_MAY if a.startswith("sqs:") and a != "sqs:SendMessage"},
}

DOOR_MAY: Mapping[str, frozenset[str]] = {
    "events:PutEvents": ALLOWED_IN_OBSERVE["events:PutEvents"],
    "ssm:GetParameter": frozenset({f"arn:aws:ssm:{HOME}:{ACCOUNT}:parameter/costwatch/slack-signing-secret"}),
    **{a: ALLOWED_IN_OBSERVE[a] for a in ("logs:CreateLogStream", "logs:PutLogEvents")},
}

# Whoever clicks Stop now has the sweep's function asked; the function behind the door can stop nothing.
CLICKS_MAY: Mapping[str, frozenset[str]] = {
    **{
        action: resources
        for action, resources in ALLOWED_IN_OBSERVE.items()
        if action.partition(":")[0] in ("events", "logs", "sns", "sqs")
    },
    **{
        f"dynamodb:{name}": frozenset({f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/ledger"})
        for name in ("DeleteItem", "GetItem", "PutItem", "Query")
    },
    **{action: resources for action, resources in ANSWERS.items() if "Describe" not in action},
    "ssm:GetParameter": ALLOWED_IN_OBSERVE["ssm:GetParameter"] | DOOR_MAY["ssm:GetParameter"],
    "lambda:InvokeFunction": frozenset({f"arn:aws:lambda:{HOME}:{ACCOUNT}:function:deadman-function"}),
}

# It judges candidates: what trained them, what was measured of them, wherever in this account that lies.
RES_MAY: Mapping[str, frozenset[str]] = {
    **{
        action: resources
        for action, resources in ALLOWED_IN_OBSERVE.items()
        if action.partition(":")[0] in ("events", "logs", "sns", "sqs", "ssm") or resources == JOBS
    },
    **{action: CLICKS_MAY[action] for action in CLICKS_MAY if action.startswith("dynamodb:")},
    "sagemaker:ListModelPackages": frozenset({"*"}),
    "sagemaker:DescribeModelPackage": frozenset({f"arn:aws:sagemaker:*:{ACCOUNT}:model-package/*"}),
    "sagemaker:ListPipelineExecutionSteps": _EXECUTIONS,
    "s3:GetObject": frozenset({"arn:aws:s3:::*/*"}),
    "s3:ListBucket": frozenset({"arn:aws:s3:::*"}),
}

RETRAIN_MAY: Mapping[str, frozenset[str]] = {
    **{a: PRICES_MAY[a] for a in PRICES_MAY if a.startswith(("dynamodb:", "logs:"))},
    "sqs:SendMessage": HEARTBEATS_MAY["sqs:SendMessage"],
}

OTHERS_MAY = {
    topology.RES.name: RES_MAY,
    topology.RETRAIN.name: RETRAIN_MAY,
    topology.GATE.name: GATE_MAY,
    topology.HEARTBEATS.name: HEARTBEATS_MAY,
    topology.PRICES.name: PRICES_MAY,
    topology.DOOR.name: DOOR_MAY,
    topology.CLICKS.name: CLICKS_MAY,
}
ONLY_WITH_SLACK = frozenset({"ssm:GetParameter"})

# botocore's service -> the prefix of its IAM actions. Everything that holds compute, data, identities or money.
SERVICES: Mapping[str, str] = {
    "application-autoscaling": "application-autoscaling",
    "autoscaling": "autoscaling",
    "backup": "backup",
    "batch": "batch",
    "bedrock": "bedrock",
    "budgets": "budgets",
    "ce": "ce",
    "cloudformation": "cloudformation",
    "cloudtrail": "cloudtrail",
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "ebs": "ebs",
    "ec2": "ec2",
    "ecr": "ecr",
    "ecs": "ecs",
    "efs": "elasticfilesystem",
    "eks": "eks",
    "emr": "elasticmapreduce",
    "events": "events",
    "fsx": "fsx",
    "glue": "glue",
    "iam": "iam",
    "kms": "kms",
    "lambda": "lambda",
    "logs": "logs",
    "organizations": "organizations",
    "pricing": "pricing",
    "rds": "rds",
    "resourcegroupstaggingapi": "tag",
    "s3": "s3",
    "s3control": "s3",
    "sagemaker": "sagemaker",
    "sagemaker-runtime": "sagemaker",
    "scheduler": "scheduler",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "stepfunctions": "states",
    "sts": "sts",
}
# IAM actions that are no operation of their own, or are called otherwise than their operation.
ACTIONS_WITHOUT_OPERATION = (
    "dynamodb:ConditionCheckItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "iam:PassRole",
    "lambda:InvokeFunction",
    "s3:BypassGovernanceRetention",
    "s3:DeleteObjectVersion",
    "s3:PutLifecycleConfiguration",
    "tag:TagResources",
    "tag:UntagResources",
)


@pytest.fixture(scope="session")
def action_universe() -> frozenset[str]:
    session = botocore.session.get_session()
    operations = {
        f"{prefix}:{operation}"
        for service, prefix in SERVICES.items()
        for operation in session.get_service_model(service).operation_names
    }
    return frozenset(operations) | frozenset(ACTIONS_WITHOUT_OPERATION)


def physical_names(template: Template) -> dict[str, str]:
    """Short names for the stack's own resources, so that the lists above can be read."""
    given: dict[str, str] = {}
    for logical_id, resource in template["Resources"].items():
        owner = next((name for name in FUNCTIONS if logical_id.lower().startswith(name)), "")
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                given[logical_id] = "ledger"
            case "AWS::SNS::Topic":
                given[logical_id] = "alerts"
            case "AWS::SQS::Queue" if logical_id.startswith(("Beats", "GateRequests")):
                queue = "beats" if logical_id.startswith("Beats") else "gate-requests"
                given[logical_id] = f"{queue}-dead-letters" if "DeadLetters" in logical_id else queue
            case "AWS::SQS::Queue":
                given[logical_id] = f"{owner}-dead-letters" if owner else "refused"
            case "AWS::Lambda::Function":
                given[logical_id] = f"{owner}-function"
            case "AWS::Logs::LogGroup" if not logical_id.startswith("GatedTraining"):
                given[logical_id] = f"{owner}-logs"
    return given


def role(template: Template, function: str, *, boundary: Mapping[str, Any] | None = None) -> RolePolicies:
    """The role of a function. `boundary` is the document of the boundary that the configuration `boundary` names."""
    physical = physical_ids(template, account=ACCOUNT, region=HOME, names=physical_names(template))
    resolver = Resolver(physical, account=ACCOUNT, region=HOME)
    boundaries = {f"arn:aws:iam::{ACCOUNT}:policy/{BOUNDARY}": boundary or allowing("*")}
    holder = role_of_function(template, FUNCTIONS[function].handler)
    return policies_of(template, holder, resolver, boundaries=boundaries)


def deployed(template: Template) -> list[str]:
    """The functions that a template has."""
    handlers = [r["Properties"]["Handler"] for r in template["Resources"].values() if r["Type"] == FUNCTION]
    return [name for name, function in FUNCTIONS.items() if function.handler in handlers]


def every_role(templates: Mapping[str, Template]) -> Iterator[tuple[Template, str]]:
    """Of every configuration, with the name of its function."""
    return ((template, function) for template in templates.values() for function in deployed(template))


def allowing(*actions: str) -> dict[str, Any]:
    statement = {"Sid": "Boundary", "Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


# --- nothing in enforce -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "function"),
    [
        *(("observe", function) for function in WITHOUT_SLACK),
        *(("enforce", function) for function in WITHOUT_MODELS),
        ("models", topology.RES.name),
        ("models", topology.RETRAIN.name),
    ],
)
def test_a_role_holds_the_written_list_and_in_enforce_only_the_stop_permissions_more(
    mode: str, function: str, templates: Mapping[str, Template]
) -> None:
    granted: dict[str, set[str]] = {}
    for statement in role(templates[mode], function).statements:
        assert not statement.not_actions, statement
        assert not statement.not_resources, statement
        if statement.effect == "Allow":
            for action in statement.actions:
                granted.setdefault(action, set()).update(statement.resources)
    expected = written_list(function, slack=mode != "observe")  # the sample, which is `observe`, leaves Slack out
    stop = set(granted) - set(expected)
    more = {("enforce", "deadman"): set(DESTRUCTIVE), ("models", topology.RES.name): {WRITE}}
    assert stop == more.get((mode, function), set())
    assert {action: resources for action, resources in granted.items() if action not in stop} == expected


def written_list(function: str, *, slack: bool) -> dict[str, set[str]]:
    """What a function may do while nothing is in enforce."""
    written = OTHERS_MAY.get(function, ALLOWED_IN_OBSERVE)
    found = {
        action: {resource.format(role=function) for resource in resources}
        for action, resources in written.items()
        if slack or action not in ONLY_WITH_SLACK
    }
    if function == topology.DEADMAN.name:
        found["events:PutEvents"].add(CANARY_BUS)
        found |= {action: set(resources) for action, resources in {**ANSWERS, **FINDS_WAITING}.items()}
    return found


def test_every_role_of_the_stack_is_one_of_the_functions(templates: Mapping[str, Template]) -> None:
    for name, template in templates.items():
        owned = {role_of_function(template, FUNCTIONS[function].handler) for function in deployed(template)}
        others = [each for each in role_ids(template) if each not in owned]
        assert [each.startswith("GatedTraining") for each in others] == ([True] if name == "gated" else [])


@pytest.mark.parametrize("function", WITHOUT_SLACK)
def test_in_observe_no_role_allows_any_other_action_of_any_service(
    function: str, templates: Mapping[str, Template], action_universe: frozenset[str]
) -> None:
    # An upper bound: whatever the resource, whatever the condition, whatever a Deny would take away again.
    holder = role(templates["observe"], function)
    allowed = {action for action in action_universe if holder.granting(action)}
    assert allowed == set(written_list(function, slack=False))
    assert len(action_universe) > 3_500


@pytest.mark.parametrize(
    ("mode", "function"),
    [
        ("observe", "deadman"),
        ("observe", "hints"),
        ("enforce", "hints"),
        ("enforce", "heartbeats"),
        ("enforce", "prices"),
        ("enforce", "gate"),
        ("enforce", "door"),
        ("enforce", "clicks"),
    ],
)
def test_what_the_stop_role_is_for_is_denied_to_everybody_else(
    mode: str, function: str, templates: Mapping[str, Template]
) -> None:
    holder = role(templates[mode], function)
    for target in eligible_targets(documents.ENFORCING):
        assert holder.evaluate(target.action, target.resource, target.context).verdict is Verdict.IMPLICITLY_DENIED


def test_actions_are_written_out_and_belong_to_a_service_that_was_enumerated(
    templates: Mapping[str, Template],
) -> None:
    prefixes = set(SERVICES.values())
    for template, function in every_role(templates):
        for statement in role(template, function).statements:
            for action in statement.actions:
                assert "*" not in action and "?" not in action, statement  # noqa: PT018 -- one claim
                assert action.split(":")[0] in prefixes, statement


@pytest.mark.parametrize("function", WITHOUT_MODELS)
def test_a_function_can_write_its_own_log_and_no_other(function: str, templates: Mapping[str, Template]) -> None:
    holder = role(templates["enforce"], function)
    other = next(name for name in WITHOUT_MODELS if name != function)
    group = f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert holder.evaluate(action, f"{group}{function}-logs:log-stream:2026/11/22/[$LATEST]abc").allowed
        assert not holder.evaluate(action, f"{group}{other}-logs:log-stream:2026/11/22/[$LATEST]abc").allowed


@pytest.mark.parametrize("function", WATCHERS)
def test_events_are_put_under_costwatchs_own_source_only(function: str, templates: Mapping[str, Template]) -> None:
    holder = role(templates["observe"], function)
    bus = f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/default"
    assert holder.evaluate("events:PutEvents", bus, {"events:source": names.SOURCE_COSTWATCH}).allowed
    assert not holder.evaluate("events:PutEvents", bus, {"events:source": names.SOURCE_EC2}).allowed
    assert not holder.evaluate("events:PutEvents", bus, {}).allowed


def an_event(*detail_types: str, source: str = names.SOURCE_CLIENT) -> dict[str, str | list[str]]:
    """What IAM is asked about a call with such entries."""
    return {"events:source": source, "events:detail-type": list(detail_types)}


def test_only_the_sweep_sends_canaries_and_nothing_else_on_their_way(templates: Mapping[str, Template]) -> None:
    for function in WITHOUT_MODELS:
        holder = role(templates["enforce"], function)
        canary = an_event(names.DETAIL_CANARY)
        assert holder.evaluate("events:PutEvents", CANARY_BUS, canary).allowed is (function == topology.DEADMAN.name)
        for other in (
            an_event(names.DETAIL_CANARY, source=names.SOURCE_COSTWATCH),
            *(an_event(kind) for kind in names.CLIENT_DETAIL_TYPES),
            an_event(names.DETAIL_CANARY, names.DETAIL_HEARTBEAT),
        ):
            assert not holder.evaluate("events:PutEvents", CANARY_BUS, other).allowed


def test_the_door_puts_clicks_on_the_default_bus_and_nothing_else(templates: Mapping[str, Template]) -> None:
    holder = role(templates["enforce"], topology.DOOR.name)
    bus = f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/default"
    click, source = names.DETAIL_SLACK_INTERACTION, names.SOURCE_SLACK
    assert holder.evaluate("events:PutEvents", bus, an_event(click, source=source)).allowed
    assert not holder.evaluate("events:PutEvents", CANARY_BUS, an_event(click, source=source)).allowed
    for other in (
        an_event(click, source=names.SOURCE_COSTWATCH),
        an_event(click, source=names.SOURCE_CLI),
        an_event(names.DETAIL_STOP_REQUESTED, source=source),
        an_event(click, names.DETAIL_STOP_REQUESTED, source=source),
    ):
        assert not holder.evaluate("events:PutEvents", bus, other).allowed


@pytest.mark.parametrize("function", [name for name in WITHOUT_MODELS if name != topology.DOOR.name])
def test_nobody_but_the_door_puts_clicks_on_the_bus(function: str, templates: Mapping[str, Template]) -> None:
    bus = f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/default"
    click = an_event(names.DETAIL_SLACK_INTERACTION, source=names.SOURCE_SLACK)
    assert not role(templates["enforce"], function).evaluate("events:PutEvents", bus, click).allowed


def test_the_statement_that_trainers_paste_lets_them_beat_and_try_and_send_no_canary() -> None:
    pasted = costwatch_client._Bus(names.HEARTBEAT_BUS, HOME, ACCOUNT).statement
    assert pasted["Resource"] == CANARY_BUS
    statements = statements_of({"Version": "2012-10-17", "Statement": [pasted]})

    def allowed(*detail_types: str, **changes: str) -> bool:
        return evaluate(statements, "events:PutEvents", CANARY_BUS, an_event(*detail_types, **changes)).allowed

    assert all(allowed(kind) for kind in names.CLIENT_DETAIL_TYPES)
    assert allowed(names.DETAIL_STARTED, names.DETAIL_HEARTBEAT, names.DETAIL_DONE), "one call takes several of them"
    assert not allowed(names.DETAIL_CANARY)
    assert not allowed(names.DETAIL_HEARTBEAT, names.DETAIL_CANARY)
    assert not allowed(names.DETAIL_HEARTBEAT, source=names.SOURCE_COSTWATCH)


def test_spot_prices_are_read_in_the_configured_regions_only(templates: Mapping[str, Template]) -> None:
    holder = role(templates["enforce"], topology.PRICES.name)
    for region, expected in ((HOME, True), ("sa-east-1", False)):
        asked = holder.evaluate("ec2:DescribeSpotPriceHistory", "*", {"aws:RequestedRegion": region})
        assert asked.allowed is expected, region


@pytest.mark.parametrize("function", WATCHERS)
def test_the_world_is_read_in_the_configured_regions_only(function: str, templates: Mapping[str, Template]) -> None:
    holder = role(templates["enforce"], function)
    for action, resource in (("ec2:DescribeInstances", "*"), ("sagemaker:ListTrainingJobs", "*")):
        for region in documents.REGIONS:
            assert holder.evaluate(action, resource, {"aws:RequestedRegion": region}).allowed
        elsewhere = holder.evaluate(action, resource, {"aws:RequestedRegion": "ap-south-1"}).allowed
        # The sweep verifies a stop in a region that has left the configuration, and looks for no jobs there.
        assert elsewhere is (function == "deadman" and action == "ec2:DescribeInstances")


def test_policies_stay_within_iams_limits(templates: Mapping[str, Template]) -> None:
    for template, function in every_role(templates):
        held = role(template, function).documents
        inline = [policy_characters(body) for name, body in held.items() if name.startswith("inline:")]
        managed = [policy_characters(body) for name, body in held.items() if name.startswith("managed:")]
        assert sum(inline) <= LONGEST_INLINE_POLICIES
        assert all(length <= LONGEST_MANAGED_POLICY for length in managed)
        assert len(managed) <= MOST_MANAGED_POLICIES


# --- in enforce ---------------------------------------------------------------------------------------


class Target(NamedTuple):
    """One thing that could be stopped, and the words IAM would see."""

    action: str
    resource: str
    context: dict[str, str]
    label: str

    def but(self, label: str, **context: str | None) -> Target:
        """The same thing with other condition keys; None takes one away."""
        merged = {**self.context, **context}
        kept = {key: value for key, value in merged.items() if value is not None}
        return self._replace(context=kept, label=f"{self.label}: {label}")

    def at(self, label: str, **parts: str) -> Target:
        """The same thing elsewhere."""
        resource = self.resource
        if account := parts.get("account"):
            resource = resource.replace(f":{ACCOUNT}:", f":{account}:")
        if region := parts.get("region"):
            resource = resource.replace(f":{self.context['aws:RequestedRegion']}:", f":{region}:")
            return self.but(label, **{"aws:RequestedRegion": region})._replace(resource=resource)
        return self._replace(resource=resource, label=f"{self.label}: {label}")


MARKETS = {
    None: ("on-demand", "spot"),
    "on_demand": ("on-demand",),
    "spot": ("spot",),
    "capacity_block": ("capacity-block",),
}
ALL_MARKETS = ("on-demand", "spot", "capacity-block")


def eligible_targets(selectors: Iterable[Mapping[str, Any]]) -> Iterator[Target]:
    """Everything the selectors pick: each combination of tag values, type, market and region."""
    for selector in selectors:
        keys = list(selector["tags"])
        for values, region in itertools.product(itertools.product(*selector["tags"].values()), documents.REGIONS):
            tags = {f"aws:ResourceTag/{key}": value for key, value in zip(keys, values, strict=True)}
            common = {"aws:RequestedRegion": region, **tags}
            where = f"{region}:{ACCOUNT}"
            label = f"{selector['name']} {'/'.join(values)} in {region}"
            kind = selector["service"]
            if kind in JOB_ACTIONS:
                job = f"arn:aws:sagemaker:{where}:{JOB_RESOURCES[kind]}/churn-bert"
                for action in JOB_ACTIONS[kind]:
                    yield Target(action, job, common, f"{label}: {action}")
                continue
            if selector["action"] == "terminate":
                group = f"arn:aws:autoscaling:{where}:autoScalingGroup:0f8c:autoScalingGroupName/nodes"
                yield Target("autoscaling:TerminateInstanceInAutoScalingGroup", group, common, label)
                yield Target("autoscaling:UpdateAutoScalingGroup", group, common, f"{label} to a desired capacity")
                if selector["at_min_size"] == "lower":
                    lowered = {**common, "autoscaling:MinSize": "0"}
                    yield Target("autoscaling:UpdateAutoScalingGroup", group, lowered, f"{label} with its minimum")
            types = [wildcard.replace("*", "24xlarge") for wildcard in selector["types"]] or ["g5.xlarge"]
            for instance_type, market in itertools.product(types, MARKETS[selector["purchase"]]):
                context = {**common, "ec2:InstanceType": instance_type, "ec2:InstanceMarketType": market}
                instance = f"arn:aws:ec2:{where}:instance/i-0abc"
                action = "ec2:StopInstances" if selector["action"] == "stop" else "ec2:TerminateInstances"
                yield Target(action, instance, context, f"{label} {instance_type} {market}")
            if "spot" in MARKETS[selector["purchase"]] and selector["action"] == "terminate":
                request = f"arn:aws:ec2:{where}:spot-instances-request/sir-1"
                yield Target("ec2:CancelSpotInstanceRequests", request, common, label)


def ineligible_targets(selectors: Iterable[Mapping[str, Any]]) -> Iterator[Target]:
    """Near misses: each differs from something that is picked in one respect."""
    for selector in selectors:
        for target in eligible_targets([selector]):
            for key in selector["tags"]:
                tag = f"aws:ResourceTag/{key}"
                yield target.but(f"without the tag {key}", **{tag: None})
                yield target.but(f"with another value of {key}", **{tag: "other"})
                yield target.but(f"with an empty value of {key}", **{tag: ""})
                yield target.but(f"with the value of {key} in other letters", **{tag: target.context[tag].upper()})
            for kind, resource in JOB_RESOURCES.items():
                if selector["service"] in JOB_RESOURCES and kind != selector["service"]:
                    other = target.resource.replace(f":{JOB_RESOURCES[selector['service']]}/", f":{resource}/")
                    yield target._replace(resource=other, label=f"{target.label}: a {kind} job")
            yield target.but("with no keys at all", **dict.fromkeys(target.context))
            yield target.at("in another account", account=OTHER_ACCOUNT)
            yield target.at("in a region that is not configured", region="ap-south-1")
            if target.action == "autoscaling:UpdateAutoScalingGroup" and selector["at_min_size"] == "hold":
                yield target.but("with its minimum", **{"autoscaling:MinSize": "0"})
            if target.action in ENDS_INSTANCES:
                for market in set(ALL_MARKETS) - set(MARKETS[selector["purchase"]]):
                    yield target.but(f"as {market}", **{"ec2:InstanceMarketType": market})
                yield target.but("with no market known", **{"ec2:InstanceMarketType": None})
                if selector["types"]:
                    yield target.but("of another type", **{"ec2:InstanceType": "m5.large"})
                    yield target.but("of a type that begins alike", **{"ec2:InstanceType": "p4de.24xlarge"})
                    yield target.but("with no type known", **{"ec2:InstanceType": None})


def explicitly_denied_targets(selectors: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Target, str]]:
    """Picked by a selector and yet forbidden, with the Sid that forbids it."""
    never = f"aws:ResourceTag/{names.TAG_NEVER}"
    for target in eligible_targets(selectors):
        for value in ("", "true", "false"):
            yield target.but(f"with {names.TAG_NEVER}={value!r}", **{never: value}), "NeverStop"
        yield target.but("with the never tag in capitals", **{never.upper(): "x"}), "NeverStop"
        yield target.but("protected", **{"aws:ResourceTag/Environment": "prod"}), "Protected1"
        if target.action.startswith("autoscaling:"):
            protected = target.resource.replace("Name/nodes", "Name/inference-a")
            yield target._replace(resource=protected, label=f"{target.label}: protected by name"), "NamedGroups1"
        if target.action == "autoscaling:UpdateAutoScalingGroup":
            yield target.but("with another maximum", **{"autoscaling:MaxSize": "100"}), "OnlyTheNumbers"
            yield target.but("with other subnets", **{"autoscaling:VPCZoneIdentifiers": "subnet-1"}), "OnlyTheNumbers"
            yield target.but("with another launch", **{"autoscaling:LaunchConfigurationName": "x"}), "OnlyTheNumbers"
        if target.action in ENDS_INSTANCES:
            for tag in (names.TAG_ASG, names.TAG_EC2_FLEET, names.TAG_SPOT_FLEET):
                yield target.but(f"with {tag}", **{f"aws:ResourceTag/{tag}": "x"}), "ControlledElsewhere"


def judge(statements: tuple[Statement, ...], target: Target) -> tuple[Verdict, str]:
    context: Context = target.context
    decision = evaluate(statements, target.action, target.resource, context)
    return decision.verdict, decision.sid


def prove(statements: tuple[Statement, ...], selectors: Iterable[Mapping[str, Any]]) -> dict[Verdict, int]:
    """Assert all three lists over one role; how many targets fell under each verdict."""
    chosen = list(selectors)
    counts = dict.fromkeys(Verdict, 0)
    for target in eligible_targets(chosen):
        verdict, sid = judge(statements, target)
        assert verdict is Verdict.ALLOWED, target
        assert re.match(ALLOWING_SID, sid), (target, sid)
        counts[verdict] += 1
    for target in ineligible_targets(chosen):
        verdict, sid = judge(statements, target)
        assert verdict is Verdict.IMPLICITLY_DENIED, (target, sid)
        counts[verdict] += 1
    for target, expected in explicitly_denied_targets(chosen):
        verdict, sid = judge(statements, target)
        assert verdict is Verdict.EXPLICITLY_DENIED, (target, sid)
        assert sid.startswith(expected), (target, sid)
        counts[verdict] += 1
    return counts


def test_the_stop_role_may_stop_what_the_selectors_pick_and_nothing_that_differs_in_one_respect(
    templates: Mapping[str, Template],
) -> None:
    counts = prove(role(templates["enforce"], "deadman").statements, documents.ENFORCING)
    assert {target.action for target in eligible_targets(documents.ENFORCING)} == set(DESTRUCTIVE)
    assert all(count > 10 for count in counts.values()), counts


def test_a_permissions_boundary_limits_the_stop_role(templates: Mapping[str, Template]) -> None:
    holder = role(templates["boundary"], "deadman", boundary=allowing("sagemaker:*", "ec2:Describe*"))
    for target in eligible_targets(documents.ENFORCING):
        decision = holder.evaluate(target.action, target.resource, target.context)
        assert decision.allowed is target.action.startswith("sagemaker:"), target
    assert role(templates["boundary"], "hints").boundary is not None


@pytest.mark.parametrize("purchase", list(MARKETS))
@pytest.mark.parametrize("types", [[], ["p4d.*"], ["p4d.*", "p5.*"]])
def test_every_kind_of_selector_makes_a_permission_that_picks_as_it_does(
    purchase: str | None, types: list[str]
) -> None:
    selector = documents.selector("chosen", purchase=purchase, types=types, tags={"Purpose": ["a", "b"], "Team": ["c"]})
    counts = prove(generated(documents.policy(selector)), [selector])
    assert counts[Verdict.ALLOWED] >= 4


def test_types_and_markets_that_a_selector_leaves_open_are_open() -> None:
    selector = documents.selector("open", tags={"Purpose": ["training"]})
    statements = generated(documents.policy(selector))
    target = next(each for each in eligible_targets([selector]) if each.action == "ec2:TerminateInstances")
    for instance_type in ("t3.micro", "p5.48xlarge"):
        assert judge(statements, target.but(instance_type, **{"ec2:InstanceType": instance_type}))[0] is Verdict.ALLOWED
    prepaid = target.but("prepaid", **{"ec2:InstanceMarketType": "capacity-block"})
    assert judge(statements, prepaid)[0] is Verdict.IMPLICITLY_DENIED


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_a_selector_that_does_not_enforce_makes_no_permission_beside_one_that_does(mode: str) -> None:
    quiet = documents.selector("quiet", mode=mode, tags={"Purpose": ["quiet"]})
    statements = generated(documents.policy(documents.SPOT, quiet))
    for target in eligible_targets([{**quiet, "mode": "enforce"}]):
        assert judge(statements, target)[0] is Verdict.IMPLICITLY_DENIED, target
    for target in eligible_targets([documents.SPOT]):
        assert judge(statements, target)[0] is Verdict.ALLOWED, target


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_without_a_selector_in_enforce_there_is_no_stop_statement(mode: str) -> None:
    quiet = [{**one, "mode": mode} for one in documents.ENFORCING]
    assert generated(documents.policy(*quiet, mode=mode)) == ()


def test_off_switches_off_what_a_selector_enforces() -> None:
    assert generated(documents.policy(*documents.ENFORCING, mode="off")) == ()


def test_a_dollar_in_a_tag_value_is_a_dollar() -> None:
    selector = documents.selector("odd", tags={"Purpose": ["${aws:username}"]})
    target = next(iter(eligible_targets([selector])))
    statements = generated(documents.policy(selector))
    assert judge(statements, target)[0] is Verdict.ALLOWED
    assert judge(statements, target.but("a name", **{"aws:ResourceTag/Purpose": "maria"}))[0] is not Verdict.ALLOWED


def test_the_template_holds_exactly_what_is_generated_from_the_policy(templates: Mapping[str, Template]) -> None:
    """What recorded calls are judged by is therefore what is deployed."""
    held = role(templates["enforce"], "deadman").statements
    stop = {_content(s) for s in held if set(s.actions) <= set(DESTRUCTIVE)}
    assert stop == {_content(s) for s in generated(documents.policy(*documents.ENFORCING))}


def generated(policy: Mapping[str, Any]) -> tuple[Statement, ...]:
    statements = stop_statements(policy, account=ACCOUNT, partition="aws")
    return statements_of({"Version": "2012-10-17", "Statement": statements}, "generated")


def _content(statement: Statement) -> tuple[Any, ...]:
    """A statement without the name of the policy it stands in."""
    return (
        statement.effect,
        statement.sid,
        frozenset(statement.actions),
        frozenset(statement.resources),
        frozenset(statement.conditions),
    )
