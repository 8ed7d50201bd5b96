"""Thousands of payloads that Slack signs and never sends: each is a click or is refused with a sentence."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any, Final

import pytest

from costwatch import intake
from costwatch.errors import MalformedEvent
from tests.properties.test_door_junk import anything
from tests.support.slack_posts import form, payload

PAYLOADS: Final = 5_000
STATE = {
    "values": {
        "cap": {"cap": {"type": "static_select", "selected_option": {"value": "61200"}}},
        "reason": {"reason": {"type": "plain_text_input", "value": "not this week"}},
    }
}
CONTAINER = {"type": "message", "message_ts": "1795000000.000100", "channel_id": "C0123456789"}


def whole() -> dict[str, Any]:
    return payload(state=STATE, container=CONTAINER)


def spoiled(rng: random.Random) -> dict[str, Any]:
    """A whole payload in which one to three values, at any depth, are something else or are not there."""
    made = copy.deepcopy(whole())
    for _ in range(rng.randrange(1, 4)):
        at: Any = made
        while True:
            key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.7:
                at = at[key]
                continue
            if rng.random() < 0.25:
                del at[key]
            else:
                at[key] = anything(rng)
            break
        if not made:
            break
    return made


def test_every_spoiled_payload_is_a_click_or_is_refused(record_property: Callable[[str, object], None]) -> None:
    rng, clicks, refusals = random.Random(20261127), 0, []
    for _ in range(PAYLOADS):
        made = spoiled(rng)
        try:
            click = intake.click(form(made))
        except MalformedEvent as error:
            refusals.append(str(error))
            continue
        clicks += 1
        assert "#" not in click.user_id + click.channel_id + click.message_ts + click.action_ts
        assert click.at.tzinfo is not None
        assert len(click.reason) <= 1000
        assert click.cap is None or click.cap.total_seconds() > 0
    assert max(map(len, refusals)) < 400
    assert min(clicks, len(refusals)) > 500
    record_property("counted", f"{PAYLOADS:,} spoiled payloads: {clicks:,} are clicks still, {len(refusals):,} refused")


def test_the_payload_that_they_are_made_of_is_a_click() -> None:
    click = intake.click(form(whole()))
    assert (click.action, click.value, click.reason) == ("approve", "a-1", "not this week")
    assert click.cap is not None
    assert click.cap.total_seconds() == 61200


@pytest.mark.parametrize("ts", ["1e400", "99999999999", "-1", "0x10", "1795000001,5", "1795000001.5\n"])
def test_a_time_that_is_none_is_refused(ts: str) -> None:
    pressed = {"action_id": "approve", "value": "a", "action_ts": ts}
    with pytest.raises(MalformedEvent, match="action_ts"):
        intake.click(form(payload(actions=[pressed])))
