"""Slack's mrkdwn, parsed: what a person reads, piece by piece, for the terminal and for the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

EMOJI: Final[Mapping[str, str]] = {
    "hourglass_flowing_sand": "⏳",
    "moneybag": "💰",
    "octagonal_sign": "🛑",
    "rotating_light": "🚨",
    "shield": "🛡️",
    "warning": "⚠️",
    "white_check_mark": "✅",
}
"""Shortcodes of the kind a cost notice uses; any other stays the text it is."""

_CONTROL_OR_CODE = re.compile(r"<([^<>\n]+)>|`([^`\n]+)`")
_MASK = re.compile(r"\x00(\d+)\x00")
_MARKS: Final = {"*": "bold", "_": "italic", "~": "strike"}
_EMPHASIS = re.compile(
    "|".join(
        rf"(?<![\w{sign}]){sign}(?=\S)([^{sign}\n]+?)(?<=\S){sign}(?![\w{sign}])" for sign in map(re.escape, _MARKS)
    )
)
_KINDS = tuple(_MARKS.values())
_ENTITY = re.compile("&(lt|gt|amp);")
_SHORTCODE = re.compile(r":([a-z0-9_+-]+):")
_QUOTED = re.compile("^(?:>|&gt;) ?")


@dataclass(frozen=True)
class Names:
    """What ids are called: user id -> name, channel id -> name, user group id -> handle, none with its sign."""

    users: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """One piece of text.

    `kind`: text, bold, italic, strike, code, pre, quote, link, user, channel, everyone or date. `text` is what is read,
    unescaped; `children` stand in for it in bold, italic, strike and quote. `target`: a link's address, or a date's
    Unix seconds; `pattern`: how Slack is to show that date.
    """

    kind: str
    text: str = ""
    target: str = ""
    pattern: str = ""
    children: tuple[Piece, ...] = ()


def parse(mrkdwn: str, names: Names | None = None) -> tuple[Piece, ...]:
    """The pieces of a text in Slack's mrkdwn. Never fails: what is no mark is text."""
    pieces: list[Piece] = []
    for position, part in enumerate(re.split(r"```(.+?)```", mrkdwn.replace("\x00", ""), flags=re.DOTALL)):
        if position % 2:
            pieces.append(Piece("pre", _read(part.strip("\n"), names or Names())))
        else:
            pieces.extend(_lines(part.strip("\n") if "```" in mrkdwn else part, names or Names()))
    return tuple(pieces)


def _lines(text: str, names: Names) -> Iterator[Piece]:
    """Quoted lines together are one quote, the others between them one text each."""
    run: list[str] = []
    quoted = False
    for line in [*text.split("\n"), None]:
        is_quoted = line is not None and bool(_QUOTED.match(line))
        if run and (line is None or is_quoted != quoted):
            inside = tuple(_inline("\n".join(run), names))
            yield from (Piece("quote", children=inside),) if quoted else inside
            run = []
        if line is not None:
            quoted = is_quoted
            run.append(_QUOTED.sub("", line) if is_quoted else line)


def _inline(text: str, names: Names) -> Iterator[Piece]:
    masked: list[Piece] = []

    def mask(match: re.Match[str]) -> str:
        control, code = match.groups()
        masked.append(_control(control, names) if control else Piece("code", _read(code, names)))
        return f"\x00{len(masked) - 1}\x00"

    return _emphasized(_CONTROL_OR_CODE.sub(mask, text), masked)


def _emphasized(text: str, masked: list[Piece]) -> Iterator[Piece]:
    rest = text
    while match := _EMPHASIS.search(rest):
        yield from _leaves(rest[: match.start()], masked)
        group = match.lastindex or 1
        yield Piece(_KINDS[group - 1], children=tuple(_emphasized(match.group(group), masked)))
        rest = rest[match.end() :]
    yield from _leaves(rest, masked)


def _leaves(text: str, masked: list[Piece]) -> Iterator[Piece]:
    for position, part in enumerate(_MASK.split(text)):
        if position % 2:
            yield masked[int(part)]
        elif part:
            yield Piece("text", _unescaped(_SHORTCODE.sub(lambda match: EMOJI.get(match[1], match[0]), part)))


def _control(inside: str, names: Names) -> Piece:
    """What stands between < and >."""
    target, _, label = (_unescaped(part) for part in inside.partition("|"))
    if target.startswith("@"):
        return Piece("user", "@" + (label or names.users.get(target[1:], target[1:])).removeprefix("@"))
    if target.startswith("#"):
        return Piece("channel", "#" + (label or names.channels.get(target[1:], target[1:])).removeprefix("#"))
    if target.startswith("!date^"):
        _, unix, pattern, *_link = [*target.split("^"), ""]
        return Piece("date", label or unix, target=unix if unix.isdecimal() else "", pattern=pattern)
    if target.startswith("!"):
        kind, _, ident = target[1:].partition("^")
        called = label or names.groups.get(ident, ident) or kind
        return Piece("user" if ident else "everyone", "@" + called.removeprefix("@"))
    return Piece("link", label or target, target=target)


def _read(text: str, names: Names) -> str:
    """Code: nothing is emphasized in it, but Slack resolves what stands between < and >."""
    return _unescaped(re.sub(r"<([^<>\n]+)>", lambda match: _escaped(_control(match[1], names).text), text))


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda match: {"lt": "<", "gt": ">", "amp": "&"}[match[1]], text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
