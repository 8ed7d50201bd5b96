"""What enforce would have done, selector by selector, and the line of costwatch.yaml that makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from costwatch.cli import runs, show
from costwatch.cli.options import begin_of
from costwatch.cli.session import Session
from costwatch.core import graduating, times
from costwatch.core.graduating import Case, Graduation, Truth
from costwatch.core.modes import Mode
from costwatch.core.money import show_usd
from costwatch.core.policy import Policy
from costwatch.core.run_cost import RunCost
from costwatch.errors import ConfigError

if TYPE_CHECKING:
    from costwatch.config.graduate import Change

_MOST_CASES: Final = 20
_TRUTHS: Final = {
    Truth.FINISHED: "finished, its work lost",
    Truth.RAN_ON: "ran on",
    Truth.STOOD_DOWN: "not due any more",
    Truth.STILL_RUNS: "still running, so far",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """`modes`: of the selectors of the configuration here, in its order; empty: none lies here."""

    since: datetime
    until: datetime
    found: list[Graduation]
    modes: Mapping[str, Mode]
    changes: Mapping[str, Change]
    """Of each selector that does not enforce."""
    file: str


def would_have(session: Session, since: timedelta | datetime, *, as_json: bool) -> None:
    """Raises InputError, NotDeployedError."""
    now = session.now()
    begin = begin_of(since, now)
    with show.busy("Reading the ledger"):
        seen = _read(session, begin, now)
    if as_json:
        show.document(_document(seen))
    else:
        _draw(seen)


def _read(session: Session, begin: datetime, now: datetime) -> Seen:
    policy = _policy_here(session)
    modes = {each.name: each.mode for each in policy.selectors} if policy is not None else {}
    ledger, account = session.ledger(), session.caller.account
    rows = [row for row in ledger.since(begin, now, session.skip) if row.origin == ledger.origin]
    costs: list[RunCost] = []
    day = begin.astimezone(UTC).date()
    while day <= now.astimezone(UTC).date():
        costs += ledger.costs(account, day, session.skip)
        day += timedelta(days=1)
    lines = [(row.run_id, row.entry) for row in rows]
    cases = graduating.cases(lines, costs, runs.open_records(session, ledger), now)
    changes = {name: _change(session, name) for name, mode in modes.items() if mode is not Mode.ENFORCE}
    return Seen(begin, now, graduating.by_selector(cases, tuple(modes)), modes, changes, str(session.config_path))


def _policy_here(session: Session) -> Policy | None:
    """None where none lies here, or it is broken, which a note says: the ledger is told all the same."""
    try:
        return session.policy
    except ConfigError as error:
        show.note(f"no line to change is shown: {str(error).partition(chr(10))[0]}")
        return None


def _change(session: Session, selector: str) -> Change:
    from costwatch.config import graduate  # noqa: PLC0415 - no other command needs what reads the file itself

    return graduate.change(session.config_path, selector)


def _draw(seen: Seen) -> None:
    out = show.console()
    show.say(out, f"What enforce would have done since {show.clock(seen.since)}; times are UTC.")
    if not seen.found:
        show.say(out, "Nothing would have been stopped.")
    for each in seen.found:
        out.print()
        mode = seen.modes.get(each.selector)
        show.say(out, f"{each.selector} ({mode.value if mode is not None else 'not in the file here'})", style="bold")
        show.say(out, f"{each.sentence[:1].upper()}{each.sentence[1:]}.", indent=2)
        if each.cases:
            show.say(out, _sums(each), indent=2)
        for text in _change_told(each.selector, seen):
            show.say(out, text, indent=2)
        for case in each.cases[: -_MOST_CASES - 1 : -1]:
            doubtful = " (doubtful)" if case.doubtful else ""
            show.say(out, f"{show.moment(case.at)}  {case.name}: {case.reason}{_still(case)}{doubtful}", indent=2)
        if len(each.cases) > _MOST_CASES:
            show.say(out, f"... and {len(each.cases) - _MOST_CASES} before: --json has them all", indent=2)


def _still(case: Case) -> str:
    return f", {show_usd(case.usd)} since then" if case.truth is Truth.STILL_RUNS else ""


def _sums(each: Graduation) -> str:
    told = [
        f"{len(found)} {what}{f': {show_usd(each.usd(truth))}' if truth is not Truth.STOOD_DOWN else ''}"
        for truth, what in _TRUTHS.items()
        if (found := each.of(truth))
    ]
    return f"{'; '.join(told)}. Net {show_usd(each.net_usd)}."


def _change_told(selector: str, seen: Seen) -> list[str]:
    if seen.modes.get(selector) is Mode.ENFORCE:
        return ["It enforces already."]
    change = seen.changes.get(selector)
    if change is None:
        return []
    if change.problem:
        return [f"To enforce: {change.problem}."]
    now, *more = change.then.splitlines()
    if more:
        return [f"To enforce, add below line {change.line} of {seen.file}:", *more]
    return [f"To enforce, line {change.line} of {seen.file} becomes:", now]


def _document(seen: Seen) -> dict[str, Any]:
    return {
        "currency": "USD",
        "since": times.to_key(seen.since),
        "until": times.to_key(seen.until),
        "selectors": [_selector(each, seen) for each in seen.found],
    }


def _selector(each: Graduation, seen: Seen) -> dict[str, Any]:
    mode, change = seen.modes.get(each.selector), seen.changes.get(each.selector)
    counts = {
        name: {"runs": len(each.of(truth)), "usd": f"{each.usd(truth):.2f}"}
        for name, truth in (
            ("finished", Truth.FINISHED),
            ("ran_on", Truth.RAN_ON),
            ("still_runs", Truth.STILL_RUNS),
        )
    }
    line = {"file": seen.file, "line": change.line, "now": change.now, "then": change.then} if change else None
    return {
        "selector": each.selector,
        "mode": mode.value if mode is not None else None,
        **counts,
        "not_due_any_more": len(each.of(Truth.STOOD_DOWN)),
        "net_usd": f"{each.net_usd:.2f}",
        "doubtful": len(each.doubtful),
        "without_price": each.unpriced,
        "sentence": each.sentence,
        "change": line if change is not None and not change.problem else None,
        "no_change_because": change.problem if change is not None and change.problem else None,
        "cases": [_case(case) for case in each.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "at": times.to_key(case.at),
        "run": case.run,
        "name": case.name,
        "truth": case.truth.value,
        "usd": f"{case.usd:.2f}" if case.usd is not None else None,
        "doubtful": case.doubtful,
        "reason": case.reason,
    }
