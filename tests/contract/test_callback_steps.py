"""The adapter of callback steps against the embedded AWS: answers, second answers, and what waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costwatch.adapters.callback_steps import CallbackSteps
from costwatch.core.token_answer import TokenAnswer
from costwatch.errors import PermanentAwsError, TransientAwsError
from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.looking_at_aws import CLOCK
from tests.support.pipelines import definition, job_of, make_queue, messages, start, status, steps

SINCE = NOW - timedelta(days=7)
OUTPUTS = {"approval_id": "apr-1", "max_runtime_seconds": "3600"}


@pytest.fixture
def adapter(aws: EmbeddedAws) -> CallbackSteps:
    return CallbackSteps(aws.client("sagemaker"))


@pytest.fixture
def queue(aws: EmbeddedAws) -> str:
    return make_queue(aws)


def asked(aws: EmbeddedAws, queue: str, name: str = "churn") -> tuple[str, str]:
    """(execution, token) of a pipeline that waits."""
    execution = start(aws, definition(queue), name)
    (message,) = messages(aws, queue)
    return execution, message["token"]


# --- answers ------------------------------------------------------------------------------------------------


def test_a_yes_lets_the_pipeline_go_on_with_the_outputs(aws: EmbeddedAws, adapter: CallbackSteps, queue: str) -> None:
    execution, token = asked(aws, queue)
    assert adapter.succeed(token, OUTPUTS, execution_arn=execution) is TokenAnswer.ACCEPTED
    assert job_of(aws, execution)["StoppingCondition"]["MaxRuntimeInSeconds"] == 3600


def test_a_no_fails_the_step_with_its_reason(aws: EmbeddedAws, adapter: CallbackSteps, queue: str) -> None:
    execution, token = asked(aws, queue)
    assert adapter.fail(token, "denied", execution_arn=execution) is TokenAnswer.ACCEPTED
    assert (status(aws, execution), steps(aws, execution)["Ask"]["FailureReason"]) == ("Failed", "denied")


@pytest.mark.parametrize("lost", ["SendPipelineExecutionStepSuccess", "SendPipelineExecutionStepFailure"])
def test_an_answer_whose_answer_was_lost_may_be_given_again(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str, lost: str
) -> None:
    execution, token = asked(aws, queue)

    def give() -> TokenAnswer:
        if lost.endswith("Success"):
            return adapter.succeed(token, OUTPUTS, execution_arn=execution)
        return adapter.fail(token, "denied", execution_arn=execution)

    aws.faults.lose_connection("sagemaker", lost, answer_lost=True)
    with pytest.raises(TransientAwsError):
        give()
    assert give() is TokenAnswer.ACCEPTED


def test_another_answer_than_the_one_that_was_given_says_already_settled(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, token = asked(aws, queue)
    adapter.succeed(token, OUTPUTS, execution_arn=execution)
    assert adapter.fail(token, "denied", execution_arn=execution) is TokenAnswer.SETTLED
    assert adapter.succeed(token, {**OUTPUTS, "approval_id": "2"}, execution_arn=execution) is TokenAnswer.SETTLED
    assert adapter.fail(token, "denied") is TokenAnswer.SETTLED  # nobody knows the execution


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFound", "ConflictException"])
def test_whatever_code_sagemaker_refuses_with_the_step_itself_says_that_it_no_longer_waits(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str, code: str
) -> None:
    execution, token = asked(aws, queue)
    adapter.succeed(token, OUTPUTS, execution_arn=execution)
    aws.faults.fail("sagemaker", "SendPipelineExecutionStepFailure", code)
    assert adapter.fail(token, "denied", execution_arn=execution) is TokenAnswer.SETTLED


def test_a_conflict_while_the_step_still_waits_is_tried_again(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, token = asked(aws, queue)
    aws.faults.fail("sagemaker", "SendPipelineExecutionStepFailure", "ConflictException")
    with pytest.raises(TransientAwsError):
        adapter.fail(token, "denied", execution_arn=execution)
    assert adapter.fail(token, "denied", execution_arn=execution) is TokenAnswer.ACCEPTED


def test_a_request_that_sagemaker_finds_invalid_while_the_step_waits_is_our_own_fault(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, token = asked(aws, queue)
    aws.faults.fail("sagemaker", "SendPipelineExecutionStepFailure", "ValidationException", times=2)
    for known in (execution, ""):
        with pytest.raises(PermanentAwsError):
            adapter.fail(token, "denied", execution_arn=known)


def test_what_is_denied_is_no_settled_answer(aws: EmbeddedAws, adapter: CallbackSteps, queue: str) -> None:
    execution, token = asked(aws, queue)
    aws.faults.fail("sagemaker", "SendPipelineExecutionStepFailure", "AccessDeniedException")
    with pytest.raises(PermanentAwsError, match="AccessDenied"):
        adapter.fail(token, "denied", execution_arn=execution)


@pytest.mark.parametrize("token", ["", "short", "elevenchars", "not-alnum!", "abcdefghi\n"])
def test_a_token_that_is_none_is_not_even_sent(adapter: CallbackSteps, token: str) -> None:
    assert adapter.succeed(token, {}) is TokenAnswer.NO_TOKEN
    assert adapter.fail(token, "no") is TokenAnswer.NO_TOKEN


def test_a_token_of_nobody_says_already_settled(adapter: CallbackSteps) -> None:
    assert adapter.fail("abcdefghij", "no") is TokenAnswer.SETTLED


@pytest.mark.parametrize(("length", "kept"), [(256, "x" * 256), (257, "x" * 253 + "...")])
def test_a_long_reason_is_cut_to_what_sagemaker_takes(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str, length: int, kept: str
) -> None:
    execution, token = asked(aws, queue)
    adapter.fail(token, "x" * length, execution_arn=execution)
    assert steps(aws, execution)["Ask"]["FailureReason"] == kept


def test_a_long_output_is_cut_and_more_than_fifty_are_refused(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, token = asked(aws, queue)
    with pytest.raises(PermanentAwsError, match="51 output parameters"):
        adapter.succeed(token, {f"n{n}": "" for n in range(51)}, execution_arn=execution)
    many = {f"n{n}": "" for n in range(47)}
    assert adapter.succeed(token, {**OUTPUTS, "reason": "r" * 1025, **many}) is TokenAnswer.ACCEPTED
    told = steps(aws, execution)["Ask"]["Metadata"]["Callback"]["OutputParameters"]
    assert {"Name": "reason", "Value": "r" * 1021 + "..."} in told


# --- what waits ---------------------------------------------------------------------------------------------


def test_waiting_steps_of_our_queue_are_found_and_no_others(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, token = asked(aws, queue)
    answered, done = asked(aws, queue, "answered")
    adapter.fail(done, "no", execution_arn=answered)
    other = make_queue(aws, "somebody-elses")
    start(aws, definition(other), "other")
    found = adapter.waiting_steps(queue, SINCE)
    assert found.errors == []
    (step,) = found.steps
    assert (step.token, step.execution_arn, step.name, step.stopping) == (token, execution, "Ask", False)
    assert step.since == NOW


def test_a_step_of_a_pipeline_that_is_being_stopped_says_so(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, _ = asked(aws, queue)
    aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken="t" * 32)
    assert [step.stopping for step in adapter.waiting_steps(queue, SINCE).steps] == [True]


def test_all_pages_of_pipelines_and_executions_are_read(aws: EmbeddedAws, adapter: CallbackSteps, queue: str) -> None:
    for number in range(13):
        start(aws, definition(queue), "many" if number % 2 else f"pipeline-{number}")
    assert len(adapter.waiting_steps(queue, SINCE).steps) == 13


def test_executions_from_before_are_not_looked_at(aws: EmbeddedAws, adapter: CallbackSteps, queue: str) -> None:
    asked(aws, queue)
    CLOCK.now = NOW + timedelta(days=8)
    asked(aws, queue, "new")
    assert len(adapter.waiting_steps(queue, CLOCK.now - timedelta(days=7)).steps) == 1


def test_a_pipeline_that_cannot_be_read_costs_the_others_nothing(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    asked(aws, queue, "unreadable")
    execution, _ = asked(aws, queue, "readable")
    aws.faults.fail(
        "sagemaker",
        "ListPipelineExecutions",
        "AccessDeniedException",
        times=None,
        when=lambda call: call.parameters["PipelineName"] == "unreadable",
    )
    found = adapter.waiting_steps(queue, SINCE)
    assert [step.execution_arn for step in found.steps] == [execution]
    assert [error.code for error in found.errors] == ["AccessDeniedException"]


def test_the_source_of_an_execution_tells_what_its_message_was_made_of(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    body = definition(queue)
    body["Parameters"] = [{"Name": "Count", "Type": "Integer", "DefaultValue": 1}]
    execution = start(aws, body, Count="4")
    source = adapter.source_of(execution)
    assert '"Ask"' in source.definition
    assert source.parameters == {"Count": "4"}


def test_who_started_an_execution_is_what_sagemaker_recorded(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    execution, token = asked(aws, queue)
    maria = f"arn:aws:sts::{aws.account_id}:assumed-role/data-scientists/maria"
    assert adapter.started_by(execution, token) == maria


def test_who_started_an_execution_in_which_the_token_does_not_wait_proves_nothing(
    aws: EmbeddedAws, adapter: CallbackSteps, queue: str
) -> None:
    _, token = asked(aws, queue)
    other, _ = asked(aws, queue, "another")
    assert adapter.started_by(other, token) == ""
    assert adapter.started_by("x", token) == ""
