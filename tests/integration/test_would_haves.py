"""What would have been stopped stays so, whatever holds it for a while."""

from __future__ import annotations

import pytest

from costwatch.core import grants
from costwatch.core.record import Status, Transition
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION
from tests.support.fakes import FakeInstance, Town, beat_of

RUN = {"Purpose": "training", "costwatch:run": "llm"}


def transitions(of: Town) -> list[Transition]:
    return [row.entry.transition for row in of.ledger.since(of.clock() - 1000 * HOUR, of.clock())]


def status(of: Town) -> Status:
    (record,) = of.ledger.open_records(ACCOUNT, REGION).values()
    return record.status


def would_have_been_stopped(mode: str) -> tuple[Town, FakeInstance]:
    of = Town(policies.policy(selectors=[policies.selector(mode=mode)]))
    trainer = of.world.launch(age=20 * HOUR, tags=RUN)
    for _ in range(3):
        sweep(of.watchdog())
        of.clock.forward(minutes=31)
    assert status(of) is Status.WOULD_STOP
    return of, trainer


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_a_would_have_outlasts_a_start_that_an_answer_left_out_and_is_told_once(mode: str) -> None:
    of, trainer = would_have_been_stopped(mode)
    start, trainer.launch_time = trainer.launch_time, None
    sweep(of.watchdog())
    assert status(of) is Status.HELD
    of.clock.forward(minutes=5)
    trainer.launch_time = start
    sweep(of.watchdog())
    assert status(of) is Status.WOULD_STOP
    seen = transitions(of)
    assert (seen.count(Transition.WOULD_STOP), seen.count(Transition.WARNED)) == (1, 1)


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_who_joins_while_it_is_held_makes_no_new_notice_as_who_joins_without_a_hold_makes_none(mode: str) -> None:
    of, _ = would_have_been_stopped(mode)
    joiner = of.world.launch(age=0 * HOUR, tags=RUN)
    start, joiner.launch_time = joiner.launch_time, None
    sweep(of.watchdog())
    assert status(of) is Status.HELD
    of.clock.forward(minutes=5)
    joiner.launch_time = start
    sweep(of.watchdog())
    assert status(of) is Status.WOULD_STOP
    assert transitions(of).count(Transition.WARNED) == 1


def test_what_is_given_more_time_is_warned_anew_and_would_be_stopped_once_more() -> None:
    of, trainer = would_have_been_stopped("observe")
    trainer.tags["costwatch:max-runtime"] = "30h"
    sweep(of.watchdog())
    assert status(of) is Status.RUNNING
    of.clock.forward(hours=10)
    for _ in range(3):
        sweep(of.watchdog())
        of.clock.forward(minutes=31)
    assert status(of) is Status.WOULD_STOP
    seen = transitions(of)
    assert (seen.count(Transition.WOULD_STOP), seen.count(Transition.WARNED)) == (2, 2)


def would_have_been_stopped_for_its_silence(mode: str) -> tuple[Town, FakeInstance]:
    of = Town(policies.policy(selectors=[policies.selector(mode=mode, heartbeat_seconds=15 * 60)]))
    trainer = of.world.launch(age=HOUR, tags=RUN)
    for n in range(1, 5):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n)
        sweep(of.watchdog())
    sweeps(of, 17)
    assert status(of) is Status.WOULD_STOP
    return of, trainer


def sweeps(of: Town, count: int) -> None:
    for _ in range(count):
        of.clock.forward(minutes=5)
        sweep(of.watchdog())


def a_gap_of_the_canaries(of: Town, *, minutes: int = 60) -> None:
    of.world.heartbeats_arrive = False
    sweeps(of, minutes // 5)
    of.world.heartbeats_arrive = True


def told_of(of: Town) -> tuple[int, int, int]:
    seen = transitions(of)
    return seen.count(Transition.WARNED), seen.count(Transition.WOULD_STOP), seen.count(Transition.STANDS_DOWN)


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_a_would_have_for_silence_outlasts_a_gap_of_the_canaries_and_is_told_once(mode: str) -> None:
    of, _ = would_have_been_stopped_for_its_silence(mode)
    a_gap_of_the_canaries(of)
    assert status(of) is Status.WOULD_STOP
    sweeps(of, 30)
    assert status(of) is Status.WOULD_STOP
    assert told_of(of) == (1, 1, 0)
    assert sum("would have been stopped" in card.text for _, _, card in of.world.posts) == (mode == "warn")


def test_a_would_have_for_silence_that_a_gap_interrupts_while_its_time_runs_out_is_told_once() -> None:
    of, _ = would_have_been_stopped_for_its_silence("observe")
    sweeps(of, 100)
    a_gap_of_the_canaries(of, minutes=120)
    sweeps(of, 60)
    assert told_of(of) == (1, 1, 0)


def test_who_beats_in_a_gap_of_the_canaries_was_not_silent_and_its_next_silence_is_told_anew() -> None:
    of, trainer = would_have_been_stopped_for_its_silence("observe")
    of.world.heartbeats_arrive = False
    sweeps(of, 6)
    of.world.heartbeats_arrive = True
    of.beat(trainer, seq=5)
    sweeps(of, 1)
    assert status(of) is Status.RUNNING
    assert told_of(of) == (1, 1, 1)
    of.world.instances[trainer.id].tags["costwatch:max-runtime"] = "70h"
    sweeps(of, 12 * 12)
    assert told_of(of)[:2] == (2, 2)


@pytest.mark.parametrize("late", [True, False])
def test_a_beat_that_the_queue_held_back_until_after_a_would_have_makes_it_another_silence(*, late: bool) -> None:
    of, trainer = would_have_been_stopped_for_its_silence("observe")
    trainer.tags["costwatch:heartbeat"] = "5m"
    (record,) = of.ledger.open_records(ACCOUNT, REGION).values()
    assert record.stop is not None
    assert record.stop.silent_since is not None
    if late:
        of.take(trainer, [beat_of(trainer, record.stop.silent_since + 10 * MINUTE, "a", 5)])
    sweeps(of, 1)
    assert told_of(of)[0] == (2 if late else 1)


def test_who_is_given_more_time_in_a_gap_of_the_canaries_would_not_have_been_stopped_any_more() -> None:
    of, _ = would_have_been_stopped_for_its_silence("observe")
    a_gap_of_the_canaries(of)
    (record,) = of.ledger.open_records(ACCOUNT, REGION).values()
    step = grants.extend(record, by="ada", duration=4 * HOUR, owner_total=24 * HOUR, hard_cap=72 * HOUR, now=of.clock())
    assert of.ledger.save(step)
    sweeps(of, 1)
    assert status(of) is Status.RUNNING


def test_a_would_have_of_a_run_that_beats_again_is_closed_with_that_truth() -> None:
    of, trainer = would_have_been_stopped_for_its_silence("observe")
    of.beat(trainer, seq=5)
    of.clock.forward(minutes=5)
    sweep(of.watchdog())
    last = of.ledger.since(of.clock() - HOUR, of.clock())[-1].entry
    assert last.transition is Transition.STANDS_DOWN
    assert "it would have been stopped 5 min ago" in last.reason
    assert last.reason.endswith("and runs on")
