"""The local Slack, through slack_sdk's own WebClient."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint, render_text

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DANA = "dana@example.com"


class Clock:
    """A clock the test sets."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


CLOCK = Clock()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users={DANA: "U0DANA"}, clock=CLOCK) as running:
        yield running


@pytest.fixture
def slack(endpoint: SlackEndpoint) -> SlackEndpoint:
    CLOCK.now = NOW
    endpoint.reset()
    return endpoint


def web(slack: SlackEndpoint, token: str = DEFAULT_TOKEN) -> WebClient:
    return WebClient(token=token, base_url=slack.base_url, timeout=5, retry_handlers=[])


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def refusal(error: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(error.value.response["error"])


# --- posting -----------------------------------------------------------------------------------------


def test_messages_are_kept_in_order_with_what_they_said(slack: SlackEndpoint) -> None:
    first = web(slack).chat_postMessage(channel="#ml-alerts", text="one", blocks=[section("*one*")])
    CLOCK.now = NOW + timedelta(minutes=1)
    web(slack).chat_postMessage(channel="C0TEAM1", text="two", thread_ts=first["ts"])
    kept = [(each.channel, each.text, each.blocks, each.thread_ts, each.at) for each in slack.messages]
    assert kept == [
        ("#ml-alerts", "one", [section("*one*")], None, NOW),
        ("C0TEAM1", "two", [], first["ts"], NOW + timedelta(minutes=1)),
    ]
    assert [each.number for each in slack.messages] == sorted(each.number for each in slack.messages)
    assert first["ok"] is True
    assert first["channel"] == slack.messages[0].channel_id
    assert first["message"]["text"] == "one"
    assert slack.messages[0].ts != slack.messages[1].ts


def test_a_form_body_says_the_same_as_json(slack: SlackEndpoint) -> None:
    body = {"channel": "#ml-alerts", "text": "form", "blocks": json.dumps([section("form")])}
    answer = web(slack).api_call("chat.postMessage", data=body)
    assert answer["ok"] is True
    assert slack.messages[0].blocks == [section("form")]


def test_a_person_is_found_by_email_and_written_to_directly(slack: SlackEndpoint) -> None:
    user_id = web(slack).users_lookupByEmail(email=DANA)["user"]["id"]
    assert user_id == "U0DANA"
    channel = web(slack).conversations_open(users=user_id)["channel"]["id"]
    web(slack).chat_postMessage(channel=channel, text="by channel")
    web(slack).chat_postMessage(channel=user_id, text="by user")
    assert [(each.to, each.channel_id, each.text) for each in slack.to(DANA)] == [
        (DANA, channel, "by channel"),
        (DANA, channel, "by user"),
    ]


def test_an_update_replaces_the_card_and_posts_nothing(slack: SlackEndpoint) -> None:
    posted = web(slack).chat_postMessage(channel="#ml-alerts", text="running")
    CLOCK.now = NOW + timedelta(minutes=5)
    web(slack).chat_update(channel=posted["channel"], ts=posted["ts"], text="stopped")
    (message,) = slack.messages
    assert (message.text, message.at, message.edited_at) == ("stopped", NOW, NOW + timedelta(minutes=5))


def test_auth_test_knows_its_token(slack: SlackEndpoint) -> None:
    assert web(slack).auth_test()["ok"] is True


# --- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("token", "error"), [("xoxb-other", "invalid_auth"), ("", "not_authed")])
def test_a_wrong_token_is_refused(slack: SlackEndpoint, token: str, error: str) -> None:
    with pytest.raises(SlackApiError) as refused:
        web(slack, token).chat_postMessage(channel="#ml-alerts", text="x")
    assert refusal(refused) == error
    assert slack.messages == []


def test_an_unknown_channel_is_refused_however_it_is_written(slack: SlackEndpoint) -> None:
    slack.unknown_channels.add("ml-gone")
    for channel in ("#ml-gone", "ml-gone"):
        with pytest.raises(SlackApiError) as refused:
            web(slack).chat_postMessage(channel=channel, text="x")
        assert refusal(refused) == "channel_not_found"
    assert slack.messages == []


def test_unknown_people_messages_and_methods_are_refused(slack: SlackEndpoint) -> None:
    client = web(slack)
    with pytest.raises(SlackApiError) as refused:
        client.users_lookupByEmail(email="nobody@example.com")
    assert refusal(refused) == "users_not_found"
    with pytest.raises(SlackApiError) as refused:
        client.conversations_open(users="U0NOBODY")
    assert refusal(refused) == "user_not_found"
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel="U0NOBODY", text="x")
    assert refusal(refused) == "channel_not_found"
    with pytest.raises(SlackApiError) as refused:
        client.chat_update(channel="C0TEAM1", ts="1.000001", text="x")
    assert refusal(refused) == "message_not_found"
    with pytest.raises(SlackApiError) as refused:
        client.api_call("chat.dance")
    assert refusal(refused) == "unknown_method"


def header(length: int) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": "h" * length}}


def fields(count: int, length: int = 5) -> dict[str, Any]:
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": "f" * length}] * count}


def context(count: int) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": "c"}] * count}


def actions(count: int = 1, label: int = 5, value: int = 5) -> dict[str, Any]:
    button = {"type": "button", "text": {"type": "plain_text", "text": "b" * label}, "value": "v" * value}
    return {"type": "actions", "elements": [button] * count}


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        pytest.param([section("s")] * 50, [section("s")] * 51, id="blocks"),
        pytest.param([section("s" * 3000)], [section("s" * 3001)], id="section"),
        pytest.param([header(150)], [header(151)], id="header"),
        pytest.param([fields(10)], [fields(11)], id="fields"),
        pytest.param([fields(1, 2000)], [fields(1, 2001)], id="field"),
        pytest.param([context(10)], [context(11)], id="context"),
        pytest.param([actions(25)], [actions(26)], id="actions"),
        pytest.param([actions(label=75)], [actions(label=76)], id="button"),
        pytest.param([actions(value=2000)], [actions(value=2001)], id="value"),
        pytest.param([{"type": "divider"}], [{"type": "carousel-of-doom"}], id="type"),
        pytest.param([section("s")], [section("")], id="empty text"),
        pytest.param([section("s")], [{"type": "section"}], id="empty section"),
        pytest.param(
            [header(5)], [{"type": "header", "text": {"type": "mrkdwn", "text": "h"}}], id="header is plain text"
        ),
        pytest.param(
            [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "b"}],
            [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
            id="block ids",
        ),
    ],
)
def test_blocks_up_to_the_limit_are_posted_and_one_more_is_refused(
    slack: SlackEndpoint, fits: list[dict[str, Any]], too_much: list[dict[str, Any]]
) -> None:
    web(slack).chat_postMessage(channel="#ml-alerts", text="x", blocks=fits)
    with pytest.raises(SlackApiError) as refused:
        web(slack).chat_postMessage(channel="#ml-alerts", text="x", blocks=too_much)
    assert refusal(refused) == "invalid_blocks"
    assert refused.value.response["response_metadata"]["messages"][0].startswith("[ERROR] ")
    assert len(slack.messages) == 1


@pytest.mark.parametrize(
    ("text", "blocks", "error"),
    [
        ("", [], "no_text"),
        ("t" * 40_001, [], "msg_too_long"),
        ("t", [section("s" * 2600)] * 5 + [section("s")], "msg_blocks_too_long"),
    ],
)
def test_a_message_that_is_empty_or_too_long_is_refused(
    slack: SlackEndpoint, text: str, blocks: list[dict[str, Any]], error: str
) -> None:
    body = {"channel": "#ml-alerts", "text": text, "blocks": blocks}  # chat_postMessage would warn of the empty text
    with pytest.raises(SlackApiError) as refused:
        web(slack).api_call("chat.postMessage", json=body)
    assert refusal(refused) == error


def test_the_longest_message_is_posted(slack: SlackEndpoint) -> None:
    web(slack).chat_postMessage(channel="#ml-alerts", text="t" * 40_000, blocks=[section("s" * 2600)] * 5)
    assert len(slack.messages) == 1


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_slack_that_is_down_refuses_connections_and_comes_back_at_the_same_address(slack: SlackEndpoint) -> None:
    address = slack.base_url
    slack.go_down()
    with pytest.raises(urllib.error.URLError, match="refused"):
        web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    slack.come_up()
    assert slack.base_url == address
    web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert len(slack.messages) == 1


def test_a_slack_that_answers_500_posts_nothing(slack: SlackEndpoint) -> None:
    slack.go_down(status=500)
    with pytest.raises(SlackApiError) as refused:
        web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert refused.value.response.status_code == 500
    assert slack.messages == []
    slack.come_up()
    web(slack).chat_postMessage(channel="#ml-alerts", text="x")


def test_a_rate_limit_says_when_to_come_back(slack: SlackEndpoint) -> None:
    slack.rate_limit(1, retry_after_seconds=7)
    with pytest.raises(SlackApiError) as refused:
        web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert (refusal(refused), refused.value.response.status_code) == ("ratelimited", 429)
    assert refused.value.response.headers["Retry-After"] == "7"
    web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert len(slack.messages) == 1


def test_slack_sdk_waits_out_a_rate_limit_by_itself(slack: SlackEndpoint) -> None:
    slack.rate_limit(1, retry_after_seconds=0)
    patient = WebClient(
        token=DEFAULT_TOKEN,
        base_url=slack.base_url,
        retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=1)],
    )
    patient.chat_postMessage(channel="#ml-alerts", text="x")
    assert len(slack.messages) == 1


def test_a_message_can_be_posted_without_the_sender_hearing_of_it(slack: SlackEndpoint) -> None:
    slack.fail_after_accept()
    with pytest.raises(http.client.RemoteDisconnected):
        web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert [each.text for each in slack.messages] == ["x"]
    web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert [each.text for each in slack.messages] == ["x", "x"]


def test_the_server_is_quiet(slack: SlackEndpoint, capfd: pytest.CaptureFixture[str]) -> None:
    web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    slack.fail_after_accept()
    with pytest.raises(http.client.RemoteDisconnected):
        web(slack).chat_postMessage(channel="#ml-alerts", text="x")
    assert capfd.readouterr() == ("", "")


# --- cards as text -------------------------------------------------------------------------------------


def test_a_card_reads_well_in_a_terminal(slack: SlackEndpoint) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "p4d.24xlarge stops at 10:30"}},
        section(
            "<@U0DANA>, *tts-large* has run for *20 h*. `costwatch extend tts-large 4h` &amp; read "
            "<https://example.com/run|the runbook>.\nStops <!date^1795341600^{date_short} {time}|22 Nov 10:30 UTC>."
        ),
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": "*Cost so far*\n$439.15"},
                {"type": "mrkdwn", "text": "*Rate*\n$21.96 / h"},
                {"type": "plain_text", "text": "a*b*c"},
            ],
        },
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "Rule `trainers` in <#C0TEAM1|ml-alerts>"}]},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Extend 4 h"}}]},
    ]
    web(slack).chat_postMessage(channel="#ml-alerts", text="fallback", blocks=blocks)
    assert slack.render(slack.messages[0]).split("\n") == [
        "p4d.24xlarge stops at 10:30",
        "===========================",
        "@dana, tts-large has run for 20 h. `costwatch extend tts-large 4h` & read the runbook (https://example.com/run).",
        "Stops 22 Nov 10:30 UTC.",
        "Cost so far                           Rate",
        "$439.15                               $21.96 / h",
        "a*b*c",
        "-" * 76,
        "· Rule `trainers` in #ml-alerts",
        "[ Extend 4 h ]",
    ]


@pytest.mark.parametrize(
    ("mrkdwn", "text"),
    [
        ("*bold* _slanted_ ~struck~", "bold slanted struck"),
        ("a_b_c 2*3*4", "a_b_c 2*3*4"),
        ("`*kept*`", "`*kept*`"),
        ("*p4d.24xlarge*: `i-1`", "p4d.24xlarge: `i-1`"),
        ("<@U0OTHER> <!here> <https://example.com>", "@U0OTHER @here https://example.com"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
    ],
)
def test_a_message_without_blocks_is_its_text(slack: SlackEndpoint, mrkdwn: str, text: str) -> None:
    web(slack).chat_postMessage(channel="#ml-alerts", text=mrkdwn)
    assert render_text(slack.messages[0]) == text


def test_groups_and_channels_are_called_by_their_names(slack: SlackEndpoint) -> None:
    group = slack.people.add_group("@risk-leads")
    web(slack).chat_postMessage(channel="#ml-alerts", text=f"<!subteam^{group.id}> may decide, <!subteam^S0OTHER> not")
    channel = slack.messages[0].channel_id
    web(slack).chat_postMessage(channel="#ml-alerts", text=f"ask in <#{channel}>")
    assert [slack.render(each) for each in slack.messages] == [
        "@risk-leads may decide, @S0OTHER not",
        "ask in #ml-alerts",
    ]


def test_fields_too_long_for_a_column_stand_one_below_the_other(slack: SlackEndpoint) -> None:
    long = "arn:aws:sagemaker:us-east-1:123456789012:training-job/x"
    both = [{"type": "plain_text", "text": long}, {"type": "plain_text", "text": "right"}]
    web(slack).chat_postMessage(channel="#ml-alerts", text="x", blocks=[{"type": "section", "fields": both}])
    assert slack.render(slack.messages[0]).split("\n") == [long, "right"]
