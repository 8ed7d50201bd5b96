"""What enforce would have done, and the line of costwatch.yaml that makes it so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from costwatch.cli import runs, show, would_have_document
from costwatch.cli.options import begin_of
from costwatch.cli.session import Session
from costwatch.core import gate_graduating, graduated, graduating, res_graduating
from costwatch.core.changes import Changes
from costwatch.core.graduated import Graduated
from costwatch.core.graduating import Graduation, Truth
from costwatch.core.held_by_caps import HeldByCap
from costwatch.core.money import show_usd
from costwatch.core.policy import Policy
from costwatch.errors import ConfigError
from costwatch.procedures.graduating import LookedBack, look_back

_MOST_CASES = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """`policy` and `changes`: of the file here; None and none where no valid one lies here."""

    since: datetime
    until: datetime
    back: LookedBack
    policy: Policy | None
    changes: Changes
    file: str
    other_is_deployed: str
    """A sentence where the file here is not what is deployed; empty: it is, or nobody knows."""

    @property
    def graduated(self) -> list[Graduated]:
        return self.back.graduated(self.policy, self.changes)


def would_have(session: Session, since: timedelta | datetime, *, as_json: bool) -> None:
    """Raises InputError, NotDeployedError."""
    now = session.now()
    begin = begin_of(since, now)
    with show.busy("Reading the ledger"):
        seen = _read(session, begin, now)
    if as_json:
        show.document(would_have_document.of(seen))
    else:
        _draw(seen)


def _read(session: Session, begin: datetime, now: datetime) -> Seen:
    policy = _policy_here(session)
    ledger, account = session.ledger(), session.caller.account
    still = runs.open_records(session, ledger)
    back = look_back(ledger, account, begin, now, still, policy, session.skip)
    changes = _changes(session) if policy is not None else Changes()
    return Seen(begin, now, back, policy, changes, str(session.config_path), _other_is_deployed(session, policy))


def _policy_here(session: Session) -> Policy | None:
    """None where none lies here, or it is broken, which a note says: the ledger is told all the same."""
    try:
        return session.policy
    except ConfigError as error:
        show.note(f"no line to change is shown: {str(error).partition(chr(10))[0]}")
        return None


def _changes(session: Session) -> Changes:
    from costwatch.config import graduate  # noqa: PLC0415 - no other command needs what reads the file itself

    return graduate.changes(session.config_path)


def _other_is_deployed(session: Session, policy: Policy | None) -> str:
    deployed = session.deployment
    if policy is None or not deployed.policy_digest or deployed.policy_digest == policy.digest:
        return ""
    return (
        f"{session.config_path} ({policy.digest[:12]}) is not what is deployed ({deployed.policy_digest[:12]}, commit "
        f"{deployed.config_commit}): modes and lines below are those of the file here, which decide nothing yet"
    )


def _draw(seen: Seen) -> None:
    out = show.console()
    show.say(out, f"What enforce would have done since {show.clock(seen.since)}; times are UTC.")
    if seen.other_is_deployed:
        show.say(out, f"{seen.other_is_deployed}.")
    found = seen.graduated
    if not found:
        show.say(out, "Nothing would have been stopped.")
    told = _cases(seen.back)
    for each in found:
        out.print()
        mode = each.mode.value if each.mode is not None else "not in the file here"
        show.say(out, f"{each.name} ({mode})", style="bold")
        for sentence in each.says:
            show.say(out, f"{sentence[:1].upper()}{sentence[1:]}.", indent=2)
        if each.advice.sentence:
            show.say(out, each.advice.sentence, indent=2)
        for line in each.advice.lines:
            show.say(out, line, indent=4)
        cases = told[each.name]
        for text in cases[: -_MOST_CASES - 1 : -1]:
            show.say(out, text, indent=2)
        if len(cases) > _MOST_CASES:
            show.say(out, f"... and {len(cases) - _MOST_CASES} before: --json has them all", indent=2)


def _cases(back: LookedBack) -> dict[str, list[str]]:
    """A line for each would-have, and for what a cap held, oldest first, by whose it is."""
    found = {each.selector: [_run(case) for case in _in_order(each)] for each in back.selectors}
    waits = sorted(back.gate.cases, key=lambda case: case.at)
    found[graduated.GATE] = [_wait(case) for case in waits]
    judged = sorted(back.res.cases, key=lambda case: case.at)
    found[graduated.RES] = [_candidate(case) for case in judged]
    return found


def _in_order(each: Graduation) -> list[graduating.Case | HeldByCap]:
    return sorted((*each.cases, *each.held), key=lambda one: one.at)


def _run(case: graduating.Case | HeldByCap) -> str:
    if isinstance(case, HeldByCap):
        return f"{show.moment(case.at)}  {case.name}: {case.sentence}"
    still = f", {show_usd(case.usd)} since then" if case.truth is Truth.STILL_RUNS else ""
    return f"{show.moment(case.at)}  {case.name}: {case.reason}{still}{' (doubtful)' if case.doubtful else ''}"


def _wait(case: gate_graduating.Case) -> str:
    doubts = f" (doubtful: {', '.join(case.doubts)})" if case.doubts else ""
    name = "" if case.reason.startswith(case.name) else f"{case.name}: "
    return f"{show.moment(case.at)}  {name}{case.reason}{doubts}"


def _candidate(case: res_graduating.Case) -> str:
    hand = f"; {case.hand.value}" if case.hand is not None else ""
    chance = " (doubtful: nobody knows what is chance)" if case.by_chance else ""
    return f"{show.moment(case.at)}  {case.name}: {case.would.value} ({case.reason}){hand}{chance}"
