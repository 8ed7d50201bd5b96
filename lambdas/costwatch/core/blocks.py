"""Slack's blocks and marks: within its documented limits, and no other people's text can speak as Slack.

Slack counts characters and does not say which; what fits in UTF-16 units fits either way, so those are counted here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

MOST_BLOCKS: Final = 50
_HEADER, _SECTION, _FIELD, _SMALL_PRINT = 150, 3000, 2000, 2000
_BUTTON, _OPTION, _LABEL, _PLACEHOLDER = 75, 75, 2000, 150
_CONFIRM_TITLE, _CONFIRM_TEXT, _CONFIRM_BUTTON = 100, 300, 30

_DANGLING = re.compile(r"(&[a-z]{0,3}|<[^>]*)$")
# What turns the direction of the text after it: a name could make a sentence read backwards.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Block = dict[str, Any]


def header(text: str) -> Block:
    """The title of a card; Slack marks nothing up in it."""
    return {"type": "header", "text": _plain(text, _HEADER)}


def section(mrkdwn: str) -> Block:
    """A paragraph in Slack's marks."""
    return {"type": "section", "text": _marked(mrkdwn, _SECTION)}


def section_of_lines(first: str, lines: Sequence[str]) -> Block:
    """A paragraph of lines in Slack's marks. The last that do not fit are left out whole: half a command is none."""
    kept = [first]
    left = _SECTION - length(first)
    for line in lines:
        left -= length(line) + 1
        if left < 0:
            break
        kept.append(line)
    return section("\n".join(kept))


def quoted_section(text: str) -> Block:
    """A paragraph of other people's text, as it is."""
    return {"type": "section", "text": _plain(text, _SECTION)}


def fields(*pairs: tuple[str, str]) -> Block:
    """(label, mrkdwn) in two columns."""
    return {"type": "section", "fields": [_marked(f"*{label}*\n{value}", _FIELD) for label, value in pairs]}


def small_print(text: str) -> Block:
    """What stands under a card, as it is."""
    return {"type": "context", "elements": [_plain(text, _SMALL_PRINT)]}


def buttons(block_id: str, *found: Block) -> Block:
    """A row of buttons (see `button`), 25 at most."""
    return {"type": "actions", "block_id": block_id, "elements": list(found)}


def button(action_id: str, text: str, value: str, *, style: str = "", confirm: Block | None = None) -> Block:
    """`value`: an id and nothing else. `style`: `primary` or `danger`. `confirm`: see `confirm`."""
    made: Block = {"type": "button", "action_id": action_id, "text": _plain(text, _BUTTON), "value": value}
    if style:
        made["style"] = style
    return {**made, "confirm": confirm} if confirm is not None else made


def confirm(title: str, text: str, yes: str, *, danger: bool = False) -> Block:
    """The dialog that Slack shows before a click counts."""
    made: Block = {
        "title": _plain(title, _CONFIRM_TITLE),
        "text": _plain(text, _CONFIRM_TEXT),
        "confirm": _plain(yes, _CONFIRM_BUTTON),
        "deny": _plain("Back", _CONFIRM_BUTTON),
    }
    return {**made, "style": "danger"} if danger else made


def select(block_id: str, action_id: str, label: str, options: Sequence[tuple[str, str]]) -> Block:
    """A choice inside the message: (text, value) pairs, the first is chosen."""
    made = [{"text": _plain(text, _OPTION), "value": value} for text, value in options]
    element = {"type": "static_select", "action_id": action_id, "options": made, "initial_option": made[0]}
    return {"type": "section", "block_id": block_id, "text": _marked(label, _SECTION), "accessory": element}


def text_input(block_id: str, action_id: str, label: str, *, hint: str, most: int) -> Block:
    """A line to write in, inside the message; it may stay empty. It is sent with the next click of a button."""
    element = {
        "type": "plain_text_input",
        "action_id": action_id,
        "max_length": most,
        "placeholder": _plain(hint, _PLACEHOLDER),
    }
    return {
        "type": "input",
        "block_id": block_id,
        "optional": True,
        "label": _plain(label, _LABEL),
        "element": element,
    }


def date_token(moment: datetime, pattern: str = "{date_short_pretty} at {time}") -> str:
    """Slack's date token: the reader's own zone; elsewhere UTC."""
    utc = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{pattern}|{utc}>"


def safe(text: str) -> str:
    """Other people's text inside marks: Slack's three control characters escaped.

    A backtick has no escape and becomes an apostrophe: it would open code and swallow the command that stands after it.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")


def cleaned(text: str, *, lines: bool = False) -> str:
    """Without control characters and direction marks; on one line unless `lines`."""
    rows = text.splitlines() if lines else [" ".join(text.split())]
    return "\n".join(row if row.isprintable() else _only_shown(row) for row in rows)


def cut(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units; never ends inside a character, an escaped one, or a date token."""
    if length(text) <= limit:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    return _DANGLING.sub("", kept) + "…"


def length(text: str) -> int:
    """In UTF-16 units: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def unmarked(text: str) -> str:
    """A marked text for e-mail: date tokens as UTC, no emphasis, no escapes; a block of code is as it is."""
    before, fence, rest = text.partition("```\n")
    code, end, after = rest.partition("\n```")
    if fence and end:
        return f"{unmarked(before)}{unescaped(code)}{unmarked(after)}"
    out: list[str] = []
    rest = text
    while "<" in rest:
        before, _, rest = rest.partition("<")
        inside, _, rest = rest.partition(">")
        out.append(before + (inside.rpartition("|")[2] if "|" in inside else inside.lstrip("@!")))
    return unescaped(("".join(out) + rest).replace("*", "").replace("`", ""))


def unescaped(text: str) -> str:
    """The three control characters back."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, limit) if text.strip() else "-"}  # Slack refuses an empty one


def _marked(text: str, limit: int) -> dict[str, Any]:
    # verbatim: else Slack makes links of addresses, channels and some mentions that a name merely contains.
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def _only_shown(row: str) -> str:
    return _DIRECTIONS.sub("", "".join(c if _shown(c) else " " for c in row))


def _shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
