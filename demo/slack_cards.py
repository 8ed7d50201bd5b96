"""A Slack message taken apart: the parts of its blocks in order, for whoever shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from demo.slack_mrkdwn import Names, Piece, parse


class Card(Protocol):
    """What can be shown: a text, and blocks in Slack's form."""

    @property
    def text(self) -> str:
        """The fallback text."""

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """Block Kit blocks; empty when there is only text."""


@dataclass(frozen=True)
class Button:
    """`style`: primary, danger, or empty."""

    label: str
    style: str


@dataclass(frozen=True)
class Part:
    """`kind`: header, text, fields, context, actions or divider, with its texts or buttons."""

    kind: str
    texts: tuple[tuple[Piece, ...], ...] = ()
    buttons: tuple[Button, ...] = ()


def parts(message: Card, names: Names | None = None) -> list[Part]:
    """The parts of a message. One without blocks is its text."""
    found = names or Names()
    if not message.blocks:
        return [Part("text", (parse(message.text, found),))]
    return [part for block in message.blocks for part in _parts(block, found)]


def _parts(block: Mapping[str, Any], names: Names) -> Iterator[Part]:
    kind = block.get("type")
    if kind == "header":
        yield Part("header", (_pieces(block["text"], names),))
    elif kind == "section":
        if "text" in block:
            yield Part("text", (_pieces(block["text"], names),))
        if block.get("fields"):
            yield Part("fields", tuple(_pieces(each, names) for each in block["fields"]))
    elif kind == "context":
        texts = tuple(_pieces(each, names) for each in block.get("elements", []) if each.get("type") != "image")
        yield Part("context", texts)
    elif kind == "actions":
        buttons = [each for each in block.get("elements", []) if "text" in each]
        yield Part(
            "actions",
            buttons=tuple(Button(str(each["text"]["text"]), str(each.get("style", ""))) for each in buttons),
        )
    elif kind == "divider":
        yield Part("divider")


def _pieces(element: Mapping[str, Any], names: Names) -> tuple[Piece, ...]:
    text = str(element.get("text", ""))
    return parse(text, names) if element.get("type") == "mrkdwn" else (Piece("text", text),)
