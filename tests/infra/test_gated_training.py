"""The state machine GatedTraining: only where roles are configured, with those roles and no more than it needs."""

from __future__ import annotations

import json
from typing import Any

from costwatch import topology
from infra.gated_training_asl import ANSWER_MARGIN, definition
from tests.infra.documents import APPROVAL, ROLE
from tests.support.synth import Synthesized, as_list, filled_in, statements
from tests.support.template_roles import role_of_function


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
