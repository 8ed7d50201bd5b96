"""What a Slack app is and may, as Slack says of its token. Nothing is posted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from costwatch.adapters.slack import Slack
from costwatch.errors import PermanentAwsError

PUBLIC_SCOPE: Final = "channels:read"
PRIVATE_SCOPE: Final = "groups:read"
_TYPES: Final = {PUBLIC_SCOPE: "public_channel", PRIVATE_SCOPE: "private_channel"}
_PAGE: Final = 999
_MOST_PAGES: Final = 50


@dataclass(frozen=True, slots=True)
class App:
    """`scopes`: what the token was granted; None: Slack did not say. `organisation_id`: empty outside of Enterprise."""

    team: str
    bot: str
    scopes: frozenset[str] | None
    team_id: str = ""
    organisation_id: str = ""
    bot_id: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """One that the app can see. It sees private channels only where it is a member."""

    id: str
    name: str
    private: bool
    member: bool
    archived: bool


class SlackApp(Slack):
    """Raises AwsError, as Slack does."""

    def app(self) -> App:
        """Whose token it is."""
        answer = self._call("auth_test")
        return App(
            team=str(answer.get("team", "")),
            bot=str(answer.get("user", "")),
            scopes=_scopes(answer),
            team_id=str(answer.get("team_id") or ""),
            organisation_id=str(answer.get("enterprise_id") or ""),
            bot_id=str(answer.get("bot_id") or ""),
        )

    def app_id(self, bot_id: str) -> str:
        """Of the app that a bot belongs to; it needs the scope users:read."""
        return str(self._call("bots_info", bot=bot_id)["bot"].get("app_id") or "")

    def channels(self, wanted: Collection[str], scopes: Collection[str]) -> dict[str, Channel]:
        """Those of `wanted` (`#name` or id) that the app sees, by what they are called there.

        `scopes` says which kinds may be listed. Raises PermanentAwsError where a workspace has more channels than are
        looked through.
        """
        found: dict[str, Channel] = {}
        for channel in self._listed(",".join(kind for scope, kind in _TYPES.items() if scope in scopes)):
            found |= {name: channel for name in (f"#{channel.name}", channel.id) if name in wanted}
            if len(found) == len(set(wanted)):
                break
        return found

    def _listed(self, types: str) -> Iterator[Channel]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            more = {"cursor": cursor} if cursor else {}
            answer = self._call("conversations_list", types=types, limit=_PAGE, **more)
            for each in answer["channels"]:
                yield Channel(
                    id=str(each["id"]),
                    name=str(each.get("name", "")),
                    private=bool(each.get("is_private")),
                    member=bool(each.get("is_member")),
                    archived=bool(each.get("is_archived")),
                )
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return
        raise PermanentAwsError(
            f"slack:conversations_list: more than {_PAGE * _MOST_PAGES:,} channels", operation="conversations_list"
        )


def _scopes(answer: Any) -> frozenset[str] | None:
    """From the answer's header, whose case depends on who sent it on."""
    said = next((value for name, value in answer.headers.items() if name.lower() == "x-oauth-scopes"), None)
    return frozenset(scope.strip() for scope in str(said).split(",") if scope.strip()) if said is not None else None
