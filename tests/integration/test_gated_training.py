"""The state machine GatedTraining runs to its ends in the embedded AWS: yes, no, cap, no answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from costwatch.adapters.task_tokens import TaskTokens
from costwatch.errors import TransientAwsError
from costwatch.procedures.gate_messages import amended
from demo.embedded import EmbeddedAws
from infra.gated_training_asl import ANSWER_MARGIN, definition
from tests.support.machines import answering, ended, make_function, make_machine, start, until
from tests.support.pipelines import TRAINING

JOB = {
    **TRAINING,
    "TrainingJobName": "churn-bert-large",
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    "Tags": [{"Key": "team", "Value": "risk"}],
    "HyperParameters": {"epochs": "3"},
}
YES = {"decision": "approved", "approval_id": "apr-1", "max_runtime_seconds": "86400"}
Decide = Callable[[str], object]


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as running:
        yield running
        assert running.errors == []


@pytest.fixture(autouse=True)
def empty(aws: EmbeddedAws) -> None:
    aws.reset()
    aws.world.stop_grace = timedelta(0)


class Gate:
    """What the deployed function does, with a person who decides as soon as they are asked."""

    def __init__(self, aws: EmbeddedAws, decide: Decide) -> None:
        self.tokens = TaskTokens(aws.client("stepfunctions"))
        self.decide = decide
        self.asked: list[dict[str, Any]] = []

    def __call__(self, event: Any) -> object:
        if "amend" in event:
            return {"job": amended(event["amend"]["job"], event["amend"]["gate"], "costwatch:approval")}
        self.asked.append(event)
        self.decide(event["task_token"])
        return {"waits": True}


def run(
    aws: EmbeddedAws, decide: Callable[[TaskTokens, str], object], given: dict[str, Any] | None = None, **options: Any
) -> tuple[Gate, str]:
    """Starts the machine; returns the gate and the execution's ARN. Call it where functions are `answering`."""
    tokens = TaskTokens(aws.client("stepfunctions"))
    gate = Gate(aws, lambda token: decide(tokens, token))
    with_defaults = {"answer_within": timedelta(hours=24), "look_every": timedelta(seconds=1), **options}
    asl = definition(function=make_function(aws), **with_defaults)
    return gate, make_machine(aws, asl)


def outcome(aws: EmbeddedAws, decide: Callable[[TaskTokens, str], object], end: str = "Completed", **asl: Any) -> Any:
    """The execution as it ended, where a job that starts ends with `end`."""
    gate, machine = run(aws, decide, **asl)
    with answering(gate):
        execution = start(aws, machine, {"job": JOB, "team": "risk", "requester": "maria"})

        def finish() -> None:
            for job in aws.client("sagemaker").list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]:
                aws.fleet.finish_job(job["TrainingJobName"], aws.world.clock(), end)

        found = ended(aws, execution, while_waiting=finish)
    (found["asked"],) = gate.asked
    return found


def job(aws: EmbeddedAws) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("sagemaker").describe_training_job(TrainingJobName="churn-bert-large")
    return found


def jobs(aws: EmbeddedAws) -> list[str]:
    listed = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    return [each["TrainingJobName"] for each in listed]


def test_after_a_yes_the_job_runs_with_the_approval_as_its_tag(aws: EmbeddedAws) -> None:
    found = outcome(aws, lambda tokens, token: tokens.succeed(token, YES))
    assert found["status"] == "SUCCEEDED"
    output = json.loads(found["output"])
    assert (output["job_name"], output["gate"]["approval_id"]) == ("churn-bert-large", "apr-1")
    assert found["asked"]["request"]["job"]["TrainingJobName"] == "churn-bert-large"
    assert found["asked"]["execution"] == found["executionArn"]
    made = job(aws)
    assert made["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    assert made["HyperParameters"] == {"epochs": "3"}
    tags = aws.client("sagemaker").list_tags(ResourceArn=made["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "risk"}, {"Key": "costwatch:approval", "Value": "apr-1"}]


def test_a_cap_becomes_the_jobs_maximum_runtime(aws: EmbeddedAws) -> None:
    found = outcome(aws, lambda tokens, token: tokens.succeed(token, {**YES, "max_runtime_seconds": "61200"}))
    assert found["status"] == "SUCCEEDED"
    assert job(aws)["StoppingCondition"]["MaxRuntimeInSeconds"] == 61200


def test_below_the_threshold_the_job_runs_as_it_was_written(aws: EmbeddedAws) -> None:
    found = outcome(aws, lambda tokens, token: tokens.succeed(token, {"decision": "pass", "approval_id": "apr-1"}))
    assert found["status"] == "SUCCEEDED"
    made = job(aws)
    tags = aws.client("sagemaker").list_tags(ResourceArn=made["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "risk"}]


@pytest.mark.parametrize("error", ["Costwatch.Denied", "Costwatch.Expired", "Costwatch.Withdrawn"])
def test_after_a_no_nothing_starts_and_the_machine_says_why(aws: EmbeddedAws, error: str) -> None:
    found = outcome(aws, lambda tokens, token: tokens.fail(token, error, "denied by Maria: too dear"))
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", error, "denied by Maria: too dear")
    assert jobs(aws) == []


def test_a_request_that_nobody_can_read_fails_the_machine_with_its_sentence(aws: EmbeddedAws) -> None:
    found = outcome(aws, lambda tokens, token: tokens.fail(token, "Costwatch.BadRequest", "job: what?"))
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", "Costwatch.BadRequest", "job: what?")
    assert jobs(aws) == []


def test_no_answer_at_all_means_no(aws: EmbeddedAws) -> None:
    answer_within = timedelta(seconds=1) - ANSWER_MARGIN
    found = outcome(aws, lambda tokens, token: None, answer_within=answer_within)
    assert (found["status"], found["error"]) == ("FAILED", "Costwatch.Expired")
    assert jobs(aws) == []


@pytest.mark.parametrize(("end", "error"), [("Failed", "Costwatch.JobFailed"), ("Stopped", "Costwatch.JobStopped")])
def test_how_the_job_ends_is_how_the_machine_ends(aws: EmbeddedAws, end: str, error: str) -> None:
    found = outcome(aws, lambda tokens, token: tokens.succeed(token, YES), end)
    assert (found["status"], found["error"]) == ("FAILED", error)
    assert "churn-bert-large" in found["cause"]


def test_a_gate_that_fails_for_a_moment_is_asked_again(aws: EmbeddedAws) -> None:
    tries: list[str] = []

    def decide(tokens: TaskTokens, token: str) -> None:
        tries.append(token)
        if len(tries) == 1:
            raise TransientAwsError("the ledger is throttled")
        tokens.succeed(token, YES)

    gate, machine = run(aws, decide)
    with answering(gate):
        execution = start(aws, machine, {"job": JOB})
        until(lambda: jobs(aws))
        aws.fleet.finish_job("churn-bert-large", aws.world.clock())
        assert ended(aws, execution)["status"] == "SUCCEEDED"
    assert len(tries) == 2


def test_each_wait_between_two_looks_is_longer_than_the_one_before(aws: EmbeddedAws) -> None:
    gate, machine = run(aws, lambda tokens, token: tokens.succeed(token, YES))
    looks: list[int] = []
    with answering(gate):
        execution = start(aws, machine, {"job": JOB})

        def finish_after_two_looks() -> None:
            looks[:] = waits_of(aws, execution)
            if len(looks) > 1 and jobs(aws):
                aws.fleet.finish_job("churn-bert-large", aws.world.clock())

        assert ended(aws, execution, while_waiting=finish_after_two_looks)["status"] == "SUCCEEDED"
    assert looks[:2] == [2, 3]


def waits_of(aws: EmbeddedAws, execution: str) -> list[int]:
    """After each look but the last: how many seconds until the next."""
    events = aws.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]
    left = [each["stateExitedEventDetails"] for each in events if each["type"] == "WaitStateExited"]
    return [json.loads(each["output"])["look_after"] for each in left]
