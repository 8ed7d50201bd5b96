"""What Promote and Reject on the card of a retrained model do: the same as the commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from costwatch.adapters.deployed_function import REFUSES
from costwatch.core.judgements import Judgement
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res_cards import PROMOTE, REJECT, is_open
from costwatch.core.res_standing import standing_plain
from costwatch.errors import ConfigError, RefusedError, UnknownRun
from costwatch.procedures import clickers, promotion_asked
from costwatch.procedures.clicked_runs import Desk

TARGETS: Final[Mapping[str, ApprovalStatus]] = {PROMOTE: ApprovalStatus.APPROVED, REJECT: ApprovalStatus.REJECTED}


def decide(desk: Desk) -> str:
    """Approvers of `res.approvers`. One decision counts; whoever comes second is told whose it was."""
    target, person = TARGETS[desk.click.action], desk.person
    judgement = _known(desk)
    _require_approver(desk)
    if is_theirs(desk):
        return ""
    if not is_open(judgement):
        raise RefusedError(_decided_before(desk, judgement))
    if desk.res is None:
        raise ConfigError("Promote or Reject was clicked, and the function that writes the registry is not named")
    # Taken before it is asked: a click that comes twice is one.
    if not desk.clicks.take(desk.click.id, desk.w.now()):
        return ""
    try:
        promotion_asked.ask(
            desk.res,
            judgement,
            target,
            by=person.user_id,
            name=person.name,
            reason=desk.click.reason,
            by_click=True,
        )
    except RefusedError as error:
        if is_theirs(desk):
            return ""
        after = _known(desk)
        if not is_open(after):
            raise RefusedError(_decided_before(desk, after)) from error
        raise RefusedError(f"Nothing was decided: {str(error).removeprefix(REFUSES)}") from error
    return ""


def is_theirs(desk: Desk) -> bool:
    """Whether whoever clicked decided the same before."""
    known = desk.judgements.get(desk.w.account, desk.click.value)
    return promotion_asked.is_theirs(known, desk.click.user_id, TARGETS[desk.click.action])


def _known(desk: Desk) -> Judgement:
    found = desk.judgements.get(desk.w.account, desk.click.value)
    if found is None:
        raise UnknownRun("Nobody knows this candidate any more.")
    return found


def _decided_before(desk: Desk, judgement: Judgement) -> str:
    told = standing_plain(judgement, auto_approve=desk.w.policy.res.auto_approve)
    return f"Nobody is asked about {judgement.name} any more. {told}"


def _require_approver(desk: Desk) -> None:
    """Raises RefusedError, and says aloud which group of approvers is nobody."""
    approvers = desk.w.policy.res.approvers
    standing_of = desk.person.standing(approvers)
    if standing_of.may:
        return
    clickers.say_aloud(desk.w, standing_of)
    who = f"approvers are {', '.join(approvers)}" if approvers else "no approver is configured"
    raise RefusedError(
        standing_of.explained(f"You may not do that: only approvers may promote or reject a model; {who}.")
    )
