"""The adapter of Step Functions' task tokens, against state machines that run in the embedded AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from costwatch.adapters.task_tokens import LONGEST_OUTPUT, TaskTokens
from costwatch.core.token_answer import TokenAnswer
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import EmbeddedAws
from tests.support.machines import answering, ended, make_function, make_machine, start, until


class Asked:
    """The tokens that the machine's function was given."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def __call__(self, event: Any) -> object:
        self.tokens.append(event["token"])
        return {}


@pytest.fixture
def asked() -> Iterator[Asked]:
    found = Asked()
    with answering(found):
        yield found


@pytest.fixture
def adapter(aws: EmbeddedAws) -> TaskTokens:
    return TaskTokens(aws.client("stepfunctions"))


def machine(aws: EmbeddedAws) -> str:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": make_function(aws), "Payload": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 60,
        "HeartbeatSeconds": 30,
        "End": True,
    }
    return make_machine(aws, {"StartAt": "Ask", "States": {"Ask": task}}, "asks")


def test_a_yes_is_the_output_of_the_task(aws: EmbeddedAws, adapter: TaskTokens, asked: Asked) -> None:
    execution = start(aws, machine(aws), {})
    until(lambda: asked.tokens)
    assert adapter.succeed(asked.tokens[0], {"approval_id": "apr-1"}) is TokenAnswer.ACCEPTED
    found = ended(aws, execution)
    assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", {"approval_id": "apr-1"})


def test_a_no_fails_the_task_by_its_name_and_with_its_cause(
    aws: EmbeddedAws, adapter: TaskTokens, asked: Asked
) -> None:
    execution = start(aws, machine(aws), {})
    until(lambda: asked.tokens)
    assert adapter.fail(asked.tokens[0], "Costwatch.Denied", "denied by Maria") is TokenAnswer.ACCEPTED
    found = ended(aws, execution)
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", "Costwatch.Denied", "denied by Maria")


def test_a_heartbeat_of_a_task_that_waits_is_accepted(aws: EmbeddedAws, adapter: TaskTokens, asked: Asked) -> None:
    execution = start(aws, machine(aws), {})
    until(lambda: asked.tokens)
    assert adapter.heartbeat(asked.tokens[0]) is TokenAnswer.ACCEPTED
    adapter.succeed(asked.tokens[0], {})
    assert ended(aws, execution)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_a_dead_token_is_already_settled(aws: EmbeddedAws, adapter: TaskTokens, code: str) -> None:
    aws.faults.fail("stepfunctions", None, code, times=3)
    assert adapter.succeed("token", {}) is TokenAnswer.SETTLED
    assert adapter.fail("token", "e", "c") is TokenAnswer.SETTLED
    assert adapter.heartbeat("token") is TokenAnswer.SETTLED


def test_a_token_that_is_none_is_told_apart(aws: EmbeddedAws, adapter: TaskTokens) -> None:
    aws.faults.fail("stepfunctions", None, "InvalidToken", times=3)
    assert adapter.succeed("nonsense", {}) is TokenAnswer.NO_TOKEN
    assert adapter.fail("nonsense", "e", "c") is TokenAnswer.NO_TOKEN
    assert adapter.heartbeat("nonsense") is TokenAnswer.NO_TOKEN
    assert adapter.succeed("", {}) is TokenAnswer.NO_TOKEN
    assert adapter.succeed("x" * 2049, {}) is TokenAnswer.NO_TOKEN


@pytest.mark.parametrize(
    ("code", "error"), [("ThrottlingException", TransientAwsError), ("AccessDeniedException", PermanentAwsError)]
)
def test_other_errors_are_translated(aws: EmbeddedAws, adapter: TaskTokens, code: str, error: type[Exception]) -> None:
    aws.faults.fail("stepfunctions", "SendTaskSuccess", code)
    with pytest.raises(error, match="states:SendTaskSuccess"):
        adapter.succeed("token", {})


def test_an_output_that_step_functions_would_refuse_is_not_sent(adapter: TaskTokens) -> None:
    with pytest.raises(PermanentAwsError, match="262,144"):
        adapter.succeed("token", {"a": "x" * LONGEST_OUTPUT})


def test_a_long_error_and_a_long_cause_are_cut(aws: EmbeddedAws, adapter: TaskTokens, asked: Asked) -> None:
    execution = start(aws, machine(aws), {})
    until(lambda: asked.tokens)
    adapter.fail(asked.tokens[0], "e" * 300, "c" * 40_000)
    found = ended(aws, execution)
    assert (len(found["error"]), len(found["cause"])) == (256, 32_768)
