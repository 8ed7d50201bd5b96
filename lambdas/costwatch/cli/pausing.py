"""pause and resume: written into the ledger under the pause's version, each with its entry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import click

from costwatch.cli import show
from costwatch.cli.options import Duration, as_json, with_session
from costwatch.cli.session import Session
from costwatch.core import grants, times
from costwatch.core.grants import PauseStep
from costwatch.core.record import Pause
from costwatch.errors import RefusedError

_TRIES: Final = 4


@click.command(short_help="Pause the switch: nobody is warned or stopped.")
@click.option("--for", "duration", type=Duration(), default=grants.DEFAULT_PAUSE, help="At most 7d.  [default: 24h]")
@click.option("--reason", default="", help="Why; everybody can read it in the ledger.")
@as_json
@with_session
def pause(session: Session, duration: timedelta, reason: str, as_json: bool) -> None:
    """Pause the switch: nobody is warned or stopped until the pause ends, and it always ends.

    What is past its time then is warned anew before anything is stopped. A stop already under way is finished.
    """
    step = _save_pause(session, lambda before, now: grants.pause(
        before, by=session.caller.arn, duration=duration, reason=reason, now=now
    ))  # fmt: skip
    if step is None:
        raise RefusedError("nothing was paused")
    if as_json:
        show.document(_pause_document(step))
        return
    show.say(show.console(), _capital(step.entry.reason) + ".")
    show.say(show.console(), "Until then nobody is warned or stopped. `costwatch resume` ends it sooner.")


@click.command(short_help="End the pause.")
@as_json
@with_session
def resume(session: Session, as_json: bool) -> None:
    """End the pause now. Notices given before count no more: whoever is past its time is warned anew."""
    step = _save_pause(session, lambda before, now: grants.resume(before, by=session.caller.arn, now=now))
    if as_json:
        show.document(_pause_document(step) if step is not None else {"paused": False, "changed": False})
        return
    if step is None:
        show.say(show.console(), "Nothing is paused.")
        return
    show.say(show.console(), _capital(step.entry.reason) + ".")


def _save_pause(session: Session, make: Callable[[Pause | None, datetime], PauseStep | None]) -> PauseStep | None:
    with show.busy("Writing"):
        ledger = session.ledger()
        for _ in range(_TRIES):
            step = make(ledger.pause(), session.now())
            if step is None or ledger.set_pause(step.after, step.before, step.entry):
                return step
    raise RefusedError("the pause was changed by others each time; nothing was written: try again")


def _pause_document(step: PauseStep) -> dict[str, Any]:
    after = step.after
    return {
        "paused": after.until > step.entry.at,
        "changed": True,
        "until": times.to_key(after.until),
        "by": step.entry.actor,
        "reason": after.reason,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
