"""What every function may do in any mode, as plain IAM statements: read the world, keep the ledger, say it.

No action carries a wildcard, so this list is the whole list;
`tests/infra/allowed_in_observe.py` holds it a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from costwatch import names, topology

Statement = dict[str, Any]

_LISTS_OF_JOBS: Final = (
    "sagemaker:ListAutoMLJobs",
    "sagemaker:ListHyperParameterTuningJobs",
    "sagemaker:ListProcessingJobs",
    "sagemaker:ListTrainingJobs",
)
_READS_OF_JOBS: Final = (
    "sagemaker:DescribeAutoMLJobV2",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:DescribeProcessingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:ListTags",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
)
_KINDS_OF_JOBS: Final = ("training-job", "processing-job", "hyper-parameter-tuning-job", "automl-job")
_ANSWERS_TO_STEPS: Final = (
    "sagemaker:ListPipelineExecutionSteps",
    "sagemaker:SendPipelineExecutionStepFailure",
    "sagemaker:SendPipelineExecutionStepSuccess",
)
_LEDGER_TABLE_ACTIONS: Final = (
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
_LEDGER_ACTIONS_OF_CLICKS: Final = ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query")
"""Nothing is counted and no pause is checked there: that belongs to stopping."""


@dataclass(frozen=True, slots=True)
class Targets:
    """ARNs the statements name; each may be a CloudFormation token."""

    partition: str
    account: str
    home_region: str
    regions: Sequence[str]
    ledger_table: str
    alerts_topic: str
    refused_queue: str
    log_group: str
    """As CloudFormation gives it, ending in `:*`: the group's streams."""
    deadman_function: str
    """The function that may stop something; empty for that function itself."""
    res_function: str
    """The function that writes the model registry; empty where there is none, and for that function itself."""
    slack_token_parameter: str
    """Name of the parameter; empty where Slack is not configured."""
    slack_signing_secret_parameter: str
    """The same of the secret that Slack signs with."""


def statements_of(function: topology.Function, targets: Targets) -> list[Statement]:
    """The statements of one function's role. What reads a queue is allowed to by the queue's own construct."""
    if function is topology.HEARTBEATS:
        return [
            _allow("Pulses", ["dynamodb:GetItem", "dynamodb:PutItem"], targets.ledger_table),
            _allow("RefusedEvents", ["sqs:SendMessage"], targets.refused_queue),
            _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], targets.log_group),
        ]
    if function is topology.PRICES:
        in_regions = {"StringEquals": {"aws:RequestedRegion": list(targets.regions)}}
        return [
            _allow("PriceList", ["pricing:GetProducts"], "*"),  # no resource level, and one region for all
            _allow("SpotPrices", ["ec2:DescribeSpotPriceHistory"], "*", in_regions),  # nor has this
            _allow("PriceBook", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], targets.ledger_table),
            _allow("RefusedEvents", ["sqs:SendMessage"], targets.refused_queue),
            _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], targets.log_group),
        ]
    if function is topology.GATE:
        asked = ("Ledger", "LedgerByDay", "Alerts", "RefusedEvents", "Logs", "SlackToken")
        return [s for s in statements(targets) if s["Sid"] in asked] + answers(targets) + _starters(targets)
    if function is topology.DOOR:
        only = {
            "StringEquals": {"events:source": [names.SOURCE_SLACK]},
            "ForAllValues:StringEquals": {"events:detail-type": [names.DETAIL_SLACK_INTERACTION]},
        }
        return [
            _allow("Clicks", ["events:PutEvents"], _bus(targets, "default"), only),
            _allow("SigningSecret", ["ssm:GetParameter"], _parameter(targets, targets.slack_signing_secret_parameter)),
            _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], targets.log_group),
        ]
    if function is topology.CLICKS:
        kept = ("Alerts", "RefusedEvents", "Events", "Logs", "SlackToken")
        return [
            *(statement for statement in statements(targets) if statement["Sid"] in kept),
            _allow("Ledger", list(_LEDGER_ACTIONS_OF_CLICKS), targets.ledger_table),
            *answers(targets),
            _allow("SigningSecret", ["ssm:GetParameter"], _parameter(targets, targets.slack_signing_secret_parameter)),
            # It stops nothing itself: whoever clicks Stop now has the one function asked that may.
            _allow("AskToStop", ["lambda:InvokeFunction"], targets.deadman_function),
            # Nor does it write the model registry.
            *([_allow("AskToDecide", ["lambda:InvokeFunction"], targets.res_function)] if targets.res_function else []),
        ]
    if function is topology.RES:
        return _candidates(targets)
    if function is topology.RETRAIN:
        return [
            _allow("Questions", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], targets.ledger_table),
            _allow("RefusedEvents", ["sqs:SendMessage"], targets.refused_queue),
            _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], targets.log_group),
        ]
    granted = statements(targets)
    if function is topology.DEADMAN:
        granted.extend(answers(targets))
        granted.extend(_starters(targets))
        granted.extend(_waiting_steps(targets))
        only = {
            "StringEquals": {"events:source": [names.SOURCE_CLIENT]},
            # A call may carry several events, so to IAM this key has several values.
            "ForAllValues:StringEquals": {"events:detail-type": [names.DETAIL_CANARY]},
        }
        granted.append(_allow("Canary", ["events:PutEvents"], _bus(targets, names.HEARTBEAT_BUS), only))
        granted.extend(_verify_anywhere(targets))
    return granted


def _candidates(targets: Targets) -> list[Statement]:
    """What judges candidates: the registry, what trained them, what was measured of them, and the ledger."""
    arn, in_regions = f"arn:{targets.partition}", _in(targets.regions)
    kept = ("ReadJobs", "Alerts", "RefusedEvents", "Events", "Logs", "SlackToken")
    this_account = {"StringEquals": {"aws:ResourceAccount": [targets.account]}}
    return [
        *(statement for statement in statements(targets) if statement["Sid"] in kept),
        _allow("Ledger", list(_LEDGER_ACTIONS_OF_CLICKS), targets.ledger_table),
        # A list has no version to be judged by.
        _allow("ListCandidates", ["sagemaker:ListModelPackages"], "*", in_regions),
        _allow(
            "ReadCandidates",
            ["sagemaker:DescribeModelPackage"],
            f"{arn}:sagemaker:*:{targets.account}:model-package/*",
            in_regions,
        ),
        _allow(
            "StepsOfExecutions",
            ["sagemaker:ListPipelineExecutionSteps"],
            f"{arn}:sagemaker:*:{targets.account}:pipeline/*/execution/*",
            in_regions,
        ),
        # Where metrics and evaluation data lie is each pipeline's own business: any bucket, but of this account only.
        # A bucket's ARN names no account, so a condition does. ETags take the same permission as the object.
        _allow("ReadMetrics", ["s3:GetObject"], f"{arn}:s3:::*/*", this_account),
        # What a prefix holds tells whether two models were measured on the same data.
        _allow("ListEvaluationData", ["s3:ListBucket"], f"{arn}:s3:::*", this_account),
    ]


def _starters(targets: Targets) -> list[Statement]:
    """Who started an execution: for whoever takes requests."""
    executions = f"arn:{targets.partition}:sagemaker:*:{targets.account}:pipeline/*/execution/*"
    return [_allow("Starters", ["sagemaker:DescribePipelineExecution"], executions, _in(targets.regions))]


def answers(targets: Targets) -> list[Statement]:
    """What whoever answers for the gate may do: let what waits go on or fail, and see whether it still waits.

    A task's token names its state machine to IAM, and a callback step's its execution.
    """
    executions = f"arn:{targets.partition}:sagemaker:*:{targets.account}:pipeline/*/execution/*"
    machines = f"arn:{targets.partition}:states:{targets.home_region}:{targets.account}:stateMachine:*"
    return [
        _allow("AnswerSteps", list(_ANSWERS_TO_STEPS), executions, _in(targets.regions)),
        _allow("AnswerTasks", ["states:SendTaskFailure", "states:SendTaskSuccess"], machines),
    ]


def _waiting_steps(targets: Targets) -> list[Statement]:
    """How the sweep finds callback steps again whose message was lost."""
    pipelines = f"arn:{targets.partition}:sagemaker:*:{targets.account}:pipeline/*"
    in_regions = _in(targets.regions)
    return [
        _allow("ListPipelines", ["sagemaker:ListPipelines"], "*", in_regions),  # no resource level
        _allow(
            "WaitingSteps",
            [
                "sagemaker:DescribePipelineDefinitionForExecution",
                "sagemaker:ListPipelineExecutions",
                "sagemaker:ListPipelineParametersForExecution",
            ],
            pipelines,
            in_regions,
        ),
    ]


def _in(regions: Sequence[str]) -> dict[str, Any]:
    return {"StringEquals": {"aws:RequestedRegion": list(regions)}}


def _verify_anywhere(targets: Targets) -> list[Statement]:
    """What was stopped is verified in its region though that has left the configuration since."""
    jobs = f"arn:{targets.partition}:sagemaker:*:{targets.account}:training-job/*"
    return [
        _allow("VerifyInstances", ["ec2:DescribeInstances", "ec2:DescribeSpotInstanceRequests"], "*"),
        _allow("VerifyTrainingJobs", ["sagemaker:DescribeTrainingJob", "sagemaker:ListTags"], jobs),
    ]


def statements(targets: Targets) -> list[Statement]:
    """What a function that looks at the world may do: the sweep and the hints."""
    arn = f"arn:{targets.partition}"
    in_regions = {"StringEquals": {"aws:RequestedRegion": list(targets.regions)}}
    granted = [
        _allow(
            "ReadInstances",
            ["ec2:DescribeInstances", "ec2:DescribeSpotInstanceRequests"],
            "*",  # EC2 lists have no resource level
            in_regions,
        ),
        _allow(
            "ReadProtection",
            ["ec2:DescribeInstanceAttribute"],
            f"{arn}:ec2:*:{targets.account}:instance/*",
            in_regions,
        ),
        _allow(
            "ReadGroups",
            ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities"],
            "*",  # nor have Auto Scaling's
            in_regions,
        ),
        # Nor have SageMaker's.
        _allow("ListJobs", list(_LISTS_OF_JOBS), "*", in_regions),
        _allow(
            "ReadJobs",
            list(_READS_OF_JOBS),
            [f"{arn}:sagemaker:*:{targets.account}:{kind}/*" for kind in _KINDS_OF_JOBS],
            in_regions,
        ),
        # TransactWriteItems is judged by the actions inside it.
        _allow("Ledger", list(_LEDGER_TABLE_ACTIONS), targets.ledger_table),
        _allow("LedgerByDay", ["dynamodb:Query"], f"{targets.ledger_table}/index/{names.INDEX_BY_DAY}"),
        _allow("Alerts", ["sns:ListSubscriptionsByTopic", "sns:Publish"], targets.alerts_topic),
        _allow("RefusedEvents", ["sqs:SendMessage"], targets.refused_queue),
        _allow(
            "Events",
            ["events:PutEvents"],
            _bus(targets, "default"),
            {"StringEquals": {"events:source": [names.SOURCE_COSTWATCH]}},
        ),
        _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], targets.log_group),
    ]
    if targets.slack_token_parameter:
        parameter = _parameter(targets, targets.slack_token_parameter)
        granted.append(_allow("SlackToken", ["ssm:GetParameter"], parameter))
    return granted


def _bus(targets: Targets, name: str) -> str:
    return f"arn:{targets.partition}:events:{targets.home_region}:{targets.account}:event-bus/{name}"


def _parameter(targets: Targets, name: str) -> str:
    return f"arn:{targets.partition}:ssm:{targets.home_region}:{targets.account}:parameter/{name.lstrip('/')}"


def _allow(
    sid: str, actions: list[str], resource: str | list[str], condition: dict[str, Any] | None = None
) -> Statement:
    resources = resource if isinstance(resource, list) else [resource]
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})
