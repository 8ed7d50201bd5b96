"""The digest of the week: on Mondays in the configured time zone, once, and by the outbox like everything said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch.config.loader import load
from costwatch.core.messages import MessageKind
from costwatch.core.policy import Policy
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.command_line import Terminal
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


def overrun(of: Town, name: str = "churn", **more: Any) -> None:
    """A job that would have been stopped after 20 hours, and failed 3 hours later."""
    job = of.world.train(name, age=20 * HOUR, tags={"Purpose": "training", "team": "risk"}, **more)
    sweep(of.watchdog())
    later(of, minutes=31)
    of.clock.forward(hours=3)
    of.world.end(job, status="Failed")
    later(of, minutes=5)


def digests(of: Town) -> list[str]:
    """What was posted: its heading and text, without the small print."""
    return [
        "\n".join(str(block["text"]["text"]) for block in card.blocks if "text" in block)
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
    assert spent.startswith("1 run ended: $")
    assert "failed or was stopped" in spent
    assert any(line.startswith("By team: risk $") for line in rest)
    *_, own, title, jobs, saved, sums, enforce = rest
    assert own.startswith("Costwatch itself costs about $")
    assert (title, jobs) == ("*What enforce would have done in the last 30 days*", "*jobs (warn)*")
    assert (saved, sums) == ("Enforce would have saved $75.75.", "1 ran on: $75.75; net $75.75.")
    assert enforce == "To enforce, mode: enforce beside name: jobs in costwatch.yaml."


CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
approval: {mode: "off"}
dead_man:
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
    - name: jobs
      sagemaker: {jobs: [training], tag: {Purpose: training}}
      mode: warn   # `*` < for now
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Town:
    """As a deploy of the file leaves it."""
    path = tmp_path / "costwatch.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    of = Town(Policy.from_document(load(path).shipped()))
    of.clock.now = MONDAY - timedelta(days=5)
    return of


def test_the_line_is_named_as_it_is_and_as_it_should_be(deployed: Town, tmp_path: Path) -> None:
    overrun(deployed)
    (told,) = at(deployed, MONDAY)
    *_, sentence, begin, now, then, end = told.splitlines()
    assert sentence == "To enforce, line 11 of costwatch.yaml:"
    assert (begin, now, then, end) == (
        "```",
        "-       mode: warn   # '*' &lt; for now",
        "+       mode: enforce   # '*' &lt; for now",
        "```",
    )
    assert str(tmp_path) not in told
    ((small_print,),) = [block["elements"] for _, _, card in deployed.world.posts for block in card.blocks
                         if block["type"] == "context" and "the week of" in card.text]  # fmt: skip
    assert small_print["text"] == (
        "Each of them: costwatch status --would-have · Lines are those of the file that is deployed (uncommitted)"
    )


def test_it_says_what_the_command_line_says_of_the_same_file(deployed: Town, tmp_path: Path) -> None:
    deployed.world.launch(age=20 * HOUR, tags={"Purpose": "training"})
    overrun(deployed)
    (told,) = at(deployed, MONDAY)
    maria = Terminal(tmp_path / "costwatch.yaml", deployed)
    shown = [each for each in maria.json("status", "--would-have")["selectors"] if each["cases"]]
    assert [each["selector"] for each in shown] == ["trainers", "jobs"]
    for each in shown:
        assert each["advice"].replace(str(tmp_path / "costwatch.yaml"), "costwatch.yaml") in told


def test_by_e_mail_no_mark_takes_anything_from_the_line(deployed: Town) -> None:
    overrun(deployed)
    deployed.world.slack_is_up, deployed.world.topic_has_listener = False, True
    assert at(deployed, MONDAY) == []
    (mail,) = [body for _, subject, body in deployed.world.mails if "the week of" in subject]
    assert "\n-       mode: warn   # '*' < for now\n+       mode: enforce   # '*' < for now" in mail


@pytest.mark.parametrize(("days", "advised"), [(29, False), (31, True)])
def test_what_was_in_doubt_weeks_ago_is_in_doubt_still(deployed: Town, days: int, *, advised: bool) -> None:
    """What had no known price ran on then, and another one ran on last week."""
    deployed.clock.now = MONDAY - timedelta(days=days)
    overrun(deployed, "nobody-knows", instance_type="ml.nobody.knows")
    deployed.clock.now = MONDAY - timedelta(days=5)
    overrun(deployed)
    (told,) = [each for each in at(deployed, MONDAY) if "16 Nov" in each]
    assert ("To enforce, line 11" in told) is advised
    doubt = "Not yet: look at each first: 1 without a known price. Only then line 11"
    assert (doubt in told) is not advised


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
    assert told.startswith(f"Costwatch: the week of {week} 2026, $593.83\n1 run ended")


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


def test_what_a_blast_cap_held_is_told_also_of_a_selector_that_has_nothing_else_to_tell() -> None:
    of = town("observe", blast_cap={"runs": 1, "share": "1", "per_day": 20})
    of.world.launch(age=21 * HOUR, tags={"Purpose": "training"})
    of.world.train("churn", age=20 * HOUR, tags={"Purpose": "training"})
    sweep(of.watchdog())
    later(of, minutes=31)
    (digest,) = at(of, MONDAY)
    assert "jobs (observe)" in digest
    assert "1 more held by blast_cap.runs, as enforce would have held them: 1 waits for a release." in digest
