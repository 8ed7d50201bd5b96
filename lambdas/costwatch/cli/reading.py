"""ledger, explain: what was decided and why, read from the ledger alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import click
from rich.console import Console

from costwatch.adapters.ledger import DEPLOYED, Ledger, TimelineRow
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.cli import documents, judgement_document, runs, show
from costwatch.cli.options import DurationOrMoment, as_json, begin_of, with_session
from costwatch.cli.postmortem import Story, post_mortem
from costwatch.cli.session import Session
from costwatch.core import durations, principals, times
from costwatch.core.model import RunId
from costwatch.core.record import RunRecord
from costwatch.errors import InputError, UnknownRun, UnreadableRow

_PARTS_OF_A_VERDICT = 3


@click.command(short_help="Every transition of every run, oldest first.")
@click.option(
    "--since", type=DurationOrMoment(), default="24h", show_default=True, help="How far back, or from which time on."
)
@as_json
@with_session
def ledger(session: Session, since: timedelta | datetime, as_json: bool) -> None:
    """Every transition of every run, oldest first: what was decided, by which rule, told to whom, granted by whom."""
    now = session.now()
    begin = begin_of(since, now)
    with show.busy("Reading the ledger"):
        rows = session.ledger().since(begin, now, session.skip)
    if as_json:
        show.document({"since": times.to_key(begin), "entries": [documents.entry(row) for row in rows]})
        return
    out = show.console()
    show.say(out, f"{show.count(len(rows), 'entry', 'entries')} since {show.clock(begin)}; times are UTC.")
    if not rows:
        return
    out.print()
    _timeline(out, rows)


@click.command(short_help="Why a run stands where it stands.")
@click.argument("run", metavar="RUN")
@click.option("--markdown", is_flag=True, help="A post-mortem to paste into a document or an issue.")
@as_json
@with_session
def explain(session: Session, run: str, markdown: bool, as_json: bool) -> None:
    """Why RUN stands where it stands: its clock and the evidence for it, warnings and their delivery, rules, the
    configuration they came from, prices, and who did what.

    RUN is a run's id, the name in it, a member's id or the name it shows; an open run goes before one that is over,
    which is found for 30 days by any of them, and after that by its id. With --markdown times are given in UTC and in
    the `timezone` of your costwatch.yaml. A verdict about a retrained model is explained by its id, such as
    us-east-1/churn/41.
    """
    if markdown and as_json:
        raise InputError("--markdown and --json are two different documents: give one of them")
    if _is_verdict(run):
        _explain_verdict(session, run, markdown=markdown, as_json=as_json)
        return
    with show.busy("Reading the ledger"):
        now = session.now()
        mine = session.ledger(origin=f"laptop:{session.caller.arn}")
        book, run_id = runs.find_any(session, (session.ledger(), mine), run)
        record = _record(session, book, run_id)
        rows = book.timeline(run_id, session.skip)
        unsent = [m for m in book.outbox(now, session.skip) if m.facts.get("run") == str(run_id)]
    if as_json:
        show.document(
            {
                "run": str(run_id),
                "origin": book.origin,
                "record": documents.record(record, now) if record is not None else None,
                "unreadable": [str(row) for row in session.unreadable],
                "undelivered": [documents.message(m) for m in unsent],
                "timeline": [documents.entry(row) for row in rows],
            }
        )
        return
    if markdown:
        click.echo(post_mortem(Story(run_id, book.origin, record, rows, unsent, now, session.zone)), nl=False)
        return
    out = show.console()
    show.say(out, str(run_id), style="bold")
    if record is not None:
        show.facts(out, _record_facts(record, rows, book, now))
    elif any(book.is_row_of(row, run_id) for row in session.unreadable):
        show.say(out, "Its record cannot be read, so nothing is done about it; see the note.", style="yellow")
    else:
        show.say(out, "It is over.")
        exemption = book.exemptions(run_id.account, run_id.region, session.skip).get(str(run_id))
        if exemption is not None and exemption.active(now):
            show.say(out, f"Should it begin again, it is {exemption.sentence}.")
    for message in unsent:
        show.say(out, f"Not delivered yet: {documents.about(message)}", style="yellow")
    out.print()
    _explained(out, rows)


def _is_verdict(text: str) -> bool:
    """`us-east-1/churn/41`; a run's id has four parts."""
    parts = text.split("/")
    return len(parts) == _PARTS_OF_A_VERDICT and all(parts) and parts[-1].isdecimal()


def _explain_verdict(session: Session, text: str, *, markdown: bool, as_json: bool) -> None:
    """Raises UnknownRun."""
    if markdown:
        raise InputError("--markdown is a post-mortem of a run; a verdict has none")
    with show.busy("Reading the ledger"):
        kept, account = Judgements(session.ledger()), session.caller.account
        found = kept.get(account, text)
        if found is None:
            raise UnknownRun(f"no candidate is called {text}: costwatch verdicts shows those that were judged")
        rows = kept.lines(account, found.id, session.skip)
    may = bool(principals.listed_as(session.caller.arn, found.approvers))
    if as_json:
        timeline = [documents.entry(row) for row in rows]
        show.document({**judgement_document.of(found, may=may), "timeline": timeline})
        return
    out = show.console()
    show.say(out, found.id, style="bold")
    show.facts(out, judgement_document.facts(found))
    out.print()
    _explained(out, rows)


def _record(session: Session, book: Ledger, run_id: RunId) -> RunRecord | None:
    """None: it is over, or its row cannot be read, which is noted."""
    try:
        return book.record(run_id)
    except UnreadableRow as row:
        session.skip(row)
        return None


def _record_facts(record: RunRecord, rows: list[TimelineRow], book: Ledger, now: datetime) -> list[tuple[str, str]]:
    stamp = rows[-1].stamp if rows else None
    commit = f"{stamp.config_commit}, policy {stamp.policy_digest[:12]}" if stamp else ""
    spent, rate = show.usd(documents.spent_usd(record, now)), show.usd(documents.hourly_rate_usd(record))
    return [
        ("Name", record.name if record.name != record.run_id.name else ""),
        ("Status", f"{record.status.value} ({record.mode.value}, selector {record.selector})"),
        ("Why", documents.standing(record, now)),
        ("Ledger", "" if book.origin == DEPLOYED else f"your own observe sweeps ({book.origin})"),
        ("Owner", ", ".join(text for text in (record.owner, record.team and f"team {record.team}") if text)),
        ("Running", f"{durations.show(now - record.start)}, since {show.clock(record.start)}" if record.start else ""),
        ("Clock", record.clock_evidence),
        ("Restarts", str(record.restarts) if record.restarts else ""),
        ("Deadline", show.clock(record.deadline) if record.deadline else "none yet"),
        ("Extended", "; ".join(f"{durations.show(e.duration)} by {e.by}" for e in record.extensions)),
        ("Members", ", ".join(record.member_ids)),
        ("Spent", f"{spent}, and {rate} an hour"),
        ("Forecast", record.forecast.sentence if record.forecast is not None else ""),
        ("Price", record.price_note),
        ("Warned", documents.warned(record)),
        ("Decided by", f"configuration commit {commit}" if commit else ""),
    ]


def _explained(out: Console, rows: list[TimelineRow]) -> None:
    """The timeline with all it rests on; commit and policy are said where they change."""
    before = None
    for row in rows:
        entry = row.entry
        if row.stamp != before:
            show.say(
                out,
                f"-- configuration commit {row.stamp.config_commit}, policy {row.stamp.policy_digest[:12]}",
                style="dim",
            )
            before = row.stamp
        out.print(f"{show.clock(entry.at)}  ", end="")
        out.print(entry.transition.value, style=show.STYLES.get(entry.transition.value, "bold"))
        show.say(out, entry.reason, indent=4)
        shown = [("rule", entry.rule), ("mode", entry.mode), ("by", entry.actor), *entry.evidence]
        text = "; ".join(f"{name} {value}" for name, value in shown if value and value not in entry.reason)
        show.say(out, text, style="dim", indent=4)


def _timeline(out: Console, rows: list[TimelineRow]) -> None:
    for row in rows:
        entry = row.entry
        who = f" (by {entry.actor})" if entry.actor != "costwatch" and entry.actor not in entry.reason else ""
        own = "" if row.origin == DEPLOYED else f" [{row.origin}]"
        out.print(f"{show.moment(entry.at)}  ", end="")
        out.print(entry.transition.value, style=show.STYLES.get(entry.transition.value, "bold"), end="")
        show.say(out, f"  {runs.name_in(row.run_id)}{own}")
        show.say(out, f"{entry.reason}{who}", indent=4)
