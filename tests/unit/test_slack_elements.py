"""What Slack refuses of buttons, selects, inputs and the questions they ask: pairs at each limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from demo.slack_limits import SlackRefusal, check_message
from tests.support.approval_card import (
    actions,
    approval_blocks,
    button,
    confirm,
    field,
    marked,
    plain,
    section,
    select,
    text_input,
)


def problems(*blocks: Any) -> list[str]:
    """What Slack says of these blocks; nothing when it takes them."""
    try:
        check_message("x", list(blocks))
    except SlackRefusal as refused:
        return list(refused.messages) if refused.error == "invalid_blocks" else [refused.error]
    return []


def asked(**texts: str) -> dict[str, Any]:
    return actions(button("a", "A", confirm={**confirm(), **{name: plain(text) for name, text in texts.items()}}))


def options(count: int, label: int = 5, value: int = 5) -> dict[str, Any]:
    shown = [{"text": plain("l" * label), "value": "v" * value} for _ in range(count)]
    return actions({"type": "static_select", "action_id": "s", "options": shown})


def written(**more: Any) -> dict[str, Any]:
    return field("Reason", text_input("r", **more), block_id="r")


@pytest.mark.parametrize(
    ("fits", "too_much", "where"),
    [
        pytest.param(asked(title="x" * 100), asked(title="x" * 101), "confirm/title/text", id="title"),
        pytest.param(asked(text="x" * 300), asked(text="x" * 301), "confirm/text/text", id="question"),
        pytest.param(asked(confirm="x" * 30), asked(confirm="x" * 31), "confirm/confirm/text", id="yes"),
        pytest.param(asked(deny="x" * 30), asked(deny="x" * 31), "confirm/deny/text", id="no"),
        pytest.param(options(100), options(101), "elements/0/options", id="options"),
        pytest.param(options(1), options(0), "elements/0/options", id="no options"),
        pytest.param(options(1, label=75), options(1, label=76), "options/0/text/text", id="option"),
        pytest.param(options(1, value=150), options(1, value=151), "options/0/value", id="option value"),
        pytest.param(
            actions(select("s", {"1": "a"}, placeholder=plain("p" * 150))),
            actions(select("s", {"1": "a"}, placeholder=plain("p" * 151))),
            "elements/0/placeholder/text",
            id="placeholder",
        ),
        pytest.param(written(max_length=3000), written(max_length=3001), "element/max_length", id="most"),
        pytest.param(written(max_length=1), written(max_length=0), "element/max_length", id="least most"),
        pytest.param(written(min_length=0), written(min_length=-1), "element/min_length", id="least"),
        pytest.param(
            written(placeholder=plain("p" * 150)),
            written(placeholder=plain("p" * 151)),
            "element/placeholder/text",
            id="placeholder of a line",
        ),
        pytest.param(
            field("l" * 2000, text_input("r"), block_id="r"),
            field("l" * 2001, text_input("r"), block_id="r"),
            "label/text",
            id="label",
        ),
        pytest.param(
            field("l", text_input("r"), block_id="r", hint=plain("h" * 2000)),
            field("l", text_input("r"), block_id="r", hint=plain("h" * 2001)),
            "hint/text",
            id="hint",
        ),
        pytest.param(actions(button("a" * 255, "A")), actions(button("a" * 256, "A")), "0/action_id", id="action id"),
        pytest.param(
            actions(button("a", "A", url="https://e.example/" + "u" * 2982)),
            actions(button("a", "A", url="https://e.example/" + "u" * 2983)),
            "0/url",
            id="url",
        ),
    ],
)
def test_at_the_limit_it_is_taken_and_beyond_it_the_place_is_named(
    fits: dict[str, Any], too_much: dict[str, Any], where: str
) -> None:
    assert problems(fits) == []
    (said,) = problems(too_much)
    assert said.startswith("[ERROR] ")
    assert said.endswith(f"{where}]")


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (actions(button("a", "A", style="huge")), "must be one of primary, danger"),
        (actions(button("a", "A", disabled=True)), "invalid additional property: disabled"),
        (actions({"type": "datepicker", "action_id": "d"}), "unsupported type: datepicker"),
        (actions(text_input("t")), "unsupported type: plain_text_input"),
        (actions("Approve"), "unsupported type: None"),  # type: ignore[arg-type]
        (section("s", accessory=text_input("t")), "unsupported type: plain_text_input"),
        (field("f", button("a", "A"), block_id="f"), "unsupported type: button"),
        ({"type": "input", "label": plain("l")}, "missing required field: element"),
        ({"type": "input", "element": text_input("t")}, "missing required field: label"),
        (actions(button("a", "A", confirm={"title": plain("t")})), "missing required field: text"),
        (actions(button("a", "A", confirm="sure?")), "must be an object"),
        (asked(text=""), "must be more than 0 characters"),
        (actions(button("a", "A", confirm=confirm() | {"text": marked("t")})), "a text object of type plain_text"),
        (actions(button("a", "A", value=7)), "must be a string"),  # type: ignore[arg-type]
        (actions({"type": "button", "action_id": "a"}), "must be a text object of type plain_text"),
        (actions(select("s", {"1": "a"}, initial_option={"text": plain("b"), "value": "2"})), "must be one of the"),
        (actions({"type": "static_select", "action_id": "s"}), "missing required field: options"),
        (actions({"type": "static_select", "action_id": "s", "options": ["a"]}), "must be an object"),
        (written(max_length="300"), "must be an integer from 1 to 3000"),
        (written(max_length=True), "must be an integer from 1 to 3000"),
        (written(multiline="yes"), "must be a boolean"),
        (written(dispatch_action_config={"trigger_actions_on": ["on_blur"]}), "must be some of on_enter_pressed"),
        (field("f", text_input("t"), block_id="f", optional="no"), "must be a boolean"),
        ({"type": "section", "text": "plain"}, "must be a text object of type mrkdwn or plain_text"),
        ({"type": "header", "text": plain("h"), "level": 1}, "invalid additional property: level"),
        ({"type": "divider", "text": plain("d")}, "invalid additional property: text"),
    ],
)
def test_what_slack_does_not_know_is_refused_with_its_reason(block: dict[str, Any], said: str) -> None:
    assert any(said in each for each in problems(block)), problems(block)


def test_action_ids_are_unique_in_a_block_and_may_come_again_in_another() -> None:
    twice = actions(button("extend", "4 h"), button("extend", "12 h"))
    assert problems(twice) == [
        '[ERROR] `action_id` "extend" already exists for another element [json-pointer:/blocks/0/elements/1/action_id]'
    ]
    assert problems(actions(button("extend:4h", "4 h"), button("extend:12h", "12 h"))) == []
    assert problems(actions(button("a", "A"), block_id="1"), actions(button("a", "A"), block_id="2")) == []


def test_elements_without_an_id_get_one_each() -> None:
    nameless = {"type": "button", "text": plain("A")}
    assert problems(actions(nameless, nameless)) == []


def test_block_ids_are_unique_in_a_message() -> None:
    (said,) = problems(actions(button("a", "A"), block_id="same"), section("s", block_id="same"))
    assert said == '[ERROR] `block_id` "same" already exists for another element [json-pointer:/blocks/1/block_id]'


def test_texts_of_controls_count_towards_the_longest_message() -> None:
    long = [section("s" * 2600, block_id=str(n)) for n in range(4)]
    check_message("x", [*long, field("l" * 2000, text_input("t"), block_id="t"), section("s" * 600)])
    with pytest.raises(SlackRefusal, match="msg_blocks_too_long"):
        check_message("x", [*long, field("l" * 2000, text_input("t"), block_id="t"), section("s" * 601)])


def test_the_card_of_the_other_tests_is_one_that_slack_and_its_own_sdk_take() -> None:
    card = approval_blocks()
    assert problems(*card) == []
    for block in Block.parse_all(card):
        block.validate_json()
    json.dumps(card)
