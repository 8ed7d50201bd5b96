"""What the buttons on the cards of runs do: the same as the commands, for whoever Slack says clicked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Protocol

from costwatch import names
from costwatch.adapters.deployed_function import REFUSES
from costwatch.adapters.ledger_clicks import Clicks
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core import clicked_cards, grants, times
from costwatch.core.blocks import date_token, safe
from costwatch.core.clicked_cards import said
from costwatch.core.model import RunId
from costwatch.core.policy import Limits
from costwatch.core.record import RunRecord
from costwatch.core.step import Step
from costwatch.errors import RefusedError, UnknownRun
from costwatch.intake import Click
from costwatch.procedures import click_posts, clickers
from costwatch.procedures.approvals import Gate
from costwatch.procedures.clickers import Person
from costwatch.procedures.ports import SlackPort, Watchdog
from costwatch.procedures.promotion_asked import ResPort

EXEMPT_FOR: Final = timedelta(days=7)
STOP_WITHIN: Final = timedelta(minutes=15)
"""Whoever clicked Stop now meant now: one that was held up for longer stops nothing."""
_TRIES: Final = 5
_OF_OTHERS: Final = "This button is of another version of Costwatch. Its card says the command that does the same."


class DeadmanPort(Protocol):
    """See adapters.deployed_function.DeployedFunction."""

    def ask(self, detail_type: str, detail: Mapping[str, Any], *, answer: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Desk:
    """Where one click is dealt with. `deadman`: the only function that may stop anything. `res`: the only one that
    writes the model registry; None: none is deployed.
    """

    gate: Gate
    clicks: Clicks
    slack: SlackPort
    deadman: DeadmanPort
    click: Click
    res: ResPort | None = None

    @property
    def w(self) -> Watchdog:
        return self.gate.w

    @property
    def judgements(self) -> Judgements:
        return Judgements(self.w.ledger)

    @cached_property
    def person(self) -> Person:
        """Raises RefusedError for somebody who has left."""
        return clickers.person(self.w, self.slack, self.click)


def extend(desk: Desk) -> str:
    """Owner and approvers; past the owner's total approvers alone. One press extends once."""
    policy, person = desk.w.policy, desk.person
    run_id, seconds = _two(desk.click.value)
    duration = timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 9 else timedelta(0)
    if duration not in policy.extend_steps:
        raise RefusedError(_OF_OTHERS)
    owns = person.owns(_record(desk, run_id).owner)
    if not owns:
        _require_approver(desk, "only its owner and approvers may extend it")

    def grant(record: RunRecord, past_total: bool) -> Step:
        limits = _limits(desk, record)
        return grants.extend(
            record,
            by=person.actor,
            duration=duration,
            owner_total=policy.extend_owner_total,
            hard_cap=limits.hard_cap,
            now=desk.w.now(),
            past_total=past_total,
        )

    def step(record: RunRecord) -> Step:
        try:
            return grant(record, past_total=not owns)
        except RefusedError:
            if not owns or not person.among_run_approvers.may:
                raise
            return grant(record, past_total=True)

    def line(after: RunRecord) -> str:
        return clicked_cards.extended(after, desk.click.card_at, owner_total=policy.extend_owner_total)

    return _save(desk, run_id, step, line)


def exempt(desk: Desk) -> str:
    """Approvers, for a week, with a reason that others can read."""
    _require_approver(desk, "only approvers may exempt it")
    until = desk.w.now() + EXEMPT_FOR
    reason = desk.click.reason

    def step(record: RunRecord) -> Step:
        return grants.exempt(record, by=desk.person.actor, until=until, reason=reason, now=desk.w.now())

    rest = f" until {date_token(until)}: {safe(reason)}"
    return _save(
        desk, _run_id(desk.click.value), step, lambda _: said("Exempted", desk.person.name, rest, desk.w.now())
    )


def ask_exemption(desk: Desk) -> str:
    """The owner asks whoever may exempt, once from each card."""
    run_id = _run_id(desk.click.value)
    record = _record(desk, run_id)
    if not desk.person.owns(record.owner):
        _require_approver(desk, "only its owner and approvers may ask for an exemption")
    once = f"ask#{run_id}#{times.to_key(record.start) if record.start else '-'}#{desk.click.message_ts}"
    for _ in range(_TRIES):
        now = desk.w.now()
        step = grants.ask_exemption(_record(desk, run_id), by=desk.person.actor, now=now)
        if desk.w.ledger.save(step, [*desk.clicks.writes(desk.click.id, now), *desk.clicks.writes(once, now)]):
            desk.w.log_step(step)
            return (
                f"It was asked for in {desk.w.policy.slack.platform_channel}. Until somebody grants it nothing changes."
            )
        if desk.clicks.taken(desk.click.id):
            return ""
        if desk.clicks.taken(once):
            raise RefusedError("An exemption was asked for from this card before.")
    raise RefusedError(f"{run_id} was changed by others each time; nothing was written: try again")


def release(desk: Desk) -> str:
    """Approvers lift what a cap or mass silence holds, and nothing else."""
    _require_approver(desk, "only approvers may release it")
    run_id, hold = _two(desk.click.value)

    def step(record: RunRecord) -> Step:
        if record.hold is None or record.hold.id != hold:
            raise RefusedError(f"{hold} is over: costwatch explain {run_id}")
        made = grants.release(record, by=desk.person.actor, now=desk.w.now())
        if made is None:
            raise RefusedError(f"{hold} was released before; the next sweep looks at it.")
        return made

    rest = ": the next sweep may stop it. Notice, protection and exemptions still hold."
    return _save(desk, run_id, step, lambda _: said("Released", desk.person.name, rest, desk.w.now()))


def leave(desk: Desk) -> str:
    """Approvers say that it may go on; nothing changes but the card."""
    _require_approver(desk, "only approvers may decide about it")
    _, hold = _two(desk.click.value)
    now = desk.w.now()
    rest = f": it goes on. `costwatch release {safe(hold)}` still lets it be stopped."
    desk.clicks.take(desk.click.id, now, click_posts.answered(desk.click, said("Left", desk.person.name, rest, now)))
    return ""


def pause(desk: Desk) -> str:
    """Approvers pause everything for a day."""
    _require_approver(desk, "only approvers may pause the switch")
    ledger, click = desk.w.ledger, desk.click
    for _ in range(_TRIES):
        now, before = desk.w.now(), ledger.pause()
        step = grants.pause(before, by=desk.person.actor, duration=grants.DEFAULT_PAUSE, reason="by a button", now=now)
        rest = f" until {date_token(step.after.until)}: nobody is warned or stopped. `costwatch resume` ends it sooner."
        message = click_posts.answered(click, said("Paused", desk.person.name, rest, now))
        if ledger.set_pause(step.after, before, step.entry, desk.clicks.writes(click.id, now, message)):
            return ""
        if desk.clicks.taken(click.id):
            return ""
    raise RefusedError("Others paused or resumed at the same moment each time; nothing was written: try again.")


def stop(desk: Desk) -> str:
    """Owner and approvers ask the only function that may stop anything. It refuses by its own rules."""
    run_id = _run_id(desk.click.value)
    record = _record(desk, run_id)
    if not desk.person.owns(record.owner):
        _require_approver(desk, "only its owner and approvers may stop it")
    if desk.w.now() - desk.click.at > STOP_WITHIN:
        raise RefusedError("Your click reached us late, so nothing was stopped: look at it again, and click again.")
    # Taken before it is asked: whatever crashes from here on, nobody's one click stops something later.
    if not desk.clicks.take(desk.click.id, desk.w.now()):
        return ""
    warned = record.notice.members if record.notice is not None else ()
    detail = {
        "run": str(run_id),
        "members": [member.id for member in warned] or list(record.member_ids),
        "requested_by": desk.person.actor,
        "reason": "Stop now, on its card",
    }
    try:
        answer = desk.deadman.ask(names.DETAIL_STOP_REQUESTED, detail, answer="stopped")
    except RefusedError as error:
        raise RefusedError(f"It was not stopped: {str(error).removeprefix(REFUSES)}") from error
    now = desk.w.now()
    if answer["stopped"]:
        line = said("Stopped", desk.person.name, ". The next sweeps verify that nothing comes back.", now)
    else:
        line = said("Stop asked for", desk.person.name, ", and it goes on yet. The sweep tries again for an hour.", now)
    desk.clicks.take(f"{desk.click.id}#done", now, click_posts.answered(desk.click, line))
    return ""


def _save(desk: Desk, run_id: RunId, grant: Callable[[RunRecord], Step], line: Callable[[RunRecord], str]) -> str:
    """Save a grant with the click that asked for it and what is said of it, all or nothing.

    Raises UnknownRun when the run ended, RefusedError when it never stood still. A click that was taken before changes
    nothing.
    """
    for _ in range(_TRIES):
        record, now = _record(desk, run_id), desk.w.now()
        step = grant(record)
        message = click_posts.answered(desk.click, line(step.after or record))
        if desk.w.ledger.save(step, desk.clicks.writes(desk.click.id, now, message)):
            desk.w.log_step(step)
            return ""
        if desk.clicks.taken(desk.click.id):
            return ""
    raise RefusedError(f"{run_id} was changed by others each time; nothing was written: try again")


def _record(desk: Desk, run_id: RunId) -> RunRecord:
    """The run as it is open now, if the card is of it. Raises UnknownRun, RefusedError."""
    record = desk.w.ledger.record(run_id)
    if record is None:
        raise UnknownRun(f"It is over: costwatch explain {run_id.name} shows how it ended.")
    if record.start is not None and record.start > desk.click.card_at:
        raise RefusedError(
            f"{record.name} was started anew after this card: it has a time of its own, and other cards."
        )
    return record


def _limits(desk: Desk, record: RunRecord) -> Limits:
    selector = desk.w.policy.selector(record.selector)
    if selector is None:
        raise RefusedError(f"No selector is called {record.selector} any more, so its limits are not known.")
    return selector.limits


def _require_approver(desk: Desk, otherwise: str) -> None:
    """Raises RefusedError, and says aloud which group of approvers is nobody."""
    standing = desk.person.among_run_approvers
    if standing.may:
        return
    clickers.say_aloud(desk.w, standing)
    approvers = clickers.run_approvers(desk.w)
    who = f"approvers are {', '.join(approvers)}" if approvers else "no approver is configured"
    raise RefusedError(standing.explained(f"You may not do that: {otherwise}; {who}."))


def _two(value: str) -> tuple[RunId, str]:
    run, _, other = value.rpartition("|")
    return _run_id(run), other


def _run_id(text: str) -> RunId:
    try:
        return RunId.parse(text)
    except ValueError:
        raise RefusedError(_OF_OTHERS) from None
