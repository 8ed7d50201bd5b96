"""Line 4 of the safety contract: a stop that failed or was cut short, and what came of it."""

from __future__ import annotations

import pytest

from costwatch.core.record import Status, Transition
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import FakeInstance, Town
from tests.support.town import (
    TAGS,
    Crash,
    crashing,
    destroyed,
    failing,
    later,
    overdue_and_warned,
    records,
    refusing,
    run_id,
    town,
    transitions,
    warn_and_let_the_notice_pass,
)


def test_4_an_instance_whose_request_cannot_be_cancelled_is_not_terminated() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = failing("CancelSpotInstanceRequests", PermanentAwsError("UnauthorizedOperation"))
    warn_and_let_the_notice_pass(of)
    assert trainer.alive
    assert "TerminateInstances" not in [call[0] for call in destroyed(of)]


def test_4_a_batch_with_one_bad_id_is_settled_from_the_world_and_bisected() -> None:
    of = town()
    trainers = [of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}, zone=z) for z in "aaab"]
    bad = trainers[1]
    sweep(of.watchdog())
    of.world.fault = failing("TerminateInstances", PermanentAwsError("InvalidInstanceID.NotFound"), holding=bad.id)
    report = later(of, minutes=32)
    assert [trainer.alive for trainer in trainers] == [False, True, False, False]
    assert report.stopped == 0
    assert records(of)["churn"].status is Status.FAILED
    of.world.fault = None
    later(of, minutes=5)
    assert not bad.alive


def test_4_a_stop_that_keeps_failing_is_tried_each_sweep_and_told_once() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.world.fault = failing("TerminateInstances", PermanentAwsError("UnauthorizedOperation: denied"))
    warn_and_let_the_notice_pass(of)
    for _ in range(5):
        later(of, minutes=5)
    assert trainer.alive
    assert len(destroyed(of)) == 6
    assert sum(card.text.startswith("Could not stop") for _, _, card in of.world.posts) == 1


def test_4_a_stop_whose_answer_was_lost_is_done_once() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())

    def carried_out_and_lost(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where
        if called != "TerminateInstances":
            return None
        for instance_id in ids:
            of.world.end(of.world.instances[instance_id])
        return TransientAwsError("read timeout")

    of.world.fault = carried_out_and_lost
    report = later(of, minutes=32)
    assert (report.stopped, report.failures) == (1, [])
    for _ in range(2):
        later(of, minutes=5)
    assert len(destroyed(of)) == 1
    assert len(of.world.events) == 1
    assert "verified gone" in transitions(of, trainer.id)


def test_4_a_job_that_had_stopped_already_counts_as_done() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR)
    sweep(of.watchdog())

    def ends_just_before(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called == "StopTrainingJob":
            of.world.end(job, status="Stopped")
        return None

    of.world.fault = ends_just_before
    report = later(of, minutes=32)
    assert (report.stopped, report.failures) == (1, [])


def test_4_what_ended_after_a_stop_that_failed_is_told_once_and_verified() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    of.world.fault = None
    of.world.end(trainer)
    for _ in range(12):
        later(of, minutes=5)
    assert sum("was stopped" in card.text for _, _, card in of.world.posts) == 1
    assert len(of.world.events) == 1
    assert records(of) == {}


def test_4_what_a_request_relaunched_after_a_stop_that_failed_is_told() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = refusing("CancelSpotInstanceRequests")
    warn_and_let_the_notice_pass(of)
    of.world.fault = None
    of.world.end(trainer)
    of.world.relaunch_for(trainer)
    for _ in range(4):
        later(of, minutes=5)
    assert any("came back after" in card.text for _, _, card in of.world.posts)


def test_7_a_failed_stop_says_that_the_spot_request_is_cancelled_already() -> None:
    of = town()
    of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    card = next(card for _, _, card in of.world.posts if "Could not stop" in card.text)
    assert "cancelled first" in str(card.blocks)


def test_4_it_goes_on_saying_so_as_long_as_it_fails_and_tells_it_once() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.fault = refusing("TerminateInstances")
    warn_and_let_the_notice_pass(of)
    for _ in range(4):
        later(of, minutes=5)
    hold = records(of)[trainer.id].hold
    assert hold is not None
    assert f"spot request {trainer.spot_request_id} cancelled first" in hold.reason
    assert transitions(of, trainer.id).count(Transition.FAILED.value) == 1
    assert sum("Could not stop" in card.text for _, _, card in of.world.posts) == 1
    assert [call[0] for call in destroyed(of)].count("CancelSpotInstanceRequests") == 1


def test_4_a_job_that_finished_just_before_the_call_was_not_stopped_by_us() -> None:
    of = town(policies.selector(service="training"))
    job = of.world.train("churn", age=40 * HOUR)

    def completes(operation: str, region: str, ids: tuple[str, ...]) -> None:
        if operation == "StopTrainingJob":
            of.world.end(job)

    of.world.fault = completes
    warn_and_let_the_notice_pass(of)
    later(of, minutes=5)
    assert of.world.events == []
    assert not any("was stopped" in card.text for _, _, card in of.world.posts)
    assert records(of) == {}


def nobody_hears_of_a_stop(of: Town, trainer: FakeInstance) -> None:
    for _ in range(8):
        later(of, minutes=5)
    assert of.world.events == []
    assert not any("was stopped" in card.text or "verified" in card.text for _, _, card in of.world.posts)
    rows = of.ledger.timeline(run_id(trainer))
    assert rows[-1].entry.transition is Transition.ENDED_BY_ITSELF
    assert "somebody else stopped" in rows[-1].entry.reason
    assert records(of) == {}


def test_4_what_a_user_stopped_after_a_crash_before_the_call_was_not_stopped_by_us() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    of.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        later(of, minutes=1)
    of.world.fault = None
    of.world.halt(trainer)
    nobody_hears_of_a_stop(of, trainer)


def test_4_what_a_user_stopped_after_a_refused_call_was_not_stopped_by_us() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    of.world.fault = refusing("TerminateInstances")
    later(of, minutes=1)
    assert records(of)[trainer.id].status is Status.FAILED
    trainer.state = "stopping"
    later(of, minutes=5)
    assert len(records(of)) == 1, "it is not gone while it is stopping"
    of.world.halt(trainer)
    nobody_hears_of_a_stop(of, trainer)


@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_4_what_a_user_stopped_while_the_call_was_refused_was_not_stopped_by_us(state: str) -> None:
    of = town()
    trainer = overdue_and_warned(of)

    def stops_it_first(operation: str, region: str, ids: tuple[str, ...]) -> AwsError | None:
        del region, ids
        if operation != "TerminateInstances":
            return None
        of.world.halt(trainer)
        trainer.state = state
        return PermanentAwsError("UnauthorizedOperation", code="UnauthorizedOperation")

    of.world.fault = stops_it_first
    later(of, minutes=1)
    of.world.halt(trainer)
    nobody_hears_of_a_stop(of, trainer)


def test_4_one_member_that_a_user_stopped_beside_one_bad_id_makes_no_final_event() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "churn"}
    nodes = [of.world.launch(age=40 * HOUR, tags=tags) for _ in range(2)]
    sweep(of.watchdog())
    batches = 0

    def refuses_the_batch(operation: str, region: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal batches
        del region
        if operation != "TerminateInstances" or len(ids) == 1:
            return None
        batches += 1
        of.world.halt(nodes[1])
        return PermanentAwsError("InvalidInstanceID.NotFound", code="InvalidInstanceID.NotFound")

    of.world.fault = refuses_the_batch
    for _ in range(6):
        later(of, minutes=32)
    assert batches == 1
    assert [node.state for node in nodes] == ["terminated", "stopped"]
    assert of.world.events == []
    assert records(of) == {}


def test_4_what_was_to_be_terminated_and_was_stopped_gets_a_clock_of_its_own_when_it_is_started_again() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    of.world.fault = crashing("TerminateInstances")
    with pytest.raises(Crash):
        later(of, minutes=1)
    of.world.fault = None
    of.world.halt(trainer)
    later(of, minutes=10)
    of.world.restart(trainer)
    for _ in range(10):
        later(of, hours=1)
    assert trainer.alive
    assert records(of)[trainer.id].start == trainer.launch_time
