"""Judges what the recorder saw: was every call allowed to the role that made it?

A function's permissions are those infra generates from the policy it ran under; that the synthesized template holds
exactly these is proved in tests/infra/test_iam_proofs.py.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from costwatch import names, topology
from costwatch.cli import doctor_permissions
from costwatch.preview import permissions as preview_permissions
from costwatch.scan import permissions
from demo.iam_questions import Question
from demo.recorder import (
    BEGINNER,
    CLICKS,
    DEADMAN,
    DOCTOR,
    DOOR,
    ENV_FILE,
    GATE,
    HEARTBEATS,
    HINTS,
    OPERATOR,
    PREVIEWER,
    PRICES,
    SCANNER,
    Acting,
    Asked,
    acting_as,
    asked,
    collecting,
    install,
    paused,
)
from infra.read_permissions import Targets
from infra.read_permissions import statements_of as read_statements
from infra.registry_permissions import write_policies
from infra.stop_permissions import stop_statements
from tests.support.iam import Decision, Statement, Verdict, evaluate, statements_of

__all__ = [
    "CLICKS",
    "DEADMAN",
    "DOOR",
    "GATE",
    "HEARTBEATS",
    "HINTS",
    "OPERATOR",
    "PREVIEWER",
    "PRICES",
    "SCANNER",
    "Acting",
    "Asked",
    "acting_as",
    "asked",
    "collecting",
    "install",
    "judge_last",
    "paused",
    "record_session",
    "refused",
    "statements_for",
]

JUDGED_LAST = "test_every_recorded_call.py"


def record_session() -> Callable[[], None]:
    """Start recording for a whole test session, subprocesses included; the answer ends it.

    To be called before the first client is made. A worker of a session that is spread over processes records into the
    file of that session.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and ENV_FILE in os.environ:
        install()
        return lambda: None
    directory = tempfile.TemporaryDirectory(prefix="costwatch-calls-")
    before = os.environ.get(ENV_FILE)
    os.environ[ENV_FILE] = str(Path(directory.name, "calls.jsonl"))
    install()

    def end() -> None:
        if before is None:
            os.environ.pop(ENV_FILE, None)
        else:
            os.environ[ENV_FILE] = before
        directory.cleanup()

    return end


def judge_last(items: list[pytest.Item]) -> None:
    """Move the tests that judge the recorded calls behind all others, order kept otherwise."""
    items.sort(key=lambda item: item.path.name == JUDGED_LAST)


OPERATOR_DOCUMENT: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "ReadTheWorld",
            "Effect": "Allow",
            "Action": [
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeScalingActivities",
                "ec2:DescribeInstances",
                "ec2:DescribeInstanceAttribute",
                "ec2:DescribeSpotInstanceRequests",
                "ec2:DescribeSpotPriceHistory",
                "pricing:GetProducts",
                "sagemaker:DescribeAutoMLJobV2",
                "sagemaker:DescribeHyperParameterTuningJob",
                "sagemaker:DescribeProcessingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:ListAutoMLJobs",
                "sagemaker:ListHyperParameterTuningJobs",
                "sagemaker:ListProcessingJobs",
                "sagemaker:ListTags",
                "sagemaker:ListTrainingJobs",
                "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
            ],
            "Resource": "*",
        },
        {
            "Sid": "Ledger",
            "Effect": "Allow",
            "Action": [
                "dynamodb:BatchWriteItem",
                "dynamodb:ConditionCheckItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            "Resource": "*",
        },
        {
            "Sid": "FindAndInvokeTheStack",
            "Effect": "Allow",
            "Action": ["ssm:GetParameter", "lambda:InvokeFunction"],
            "Resource": "*",
        },
        {
            "Sid": "Redrive",
            "Effect": "Allow",
            "Action": [
                "cloudformation:ListStackResources",
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            "Resource": "*",
        },
    ],
}
"""What the command line may need at most: it reads, writes the ledger and invokes; it calls nothing destructive."""


def refused(recorded: Iterable[Asked]) -> list[str]:
    """A sentence for every recorded permission that its role does not have."""
    complaints = [complaint for one in recorded if (complaint := _complaint(one))]
    return sorted(set(complaints))


def _complaint(one: Asked) -> str | None:
    question = one.question
    what = f"{one.service}:{one.operation} needs {question.action} on {question.resource}"
    if one.acting is None:
        return f"{what}, in a thread without a role: run it in contextvars.copy_context()"
    who = f"{one.acting.role}: {what}"
    if question.unmapped:
        return f"{who}: demo/iam_questions.py does not know this call"
    decision = decide(one)
    if decision.allowed or (not question.exists and _could_be_allowed(one.acting, question)):
        return None
    return f"{who}, which is {decision} ({dict(question.context)})"


def _could_be_allowed(acting: Acting, question: Question) -> bool:
    """For what is not there, and so has no tags to judge by: some condition would allow the action on this ARN."""
    return any(
        statement.effect == "Allow"
        and statement.names_action(question.action)
        and statement.names_resource(question.resource)
        for statement in statements_for(acting)
    )


def decide(one: Asked) -> Decision:
    """What IAM would answer. Raises ValueError for a call nobody made."""
    if one.acting is None:
        raise ValueError("nobody made this call")
    question = one.question
    return _decide(one.acting, question.action, question.resource, question.context)


@lru_cache(maxsize=65536)
def _decide(acting: Acting, action: str, resource: str, context: tuple[tuple[str, str], ...]) -> Decision:
    return evaluate(statements_for(acting), action, resource, dict(context))


@lru_cache(maxsize=1024)
def statements_for(acting: Acting) -> tuple[Statement, ...]:
    """Everything the role is allowed under its policy. Raises ValueError for a function without policy or settings."""
    if acting.role == OPERATOR:
        return statements_of(OPERATOR_DOCUMENT, OPERATOR)
    if acting.role == SCANNER:
        return statements_of(permissions.policy_document(), SCANNER)
    if acting.role == PREVIEWER:
        return statements_of(preview_permissions.policy_document(), PREVIEWER)
    if acting.role == BEGINNER:  # who calls `init`, which scans and previews
        both = (permissions.policy_document(), preview_permissions.policy_document())
        return tuple(statement for document in both for statement in statements_of(document, BEGINNER))
    if acting.role == DOCTOR:
        return statements_of(doctor_permissions.policy_document(), DOCTOR)
    if not acting.policy or not acting.settings:
        raise ValueError(f"{acting.role} acted without policy or settings: pass both to acting_as")
    policy = json.loads(acting.policy)
    settings = dict(acting.settings)
    # The functions that take heartbeats and clicks and read prices know no topic, and so no region.
    topic = settings.get(names.ENV_ALERTS_TOPIC_ARN) or f"arn:aws:sns:us-east-1:{acting.account}:none"
    _, partition, _, region, account, _ = topic.split(":", 5)
    queue = settings.get(names.ENV_REFUSED_QUEUE_URL, "").rpartition("/")[2]
    table = settings.get(names.ENV_LEDGER_TABLE, "none")
    targets = Targets(
        partition=partition,
        account=account,
        home_region=region,
        regions=policy["regions"],
        ledger_table=f"arn:{partition}:dynamodb:{region}:{account}:table/{table}",
        alerts_topic=topic,
        refused_queue=f"arn:{partition}:sqs:{region}:{account}:{queue}",
        log_group=f"arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/costwatch-{acting.role}",
        deadman_function=f"arn:{partition}:lambda:{region}:{account}:function:{settings.get(names.ENV_DEADMAN_FUNCTION)}",
        res_function=f"arn:{partition}:lambda:{region}:{account}:function:{settings.get(names.ENV_RES_FUNCTION)}",
        slack_token_parameter=settings.get(names.ENV_SLACK_TOKEN_PARAMETER, ""),
        slack_signing_secret_parameter=settings.get(names.ENV_SLACK_SIGNING_SECRET_PARAMETER, ""),
    )
    function = next(function for function in topology.FUNCTIONS if function.name == acting.role)
    granted = read_statements(function, targets)
    if acting.role == DEADMAN:
        granted = granted + stop_statements(policy, account=account, partition=partition)
    if acting.role == topology.RES.name:
        granted = granted + [s for each in write_policies(policy, account=account, partition=partition) for s in each]
    return statements_of({"Version": "2012-10-17", "Statement": granted}, acting.role)


def denied_by(one: Asked) -> str:
    """Sid of the statement that denies; empty when it is allowed or merely not granted."""
    decision = decide(one)
    return decision.sid if decision.verdict is Verdict.EXPLICITLY_DENIED else ""
