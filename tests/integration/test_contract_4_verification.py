"""Line 4 of the safety contract: a stop is finished only when it is verified, and is then told once."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core.record import Transition
from costwatch.errors import TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import aws_command, policies
from tests.support.builders import HOUR, MINUTE
from tests.support.town import (
    TAGS,
    Crash,
    crashing,
    destroyed,
    later,
    overdue_and_warned,
    records,
    town,
    transitions,
    warn_and_let_the_notice_pass,
)


def test_4_the_spot_request_is_cancelled_before_its_instance_and_nothing_comes_back() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    warn_and_let_the_notice_pass(of)
    assert [call[0] for call in destroyed(of)] == ["CancelSpotInstanceRequests", "TerminateInstances"]
    for _ in range(3):
        later(of, minutes=5)
    assert [instance for instance in of.world.instances.values() if instance.alive] == []
    assert transitions(of, trainer.id)[-2:] == ["verified gone", "delivered"]


def test_4_an_untagged_spot_request_holds_with_the_command_that_tags_it() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent", request_tags={})
    warn_and_let_the_notice_pass(of)
    assert trainer.alive
    hold = records(of)[trainer.id].hold
    assert hold is not None
    (command,) = aws_command.shown_in(hold.reason)
    assert (command.model.name, command.parameters["Resources"][0][:4]) == ("CreateTags", "sir-")


def test_4_what_was_relaunched_is_said_loudly_with_who_did_it_and_watched_as_a_new_run() -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    warn_and_let_the_notice_pass(of)
    again = of.world.launch(tags={**TAGS, "costwatch:run": "churn"})
    report = later(of, minutes=5)
    assert report.came_back == 1
    assert any("came back after it was stopped" in card.text for _, _, card in of.world.posts)
    later(of, minutes=5)
    later(of, hours=5)
    assert again.alive, "it has a clock of its own"
    assert records(of)["churn"].start == again.launch_time


def test_4_two_looks_apart_make_it_final_and_one_does_not() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    later(of, minutes=5)
    assert "verified gone" not in transitions(of, trainer.id)
    later(of, minutes=5)
    assert "verified gone" in transitions(of, trainer.id)
    assert records(of) == {}


def test_4_a_bus_that_fails_delays_the_final_event_and_holds_up_nothing_else() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.fault = lambda operation, _region, _ids: (
        TransientAwsError("bus down") if operation == "PutEvents" else None
    )
    report = later(of, minutes=32)
    assert trainer.state == "terminated"
    assert [(failure.where.split()[0], failure.reason) for failure in report.failures] == [
        ("canary", "bus down"),
        ("message", "bus down"),
    ]
    for _ in range(3):
        later(of, minutes=5)
    assert records(of) == {}, "verified gone without waiting for the bus"
    assert of.world.events == []
    of.world.fault = None
    later(of, minutes=5)
    assert [event["name"] for event in of.world.events] == [trainer.id]


def test_4_every_stop_publishes_one_final_event() -> None:
    of = town(policies.selector(), policies.selector("jobs", service="training"))
    trainer, job = of.world.launch(age=40 * HOUR, tags=TAGS), of.world.train("churn", age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    for _ in range(3):
        later(of, minutes=5)
    assert sorted(event["name"] for event in of.world.events) == sorted([trainer.id, job.name])
    assert all(event["final"] and event["stop_key"].startswith("stop#enforce#") for event in of.world.events)


OUT = {"switched off": {"mode": "off"}, "out of the file": {"regions": ["eu-central-1"]}}


@pytest.mark.parametrize("change", OUT.values(), ids=OUT)
def test_4_a_stop_is_verified_and_told_though_its_region_is_switched_off_or_out_of_the_file(
    change: dict[str, Any],
) -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    sweep(of.watchdog())
    of.world.slack_is_up = False
    later(of, minutes=32)
    assert trainer.state == "terminated"
    of.policy = policies.policy(**change)
    of.world.slack_is_up = True
    for _ in range(3):
        later(of, minutes=5)
    assert records(of) == {}
    assert Transition.VERIFIED_GONE in transitions(of, trainer.id)
    assert sum("was stopped" in card.text for _, _, card in of.world.posts) == 1
    assert len(of.world.events) == 1


@pytest.mark.parametrize("change", OUT.values(), ids=OUT)
def test_4_what_came_back_is_said_though_its_region_is_switched_off_or_out_of_the_file(change: dict[str, Any]) -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    warn_and_let_the_notice_pass(of)
    of.world.launch(tags={**TAGS, "costwatch:run": "churn"})
    of.policy = policies.policy(**change)
    later(of, minutes=5)
    assert any("came back after it was stopped" in card.text for _, _, card in of.world.posts)


@pytest.mark.parametrize("change", OUT.values(), ids=OUT)
def test_4_nothing_new_is_warned_or_stopped_where_it_is_switched_off_or_out_of_the_file(change: dict[str, Any]) -> None:
    of = town()
    crashed, warned = overdue_and_warned(of), of.world.launch(age=11 * HOUR + 30 * MINUTE, tags=TAGS)
    of.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        later(of, minutes=1)
    of.world.fault = None
    heard, before = len(of.world.posts), of.policy
    of.policy = policies.policy(**change)
    for _ in range(6):
        later(of, minutes=10)
    assert (crashed.alive, warned.alive) == (True, True)
    assert len(of.world.posts) == heard
    of.policy = before
    later(of, minutes=10)
    assert (crashed.alive, warned.alive) == (True, True), "no notice from before counts"
    later(of, minutes=32)
    assert (crashed.alive, warned.alive) == (False, False)


@pytest.mark.parametrize("state", ["Deleting", "SomethingNew"])
def test_4_a_stopped_job_that_is_deleted_or_in_a_state_nobody_knows_yet_is_verified_and_not_waited_for(
    state: str,
) -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    job.status = "Stopping"
    later(of, minutes=5)
    later(of, minutes=5)
    assert len(records(of)) == 1
    job.status = state
    later(of, minutes=5)
    later(of, minutes=5)
    assert records(of) == {}
    assert Transition.VERIFIED_GONE in transitions(of, "churn", "training")


def test_4_a_selector_that_stops_keeps_the_disk_and_verifies_that_it_stayed_stopped() -> None:
    of = town(policies.selector(action="stop"))
    bench = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(3):
        later(of, minutes=5)
    assert bench.state == "stopped"
    assert "its EBS disks stay" in str(of.world.posts[0][2].blocks)
    assert records(of) == {}
    assert Transition.VERIFIED_STOPPED in transitions(of, bench.id)
    assert not any(call[0] == "TerminateInstances" for call in of.world.calls)


def test_4_who_starts_a_stopped_instance_again_has_a_new_run_with_a_clock_of_its_own() -> None:
    of = town(policies.selector(action="stop"))
    bench = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(minutes=3)
    of.world.restart(bench)
    later(of, minutes=5)
    assert any("came back after" in card.text for _, _, card in of.world.posts)
    for _ in range(10):
        later(of, hours=1)
    assert bench.alive
