"""The page of the local Slack: what it received, as Slack shows it, to whoever reads it. One file, nothing is fetched
from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from demo.slack_cards import Part, parts
from demo.slack_messages import SlackMessage
from demo.slack_mrkdwn import Names
from demo.slack_people import Person

_HERE: Final = Path(__file__).parent
_AVATARS: Final = 6  # colours for people, in page.css
_SCRIPTS: Final = ("dates.js", "clicks.js", "page.js")  # in this order


@dataclass(frozen=True)
class Scene:
    """What is to be shown. `viewer`: as whom; None shows everybody's messages, and nobody can click.

    `groups`: user group id -> handle. `channels`: channel id -> name, as far as known. `version`: another text as soon
    as something changed. `now`: the sender's clock, what *today* in a date means.
    """

    messages: Sequence[SlackMessage]
    people: Sequence[Person]
    viewer: Person | None
    groups: Mapping[str, str]
    channels: Mapping[str, str]
    version: str
    now: datetime


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

    message: SlackMessage
    conversation: Conversation
    parts: list[Part]
    is_answer: bool = False
    answers: list[Entry] = field(default_factory=list)


def page(scene: Scene, *, live: bool, token: str) -> str:
    """The whole page. `live`: it asks its server for what came since, and sends clicks with `token`."""
    css = (_HERE / "page.css").read_text(encoding="utf-8")
    js = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return (
        _templates()
        .get_template("page.html")
        .render(
            **_view(scene),
            live=live,
            token=token,
            # From our own files, never from a message; `</` would end the element.
            css=Markup(css),
            js=Markup(js),
            policy=_content_policy(css=css, js=js),
        )
    )


def update(scene: Scene) -> dict[str, Any]:
    """What a page that is open replaces: its list of conversations and its messages, and their `version`."""
    view = _view(scene)
    return {
        "version": scene.version,
        "now": int(scene.now.timestamp()),
        "sidebar": _templates().get_template("sidebar.html").render(**view),
        "stream": _templates().get_template("stream.html").render(**view),
    }


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


def _is_seen(message: SlackMessage, viewer: Person | None) -> bool:
    """An ephemeral message by one person alone, a direct one by its reader, and both are never looked at for them."""
    if viewer is None:
        return message.only_for is None
    return message.only_for in (None, viewer.id) and message.to in (None, viewer.email)


def _view(scene: Scene) -> dict[str, Any]:
    kept = [each for each in scene.messages if _is_seen(each, scene.viewer)]
    conversations = _conversations(kept, scene.channels)
    channels = dict(scene.channels) | {each.id: each.name for each in conversations.values() if not each.is_person}
    names = Names({each.id: each.name for each in scene.people}, channels, scene.groups)
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
        "version": scene.version,
        "now": int(scene.now.timestamp()),
        "count": len(kept),
        "channels": sorted((each for each in conversations.values() if not each.is_person), key=lambda c: c.name),
        "direct": sorted((each for each in conversations.values() if each.is_person), key=lambda c: c.name),
        "entries": entries,
        "people": [each for each in scene.people if not each.deleted],
        "viewer": scene.viewer,
    }


def _conversations(messages: Sequence[SlackMessage], channels: Mapping[str, str]) -> dict[str, Conversation]:
    named = {
        each.channel_id: (each.to or channels.get(each.channel_id, each.channel), each.to is not None)
        for each in messages
    }
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
