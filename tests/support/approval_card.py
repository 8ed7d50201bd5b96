"""A card that asks for a yes, with every element such a card may have, for tests of what shows and takes clicks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

APPROVAL_ID = "approval-7f3a"
PUSHED = "Approval needed: churn-bert-large, 14 h expected, $707 (at most $1,212)"


def plain(text: str) -> dict[str, Any]:
    """A text without marks."""
    return {"type": "plain_text", "text": text}


def marked(text: str) -> dict[str, Any]:
    """A text with marks."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def section(text: str, **more: Any) -> dict[str, Any]:
    """A paragraph."""
    return {"type": "section", "text": marked(text), **more}


def header(text: str) -> dict[str, Any]:
    """A title."""
    return {"type": "header", "text": plain(text)}


def button(action_id: str, label: str, value: str = APPROVAL_ID, **more: Any) -> dict[str, Any]:
    """A button with what it carries."""
    return {"type": "button", "action_id": action_id, "text": plain(label), "value": value, **more}


def actions(*elements: Mapping[str, Any], block_id: str = "decision") -> dict[str, Any]:
    """A row of buttons and selects."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def select(action_id: str, options: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """A select of options: value -> what is read."""
    shown = [{"text": plain(label), "value": value} for value, label in options.items()]
    return {"type": "static_select", "action_id": action_id, "options": shown, **more}


def text_input(action_id: str, **more: Any) -> dict[str, Any]:
    """A line to be written."""
    return {"type": "plain_text_input", "action_id": action_id, **more}


def field(label: str, element: Mapping[str, Any], *, block_id: str, **more: Any) -> dict[str, Any]:
    """An input block."""
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": dict(element), **more}


def confirm(title: str = "Approve churn-bert-large?", **more: Any) -> dict[str, Any]:
    """What is asked before a yes counts."""
    text = "Up to $1,212 may be spent: 24 h on 2 x ml.p4d.24xlarge."
    return {"title": plain(title), "text": plain(text), "confirm": plain("Approve"), "deny": plain("Not yet"), **more}


def approval_blocks(*, mention: str = "<!subteam^S0RISK>") -> list[dict[str, Any]]:
    """The whole card, pending."""
    caps = {"none": "No cap", "43200": "12 h · $606", "61200": "17 h · $859"}
    no_cap = {"text": plain("No cap"), "value": "none"}
    return [
        header("Approval needed: churn-bert-large"),
        section("Nothing is running yet. Waiting costs nothing."),
        {"type": "context", "elements": [marked("Maria Lopez · team risk · pipeline churn-weekly, step Train")]},
        {
            "type": "section",
            "fields": [
                marked("*Expected*\n$707 (14 h: the median of its last 11 runs; 9 in 10 stayed under 17 h, $859)"),
                marked("*At most*\n$1,212 (24 h, its own limit)"),
                marked("*Rate*\n$50.50 an hour: 2 x ml.p4d.24xlarge, 16 GPUs, list price of 14 Nov"),
                marked("*Why asked*\n$859 is above $400"),
                marked("*Team risk*\n$18,420 in November so far"),
            ],
        },
        section(
            "Does this job really need 24 hours on 16 GPUs? Cap at 17 h: at most *$859*. Managed spot: about $283, but "
            "no checkpoint path is set."
        ),
        field("Cap", select("cap", caps, initial_option=no_cap), block_id="cap", optional=True),
        field(
            "Reason",
            text_input("reason", placeholder=plain("Why, or why not"), max_length=300),
            block_id="reason",
            optional=True,
            hint=plain("Everybody who asked reads it."),
        ),
        actions(
            button("approve", "Approve", style="primary", confirm=confirm()),
            button("deny", "Deny", style="danger"),
        ),
        {
            "type": "context",
            "elements": [marked(f"{mention} may decide, Maria may not. No answer by Tue 10:02 means no.")],
        },
    ]


def decided_blocks(by: str, said: str) -> list[dict[str, Any]]:
    """The same card once somebody has decided: nothing left to click."""
    kept = [each for each in approval_blocks() if each["type"] not in ("actions", "input")]
    return [*kept[:-1], {"type": "context", "elements": [marked(f"{said} by <@{by}>.")]}]
