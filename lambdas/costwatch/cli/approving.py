"""approvals, approve, deny: what waits for a yes, and a person's answer to it, written into the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import click

from costwatch.adapters.ledger_approvals import Approvals
from costwatch.cli import show
from costwatch.cli.options import Duration, Usd, as_json, with_session
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import approvals as questions
from costwatch.core import durations, principals, times
from costwatch.core.approvals import Approval, Asked, Clicker, State, Way
from costwatch.core.money import show_usd
from costwatch.errors import InputError, UnknownRun
from costwatch.procedures.approvals import decide

_GOES_ON: Final = {
    Way.PIPELINE: "The next sweep answers the pipeline.",
    Way.TASK: "The next sweep answers the state machine.",
    Way.COMMAND: "Whoever asked hears it when they ask again.",
    Way.RUN: "The next sweep acts by it.",
}
_GRANTED: Final = (State.APPROVED, State.LET_GO)
_SHOWN: Final = 6


@click.command(short_help="What waits for a yes: dollars, who may decide, until when.")
@as_json
@with_session
def approvals(session: Session, as_json: bool) -> None:
    """What waits for a yes or a no: what it costs, who may decide, until when. The most urgent stands first.

    An answer whose consequence is still to come stands there too, with the reason.
    """
    with show.busy("Reading the ledger"):
        found = _kept(session).waiting(session.caller.account, session.skip)
        found.sort(key=lambda each: (each.state is not State.PENDING, each.answer_by, each.id))
    arn = session.caller.arn
    if as_json:
        show.document({"at": times.to_key(session.now()), "approvals": [_document(each, arn) for each in found]})
        return
    out = show.console()
    if not found:
        show.say(out, "Nothing waits for an answer.")
        return
    rows = [
        Row(
            (f"{each.id}\n{each.asked.name}", show.usd(each.asked.judged_usd), show.usd(each.asked.worst_case_usd),
             show.moment(each.answer_by)),
            _standing(each, arn, session.now()),
        )
        for each in found
    ]  # fmt: skip
    show.listing(out, ("approval", "judged", "at most", "answer by"), rows, right=("judged", "at most"))
    out.print()
    show.say(out, 'Answer: costwatch approve ID, or costwatch deny ID --reason "...". Times are UTC.')


@click.command(short_help="Say yes to what waits, with a cap if you like.")
@click.argument("approval", metavar="APPROVAL")
@click.option("--cap", type=Duration(), help="How long it may run at most, for example 17h.")
@click.option("--cap-usd", type=Usd(), help="How much it may cost at most; becomes a time by its rate.")
@click.option("--reason", default="", help="Why; everybody can read it in the ledger.")
@as_json
@with_session
def approve(
    session: Session, approval: str, cap: timedelta | None, cap_usd: Decimal | None, reason: str, as_json: bool
) -> None:
    """Say yes to APPROVAL, an id that `costwatch approvals` shows.

    You may if your ARN, or that of your role, is among the approvers, and you did not ask for it yourself. One answer
    counts, and it is final. Exit code 4: somebody was faster, it is too late, or you may not.
    """
    if cap is not None and cap_usd is not None:
        raise InputError("give --cap or --cap-usd, not both")
    with show.busy("Approving"):
        found = _find(session, approval)
        if cap_usd is not None:
            cap = _runtime(found.asked, cap_usd)
        longest = found.asked.max_runtime
        if cap is not None and longest is not None and cap > longest:
            raise InputError(f"--cap {durations.short(cap)} is no cap: it asks for {durations.short(longest)}")
        _answer(session, found, yes=True, reason=reason, cap=cap, as_json=as_json)


@click.command(short_help="Say no to what waits, with a reason.")
@click.argument("approval", metavar="APPROVAL")
@click.option("--reason", required=True, help="Why; whoever asked reads it.")
@as_json
@with_session
def deny(session: Session, approval: str, reason: str, as_json: bool) -> None:
    """Say no to APPROVAL, an id that `costwatch approvals` shows. What waits for it fails with your reason.

    Who may say yes may say no. One answer counts, and it is final.
    """
    if not reason.strip():
        raise InputError("--reason is empty: whoever asked wants to know why")
    with show.busy("Denying"):
        _answer(session, _find(session, approval), yes=False, reason=reason, cap=None, as_json=as_json)


def _answer(session: Session, found: Approval, *, yes: bool, reason: str, cap: timedelta | None, as_json: bool) -> None:
    arn = session.caller.arn
    step = decide(
        _kept(session),
        session.caller.account,
        found.id,
        Clicker(arn, principals.shown(arn), principals.listed_as(arn, found.approvers)),
        clock=session.now,
        yes=yes,
        reason=reason,
        cap=cap,
        owner_user=arn if principals.is_owner(arn, found.asked.owner) else "",
    )
    after, entry = step.after, step.entries[0]
    if as_json:
        show.document(_document(after, arn) | {"transition": entry.transition.value, "reason": reason})
        return
    out = show.console()
    show.say(out, f"{after.asked.name}: {entry.reason}.")
    show.say(out, _GOES_ON[after.way])


def _find(session: Session, text: str) -> Approval:
    """By its whole id. Raises UnknownRun with what waits."""
    kept, account = _kept(session), session.caller.account
    found = kept.get(account, text) if text else None
    if found is not None:
        return found
    waiting = [each for each in kept.waiting(account, session.skip) if each.state is State.PENDING]
    ids = ", ".join(f"{each.id} ({each.asked.name})" for each in waiting[:_SHOWN])
    raise UnknownRun(f"no approval is called {text!r}; waiting: {ids or 'none'}")


def _kept(session: Session) -> Approvals:
    return Approvals(session.ledger())


def _runtime(asked: Asked, usd: Decimal) -> timedelta:
    """How long it may run for `usd`, in whole minutes. Raises InputError where that is no cap."""
    if not asked.hourly_usd:
        raise InputError("nobody knows what an hour of it costs: give a time with --cap")
    if asked.worst_case_usd is not None and usd >= asked.worst_case_usd:
        raise InputError(f"--cap-usd {show_usd(usd)} is no cap: it costs at most {show_usd(asked.worst_case_usd)}")
    minutes = int(usd / asked.hourly_usd * 60)
    if minutes < 1:
        raise InputError(f"--cap-usd {show_usd(usd)} is less than a minute of it: {show_usd(asked.hourly_usd)} an hour")
    return timedelta(minutes=minutes)


def _standing(approval: Approval, arn: str, now: datetime) -> str:
    """Why it is asked, by whom, and who may decide; or what its answer waits for."""
    asked = approval.asked
    if approval.state is not State.PENDING:
        why = approval.effect.outcome if approval.effect is not None else ""
        return f"{questions.told(approval)}; what follows is still to be done{f': {why}' if why else ''}"
    requester = approval.requester.name or approval.requester.principal or "nobody known"
    proven = "" if approval.requester.verified else " (unverified)"
    who = ", ".join(approval.approvers) or "nobody"
    facts = (
        f"{questions.why(asked)}; expected {show.usd(asked.expected_usd)}",
        f"{asked.capacity}, {asked.region}",
        f"team {asked.team}" if asked.team else "",
        f"asked by {requester}{proven}",
        f"{who} may decide{', so may you' if _may(approval, arn) else ''}",
        f"{durations.show(approval.answer_by - now)} are left" if now < approval.answer_by else "its time is over",
    )
    return "; ".join(fact for fact in facts if fact)


def _may(approval: Approval, arn: str) -> bool:
    return questions.may_answer(approval, arn, principals.listed_as(arn, approval.approvers))


def _document(approval: Approval, arn: str) -> dict[str, Any]:
    """One question; what it is answered by is left out."""
    asked, answer = approval.asked, approval.answer
    return {
        "id": approval.id,
        "name": asked.name,
        "kind": asked.kind,
        "state": approval.state.value,
        "way": approval.way.value,
        "waits": approval.source,
        "region": asked.region,
        "capacity": asked.capacity,
        "hourly_usd": _usd(asked.hourly_usd),
        "expected_usd": _usd(asked.expected_usd),
        "p90_usd": _usd(asked.p90_usd),
        "worst_case_usd": _usd(asked.worst_case_usd),
        "judged_usd": _usd(asked.judged_usd),
        "above_usd": str(asked.above_usd),
        "owner": asked.owner,
        "team": asked.team,
        "requester": {"name": approval.requester.name, "verified": approval.requester.verified},
        "approvers": list(approval.approvers),
        "you_are_an_approver": _may(approval, arn),
        "asked_at": times.to_key(approval.asked_at),
        "answer_by": times.to_key(approval.answer_by),
        "answer": answer
        and {
            "by": answer.by,
            "name": answer.name,
            "at": times.to_key(answer.at),
            "reason": answer.reason,
            "cap_seconds": int(answer.cap.total_seconds()) if answer.cap is not None else None,
            "granted_usd": _usd(approval.granted_usd) if approval.state in _GRANTED else None,
        },
    }


def _usd(amount: Decimal | None) -> str | None:
    return f"{amount:.2f}" if amount is not None else None
