"""The page of the local Slack: what it received, as Slack shows it. One file, nothing is fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from demo.slack_cards import Part, parts
from demo.slack_mrkdwn import Names

_HERE: Final = Path(__file__).parent
_AVATARS: Final = 6  # colours for people, in page.css


class Received(Protocol):
    """A message as the endpoint keeps it."""

    @property
    def number(self) -> int:
        """Counts from 1."""

    @property
    def ts(self) -> str:
        """Slack's id of the message in its channel."""

    @property
    def channel(self) -> str:
        """As the sender named it."""

    @property
    def channel_id(self) -> str:
        """C... or, for a direct message, D..."""

    @property
    def to(self) -> str | None:
        """A direct message's reader, by e-mail."""

    @property
    def text(self) -> str:
        """What a phone pushes."""

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """Block Kit."""

    @property
    def thread_ts(self) -> str | None:
        """The ts of the message this one answers."""

    @property
    def at(self) -> datetime:
        """When it was posted, aware."""

    @property
    def edited_at(self) -> datetime | None:
        """When it was changed last, aware."""


@dataclass(frozen=True)
class Conversation:
    """A channel or the direct messages to one person. `colour` picks an avatar's."""

    id: str
    name: str
    is_person: bool
    count: int
    colour: int


@dataclass
class Entry:
    """One message with its answers."""

    message: Received
    conversation: Conversation
    parts: list[Part]
    is_answer: bool = False
    answers: list[Entry] = field(default_factory=list)


def page(messages: Iterable[Received], users: Mapping[str, str], *, now: datetime, live: bool) -> str:
    """The whole page. `users`: e-mail -> user id. `now`: the sender's clock, what *today* in a date means.

    `live`: it asks its server for what came since.
    """
    files = {name: (_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")}
    template = _templates().get_template("page.html")
    return template.render(
        **_view(messages, users, now),
        live=live,
        # From our own two files, never from a message; `</` would end the element.
        css=Markup(files["page.css"]),
        js=Markup(files["page.js"]),
        policy=_content_policy(css=files["page.css"], js=files["page.js"]),
    )


def update(messages: Iterable[Received], users: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """What a page that is open replaces: its list of conversations and its messages, and their `version`."""
    view = _view(messages, users, now)
    return {
        "version": view["version"],
        "now": int(now.timestamp()),
        "sidebar": _templates().get_template("sidebar.html").render(**view),
        "stream": _templates().get_template("stream.html").render(**view),
    }


def version(messages: Sequence[Received]) -> str:
    """Another text as soon as a message came or was changed."""
    edited = max((each.edited_at.timestamp() for each in messages if each.edited_at), default=0)
    changed = sum(1 for each in messages if each.edited_at)
    return f"{messages[0].number if messages else 0}-{len(messages)}-{changed}-{edited:.0f}"


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )


def _content_policy(*, css: str, js: str) -> str:
    """Only these two texts may style and run, and only this server may be asked, whatever a message holds."""
    return (
        f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(js)}'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _view(messages: Iterable[Received], users: Mapping[str, str], now: datetime) -> dict[str, Any]:
    kept = list(messages)
    conversations = _conversations(kept)
    channels = {each.id: each.name for each in conversations.values() if not each.is_person}
    names = Names({ident: email.partition("@")[0] for email, ident in users.items()}, channels)
    entries: list[Entry] = []
    parents: dict[tuple[str, str], Entry] = {}
    for message in kept:
        entry = Entry(message, conversations[message.channel_id], parts(message, names))
        parent = parents.get((message.channel_id, message.thread_ts or ""))
        if parent is not None:
            entry.is_answer = True
            parent.answers.append(entry)
        else:
            entries.append(entry)
        parents[message.channel_id, message.ts] = parent or entry  # an answer to an answer joins the same thread
    return {
        "version": version(kept),
        "now": int(now.timestamp()),
        "count": len(kept),
        "channels": sorted((each for each in conversations.values() if not each.is_person), key=lambda c: c.name),
        "people": sorted((each for each in conversations.values() if each.is_person), key=lambda c: c.name),
        "entries": entries,
    }


def _conversations(messages: Sequence[Received]) -> dict[str, Conversation]:
    named = {each.channel_id: (each.to or each.channel.removeprefix("#"), each.to is not None) for each in messages}
    return {
        ident: Conversation(
            id=ident,
            name=name.partition("@")[0] if is_person else name,
            is_person=is_person,
            count=sum(1 for each in messages if each.channel_id == ident),
            colour=sum(name.encode()) % _AVATARS,
        )
        for ident, (name, is_person) in named.items()
    }
