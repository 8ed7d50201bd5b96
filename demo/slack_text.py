"""Slack cards as plain text for a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from demo.slack_cards import Card, Control, Part, parts
from demo.slack_mrkdwn import Names, Piece

_WIDTH: Final = 76


def _read(pieces: Sequence[Piece]) -> str:
    lines = ""
    for piece in pieces:
        if piece.kind in ("quote", "pre"):  # these stand on lines of their own
            inside = (_read(piece.children) if piece.children else piece.text).split("\n")
            lines += "\n" if lines and not lines.endswith("\n") else ""
            lines += "".join(f"{'> ' if piece.kind == 'quote' else ''}{line}\n" for line in inside)
        else:
            lines += _read_inline(piece)
    return lines.removesuffix("\n") if pieces and pieces[-1].kind in ("quote", "pre") else lines


def _read_inline(piece: Piece) -> str:
    if piece.kind == "code":
        return f"`{piece.text}`"
    if piece.kind == "link" and piece.text != piece.target:
        return f"{piece.text} ({piece.target})"
    return _read(piece.children) if piece.children else piece.text


def _two_columns(fields: list[str]) -> Iterator[str]:
    width = _WIDTH // 2
    for left, right in itertools.zip_longest(fields[::2], fields[1::2], fillvalue=""):
        if any(len(line) >= width for line in left.split("\n")):  # too long to share its lines: one below the other
            yield from left.split("\n")
            yield from right.split("\n") if right else ()
            continue
        for left_line, right_line in itertools.zip_longest(left.split("\n"), right.split("\n"), fillvalue=""):
            yield f"{left_line:<{width}}{right_line}".rstrip()


def _lines(part: Part) -> Iterator[str]:
    texts = [_read(each) for each in part.texts]
    if part.kind == "header":
        yield texts[0]
        yield "=" * min(len(texts[0]), _WIDTH)
    elif part.kind == "text":
        yield from texts[0].split("\n")
        yield from (_shown(control) for control in part.controls)
    elif part.kind == "fields":
        yield from _two_columns(texts)
    elif part.kind == "context":
        for text in texts:
            yield from (f"· {line}" for line in text.split("\n"))
    elif part.kind == "actions":
        yield " ".join(_shown(control) for control in part.controls)
    elif part.kind == "input":
        yield f"{texts[0]}: {_shown(part.controls[0])}"
    elif part.kind == "divider":
        yield "-" * _WIDTH


def _shown(control: Control) -> str:
    """A button or a select in brackets, a text to be written as a line."""
    if control.kind == "text":
        return control.initial or "_" * 12
    chosen = next((each.label for each in control.options if each.value == control.initial), control.label)
    return f"[ {chosen} v ]" if control.kind == "select" else f"[ {control.label} ]"


def render_text(message: Card, names: Names | None = None) -> str:
    """The card for a terminal: header, sections, fields in two columns, context.

    `names`: what ids are called. A message without blocks is its text.
    """
    return "\n".join(line for part in parts(message, names) for line in _lines(part))
