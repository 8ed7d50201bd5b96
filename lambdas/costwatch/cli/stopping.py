"""stop: a named person asks the deployed function to stop one run, now."""

from __future__ import annotations

import sys
from typing import Final

import click

from costwatch import names
from costwatch.cli import deployed_function, documents, runs, show
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.core.record import RunRecord
from costwatch.errors import InputError

SINCE_VERSION: Final = "0.2.0"


@click.command(short_help="Stop a run now, by the deployed function.")
@click.argument("run", metavar="RUN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", help="Why; its owner and everybody else can read it.")
@as_json
@with_session
def stop(session: Session, run: str, yes: bool, reason: str, as_json: bool) -> int:
    """Stop RUN now: terminate or stop its instances, as its selector says, or stop its job.

    Your stop needs no notice, counts against no cap and goes through a pause. Protection, costwatch:never, exemptions
    and a model that is being uploaded hold it all the same, and its selector must be in enforce: the deployed
    function does it, under its own role. Its owner hears who asked. It is refused when others have joined the run since
    the last look, and what fails is tried again for an hour, as long as nobody joins. Exit code 4: it was refused, with
    the reason.
    """
    with show.busy("Looking it up"):
        found = runs.find_open(session, session.ledger(), run)
        session.deployment.require_version(SINCE_VERSION, "costwatch stop")
    if not yes:
        _ask(session, found)
    # What the person sees here is what is asked for: whoever joins meanwhile is not.
    detail = {
        "run": str(found.run_id),
        "members": list(found.member_ids),
        "requested_by": session.caller.arn,
        "reason": reason,
    }
    with show.busy("The deployed function stops it"):
        answer = deployed_function.ask(session, names.DETAIL_STOP_REQUESTED, detail, answer="stopped")
    if as_json:
        show.document({**answer, "by": session.caller.arn})
    elif answer["stopped"]:
        show.say(show.console(), f"{found.name} was stopped. The next sweeps verify that nothing comes back.")
    else:
        problems = [failure["reason"] for failure in answer["failures"]] or [answer["hold"] or answer["status"]]
        show.say(show.console(), f"{found.name} was not stopped: {'; '.join(problems)}")
        show.say(show.console(), f"The sweep tries again for an hour: costwatch explain {found.run_id.name}")
    return 0 if answer["stopped"] else 1


def _ask(session: Session, record: RunRecord) -> None:
    """Raises click.Abort for a no, InputError where nobody can answer."""
    if not sys.stdin.isatty():
        raise InputError("nobody can answer here: give --yes to stop it without being asked")
    spent = documents.spent_usd(record, session.now())
    show.facts(
        show.console(),
        [
            ("Run", str(record.run_id)),
            ("Members", ", ".join(record.member_ids)),
            ("What", record.capacity_text),
            ("Owner", record.owner or "nobody is named"),
            ("Selector", record.selector),
            ("Since", record.clock_evidence),
            ("Spent", f"{show.usd(spent)}, {show.usd(documents.hourly_rate_usd(record))} an hour"),
        ],
    )
    click.confirm(f"Stop {show.clean(record.name)} now?", abort=True, err=True)
