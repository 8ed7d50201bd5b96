"""SageMaker pipelines of the embedded AWS: callback steps wait for their answer, as AWS's do, where moto has none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.looking_at_aws import CLOCK, refusal
from tests.support.pipelines import (
    ARGUMENTS,
    QUEUE,
    definition,
    job_of,
    make_queue,
    messages,
    start,
    status,
    steps,
)

REQUEST = "t" * 32


def succeed(aws: EmbeddedAws, token: str, request: str = REQUEST, **outputs: str) -> Any:
    parameters = [{"Name": name, "Value": value} for name, value in outputs.items()]
    return aws.client("sagemaker").send_pipeline_execution_step_success(
        CallbackToken=token, OutputParameters=parameters, ClientRequestToken=request
    )


def fail(aws: EmbeddedAws, token: str, reason: str = "no", request: str = REQUEST) -> Any:
    return aws.client("sagemaker").send_pipeline_execution_step_failure(
        CallbackToken=token, FailureReason=reason, ClientRequestToken=request
    )


@pytest.fixture
def waiting(aws: EmbeddedAws) -> tuple[str, str, str]:
    """(queue, execution, token) of a pipeline that waits for an answer."""
    queue = make_queue(aws)
    execution = start(aws, definition(queue))
    (message,) = messages(aws, queue)
    return queue, execution, message["token"]


def test_a_callback_step_puts_its_message_into_the_queue_and_waits(aws: EmbeddedAws) -> None:
    queue = make_queue(aws)
    execution = start(aws, definition(queue))
    (message,) = messages(aws, queue)
    assert re.fullmatch(r"[a-zA-Z0-9]{10}", message["token"])
    assert (message["pipelineExecutionArn"], message["arguments"]) == (execution, ARGUMENTS)
    assert message["status"] != "Stopping"
    assert status(aws, execution) == "Executing"
    assert steps(aws, execution)["Ask"]["Metadata"]["Callback"]["CallbackToken"] == message["token"]
    assert steps(aws, execution)["Ask"]["Metadata"]["Callback"]["SqsQueueUrl"] == queue
    assert set(steps(aws, execution)) == {"Ask"}


def test_parameters_of_the_execution_are_filled_into_its_message(aws: EmbeddedAws) -> None:
    queue = make_queue(aws)
    body = definition(queue, {"instance_count": {"Get": "Parameters.Count"}, "name": {"Get": "Parameters.Name"},
                              "model": {"Std:Join": {"On": "-", "Values": ["churn", {"Get": "Parameters.Name"}]}}},
                      train=False)  # fmt: skip
    body["Parameters"] = [
        {"Name": "Count", "Type": "Integer", "DefaultValue": 1},
        {"Name": "Name", "Type": "String", "DefaultValue": "weekly"},
    ]
    start(aws, body, Count="4")
    (message,) = messages(aws, queue)
    assert message["arguments"] == {"instance_count": 4, "name": "weekly", "model": "churn-weekly"}


def test_an_answer_hands_its_outputs_to_the_next_step(aws: EmbeddedAws, waiting: tuple[str, str, str]) -> None:
    _, execution, token = waiting
    answer = succeed(aws, token, approval_id="apr-1", max_runtime_seconds="61200")
    assert answer["PipelineExecutionArn"] == execution
    job = job_of(aws, execution)
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 61200
    tags = aws.client("sagemaker").list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "sagemaker:pipeline-execution-arn", "Value": execution} in tags
    aws.fleet.finish_job(job["TrainingJobName"], NOW)
    assert status(aws, execution) == "Succeeded"
    assert {name: step["StepStatus"] for name, step in steps(aws, execution).items()} == {
        "Ask": "Succeeded",
        "Train": "Succeeded",
    }


def test_an_output_that_is_declared_text_is_no_number_for_the_next_step(aws: EmbeddedAws) -> None:
    queue = make_queue(aws)
    body = definition(queue)
    for output in body["Steps"][0]["OutputParameters"]:
        output["OutputType"] = "String"
    execution = start(aws, body)
    (message,) = messages(aws, queue)
    succeed(aws, message["token"], approval_id="apr-1", max_runtime_seconds="61200")
    assert status(aws, execution) == "Failed"
    assert "MaxRuntimeInSeconds" in steps(aws, execution)["Train"]["FailureReason"]


def test_an_output_that_the_definition_promises_and_the_answer_lacks_fails_the_step(
    aws: EmbeddedAws, waiting: tuple[str, str, str]
) -> None:
    _, execution, token = waiting
    succeed(aws, token, approval_id="apr-1")
    assert status(aws, execution) == "Failed"
    assert "max_runtime_seconds" in steps(aws, execution)["Ask"]["FailureReason"]


def test_a_failure_ends_the_execution_with_its_reason(aws: EmbeddedAws, waiting: tuple[str, str, str]) -> None:
    _, execution, token = waiting
    fail(aws, token, "denied by Maria")
    assert status(aws, execution) == "Failed"
    assert steps(aws, execution)["Ask"]["FailureReason"] == "denied by Maria"
    assert set(steps(aws, execution)) == {"Ask"}


def test_the_same_answer_under_the_same_request_token_is_accepted_again(
    aws: EmbeddedAws, waiting: tuple[str, str, str]
) -> None:
    _, execution, token = waiting
    fail(aws, token)
    fail(aws, token)
    assert status(aws, execution) == "Failed"


@pytest.mark.parametrize("second", [succeed, fail])
def test_a_second_answer_is_refused(aws: EmbeddedAws, waiting: tuple[str, str, str], second: Any) -> None:
    _, _, token = waiting
    fail(aws, token)
    with pytest.raises(ClientError) as error:
        second(aws, token, request="u" * 32)
    assert refusal(error)[0] == "ConflictException"


def test_a_token_that_never_was_is_refused(aws: EmbeddedAws) -> None:
    with pytest.raises(ClientError) as error:
        fail(aws, "abcdefghij")
    assert refusal(error)[0] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("word", "body"),
    [
        ("failure", {"FailureReason": "x" * 257}),
        ("failure", {"ClientRequestToken": "x" * 129}),
        ("failure", {"CallbackToken": "not-alnum!"}),
        ("success", {"OutputParameters": [{"Name": "a", "Value": "x" * 1025}]}),
        ("success", {"OutputParameters": [{"Name": f"n{n}", "Value": ""} for n in range(51)]}),
    ],
)
def test_what_is_longer_than_the_api_takes_is_refused(
    aws: EmbeddedAws, waiting: tuple[str, str, str], word: str, body: dict[str, Any]
) -> None:
    _, execution, token = waiting
    with pytest.raises(ClientError) as error:
        getattr(aws.client("sagemaker"), f"send_pipeline_execution_step_{word}")(**{"CallbackToken": token, **body})
    assert refusal(error)[0] == "ValidationException"
    assert status(aws, execution) == "Executing"


def test_stopping_sends_a_second_message_and_waits_for_an_answer(
    aws: EmbeddedAws, waiting: tuple[str, str, str]
) -> None:
    queue, execution, token = waiting
    aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken=REQUEST)
    (message,) = messages(aws, queue)
    assert (message["token"], message["status"]) == (token, "Stopping")
    assert status(aws, execution) == "Stopping"
    fail(aws, token)
    assert status(aws, execution) == "Stopped"
    assert steps(aws, execution)["Ask"]["StepStatus"] == "Stopped"


def test_stopping_stops_the_job_of_a_training_step(aws: EmbeddedAws, waiting: tuple[str, str, str]) -> None:
    _, execution, token = waiting
    succeed(aws, token, approval_id="", max_runtime_seconds="3600")
    job = job_of(aws, execution)["TrainingJobName"]
    aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken=REQUEST)
    assert aws.client("sagemaker").describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Stopping"
    CLOCK.now = NOW + aws.world.stop_grace
    assert status(aws, execution) == "Stopped"


def test_an_execution_that_is_over_cannot_be_stopped(aws: EmbeddedAws, waiting: tuple[str, str, str]) -> None:
    _, execution, token = waiting
    fail(aws, token)
    with pytest.raises(ClientError) as error:
        aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken=REQUEST)
    assert refusal(error)[0] == "ConflictException"


def test_a_queue_that_is_not_there_fails_the_step(aws: EmbeddedAws) -> None:
    execution = start(aws, definition(f"https://sqs.us-east-1.amazonaws.com/123456789012/{QUEUE}"))
    assert status(aws, execution) == "Failed"


def test_executions_list_newest_first_page_by_page(aws: EmbeddedAws) -> None:
    queue = make_queue(aws)
    started = [start(aws, definition(queue)) for _ in range(12)]
    client = aws.client("sagemaker")
    first = client.list_pipeline_executions(PipelineName="churn")
    assert len(first["PipelineExecutionSummaries"]) == 10
    pages = client.get_paginator("list_pipeline_executions").paginate(PipelineName="churn")
    arns = [each["PipelineExecutionArn"] for page in pages for each in page["PipelineExecutionSummaries"]]
    assert arns == started[::-1]


def test_an_execution_tells_who_started_it(aws: EmbeddedAws, waiting: tuple[str, str, str]) -> None:
    _, execution, _ = waiting
    answer = aws.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=execution)
    assert answer["CreatedBy"]["IamIdentity"]["Arn"].endswith("assumed-role/data-scientists/maria")
