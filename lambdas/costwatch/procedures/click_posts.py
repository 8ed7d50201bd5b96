"""Put what became of a click in the place of the card that was clicked, and into its thread."""

from __future__ import annotations

from costwatch.core.approvals import Post
from costwatch.core.cards import Card
from costwatch.core.clicked_cards import kept_blocks, line_card, redrawn
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.record import Entry, Transition
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.intake import Click
from costwatch.procedures.ports import SlackPort, Watchdog
from costwatch.procedures.slack_seen import SlackSeen


def answered(click: Click, line: str) -> Message:
    """What is to be said where somebody clicked: it waits in the outbox, so that a crash never loses it."""
    facts = {
        "channel": click.channel_id,
        "ts": click.message_ts,
        "text": click.text,
        "blocks": kept_blocks(click.blocks),
        "line": line,
    }
    return Message(f"click#{click.id}", MessageKind.CLICKED, Audience.CARD, facts)


def send(w: Watchdog, message: Message, slack_seen: SlackSeen) -> None:
    """Send one leased message. What Slack may take later is kept; what it never will is said where it can be.

    A card that was deleted has no place any more: the line goes into its channel, else into the platform's.
    """
    if w.slack is None or not slack_seen.up:
        w.ledger.keep_message(message, "Slack does not answer", w.now(), tried=False)
        return
    try:
        via = _said(w, w.slack, message)
    except AwsError as error:
        slack_seen.up = not error.retry
        w.log("message kept" if error.retry else "message dropped", {"message_id": message.id, "reason": str(error)})
        if error.retry:
            w.ledger.keep_message(message, str(error), w.now())
            return
        # The ledger has it, and nobody is warned by it: a channel that is gone must not fail every sweep from now on.
        via = "nobody"
    w.ledger.delivered(message, None, Entry(w.now(), Transition.DELIVERED, f"clicked: accepted by {via}"), w.now())


def _said(w: Watchdog, slack: SlackPort, message: Message) -> str:
    """Where. Raises AwsError."""
    facts, line = message.facts, line_card(message.facts["line"])
    post = Post(facts["channel"], facts["ts"])
    try:
        slack.update(post, redrawn(facts["text"], facts["blocks"], facts["line"]))
    except PermanentAwsError as error:
        w.log("card not updated", {"message_id": message.id, "reason": str(error)})
        return _instead(w, slack, post.channel, line)
    try:
        slack.post_at(post.channel, line, post.ts)
    except PermanentAwsError as error:
        w.log("thread not written", {"message_id": message.id, "reason": str(error)})
    return "Slack"


def _instead(w: Watchdog, slack: SlackPort, channel: str, line: Card) -> str:
    try:
        slack.post_at(channel, line)
    except PermanentAwsError:
        slack.post_at(w.policy.slack.platform_channel, line)
        return f"Slack in {w.policy.slack.platform_channel}"
    return "Slack"
