"""Slack's Web API through slack-sdk: find the person, post a card."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from costwatch.adapters.aws_errors import translated
from costwatch.core.cards import Card
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient
    from slack_sdk import WebClient

_USER_ID = re.compile(r"[UW][A-Z0-9]{6,}")
_TIMEOUT_SECONDS = 10
# A name in a card is no link, no mention and no preview, however much it looks like one.
_MESSAGE = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
_TRANSIENT = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})


class Slack:
    """Posts with a bot token that is read once, on first use. Raises AwsError when Slack takes nothing."""

    def __init__(self, token: Callable[[], str], *, api_url: str = "") -> None:
        self._token = token
        self._api_url = api_url
        self._made: WebClient | None = None

    def post(self, channel: str, card: Card) -> str:
        """Post a card; returns the message's `ts` when Slack answered ok."""
        answer = self._call("chat_postMessage", channel=channel, text=card.text, blocks=card.blocks, **_MESSAGE)
        return str(answer["ts"])

    def user_id(self, owner: str) -> str | None:
        """The Slack user for an owner tag: a user id, or an e-mail address; None: nobody found."""
        if _USER_ID.fullmatch(owner):
            return owner
        if "@" not in owner:
            return None
        try:
            answer = self._call("users_lookupByEmail", email=owner)
        except PermanentAwsError:
            return None
        return str(answer["user"]["id"])

    def _call(self, method: str, **arguments: Any) -> Any:
        # slack_sdk takes 94 ms to import: only a sweep that has something to say pays for it.
        from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415

        try:
            return getattr(self._client(), method)(**arguments)
        except SlackApiError as error:
            code = _code(error.response)
            kind = TransientAwsError if code in _TRANSIENT or _server_failed(error.response) else PermanentAwsError
            raise kind(f"slack:{method}: {code or error}", code=code, operation=method) from error
        except (SlackClientError, HTTPException, OSError, ValueError) as error:
            raise TransientAwsError(f"slack:{method}: {error}", operation=method) from error

    def _client(self) -> WebClient:
        from slack_sdk import WebClient  # noqa: PLC0415 - see _call
        from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler  # noqa: PLC0415

        if self._made is None:
            url = self._api_url or WebClient.BASE_URL
            client = WebClient(token=self._token(), base_url=url, timeout=_TIMEOUT_SECONDS)
            client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=2))
            self._made = client
        return self._made


def _code(response: Any) -> str:
    """Slack's own error code; empty when the answer was no JSON (a proxy's page, an outage)."""
    return str(response.get("error") or "") if response is not None else ""


def _server_failed(response: Any) -> bool:
    """slack_sdk hands over its response object, or a plain mapping when the body could not be parsed."""
    status = getattr(response, "status_code", None) or (response.get("status") if isinstance(response, dict) else None)
    return isinstance(status, int) and status >= 500


def token_from_parameter(client: SSMClient, name: str) -> Callable[[], str]:
    """Reads the SecureString parameter `name` when called. Raises PermanentAwsError when it is absent."""

    def read() -> str:
        try:
            with translated("ssm:GetParameter"):
                answer = client.get_parameter(Name=name, WithDecryption=True)
        except AwsError as error:
            raise type(error)(f"Slack token: {error}", code=error.code, operation=error.operation) from error
        return answer["Parameter"]["Value"]

    return read
