"""A message as Slack keeps it, and the elements of its blocks that people can use."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class SlackMessage:
    """One accepted message, as it stands now.

    `channel` is what the caller asked for, `to` the email of the person for a direct message. `number` counts accepted
    messages from 1; `at` and `edited_at` are the endpoint's clock, aware. `only_for`: the user id of the one person who
    sees an ephemeral message.
    """

    number: int
    ts: str
    channel: str
    channel_id: str
    to: str | None
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str | None
    at: datetime
    edited_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    only_for: str | None = None

    @property
    def is_marked_edited(self) -> bool:
        """Slack marks a changed text, and no changed blocks."""
        return self.edited_at is not None and not self.blocks


@dataclass(frozen=True)
class Element:
    """A button, a select or a text input, as `filled` left it; `is_input`: it stands in an input block.

    `dispatches`: using it is told at once, where the value of any other comes along with the next click.
    """

    block_id: str
    action_id: str
    kind: str
    spec: Mapping[str, Any]
    is_input: bool = False
    dispatches: bool = True

    @property
    def is_stateful(self) -> bool:
        """Whether it holds a value that comes along with a click."""
        return self.kind in ("static_select", "plain_text_input")


def filled(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The blocks as Slack gives them back: with the ids and the flags of texts that the sender left out."""
    kept = copy.deepcopy([dict(block) for block in blocks])
    for position, block in enumerate(kept):
        block.setdefault("block_id", _made_up(position, block))
        for name, element in enumerate(_interactive(block)):
            element.setdefault("action_id", _made_up(name, element))
        _flag_texts(block)
    return kept


def elements(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Element]:
    """What people can use in a message's blocks, from top to bottom; ids as `filled` makes them."""
    for block in filled(blocks):
        for spec in _interactive(block):
            is_input = block["type"] == "input"
            yield Element(
                block_id=block["block_id"],
                action_id=spec["action_id"],
                kind=spec["type"],
                spec=spec,
                is_input=is_input,
                dispatches=bool(block.get("dispatch_action")) if is_input else True,
            )


def _interactive(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = {
        "actions": block.get("elements", []),
        "section": [block["accessory"]] if "accessory" in block else [],
        "input": [block.get("element", {})],
    }
    return [each for each in found.get(str(block.get("type")), []) if each.get("type") != "image"]


def _flag_texts(thing: Any) -> None:
    """Slack says of each plain text whether it shows emoji, and of each marked one whether it is taken verbatim."""
    for each in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ():
        _flag_texts(each)
    if isinstance(thing, dict) and thing.get("type") == "plain_text":
        thing.setdefault("emoji", True)
    elif isinstance(thing, dict) and thing.get("type") == "mrkdwn":
        thing.setdefault("verbatim", False)


def _made_up(position: int, thing: Mapping[str, Any]) -> str:
    """Five characters, as Slack's own; the same ones each time that this is asked."""
    return hashlib.sha256(f"{position} {json.dumps(thing, sort_keys=True)}".encode()).hexdigest()[:5]
