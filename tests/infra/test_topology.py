"""The template holds the rules of the topology, the ones the demo drives, and no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from costwatch import topology
from tests.support.synth import Synthesized


def test_rules_patterns_schedules_and_targets_are_those_of_the_topology(assembly: Synthesized) -> None:
    handlers = {k: f["Properties"]["Handler"] for k, f in assembly.of_type("AWS::Lambda::Function").items()}
    by_name = {f.name: f.handler for f in topology.FUNCTIONS}
    readers = {
        m["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]: handlers[m["Properties"]["FunctionName"]["Ref"]]
        for m in assembly.of_type("AWS::Lambda::EventSourceMapping").values()
    }
    read_by = {q.name: by_name[q.function] for q in topology.QUEUES}
    buses = {k: b["Properties"]["Name"] for k, b in assembly.of_type("AWS::Events::EventBus").items()}
    expected = [
        {
            "description": rule.description,
            "pattern": rule.pattern,
            "schedule": topology.schedule_expression(rule.every) if rule.every else None,
            "handler": by_name[rule.function] if rule.function else read_by[rule.queue],
            "bus": rule.bus,
        }
        for rule in topology.rules(timedelta(minutes=5), slack=assembly.slack, models=assembly.models)
    ]
    found = [_shown(r["Properties"], handlers | readers, buses) for r in assembly.of_type("AWS::Events::Rule").values()]
    assert sorted(found, key=_description) == sorted(expected, key=_description)


def test_every_rule_is_on(assembly: Synthesized) -> None:
    assert {rule["Properties"]["State"] for rule in assembly.of_type("AWS::Events::Rule").values()} == {"ENABLED"}


def test_what_eventbridge_cannot_deliver_lands_in_the_targets_dead_letter_queue(assembly: Synthesized) -> None:
    for rule in assembly.of_type("AWS::Events::Rule").values():
        (target,) = rule["Properties"]["Targets"]
        reached = assembly.template["Resources"][target["Arn"]["Fn::GetAtt"][0]]["Properties"]
        if "RedrivePolicy" in reached:
            own = reached["RedrivePolicy"]["deadLetterTargetArn"]
        else:
            own = reached["DeadLetterConfig"]["TargetArn"]
        assert target["DeadLetterConfig"]["Arn"] == own


def _shown(rule: dict[str, Any], handlers: dict[str, str], buses: dict[str, str]) -> dict[str, Any]:
    (target,) = rule["Targets"]
    assert "Input" not in target
    assert "InputTransformer" not in target
    return {
        "description": rule["Description"],
        "pattern": rule.get("EventPattern"),
        "schedule": rule.get("ScheduleExpression"),
        "handler": handlers[target["Arn"]["Fn::GetAtt"][0]],
        "bus": buses[rule["EventBusName"]["Ref"]] if "EventBusName" in rule else "",
    }


def _description(rule: dict[str, Any]) -> str:
    return str(rule["description"])
