"""The cards of approvals: what a manager needs to decide in ten seconds, and what became of it.

Inputs stand inside the message, buttons carry the question's id and nothing else, and are gone once it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core import approvals, durations, gate
from costwatch.core.approvals import Approval, Asked, State, Way
from costwatch.core.blocks import (
    Block,
    button,
    buttons,
    cleaned,
    confirm,
    cut,
    date_token,
    fields,
    header,
    safe,
    section,
    select,
    small_print,
    text_input,
)
from costwatch.core.cards import Card
from costwatch.core.estimator import Confidence
from costwatch.core.money import show_usd

APPROVE: Final = "approve"
DENY: Final = "deny"
CAP: Final = "cap"
REASON: Final = "reason"
NO_CAP: Final = "none"
TUNING: Final = "Tuning"
_NAME, _NOTE, _PUSH = 80, 400, 600
_WAITS: Final = {
    Way.PIPELINE: "Nothing is running yet. Waiting costs nothing.",
    Way.TASK: "Nothing is running yet. Waiting costs nothing.",
    Way.COMMAND: "Nothing is running yet. Waiting costs nothing.",
    Way.RUN: "It is running already, and every hour costs.",
}


@dataclass(frozen=True, slots=True)
class ApprovalContext:
    """`mentions`: Slack's marks of who may decide. `team_spent_usd`: the team's, this month; None: not known."""

    now: datetime
    mentions: tuple[str, ...] = ()
    team_spent_usd: Decimal | None = None


def question_card(approval: Approval, context: ApprovalContext) -> Card:
    """The card as the question stands now: with buttons while it is open, else with its answer."""
    asked = approval.asked
    name = cut(_clean(asked.name), _NAME)
    open_ = approval.state is State.PENDING
    head = f"Approval needed: {name}" if open_ else f"{approval.state.value.capitalize()}: {name}"
    blocks = [
        header(head),
        section(_what_waits(approval) if open_ else f"*{safe(_clean(_said(approval)))}*"),
        fields(
            ("Expected", _expected(asked)),
            ("At most", _at_most(asked)),
            ("Rate", _rate(asked)),
            ("Why asked", _why(asked)),
            *_team(asked, context),
        ),
    ]
    if open_:
        blocks.extend(_asks(approval, context))
    blocks.append(small_print(_context(approval)))
    push = f"{head}: {_usd(asked.judged_usd)}, at most {_usd(asked.worst_case_usd)}; {asked.capacity}"
    if open_:
        push += f"; answer by {approval.answer_by:%H:%M} UTC"
    return Card(cut(safe(cut(push, _PUSH)), _PUSH), blocks)


def reminder_card(approval: Approval, context: ApprovalContext) -> Card:
    """Beside the question, once."""
    left = durations.show(approval.answer_by - context.now)
    text = f"Still waiting for an answer, for {left} more: no answer by {date_token(approval.answer_by)} means no."
    who = " ".join(context.mentions)
    name = cut(_clean(approval.asked.name), _NAME)
    push = safe(cut(f"{name} still waits for a yes or a no, {left} are left; {_usd(approval.asked.judged_usd)}", _PUSH))
    return Card(push, [section(f"{who} {text}".strip())])


def answer_card(approval: Approval) -> Card:
    """What became of it, for the thread below the question."""
    asked, answer = approval.asked, approval.answer
    text = safe(_clean(_said(approval)))
    if answer is not None and answer.reason and approval.state in (State.APPROVED, State.DENIED):
        text += f"\nReason: {safe(cut(_clean(answer.reason), _NOTE))}"
    saw = f"What they saw: expected {_usd(asked.expected_usd)}, at most {_usd(asked.worst_case_usd)}, {asked.capacity}."
    push = safe(
        cut(f"{cut(_clean(asked.name), _NAME)}: {_said(approval).rstrip('.')}; {_usd(asked.judged_usd)}", _PUSH)
    )
    return Card(push, [section(f"{text}\n{safe(_clean(saw))}")])


def unused_card(approval: Approval) -> Card:
    """Beside the question, once: nobody drew on the yes before it expired. What nobody watches may have started."""
    name = cut(_clean(approval.asked.name), _NAME)
    head = f"No job that Costwatch watches drew on the yes to {name}"
    again = "It has expired; what starts now is asked about again."
    push = safe(cut(f"{head}; it was asked about for {_usd(approval.asked.judged_usd)}", _PUSH))
    return Card(push, [section(f"{safe(head)}. {again}")])


def would_have_asked_card(facts: Mapping[str, str]) -> Card:
    """In mode warn: nothing waits, and people hear what would have."""
    name = cut(_clean(facts["name"]), _NAME)
    head = f"{name} would have waited for a yes"
    who = facts["approvers"] or "nobody: no approver is configured"
    blocks = [
        header(head),
        section(f"{safe(_clean(facts['reason'])).capitalize()}. The gate only warns, so it goes on."),
        fields(("At most", facts["worst"]), ("Who would decide", safe(_clean(who)))),
    ]
    return Card(safe(cut(f"{head}: {facts['reason']}", _PUSH)), blocks)


def _asks(approval: Approval, context: ApprovalContext) -> list[Block]:
    asked = approval.asked
    blocks: list[Block] = []
    question = _question(asked)
    if question:
        blocks.append(section(question))
    # Before it starts a cap would bound each of a tuning job's jobs, and nobody could say what they cost together.
    per_job = asked.kind == TUNING and approval.way is not Way.RUN
    offered = () if per_job else gate.caps(asked)
    if offered:
        options = [("no cap", NO_CAP), *((_cap(asked, each), str(int(each.total_seconds()))) for each in offered)]
        blocks.append(select(CAP, CAP, "Ends it after", options))
    blocks.append(text_input(REASON, REASON, "Reason", hint="Everybody can read it", most=300))
    sure = confirm(
        "Approve?",
        f"{cut(_clean(asked.name), _NAME)} may spend {_usd(asked.worst_case_usd)} at most, or as much as a cap allows.",
        "Approve",
    )
    blocks.append(
        buttons(
            "answer",
            button(APPROVE, "Approve", approval.id, style="primary", confirm=sure),
            button(DENY, "Deny", approval.id, style="danger"),
        )
    )
    who = " ".join(context.mentions) or "Nobody is configured who"
    blocks.append(section(f"{who} may decide. No answer by {date_token(approval.answer_by)} means no.{_own(approval)}"))
    return blocks


def _own(approval: Approval) -> str:
    if approval.requester_may_approve:
        return ""
    if approval.requester.verified:
        return f" {safe(_clean(approval.requester.name))} asked, and may not."
    return " Who asked is not proven, so its owner may not."


def _what_waits(approval: Approval) -> str:
    asked, by = approval.asked, approval.requester
    name = safe(_clean(by.name)) or "Somebody"
    parts = [name if by.verified else f"{name} (unverified)"]
    parts.extend([f"team {safe(_clean(asked.team))}"] if asked.team else [])
    parts.append(asked.region)
    return f"{_WAITS[approval.way]}\n{' · '.join(parts)}"


def _said(approval: Approval) -> str:
    answer = approval.answer
    if answer is None:
        return approval.state.value
    sentence = approvals.sentence(approval)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _expected(asked: Asked) -> str:
    if asked.expected_usd is None:
        return "unknown: no known price"
    runtime = f" ({durations.show(asked.expected_runtime)}: {asked.basis})" if asked.expected_runtime else ""
    more = ""
    if asked.p90_usd is not None and asked.p90_usd not in (asked.expected_usd, asked.worst_case_usd):
        more = f"; 9 in 10 stay under {show_usd(asked.p90_usd)}"
    return safe(_clean(f"{show_usd(asked.expected_usd)}{runtime}{more}"))


def _at_most(asked: Asked) -> str:
    whose = "the limit of each of its jobs" if asked.kind == TUNING else "its own limit"
    limit = f" ({durations.show(asked.max_runtime)}, {whose})" if asked.max_runtime else ""
    return f"{_usd(asked.worst_case_usd)}{limit}"


def _rate(asked: Asked) -> str:
    gpus = f", {asked.gpus} accelerators" if asked.gpus else ""
    of = f", price of {asked.price_as_of:%d %b %Y}" if asked.price_as_of else ""
    trust = {Confidence.STALE: ", not refreshed since", Confidence.SEED: " (shipped with Costwatch)"}
    hourly = f"{show_usd(asked.hourly_usd)} an hour" if asked.hourly_usd is not None else "unknown"
    return safe(_clean(f"{hourly}: {asked.capacity}{gpus}{of}{trust.get(asked.confidence, '')}"))


def _why(asked: Asked) -> str:
    return approvals.why(asked) + (", and unknown is never zero" if asked.judged_usd is None else "")


def _team(asked: Asked, context: ApprovalContext) -> list[tuple[str, str]]:
    if not asked.team or context.team_spent_usd is None:
        return []
    return [(f"Team {safe(_clean(asked.team))}", f"{show_usd(context.team_spent_usd)} in {context.now:%B} so far")]


def _question(asked: Asked) -> str:
    """The one that a manager would ask."""
    if asked.max_runtime is None or asked.p90_runtime is None or asked.p90_runtime >= asked.max_runtime:
        return ""
    machines = f"{asked.gpus} accelerators" if asked.gpus else asked.capacity
    return f"Does this job really need {durations.show(asked.max_runtime)} on {safe(_clean(machines))}?"


def _cap(asked: Asked, runtime: timedelta) -> str:
    usd = asked.capped_usd(runtime)
    return f"{durations.show(runtime)}" + (f", {show_usd(usd)}" if usd is not None else "")


def _context(approval: Approval) -> str:
    asked = approval.asked
    parts = [approval.id, asked.kind, _clean(approval.source.rpartition(":")[2]), f"owner {asked.owner}"]
    shown = [part for part in parts if part and part != "owner "]
    return _clean(
        " · ".join([*shown, f"costwatch approve {approval.id}"] if approval.state is State.PENDING else shown)
    )


def _usd(amount: Decimal | None) -> str:
    return show_usd(amount) if amount is not None else "an unknown amount"


def _clean(text: str) -> str:
    return cleaned(text)
