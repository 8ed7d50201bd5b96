"""When what goes: at most a beat every five minutes, what cannot wait after thirty seconds; the latest step counts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.client.fakes import AwsAnswer, FakeEvents, Training

DENIED = AwsAnswer("AccessDeniedException", "not authorized")


def test_the_first_beat_goes_at_once() -> None:
    training = Training()
    training.heartbeat(step=1)
    assert training.turn()
    assert training.events.steps == [1]


def test_a_beat_waits_at_four_minutes_fifty_nine_and_goes_at_five() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(step=2)
    assert not training.after(299)
    assert training.after(1)
    assert training.events.steps == [1, 2]


def test_of_the_beats_between_the_latest_step_counts() -> None:
    training = Training()
    for step in range(300):
        training.heartbeat(step=step)
        training.turn()
        training.clock.forward(1)
    assert training.events.steps == [0]
    training.turn()
    assert training.events.steps == [0, 299], "300 calls in five minutes are two beats"
    assert training.last["seq"] == 300


def test_a_beat_says_when_training_said_it_and_not_when_it_went() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.clock.forward(60)
    training.heartbeat(step=2)
    training.after(240)
    assert training.last["at"] == "2026-11-22T09:01:00.000Z"


def test_a_hung_trainer_falls_silent() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(step=2)
    training.after(300)
    assert not training.after(3600)
    assert training.events.steps == [1, 2]


def test_a_new_checkpoint_waits_for_the_next_regular_beat() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(step=2, checkpoint="s3://bucket/step-2")
    assert not training.after(299)
    assert training.after(1)
    assert training.last["checkpoint"] == "s3://bucket/step-2"
    assert training.last["checkpoint_at"] == "2026-11-22T09:00:00.000Z"


def test_the_same_checkpoint_again_is_no_news_and_keeps_its_time() -> None:
    training = Training()
    training.heartbeat(checkpoint="last.ckpt")
    training.turn()
    training.clock.forward(60)
    training.heartbeat(checkpoint="last.ckpt")
    assert not training.turn()
    assert training.after(240)
    assert training.last["checkpoint_at"] == "2026-11-22T09:00:00.000Z"


def test_an_announced_phase_goes_after_thirty_seconds_and_counts_for_one_beat() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(next_within="2h")
    assert training.after(30)
    assert training.last["next_within_seconds"] == 7200
    assert training.last["step"] == 1, "what was said before still holds"
    training.heartbeat(step=2)
    assert training.after(300)
    assert training.last["next_within_seconds"] is None


def test_an_announcement_that_was_not_sent_yet_is_kept_and_the_longest_counts() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(next_within="2h")
    training.heartbeat(next_within="10m")
    training.heartbeat(step=2)
    training.after(30)
    assert training.last["next_within_seconds"] == 7200
    assert training.last["step"] == 2


def test_who_announces_the_same_phase_at_every_step_beats_no_faster_for_it() -> None:
    training = Training()
    for step in range(600):
        training.heartbeat(step=step, next_within="10m")
        training.after(1)
    assert training.events.steps == [0, 300]


def test_the_end_of_an_announced_phase_waits_for_the_next_regular_beat() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(next_within="2h")
    training.after(30)
    training.heartbeat(step=2)
    assert not training.after(299)
    assert training.after(1)
    assert training.last["next_within_seconds"] is None


def sent_at(training: Training, seconds: int, **said: Callable[[int], Any]) -> list[int]:
    """When something goes, where this is said ten times a second."""
    sent = []
    for tenth in range(10 * seconds):
        training.heartbeat(step=tenth, **{name: value(tenth) for name, value in said.items()})
        if training.turn():
            sent.append(tenth // 10)
        training.clock.forward(0.1)
    return sent


def test_whoever_saves_at_every_step_beats_every_five_minutes_all_the_same() -> None:
    training = Training()
    assert sent_at(training, 901, checkpoint=lambda tenth: f"step-{tenth}") == [0, 300, 600, 900]
    assert training.last["checkpoint"] == f"step-{training.last['step']}"


def test_whoever_announces_another_phase_at_every_step_beats_every_thirty_seconds_and_no_faster() -> None:
    assert sent_at(Training(), 121, next_within=lambda tenth: 7200 - tenth) == [0, 30, 60, 90, 120]


def test_whoever_starts_and_is_done_again_and_again_sends_every_thirty_seconds_and_no_faster() -> None:
    training, sent = Training(), []
    for second in range(121):
        training.client.start(None, None, None)
        training.heartbeat(step=second)
        training.client.done()
        if training.turn():
            sent.append(second)
        training.clock.forward(1)
    assert sent == [0, 30, 60, 90, 120]
    assert max(len(call) for call in training.events.calls) <= 3


def test_done_goes_at_once_with_the_last_step_and_takes_the_waiting_beats_place() -> None:
    training = Training()
    training.heartbeat(step=1, total=900, loss=2.0)
    training.turn()
    training.heartbeat(step=900, loss=0.1)
    training.client.done()
    assert training.turn()
    kind, detail = training.events.sent[-1]
    assert (kind, detail["step"], detail["total"], detail["metrics"]) == ("Run Done", 900, 900, {"loss": 0.1})
    assert not training.after(3600), "the beat that waited says nothing new"


def test_a_second_done_waits_at_29_seconds_and_goes_at_30() -> None:
    training = Training()
    training.client.done()
    training.turn()
    training.client.done()
    assert not training.after(29)
    assert training.after(1)


def test_start_and_the_first_beat_both_go_at_once_in_one_call() -> None:
    training = Training()
    training.client.start(None, None, 7)
    training.heartbeat(step=1)
    training.turn()
    assert [kind for kind, _ in training.events.sent] == ["Run Started", "Run Heartbeat"]
    assert len(training.events.calls) == 1
    assert [detail["seq"] for _, detail in training.events.sent] == [1, 2]


def test_what_was_not_accepted_goes_with_the_next_and_keeps_what_it_had_to_say() -> None:
    training = Training(FakeEvents(fails=DENIED))
    training.heartbeat(step=1, next_within="2h", loss=3.0)
    assert training.turn()
    training.heartbeat(step=2, accuracy=0.5)
    training.events.fails = None
    assert not training.after(59), "after a failure it waits twice as long"
    assert training.after(1)
    assert training.events.steps == [2]
    assert training.last["next_within_seconds"] == 7200
    assert training.last["metrics"] == {"accuracy": 0.5, "loss": 3.0}


def test_an_ordinary_beat_that_was_not_accepted_waits_five_minutes_as_any_other() -> None:
    training = Training(FakeEvents(fails=DENIED))
    training.heartbeat(step=1)
    training.turn()
    training.events.fails = None
    assert not training.after(299)
    assert training.after(1)
    assert training.last["at"] == "2026-11-22T09:00:00.000Z", "late, and truthful about it"


def test_what_is_refused_again_and_again_is_tried_ever_more_rarely() -> None:
    training = Training(FakeEvents(fails=DENIED))
    training.client.done()
    tries = [second for second in range(1800) if training.after(1)]
    assert [later - earlier for earlier, later in pairwise(tries)] == [
        60,
        120,
        240,
        300,
        300,
        300,
        300,
    ]


def test_a_beat_that_was_not_accepted_is_forgotten_once_the_run_is_done() -> None:
    training = Training(FakeEvents(fails=DENIED))
    training.heartbeat(step=1)
    training.turn()
    training.client.done()
    training.events.fails = None
    training.after(3600)
    assert [kind for kind, _ in training.events.sent] == ["Run Done"]


@pytest.mark.parametrize("news", [{"checkpoint": "on signal"}, {"next_within": "2h"}])
def test_a_beat_with_news_goes_at_the_end_of_the_process(news: dict[str, str]) -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.heartbeat(step=2, **news)
    training.heartbeat(step=3)
    training.client.close()
    assert training.turn()
    assert training.events.steps == [1, 3]


def test_at_the_end_of_the_process_news_goes_at_once_and_an_ordinary_beat_does_not() -> None:
    training = Training()
    training.heartbeat(step=1)
    training.turn()
    training.client.done()
    training.turn()
    training.client.done()
    training.heartbeat(step=2)
    training.client.close()
    training.turn()
    assert [kind for kind, _ in training.events.sent] == ["Run Heartbeat", "Run Done", "Run Done"]
    assert not training.turn(), "an ordinary beat is not worth waiting for"


def test_nothing_is_tried_twice_at_the_end_of_the_process() -> None:
    training = Training(FakeEvents(fails=DENIED))
    training.client.done()
    training.client.close()
    assert training.turn()
    assert not training.turn()


def test_after_the_end_nothing_is_taken_any_more() -> None:
    training = Training()
    training.client.close()
    training.heartbeat(step=1)
    assert not training.turn()
