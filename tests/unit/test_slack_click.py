"""A click in the local Slack: what the app receives, how it is signed, and what becomes of bad answers."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_sdk.signature import SignatureVerifier

from demo.slack_endpoint import DEFAULT_TOKEN, Installation, SlackClickError, SlackEndpoint, SlackMessage
from tests.support.approval_card import (
    APPROVAL_ID,
    actions,
    approval_blocks,
    button,
    field,
    section,
    select,
    text_input,
)
from tests.support.slack_door import Door, open_door

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DANA, RAVI = "dana@example.com", "ravi@example.com"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SlackEndpoint]:
    people = {DANA: "U0DANA", RAVI: "U0RAVI"}
    installation = Installation(team_id="T0TEAM", domain="acme", app_id="A0APP")
    with SlackEndpoint(users=people, installation=installation, signing_secret="hush", clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def slack(endpoint: SlackEndpoint) -> SlackEndpoint:
    endpoint.reset()
    endpoint.signing_secret = "hush"
    return endpoint


@pytest.fixture
def door(slack: SlackEndpoint) -> Iterator[Door]:
    with open_door("hush", lambda: NOW) as door:
        slack.interactivity_url = door.url
        yield door
        slack.interactivity_url = ""


def post(slack: SlackEndpoint, *blocks: Any, channel: str = "#risk-ml", **more: Any) -> SlackMessage:
    arguments = {"channel": channel, "text": "x", "blocks": list(blocks), **more}
    assert slack.answer("chat.postMessage", DEFAULT_TOKEN, arguments)["ok"]
    return slack.messages[-1]


# --- what the app receives -----------------------------------------------------------------------------


def test_the_payload_is_slack_s(slack: SlackEndpoint, door: Door) -> None:
    message = post(slack, *approval_blocks())
    done = slack.click(message, "deny", user=RAVI, inputs={"reason": "too dear", "cap": "43200"})
    assert (done.status, done.error, done.ok) == (200, "", True)
    (knock,) = door.knocks
    payload = knock.payload
    assert list(payload) == [
        *("type", "user", "api_app_id", "token", "container", "trigger_id", "team", "enterprise"),
        *("is_enterprise_install", "channel", "message", "state", "response_url", "actions"),
    ]
    assert payload["type"] == "block_actions"
    assert payload["user"] == {"id": "U0RAVI", "username": "ravi", "name": "ravi", "team_id": "T0TEAM"}
    assert (payload["api_app_id"], payload["team"]) == ("A0APP", {"id": "T0TEAM", "domain": "acme"})
    assert payload["container"] == {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel_id,
        "is_ephemeral": False,
    }
    assert payload["channel"] == {"id": message.channel_id, "name": "risk-ml"}
    assert payload["message"]["ts"] == message.ts
    assert [block["type"] for block in payload["message"]["blocks"]] == [block["type"] for block in message.blocks]
    assert all(block["block_id"] for block in payload["message"]["blocks"])
    assert payload["state"]["values"]["reason"] == {"reason": {"type": "plain_text_input", "value": "too dear"}}
    assert payload["state"]["values"]["cap"]["cap"]["selected_option"]["value"] == "43200"
    assert payload["response_url"].startswith("https://hooks.slack.com/actions/T0TEAM/")
    assert payload["actions"] == [
        {
            "type": "button",
            "action_id": "deny",
            "text": {"type": "plain_text", "text": "Deny", "emoji": True},
            "value": APPROVAL_ID,
            "style": "danger",
            "block_id": "decision",
            "action_ts": payload["actions"][0]["action_ts"],
        }
    ]
    assert payload["actions"][0]["action_ts"].startswith(f"{int(NOW.timestamp())}.")


def test_the_body_is_a_form_and_signed_as_slack_s_own_verifier_asks(slack: SlackEndpoint, door: Door) -> None:
    slack.click(post(slack, *approval_blocks()), "deny", user=RAVI)
    (knock,) = door.knocks
    assert knock.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert list(parse_qs(knock.body.decode())) == ["payload"]
    assert knock.headers["X-Slack-Request-Timestamp"] == str(int(NOW.timestamp()))
    verifier = SignatureVerifier("hush")
    own = verifier.generate_signature(timestamp=knock.headers["X-Slack-Request-Timestamp"], body=knock.body)
    assert knock.headers["X-Slack-Signature"] == own
    assert knock.is_signed


def test_another_secret_makes_a_signature_that_the_app_refuses(slack: SlackEndpoint, door: Door) -> None:
    slack.signing_secret = "other"
    slack.click(post(slack, *approval_blocks()), "deny", user=RAVI)
    assert [knock.is_signed for knock in door.knocks] == [False]


def test_two_clicks_are_told_apart_by_action_ts_and_trigger(slack: SlackEndpoint, door: Door) -> None:
    message = post(slack, *approval_blocks())
    for _ in range(2):
        slack.click(message, "deny", user=RAVI)
    one, other = (knock.payload for knock in door.knocks)
    assert one["actions"][0]["action_ts"] != other["actions"][0]["action_ts"]
    assert one["trigger_id"] != other["trigger_id"]


def test_a_choice_is_an_action_of_its_own_with_the_option(slack: SlackEndpoint, door: Door) -> None:
    message = post(slack, actions(select("extend", {"run|14400": "Extend 4 h"}), button("stop", "Stop")))
    slack.click(message, "extend", user=DANA, option="run|14400")
    (knock,) = door.knocks
    assert knock.action["type"] == "static_select"
    assert knock.action["selected_option"]["value"] == "run|14400"
    assert knock.values == {"decision": {"extend": "run|14400"}}


def test_a_direct_message_an_answer_and_a_private_one_say_what_they_are(slack: SlackEndpoint, door: Door) -> None:
    row = actions(button("stop", "Stop"))
    slack.click(post(slack, row, channel="U0DANA"), "stop", user=DANA)
    parent = post(slack, section("parent"))
    slack.click(post(slack, row, channel=parent.channel_id, thread_ts=parent.ts), "stop", user=DANA)
    arguments = {"channel": "#risk-ml", "user": "U0DANA", "text": "x", "blocks": [row]}
    assert slack.answer("chat.postEphemeral", DEFAULT_TOKEN, arguments)["ok"]
    slack.click(slack.ephemerals[0], "stop", user=DANA)
    direct, answer, private = (knock.payload for knock in door.knocks)
    assert direct["channel"]["name"] == "directmessage"
    assert answer["container"]["thread_ts"] == parent.ts
    assert answer["channel"]["name"] == "risk-ml"
    assert private["container"]["is_ephemeral"] is True
    assert "message" not in private


def test_a_redelivery_is_the_same_body_signed_anew_with_the_retry_s_number(slack: SlackEndpoint, door: Door) -> None:
    first = slack.click(post(slack, *approval_blocks()), "deny", user=RAVI)
    slack.clock = lambda: NOW + timedelta(minutes=1)
    again = slack.redeliver(first, number=2, reason="http_timeout")
    slack.clock = lambda: NOW
    one, other = door.knocks
    assert one.body == other.body
    assert "X-Slack-Retry-Num" not in one.headers
    assert (other.headers["X-Slack-Retry-Num"], other.headers["X-Slack-Retry-Reason"]) == ("2", "http_timeout")
    assert one.headers["X-Slack-Signature"] != other.headers["X-Slack-Signature"]
    assert other.is_signed
    assert (again.retry_number, slack.deliveries) == (2, [first, again])


# --- bad answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 302, 401, 403, 500])
def test_any_answer_but_200_is_an_error_and_is_asked_once(slack: SlackEndpoint, door: Door, status: int) -> None:
    door.status = status
    done = slack.click(post(slack, *approval_blocks()), "deny", user=RAVI)
    assert (done.status, done.error, done.ok) == (status, "http_error", False)
    assert len(door.knocks) == 1


def test_an_answer_after_three_seconds_is_no_answer(slack: SlackEndpoint, door: Door) -> None:
    door.wait_seconds = 3.3
    done = slack.click(post(slack, *approval_blocks()), "deny", user=RAVI)
    assert (done.status, done.error) == (None, "operation_timeout")
    assert len(door.knocks) == 1


def test_a_door_that_is_not_there_is_unreachable_and_no_door_is_not_configured(slack: SlackEndpoint) -> None:
    message = post(slack, *approval_blocks())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # not listening: whoever connects is refused
        slack.interactivity_url = f"http://127.0.0.1:{unused.getsockname()[1]}/slack"
        assert slack.click(message, "deny", user=RAVI).error == "unreachable"
    slack.interactivity_url = ""
    assert slack.click(message, "deny", user=RAVI).error == "not_configured"


# --- what the page would not let anybody do ------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "user", "more", "said"),
    [
        ("promote", RAVI, {}, "nothing to click called 'promote'"),
        ("reason", RAVI, {}, "nothing to click called 'reason'"),
        ("deny", "nobody@example.com", {}, "nobody here is called 'nobody@example.com'"),
        ("deny", RAVI, {"inputs": {"colour": "red"}}, "no input called colour"),
        ("deny", RAVI, {"inputs": {"cap": "99"}}, r"cap: '99' is none of its options \(none, 43200, 61200\)"),
        ("deny", RAVI, {"inputs": {"reason": "x" * 301}}, "reason: must be less than 301 characters"),
    ],
)
def test_what_is_not_there_cannot_be_used(
    slack: SlackEndpoint, door: Door, action: str, user: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(SlackClickError, match=said):
        slack.click(post(slack, *approval_blocks()), action, user=user, **more)
    assert door.knocks == []


def test_a_text_at_its_limit_is_sent_and_one_below_its_least_is_not(slack: SlackEndpoint, door: Door) -> None:
    message = post(
        slack, field("Why", text_input("why", min_length=3, max_length=5), block_id="why"), actions(button("go", "Go"))
    )
    for text in ("xxx", "x" * 5, ""):
        slack.click(message, "go", user=DANA, inputs={"why": text})
    assert [knock.values["why"]["why"] for knock in door.knocks] == ["xxx", "x" * 5, None]
    for text in ("xx", "x" * 6):
        with pytest.raises(SlackClickError):
            slack.click(message, "go", user=DANA, inputs={"why": text})


def test_a_message_that_changed_or_went_takes_no_more_clicks(slack: SlackEndpoint, door: Door) -> None:
    message = post(slack, *approval_blocks())
    slack.answer("chat.update", DEFAULT_TOKEN, {"channel": message.channel_id, "ts": message.ts, "text": "Denied."})
    with pytest.raises(SlackClickError, match="it may have changed"):
        slack.click(message, "deny", user=RAVI)
    slack.delete(message)
    with pytest.raises(SlackClickError, match="the message is deleted"):
        slack.click(message, "deny", user=RAVI)
    assert door.knocks == []


def test_nobody_clicks_in_another_s_messages_or_after_they_left(slack: SlackEndpoint, door: Door) -> None:
    row = actions(button("stop", "Stop"))
    direct = post(slack, row, channel="U0DANA")
    private = {"channel": "#risk-ml", "user": "U0DANA", "text": "x", "blocks": [row]}
    assert slack.answer("chat.postEphemeral", DEFAULT_TOKEN, private)["ok"]
    for message in (direct, slack.ephemerals[0]):
        with pytest.raises(SlackClickError, match="ravi does not see that message"):
            slack.click(message, "stop", user=RAVI)
    slack.people.deleted.add("U0DANA")
    with pytest.raises(SlackClickError, match="dana is deactivated"):
        slack.click(direct, "stop", user=DANA)
    assert door.knocks == []


def test_one_action_id_in_two_blocks_needs_its_block(slack: SlackEndpoint, door: Door) -> None:
    message = post(slack, *(actions(button("go", "Go", name), block_id=name) for name in ("left", "right")))
    with pytest.raises(SlackClickError, match="several blocks"):
        slack.click(message, "go", user=DANA)
    slack.click(message, "go", user=DANA, block_id="right")
    assert door.knocks[0].action["value"] == "right"


# --- the page's own request ----------------------------------------------------------------------------


def knock_at_page(slack: SlackEndpoint, body: bytes, token: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(f"{slack.page_url}click", body, {"X-Page-Token": token, **headers})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def click_of(message: SlackMessage, **more: Any) -> bytes:
    click = {"channel": message.channel_id, "ts": message.ts, "user": "U0RAVI", "block_id": "decision"}
    return json.dumps({**click, "action_id": "deny", "inputs": [], **more}).encode()


def test_a_click_needs_the_token_of_the_page(slack: SlackEndpoint, door: Door) -> None:
    click = click_of(post(slack, *approval_blocks()))
    assert [knock_at_page(slack, click, token)[0] for token in ("", "guessed", slack.page_token + "x", "ü")] == [
        403
    ] * 4
    assert door.knocks == []
    assert knock_at_page(slack, click, slack.page_token) == (200, {"ok": True, "error": ""})
    assert len(door.knocks) == 1


def test_the_token_alone_is_not_enough_from_a_foreign_page(slack: SlackEndpoint, door: Door) -> None:
    click = click_of(post(slack, *approval_blocks()))
    assert knock_at_page(slack, click, slack.page_token, Origin="https://evil.example")[0] == 403
    assert knock_at_page(slack, click, slack.page_token, Host="evil.example")[0] == 403
    assert door.knocks == []


def test_what_is_no_click_is_refused_in_words(slack: SlackEndpoint, door: Door) -> None:
    message = post(slack, *approval_blocks())
    for body in (b"", b"[]", b"{", b"{}", click_of(message, inputs=7), click_of(message, inputs=[{}]), b"\xff"):
        status, answer = knock_at_page(slack, body, slack.page_token)
        assert status in (400, 409)
        assert answer["error"].endswith(".")
    status, answer = knock_at_page(slack, click_of(message, ts="1.000001"), slack.page_token)
    assert (status, answer["error"]) == (409, "Not possible: the message is deleted.")
    assert door.knocks == []
