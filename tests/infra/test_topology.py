"""The template holds the rules of the topology, the ones the demo drives, and no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from costwatch import topology
from tests.support.synth import Synthesized


def test_rules_patterns_schedules_and_targets_are_those_of_the_topology(assembly: Synthesized) -> None:
    handlers = {k: f["Properties"]["Handler"] for k, f in assembly.of_type("AWS::Lambda::Function").items()}
    by_name = {f.name: f.handler for f in topology.FUNCTIONS}
    expected = [
        {
            "description": rule.description,
            "pattern": rule.pattern,
            "schedule": topology.schedule_expression(rule.every) if rule.every else None,
            "handler": by_name[rule.function],
        }
        for rule in topology.rules(timedelta(minutes=5))
    ]
    found = [_shown(r["Properties"], handlers) for r in assembly.of_type("AWS::Events::Rule").values()]
    assert sorted(found, key=_description) == sorted(expected, key=_description)


def test_every_rule_is_on_and_on_the_default_bus(assembly: Synthesized) -> None:
    for rule in assembly.of_type("AWS::Events::Rule").values():
        assert rule["Properties"]["State"] == "ENABLED"
        assert "EventBusName" not in rule["Properties"]


def test_what_eventbridge_cannot_deliver_lands_in_the_functions_dead_letter_queue(assembly: Synthesized) -> None:
    functions = assembly.of_type("AWS::Lambda::Function")
    for rule in assembly.of_type("AWS::Events::Rule").values():
        (target,) = rule["Properties"]["Targets"]
        function = functions[target["Arn"]["Fn::GetAtt"][0]]["Properties"]
        assert target["DeadLetterConfig"]["Arn"] == function["DeadLetterConfig"]["TargetArn"]


def _shown(rule: dict[str, Any], handlers: dict[str, str]) -> dict[str, Any]:
    (target,) = rule["Targets"]
    assert "Input" not in target
    assert "InputTransformer" not in target
    return {
        "description": rule["Description"],
        "pattern": rule.get("EventPattern"),
        "schedule": rule.get("ScheduleExpression"),
        "handler": handlers[target["Arn"]["Fn::GetAtt"][0]],
    }


def _description(rule: dict[str, Any]) -> str:
    return str(rule["description"])
