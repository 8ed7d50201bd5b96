"""Say what became of a retrained model: by a card, in that card's place once somebody decided, and in its thread."""

from __future__ import annotations

from typing import Final

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core import judgement_steps
from costwatch.core.judgements import Judgement
from costwatch.core.messages import Message
from costwatch.core.res_cards import ResContext, decided_card, is_open, judgement_card
from costwatch.errors import PermanentAwsError
from costwatch.procedures import team_posts
from costwatch.procedures.ports import SlackPort, Watchdog
from costwatch.procedures.report import SweepReport
from costwatch.procedures.slack_seen import SlackSeen

_TRIES: Final = 5
_MOST_POSTS: Final = 10
"""Cards of one candidate that are kept up to date: each time that it is asked about anew posts another."""


def send(w: Watchdog, message: Message, report: SweepReport, slack_seen: SlackSeen) -> None:
    """Send one leased message: the row as it stands now, whatever it was when the message was written."""
    judgements = Judgements(w.ledger)
    judgement = judgements.get(message.facts["account"], message.facts["judgement"])
    if judgement is None:
        team_posts.done(w, message, "not sent: nobody knows this candidate any more")
        return
    context = _context(w, judgement, slack_seen)
    card = judgement_card(judgement, context)

    def by_slack(slack: SlackPort) -> str:
        if judgement.posts and not is_open(judgement):
            return _in_place(w, slack, judgement, message, context)
        return _anew(w, slack, judgements, judgement, message, context)

    team_posts.deliver(w, message, report, slack_seen, by_slack, card)


def _anew(
    w: Watchdog,
    slack: SlackPort,
    judgements: Judgements,
    judgement: Judgement,
    message: Message,
    context: ResContext,
) -> str:
    """Post its card and remember where it stands: what becomes of it is put in its place."""
    post, via = team_posts.posted(w, slack, message, judgement_card(judgement, context))
    shown = judgement
    for _ in range(_TRIES):
        if len(judgement.posts) >= _MOST_POSTS or judgements.save(judgement_steps.posted(judgement, post, w.now())):
            break
        again = judgements.get(judgement.account, judgement.id)
        if again is None:
            return via
        judgement = again
    else:
        w.log("post not remembered", {"judgement": judgement.id})
    if judgement.state is not shown.state:
        # It was decided while it was being posted: whoever said so could not know of this post.
        slack.update(post, judgement_card(judgement, context))
    return via


def _in_place(w: Watchdog, slack: SlackPort, judgement: Judgement, message: Message, context: ResContext) -> str:
    """Its cards as they stand now, without buttons, and a line in their threads. What was deleted is said anew."""
    card, line = judgement_card(judgement, context), decided_card(judgement, context)
    lost = 0
    for post in judgement.posts:
        try:
            slack.update(post, card)
            slack.post_at(post.channel, line, post.ts)
        except PermanentAwsError as error:
            w.log("card not updated", {"judgement": judgement.id, "reason": str(error)})
            lost += 1
    return team_posts.post(w, slack, message, card) if lost == len(judgement.posts) else "Slack"


def _context(w: Watchdog, judgement: Judgement, slack_seen: SlackSeen) -> ResContext:
    res = w.policy.res
    return ResContext(
        mentions=team_posts.mentions(w, res.approvers, slack_seen) if is_open(judgement) else (),
        clickable=w.policy.slack.clickable,
        auto_approve=res.auto_approve,
    )
