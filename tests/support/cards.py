"""Cards of every kind, made of ordinary facts where a test names no others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from costwatch.core import times
from costwatch.core.cards import Card, CardContext, render
from costwatch.core.messages import Audience, Message, MessageKind
from tests.support.builders import HOUR, MINUTE, NOW

RUN_ID = "111122223333/us-east-1/instance/i-0abc"
_OTHERS = {MessageKind.RUN_STOPPED, MessageKind.CLICKED, MessageKind.RES_VERDICT, MessageKind.RES_EVENT}
_OF_APPROVALS = frozenset(kind for kind in MessageKind if "approval" in kind.value)
# Events are for pipelines. Cards of approvals are of a question, those of verdicts of a model, and neither of a run:
# see tests/unit/test_approval_cards.py and test_res_cards.py.
# What became of a click is no card of its own: it is put on the one that was clicked.
CARD_KINDS = [kind for kind in MessageKind if kind not in _OF_APPROVALS | _OTHERS]
_OF_MANY = (MessageKind.UNWATCHED, MessageKind.SUMMARY, MessageKind.WEEK, MessageKind.MASS_SILENCE,
            MessageKind.APPROVER_GROUP)  # fmt: skip
RUN_KINDS = [kind for kind in CARD_KINDS if kind not in _OF_MANY]
STOPS_AT = NOW + HOUR


def facts(**changes: str) -> dict[str, str]:
    """The facts of any message about a run; each kind reads its own."""
    return {
        "run": RUN_ID,
        "name": "churn-bert-large",
        "owner": "maria@example.com",
        "team": "risk",
        "selector": "trainers",
        "mode": "enforce",
        "capacity": "1 x p4d.24xlarge",
        "clock": "running since 2026-11-21T22:00:00Z (LaunchTime of i-0abc)",
        "price_note": "1 x p4d.24xlarge, list price (as of 2026-11-14)",
        "start": times.to_text(NOW - 11 * HOUR),
        "deadline": times.to_text(STOPS_AT),
        "hourly_rate_usd": "21.957642",
        "rule": "max_runtime 12h of selector trainers",
        "reason": "its time is up",
        "notice": "notice#1",
        "min_notice_seconds": "1800",
        "hard_cap_at": times.to_text(NOW + 61 * HOUR),
        "seen": "i-0abc shutting-down",
        "stopped_at": times.to_text(NOW),
        "hold": "hold-1a2b3c4d",
        "code": "cap",
        "tag": "costwatch:max-runtime",
        "problem": "'12' is not a duration (a bare number has no unit)",
        "count": "3",
        "burn": "$65.87 an hour",
        "lines": "i-1: 1 x p4d.24xlarge, $21.96/h",
        "last_beat_at": times.to_text(NOW - MINUTE),
        "progress": "step 48,200 of 60,000",
        "checkpoint_at": times.to_text(NOW - 9 * MINUTE),
        "stalled_since": times.to_text(NOW - 2 * HOUR),
        "limit": times.to_text(STOPS_AT),
        "expected_at": times.to_text(STOPS_AT + 40 * MINUTE),
        "until": times.to_text(STOPS_AT + 2 * HOUR),
        "forecast": "$263.49 (12 h: the median of its last 11 runs), at most $527.00",
        "cost": "$241.53 by run seconds; forecast was $263.49, at most $527.00",
        "spent": "$80.51",
        "most": "$100.00",
        "approval": "apr-0123456789abcdef",
        "by": "Maria Lopez (Slack U0MARIA00)",
        "group": "@risk-leads",
        "head": "Costwatch observes: 2 would be stopped now, $43.92 an hour",
        **changes,
    }


def card(kind: MessageKind, *, mention: str = "", **changes: str) -> Card:
    return _drawn(kind, changes, mention=mention)


def clickable_card(kind: MessageKind, *, has_approvers: bool = True, **changes: str) -> Card:
    """The same where Slack knows where clicks go: with buttons."""
    return _drawn(kind, changes, clickable=True, has_approvers=has_approvers)


def _drawn(kind: MessageKind, changes: dict[str, str], **how: Any) -> Card:
    steps = (timedelta(hours=4), timedelta(hours=12))
    context = CardContext(now=NOW, stops_at=STOPS_AT, extend_steps=steps, **how)
    return render(Message("id", kind, Audience.OWNER, facts(**changes)), context)


def texts(of: Card) -> list[tuple[str, str]]:
    """(type, text) of every text in the blocks."""
    found: list[tuple[str, str]] = []
    for block in of.blocks:
        parts = [block["text"]] if "text" in block else [*block.get("fields", []), *block.get("elements", [])]
        found.extend((part["type"], part["text"]) for part in parts)
    return found
