"""A Slack message taken apart: the parts of its blocks in order, for whoever shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from demo.slack_elements import MAX_INPUT_CHARACTERS
from demo.slack_messages import Element, elements, filled
from demo.slack_mrkdwn import Names, Piece, parse

Pieces = tuple[Piece, ...]


class Card(Protocol):
    """What can be shown: a text, and blocks in Slack's form."""

    @property
    def text(self) -> str:
        """The fallback text."""

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """Block Kit blocks; empty when there is only text."""


@dataclass(frozen=True)
class Confirm:
    """What a person is asked before a click counts. `style`: of the button that says yes."""

    title: str
    text: Pieces
    confirm: str
    deny: str
    style: str


@dataclass(frozen=True)
class Option:
    """One that a select offers."""

    value: str
    label: str


@dataclass(frozen=True)
class Control:
    """`kind`: button, select or text. `label`: a button's text, else the placeholder.

    `style`: primary, danger or empty. `initial`: the text or the option's value that it starts with. `sends`: using
    it is told at once.
    """

    kind: str
    block_id: str
    action_id: str
    label: str
    style: str = ""
    url: str = ""
    initial: str = ""
    options: tuple[Option, ...] = ()
    multiline: bool = False
    max_length: int = MAX_INPUT_CHARACTERS
    sends: bool = True
    confirm: Confirm | None = None


@dataclass(frozen=True)
class Part:
    """`kind`: header, text, fields, context, actions, input or divider, with its texts and controls.

    An input's first text is its label, its second, if any, the hint below it.
    """

    kind: str
    texts: tuple[Pieces, ...] = ()
    controls: tuple[Control, ...] = ()
    optional: bool = False


def parts(message: Card, names: Names | None = None) -> list[Part]:
    """The parts of a message. One without blocks is its text."""
    found = names or Names()
    if not message.blocks:
        return [Part("text", (parse(message.text, found),))]
    return [part for block in filled(message.blocks) for part in _parts(block, found)]


def _parts(block: Mapping[str, Any], names: Names) -> Iterator[Part]:
    kind = block.get("type")
    controls = tuple(_control(each, names) for each in elements([block]))
    if kind == "header":
        yield Part("header", (_pieces(block["text"], names),))
    elif kind == "section":
        if "text" in block:
            yield Part("text", (_pieces(block["text"], names),), controls)
        if block.get("fields"):
            fields = tuple(_pieces(each, names) for each in block["fields"])
            yield Part("fields", fields, () if "text" in block else controls)
    elif kind == "context":
        texts = tuple(_pieces(each, names) for each in block.get("elements", []) if each.get("type") != "image")
        yield Part("context", texts)
    elif kind == "actions":
        yield Part("actions", controls=controls)
    elif kind == "input":
        texts = tuple(_pieces(block[name], names) for name in ("label", "hint") if name in block)
        yield Part("input", texts, controls, bool(block.get("optional")))
    elif kind == "divider":
        yield Part("divider")


def _control(element: Element, names: Names) -> Control:
    spec = element.spec
    confirm = _confirm(spec["confirm"], names) if "confirm" in spec else None
    if element.kind == "button":
        return Control(
            kind="button",
            block_id=element.block_id,
            action_id=element.action_id,
            label=str(spec["text"]["text"]),
            style=str(spec.get("style", "")),
            url=str(spec.get("url", "")),
            confirm=confirm,
        )
    placeholder = str(spec.get("placeholder", {}).get("text", ""))
    if element.kind == "static_select":
        return Control(
            kind="select",
            block_id=element.block_id,
            action_id=element.action_id,
            label=placeholder or "Select an option",
            initial=str(spec.get("initial_option", {}).get("value", "")),
            options=tuple(Option(str(each["value"]), str(each["text"]["text"])) for each in spec["options"]),
            sends=element.dispatches,
            confirm=confirm,
        )
    return Control(
        kind="text",
        block_id=element.block_id,
        action_id=element.action_id,
        label=placeholder,
        initial=str(spec.get("initial_value", "")),
        multiline=bool(spec.get("multiline")),
        max_length=int(spec.get("max_length", MAX_INPUT_CHARACTERS)),
        sends=element.dispatches,
    )


def _confirm(spec: Mapping[str, Any], names: Names) -> Confirm:
    title, confirm, deny = (str(spec[name]["text"]) for name in ("title", "confirm", "deny"))
    return Confirm(title, _pieces(spec["text"], names), confirm, deny, str(spec.get("style", "primary")))


def _pieces(element: Mapping[str, Any], names: Names) -> Pieces:
    text = str(element.get("text", ""))
    return parse(text, names) if element.get("type") == "mrkdwn" else (Piece("text", text),)
