"""Pipelines at the gate, from their message to their end, through the deployed function's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch.core.approvals import State
from demo.embedded import EmbeddedAws
from tests.support.builders import NOW
from tests.support.fakes import TestClock
from tests.support.gate_town import GateTown, Make
from tests.support.pipelines import definition, job_of, start, status, steps

CHEAP = {"instance_type": "ml.m5.large", "max_runtime_seconds": 3600}
UNKNOWN = {"instance_type": "ml.p99.48xlarge", "max_runtime_seconds": 3600}
BAD = {"instance_type": "ml.m5.large", "instance_count": -3}
CLOCK = TestClock()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture
def make(server: EmbeddedAws, tmp_path: Path) -> Iterator[Make]:
    server.reset()
    CLOCK.now = NOW
    yield lambda **changes: GateTown(server, CLOCK, tmp_path, **changes)
    assert server.errors == []


@pytest.fixture
def town(make: Make) -> GateTown:
    return make()


def begin(town: GateTown, arguments: dict[str, Any] | None = None) -> str:
    """A pipeline asks; its message has gone through the handler."""
    body = definition(town.queue_url) if arguments is None else definition(town.queue_url, arguments)
    execution = start(town.aws, body)
    assert town.poll() == {"batchItemFailures": []}
    return execution


def outputs(town: GateTown, execution: str) -> dict[str, str]:
    told = steps(town.aws, execution)["Ask"]["Metadata"]["Callback"]["OutputParameters"]
    return {each["Name"]: each["Value"] for each in told}


# --- answers ------------------------------------------------------------------------------------------------


def test_below_the_threshold_nothing_is_felt(town: GateTown) -> None:
    execution = begin(town, CHEAP)
    assert job_of(town.aws, execution)["StoppingCondition"]["MaxRuntimeInSeconds"] == 3600
    assert outputs(town, execution)["decision"] == "pass"
    assert town.questions() == []


def test_above_it_the_pipeline_waits_until_somebody_says_yes(town: GateTown) -> None:
    execution = begin(town)
    assert (status(town.aws, execution), set(steps(town.aws, execution))) == ("Executing", {"Ask"})
    answered = town.answer(yes=True, reason="the fair is on Monday")
    assert job_of(town.aws, execution)["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    told = outputs(town, execution)
    assert (told["decision"], told["approval_id"], told["answered_by"]) == ("approved", answered.id, "Maria Lopez")
    assert town.questions() == []


def test_a_cap_is_what_the_next_step_may_run(town: GateTown) -> None:
    execution = begin(town)
    town.answer(yes=True, cap=timedelta(hours=17))
    assert job_of(town.aws, execution)["StoppingCondition"]["MaxRuntimeInSeconds"] == 61200


def test_a_no_ends_the_pipeline_with_who_and_why(town: GateTown) -> None:
    execution = begin(town)
    town.answer(yes=False, reason="too dear")
    assert status(town.aws, execution) == "Failed"
    reason = steps(town.aws, execution)["Ask"]["FailureReason"]
    assert "denied by Maria Lopez" in reason
    assert "too dear" in reason


def test_no_answer_by_the_deadline_means_no(town: GateTown) -> None:
    execution = begin(town)
    CLOCK.now = NOW + timedelta(hours=24) - timedelta(seconds=1)
    town.tend()
    assert status(town.aws, execution) == "Executing"
    CLOCK.now = NOW + timedelta(hours=24)
    town.tend()
    assert status(town.aws, execution) == "Failed"
    assert "no answer came in time" in steps(town.aws, execution)["Ask"]["FailureReason"]


def test_whoever_started_the_pipeline_is_its_verified_requester(town: GateTown) -> None:
    begin(town)
    (question,) = town.questions()
    assert question.requester.verified
    assert question.requester.principal.endswith("assumed-role/data-scientists/maria")


def test_where_sagemaker_does_not_say_who_started_it_nobody_is_verified(town: GateTown) -> None:
    town.aws.faults.fail("sagemaker", "DescribePipelineExecution", "AccessDeniedException")
    begin(town)
    (question,) = town.questions()
    assert not question.requester.verified


def test_what_nobody_can_price_is_asked_about(town: GateTown) -> None:
    execution = begin(town, UNKNOWN)
    (question,) = town.questions()
    assert question.asked.worst_case_usd is None
    assert status(town.aws, execution) == "Executing"


# --- modes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "decision"), [("off", "pass"), ("observe", "would hold"), ("warn", "would hold")])
def test_outside_enforce_everybody_goes_on_at_once(make: Make, mode: str, decision: str) -> None:
    town = make(mode=mode)
    execution = begin(town)
    assert job_of(town.aws, execution)["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    assert outputs(town, execution)["decision"] == decision
    assert town.questions() == []


def test_a_malformed_request_ends_the_pipeline_in_enforce_with_its_sentence(town: GateTown) -> None:
    execution = begin(town, BAD)
    assert status(town.aws, execution) == "Failed"
    sentence = steps(town.aws, execution)["Ask"]["FailureReason"]
    assert "instance_count: expected a whole number, 1 to 100,000, got -3" in sentence


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_a_malformed_request_goes_on_elsewhere_and_is_told_that_it_was_not_judged(make: Make, mode: str) -> None:
    town = make(mode=mode)
    execution = begin(town, BAD)
    told = outputs(town, execution)
    assert (told["decision"], told["max_runtime_seconds"]) == ("not judged", "86400")
    assert "instance_count" in told["reason"]
    assert status(town.aws, execution) == "Executing"


THREE_DAYS = 259_200
BAD_JOB = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": -1},
           "StoppingCondition": {"MaxRuntimeInSeconds": THREE_DAYS}}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({**BAD, "max_runtime_seconds": THREE_DAYS}, THREE_DAYS),
        ({**BAD, "max_runtime_seconds": "72h"}, THREE_DAYS),
        ({"job": json.dumps(BAD_JOB)}, THREE_DAYS),
        ({**UNKNOWN, "max_runtime_seconds": THREE_DAYS}, THREE_DAYS),
        ({**BAD, "max_runtime_seconds": -1}, 86_400),
        ({"job": "{"}, 86_400),
    ],
)
def test_what_goes_on_unjudged_is_not_cut_short(make: Make, arguments: dict[str, Any], seconds: int) -> None:
    town = make(mode="observe")
    execution = begin(town, arguments)
    assert job_of(town.aws, execution)["StoppingCondition"] == {"MaxRuntimeInSeconds": seconds}


def test_nor_is_what_the_gate_failed_on(make: Make) -> None:
    town = make(mode="observe")
    execution = start(town.aws, definition(town.queue_url, {**CHEAP, "max_runtime_seconds": THREE_DAYS}))
    town.invoke(town.records(*town.waiting(), dead=True))
    assert job_of(town.aws, execution)["StoppingCondition"] == {"MaxRuntimeInSeconds": THREE_DAYS}


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_a_pipeline_that_waits_while_another_mode_is_deployed_goes_on_by_the_next_sweep(
    town: GateTown, mode: str
) -> None:
    execution = begin(town)
    town.deploy(mode=mode)
    CLOCK.now = NOW + timedelta(minutes=5)
    assert town.sweep()["failures"] == []
    assert job_of(town.aws, execution)["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    told = outputs(town, execution)
    assert (told["decision"], told["reason"].rpartition(": ")[2]) == ("let go", "the gate no longer enforces")
    assert town.questions() == []


# --- stopping, repeating, failing ---------------------------------------------------------------------------


def stop(town: GateTown, execution: str) -> None:
    town.aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken="s" * 32)


def test_a_pipeline_that_is_stopped_is_answered_and_its_question_withdrawn(town: GateTown) -> None:
    execution = begin(town)
    (question,) = town.questions()
    stop(town, execution)
    town.poll()
    assert status(town.aws, execution) == "Stopped"
    assert town.questions() == []
    assert [row["transition"] for row in town.timeline(question.id)][-2:] == ["withdrawn", "answered"]


def test_a_pipeline_that_is_stopped_before_it_was_asked_about_is_answered_too(town: GateTown) -> None:
    execution = start(town.aws, definition(town.queue_url))
    first, *_ = town.waiting()
    stop(town, execution)
    town.poll()
    assert status(town.aws, execution) == "Stopped"
    assert first["status"] == "Executing"
    # The first message comes late: it asks about a step that no longer waits, and that is found out by its answer.
    town.invoke(town.records(first))


def test_a_message_that_comes_twice_asks_once(town: GateTown) -> None:
    execution = start(town.aws, definition(town.queue_url))
    (message,) = town.waiting()
    for _ in range(3):
        assert town.invoke(town.records(message)) == {"batchItemFailures": []}
    (question,) = town.questions()
    assert question.state is State.PENDING
    town.answer(yes=True)
    town.invoke(town.records(message))
    assert status(town.aws, execution) == "Executing"
    assert town.questions() == []


def test_two_executions_of_one_pipeline_are_two_questions(town: GateTown) -> None:
    begin(town)
    begin(town)
    assert len(town.questions()) == 2


def test_two_steps_of_one_execution_are_two_questions_and_an_answer_is_for_one_of_them(town: GateTown) -> None:
    body = definition(town.queue_url, train=False)
    (ask,) = body["Steps"]
    body["Steps"] = [{**ask, "Name": name, "Arguments": {**ask["Arguments"], "name": name}} for name in ("a", "b")]
    execution = start(town.aws, body)
    town.poll()
    first, second = town.questions()
    assert first.source == second.source
    town.answer(yes=True, question=first)
    assert [question.id for question in town.questions()] == [second.id]
    found = {name: step["StepStatus"] for name, step in steps(town.aws, execution).items()}
    assert found == {first.asked.name: "Succeeded", second.asked.name: "Executing"}


def test_another_request_by_the_same_token_does_not_replace_what_people_are_looking_at(town: GateTown) -> None:
    execution = start(town.aws, definition(town.queue_url))
    (message,) = town.waiting()
    town.invoke(town.records(message))
    town.invoke(town.records({**message, "arguments": CHEAP}))
    town.invoke(town.records({**message, "arguments": {**message["arguments"], "instance_count": 8}}))
    town.invoke(town.records({**message, "arguments": CHEAP, "pipelineExecutionArn": "x"}))
    (question,) = town.questions()
    assert question.asked.capacity == "2 x ml.p4d.24xlarge"
    assert steps(town.aws, execution)["Ask"]["StepStatus"] == "Executing"


def test_a_team_that_nobody_configured_is_asked_about_as_it_is_written(town: GateTown) -> None:
    begin(town, {"instance_type": "ml.p4d.24xlarge", "team": "nobody-knows <!channel>"})
    (question,) = town.questions()
    assert question.asked.team == "nobody-knows <!channel>"


def test_a_message_that_fails_is_delivered_again_and_costs_the_others_nothing(town: GateTown) -> None:
    first = start(town.aws, definition(town.queue_url, CHEAP))
    second = start(town.aws, definition(town.queue_url, CHEAP), "second")
    messages = town.waiting()
    town.aws.faults.fail("sagemaker", "SendPipelineExecutionStepSuccess", "AccessDeniedException", times=1)
    assert town.invoke(town.records(*messages)) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    assert set(steps(town.aws, first)) == {"Ask"}
    assert set(steps(town.aws, second)) == {"Ask", "Train"}
    assert town.invoke(town.records(messages[0])) == {"batchItemFailures": []}
    assert set(steps(town.aws, first)) == {"Ask", "Train"}


def test_what_has_no_token_is_refused_into_the_queue(town: GateTown) -> None:
    assert town.invoke(town.records("no json", {"arguments": {}})) == {"batchItemFailures": []}
    assert [each["reason"] for each in town.refused()] == [
        "the message's body is no JSON",
        "token is missing or no text",
    ]


def test_a_dead_letter_ends_the_pipeline_in_enforce_and_people_find_it(town: GateTown) -> None:
    execution = start(town.aws, definition(town.queue_url))
    (message,) = town.waiting()
    assert town.invoke(town.records(message, dead=True)) == {"batchItemFailures": []}
    assert status(town.aws, execution) == "Failed"
    assert "time after time" in steps(town.aws, execution)["Ask"]["FailureReason"]
    assert len(town.refused()) == 1


def test_a_dead_letter_lets_the_pipeline_go_on_where_nothing_is_enforced(make: Make) -> None:
    town = make(mode="observe")
    execution = start(town.aws, definition(town.queue_url))
    (message,) = town.waiting()
    town.invoke(town.records(message, dead=True))
    assert outputs(town, execution)["decision"] == "not judged"
    assert len(town.refused()) == 1


def test_a_dead_letter_whose_question_is_open_leaves_it_open(town: GateTown) -> None:
    execution = start(town.aws, definition(town.queue_url))
    (message,) = town.waiting()
    town.invoke(town.records(message))
    assert town.invoke(town.records(message, dead=True)) == {"batchItemFailures": []}
    assert steps(town.aws, execution)["Ask"]["StepStatus"] == "Executing"
    assert [each["reason"].rpartition("; ")[2] for each in town.refused()] == ["its question waits for an answer"]
    town.answer(yes=True)
    assert set(steps(town.aws, execution)) == {"Ask", "Train"}


def test_a_dead_letter_of_what_was_approved_meanwhile_gets_its_yes(town: GateTown) -> None:
    execution = start(town.aws, definition(town.queue_url))
    (message,) = town.waiting()
    town.invoke(town.records(message))
    town.aws.faults.fail("sagemaker", "SendPipelineExecutionStepSuccess", "ThrottlingException", times=10)
    town.answer(yes=True)
    town.aws.faults.clear()
    town.invoke(town.records(message, dead=True))
    assert set(steps(town.aws, execution)) == {"Ask", "Train"}
    assert town.questions() == []


def test_a_dead_letter_is_kept_while_nobody_knows_whether_it_was_asked_about(town: GateTown) -> None:
    execution = begin(town)
    town.aws.faults.fail("dynamodb", "GetItem", "InternalServerError", times=None)
    token = steps(town.aws, execution)["Ask"]["Metadata"]["Callback"]["CallbackToken"]
    message = {"token": token, "pipelineExecutionArn": execution, "arguments": {}}
    assert town.invoke(town.records(message, dead=True)) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    town.aws.faults.clear()
    assert steps(town.aws, execution)["Ask"]["StepStatus"] == "Executing"


def test_an_answer_that_aws_refuses_is_a_failure_of_each_sweep_until_it_is_given(town: GateTown) -> None:
    execution = begin(town)
    town.aws.faults.fail("sagemaker", "SendPipelineExecutionStepSuccess", "AccessDeniedException", times=None)
    answered = town.answer(yes=True)
    for hour in (1, 2):
        CLOCK.now = NOW + timedelta(hours=hour)
        assert f"approval {answered.id}" in [failure["where"] for failure in town.sweep()["failures"]]
    town.aws.faults.clear()
    CLOCK.now = NOW + timedelta(hours=3)
    assert town.sweep()["failures"] == []
    assert set(steps(town.aws, execution)) == {"Ask", "Train"}


# --- what was lost ------------------------------------------------------------------------------------------


def lose(town: GateTown, arguments: dict[str, Any] | None = None, **parameters: str) -> str:
    """A pipeline asks, and its message is never delivered."""
    body = definition(town.queue_url) if arguments is None else definition(town.queue_url, arguments)
    body["Parameters"] = [{"Name": "Count", "Type": "Integer", "DefaultValue": 1}]
    execution = start(town.aws, body, **parameters)
    assert town.waiting()
    return execution


def test_the_sweep_finds_a_step_whose_message_was_lost_and_asks_about_it(town: GateTown) -> None:
    lose(town, {"instance_type": "ml.p4d.24xlarge", "instance_count": {"Get": "Parameters.Count"}}, Count="4")
    CLOCK.now = NOW + timedelta(hours=1)
    assert town.sweep()["failures"] == []
    (question,) = town.questions()
    assert question.asked.capacity == "4 x ml.p4d.24xlarge"
    CLOCK.now += timedelta(hours=1)
    town.sweep()
    assert len(town.questions()) == 1


def test_one_that_is_cheap_goes_on_by_the_sweep(town: GateTown) -> None:
    execution = lose(town, CHEAP)
    CLOCK.now = NOW + timedelta(hours=1)
    town.sweep()
    assert set(steps(town.aws, execution)) == {"Ask", "Train"}


def test_what_only_the_running_pipeline_knew_is_asked_about_as_unknown(town: GateTown) -> None:
    body = definition(town.queue_url, train=False)
    prepare = {"Name": "Prepare", "Type": "Lambda", "Arguments": {}}
    arguments = {"instance_type": {"Get": "Steps.Prepare.Type"}}
    body["Steps"] = [prepare, {**body["Steps"][0], "Arguments": arguments}]
    start(town.aws, body)
    town.waiting()
    CLOCK.now = NOW + timedelta(hours=1)
    town.sweep()
    (question,) = town.questions()
    assert question.asked.worst_case_usd is None
    assert any("its message was lost" in note for note in question.asked.notes)


def test_a_stopped_pipeline_whose_message_was_lost_is_let_end(town: GateTown) -> None:
    execution = lose(town)
    stop(town, execution)
    town.waiting()
    CLOCK.now = NOW + timedelta(hours=1)
    town.sweep()
    assert status(town.aws, execution) == "Stopped"


@pytest.mark.parametrize(("age", "asked"), [(timedelta(minutes=45), True), (timedelta(minutes=44, seconds=59), False)])
def test_a_young_step_is_left_to_its_message(town: GateTown, age: timedelta, asked: bool) -> None:
    at = NOW.replace(minute=0, second=0) + timedelta(hours=1)
    CLOCK.now = at - age
    lose(town)
    CLOCK.now = at
    town.sweep()
    assert bool(town.questions()) is asked


def test_only_the_first_sweep_of_an_hour_looks(town: GateTown) -> None:
    lose(town)
    CLOCK.now = NOW.replace(minute=5, second=0) + timedelta(hours=2)
    town.sweep()
    assert town.questions() == []
    CLOCK.now += timedelta(minutes=55)
    town.sweep()
    assert len(town.questions()) == 1


def test_pipelines_that_cannot_be_listed_are_a_failure_of_the_sweep(town: GateTown) -> None:
    town.aws.faults.fail("sagemaker", "ListPipelines", "AccessDeniedException", times=None)
    CLOCK.now = NOW + timedelta(hours=1)
    assert [failure["where"] for failure in town.sweep()["failures"]] == ["callback steps that wait"]


def test_an_answer_that_did_not_arrive_is_given_again(town: GateTown) -> None:
    execution = begin(town)
    town.aws.faults.fail("sagemaker", "SendPipelineExecutionStepSuccess", "ResourceNotFound")
    town.aws.faults.fail("sagemaker", "ListPipelineExecutionSteps", "ResourceNotFound")
    town.answer(yes=True)
    assert town.questions() == []  # SageMaker said that nobody waits
    assert set(steps(town.aws, execution)) == {"Ask"}
    CLOCK.now = NOW + timedelta(hours=1)
    town.sweep()
    assert set(steps(town.aws, execution)) == {"Ask", "Train"}
