"""The state machine GatedTraining: only where roles are configured, with those roles and no more than it needs."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from typing import Any, Final

import pytest

from costwatch import topology
from infra.gated_training_asl import ANSWER_MARGIN, definition
from tests.infra.documents import APPROVAL, ROLE
from tests.support.synth import Synthesized, as_list, filled_in, statements
from tests.support.template_roles import role_of_function

MOST_EVENTS: Final = 25_000
"""With so many in its history Step Functions ends an execution."""


def machine(assembly: Synthesized) -> dict[str, Any]:
    return assembly.only("AWS::StepFunctions::StateMachine")


def own_statements(assembly: Synthesized) -> list[dict[str, Any]]:
    return [s for policy, s in statements(assembly) if policy.startswith("GatedTraining")]


def test_without_roles_there_is_none(observe: Synthesized, enforce: Synthesized) -> None:
    for assembly in (observe, enforce):
        assert assembly.of_type("AWS::StepFunctions::StateMachine") == {}
        assert json.loads(filled_in(assembly.only("AWS::SSM::Parameter")["Value"]))["gated_training_arn"] == ""


def test_the_deployed_definition_is_the_one_that_the_tests_run(gated: Synthesized) -> None:
    text = filled_in(machine(gated)["DefinitionString"])
    found = json.loads(text)
    function = found["States"]["Ask"]["Parameters"]["FunctionName"]
    assert function == found["States"]["Amend"]["Parameters"]["FunctionName"]
    written = definition(function=function, answer_within=ANSWER_MARGIN * 24, partition="aws-us-gov")
    assert found == written
    assert found["States"]["Ask"]["TimeoutSeconds"] == APPROVAL["answer_within_seconds"] + 3600


def test_it_invokes_the_gate_and_nothing_else(gated: Synthesized) -> None:
    handlers = {k: f["Properties"]["Handler"] for k, f in gated.of_type("AWS::Lambda::Function").items()}
    (statement,) = [s for s in own_statements(gated) if s["Action"] == "lambda:InvokeFunction"]
    function = statement["Resource"]["Fn::GetAtt"][0]
    assert handlers[function] == topology.GATE.handler
    assert role_of_function(gated.template, topology.GATE.handler)


def test_it_hands_only_the_configured_roles_to_jobs_and_only_to_sagemaker(gated: Synthesized) -> None:
    (statement,) = [s for s in own_statements(gated) if "iam:PassRole" in as_list(s["Action"])]
    assert as_list(statement["Resource"]) == [ROLE]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_beside_that_it_creates_tags_and_describes_training_jobs_and_writes_its_log(gated: Synthesized) -> None:
    actions = {action for s in own_statements(gated) for action in as_list(s["Action"])}
    assert {action for action in actions if not action.startswith("logs:")} == {
        "iam:PassRole",
        "lambda:InvokeFunction",
        "sagemaker:AddTags",
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
    }
    for statement in own_statements(gated):
        if "sagemaker:CreateTrainingJob" in as_list(statement["Action"]):
            assert filled_in(statement["Resource"]).endswith(":training-job/*")


def test_it_logs_everything_but_what_the_bodies_of_jobs_hold(gated: Synthesized) -> None:
    logging = machine(gated)["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    (group,) = [g for k, g in gated.of_type("AWS::Logs::LogGroup").items() if k.startswith("GatedTraining")]
    assert group["Properties"]["RetentionInDays"] == 90


def test_only_state_machines_of_this_account_may_be_it(gated: Synthesized) -> None:
    (role,) = [r for k, r in gated.of_type("AWS::IAM::Role").items() if k.startswith("GatedTraining")]
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.parametrize(("queued", "ran"), [(timedelta(0), timedelta(days=28)), (timedelta(days=28),) * 2])
def test_a_job_of_28_days_leaves_half_of_an_executions_events_unused_and_so_does_one_that_queued_as_long(
    queued: timedelta, ran: timedelta
) -> None:
    looks = len(waits(until=queued + ran))
    assert looks * events_of_a_look() < MOST_EVENTS / 2


@pytest.mark.parametrize("ran", [timedelta(minutes=1), timedelta(hours=3), timedelta(days=1), timedelta(days=28)])
def test_the_end_of_a_job_is_known_within_two_minutes_or_a_fiftieth_of_its_time(ran: timedelta) -> None:
    assert waits(until=ran)[-1] <= max(timedelta(minutes=2), ran / 50)


def states() -> dict[str, Any]:
    found: dict[str, Any] = definition(function="gate", answer_within=timedelta(hours=24))["States"]
    return found


def waits(*, until: timedelta) -> list[timedelta]:
    """Those between the looks, by the definition's own arithmetic."""
    found, wait = states(), states()["Start the job"]["Output"]["look_after"]
    assert found["Wait"]["Seconds"] == "{% $states.input.look_after %}"
    after = found["Wait"]["Output"]["look_after"]
    later = re.fullmatch(r"{% \$ceil\(\$states\.input\.look_after \* ([\d.]+)\) %}", after)
    assert later
    waited: list[timedelta] = []
    left = until
    while left > timedelta(0):
        waited.append(timedelta(seconds=wait))
        left -= waited[-1]
        wait = math.ceil(wait * float(later[1]))
    return waited


def events_of_a_look() -> int:
    """Each state of the round is entered and left; its task is scheduled, started and over."""
    found, name, events = states(), "Wait", 0
    while events == 0 or name != "Wait":
        events += 5 if found[name]["Type"] == "Task" else 2
        name = found[name].get("Next") or found[name]["Default"]
    return events
