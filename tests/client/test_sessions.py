"""Several trainings in one process, folds or trials: each is a session of its own, whose steps and beats count anew."""

from __future__ import annotations

from typing import Any

import costwatch_client
from tests.client.fakes import AwsAnswer, FakeEvents, Training

BEAT, STARTED, DONE = costwatch_client.BEAT, costwatch_client.STARTED, costwatch_client.DONE


def start(training: Training) -> None:
    training.client.start(None, None, None)


def sessions(training: Training) -> list[list[tuple[str, int, int | None]]]:
    """Kind, seq and step of all that arrived, by session."""
    found: dict[str, list[tuple[str, int, int | None]]] = {}
    for kind, detail in training.events.sent:
        found.setdefault(detail["session"], []).append((kind, detail["seq"], detail["step"]))
    return list(found.values())


def fold(training: Training, steps: int, **said: Any) -> None:
    """A training of a beat a minute."""
    start(training)
    for step in range(steps):
        training.heartbeat(step=step, total=steps, **said)
        training.after(60)
    training.client.done()
    training.after(60)


def test_each_fold_is_a_session_and_counts_from_one() -> None:
    training = Training()
    fold(training, 11)
    fold(training, 6)
    first, second = sessions(training)
    assert first == [(STARTED, 1, None), (BEAT, 2, 0), (BEAT, 7, 5), (BEAT, 12, 10), (DONE, 13, 10)]
    assert second == [(STARTED, 1, None), (BEAT, 5, 3), (DONE, 8, 5)]
    assert len(training.lines) == 1, "the process still says it once"


def test_the_sessions_of_one_process_are_named_after_it() -> None:
    training = Training()
    for _ in range(3):
        fold(training, 1)
    first, *others = dict.fromkeys(detail["session"] for _, detail in training.events.sent)
    assert others == [f"{first}.2", f"{first}.3"]
    assert len(first) == 16
    assert int(first, 16) >= 0


def test_a_fold_knows_nothing_of_the_one_before() -> None:
    training = Training()
    fold(training, 1, checkpoint="last.ckpt", loss=0.5)
    start(training)
    training.heartbeat()
    training.after(300)
    for _, detail in training.events.sent[-2:]:
        assert [detail[key] for key in ("step", "total", "checkpoint", "checkpoint_at")] == [None] * 4
        assert detail["metrics"] == {}
    training.heartbeat(checkpoint="last.ckpt")
    training.after(300)
    assert training.last["checkpoint_at"] == "2026-11-22T09:07:00.000Z", "written anew, under its old name"


def test_a_start_after_beats_that_were_not_sent_yet_goes_on_with_their_session() -> None:
    training = Training()
    training.heartbeat(step=0, next_within="2h")
    start(training)
    training.turn()
    assert sessions(training) == [[(BEAT, 1, 0), (STARTED, 2, None)]]
    assert training.events.sent[0][1]["next_within_seconds"] == 7200


def test_a_start_after_beats_that_were_sent_begins_a_session() -> None:
    training = Training()
    training.heartbeat(step=7)
    training.turn()
    start(training)
    training.turn()
    assert sessions(training) == [[(BEAT, 1, 7)], [(STARTED, 1, None)]]


def test_a_start_after_what_was_refused_begins_a_session_since_it_may_have_arrived() -> None:
    training = Training(FakeEvents(fails=AwsAnswer("InternalException")))
    start(training)
    training.heartbeat(step=9)
    training.turn()
    start(training)
    training.heartbeat(step=1)
    training.events.fails = None
    training.after(300)
    assert sessions(training) == [[(STARTED, 1, None), (BEAT, 2, 1)]]


def test_a_start_that_a_callback_says_after_ones_own_begins_nothing_anew() -> None:
    training = Training()
    training.client.start(None, "s3://data", None)
    training.after(60)
    start(training)
    training.heartbeat(step=1)
    training.after(60)
    assert sessions(training) == [[(STARTED, 1, None), (STARTED, 2, None), (BEAT, 3, 1)]]


def test_who_says_start_twice_at_once_began_once() -> None:
    training = Training()
    start(training)
    start(training)
    training.heartbeat(step=1)
    training.turn()
    assert sessions(training) == [[(STARTED, 2, None), (BEAT, 3, 1)]]


def test_the_end_of_a_fold_is_told_though_the_next_has_begun_and_ended() -> None:
    training = Training()
    for step in (10, 20):
        start(training)
        training.heartbeat(step=step)
        training.turn()
        training.client.done()
        training.turn()  # of the first, this goes at once; of the second it waits, like all that follows
        training.clock.forward(1)
    start(training)
    training.client.done()
    training.after(30)
    first, second = sessions(training)
    assert first == [(STARTED, 1, None), (BEAT, 2, 10), (DONE, 3, 10)]
    assert [kind for kind, _, _ in second][-1] == DONE


def test_a_sessions_first_beat_does_not_arrive_before_its_start() -> None:
    """Whoever listens would take the start for an old one, and not look at what the run is made of."""
    training = Training()
    start(training)
    training.heartbeat(step=1)
    training.turn()
    training.client.done()
    training.after(299)
    start(training)  # may wait for 30 seconds
    training.heartbeat(step=2)  # is due in one
    training.after(1)
    assert sessions(training)[1:] == [[(STARTED, 1, None), (BEAT, 2, 2)]]


def test_ends_that_wait_when_an_ordinary_beat_goes_are_all_told() -> None:
    training = Training()
    start(training)
    training.heartbeat(step=1)
    training.turn()
    training.client.done()
    training.after(290)
    start(training)  # waits until 320
    training.client.done()
    training.heartbeat(step=2)
    training.after(10)
    start(training)
    training.client.done()
    training.after(30)
    assert [DONE in [kind for kind, _, _ in session] for session in sessions(training)] == [True] * 3


def test_a_fold_whose_end_nobody_heard_of_before_the_next_began_is_the_same_session_without_its_steps() -> None:
    training = Training()
    fold(training, 1)
    training.clock.forward(-60)
    start(training)
    training.heartbeat(step=900)
    training.client.done()
    start(training)
    training.heartbeat(step=1)
    training.after(300)
    assert [kind for kind, _, _ in sessions(training)[1]] == [STARTED, BEAT]
    assert {step for _, _, step in sessions(training)[1]} == {None, 1}


def test_the_longest_phase_that_was_announced_is_kept_across_a_start_and_metrics_are_not() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(step=2, next_within="2h", loss=0.5)
    start(training)
    training.heartbeat(step=1, accuracy=0.1)
    training.after(30)
    assert training.last["next_within_seconds"] == 7200
    assert training.last["metrics"] == {"accuracy": 0.1}


def test_a_phase_announced_again_in_the_next_fold_is_told_soon() -> None:
    training = Training()
    start(training)
    training.heartbeat(next_within="10m")
    training.turn()
    start(training)
    training.turn()
    training.heartbeat(next_within="10m")
    training.after(30)
    assert (training.last["seq"], training.last["next_within_seconds"]) == (2, 600)


def test_many_trials_while_nothing_arrives_keep_few_ends_and_fit_into_one_call() -> None:
    training = Training(FakeEvents(fails=AwsAnswer("InternalException")))
    for step in range(50):
        start(training)
        training.heartbeat(step=step)
        training.after(300)
        training.client.done()
    training.heartbeat(step=50)
    training.events.fails = None
    training.after(300)
    (call,) = training.events.calls
    assert len(call) == 10
    assert [detail["step"] for _, detail in training.events.sent[-2:]] == [49, 50], "the latest ones"


def test_many_short_trials_begin_a_session_for_each_time_something_goes() -> None:
    training = Training()
    for _ in range(60):
        start(training)
        training.heartbeat(step=5)
        training.turn()
        training.clock.forward(1)
        training.client.done()
        training.turn()
        training.clock.forward(1)
    training.after(30)
    found = sessions(training)
    assert len(training.events.calls) <= 1 + 1 + 120 / 30 + 1
    assert all(session[-1][0] == DONE for session in found), found
