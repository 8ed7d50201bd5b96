"""status: every open run, once or again and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import click
from rich.console import Console

from costwatch.cli import documents, runs, show, watching
from costwatch.cli.options import DurationOrMoment, as_json, with_session
from costwatch.cli.session import Deployment, Session
from costwatch.cli.show import Row
from costwatch.core import would_haves
from costwatch.core.messages import Message
from costwatch.core.record import Pause, RunRecord, Status
from costwatch.core.sweeps import SweepDone
from costwatch.core.would_haves import WouldHaves
from costwatch.errors import InputError, UnreadableRow

LOOK_BACK: Final = timedelta(days=7)
_LONG_LOOK_BACK: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledger held at `at`."""

    at: datetime
    account: str
    deployed: Deployment
    records: list[RunRecord]
    pause: Pause | None
    unsent: list[Message]
    unreadable: list[UnreadableRow]
    closed: WouldHaves
    """Would-haves of the last week that are closed."""
    last_sweep: SweepDone | None
    """The last one that came to its end; None: none has, or its row cannot be read."""

    def document(self) -> dict[str, Any]:
        return documents.status(
            self.deployed,
            self.records,
            self.pause,
            self.unsent,
            self.at,
            unreadable=self.unreadable,
            closed=self.closed,
            last_sweep=self.last_sweep,
        )


@click.command(short_help="Every open run: where it stands and what it costs.")
@click.option(
    "--watch",
    metavar="[SECONDS]",
    type=click.IntRange(watching.SHORTEST_SECONDS, watching.LONGEST_SECONDS),
    is_flag=False,
    flag_value=watching.USUAL_SECONDS,
    help=f"Look again every SECONDS (default {watching.USUAL_SECONDS}, at least {watching.SHORTEST_SECONDS}) "
    "until Ctrl-C.",
)
@click.option("--would-have", "would_have", is_flag=True, help="What enforce would have done, and the line to change.")
@click.option("--since", type=DurationOrMoment(), help="With --would-have: how far back.  [default: 30d]")
@as_json
@with_session
def status(
    session: Session, watch: int | None, would_have: bool, since: timedelta | datetime | None, as_json: bool
) -> None:
    """Every open run: where it stands, until when, what it has cost; the last sweep, the pause, and messages not
    delivered yet.

    With --would-have instead, for each selector: what would have been stopped and what really became of it, the net of
    that, what is in doubt, and the line of costwatch.yaml that makes it enforce; the same for the approval gate and the
    RES breaker. Nobody is advised to enforce while anything is in doubt.

    With --watch a read that fails is said, with the time of the last good one, and the next one is tried; only the
    first must succeed. With --watch --json each look is one JSON document on a line of its own; one that failed
    has the key `error`.
    """
    if would_have:
        if watch is not None:
            raise InputError("--would-have and --watch are two different looks: give one of them")
        from costwatch.cli import would_have as looking_back  # noqa: PLC0415 - a status is asked for more often

        looking_back.would_have(session, since if since is not None else _LONG_LOOK_BACK, as_json=as_json)
        return
    if since is not None:
        raise InputError("--since goes with --would-have: a status is as of now")
    with show.busy("Reading the ledger"):
        seen = _read(session)
    if watch is not None:
        view = watching.View(at=lambda s: s.at, draw=_draw_totals_first, document=Snapshot.document)
        watching.watch(session, seen, _read, view, seconds=watch, as_json=as_json)
    elif as_json:
        show.document(seen.document())
    else:
        _draw(show.console(), seen)


def _read(session: Session) -> Snapshot:
    now = session.now()
    ledger = session.ledger()
    records = runs.open_records(session, ledger)
    pause, unsent = ledger.pause(), ledger.outbox(now, session.skip)
    rows = ledger.since(now - LOOK_BACK, now, session.skip)
    closed = would_haves.closed(row.entry for row in rows if row.origin == ledger.origin)
    swept = _last_sweep(session)
    deployed, account = session.deployment, session.caller.account
    return Snapshot(now, account, deployed, records, pause, unsent, session.unreadable, closed, swept)


def _last_sweep(session: Session) -> SweepDone | None:
    try:
        return session.ledger().last_sweep()
    except UnreadableRow as row:
        session.skip(row)
        return None


def _draw(out: Console, seen: Snapshot) -> None:
    _head(out, seen)
    out.print()
    if seen.records:
        _table(out, seen)
        out.print()
    _totals(out, seen)


def _draw_totals_first(out: Console, seen: Snapshot) -> None:
    """A screen that is too short cuts the end of the table, and not what it all adds up to."""
    _head(out, seen)
    _totals(out, seen)
    if seen.records:
        out.print()
        _table(out, seen)


def _head(out: Console, seen: Snapshot) -> None:
    where = ", ".join(seen.deployed.regions)
    show.say(out, f"Account {seen.account}, {where}; times are UTC, as of {show.clock(seen.at)}.")
    swept = seen.last_sweep
    if swept is None:
        show.say(out, "No sweep has come to its end yet.")
    else:
        ago = show.age(seen.at - swept.completed_at)
        show.say(out, f"Last sweep: {show.clock(swept.completed_at)}, {ago} ago; {swept.outcome}.")
    pause = seen.pause
    if pause is not None and pause.active(seen.at):
        until = show.clock(pause.until)
        show.say(out, f"PAUSED until {until} by {pause.by}: {pause.reason or 'no reason given'}", style="bold yellow")


def _totals(out: Console, seen: Snapshot) -> None:
    rates = [documents.hourly_rate_usd(record) for record in seen.records]
    spent = [documents.spent_usd(record, seen.at) for record in seen.records]
    held = sum(record.status is Status.HELD for record in seen.records)
    counted = f"{show.count(len(seen.records), 'open run')}, {held} held"
    show.say(out, f"{counted}: {show.total(rates)} an hour, {show.total(spent)} so far.")
    closed = seen.closed
    if closed.closed:
        show.say(out, f"In the last {LOOK_BACK.days} days: {closed.sentence}.")
    if seen.unsent:
        show.say(out, f"{show.count(len(seen.unsent), 'message')} not delivered yet; each sweep tries again:")
        for message in seen.unsent:
            show.say(out, documents.about(message), indent=2)


def _table(out: Console, seen: Snapshot) -> None:
    headings = ("run", "status", "mode", "age", "deadline", "spent", "$/h")
    rows = [
        Row(
            (
                runs.label(record),
                record.status.value,
                record.mode.value,
                show.age(seen.at - record.start) if record.start else "-",
                show.moment(record.deadline),
                show.usd(documents.spent_usd(record, seen.at)),
                show.usd(documents.hourly_rate_usd(record)),
            ),
            documents.standing(record, seen.at),
        )
        for record in seen.records
    ]
    show.listing(out, headings, rows, right=("age", "spent", "$/h"))
