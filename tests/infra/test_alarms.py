"""Alarms watch the metrics the functions print, by the names both share."""

from __future__ import annotations

from typing import Any

from costwatch import names
from tests.support.synth import Synthesized

SERVICES = {
    names.METRIC_SWEEP_FAILURES: {names.SERVICE_DEADMAN, names.SERVICE_RES},
    names.METRIC_NOTICES_UNDELIVERED: {names.SERVICE_DEADMAN, names.SERVICE_RES},
    names.METRIC_RUNS_CAME_BACK: {names.SERVICE_DEADMAN, names.SERVICE_HINTS},
}
OF_THE_BREAKER = {
    names.METRIC_REGISTRY_NOT_WRITTEN: {names.SERVICE_RES},
    names.METRIC_HANDS_NOT_RESTORED: {names.SERVICE_RES},
}
"""Only where models are judged: `res` stands for no alarm where they are not."""


def alarms_on(metric: str, assembly: Synthesized) -> list[dict[str, Any]]:
    alarms = [a["Properties"] for a in assembly.of_type("AWS::CloudWatch::Alarm").values()]
    return [a for a in alarms if a["MetricName"] == metric]


def test_three_intervals_without_a_completed_sweep_raise_an_alarm_and_silence_counts_as_missed(
    assembly: Synthesized,
) -> None:
    alarms = alarms_on(names.METRIC_SWEEP_COMPLETED, assembly)
    services = {names.SERVICE_DEADMAN} | ({names.SERVICE_RES} if assembly.models else set())
    assert {alarm["Dimensions"][0]["Value"] for alarm in alarms} == services
    for alarm in alarms:
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Namespace"] == names.METRIC_NAMESPACE
        assert [dimension["Name"] for dimension in alarm["Dimensions"]] == [names.METRIC_DIMENSION_SERVICE]
        assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == ("Sum", "LessThanThreshold", 1)
        assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (300, 3, 3)


def test_trouble_that_a_function_reports_raises_an_alarm_at_the_first_occurrence(assembly: Synthesized) -> None:
    with_slack = {names.METRIC_CLICKS_NOT_TAKEN: {names.SERVICE_DOOR}}
    for metric, reporting in (SERVICES | (with_slack if assembly.slack else {}) | OF_THE_BREAKER).items():
        services = {each for each in reporting if assembly.models or each != names.SERVICE_RES}
        alarms = alarms_on(metric, assembly)
        dimensions = [tuple(d.items()) for a in alarms for d in a["Dimensions"]]
        expected = [(("Name", names.METRIC_DIMENSION_SERVICE), ("Value", service)) for service in services]
        assert sorted(dimensions) == sorted(expected)
        for alarm in alarms:
            assert alarm["Namespace"] == names.METRIC_NAMESPACE
            assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Sum", "GreaterThanThreshold")
            assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (0, 1)
            assert alarm["TreatMissingData"] == "notBreaching"


def test_a_price_book_older_than_72_hours_raises_an_alarm_that_says_what_to_do(assembly: Synthesized) -> None:
    (alarm,) = alarms_on(names.METRIC_PRICE_BOOK_AGE, assembly)
    assert alarm["Namespace"] == names.METRIC_NAMESPACE
    assert alarm["Dimensions"] == [{"Name": names.METRIC_DIMENSION_SERVICE, "Value": names.SERVICE_DEADMAN}]
    # Exactly 72 hours are not more than 72.
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        "Maximum",
        "GreaterThanThreshold",
        72,
    )
    assert alarm["TreatMissingData"] == "notBreaching"
    assert "costwatch prices refresh" in alarm["AlarmDescription"]


def test_every_dead_letter_queue_raises_an_alarm_when_something_waits_in_it(assembly: Synthesized) -> None:
    watched = set()
    for alarm in alarms_on("ApproximateNumberOfMessagesVisible", assembly):
        assert (alarm["Namespace"], alarm["Threshold"]) == ("AWS/SQS", 0)
        assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
        (dimension,) = alarm["Dimensions"]
        watched.add(dimension["Value"]["Fn::GetAtt"][0])
    assert watched == assembly.dead_letter_queues


def test_every_alarm_tells_the_alerts_topic(assembly: Synthesized) -> None:
    (topic,) = assembly.of_type("AWS::SNS::Topic")
    alarms = assembly.of_type("AWS::CloudWatch::Alarm").values()
    assert len(alarms) == 12 + 2 * assembly.slack + 6 * assembly.models
    for alarm in alarms:
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]
