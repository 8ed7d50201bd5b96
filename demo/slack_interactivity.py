"""Clicks, from the page and from tests alike: looked up in the message, made a payload, signed and sent to the app."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from typing import Any

from demo.slack_clicks import (
    SAID,
    Delivery,
    SlackClickError,
    Values,
    action_of,
    find_element,
    form_body,
    payload_of,
    send,
    signed,
    state_of,
    values_of,
)
from demo.slack_messages import SlackMessage
from demo.slack_workspace import SlackWorkspace

_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
    "Accept": "application/json,*/*",
}


class Interactivity:
    """`url` and `signing_secret` may be changed at any time. `deliveries`: every request to the app, as they ended."""

    def __init__(self, workspace: SlackWorkspace, *, url: str, signing_secret: str) -> None:
        self.url = url
        self.signing_secret = signing_secret
        self.deliveries: list[Delivery] = []
        self._workspace = workspace
        self._numbers = itertools.count(1)

    def click(
        self,
        message: SlackMessage,
        action_id: str,
        *,
        user: str,
        inputs: Mapping[str, str] | None = None,
        option: str | None = None,
        block_id: str = "",
    ) -> Delivery:
        """See SlackEndpoint.click."""
        shown = self._workspace.find(message.channel_id, message.ts)
        return self._use(shown, action_id, block_id, user=user, option=option, values=values_of(shown, inputs or {}))

    def from_page(self, click: Mapping[str, Any]) -> dict[str, Any]:
        """A click as the page sends it; what the page then shows. Raises SlackClickError, KeyError or TypeError."""
        message = self._workspace.find(str(click["channel"]), str(click["ts"]))
        values = {(str(each["block_id"]), str(each["action_id"])): str(each["value"]) for each in click["inputs"]}
        option = str(click["option"]) if "option" in click else None
        action_id, block_id, user = (str(click[name]) for name in ("action_id", "block_id", "user"))
        done = self._use(message, action_id, block_id, user=user, option=option, values=values)
        return {"ok": done.ok, "error": SAID.get(done.error, "")}

    def redeliver(self, delivery: Delivery, *, number: int, reason: str) -> Delivery:
        """See SlackEndpoint.redeliver."""
        more = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        return self._deliver(delivery.payload, delivery.body, more, number)

    def _use(
        self, message: SlackMessage, action_id: str, block_id: str, *, user: str, option: str | None, values: Values
    ) -> Delivery:
        workspace, installation = self._workspace, self._workspace.installation
        person = workspace.person(user)
        if person.deleted:
            raise SlackClickError(f"{person.name} is deactivated")
        if message.only_for not in (None, person.id) or message.to not in (None, person.email):
            raise SlackClickError(f"{person.name} does not see that message")
        element = find_element(message, action_id, block_id)
        if option is not None:
            values = {**values, (element.block_id, element.action_id): option}
        number = next(self._numbers)
        at = int(workspace.clock().timestamp())
        state = state_of(message, values)
        known_name = workspace.channel_names.get(message.channel_id, message.channel)
        payload = payload_of(
            installation,
            message,
            person,
            action_of(element, state, f"{at}.{number:06d}"),
            state,
            channel_name="directmessage" if message.to else known_name,
            trigger_id=f"{at}{number:03d}.{number}.{secrets.token_hex(16)}",
            response_url=f"https://hooks.slack.com/actions/{installation.team_id}/{number}/{secrets.token_urlsafe(18)}",
        )
        return self._deliver(payload, form_body(payload), {}, 0)

    def _deliver(self, payload: Mapping[str, Any], body: bytes, more: Mapping[str, str], number: int) -> Delivery:
        timestamp = int(self._workspace.clock().timestamp())
        headers = {**_HEADERS, **signed(self.signing_secret, timestamp, body), **more}
        status, error = send(self.url, body, headers)
        delivery = Delivery(payload, body, headers, status, error, number)
        self.deliveries.append(delivery)
        return delivery
