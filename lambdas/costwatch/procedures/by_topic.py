"""By e-mail (SNS): what people hear a card by where Slack takes nothing."""

from __future__ import annotations

from costwatch.core.cards import Card
from costwatch.errors import AwsError
from costwatch.procedures.ports import Watchdog


def publish(w: Watchdog, card: Card, errors: list[str]) -> str:
    """By whom it was accepted; empty: nobody listens, or it failed, and `errors` says why."""
    if w.topic is None:
        return ""
    try:
        if not w.topic.has_listener():
            errors.append("nobody is subscribed to the alerts topic")
            return ""
        w.topic.publish(card.subject, card.plain)
    except AwsError as error:
        errors.append(str(error))
        return ""
    return "e-mail (SNS)"
