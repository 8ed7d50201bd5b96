"""Alarms watch the metrics the functions print, by the names both share; each says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from costwatch import names
from costwatch.cli.main import main
from tests.support.alarms import dimensions_text, watched_by
from tests.support.synth import ROOT, Synthesized

MOST_ALARMS, MOST_METRICS = 12, 4
RUNBOOK = ROOT / "docs" / "runbook.md"
OWN = {names.METRIC_BURN, names.METRIC_ATTENTION, names.METRIC_OLDEST_CLAIM, names.METRIC_PRICE_BOOK_AGE}
ALWAYS = {
    "NoSweep", "Errors", "Throttles", "DeadLetters", "Attention", "OldestClaim", "Burn", "StalePrices",
}  # fmt: skip


def alarms(assembly: Synthesized) -> dict[str, dict[str, Any]]:
    """The properties of each alarm by its name in the stack, which its description links the runbook by."""
    found = {}
    for logical_id, resource in assembly.of_type("AWS::CloudWatch::Alarm").items():
        name = re.fullmatch(r"Alarms(\w+)[0-9A-F]{8}", logical_id)
        assert name, logical_id
        found[name[1]] = resource["Properties"]
    return found


def test_there_are_few_alarms_and_that_of_the_breaker_only_where_models_are_judged(assembly: Synthesized) -> None:
    assert set(alarms(assembly)) == ALWAYS | ({"NoResSweep"} if assembly.models else set())
    assert len(alarms(assembly)) <= MOST_ALARMS


def test_all_alarms_together_watch_four_metrics_of_our_own_and_each_has_one_series(assembly: Synthesized) -> None:
    own = {each for alarm in alarms(assembly).values() for each in watched_by(alarm) if each[0] == "Costwatch"}
    assert {metric for _, metric, _ in own} == OWN
    assert len(own) <= MOST_METRICS
    assert {dimensions for _, _, dimensions in own} == {dimensions_text({"service": "costwatch"})}


def test_three_intervals_without_a_completed_sweep_raise_an_alarm_and_silence_counts_as_missed(
    assembly: Synthesized,
) -> None:
    expected = {"NoSweep": (names.METRIC_BURN, 1), "NoResSweep": (names.METRIC_OLDEST_CLAIM, 2)}
    missed = {name: alarm for name, alarm in alarms(assembly).items() if name in expected}
    for name, alarm in missed.items():
        counted, filled = sorted(alarm["Metrics"], key=lambda each: "Expression" in each)
        assert filled["Expression"] == f"FILL({counted['Id']}, 0)", "what is merely missing breaches two periods late"
        metric = counted["MetricStat"]
        assert (metric["Metric"]["MetricName"], alarm["Threshold"]) == expected[name]
        assert (metric["Stat"], alarm["ComparisonOperator"]) == ("SampleCount", "LessThanThreshold")
        assert (metric["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (300, 3, 3)
    for name, alarm in alarms(assembly).items():
        assert alarm["TreatMissingData"] == ("breaching" if name in expected else "notBreaching")


def test_what_does_not_end_is_said_to_be_listed_and_taken_over_by_the_command_that_does_so(
    assembly: Synthesized,
) -> None:
    told = alarms(assembly)["OldestClaim"]
    assert told["Threshold"] == names.UNSETTLED_AFTER_MINUTES
    assert "`costwatch settle`" in told["AlarmDescription"]
    entry = RUNBOOK.read_text(encoding="utf-8").partition("### OldestClaim")[2].partition("###")[0]
    assert "`costwatch settle --now`" in entry


@pytest.mark.parametrize(("name", "metric"), [("Errors", "Errors"), ("Throttles", "Throttles")])
def test_errors_and_throttles_are_counted_over_every_function_of_the_stack(
    assembly: Synthesized, name: str, metric: str
) -> None:
    watched = watched_by(alarms(assembly)[name])
    functions = assembly.of_type("AWS::Lambda::Function")
    assert set(watched) == {("AWS/Lambda", metric, dimensions_text({"FunctionName": {"Ref": f}})) for f in functions}


def test_the_dead_letter_queues_together_raise_an_alarm_when_something_waits_in_one(assembly: Synthesized) -> None:
    alarm = alarms(assembly)["DeadLetters"]
    queues = {each: {"QueueName": {"Fn::GetAtt": [each, "QueueName"]}} for each in assembly.dead_letter_queues}
    metric = "ApproximateNumberOfMessagesVisible"
    assert set(watched_by(alarm)) == {("AWS/SQS", metric, dimensions_text(each)) for each in queues.values()}
    assert {each["MetricStat"]["Stat"] for each in alarm["Metrics"] if "MetricStat" in each} == {"Maximum"}


def test_limits_are_exclusive(assembly: Synthesized) -> None:
    limits = {"StalePrices": 72, "OldestClaim": 120, "Burn": 400}
    for name, limit in limits.items():
        alarm = alarms(assembly)[name]
        assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
        assert alarm["Threshold"] == limit


def test_every_alarm_tells_the_alerts_topic_and_those_about_a_state_also_its_end(assembly: Synthesized) -> None:
    (topic,) = assembly.of_type("AWS::SNS::Topic")
    events = {"Errors", "Throttles", "Attention"}
    for name, alarm in alarms(assembly).items():
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm.get("OKActions", []) == ([] if name in events else [{"Ref": topic}])


def test_every_alarm_says_what_to_do_in_its_description_and_links_its_part_of_the_runbook(
    assembly: Synthesized,
) -> None:
    for name, alarm in alarms(assembly).items():
        said = alarm["AlarmDescription"]
        assert len(said) <= 1024
        place = f"docs/runbook.md#{name.lower()}, in the repository that this Costwatch was deployed from."
        assert said.endswith(f" More: {place}")


def test_the_runbook_has_a_part_for_each_alarm_and_none_for_alarms_that_are_no_more(
    assemblies: dict[str, Synthesized],
) -> None:
    there = set().union(*(alarms(each) for each in assemblies.values()))
    chapter = RUNBOOK.read_text("utf-8").partition("\n## Alarms\n")[2].partition("\n## ")[0]
    parts = dict(re.findall(r"\n### (\w+)\n(.*?)(?=\n### |\Z)", chapter, re.DOTALL))
    assert set(parts) == there
    for name, part in parts.items():
        for question in ("**What it means.**", "**What to do.**", "**It ends**"):
            assert question in part, (name, question)


def test_the_commands_of_the_runbook_exist() -> None:
    text = RUNBOOK.read_text("utf-8") + Path(ROOT / "infra" / "alarms.py").read_text("utf-8")
    used = set(re.findall(r"`costwatch ([a-z-]+)", text))
    assert used
    assert used <= set(main.commands)
