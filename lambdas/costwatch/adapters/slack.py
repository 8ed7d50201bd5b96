"""Slack's Web API through slack-sdk: find the person, post a card."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from costwatch.adapters.aws_errors import translated
from costwatch.core.approvals import Post
from costwatch.core.cards import Card
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient
    from slack_sdk import WebClient

_USER_ID = re.compile(r"[UW][A-Z0-9]{6,}")
_TIMEOUT_SECONDS = 10
# A name in a card is no link, no mention and no preview, however much it looks like one.
_MESSAGE = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
_PATIENCE_SECONDS = 3
"""What one call may wait for in all, where Slack says how long; whoever is told to wait longer waits for a sweep."""
RATE_LIMITED = "ratelimited"
_NOBODY = frozenset({"users_not_found", "invalid_arguments", "invalid_arg_value"})
_TRANSIENT = frozenset({RATE_LIMITED, "internal_error", "fatal_error", "service_unavailable", "request_timeout"})


@dataclass(frozen=True, slots=True)
class Person:
    """`active`: the account was not switched off. `email`: empty where the app may not read it."""

    name: str
    active: bool
    email: str = ""


class Slack:
    """Posts with a bot token that is read once, on first use. Raises AwsError when Slack takes nothing."""

    def __init__(
        self, token: Callable[[], str], *, api_url: str = "", sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._token = token
        self._api_url = api_url
        self._sleep = sleep
        self._made: WebClient | None = None

    def post(self, channel: str, card: Card) -> str:
        """Post a card; returns the message's `ts` when Slack answered ok."""
        return self.post_at(channel, card).ts

    def post_at(self, channel: str, card: Card, thread_ts: str = "") -> Post:
        """Post a card, below another message where one is named; where it stands, by the channel's id."""
        options = {**_MESSAGE, "thread_ts": thread_ts} if thread_ts else _MESSAGE
        answer = self._call("chat_postMessage", channel=channel, text=card.text, blocks=card.blocks, **options)
        return Post(str(answer["channel"]), str(answer["ts"]))

    def update(self, post: Post, card: Card) -> None:
        """Put `card` in place of a message of ours."""
        self._call(
            "chat_update",
            channel=post.channel,
            ts=post.ts,
            text=card.text,
            blocks=card.blocks,
            parse="none",
            link_names=False,
        )

    def ephemeral(self, channel: str, user: str, text: str) -> None:
        """A sentence that one person sees, who is in the channel, until they leave it."""
        self._call("chat_postEphemeral", channel=channel, user=user, text=text, parse="none", link_names=False)

    def group_members(self, group: str) -> frozenset[str]:
        """Slack user ids of a user group, by `@handle` or id. Raises AwsError, also where no group is called so."""
        answer = self._call("usergroups_users_list", usergroup=self.group_id(group))
        return frozenset(str(user) for user in answer["users"])

    def group_id(self, group: str) -> str:
        """Id of a user group, by `@handle` or id. Raises AwsError where no group is called so."""
        if not group.startswith("@"):
            return group
        found = self._call("usergroups_list")["usergroups"]
        ids = [str(each["id"]) for each in found if each.get("handle") == group[1:] and not each.get("date_delete")]
        if not ids:
            raise PermanentAwsError(f"slack:usergroups_list: no user group is called {group}", code="no_such_subteam")
        return ids[0]

    def person(self, user: str) -> Person:
        """A member of the workspace, by user id."""
        found = self._call("users_info", user=user)["user"]
        profile = found.get("profile", {})
        name = profile.get("real_name") or found.get("real_name") or found.get("name") or user
        email = str(profile.get("email") or "")
        return Person(str(name), active=not found.get("deleted", False), email=email)

    def user_id(self, owner: str) -> str | None:
        """The Slack user for an owner tag: a user id, or an e-mail address; None: nobody found."""
        if _USER_ID.fullmatch(owner):
            return owner
        if "@" not in owner:
            return None
        try:
            answer = self._call("users_lookupByEmail", email=owner)
        except PermanentAwsError as error:
            if error.code not in _NOBODY:
                raise  # not to be allowed to look is not to have looked
            return None
        return str(answer["user"]["id"])

    def _call(self, method: str, **arguments: Any) -> Any:
        # slack_sdk takes 94 ms to import: only a sweep that has something to say pays for it.
        from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415

        waited = 0.0
        while True:
            try:
                return getattr(self._client(), method)(**arguments)
            except SlackApiError as error:
                code = _code(error.response)
                wait = _retry_after(error.response) if code == RATE_LIMITED else None
                if wait is None or waited + wait > _PATIENCE_SECONDS:
                    transient = code in _TRANSIENT or _server_failed(error.response)
                    kind = TransientAwsError if transient else PermanentAwsError
                    raise kind(f"slack:{method}: {code or error}", code=code, operation=method) from error
            except (SlackClientError, HTTPException, OSError, ValueError) as error:
                raise TransientAwsError(f"slack:{method}: {error}", operation=method) from error
            self._sleep(wait)
            waited += wait

    def _client(self) -> WebClient:
        from slack_sdk import WebClient  # noqa: PLC0415 - see _call

        if self._made is None:
            url = self._api_url or WebClient.BASE_URL
            self._made = WebClient(token=self._token(), base_url=url, timeout=_TIMEOUT_SECONDS)
        return self._made


def _code(response: Any) -> str:
    """Slack's own error code; empty when the answer was no JSON (a proxy's page, an outage)."""
    if _status(response) == 429:
        return RATE_LIMITED
    return str(response.get("error") or "") if response is not None else ""


def _server_failed(response: Any) -> bool:
    return _status(response) >= 500


def _status(response: Any) -> int:
    """slack_sdk hands over its response object, or a plain mapping when the body could not be parsed. 0: none."""
    status = getattr(response, "status_code", None) or (response.get("status") if isinstance(response, dict) else None)
    return status if isinstance(status, int) else 0


def _retry_after(response: Any) -> float | None:
    """Seconds, at least one: a wait of none would ask again and again. None: Slack does not say how long."""
    headers = getattr(response, "headers", None) or (response.get("headers") if isinstance(response, dict) else None)
    for name, value in (headers or {}).items():
        if name.lower() == "retry-after":
            said = value[0] if isinstance(value, list) else value
            return max(1.0, float(said)) if str(said).isdecimal() else None
    return None


def token_from_parameter(client: SSMClient, name: str, *, what: str = "Slack token") -> Callable[[], str]:
    """Reads the SecureString parameter `name` when called. Raises PermanentAwsError when it is absent."""

    def read() -> str:
        try:
            with translated("ssm:GetParameter"):
                answer = client.get_parameter(Name=name, WithDecryption=True)
        except AwsError as error:
            raise type(error)(f"{what}: {error}", code=error.code, operation=error.operation) from error
        return answer["Parameter"]["Value"]

    return read
