"""export: the ledger's timeline, costs and verdicts as CSV or JSON Lines, for spreadsheets and warehouses."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from itertools import chain, islice
from typing import Any, Final

import click

from costwatch.adapters.ledger_judgements import Judgements
from costwatch.cli import export_rows, show
from costwatch.cli.export_rows import Row
from costwatch.cli.options import DurationOrMoment, kept_since, with_session
from costwatch.cli.session import Session
from costwatch.core import times
from costwatch.errors import InputError

# What a spreadsheet takes for a formula, after blanks and in full width too: tags and names are other people's text.
_FORMULA: Final = frozenset("=+-@")


@click.command(short_help="Timeline, costs or verdicts as CSV or JSON Lines.")
@click.argument("what", metavar="WHAT", type=click.Choice(["timeline", "costs", "verdicts"]), default="timeline")
@click.option(
    "--since", type=DurationOrMoment(), default="30d", show_default=True, help="How far back, or from which time on."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="A table with a header, or one JSON object a line.",
)
@with_session
def export(session: Session, what: str, since: timedelta | datetime, form: str) -> int:
    """Print what the ledger holds, oldest first. WHAT is one of:

    \b
    timeline  what happened, to which run, why, by whom
              (this where WHAT is left out)
    costs     what each run cost that has ended since
    verdicts  what was decided about retrained models

    Money is in USD and times are UTC; an empty cell, or null, is what nobody knows, and never 0. CSV is made for
    spreadsheets: text that one would take for a formula begins with an apostrophe there, and what cannot be printed is
    a question mark. JSON Lines has everything as it is. A range without rows gives the header alone.

    Exit code 1: rows are missing that cannot be read; each is named.
    """
    now = session.now()
    begin = since if isinstance(since, datetime) else now - since
    if begin > now:
        raise InputError(f"--since: {times.to_key(begin)} is in the future; the ledger holds what was")
    columns, read = _TABLES[what]
    rows = read(session, begin, now)
    first = list(islice(rows, 1))  # before anything is printed: a header alone says that there is nothing
    if form == "csv":
        click.echo(_csv_line(columns), nl=False)
    for row in chain(first, rows):
        if form == "csv":
            click.echo(_csv_line([_cell(row[column]) for column in columns]), nl=False)
        else:
            click.echo(json.dumps({column: row[column] for column in columns}, ensure_ascii=False))
    if not first:
        show.note(f"{what}: nothing since {show.clock(begin)}")
    if session.unreadable:
        show.note(f"{what}: {show.count(len(session.unreadable), 'row')} missing, since they cannot be read")
    return 1 if session.unreadable else 0


def _timeline(session: Session, begin: datetime, now: datetime) -> Iterator[Row]:
    ledger = session.ledger()
    for first, last in _days(kept_since(begin, now), now):
        yield from map(export_rows.entry, ledger.since(first, last, session.skip))


def _costs(session: Session, begin: datetime, now: datetime) -> Iterator[Row]:
    ledger, account = session.ledger(), session.caller.account
    for first, _ in _days(kept_since(begin, now), now):
        found = (cost for cost in ledger.costs(account, first.date(), session.skip) if cost.ended_at >= begin)
        yield from map(export_rows.cost, sorted(found, key=lambda cost: (cost.ended_at, str(cost.run_id))))


def _verdicts(session: Session, begin: datetime, now: datetime) -> Iterator[Row]:
    del now  # verdicts are kept longer than everything else, so they may be asked for as far back as somebody likes
    found = Judgements(session.ledger()).every(session.caller.account, session.skip)
    since = (each for each in found if each.judged_at >= begin)
    yield from map(export_rows.verdict, sorted(since, key=lambda each: (each.judged_at, each.id)))


_TABLES: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Session, datetime, datetime], Iterator[Row]]]]] = {
    "timeline": (export_rows.TIMELINE, _timeline),
    "costs": (export_rows.COSTS, _costs),
    "verdicts": (export_rows.VERDICTS, _verdicts),
}


def _days(begin: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The UTC days from `begin` to `now`, each with its first and last instant in that range: a day is in memory."""
    first = begin.astimezone(UTC)
    while first <= now:
        midnight = datetime.combine(first.date() + timedelta(days=1), time(), UTC)
        yield first, min(midnight - timedelta(microseconds=1), now)
        first = midnight


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = show.clean(value)
    begin = unicodedata.normalize("NFKC", text.lstrip()[:1])
    return f"'{text}" if begin in _FORMULA and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text[1:].replace(".", "", 1).isdecimal()


def _csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
