"""The stack's functions, rules and schedules as data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from moto.events.models import EventPattern

from costwatch import names, topology
from costwatch.core import stopping
from costwatch.core.judgement_steps import WRITE_LEASE
from tests.support.fake_registry import FakeModels
from tests.support.fakes import FakeWorld
from tests.support.registry_town import package_event
from tests.unit.test_intake import INSTANCE, JOB, PROCESSING_JOB, TUNING_JOB, changed

RULES = topology.rules(timedelta(minutes=5))


def matches(rule_name: str, event: dict[str, Any]) -> bool:
    rule = next(rule for rule in RULES if rule.name == rule_name)
    pattern: Any = EventPattern.load(json.dumps(rule.pattern))
    return bool(pattern.matches_event(event))


@pytest.mark.parametrize("function", topology.FUNCTIONS, ids=lambda f: f.name)
def test_every_handler_exists(function: topology.Function) -> None:
    module, _, name = function.handler.rpartition(".")
    assert callable(getattr(import_module(module), name))


def test_every_rule_has_a_target_that_exists_and_either_a_pattern_or_a_schedule() -> None:
    functions = {function.name for function in topology.FUNCTIONS}
    queues = {queue.name for queue in topology.QUEUES}
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert (rule.function in functions) is not (rule.queue in queues)
        assert rule.bus in ("", *topology.BUSES)
        assert (rule.pattern is None) is not (rule.every is None)


def test_every_queue_is_read_by_a_function_that_no_event_invokes() -> None:
    asynchronous = {function.name: function.asynchronous for function in topology.FUNCTIONS}
    assert [asynchronous[queue.function] for queue in topology.QUEUES] == [False, False]
    assert {rule.function for rule in RULES if rule.function} == {n for n, each in asynchronous.items() if each}


def test_door_and_clicks_are_deployed_where_slack_is_configured_and_nowhere_else() -> None:
    assert topology.functions(slack=True, models=True) == topology.FUNCTIONS
    without_slack = set(topology.functions(slack=False, models=True))
    assert set(topology.FUNCTIONS) - without_slack == {topology.DOOR, topology.CLICKS}
    without = topology.rules(timedelta(minutes=5), slack=False)
    assert {rule.name for rule in RULES} - {rule.name for rule in without} == {"slack-interactions"}


def test_the_breaker_is_deployed_where_models_are_judged_and_nowhere_else() -> None:
    without_models = topology.functions(slack=True, models=False)
    assert set(topology.FUNCTIONS) - set(without_models) == {topology.RES, topology.RETRAIN}
    without = topology.rules(timedelta(minutes=5), models=False)
    assert {rule.name for rule in RULES} - {rule.name for rule in without} == {"res-sweep", "package-state", "trained"}


def test_a_version_that_was_registered_or_decided_about_reaches_the_breaker() -> None:
    model = FakeModels(FakeWorld(lambda: datetime(2026, 11, 22, 9, tzinfo=UTC)))
    assert matches("package-state", package_event(model.register(job="churn-41")))
    assert not matches("package-state", JOB)


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_a_training_job_that_is_over_reaches_the_breaker_too(status: str) -> None:
    assert matches("trained", changed(JOB, "detail.TrainingJobStatus", status))
    assert not matches("trained", changed(JOB, "detail.TrainingJobStatus", "InProgress"))


def test_the_claim_of_a_write_outlives_the_function_that_took_it() -> None:
    assert topology.RES.timeout < WRITE_LEASE


def test_a_click_that_the_door_put_on_the_bus_reaches_the_clicks() -> None:
    click = {"source": names.SOURCE_SLACK, "detail-type": names.DETAIL_SLACK_INTERACTION, "detail": {"body": "x"}}
    assert matches("slack-interactions", click)
    assert not matches("slack-interactions", {**click, "source": names.SOURCE_COSTWATCH})
    assert not matches("slack-interactions", {**click, "detail-type": names.DETAIL_STOP_REQUESTED})


def test_only_the_dead_mans_switch_may_ever_stop_anything() -> None:
    assert [function.name for function in topology.FUNCTIONS if function.stops_runs] == ["deadman"]


def test_a_lease_outlives_the_function_that_took_it() -> None:
    assert topology.DEADMAN.timeout < stopping.LEASE


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (1, "rate(1 minute)"),
        (2, "rate(2 minutes)"),
        (60, "rate(60 minutes)"),
        (1439, "rate(1439 minutes)"),
        (1440, "rate(1 day)"),
        (1441, "rate(1441 minutes)"),
        (2880, "rate(2 days)"),
    ],
)
def test_a_schedule_is_written_as_eventbridge_wants_it(minutes: int, expected: str) -> None:
    assert topology.schedule_expression(timedelta(minutes=minutes)) == expected


@pytest.mark.parametrize("state", ["running", "stopped", "terminated"])
def test_an_instance_that_came_up_or_ended_reaches_the_hints(state: str) -> None:
    assert matches("ec2-state", changed(INSTANCE, "detail.state", state))


@pytest.mark.parametrize("state", ["pending", "stopping", "shutting-down"])
def test_an_instance_on_its_way_does_not(state: str) -> None:
    assert not matches("ec2-state", changed(INSTANCE, "detail.state", state))


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_a_job_that_ended_reaches_the_hints(status: str) -> None:
    assert matches("training-state", changed(JOB, "detail.TrainingJobStatus", status))


@pytest.mark.parametrize("status", ["InProgress", "Completed", "Failed", "Stopped"])
def test_a_job_that_began_or_ended_reaches_the_hints(status: str) -> None:
    assert matches("training-state", changed(JOB, "detail.TrainingJobStatus", status))
    assert matches("processing-state", changed(PROCESSING_JOB, "detail.ProcessingJobStatus", status))
    assert matches("tuning-state", changed(TUNING_JOB, "detail.HyperParameterTuningJobStatus", status))


def test_a_job_that_is_stopping_is_neither() -> None:
    assert not matches("training-state", changed(JOB, "detail.TrainingJobStatus", "Stopping"))
    assert not matches("processing-state", changed(PROCESSING_JOB, "detail.ProcessingJobStatus", "Stopping"))
    assert not matches("tuning-state", changed(TUNING_JOB, "detail.HyperParameterTuningJobStatus", "Stopping"))


def test_no_rule_takes_the_events_of_another() -> None:
    assert not matches("ec2-state", JOB)
    assert not matches("training-state", INSTANCE)
    assert not matches("training-state", TUNING_JOB)
    assert not matches("tuning-state", JOB)
    assert not matches("processing-state", JOB)
