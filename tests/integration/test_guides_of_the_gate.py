"""What people paste from the guides of pipelines and state machines, run as it stands there, up to the job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch import names
from costwatch.config import loader
from costwatch.core.approvals import Way
from costwatch.core.gate import seen
from costwatch.core.purses import SpecSeen
from costwatch.intake import job_requests
from costwatch.intake.job_bodies import job_of
from costwatch.procedures import approvals
from demo.embedded import EmbeddedAws
from infra.gated_training_asl import ANSWER_MARGIN
from infra.gated_training_asl import definition as gated_training
from tests.support import aws_command, machines, pipelines, policies
from tests.support.builders import NOW
from tests.support.fakes import TestClock
from tests.support.gate_town import GateTown, Make
from tests.support.guides import Guide

PIPELINES = Guide("sagemaker-pipelines.md")
MACHINES = Guide("step-functions.md")
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:YOUR-GATE-FUNCTION"
DAY = timedelta(days=1)
CAP = timedelta(hours=17)
CLOCK = TestClock()
Decide = Callable[[GateTown], object]


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


def deployed(town: GateTown, **where: str) -> None:
    """The parameter by which everybody finds the deployment."""
    town.aws.client("ssm").put_parameter(Name=names.DEPLOYMENT_PARAMETER, Type="String", Value=json.dumps(where))


def run(town: GateTown, directory: Path, *command: str) -> str:
    """What it prints, run in `directory` by somebody who has AWS's command line and credentials."""
    (directory / "bin").mkdir(exist_ok=True)
    for name, script in (("python3", '"$@"'), ("aws", f'"{aws_command.__file__}" "$@"')):
        file = directory / "bin" / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {script}\n', "utf-8")
        file.chmod(0o755)
    environment = {
        **os.environ,
        **town.aws.environment(),
        "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def started_as(body: dict[str, Any], way: Way) -> tuple[SpecSeen, ...]:
    """What a job that runs is held to."""
    (team,) = [tag["Value"] for tag in body["Tags"] if tag["Key"] == "team"]
    return seen([job_of(body, "us-east-1")], way=way, team=team)


def job(town: GateTown, name: str) -> dict[str, Any]:
    sagemaker = town.aws.client("sagemaker")
    found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return {**found, "Tags": sagemaker.list_tags(ResourceArn=found["TrainingJobArn"])["Tags"]}


def expire(town: GateTown) -> None:
    CLOCK.now = NOW + DAY
    town.tend()


ENDINGS = pytest.mark.parametrize(
    ("answer", "seconds", "error"),
    [
        (lambda town: town.answer(yes=True), 86400, ""),
        (lambda town: town.answer(yes=True, cap=CAP), 61200, ""),
        (lambda town: town.answer(yes=False, reason="too dear"), None, "Costwatch.Denied"),
        (expire, None, "Costwatch.Expired"),
    ],
    ids=["yes", "cap", "no", "no answer"],
)


# --- pipelines ----------------------------------------------------------------------------------------------


@pytest.fixture
def weekly(town: GateTown, tmp_path: Path) -> Callable[..., str]:
    """Starts an execution of the pipeline that the guide makes; its message has gone through the gate."""
    deployed(town, gate_queue_url=town.queue_url)
    (tmp_path / "make.py").write_text(PIPELINES.pasted("python")[0], "utf-8")
    run(town, tmp_path, "python3", "make.py")

    def start(**parameters: str) -> str:
        execution = pipelines.start(town.aws, {}, "churn-weekly", **parameters)
        assert town.poll() == {"batchItemFailures": []}
        return execution

    return start


def test_the_pipeline_of_the_guide_asks_about_the_very_job_that_it_then_starts(
    town: GateTown, weekly: Callable[..., str]
) -> None:
    execution = weekly(Instances="3")
    (question,) = town.questions()
    assert (question.asked.capacity, question.asked.team) == ("3 x ml.p4d.24xlarge", "risk")
    town.answer(yes=True)
    made = pipelines.job_of(town.aws, execution)
    assert made["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    assert started_as(job(town, made["TrainingJobName"]), Way.PIPELINE) == question.asked.specs


@ENDINGS
def test_the_pipeline_of_the_guide_goes_as_its_table_says(
    town: GateTown, weekly: Callable[..., str], answer: Decide, seconds: int | None, error: str
) -> None:
    execution = weekly()
    assert pipelines.status(town.aws, execution) == "Executing"
    answer(town)
    assert pipelines.status(town.aws, execution) == ("Failed" if error else "Executing")
    if error:
        assert set(pipelines.steps(town.aws, execution)) == {"Ask"}
    else:
        assert pipelines.job_of(town.aws, execution)["StoppingCondition"] == {"MaxRuntimeInSeconds": seconds}


SDK = """
class CallbackOutputTypeEnum:
    Integer = "Integer"

class CallbackOutput:
    def __init__(self, output_name, output_type):
        self.request = {"OutputName": output_name, "OutputType": output_type}

class CallbackStep:
    def __init__(self, name, sqs_queue_url, inputs, outputs):
        self.request = {"Name": name, "Type": "Callback", "SqsQueueUrl": sqs_queue_url, "Arguments": inputs,
                        "OutputParameters": [each.request for each in outputs]}
        self.properties = self
        names = [each.request["OutputName"] for each in outputs]
        self.Outputs = {each: {"Get": f"Steps.{name}.OutputParameters['{each}']"} for each in names}
"""
"""As SageMaker's SDK writes a callback step into a definition (2.257)."""


def test_with_sagemakers_sdk_it_is_the_same_step(town: GateTown, tmp_path: Path) -> None:
    deployed(town, gate_queue_url=town.queue_url)
    module = tmp_path / "sagemaker" / "workflow" / "callback_step.py"
    module.parent.mkdir(parents=True)
    module.write_text(SDK, "utf-8")
    plain, sdk = PIPELINES.pasted("python")
    told = "print(json.dumps({}))"
    (tmp_path / "sdk.py").write_text(f"{sdk}\n{told.format('[ask.request, granted]')}", "utf-8")
    step, granted = json.loads(run(town, tmp_path, "python3", "sdk.py"))
    (tmp_path / "plain.py").write_text(f"{plain}\n{told.format('[ask, train]')}", "utf-8")
    ask, train = json.loads(run(town, tmp_path, "python3", "plain.py"))
    assert step == {**ask, "Arguments": {**ask["Arguments"], "instance_count": 2}}
    assert granted == train["Arguments"]["StoppingCondition"]["MaxRuntimeInSeconds"]


def test_the_guide_names_every_argument_and_no_other() -> None:
    figures = PIPELINES.table("argument")
    assert {*figures, "use_spot"} | set(job_requests.NAMED) == job_requests.FIGURES
    assert all(f"`{name}`" in PIPELINES.text for name in job_requests.FIGURES | job_requests.WITH_JOB)


def test_the_guide_names_every_output_in_its_order() -> None:
    assert PIPELINES.table("output") == list(approvals.outputs_of("pass", "", ""))


# --- GatedTraining ------------------------------------------------------------------------------------------


def jobs(town: GateTown) -> list[str]:
    listed = town.aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    return [each["TrainingJobName"] for each in listed]


@ENDINGS
def test_gated_training_is_started_by_the_guides_commands_and_runs_to_its_end(
    town: GateTown, tmp_path: Path, answer: Decide, seconds: int | None, error: str
) -> None:
    asl = gated_training(function=machines.make_function(town.aws), answer_within=DAY, look_every=timedelta(seconds=1))
    deployed(town, gated_training_arn=machines.make_machine(town.aws, asl))
    request, *_ = MACHINES.pasted("json")
    (tmp_path / "request.json").write_text(request, "utf-8")
    with machines.answering(town.invoke):
        (command,) = MACHINES.pasted("sh")
        execution = json.loads(run(town, tmp_path, "sh", "-euc", command))["executionArn"]
        machines.until(town.questions)
        answer(town)
        if seconds is not None:
            (name,) = machines.until(lambda: jobs(town))
            body = job(town, name)
            assert body["StoppingCondition"] == {"MaxRuntimeInSeconds": seconds}
            assert {tag["Key"] for tag in body["Tags"]} == {"team", "costwatch:approval"}
            town.aws.fleet.finish_job(name, CLOCK())
        ended = machines.ended(town.aws, execution)
    assert (ended["status"], ended.get("error", "")) == ("FAILED" if error else "SUCCEEDED", error)
    assert jobs(town) == ([] if error else ["churn-2026-11-27"])


def test_the_guides_configuration_lists_the_roles(tmp_path: Path) -> None:
    (block,) = MACHINES.pasted("yaml")
    sample = Path(__file__).parents[2] / "costwatch.yaml"
    without = sample.read_text("utf-8").replace("\napproval:\n", "\napproval:\n" + block.split("\n", 1)[1])
    (tmp_path / "costwatch.yaml").write_text(without, "utf-8")
    compiled = loader.load(tmp_path / "costwatch.yaml").policy_document["policy"]
    assert compiled["approval"]["roles"] == ["arn:aws:iam::111122223333:role/trainer"]


# --- a state machine of one's own ---------------------------------------------------------------------------


@ENDINGS
def test_the_state_machine_of_the_guide_runs_to_its_end(
    town: GateTown, answer: Decide, seconds: int | None, error: str
) -> None:
    _, asl, _ = MACHINES.pasted("json")
    mine = json.loads(asl.replace(FUNCTION, machines.make_function(town.aws)))
    machine = machines.make_machine(town.aws, mine, "Mine")
    with machines.answering(town.invoke):
        execution = machines.start(town.aws, machine, {"job_name": "churn-bert-large"})
        (question,) = machines.until(town.questions)
        answer(town)
        ended = machines.ended(town.aws, execution)
    assert (ended["status"], ended.get("error", "")) == ("FAILED" if error else "SUCCEEDED", error)
    if seconds is None:
        assert jobs(town) == []
        return
    body = job(town, "churn-bert-large")
    assert body["StoppingCondition"] == {"MaxRuntimeInSeconds": seconds}
    assert {"Key": "costwatch:approval", "Value": question.id} in body["Tags"]
    assert [each.digest for each in started_as(body, Way.TASK)] == [each.digest for each in question.asked.specs]


def test_the_task_of_the_guide_outlives_the_question() -> None:
    _, asl, _ = MACHINES.pasted("json")
    patience = timedelta(seconds=json.loads(asl)["States"]["Ask"]["TimeoutSeconds"])
    assert patience == timedelta(seconds=policies.approval()["answer_within_seconds"]) + ANSWER_MARGIN


def test_the_policies_of_the_guides_allow_what_is_done_there_and_no_more() -> None:
    def allowed(document: str) -> list[str]:
        statements = json.loads(document)["Statement"]
        assert all(each["Effect"] == "Allow" and each["Resource"] != "*" for each in statements)
        actions = [each["Action"] for each in statements]
        return [name for each in actions for name in (each if isinstance(each, list) else [each])]

    (pipeline,) = PIPELINES.pasted("json")
    assert allowed(pipeline) == ["sqs:SendMessage"]
    assert allowed(MACHINES.pasted("json")[-1]) == [
        "lambda:InvokeFunction",
        "sagemaker:CreateTrainingJob",
        "sagemaker:AddTags",
        "iam:PassRole",
    ]
