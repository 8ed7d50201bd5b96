"""restore: a named person has the deployed function put a group's numbers back, as they were before a stop."""

from __future__ import annotations

import sys
from typing import Final

import click

from costwatch import names
from costwatch.cli import deployed_function, runs, show
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.core.lowering import Lowering
from costwatch.core.model import RunId, RunKind
from costwatch.errors import InputError, RefusedError

SINCE_VERSION: Final = "0.2.0"


@click.command(short_help="Give a stopped group its numbers back.")
@click.argument("run", metavar="RUN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", help="Why; everybody can read it.")
@as_json
@with_session
def restore(session: Session, run: str, yes: bool, reason: str, as_json: bool) -> int:
    """Put the minimum and desired capacity of an Auto Scaling group back to what they were before its stop.

    The group then launches its instances anew: a new run with a clock of its own. Nothing is put back while the stop is
    not verified, where the group is gone, and where somebody has changed its numbers since. The deployed function does
    it, under its own role. Exit code 4: it was refused, with the reason.
    """
    with show.busy("Looking it up"):
        ledger = session.ledger()
        _, run_id = runs.find_any(session, [ledger], run)
        lowered = ledger.lowering(run_id) if run_id.kind is RunKind.ASG else None
        session.deployment.require_version(SINCE_VERSION, "costwatch restore")
    if lowered is None:
        raise RefusedError(f"nothing was lowered: no stop has set the numbers of {run_id}")
    if not yes:
        _ask(run_id, lowered)
    detail = {"run": str(run_id), "requested_by": session.caller.arn, "reason": reason}
    with show.busy("The deployed function puts it back"):
        answer = deployed_function.ask(session, names.DETAIL_RESTORE_REQUESTED, detail, answer="restored")
    if as_json:
        show.document({**answer, "by": session.caller.arn})
    else:
        numbers = f"minimum {answer['min_size']}, desired {answer['desired']}"
        show.say(show.console(), f"{run_id.name} is back at {numbers}: it launches its instances anew.")
    return 0


def _ask(run_id: RunId, lowered: Lowering) -> None:
    """Raises click.Abort for a no, InputError where nobody can answer."""
    if not sys.stdin.isatty():
        raise InputError("nobody can answer here: give --yes to put it back without being asked")
    show.facts(
        show.console(),
        [
            ("Run", str(run_id)),
            ("Before the stop", str(lowered.before)),
            ("Set by the stop", str(lowered.after)),
            ("Since", show.moment(lowered.at)),
        ],
    )
    click.confirm(f"Put {show.clean(run_id.name)} back to {lowered.before}?", abort=True, err=True)
