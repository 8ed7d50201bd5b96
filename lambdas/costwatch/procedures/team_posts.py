"""Say something to whoever decides: in the team's channel, else the platform's, else by e-mail."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from costwatch.core.approvals import Post
from costwatch.core.cards import Card
from costwatch.core.messages import Message
from costwatch.core.record import Entry, Transition
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.procedures import by_topic
from costwatch.procedures.ports import SlackPort, Watchdog
from costwatch.procedures.report import SweepReport
from costwatch.procedures.slack_seen import SlackSeen


def deliver(
    w: Watchdog,
    message: Message,
    report: SweepReport,
    slack_seen: SlackSeen,
    by_slack: Callable[[SlackPort], str],
    card: Card,
) -> None:
    """Say one leased message: `by_slack` posts and tells where, `card` goes by e-mail where Slack takes nothing.

    What nothing takes is kept for the next sweep and reported.
    """
    errors: list[str] = []
    via, tried = "", slack_seen.up
    if w.slack is not None and slack_seen.up:
        try:
            via = by_slack(w.slack)
        except AwsError as error:
            errors.append(str(error))
            slack_seen.up = not error.retry
    if not via and w.topic is not None:
        via = by_topic.publish(w, card, errors)
    if not via:
        reason = "; ".join(errors) or "neither Slack nor a confirmed e-mail subscription is configured"
        w.ledger.keep_message(message, reason, w.now(), tried=tried)
        report.undelivered += 1
        w.log("message kept", {"message_id": message.id, "reason": reason})
        return
    report.delivered += 1
    done(w, message, f"{message.kind.value}: accepted by {via}")


def done(w: Watchdog, message: Message, what: str) -> None:
    """It is said, or needs not be."""
    w.ledger.delivered(message, None, Entry(w.now(), Transition.DELIVERED, what), w.now())


def post(w: Watchdog, slack: SlackPort, message: Message, card: Card) -> str:
    """Where. Raises AwsError."""
    return posted(w, slack, message, card)[1]


def posted(w: Watchdog, slack: SlackPort, message: Message, card: Card) -> tuple[Post, str]:
    """In the first channel that takes it. Raises AwsError."""
    routes = w.policy.slack
    channels = [routes.team_channels.get(message.facts.get("team", ""), ""), routes.platform_channel]
    last: PermanentAwsError | None = None
    for channel in filter(None, channels):
        try:
            return slack.post_at(channel, card), f"Slack in {channel}"
        except PermanentAwsError as error:
            last = error
    raise last or PermanentAwsError("no Slack channel is configured")


def mentions(w: Watchdog, approvers: Iterable[str], slack_seen: SlackSeen) -> tuple[str, ...]:
    """Slack's marks; a group that cannot be found, and a principal of IAM, go by their names."""
    return tuple(_mention(w, each, slack_seen) for each in approvers)


def _mention(w: Watchdog, approver: str, slack_seen: SlackSeen) -> str:
    if approver.startswith(("U", "W")):
        return f"<@{approver}>"
    if approver.startswith("arn:"):
        return approver.rpartition("/")[2]
    if w.slack is None or not slack_seen.lookups:
        return approver
    try:
        return f"<!subteam^{w.slack.group_id(approver)}>"
    except AwsError as error:
        slack_seen.lookups = not error.retry
        return approver
