"""What the card of a stop says of why it was due and of what becomes of its disks: for every kind of run, and true."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costwatch.core import times
from costwatch.core.blocks import date_token
from costwatch.core.cards import Card
from costwatch.core.messages import MessageKind
from costwatch.core.model import RunKind
from tests.support.builders import HOUR, NOW
from tests.support.cards import STOPS_AT, card, texts

DISKS = ("disk", "volume")
JOBS = [kind for kind in RunKind if kind.is_job]
MACHINES = [RunKind.INSTANCE, RunKind.TAGGED, RunKind.ASG]


def everything(of: Card) -> str:
    return "\n".join(text for _, text in texts(of))


def stopped(**facts: str) -> str:
    return everything(card(MessageKind.STOPPED, **facts))


def at(ago: timedelta) -> str:
    return times.to_text(NOW - ago)


# --- disks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["stop", "terminate"])
@pytest.mark.parametrize("kind", JOBS)
def test_no_kind_of_job_has_disks_to_speak_of_whatever_its_selector_says(kind: RunKind, action: str) -> None:
    run = f"111122223333/us-east-1/{kind.value}/churn"
    for message in (MessageKind.WARNING, MessageKind.STOPPED):
        said = everything(card(message, run=run, action=action))
        assert not [word for word in DISKS if word in said], message


@pytest.mark.parametrize("kind", MACHINES)
def test_every_kind_of_run_of_instances_is_told_what_becomes_of_its_disks(kind: RunKind) -> None:
    run = f"111122223333/us-east-1/{kind.value}/churn"
    assert "Its EBS disks stay." in stopped(run=run, action="stop")
    assert "With it go the volumes that are set to be deleted with it" in stopped(run=run, action="terminate")


def test_a_name_at_the_head_of_what_was_seen_is_quoted_as_it_is() -> None:
    assert " search Stopped. The next sweeps" in stopped(run="1/us-east-1/tuning/search", seen="search Stopped")


# --- why --------------------------------------------------------------------------------------------------------


def test_what_nobody_extended_says_so() -> None:
    assert "Its time was up and nobody extended it." in stopped()


def test_what_fell_silent_says_when_its_last_heartbeat_came_and_nothing_of_its_time() -> None:
    said = stopped(silent_since=at(3 * HOUR), extended_until=at(HOUR))
    assert f"It fell silent: its last heartbeat came {date_token(NOW - 3 * HOUR)}." in said
    assert "time was up" not in said
    assert "extended" not in said


def test_what_was_extended_until_its_end_says_until_when() -> None:
    said = stopped(extended_until=times.to_text(STOPS_AT))
    assert f"it was extended until {date_token(STOPS_AT)}, and nobody extended it further." in said


def test_what_was_extended_and_ended_at_another_time_does_not_say_that_nobody_extended_it() -> None:
    said = stopped(extended_until=times.to_text(STOPS_AT + HOUR))
    assert "Its time was up, whatever it was extended by." in said
    assert "nobody" not in said


def test_what_was_let_finish_says_that_it_was_not_done() -> None:
    said = stopped(let_finish_until=at(HOUR), extended_until=at(2 * HOUR))
    assert f"It was let finish until {date_token(NOW - HOUR)}, this once, and was not done by then." in said
    assert "time was up" not in said


def test_what_a_person_asked_for_says_who_and_why_alone() -> None:
    said = stopped(asked="ada asked for it: wrong data", silent_since=at(HOUR))
    assert "Ada asked for it: wrong data." in said or "ada asked for it: wrong data." in said
    assert "silent" not in said


# --- holds ------------------------------------------------------------------------------------------------------


def test_a_hold_of_a_silent_run_does_not_say_that_its_time_is_past() -> None:
    assert card(MessageKind.HELD, silent="yes").text.startswith("Held: churn-bert-large is silent and goes on")
    assert card(MessageKind.HELD).text.startswith("Held: churn-bert-large is past its time and goes on")
