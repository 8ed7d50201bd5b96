"""What the local Slack knows, and what its Web API answers, without a network: messages, people, refusals."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from demo.slack_channels import Channels
from demo.slack_clicks import Installation, SlackClickError, as_slack_shows
from demo.slack_http import DroppedConnection
from demo.slack_limits import SlackRefusal, check_message
from demo.slack_messages import SlackMessage
from demo.slack_people import People, Person, stable_id

_ID = re.compile(r"[CGDU][A-Z0-9]{2,}")  # channel names are lower case, ids are not
_TS = re.compile(r"\d+\.\d+")


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


class SlackWorkspace:
    """Everything may be changed at any time, from any thread: `users` (email -> user id), `people` (titles, deactivated
    people, user groups), `channels` (what is listed, the app's scopes), `unknown_channels`, `refusals` (method -> the
    error it answers with until that is removed). Any other channel exists.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | Iterable[str],
        token: str,
        installation: Installation,
        clock: Callable[[], datetime],
    ) -> None:
        self.installation = installation
        self.people = People(installation.team_id, users)
        self.users = self.people.users
        self.channels = Channels()
        self.token = token
        self.clock = clock
        self.unknown_channels: set[str] = set()
        self.refusals: dict[str, str] = {}
        self.messages: list[SlackMessage] = []  # those that all of their channel see
        self.ephemerals: list[SlackMessage] = []  # those that one person sees
        self.channel_names: dict[str, str] = {}  # by id, as far as somebody named them
        self.calls: list[str] = []  # every method that was called, refused ones too
        self.drops_after_accept = 0
        self.revision = 0  # another number whenever a message came, changed or went
        self._lock = threading.RLock()
        self._sequence = itertools.count(1)

    # --- what is there ---------------------------------------------------------------------------------

    def everything(self) -> list[SlackMessage]:
        """All messages, ephemeral ones too, in the order in which they came."""
        with self._lock:
            return sorted([*self.messages, *self.ephemerals], key=lambda each: each.number)

    def to(self, address: str) -> list[SlackMessage]:
        """The messages to a channel (as the caller named it, or its id) or to a person (email)."""
        return [each for each in self.messages if address in (each.channel, each.channel_id, each.to)]

    def thread_of(self, message: SlackMessage) -> list[SlackMessage]:
        """The answers to a message."""
        return [each for each in self.messages if (each.channel_id, each.thread_ts) == (message.channel_id, message.ts)]

    def find(self, channel_id: str, ts: str) -> SlackMessage:
        """The message as it stands now. Raises SlackClickError when it is not there any more."""
        for each in self.everything():
            if (each.channel_id, each.ts) == (channel_id, ts):
                return each
        raise SlackClickError("the message is deleted")

    def person(self, user: str) -> Person:
        """By email or id. Raises SlackClickError."""
        person = self.people.find(user)
        if person is None:
            raise SlackClickError(f"nobody here is called {user!r}")
        return person

    def delete(self, message: SlackMessage) -> None:
        """Somebody deletes a message: updating it answers message_not_found."""
        with self._lock:
            for kept in (self.messages, self.ephemerals):
                kept[:] = [each for each in kept if (each.channel_id, each.ts) != (message.channel_id, message.ts)]
            self.revision += 1

    def forget(self) -> None:
        """No message, no call, nobody deactivated, no group, no refusal."""
        with self._lock:
            self.messages.clear()
            self.ephemerals.clear()
            self.calls.clear()
            self.unknown_channels.clear()
            self.refusals.clear()
            self.people.deleted.clear()
            self.people.groups.clear()
            self.drops_after_accept = 0
            self.revision += 1

    # --- the methods -----------------------------------------------------------------------------------

    @property
    def granted_scopes(self) -> str:
        """As the header of each answer says them."""
        return ",".join(self.channels.scopes)

    def answer(self, method: str, token: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One call, already parsed; the JSON body Slack would send."""
        with self._lock:
            self.calls.append(method)
            try:
                return {"ok": True, **self._method(method, token)(arguments)}
            except SlackRefusal as refused:
                body: dict[str, Any] = {"ok": False, "error": refused.error}
                if refused.messages:
                    body["response_metadata"] = {"messages": list(refused.messages)}
                return body

    def _method(self, name: str, token: str | None) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        known = {
            "auth.test": self._auth_test,
            "bots.info": self._bot_info,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.list": self.channels.list,
            "conversations.open": self._open,
            "usergroups.list": self.people.list_groups,
            "usergroups.users.list": self.people.list_group_members,
            "users.info": self.people.info,
            "users.lookupByEmail": self.people.lookup_by_email,
        }
        if name not in known:
            raise SlackRefusal("unknown_method")
        if not token:
            raise SlackRefusal("not_authed")
        if token != self.token:
            raise SlackRefusal("invalid_auth")
        if name in self.refusals:
            raise SlackRefusal(self.refusals[name])
        return known[name]

    def _auth_test(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        at = self.installation
        bot = {"user": at.bot_name, "user_id": at.bot_user_id, "bot_id": at.bot_id}
        team = {"url": f"https://{at.domain}.slack.com/", "team": at.domain.capitalize(), "team_id": at.team_id}
        return {**team, **bot, "is_enterprise_install": False}

    def _bot_info(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        at = self.installation
        if "users:read" not in self.channels.scopes:
            raise SlackRefusal("missing_scope")
        if arguments.get("bot") != at.bot_id:
            raise SlackRefusal("bot_not_found")
        ids = {"id": at.bot_id, "app_id": at.app_id, "user_id": at.bot_user_id}
        return {"bot": {**ids, "name": at.bot_name, "deleted": False}}

    def _open(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        user = str(arguments.get("users", ""))
        if not user:
            raise SlackRefusal("users_list_not_supplied")
        if self.people.email_of(user) is None:
            raise SlackRefusal("user_not_found")
        if user in self.people.deleted:
            raise SlackRefusal("user_disabled")
        return {"channel": {"id": stable_id("D", user)}}

    def _resolve(self, channel: str) -> tuple[str, str | None]:
        """Channel id and, for a direct message, the person's email."""
        if not channel or channel in self.unknown_channels or channel.removeprefix("#") in self.unknown_channels:
            raise SlackRefusal("channel_not_found")
        if _ID.fullmatch(channel) and channel[0] in "DU":
            for email, user_id in self.users.items():
                if channel in (user_id, stable_id("D", user_id)):
                    return stable_id("D", user_id), email
            raise SlackRefusal("channel_not_found")
        if _ID.fullmatch(channel):
            return channel, None
        name = channel.removeprefix("#")
        channel_id = stable_id("C", name)
        self.channel_names[channel_id] = name
        return channel_id, None

    def _written(self, arguments: Mapping[str, Any]) -> SlackMessage:
        """The message that these arguments make. Raises SlackRefusal."""
        channel = str(arguments.get("channel", ""))
        channel_id, to = self._resolve(channel)
        text, blocks = _content(arguments)
        thread_ts = str(arguments.get("thread_ts") or "")
        if thread_ts and not _TS.fullmatch(thread_ts):
            raise SlackRefusal("invalid_thread_ts")
        number = next(self._sequence)
        at = self.clock()
        self.revision += 1
        return SlackMessage(
            number=number,
            ts=f"{int(at.timestamp())}.{number:06d}",
            channel=channel,
            channel_id=channel_id,
            to=to,
            text=text,
            blocks=blocks,
            thread_ts=thread_ts or None,
            at=at,
            metadata=_parsed(arguments.get("metadata"), "invalid_metadata_format") or {},
        )

    def _post_message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        message = self._written(arguments)
        self.messages.append(message)
        self._maybe_drop()
        return self._shown(message)

    def _post_ephemeral(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        user = str(arguments.get("user", ""))
        email = self.people.email_of(user)
        _, to = self._resolve(str(arguments.get("channel", "")))
        if email is None or user in self.people.deleted or to not in (None, email):
            raise SlackRefusal("user_not_in_channel")
        message = replace(self._written(arguments), only_for=user)
        self.ephemerals.append(message)
        self._maybe_drop()
        return {"message_ts": message.ts}

    def _update(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel_id, _ = self._resolve(str(arguments.get("channel", "")))
        ts = str(arguments.get("ts", ""))
        for position, message in enumerate(self.messages):
            if message.ts == ts and message.channel_id == channel_id:
                keeps_blocks = arguments.get("text") is None and arguments.get("blocks") is None
                text, blocks = _content({**arguments, "blocks": message.blocks} if keeps_blocks else arguments)
                edited = replace(message, text=text, blocks=blocks, edited_at=self.clock())
                self.messages[position] = edited
                self.revision += 1
                self._maybe_drop()
                return self._shown(edited)
        raise SlackRefusal("message_not_found")

    def _shown(self, message: SlackMessage) -> dict[str, Any]:
        shown = as_slack_shows(self.installation, message)
        return {"channel": message.channel_id, "ts": message.ts, "text": message.text, "message": shown}

    def _maybe_drop(self) -> None:
        if self.drops_after_accept > 0:
            self.drops_after_accept -= 1
            raise DroppedConnection


def _content(arguments: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Text and blocks that Slack takes."""
    text = str(arguments.get("text") or "")
    blocks = _parsed(arguments.get("blocks"), "invalid_blocks_format") or []
    if not isinstance(blocks, list):
        raise SlackRefusal("invalid_blocks_format")
    check_message(text, blocks)
    return text, blocks


def _parsed(value: Any, error: str) -> Any:
    """What is JSON, or JSON as text, as form bodies carry it."""
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise SlackRefusal(error) from None
