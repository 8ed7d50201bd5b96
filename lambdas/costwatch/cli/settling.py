"""settle: what was begun and has no end, and the functions that look at it now. It writes nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click

from costwatch import names
from costwatch.cli import claimed, deployed_function, runs, show
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import times
from costwatch.core.claims import Claim, Kind, Standing
from costwatch.core.modes import Mode
from costwatch.errors import CostwatchError

Failures = list[dict[str, Any]]
_WHAT_FOLLOWS: Final = {
    Kind.STOP: "the next sweep takes it over",
    Kind.ANSWER: "each sweep tries again to do what follows from it",
    Kind.VERDICT: "the next sweep of the breaker looks at the registry and settles it; what a person sets there stands",
}
_UNDEPLOYED: Final = (
    "no deployed function looks at models any more: name its group under res.models again and deploy, or decide it in "
    "the registry yourself"
)


@click.command(short_help="What was begun and is not settled.")
@click.option("--now", "at_once", is_flag=True, help="Have the deployed functions look at it now.")
@as_json
@with_session
def settle(session: Session, at_once: bool, as_json: bool) -> int:
    """Show what was begun and has no end yet: stops, what follows from answers, verdicts on their way into the model
    registry. The same claims as in the alarm OldestClaim, the oldest first.

    `not settled`: whoever claimed it died, its calls fail, or it is older than two hours. Each sweep takes over what
    was left. With --now the deployed functions that have something open sweep at once, as their schedules have them do:
    they do whatever else is due, too. A verdict is judged again by its function, and never over what a person decided.
    Exit code 1: something is not settled, or a part of a sweep failed.
    """
    with show.busy("Reading the ledger"):
        before = claimed.under_way(session)
    failures = _sweep(session, before) if at_once else []
    after = claimed.under_way(session) if at_once else before
    now = session.now()
    settled = [each for each in before if not _is_among(each, after)]
    if as_json:
        show.document(
            {
                "at": times.to_key(now),
                "asked": at_once,
                "settled": [{"kind": each.kind.value, "id": each.id, "key": each.key} for each in settled],
                "claims": [_document(each, now) for each in after],
                "failures": failures,
            }
        )
    else:
        _tell(session, after, settled, failures, now, asked=at_once)
    return 1 if failures or any(each.standing(now) is Standing.LEFT for each in after) else 0


def _sweep(session: Session, before: Sequence[Claim]) -> Failures:
    """Ask each function that has something open, the second also where the first fails; then that is raised."""
    deployed = session.deployment
    detail = {
        "mode": Mode.ENFORCE.value,
        "policy_digest": deployed.policy_digest,
        "requested_by": session.caller.arn,
    }
    kinds = {each.kind for each in before}
    asked = []
    if kinds & {Kind.STOP, Kind.ANSWER}:
        asked.append((deployed.function, "runs"))
    if Kind.VERDICT in kinds and deployed.res_function:
        asked.append((deployed.res_function, "candidates"))
    failures: Failures = []
    errors: list[CostwatchError] = []
    for function, answer in asked:
        try:
            with show.busy("The deployed function sweeps"):
                report = deployed_function.ask(
                    session, names.DETAIL_SWEEP_REQUESTED, detail, answer=answer, function=function
                )
        except CostwatchError as error:
            errors.append(error)
        else:
            failures += report["failures"]
    if errors:
        raise errors[0]
    return failures


def _is_among(claim: Claim, others: Sequence[Claim]) -> bool:
    """Whether the same claim still waits for the same thing."""
    same = claim.kind, claim.key, claim.accepted_at
    return any((other.kind, other.key, other.accepted_at) == same for other in others)


def _typed(claim: Claim) -> str:
    """What people type for it."""
    return runs.name_in(claim.id) if claim.kind is Kind.STOP else claim.id


def _label(claim: Claim) -> str:
    return "\n".join(dict.fromkeys((claim.name, _typed(claim))))


def _sentence(session: Session, claim: Claim, now: datetime) -> str:
    since, standing = show.clock(claim.since), claim.standing(now)
    if claim.accepted_at is not None:
        late = f", for {show.age(now - claim.since)} by now: look at it in AWS" if standing is Standing.LEFT else ""
        return f"accepted at {show.clock(claim.accepted_at)}; each sweep looks whether it came back{late}"
    by = f", attempt {claim.attempt}" if claim.attempt is not None else ""
    owner = f", claimed by {claim.owner}" if claim.owner else ""
    begun = f"{claim.what}, since {since}{by}{owner}"
    if standing is Standing.DOING:
        return f"{begun}; nobody else takes it before {show.clock(claim.lease_until)}"
    why = claim.why or "nothing was written since"
    gone = claim.kind is Kind.VERDICT and not session.deployment.res_function
    return f"{begun}; {why}; {_UNDEPLOYED if gone else _WHAT_FOLLOWS[claim.kind]}"


def _tell(
    session: Session,
    after: Sequence[Claim],
    settled: Sequence[Claim],
    failures: Failures,
    now: datetime,
    *,
    asked: bool,
) -> None:
    out = show.console()
    for each in settled:
        more = "costwatch ledger --since 1h" if each.kind is Kind.ANSWER else f"costwatch explain {_typed(each)}"
        show.say(out, f"{_typed(each)}: the sweep went on with it; {more}")
    for failure in failures:
        show.say(out, f"{failure['where']} failed: {failure['reason']}", style="yellow")
    if not after:
        show.say(out, "Nothing is open: no stop, no answer, no verdict.")
        return
    rows = [
        Row((_label(each), each.kind.value, each.standing(now).value), _sentence(session, each, now)) for each in after
    ]
    show.listing(out, ("of", "what", "standing"), rows)
    if not asked and any(each.standing(now) is Standing.LEFT for each in after):
        out.print()
        show.say(out, "Have them looked at now: costwatch settle --now")


def _document(claim: Claim, now: datetime) -> dict[str, Any]:
    return {
        "kind": claim.kind.value,
        "id": claim.id,
        "name": claim.name,
        "key": claim.key,
        "standing": claim.standing(now).value,
        "what": claim.what,
        "since": times.to_key(claim.since),
        "attempt": claim.attempt,
        "owner": claim.owner or None,
        "lease_until": times.to_key(claim.lease_until),
        "accepted_at": times.to_key(claim.accepted_at) if claim.accepted_at is not None else None,
        "why": claim.why or None,
    }
