"""The channels that the local Slack lists: those that somebody added. It takes posts to others, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from demo.slack_limits import SlackRefusal
from demo.slack_people import stable_id

_LARGEST_PAGE: Final = 999
_SCOPES: Final = {"public_channel": "channels:read", "private_channel": "groups:read"}


@dataclass(frozen=True)
class Channel:
    """`member`: whether the app is in it. Private ones without it are not listed."""

    name: str
    private: bool = False
    member: bool = False
    archived: bool = False

    @property
    def id(self) -> str:
        return stable_id("C", self.name)


class Channels:
    """`scopes`: what the app's token was granted; what it may list depends on them."""

    def __init__(self) -> None:
        self.scopes: list[str] = [
            "chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "usergroups:read",
            "channels:read", "groups:read",
        ]  # fmt: skip
        self._listed: list[Channel] = []

    def add(self, name: str, *, private: bool = False, member: bool = False, archived: bool = False) -> Channel:
        """One more; `name` without its #."""
        channel = Channel(name, private=private, member=member, archived=archived)
        self._listed.append(channel)
        return channel

    def list(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """conversations.list"""
        types = str(arguments.get("types") or "public_channel").split(",")
        if unknown := [each for each in types if each not in _SCOPES]:
            raise SlackRefusal("invalid_types", unknown[0])
        if any(_SCOPES[each] not in self.scopes for each in types):
            raise SlackRefusal("missing_scope")
        limit, start = int(arguments.get("limit") or 100), int(arguments.get("cursor") or 0)
        if not 1 <= limit <= _LARGEST_PAGE:
            raise SlackRefusal("invalid_limit")
        seen = [
            each
            for each in self._listed
            if ("private_channel" if each.private else "public_channel") in types and (each.member or not each.private)
        ]
        end = start + limit
        page = [
            {
                "id": each.id,
                "name": each.name,
                "is_channel": True,
                "is_private": each.private,
                "is_member": each.member,
                "is_archived": each.archived,
            }
            for each in seen[start:end]
        ]
        return {"channels": page, "response_metadata": {"next_cursor": str(end) if end < len(seen) else ""}}
