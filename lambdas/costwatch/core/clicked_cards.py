"""What stands on a card once somebody has clicked it: the card without its buttons, and a line that says who did what.

What Slack shows comes back with the click. It is only drawn again, part by part as far as it is known here; what is
decided is read from the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from costwatch.core import durations
from costwatch.core.blocks import (
    MOST_BLOCKS,
    Block,
    cut,
    date_token,
    header,
    length,
    safe,
    section,
    unmarked,
)
from costwatch.core.cards import Card
from costwatch.core.grants import left_to_extend
from costwatch.core.money import show_usd, spent_usd
from costwatch.core.record import Extension, RunRecord

_KEPT: Final = 9000
"""Characters of a card that are drawn again: Slack refuses messages near 13,000, and a line comes on top."""
_PUSH, _SECTION, _PART = 600, 3000, 2000
_MOST_PARTS: Final = 10
_TEXTS: Final = ("plain_text", "mrkdwn")


def kept_blocks(shown: Sequence[object]) -> str:
    """Of the blocks that Slack shows those that only say something, as JSON."""
    kept: list[Block] = []
    room = _KEPT
    for block in shown:
        for made in _kept(block):
            room -= length(json.dumps(made, ensure_ascii=False))
            if room < 0 or len(kept) == MOST_BLOCKS - 1:
                return json.dumps(kept)
            kept.append(made)
    return json.dumps(kept)


def redrawn(text: str, blocks: str, line: str) -> Card:
    """The card with `line` (in Slack's marks) instead of its buttons. `blocks`: as `kept_blocks` made them."""
    kept: list[Block] = json.loads(blocks)
    return Card(cut(text, _PUSH) if text.strip() else unmarked(line), [*kept, section(line)])


def line_card(line: str) -> Card:
    """The line alone: for the thread, or for the channel where the card is gone."""
    return Card(cut(safe(unmarked(line)), _PUSH), [section(line)])


def extended(after: RunRecord, since: datetime, *, owner_total: timedelta) -> str:
    """Every extension since the card was posted, and what is left: two people may click one card at once."""
    found = [each for each in after.extensions if each.at >= since] or list(after.extensions[-1:])
    left = left_to_extend(after, owner_total)
    lines = [_extended(each, after) for each in found]
    lines[-1] += f" {durations.show(left)} of its owner's {durations.show(owner_total)} are left."
    return "\n".join(lines)


def said(verb: str, name: str, rest: str, now: datetime) -> str:
    """`Released by Maria Lopez at 20:14: ...`, in Slack's marks. `rest` is ours, and begins after the time."""
    return f"{verb} by {safe(name)} at {date_token(now, '{time}')}{rest}"


def _extended(extension: Extension, record: RunRecord) -> str:
    cost = spent_usd(record.hourly_rate_usd, extension.duration)
    more = f"+{show_usd(cost)}" if cost is not None else "price unknown"
    who = extension.by.rpartition(" (Slack ")[0] or extension.by
    at = date_token(extension.at, "{time}")
    until = date_token(extension.until)
    return f"Extended by {safe(who)} at {at}: runs until {until} ({durations.show(extension.duration)}, {more})."


def _kept(block: object) -> Iterator[Block]:
    if not isinstance(block, Mapping):
        return
    kind, text = block.get("type"), _text(block.get("text"), _SECTION)
    if kind == "header" and text is not None:
        yield header(text["text"])
    elif kind == "section":
        fields = [each for each in map(_text, _listed(block.get("fields"))) if each is not None]
        made: Block = {"type": "section", **({"text": text} if text else {}), **({"fields": fields} if fields else {})}
        if len(made) > 1:
            yield made
    elif kind == "context":
        elements = [each for each in map(_text, _listed(block.get("elements"))) if each is not None]
        if elements:
            yield {"type": "context", "elements": elements}


def _text(value: object, most: int = _PART) -> dict[str, Any] | None:
    """A text object of Slack's, rebuilt; None: it is none, or says nothing."""
    if not isinstance(value, Mapping) or value.get("type") not in _TEXTS:
        return None
    text = value.get("text")
    if not isinstance(text, str) or not text.strip():
        return None
    made: dict[str, Any] = {"type": value["type"], "text": cut(text, most)}
    return {**made, "verbatim": True} if value["type"] == "mrkdwn" else made


def _listed(value: object) -> list[Any]:
    return value[:_MOST_PARTS] if isinstance(value, list) else []
