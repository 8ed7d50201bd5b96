"""One click, from who it was to what became of it. Whoever clicked hears what they can act on, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from costwatch.core.approvals import Approval, State
from costwatch.core.blocks import cleaned, cut, safe, section
from costwatch.core.cards import Card
from costwatch.errors import AwsError, ConfigError, InputError, RefusedError, UnknownRun
from costwatch.procedures import approvals, clicked_runs, clicked_verdicts, clickers, outbox
from costwatch.procedures.clicked_runs import Desk
from costwatch.procedures.clickers import Standing
from costwatch.procedures.report import SweepReport

_LONGEST: Final = 2500
_RUN_ACTIONS: Final[Mapping[str, Callable[[Desk], str]]] = {
    "extend": clicked_runs.extend,
    "stop": clicked_runs.stop,
    "exempt": clicked_runs.exempt,
    "ask_exemption": clicked_runs.ask_exemption,
    "release": clicked_runs.release,
    "leave": clicked_runs.leave,
    "pause": clicked_runs.pause,
}
_ANSWERS: Final = {"approve": True, "deny": False}
_INPUTS: Final = frozenset({"cap", "reason"})
"""What is chosen or written is sent along with the next button; alone it means nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`said`: to the person alone. `failed`: what went wrong on our side; it is for the log and never for Slack."""

    result: str
    said: str = ""
    failed: Exception | None = None


def clicked(desk: Desk) -> Outcome:
    """Do what a verified click asks for, once, and tell whoever clicked where that was not done.

    Nothing is raised: a repeat minutes later would be a click that nobody made. What failed on our side comes back.
    """
    outcome = _dealt_with(desk)
    if outcome.said:
        _tell(desk, outcome.said)
    _flush(desk)
    return outcome


def _dealt_with(desk: Desk) -> Outcome:
    click = desk.click
    if click.action in _INPUTS:
        return Outcome("ignored")
    try:
        if click.action in _ANSWERS:
            return Outcome("taken", _answer(desk, yes=_ANSWERS[click.action]))
        if click.action in clicked_verdicts.TARGETS:
            return Outcome("taken", clicked_verdicts.decide(desk))
        if click.action not in _RUN_ACTIONS:
            return Outcome("refused", "This button does nothing here any more.")
        if desk.clicks.taken(click.id):
            return Outcome("taken before")
        return Outcome("taken", _RUN_ACTIONS[click.action](desk))
    except ConfigError as error:
        return Outcome("failed", _failed(desk), error)
    except (RefusedError, InputError) as error:
        return Outcome("refused", str(error))
    except Exception as error:  # noqa: BLE001 - nothing internal leaks to Slack; the handler logs and keeps it
        return Outcome("failed", _failed(desk), error)


def _answer(desk: Desk, *, yes: bool) -> str:
    click, gate = desk.click, desk.gate
    asked = gate.approvals.get(desk.w.account, click.value)
    if asked is None:
        raise UnknownRun("Nobody knows this question any more.")
    standing = desk.person.standing(asked.approvers)
    owner_user = _owner_user(desk, asked) if yes and standing.may else ""
    try:
        approvals.answer(
            gate,
            desk.w.account,
            asked.id,
            standing.clicker,
            yes=yes,
            reason=click.reason,
            cap=click.cap if yes else None,
            owner_user=owner_user,
        )
    except RefusedError as error:
        if _is_theirs(desk, yes=yes):
            return ""
        raise RefusedError(_explained(desk, asked, standing, str(error))) from error
    return ""


def _explained(desk: Desk, asked: Approval, standing: Standing, refusal: str) -> str:
    if asked.state is not State.PENDING or standing.may:
        return refusal
    clickers.say_aloud(desk.w, standing)
    return standing.explained(refusal)


def _is_theirs(desk: Desk, *, yes: bool) -> bool:
    """Whether the same person said the same before: a double click, or one that came twice."""
    known = desk.gate.approvals.get(desk.w.account, desk.click.value)
    said = State.APPROVED if yes else State.DENIED
    return (
        known is not None
        and known.state is said
        and known.answer is not None
        and (known.answer.by == desk.click.user_id)
    )


def _owner_user(desk: Desk, asked: Approval) -> str:
    """Slack's user id of the tagged owner, where it matters who that is. Raises RefusedError where nobody can say."""
    if asked.requester_may_approve or asked.requester.verified or not asked.asked.owner:
        return ""
    try:
        return desk.slack.user_id(asked.asked.owner) or ""
    except AwsError as error:
        desk.w.log("owner not looked up", {"owner": asked.asked.owner, "reason": str(error)})
        raise RefusedError(
            "Slack does not say just now who its owner is, who may not approve it; nothing was changed. Try again."
        ) from error


def _failed(desk: Desk) -> str:
    wrong, command = "Something went wrong on our side", _command(desk)
    try:
        recorded = _is_recorded(desk)
    except Exception:  # noqa: BLE001 - the ledger does not answer, so nobody knows
        return f"{wrong}, and it is not known whether anything was changed. Look again in a minute, or use {command}."
    if recorded:
        return f"{wrong}, but your click is recorded. Look again in a few minutes, or use {command}."
    return f"{wrong}; nothing was changed. Try again, or use {command}."


def _is_recorded(desk: Desk) -> bool:
    if desk.click.action in _ANSWERS:
        return _is_theirs(desk, yes=_ANSWERS[desk.click.action])
    if desk.click.action in clicked_verdicts.TARGETS:
        return clicked_verdicts.is_theirs(desk)
    return desk.clicks.taken(desk.click.id)


def _command(desk: Desk) -> str:
    word = {"ask_exemption": "exempt", "leave": "explain"}.get(desk.click.action, desk.click.action)
    return f"costwatch {word}"


def _tell(desk: Desk, sentence: str) -> None:
    """To the person alone, where they clicked; where Slack does not take that, directly. Else it is in the log."""
    text = cut(safe(cleaned(sentence)), _LONGEST)
    policy = desk.w.policy
    for approver in {*policy.res.approvers, *(each for tier in policy.approval.tiers for each in tier.approvers)}:
        if approver.startswith(("U", "W")):
            text = re.sub(rf"\b{re.escape(approver)}\b", f"<@{approver}>", text)
    text = text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
    click, slack = desk.click, desk.slack
    try:
        slack.ephemeral(click.channel_id, click.user_id, text)
    except AwsError as error:
        desk.w.log("not told", {"user": click.user_id, "reason": str(error)})
        if error.retry:
            return
        try:
            slack.post(click.user_id, Card(cut(text, 600), [section(text)]))
        except AwsError as again:
            desk.w.log("not told", {"user": click.user_id, "reason": str(again)})


def _flush(desk: Desk) -> None:
    """Say now what became of it; what cannot be said now the next sweep says."""
    report = SweepReport(at=desk.w.now())
    with report.isolating("outbox"):
        outbox.flush(desk.w, report, warnings=False)
    for failure in report.failures:
        desk.w.log("not said", {"where": failure.where, "reason": failure.reason})
