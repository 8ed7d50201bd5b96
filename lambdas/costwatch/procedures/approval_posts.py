"""Say what is to be said of a question about money: where it is asked, in its thread, and in its place at the end."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.core import approvals
from costwatch.core.approval_cards import (
    ApprovalContext,
    answer_card,
    question_card,
    reminder_card,
    unused_card,
    would_have_asked_card,
)
from costwatch.core.approvals import Approval, State
from costwatch.core.cards import Card
from costwatch.core.messages import Message, MessageKind
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.procedures import team_posts
from costwatch.procedures.ports import SlackPort, Watchdog
from costwatch.procedures.report import SweepReport
from costwatch.procedures.slack_seen import SlackSeen

_TRIES: Final = 5


def send(w: Watchdog, message: Message, report: SweepReport, slack_seen: SlackSeen) -> None:
    """Send one leased message to whoever decides: in the team's channel, else the platform's, else by e-mail.

    What nothing takes is kept for the next sweep and reported.
    """
    if message.kind is MessageKind.APPROVAL_WOULD:
        would = would_have_asked_card(message.facts)
        team_posts.deliver(
            w, message, report, slack_seen, lambda slack: team_posts.post(w, slack, message, would), would
        )
        return
    ledger = Approvals(w.ledger)
    approval = ledger.get(message.facts["account"], message.facts["approval"])
    late = message.kind in (MessageKind.APPROVAL_ANSWERED, MessageKind.APPROVAL_UNUSED)
    if approval is None or (not late and approval.state is not State.PENDING):
        # What was answered before it could be asked is said by its answer.
        team_posts.done(w, message, "not sent: it was answered before")
        return
    context = _context(w, approval, slack_seen)
    if message.kind is MessageKind.APPROVAL:
        card = question_card(approval, context)
        team_posts.deliver(
            w, message, report, slack_seen, lambda slack: _ask(w, slack, ledger, approval, message, card), card
        )
    elif message.kind is MessageKind.APPROVAL_REMINDER:
        card = reminder_card(approval, context)
        team_posts.deliver(
            w, message, report, slack_seen, lambda slack: _below(w, slack, approval, message, card), card
        )
    elif message.kind is MessageKind.APPROVAL_UNUSED:
        card = unused_card(approval)
        team_posts.deliver(
            w, message, report, slack_seen, lambda slack: _below(w, slack, approval, message, card), card
        )
    else:
        card = answer_card(approval)
        team_posts.deliver(
            w, message, report, slack_seen, lambda slack: _answer(w, slack, approval, message, context), card
        )


def _ask(w: Watchdog, slack: SlackPort, ledger: Approvals, approval: Approval, message: Message, card: Card) -> str:
    """Post the question and remember where it stands: its answer is put in its place."""
    post, via = team_posts.posted(w, slack, message, card)
    for _ in range(_TRIES):
        if ledger.save(approvals.posted(approval, post)):
            return via
        again = ledger.get(approval.asked.account, approval.id)
        if again is None:
            return via
        approval = again
        if approval.state is not State.PENDING:
            # It was answered while it was being posted: whoever said so could not know of this post.
            slack.update(post, question_card(approval, ApprovalContext(w.now())))
            return via
    w.log("post not remembered", {"approval": approval.id})
    return via


def _below(w: Watchdog, slack: SlackPort, approval: Approval, message: Message, card: Card) -> str:
    """In the thread of each post; in the channel where there is none."""
    if not approval.posts:
        return team_posts.post(w, slack, message, card)
    for post in approval.posts:
        slack.post_at(post.channel, card, post.ts)
    return "Slack"


def _answer(w: Watchdog, slack: SlackPort, approval: Approval, message: Message, context: ApprovalContext) -> str:
    """Put the answer in the question's place, without buttons, and into its thread. What was deleted is said anew."""
    said = answer_card(approval)
    for post in approval.posts:
        try:
            slack.update(post, question_card(approval, context))
            slack.post_at(post.channel, said, post.ts)
        except PermanentAwsError as error:
            w.log("card not updated", {"approval": approval.id, "reason": str(error)})
            team_posts.post(w, slack, message, said)
    return "Slack" if approval.posts else team_posts.post(w, slack, message, said)


def _context(w: Watchdog, approval: Approval, slack_seen: SlackSeen) -> ApprovalContext:
    return ApprovalContext(
        now=w.now(),
        mentions=team_posts.mentions(w, approval.approvers, slack_seen),
        team_spent_usd=_team_spent(w, approval),
    )


def _team_spent(w: Watchdog, approval: Approval) -> Decimal | None:
    """What the team's runs cost that ended this month, UTC. None: nobody knows, or the ledger cannot be read."""
    team, now = approval.asked.team, w.now()
    if not team:
        return None
    total, day = Decimal(0), now.date().replace(day=1)
    try:
        while day <= now.date():
            for cost in w.ledger.costs(approval.asked.account, day, lambda _row: None):
                if cost.owners.team == team and cost.actual_usd is not None:
                    total += cost.actual_usd
            day += timedelta(days=1)
    except AwsError:
        return None
    return total
