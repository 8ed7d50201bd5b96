"""What may be handled again of what no function could handle: AWS's own events, and nothing that a person asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from costwatch import names
from costwatch.core.dead_letters import Letter, read
from costwatch.intake.wishes import wish

FUNCTIONS = {"hints": "costwatch-hints", "deadman": "costwatch-deadman", "beats": ""}
STATE = {"source": names.SOURCE_EC2, "detail-type": names.DETAIL_EC2_STATE, "detail": {"instance-id": "i-1"}}


def letter_of(queue: str, body: str, error: str = "") -> Letter:
    return read(queue, body, error, FUNCTIONS, wish)


def refused(event: Any, function: str = "hints", **more: Any) -> str:
    return json.dumps({"reason": "detail.instance-id is missing", "function": function, "event": event, **more})


def test_an_event_of_awss_own_may_be_sent_to_the_function_that_failed_on_it() -> None:
    letter = letter_of("hints", json.dumps(STATE), "TransientAwsError: throttled")
    assert (letter.function, letter.kept, letter.event) == ("hints", "", STATE)
    assert letter.what == "aws.ec2, EC2 Instance State-change Notification"
    assert letter.reason == "TransientAwsError: throttled"


def test_a_refused_one_may_be_sent_to_who_refused_it_and_says_why_it_did() -> None:
    letter = letter_of("refused", refused(STATE))
    assert (letter.function, letter.reason, letter.kept) == ("hints", "detail.instance-id is missing", "")
    assert letter.event == STATE


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (names.SOURCE_CLI, "give it again"),
        (names.SOURCE_SLACK, "click again"),
        (names.SOURCE_CLIENT, "a sign of life of now"),
        (names.SOURCE_COSTWATCH, "no event of AWS's own"),
        ("awsome", "no event of AWS's own"),
        ("", "no event of AWS's own"),
    ],
)
@pytest.mark.parametrize("queue", ["hints", "refused"])
def test_what_people_ask_for_and_what_trainers_say_is_never_sent_again_nor_shown(
    queue: str, source: str, why: str
) -> None:
    event = {"source": source, "detail-type": names.DETAIL_STOP_REQUESTED, "detail": {"token": "secret"}}
    letter = letter_of(queue, refused(event) if queue == "refused" else json.dumps(event))
    assert (letter.event, why in letter.kept) == (None, True)


@pytest.mark.parametrize("queue", ["deadman", "refused"])
def test_a_tick_of_the_schedule_is_shown_and_never_sent_again(queue: str) -> None:
    """A night of failing sweeps would be a hundred of them at once."""
    tick = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}
    letter = letter_of(queue, refused(tick, "deadman") if queue == "refused" else json.dumps(tick))
    assert (letter.event, letter.kept[:26]) == (tick, "the schedule ticks anyway:")


@pytest.mark.parametrize("function", ["", "gone", "beats"])
def test_what_belongs_to_no_deployed_function_stays(function: str) -> None:
    assert "no deployed function" in letter_of("refused", refused(STATE, function)).kept


@pytest.mark.parametrize("body", ["", "no json", "7", "[]", "null", '"x"', "[" * 100_000, json.dumps({"reason": "x"})])
@pytest.mark.parametrize("queue", ["hints", "refused"])
def test_whatever_lies_there_is_read_and_stays(queue: str, body: str) -> None:
    letter = letter_of(queue, body)
    assert letter.event is None
    assert letter.kept


def test_an_event_that_was_cut_to_fit_the_queue_stays() -> None:
    body = json.dumps({"reason": "too large", "function": "hints", "event_cut": json.dumps(STATE)[:40]})
    assert letter_of("refused", body).kept == "it was cut, or is no event"
