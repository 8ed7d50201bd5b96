"""The digest of the week: on Mondays in the configured time zone, once, and by the outbox like everything said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from costwatch.core.messages import MessageKind
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import Town
from tests.support.town import later

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
JOBS: dict[str, Any] = {"service": "training"}
SLACK = {"platform_channel": "#ml-platform", "team_channels": {}, "warn_owner_by": "dm", "weekly_digest": True}


def town(mode: str = "warn", *, begins: datetime = MONDAY - timedelta(days=5), **changes: Any) -> Town:
    selectors = [policies.selector(mode=mode), policies.selector("jobs", mode=mode, **JOBS)]
    of = Town(policies.policy(**{"selectors": selectors, "slack": SLACK, **changes}))
    of.clock.now = begins
    return of


def overrun(of: Town) -> None:
    """A job that would have been stopped after 20 hours, and failed 3 hours later."""
    job = of.world.train("churn", age=20 * HOUR, tags={"Purpose": "training", "team": "risk"})
    sweep(of.watchdog())
    later(of, minutes=31)
    of.clock.forward(hours=3)
    of.world.end(job, status="Failed")
    later(of, minutes=5)


def digests(of: Town) -> list[str]:
    """What was posted: its heading and text."""
    return [
        "\n".join(str(block["text"]["text"]) for block in card.blocks)
        for _, channel, card in of.world.posts
        if card.text.startswith("Costwatch: the week of") and channel == "#ml-platform"
    ]


def at(of: Town, moment: datetime) -> list[str]:
    of.clock.now = moment
    sweep(of.watchdog())
    return digests(of)


def test_the_week_is_told_with_its_spend_and_what_enforce_would_have_done() -> None:
    of = town()
    overrun(of)
    (told,) = at(of, MONDAY)
    head, spent, *rest = told.splitlines()
    assert head == "Costwatch: the week of 16 Nov to 22 Nov 2026, $593.83"
    assert spent.startswith("1 runs ended: $")
    assert "failed or was stopped" in spent
    assert any(line.startswith("By team: risk $") for line in rest)
    assert rest[-1].startswith("Costwatch itself costs about $")
    (jobs,) = [line for line in rest if line.startswith("jobs (warn): ")]
    assert "enforce would have saved $" in jobs
    assert jobs.endswith("to enforce: mode: enforce beside name: jobs in costwatch.yaml")


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (MONDAY - timedelta(seconds=1), 0),
        (MONDAY, 1),
        (MONDAY.replace(hour=23, minute=59, second=59), 1),
        (MONDAY + timedelta(days=1), 1),  # no sweep came on Monday
        (MONDAY.replace(hour=0) + timedelta(days=2), 0),
        (MONDAY - timedelta(days=1), 0),
    ],
)
def test_it_is_told_from_nine_on_monday_and_made_up_for_on_tuesday(moment: datetime, told: int) -> None:
    of = town()
    overrun(of)
    assert len(at(of, moment)) == told


@pytest.mark.parametrize(("hour_utc", "told"), [(7, 0), (8, 1)])
def test_it_is_monday_and_nine_where_the_people_are(hour_utc: int, told: int) -> None:
    of = town(timezone="Europe/Berlin")
    overrun(of)
    assert len(at(of, MONDAY.replace(hour=hour_utc))) == told


@pytest.mark.parametrize(("begins", "week"), [(4, "16 Nov to 22 Nov"), (5, "23 Nov to 29 Nov")])
def test_a_week_begins_and_ends_at_midnight_where_the_people_are(begins: int, week: str) -> None:
    """A run that ends 3 h 36 min later: at 23:36 on Sunday, or at 00:36 on Monday, where the people are."""
    of = town(timezone="America/Los_Angeles", begins=MONDAY.replace(hour=begins))
    overrun(of)
    first = at(of, MONDAY.replace(hour=17))
    (told,) = first or at(of, MONDAY.replace(hour=17) + timedelta(days=7))
    assert told.startswith(f"Costwatch: the week of {week} 2026, $593.83\n1 runs ended")


def test_it_is_told_once_a_week() -> None:
    of = town()
    overrun(of)
    assert len(at(of, MONDAY)) == 1
    for minutes in (5, 300, 24 * 60):
        later(of, minutes=minutes)
    assert len(digests(of)) == 1


def test_a_week_in_which_nothing_happened_is_not_told_and_not_looked_at_again() -> None:
    of = town()
    assert at(of, MONDAY) == []
    assert of.ledger.was_told("week#2026-11-23")


def test_slack_that_takes_nothing_loses_no_digest() -> None:
    of = town()
    overrun(of)
    of.world.slack_is_up = False
    of.world.topic_has_listener = False
    assert at(of, MONDAY) == []
    assert [m.kind for m in of.ledger.outbox(of.clock() + HOUR)] == [MessageKind.WEEK]
    of.world.slack_is_up = True
    later(of, minutes=10)
    assert len(digests(of)) == 1


def test_in_observe_it_has_the_days_summary_in_it_so_that_there_is_one_message_that_day() -> None:
    of = town("observe")
    overrun(of)
    of.world.launch(age=20 * HOUR, tags={"Purpose": "training"})
    before = len(of.world.posts)
    of.clock.now = MONDAY - timedelta(minutes=40)
    sweep(of.watchdog())
    (told,) = at(of, MONDAY)
    assert "Costwatch observes: nothing would be stopped now; 1 would have been warned, $21.96 an hour" in told
    later(of, hours=2)
    assert len(of.world.posts) == before + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"slack": {**SLACK, "weekly_digest": False}},
        {"slack": {**SLACK, "platform_channel": ""}},
    ],
)
def test_who_wants_none_or_has_no_channel_gets_none(changes: dict[str, Any]) -> None:
    of = town(**changes)
    overrun(of)
    assert at(of, MONDAY) == []
    assert not of.world.mails or all("the week of" not in subject for _, subject, _ in of.world.mails)
