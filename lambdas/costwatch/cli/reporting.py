"""report: what happened, as one page to read or forward."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click

from costwatch.cli import kept_files, runs, show
from costwatch.cli.options import DurationOrMoment, NewPage, begin_of, with_session
from costwatch.cli.session import Session

_PAGE: Final = "costwatch-report.html"


@click.command(short_help="One page: spend, forecasts, would-haves, verdicts.")
@click.option(
    "--html",
    metavar="[FILE]",
    is_flag=False,
    flag_value=_PAGE,
    required=True,
    type=NewPage(),
    help=f"Where to write the page.  [FILE: {_PAGE}]",
)
@click.option(
    "--since", type=DurationOrMoment(), default="30d", show_default=True, help="How far back, or from which time on."
)
@with_session
def report(session: Session, html: Path, since: timedelta | datetime) -> None:
    """Write one self-contained page: spend by team over time, forecast against actual, what enforce would have done
    with what really became of it, what was stopped and decided, verdicts about models, and whether to train.

    The page asks nobody for anything, is light or dark as its reader's system is, and can be read on a telephone. It
    names runs, owners and teams: forward it to people who may know them. It replaces an earlier page, and no other
    file. --since goes back 400 days at most.
    """
    now = session.now()
    begin = begin_of(since, now)
    from costwatch.reporting import facts, page  # noqa: PLC0415 - what draws is imported where somebody wants a plot

    with show.busy("Reading the ledger"):
        ledger, account = session.ledger(), session.caller.account
        records = runs.open_records(session, ledger)
        found = facts.gather(ledger, account, records, since=begin, until=now, skip=session.skip)
        text = page.render(found)
    kept_files.write_page(html, text)
    show.note(f"{html} is written: one page without links to elsewhere, to open or forward")
