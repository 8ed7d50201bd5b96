"""The buttons on cards of runs: which there are and for whom, what they carry, and that Slack takes every card."""

from __future__ import annotations

import json
from typing import Any

import pytest

from costwatch.core.cards import Card
from costwatch.core.clicked_cards import kept_blocks, redrawn
from costwatch.core.messages import MessageKind
from tests.support.cards import CARD_KINDS, RUN_ID, clickable_card
from tests.unit.test_slack_limits import ABSURD, FREE_FACTS, assert_calls_nobody, assert_slack_takes

EXTEND = {"extend:4h": f"{RUN_ID}|14400", "extend:12h": f"{RUN_ID}|43200"}
OF_APPROVERS = {
    MessageKind.STOPPED: {"pause": RUN_ID},
    MessageKind.HELD: {"release": f"{RUN_ID}|hold-1a2b3c4d", "leave": f"{RUN_ID}|hold-1a2b3c4d"},
    MessageKind.EXEMPTION_ASKED: {"exempt": RUN_ID},
}


def buttons(of: Card) -> dict[str, dict[str, Any]]:
    rows = [block for block in of.blocks if block["type"] == "actions"]
    return {each["action_id"]: each for row in rows for each in row["elements"]}


def absurd(kind: MessageKind, what: str) -> Card:
    facts: dict[str, Any] = dict.fromkeys(FREE_FACTS, ABSURD[what])
    return clickable_card(kind, **facts)


def carried(of: Card) -> dict[str, str]:
    return {action: each["value"] for action, each in buttons(of).items()}


def test_the_card_of_a_warning_extends_stops_and_asks_for_an_exemption() -> None:
    assert carried(clickable_card(MessageKind.WARNING)) == {**EXTEND, "stop": RUN_ID, "ask_exemption": RUN_ID}


def test_where_nobody_may_exempt_nobody_is_asked_to() -> None:
    found = carried(clickable_card(MessageKind.WARNING, has_approvers=False))
    assert found == {**EXTEND, "stop": RUN_ID}


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_what_is_never_stopped_has_no_button_that_stops_it(mode: str) -> None:
    assert "stop" not in carried(clickable_card(MessageKind.WARNING, mode=mode))


@pytest.mark.parametrize("kind", OF_APPROVERS)
def test_cards_for_approvers_carry_their_buttons_only_where_there_are_any(kind: MessageKind) -> None:
    assert carried(clickable_card(kind)) == OF_APPROVERS[kind]
    assert carried(clickable_card(kind, has_approvers=False)) == {}


def test_a_hold_that_no_release_lifts_offers_none() -> None:
    assert carried(clickable_card(MessageKind.HELD, code="protected")) == {}


@pytest.mark.parametrize("kind", CARD_KINDS)
def test_only_stop_now_asks_again_and_every_button_carries_an_id_and_nothing_else(kind: MessageKind) -> None:
    for action, button in buttons(clickable_card(kind)).items():
        assert ("confirm" in button) is (action == "stop")
        assert button["value"].startswith(RUN_ID)
        assert "maria" not in button["value"]


@pytest.mark.parametrize("what", ABSURD)
@pytest.mark.parametrize("kind", CARD_KINDS)
def test_absurd_facts_make_a_clickable_card_that_slack_takes(kind: MessageKind, what: str) -> None:
    made = absurd(kind, what)
    assert_slack_takes(made)
    assert_calls_nobody(made, mention="")


@pytest.mark.parametrize("run_tag", ["x" * 1900, "two\nlines", "\u202eturned"], ids=["long", "lines", "turned"])
def test_an_id_that_a_button_cannot_carry_leaves_the_commands(run_tag: str) -> None:
    run = f"111122223333/us-east-1/run/{run_tag}" + "y" * 200 * (len(run_tag) > 1000)
    made = clickable_card(MessageKind.WARNING, run=run)
    assert_slack_takes(made)
    assert carried(made) == {}
    assert "costwatch extend" in json.dumps(made.blocks)


@pytest.mark.parametrize("what", ABSURD)
@pytest.mark.parametrize("kind", CARD_KINDS)
def test_a_card_that_was_clicked_is_drawn_again_without_buttons_and_slack_takes_it(
    kind: MessageKind, what: str
) -> None:
    made = absurd(kind, what)
    # As Slack shows it, with ids that it gave and keys that we never sent.
    shown = [{**block, "block_id": f"b{n}", "extra": {"a": 1}} for n, block in enumerate(made.blocks)]
    again = redrawn(made.text, kept_blocks(shown), "Left by Maria at 20:14: it goes on.")
    assert_slack_takes(again)
    assert buttons(again) == {}
    assert "Left by Maria" in json.dumps(again.blocks)


@pytest.mark.parametrize(
    "shown",
    [
        [None, 5, "x", [], {}],
        [{"type": "section"}, {"type": "section", "text": 5}, {"type": "section", "text": {"type": "mrkdwn"}}],
        [{"type": "header", "text": {"type": "plain_text", "text": ""}}, {"type": "image", "image_url": "http://x"}],
        [{"type": "context", "elements": 5}, {"type": "section", "fields": [None, {"type": "x"}]}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 50,
        [{"type": "section", "text": {"type": "mrkdwn", "text": "a"}}] * 60,
    ],
)
def test_whatever_comes_back_as_a_card_makes_one_that_slack_takes(shown: list[Any]) -> None:
    again = redrawn("", kept_blocks(shown), "Left by Maria at 20:14: it goes on.")
    assert_slack_takes(again)
    assert "Left by Maria" in again.text
