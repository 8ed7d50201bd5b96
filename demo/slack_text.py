"""Slack cards as plain text for a terminal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

_WIDTH: Final = 76


class Card(Protocol):
    """What can be shown: a text, and blocks in Slack's form."""

    @property
    def text(self) -> str:
        """The fallback text."""

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """Block Kit blocks; empty when there is only text."""


def _link(match: re.Match[str], names: Mapping[str, str]) -> str:
    inside = match.group(1)
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "@" + (label or names.get(target[1:], target[1:]))
    if target.startswith("#"):
        return "#" + (label or target[1:])
    if target.startswith("!date^"):
        return label or target.split("^")[2]
    if target.startswith("!"):
        return "@" + (label or target[1:].split("^")[0])
    return f"{label} ({target})" if label and label != target else target


def plain_text(mrkdwn: str, names: Mapping[str, str] | None = None) -> str:
    """Slack's mrkdwn as a person reads it: links resolved, dates as their fallback, emphasis marks gone, code kept."""
    parts = re.split(r"(`[^`\n]*`)", re.sub(r"<([^<>\n]+)>", lambda match: _link(match, names or {}), mrkdwn))
    for position, part in enumerate(parts):
        if not part.startswith("`"):
            for mark in ("*", "_", "~"):
                sign = re.escape(mark)
                part = re.sub(rf"(?<![\w{sign}]){sign}(?=\S)([^{sign}\n]+?)(?<=\S){sign}(?![\w{sign}])", r"\1", part)  # noqa: PLW2901
            parts[position] = part
    return "".join(parts).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _shown_text(element: Mapping[str, Any], names: Mapping[str, str]) -> str:
    text = str(element.get("text", ""))
    return plain_text(text, names) if element.get("type") == "mrkdwn" else text


def _two_columns(fields: list[str]) -> Iterator[str]:
    width = _WIDTH // 2
    for left, right in itertools.zip_longest(fields[::2], fields[1::2], fillvalue=""):
        if any(len(line) >= width for line in left.split("\n")):  # too long to share its lines: one below the other
            yield from left.split("\n")
            yield from right.split("\n") if right else ()
            continue
        for left_line, right_line in itertools.zip_longest(left.split("\n"), right.split("\n"), fillvalue=""):
            yield f"{left_line:<{width}}{right_line}".rstrip()


def _block_lines(block: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    kind = block.get("type")
    if kind == "header":
        text = str(block["text"]["text"])
        yield text
        yield "=" * min(len(text), _WIDTH)
    elif kind == "section":
        if "text" in block:
            yield from _shown_text(block["text"], names).split("\n")
        yield from _two_columns([_shown_text(each, names) for each in block.get("fields", [])])
    elif kind == "context":
        for element in block.get("elements", []):
            yield from (f"· {line}" for line in _shown_text(element, names).split("\n"))
    elif kind == "actions":
        yield " ".join(f"[ {each['text']['text']} ]" for each in block.get("elements", []) if "text" in each)
    elif kind == "divider":
        yield "-" * _WIDTH


def render_text(message: Card, names: Mapping[str, str] | None = None) -> str:
    """The card for a terminal: header, sections, fields in two columns, context.

    `names` maps user ids to what is shown. A message without blocks is its text.
    """
    if not message.blocks:
        return plain_text(message.text, names)
    return "\n".join(line for block in message.blocks for line in _block_lines(block, names or {}))
