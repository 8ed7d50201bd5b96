"""Say what the ledger says is to be said: once, or again after a crash, but never not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from costwatch.adapters.slack import RATE_LIMITED
from costwatch.core import ladder, times
from costwatch.core.cards import CardContext, render
from costwatch.core.ladder import stops_at_earliest
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.model import RunId
from costwatch.core.record import Entry, RunRecord, Status, Transition
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError
from costwatch.procedures import approval_posts, by_topic, click_posts, res_posts
from costwatch.procedures.ports import SlackPort, Watchdog
from costwatch.procedures.report import DATA_ERRORS, Failure, SweepReport
from costwatch.procedures.slack_seen import SlackSeen

SECONDS_TO_SEND = 25.0
SLOW_LOOKUP = timedelta(seconds=5)
_RECORD_TRIES = 5


def flush(w: Watchdog, report: SweepReport, *, warnings: bool, only: Audience | None = None) -> None:
    """Send what is pending, what was tried last comes last. What nothing takes is kept for the next sweep and reported.

    `warnings` false: they are kept back, since their runs have not been judged just now, or nothing stops now. `only`:
    what else waits is left to the sweep.
    """
    slack_seen = SlackSeen()
    for message in w.ledger.outbox(w.now(), report.skip):
        if only is not None and message.audience is not only:
            continue
        if message.kind is MessageKind.WARNING and not warnings:
            continue
        if w.seconds_left() < SECONDS_TO_SEND:
            report.fail(Failure("outbox", "the function's time is nearly over; the rest is sent later", True))
            return
        with report.isolating(f"message {message.id}"):
            if not w.ledger.lease_message(message, w.now()):
                continue
            with _kept_if_unsayable(w, message):
                if message.audience is Audience.BUS:
                    _publish(w, message)
                elif message.kind is MessageKind.RES_VERDICT:
                    res_posts.send(w, message, report, slack_seen)
                elif message.audience is Audience.APPROVERS:
                    approval_posts.send(w, message, report, slack_seen)
                elif message.audience is Audience.CARD:
                    click_posts.send(w, message, slack_seen)
                else:
                    _send(w, message, report, slack_seen)


@contextmanager
def _kept_if_unsayable(w: Watchdog, message: Message) -> Iterator[None]:
    """A message whose facts make no card is reported by every sweep until somebody mends it, not only when its
    lease runs out."""
    try:
        yield
    except DATA_ERRORS as error:
        w.ledger.keep_message(message, f"{type(error).__name__}: {error}", w.now(), tried=True)
        raise


def _publish(w: Watchdog, message: Message) -> None:
    """Tell pipelines. Raises AwsError, having kept the event for the next sweep."""
    if w.bus is None:
        return
    try:
        detail = {**json.loads(message.facts["event"]), "policy_digest": w.policy.digest}
        publish = w.bus.res_verdict if message.kind is MessageKind.RES_EVENT else w.bus.run_stopped
        publish(detail, at=times.from_text(message.facts["at"]))
    except AwsError as error:
        w.ledger.keep_message(message, str(error), w.now(), tried=True)
        raise
    _record_delivery(w, message, "EventBridge")


def _send(w: Watchdog, message: Message, report: SweepReport, slack_seen: SlackSeen) -> None:
    """Send one leased message."""
    record = _record(w, message)
    if message.kind is MessageKind.WARNING and not _still_needed(message, record):
        entry = Entry(w.now(), Transition.DELIVERED, "warning not sent: what it warns of has changed meanwhile")
        # Void in the same write: a notice whose card is never sent must not be waited for.
        w.ledger.delivered(message, ladder.notice_dropped(record, message), entry, w.now())
        return
    if message.kind is MessageKind.WARNING and record is not None and _is_held(record):
        # The hold says why, and a card that names a time would say the contrary: it is sent when the hold is over.
        w.ledger.keep_message(message, f"held: {record.hold.reason if record.hold else ''}", w.now(), tried=False)
        return
    now = w.now()
    stops_at = None
    if message.kind is MessageKind.WARNING and record is not None and record.notice is not None:
        notice_time = timedelta(seconds=int(message.facts["min_notice_seconds"]))
        stops_at = stops_at_earliest(record.notice.deadline, notice_time, now)
    errors: list[str] = []
    via = ""
    tried = slack_seen.up
    if w.slack is not None and slack_seen.up:
        context = CardContext(
            now=now,
            stops_at=stops_at,
            extend_steps=w.policy.extend_steps,
            clickable=w.policy.slack.clickable,
            has_approvers=bool(w.policy.approval.tiers[-1].approvers),
        )
        via = _by_slack(w, message, context, errors, slack_seen)
    if not via and w.topic is not None:
        card = render(message, CardContext(now=now, stops_at=stops_at, extend_steps=w.policy.extend_steps))
        via = by_topic.publish(w, card, errors)
    if not via:
        reason = "; ".join(errors) or "neither Slack nor a confirmed e-mail subscription is configured"
        w.ledger.keep_message(message, reason, w.now(), tried=tried)
        report.undelivered += 1
        w.log("message kept", {"message_id": message.id, "reason": reason})
        return
    report.delivered += 1
    _record_delivery(w, message, via)


def _record_delivery(w: Watchdog, message: Message, via: str) -> None:
    for _ in range(_RECORD_TRIES):
        now = w.now()
        record = _record(w, message)
        step = None
        if record is not None and message.kind is MessageKind.WARNING:
            notice_time = timedelta(seconds=int(message.facts["min_notice_seconds"]))
            stops_at = stops_at_earliest(times.from_text(message.facts["deadline"]), notice_time, now)
            step = ladder.notice_accepted(record, message, via=via, stops_at=stops_at, now=now)
        entry = Entry(now, Transition.DELIVERED, f"{message.kind.value}: accepted by {via}")
        if w.ledger.delivered(message, step, entry, now):
            if step is not None:
                w.log_step(step)
            return
    # Not recorded is not said: after the lease the message goes out again.
    w.log("delivery not recorded", {"message_id": message.id, "via": via})


def _by_slack(w: Watchdog, message: Message, context: CardContext, errors: list[str], slack_seen: SlackSeen) -> str:
    """By whom it was accepted, or empty."""
    slack = w.slack
    if slack is None:
        return ""
    routes = w.policy.slack
    user = _slack_user(w, slack, message, errors, slack_seen) if message.audience is Audience.OWNER else None
    targets: list[tuple[str, str, str]] = []
    if message.audience is Audience.OWNER:
        if user and routes.warn_owner_by == "dm":
            targets.append((user, f"Slack to {message.facts.get('owner', '')}", ""))
        channel = routes.team_channels.get(message.facts.get("team", ""))
        if channel:
            targets.append((channel, f"Slack in {channel}", user or ""))
    targets.append((routes.platform_channel, f"Slack in {routes.platform_channel}", user or ""))
    for channel, via, mention in targets:
        card = render(message, replace(context, mention=mention))
        try:
            slack.post(channel, card)
        except AwsError as error:
            errors.append(str(error))
            if error.retry:
                slack_seen.up = False
                return ""
            continue
        return via
    return ""


def _slack_user(
    w: Watchdog, slack: SlackPort, message: Message, errors: list[str], slack_seen: SlackSeen
) -> str | None:
    """The owner's Slack user. A lookup that fails costs the mention and never the card: a channel takes that."""
    owner = message.facts.get("owner", "")
    if owner in slack_seen.lost_owners or not slack_seen.lookups:
        return None
    began = w.now()
    try:
        return slack.user_id(owner)
    except AwsError as error:
        errors.append(str(error))
        slack_seen.lost_owners.add(owner)
        slack_seen.lookups = error.code != RATE_LIMITED and w.now() - began < SLOW_LOOKUP
        return None


def _record(w: Watchdog, message: Message) -> RunRecord | None:
    return w.ledger.record(RunId.parse(message.facts["run"])) if "run" in message.facts else None


def _is_held(record: RunRecord) -> bool:
    """Whether it will not stop, whatever is told. What is held since nothing took its notice waits for just that."""
    return record.status is Status.HELD and record.hold is not None and record.hold.code is not HoldCode.UNDELIVERED


def _still_needed(message: Message, record: RunRecord | None) -> bool:
    notice = record.notice if record is not None else None
    if record is None or notice is None or notice.id != message.facts["notice"]:
        return False
    if record.owner and record.owner != message.facts.get("owner"):
        return False  # it would go to who owned it before
    return notice.deadline == record.deadline
