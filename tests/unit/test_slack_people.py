"""People, groups, ephemeral messages and updates of the local Slack, through slack_sdk's own WebClient."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.support.approval_card import approval_blocks, section

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DANA, RAVI = "dana.lopez@example.com", "ravi@example.com"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SlackEndpoint]:
    with SlackEndpoint(users={DANA: "U0DANA", RAVI: "U0RAVI"}, clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def slack(endpoint: SlackEndpoint) -> SlackEndpoint:
    endpoint.reset()
    return endpoint


@pytest.fixture
def web(slack: SlackEndpoint) -> WebClient:
    return WebClient(token=DEFAULT_TOKEN, base_url=slack.base_url, timeout=5, retry_handlers=[])


def refused(error: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(error.value.response["error"])


# --- people and groups ---------------------------------------------------------------------------------


def test_a_person_is_described_as_slack_does(slack: SlackEndpoint, web: WebClient) -> None:
    user = web.users_info(user="U0DANA")["user"]
    assert (user["id"], user["name"], user["real_name"], user["deleted"]) == (
        "U0DANA",
        "dana.lopez",
        "Dana Lopez",
        False,
    )
    assert user["profile"]["email"] == DANA
    assert user["team_id"] == slack.installation.team_id
    assert web.users_lookupByEmail(email=DANA)["user"] == user


def test_who_was_deactivated_is_said_to_be_so_and_found_by_id_alone(slack: SlackEndpoint, web: WebClient) -> None:
    slack.people.deleted.add("U0DANA")
    assert web.users_info(user="U0DANA")["user"]["deleted"] is True
    with pytest.raises(SlackApiError) as error:
        web.users_lookupByEmail(email=DANA)
    assert refused(error) == "users_not_found"
    with pytest.raises(SlackApiError) as error:
        web.conversations_open(users="U0DANA")
    assert refused(error) == "user_disabled"


def test_nobody_is_found_by_what_is_no_id(web: WebClient) -> None:
    for user in ("U0NOBODY", DANA, ""):
        with pytest.raises(SlackApiError) as error:
            web.users_info(user=user)
        assert refused(error) == "user_not_found"


def test_groups_are_listed_with_their_members(slack: SlackEndpoint, web: WebClient) -> None:
    group = slack.people.add_group("@risk-leads", [RAVI, "U0DANA"])
    (plain,) = web.usergroups_list()["usergroups"]
    assert (plain["id"], plain["handle"], plain["user_count"], plain["date_delete"]) == (group.id, "risk-leads", 2, 0)
    assert "users" not in plain
    (full,) = web.usergroups_list(include_users=True)["usergroups"]
    assert full["users"] == ["U0RAVI", "U0DANA"]
    assert web.usergroups_users_list(usergroup=group.id)["users"] == ["U0RAVI", "U0DANA"]


def test_an_empty_group_has_nobody_and_a_disabled_or_unknown_one_is_not_found(
    slack: SlackEndpoint, web: WebClient
) -> None:
    empty = slack.people.add_group("@nobody")
    assert web.usergroups_users_list(usergroup=empty.id)["users"] == []
    empty.disabled = True
    assert web.usergroups_list()["usergroups"] == []
    (listed,) = web.usergroups_list(include_disabled=True)["usergroups"]
    assert listed["date_delete"] > 0
    for unknown in (empty.id, "S0NOWHERE"):
        with pytest.raises(SlackApiError) as error:
            web.usergroups_users_list(usergroup=unknown)
        assert refused(error) == "no_such_subteam"


def test_a_method_can_be_refused_until_it_is_allowed_again(slack: SlackEndpoint, web: WebClient) -> None:
    group = slack.people.add_group("@risk-leads", [RAVI])
    slack.refusals["usergroups.users.list"] = "missing_scope"
    with pytest.raises(SlackApiError) as error:
        web.usergroups_users_list(usergroup=group.id)
    assert refused(error) == "missing_scope"
    del slack.refusals["usergroups.users.list"]
    assert web.usergroups_users_list(usergroup=group.id)["users"] == ["U0RAVI"]


def test_auth_test_says_which_app_in_which_workspace(slack: SlackEndpoint, web: WebClient) -> None:
    answer = web.auth_test()
    assert answer["team_id"] == slack.installation.team_id
    assert (answer["user_id"], answer["bot_id"]) == (slack.installation.bot_user_id, slack.installation.bot_id)


# --- messages ------------------------------------------------------------------------------------------


def test_an_ephemeral_message_is_for_one_person_and_is_never_found_again(slack: SlackEndpoint, web: WebClient) -> None:
    answer = web.chat_postEphemeral(channel="#ml", user="U0RAVI", text="only you")
    (message,) = slack.ephemerals
    assert slack.messages == []
    assert (message.only_for, message.ts, message.text) == ("U0RAVI", answer["message_ts"], "only you")
    with pytest.raises(SlackApiError) as error:
        web.chat_update(channel=message.channel_id, ts=message.ts, text="changed")
    assert refused(error) == "message_not_found"


@pytest.mark.parametrize(("channel", "user"), [("#ml", "U0NOBODY"), ("#ml", "U0GONE"), ("U0DANA", "U0RAVI")])
def test_nobody_is_told_privately_where_they_are_not(
    slack: SlackEndpoint, web: WebClient, channel: str, user: str
) -> None:
    slack.users["gone@example.com"] = "U0GONE"
    slack.people.deleted.add("U0GONE")
    with pytest.raises(SlackApiError) as error:
        web.chat_postEphemeral(channel=channel, user=user, text="x")
    del slack.users["gone@example.com"]
    assert refused(error) == "user_not_in_channel"
    assert slack.ephemerals == []


def test_a_deleted_message_cannot_be_updated(slack: SlackEndpoint, web: WebClient) -> None:
    posted = web.chat_postMessage(channel="#ml", text="x", blocks=approval_blocks())
    slack.delete(slack.messages[0])
    with pytest.raises(SlackApiError) as error:
        web.chat_update(channel=posted["channel"], ts=posted["ts"], text="y")
    assert refused(error) == "message_not_found"


@pytest.mark.parametrize(
    ("sent", "text", "is_kept", "is_marked"),
    [
        ({"text": "new"}, "new", False, True),
        ({"text": "new", "blocks": []}, "new", False, True),
        ({"text": "new", "blocks": [section("new")]}, "new", True, False),
        ({"blocks": [section("new")]}, "", True, False),
        ({"metadata": {}}, "", True, False),
    ],
)
def test_an_update_keeps_blocks_only_where_it_brings_no_text_and_marks_only_texts_as_edited(
    slack: SlackEndpoint, web: WebClient, sent: dict[str, Any], text: str, is_kept: bool, is_marked: bool
) -> None:
    posted = web.chat_postMessage(channel="#ml", text="old", blocks=[section("old")])
    web.api_call("chat.update", json={"channel": posted["channel"], "ts": posted["ts"], **sent})
    (message,) = slack.messages
    assert (message.text, bool(message.blocks), message.is_marked_edited) == (text, is_kept, is_marked)
    assert message.edited_at == NOW


def test_an_answer_joins_its_thread_and_a_thread_that_is_no_ts_is_refused(slack: SlackEndpoint, web: WebClient) -> None:
    parent = web.chat_postMessage(channel="#ml", text="parent")
    web.chat_postMessage(channel=parent["channel"], text="answer", thread_ts=parent["ts"])
    assert [each.text for each in slack.thread_of(slack.messages[0])] == ["answer"]
    with pytest.raises(SlackApiError) as error:
        web.chat_postMessage(channel="#ml", text="x", thread_ts="yesterday")
    assert refused(error) == "invalid_thread_ts"


def test_slack_gives_back_the_ids_that_the_sender_left_out_the_same_ones_each_time(web: WebClient) -> None:
    blocks = [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "A"}}] * 2}]
    posted = web.chat_postMessage(channel="#ml", text="x", blocks=blocks)
    (block,) = posted["message"]["blocks"]
    first, second = block["elements"]
    assert block["block_id"]
    assert first["action_id"] != second["action_id"]
    assert first["text"] == {"type": "plain_text", "text": "A", "emoji": True}
    again = web.chat_update(channel=posted["channel"], ts=posted["ts"], text="x", blocks=blocks)
    assert again["message"]["blocks"] == [block]


# --- strangers on the wire -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": "evil.example:80"}],
)
@pytest.mark.parametrize("path", ["", "messages.json", "api/chat.postMessage?channel=C0A&text=x&token=xoxb-embedded"])
def test_nothing_is_answered_to_a_foreign_page_or_under_another_name(
    slack: SlackEndpoint, headers: dict[str, str], path: str
) -> None:
    request = urllib.request.Request(slack.page_url + path, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=5)
    assert error.value.code == 403
    error.value.close()
    assert slack.messages == []
