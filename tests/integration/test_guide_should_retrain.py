"""What people paste from the guide about asking before training, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml

from costwatch.config.compiler import compile_policy
from costwatch.config.model import parse
from costwatch.core.policy import Policy
from costwatch.core.res_policy import RetrainPolicy
from costwatch.core.retrain_questions import document
from costwatch.core.retraining import Rule
from costwatch.intake.retraining import KNOWN, retraining
from costwatch.procedures.retraining import answer
from demo.embedded import EmbeddedAws
from tests.integration.test_retraining import Office
from tests.support import machines
from tests.support.builders import NOW
from tests.support.fakes import TestClock
from tests.support.guides import Guide

GUIDE = Guide("should-retrain.md")
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:YOUR-RETRAIN-FUNCTION"
CLOCK = TestClock()
SDK = '''\
class Anything:
    """Keeps what it is made of; whatever is asked of it is another one, named by the way to it."""

    def __init__(self, *_, **given):
        self.given = given

    def __getattr__(self, name):
        return Anything(way=name)

    def __getitem__(self, name):
        return Anything(way=name)


Lambda = LambdaStep = LambdaOutput = ConditionStep = ConditionEquals = Anything
LambdaOutputTypeEnum = Anything()
ExecutionVariables = Anything()
'''


def test_the_configuration_of_the_guide_is_valid_and_spells_out_the_defaults() -> None:
    body = yaml.safe_load(GUIDE.pasted("yaml")[0])
    config = parse({"version": 1, "regions": ["us-east-1"], **body})
    policy = Policy.from_document(compile_policy(config, config_commit="none"))
    assert policy.res.models[0].retrain == RetrainPolicy()


def test_the_guide_names_every_field_of_a_question_and_of_an_answer() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", GUIDE.text, re.MULTILINE))
    office = Office()
    office.trained_twice()
    assert told == (KNOWN - {"requested_by"}) | set(document(office.ask()))
    assert all(f"`{rule.value}`" in GUIDE.text for rule in Rule)


@pytest.mark.parametrize(("code", "trained", "ends"), [(0, True, 0), (6, False, 0), (2, False, 2), (1, False, 1)])
def test_the_script_trains_on_a_yes_skips_on_a_six_and_fails_on_anything_else(
    tmp_path: Path, code: int, trained: bool, ends: int
) -> None:
    scripts = [each for each in GUIDE.pasted("sh") if "train.sh" in each]
    (tmp_path / "train.sh").write_text("#!/bin/sh\ntouch trained\n")
    command = tmp_path / "costwatch"
    command.write_text(f"#!/bin/sh\nexit {code}\n")
    for each in (tmp_path / "train.sh", command):
        each.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "BUILD_ID": "7"}
    done = subprocess.run(["bash", "-eu", "-c", scripts[0]], cwd=tmp_path, env=environ, timeout=30, check=False)
    assert (done.returncode, (tmp_path / "trained").exists()) == (ends, trained)


# --- in a state machine -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    CLOCK.now = NOW
    with EmbeddedAws(clock=CLOCK) as running:
        yield running
        assert running.errors == []


@pytest.mark.parametrize(("mode", "state"), [("enforce", "Skipped"), ("observe", "Train")])
def test_the_state_machine_goes_where_the_answer_leads(aws: EmbeddedAws, mode: str, state: str) -> None:
    aws.reset()
    office = Office(mode)
    office.trained_twice()
    asked: list[Any] = []

    def function(event: Any) -> object:
        asked.append(event)
        return document(answer(office.adviser, retraining(event)))

    (pasted,) = GUIDE.pasted("json")
    definition = json.loads(pasted.replace(FUNCTION, machines.make_function(aws, "retrain")))
    definition["States"]["Skipped"] = {"Type": "Pass", "Result": {"went": "Skipped"}, "End": True}
    definition["States"]["Train"]["Result"] = {"went": "Train"}
    with machines.answering(function):
        machine = machines.make_machine(aws, definition, mode)
        found = machines.ended(aws, machines.start(aws, machine, {"served_error": 0.1}))
    assert found["status"] == "SUCCEEDED"
    assert json.loads(found["output"]) == {"went": state}
    (event,) = asked
    assert event["id"].startswith("arn:aws:states:")
    assert event["served_error"] == 0.1


def test_whatever_fails_fails_the_step_and_never_skips(aws: EmbeddedAws) -> None:
    aws.reset()
    office = Office()

    def function(event: Any) -> object:
        return document(answer(office.adviser, retraining({**event, "served_error": "NaN"})))

    (pasted,) = GUIDE.pasted("json")
    definition = json.loads(pasted.replace(FUNCTION, machines.make_function(aws, "retrain")))
    with machines.answering(function):
        found = machines.ended(aws, machines.start(aws, machines.make_machine(aws, definition), {"served_error": 1}))
    assert (found["status"], found["error"]) == ("FAILED", "MalformedEvent")


# --- in a SageMaker pipeline --------------------------------------------------------------------------------


def test_the_pipelines_step_asks_with_fields_that_the_function_takes(tmp_path: Path) -> None:
    (pasted,) = GUIDE.pasted("python")
    for module in re.findall(r"^from (\S+) import", pasted, re.MULTILINE):
        file = tmp_path / Path(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SDK, "utf-8")
    program = f"train = None\n{pasted}\nimport json\nprint(json.dumps([ask.given['inputs'] | {{'id': 'x'}}, " + (
        "[each.given['output_name'] for each in ask.given['outputs']]]))"
    )
    (tmp_path / "pipeline.py").write_text(program, "utf-8")
    ran = subprocess.run(
        [sys.executable, "pipeline.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    inputs, outputs = json.loads(ran.stdout)
    assert retraining(inputs).model == "churn"
    office = Office()
    assert set(outputs) <= set(document(office.ask()))


def test_a_reason_fits_into_a_lambda_steps_output() -> None:
    outputs: Any = botocore.session.get_session().get_service_model("sagemaker").shape_for("LambdaStepMetadata")
    most = outputs.members["OutputParameters"].member.members["Value"].metadata["max"]
    assert f"{most:,}" in " ".join(GUIDE.text.split())
    office = Office()
    office.trained_twice()
    office.now += timedelta(days=4000)
    assert len(office.ask(cost_usd=Decimal(10**6), served_error=Decimal(10**9)).reason) < most
