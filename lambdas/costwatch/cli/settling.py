"""settle: stops that were claimed and whose end nobody has written down, and a sweep that looks at them now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from costwatch import names
from costwatch.cli import deployed_function, runs, show
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import times
from costwatch.core.modes import Mode
from costwatch.core.record import RunRecord, StopAttempt

Claimed = tuple[RunRecord, StopAttempt]


@click.command(short_help="Stops that were begun and not settled.")
@click.option("--now", "at_once", is_flag=True, help="Have the deployed function sweep now, and look again.")
@as_json
@with_session
def settle(session: Session, at_once: bool, as_json: bool) -> int:
    """Show stops that were claimed and whose end nobody has written down: whoever claimed them died, or their calls
    fail. Then those that were accepted, which each sweep verifies.

    Each sweep takes over what its claimer left; if none does, no sweep runs: see the alarm and the function's log. With
    --now the deployed function sweeps at once, as its schedule has it do: it does whatever else is due, too. Exit code
    1: something is not settled.
    """
    with show.busy("Reading the ledger"):
        before = _claimed(session)
    report: dict[str, Any] | None = None
    if at_once:
        detail = {
            "mode": Mode.ENFORCE.value,
            "policy_digest": session.deployment.policy_digest,
            "requested_by": session.caller.arn,
        }
        with show.busy("The deployed function sweeps"):
            report = deployed_function.ask(session, names.DETAIL_SWEEP_REQUESTED, detail, answer="runs")
    after = _claimed(session) if at_once else before
    now = session.now()
    left = [each for each in after if _unsettled(each[1], now)]
    settled = [each for each in before if not _is_among(each, after)]
    if as_json:
        show.document(
            {
                "at": times.to_key(now),
                "asked": at_once,
                "settled": [{"run": str(record.run_id), "key": stop.key} for record, stop in settled],
                "claims": [_document(*each, now) for each in after],
                "failures": report["failures"] if report is not None else [],
            }
        )
    else:
        _tell(after, settled, report, now)
    return 1 if left else 0


def _claimed(session: Session) -> list[Claimed]:
    records = runs.open_records(session, session.ledger())
    return [(record, record.stop) for record in records if record.stop is not None]


def _unsettled(stop: StopAttempt, now: datetime) -> bool:
    """Whether its lease is over (inclusive, as for whoever takes over) and nobody saw its members stopping."""
    return stop.requested_at is None and stop.lease_until <= now


def _is_among(claimed: Claimed, others: Sequence[Claimed]) -> bool:
    """Whether the same claim still waits for the same thing."""
    _, stop = claimed
    return any(other.key == stop.key and other.requested_at == stop.requested_at for _, other in others)


def _standing(stop: StopAttempt, now: datetime) -> str:
    if stop.requested_at is not None:
        return "being verified"
    return "not settled" if _unsettled(stop, now) else "being done"


def _sentence(stop: StopAttempt, now: datetime) -> str:
    if stop.requested_at is not None:
        return f"accepted at {show.clock(stop.requested_at)}; each sweep looks whether it came back"
    by = f"attempt {stop.attempt}, claimed by {stop.owner}"
    if _unsettled(stop, now):
        return f"{by} until {show.clock(stop.lease_until)}, and nothing was written since; the next sweep takes it over"
    return f"{by}; nobody else takes it before {show.clock(stop.lease_until)}"


def _tell(after: Sequence[Claimed], settled: Sequence[Claimed], report: dict[str, Any] | None, now: datetime) -> None:
    out = show.console()
    for record, _ in settled:
        show.say(out, f"{record.run_id.name}: the sweep went on with it; costwatch explain {record.run_id.name}")
    for failure in report["failures"] if report is not None else []:
        show.say(out, f"{failure['where']} failed: {failure['reason']}", style="yellow")
    if not after:
        show.say(out, "No stop is open.")
        return
    rows = [Row((runs.label(record), _standing(stop, now)), _sentence(stop, now)) for record, stop in after]
    show.listing(out, ("run", "stop"), rows)
    if report is None and any(_unsettled(stop, now) for _, stop in after):
        out.print()
        show.say(out, "Have them looked at now: costwatch settle --now")


def _document(record: RunRecord, stop: StopAttempt, now: datetime) -> dict[str, Any]:
    return {
        "run": str(record.run_id),
        "key": stop.key,
        "standing": _standing(stop, now),
        "attempt": stop.attempt,
        "owner": stop.owner,
        "lease_until": times.to_key(stop.lease_until),
        "accepted_at": times.to_key(stop.requested_at) if stop.requested_at is not None else None,
    }
