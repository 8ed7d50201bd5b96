"""Which run a person means: by its id, its name in the id, a member or the name it shows, as long as only one fits.

A name is never taken apart: a run tag may hold slashes, and `exp-1` must not stop `alice/exp-1`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from costwatch import names
from costwatch.adapters.ledger import Ledger, TimelineRow
from costwatch.cli import show
from costwatch.cli.session import Session
from costwatch.core.model import RunId
from costwatch.core.record import RunRecord
from costwatch.errors import InputError, UnknownRun

LOOK_BACK: Final = timedelta(days=30)
"""How far back a run that is over is found by less than its whole id."""
_SHOWN = 6


def open_records(session: Session, ledger: Ledger) -> list[RunRecord]:
    """All open records over the deployed regions that can be read, by run id."""
    account = session.caller.account
    found = (ledger.open_records(account, region, session.skip) for region in session.deployment.regions)
    return sorted((record for each in found for record in each.values()), key=lambda record: record.run_id)


def find_open(session: Session, ledger: Ledger, text: str) -> RunRecord:
    """The open record `text` names. Raises UnknownRun for none and for several, listing candidates; InputError."""
    _refuse_empty(text)
    run_id = parse_id(text)
    record = ledger.record(run_id) if run_id is not None else None
    if record is not None:
        return record
    try:
        return pick(text, open_records(session, ledger))
    except UnknownRun as error:
        raise UnknownRun(f"{error}{_perhaps_young(session, ledger)}") from None


def _perhaps_young(session: Session, ledger: Ledger) -> str:
    """Where a sweep lists only what can matter: how a run is seen before its time is nearly up."""
    account, regions = session.caller.account, session.deployment.regions
    if all(ledger.census(account, region) is None for region in regions):
        return ""
    return (
        ". So many instances run that a run is written down only when its time is nearly up: tag its instance "
        f"({names.TAG_MAX_RUNTIME}, {names.TAG_DEADLINE} or {names.TAG_EXEMPT}) and the next sweep sees it"
    )


def pick(text: str, records: Sequence[RunRecord]) -> RunRecord:
    """The one record that `text` names, each name as a whole. An id goes before a member, a member before a name."""
    ways: tuple[Callable[[RunRecord], bool], ...] = (
        lambda record: text in (str(record.run_id), record.run_id.name),
        lambda record: text in record.member_ids,
        lambda record: text == record.name,
    )
    for fits in ways:
        found = [record for record in records if fits(record)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(str(record.run_id) for record in found)
            raise UnknownRun(f"{text!r} names {len(found)} runs; give one whole id: {ids}")
    raise UnknownRun(f"no open run is called {text!r}; {_candidates(text, records)}")


def find_any(session: Session, ledgers: Iterable[Ledger], text: str) -> tuple[Ledger, RunId]:
    """A run with a timeline, open or over. What is over is found by its whole id, and for 30 days by what else it had.

    An open run goes before one that is over. Raises UnknownRun like `find_open`; InputError.
    """
    _refuse_empty(text)
    run_id = parse_id(text)
    tried = list(ledgers)
    for ledger in tried:
        if run_id is not None and (ledger.timeline(run_id, session.skip) or ledger.record(run_id) is not None):
            return ledger, run_id
    records: list[RunRecord] = []
    for ledger in tried:
        records = open_records(session, ledger)
        try:
            return ledger, pick(text, records).run_id
        except UnknownRun:
            if any(text in (record.run_id.name, record.name, *record.member_ids) for record in records):
                raise
    now = session.now()
    rows = tried[0].since(now - LOOK_BACK, now, session.skip)
    for ledger in tried:
        found = _over(text, (row for row in rows if row.origin == ledger.origin))
        if len(found) == 1:
            return ledger, found[0][0]
        if found:
            ids = ", ".join(f"{run_id} (until {show.clock(last)})" for run_id, last in found[:_SHOWN])
            more = _more(len(found))
            raise UnknownRun(f"{text!r} names {len(found)} runs that are over; give one whole id: {ids}{more}")
    records = open_records(session, tried[0])
    raise UnknownRun(
        f"the ledger knows no run {text!r} of the last {LOOK_BACK.days} days; {_candidates(text, records)}"
    )


def _over(text: str, rows: Iterable[TimelineRow]) -> list[tuple[RunId, datetime]]:
    """The runs of `rows` (oldest first) that `text` names in the first way that fits, each with its last entry's time.

    The newest is the first. The ways are those of `pick`; a member and a name stand in the entry by which a run ended.
    """
    last: dict[RunId, datetime] = {}
    ways: tuple[set[RunId], ...] = (set(), set(), set())
    for row in rows:
        run_id = parse_id(row.run_id)
        if run_id is None:
            continue
        last[run_id] = row.entry.at
        facts = dict(row.entry.evidence)
        fits = (text == run_id.name, text in facts.get("members", "").split(", "), text == facts.get("name"))
        for found, fit in zip(ways, fits, strict=True):
            found.update([run_id] if fit else [])
    first = next((found for found in ways if found), set())
    return sorted(((run_id, last[run_id]) for run_id in first), key=lambda each: (each[1], each[0]), reverse=True)


def parse_id(text: str) -> RunId | None:
    """A whole run id, or None."""
    try:
        return RunId.parse(text)
    except ValueError:
        return None


def name_in(run_id: str) -> str:
    """What people type: `i-0abc` of `111122223333/us-east-1/instance/i-0abc`. What is no run id stays as it is."""
    parsed = parse_id(run_id)
    return parsed.name if parsed is not None else run_id


def label(record: RunRecord) -> str:
    """The name where it has one, then what to type."""
    return record.run_id.name if record.name == record.run_id.name else f"{record.name}\n{record.run_id.name}"


def _refuse_empty(text: str) -> None:
    if not text.strip():
        raise InputError("name a run: by its id, its name in it, a member's id or the name it shows")


def _candidates(text: str, records: Sequence[RunRecord]) -> str:
    if not records:
        return "no run is open"
    near = [r for r in records if text.lower() in f"{r.run_id} {r.name}".lower()] or _close(text, records)
    near = near or list(records)
    names = ", ".join(
        r.run_id.name if r.name == r.run_id.name else f"{r.run_id.name} ({r.name})" for r in near[:_SHOWN]
    )
    return f"open runs: {names}{_more(len(near))}"


def _close(text: str, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Those whose id or name is nearly what was typed, the nearest first."""
    named: dict[str, list[RunRecord]] = {}
    for record in records:
        for name in {record.run_id.name, record.run_id.name.rpartition("/")[2], record.name}:
            named.setdefault(name.lower(), []).append(record)
    close = difflib.get_close_matches(text.lower(), named, n=_SHOWN, cutoff=0.7)
    return list({record.run_id: record for name in close for record in named[name]}.values())


def _more(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""
