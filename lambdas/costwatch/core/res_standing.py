"""How a candidate stands in the model registry, in one or two sentences, with the command that changes it."""

from __future__ import annotations

import re
from typing import Final

from costwatch.core import principals
from costwatch.core.blocks import cleaned, cut, date_token, safe, unmarked
from costwatch.core.judgement_steps import NOT_WRITTEN
from costwatch.core.judgements import Decided, Hand, Judgement, State
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus
from costwatch.core.registry_words import command
from costwatch.core.res import Cause, Value

_NAME, _NOTE = 80, 400
_WITHOUT_STOP: Final = re.compile(r"(?<![.:])\n")
_VERBS: Final = {
    ApprovalStatus.APPROVED: "Promoted",
    ApprovalStatus.REJECTED: "Rejected",
    ApprovalStatus.PENDING: "Set back to pending",
}


def standing(judgement: Judgement, *, auto_approve: bool) -> str:
    """In Slack's marks. `auto_approve`: whether Costwatch may approve."""
    if judgement.decided is not None:
        return _decided(judgement, judgement.decided)
    value, state = judgement.verdict.value, judgement.state
    if is_gone(judgement):
        return "It was deleted from the model registry, so there is nothing left to decide."
    if state is State.WRITING:
        return _being_written(judgement)
    if state is State.WAITING:
        return "It stays pending, and is judged as soon as that is known."
    if state is State.WRITTEN:
        how = "approved it" if judgement.target is ApprovalStatus.APPROVED else "rejected it"
        return f"Costwatch {how} in the model registry, with the figures as its metadata."
    if value is Value.FIRST_MODEL:
        return f"It stays pending: a first model is a person's to approve.\n{_approve(judgement)}"
    if value is Value.UNJUDGED:
        return "It stays pending: nothing is rejected that could not be judged whole."
    if value is Value.OVERRIDDEN:
        return _overridden(judgement)
    if judgement.mode is not Mode.ENFORCE:
        return _would(judgement, auto_approve=auto_approve)
    if value is Value.PROMOTE:
        return f"It waits for a person's approval: Costwatch approves nothing here.\n{_approve(judgement)}"
    return "It is pending in the model registry until somebody decides."


def standing_plain(judgement: Judgement, *, auto_approve: bool = False) -> str:
    """The same on one line, without marks: for a terminal, and for what one person is told."""
    return _WITHOUT_STOP.sub(". ", unmarked(standing(judgement, auto_approve=auto_approve))).replace("\n", " ")


def is_gone(judgement: Judgement) -> bool:
    """Whether it was deleted: nobody decided otherwise, and it is over."""
    left = judgement.state is State.OVERRIDDEN and judgement.decided is None
    return left and judgement.verdict.value is not Value.OVERRIDDEN


def who(decided: Decided) -> str:
    """For people, unmarked; `somebody` where nobody says."""
    name = decided.name or (principals.shown(decided.by) if decided.by.startswith("arn:") else decided.by)
    return cut(cleaned(name), _NAME) or "somebody"


def _would(judgement: Judgement, *, auto_approve: bool) -> str:
    value = judgement.verdict.value
    if value is Value.PROMOTE and not auto_approve:
        return f"It waits for a person's approval.\n{_approve(judgement)}"
    would = "it would have been rejected"
    if value is Value.PROMOTE:
        would = "it would have been approved"
    elif value is Value.TOO_DEAR and judgement.verdict.ask:
        would = "somebody would have been asked to promote or reject it"
    only = "only warns" if judgement.mode is Mode.WARN else "only observes"
    return f"Costwatch {only}, so the model registry is as it was; in enforce {would}."


def _overridden(judgement: Judgement) -> str:
    if judgement.verdict.cause is Cause.NOT_PENDING:
        return "It was not pending any more when Costwatch looked at it, and is left as it is."
    return "A person decided about it in the model registry: that stands."


def _decided(judgement: Judgement, decided: Decided) -> str:
    verb, by, at = _VERBS[decided.target], safe(who(decided)), date_token(decided.at)
    status = decided.target.value
    reason = f"\nReason: {safe(cut(cleaned(decided.reason), _NOTE))}" if decided.reason else ""
    if decided.hand is Hand.FIRST:
        return f"{verb} by {by} in the model registry, seen {at}, before Costwatch wrote anything: that stands.{reason}"
    if decided.hand is Hand.AFTER:
        return f"{verb} by {by} in the model registry, seen {at}, over what Costwatch had written: that stands.{reason}"
    if decided.hand is Hand.RESTORED:
        return (
            f"{verb} by {by} in the model registry just before Costwatch wrote, which went over it. "
            f"It was set back to {status} {at}.{reason}"
        )
    if decided.hand is Hand.NOT_RESTORED:
        return (
            f"{verb} by {by} in the model registry just before Costwatch wrote, which went over it, and Costwatch's "
            f"role may not set it back to {status}. This does:\n`{safe(command(judgement, decided.target))}`"
            f"{reason}"
        )
    return f"{verb} by {by} {at}.{reason}\n{_done(judgement, decided)}"


def _done(judgement: Judgement, decided: Decided) -> str:
    """What came of a button or a command."""
    if judgement.state is State.WRITING:
        return _being_written(judgement)
    if decided.target is ApprovalStatus.REJECTED:
        if judgement.state is State.WRITTEN:
            return "It is Rejected in the model registry."
        reject = f"`{safe(command(judgement, ApprovalStatus.REJECTED))}`"
        return f"Costwatch leaves the model registry to you. If it is not Rejected there yet, this does it:\n{reject}"
    if judgement.approved_at is not None or judgement.state is State.WRITTEN:
        return "It is Approved in the model registry."
    return f"Costwatch leaves the model registry to you, and will not reject it. {_approve(judgement)}"


def _being_written(judgement: Judgement) -> str:
    if not judgement.told.startswith(NOT_WRITTEN):
        return "The model registry is being written."
    why = safe(cut(cleaned(judgement.told.removeprefix(NOT_WRITTEN)), _NOTE))
    return f"The model registry did not take it, and the next sweep tries again: {why}."


def _approve(judgement: Judgement) -> str:
    return f"To approve it:\n`{safe(command(judgement, ApprovalStatus.APPROVED))}`"
