"""The state machine `GatedTraining` as plain data, in the Amazon States Language.

    Ask -> Amend -> Start the job -> Wait -> Look -> Over? -> Completed | Failed | Stopped
     |                                 ^--------------|
     '-> Denied | No answer

It is started with `{"job": <body of a CreateTrainingJob request>}` and, where the job's tags do not say so, `owner`,
`team`, `project`, `model` and `requester`. Its output names the job and what the gate answered.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

DENIED: Final = "Costwatch.Denied"
EXPIRED: Final = "Costwatch.Expired"
WITHDRAWN: Final = "Costwatch.Withdrawn"
JOB_FAILED: Final = "Costwatch.JobFailed"
JOB_STOPPED: Final = "Costwatch.JobStopped"
ANSWER_MARGIN: Final = timedelta(hours=1)
"""The gate says itself that nobody answered. Only if that is lost the machine's own patience ends."""
LOOK_EVERY: Final = timedelta(minutes=1)
LATER: Final = "1.005"
"""By which each wait between looks is longer than the one before. Step Functions ends an execution at 25,000 events,
and a job may queue and then run for weeks: its end is known within a minute at first, and later within a hundredth of
the time that it took.
"""

_INVOKE: Final = "arn:{partition}:states:::lambda:invoke{pattern}"
_SDK: Final = "arn:{partition}:states:::aws-sdk:sagemaker:{operation}"
_TRIED_AGAIN: Final = [
    {
        "ErrorEquals": [
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException",
            "TransientAwsError",
        ],
        "IntervalSeconds": 2,
        "MaxAttempts": 6,
        "BackoffRate": 2,
    }
]


def definition(
    *, function: str, answer_within: timedelta, partition: str = "aws", look_every: timedelta = LOOK_EVERY
) -> dict[str, Any]:
    """`function`: ARN of the gate. `answer_within`: after which the gate says no by itself."""
    return {
        "Comment": "Asks for approval where a training job is forecast above the threshold, then runs it.",
        "StartAt": "Ask",
        "States": {
            **_asking(function, answer_within, partition),
            **_running(look_every, partition),
            **_outcomes(),
        },
    }


def _asking(function: str, answer_within: timedelta, partition: str) -> dict[str, Any]:
    return {
        "Ask": {
            "Type": "Task",
            "Comment": "Below the threshold the gate answers at once, above it when somebody has decided.",
            "Resource": _INVOKE.format(partition=partition, pattern=".waitForTaskToken"),
            "Parameters": {
                "FunctionName": function,
                "Payload": {
                    "task_token.$": "$$.Task.Token",
                    "execution.$": "$$.Execution.Id",
                    "request.$": "$",
                },
            },
            "TimeoutSeconds": int((answer_within + ANSWER_MARGIN).total_seconds()),
            "Retry": _TRIED_AGAIN,
            "Catch": [
                {"ErrorEquals": [DENIED, EXPIRED, WITHDRAWN], "ResultPath": "$.error", "Next": "Denied"},
                {"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "No answer"},
            ],
            "ResultPath": "$.gate",
            "Next": "Amend",
        },
        "Amend": {
            "Type": "Task",
            "Comment": "Writes the granted maximum runtime and the approval's id into the job.",
            "Resource": _INVOKE.format(partition=partition, pattern=""),
            "Parameters": {
                "FunctionName": function,
                "Payload": {"amend": {"job.$": "$.job", "gate.$": "$.gate"}},
            },
            "ResultSelector": {"job.$": "$.Payload.job"},
            "Retry": _TRIED_AGAIN,
            "ResultPath": "$.amended",
            "Next": "Start the job",
        },
    }


def _running(look_every: timedelta, partition: str) -> dict[str, Any]:
    return {
        "Start the job": {
            "Type": "Task",
            # Of the two languages only this one hands on a body of which nobody knows here what is in it.
            "QueryLanguage": "JSONata",
            "Resource": _SDK.format(partition=partition, operation="createTrainingJob"),
            "Arguments": "{% $states.input.amended.job %}",
            "Output": {
                "job_name": "{% $states.input.amended.job.TrainingJobName %}",
                "job_arn": "{% $states.result.TrainingJobArn %}",
                "gate": "{% $states.input.gate %}",
                "look_after": int(look_every.total_seconds()),
            },
            "Next": "Wait",
        },
        "Wait": {
            "Type": "Wait",
            "QueryLanguage": "JSONata",
            "Seconds": "{% $states.input.look_after %}",
            "Output": {
                "job_name": "{% $states.input.job_name %}",
                "job_arn": "{% $states.input.job_arn %}",
                "gate": "{% $states.input.gate %}",
                "look_after": f"{{% $ceil($states.input.look_after * {LATER}) %}}",
            },
            "Next": "Look",
        },
        "Look": {
            "Type": "Task",
            "Resource": _SDK.format(partition=partition, operation="describeTrainingJob"),
            "Parameters": {"TrainingJobName.$": "$.job_name"},
            "ResultSelector": {"status.$": "$.TrainingJobStatus"},
            # It only reads, and a job runs for days: no failure of a moment may lose sight of it.
            "Retry": [
                {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5, "MaxAttempts": 12, "BackoffRate": 2,
                 "MaxDelaySeconds": 600}
            ],
            "ResultPath": "$.training",
            "Next": "Over?",
        },
        "Over?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.training.status", "StringEquals": status, "Next": status}
                for status in ("Completed", "Failed", "Stopped")
            ],
            "Default": "Wait",
        },
    }  # fmt: skip


def _outcomes() -> dict[str, Any]:
    return {
        "Completed": {"Type": "Succeed"},
        "Failed": {
            "Type": "Fail",
            "Error": JOB_FAILED,
            "CausePath": "States.Format('{} failed; DescribeTrainingJob tells why', $.job_name)",
        },
        "Stopped": {
            "Type": "Fail",
            "Error": JOB_STOPPED,
            "CausePath": "States.Format('{} was stopped; `costwatch explain` tells by whom', $.job_name)",
        },
        "Denied": {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"},
        "No answer": {"Type": "Fail", "Error": EXPIRED, "Cause": "Nobody answered in time, which means no."},
    }
