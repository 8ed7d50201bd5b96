"""extend, exempt, release: what people grant a run, written into the ledger under the run's version."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import click

from costwatch.adapters.ledger import Ledger
from costwatch.cli import runs, show
from costwatch.cli.options import Duration, Moment, as_json, with_session
from costwatch.cli.session import Session
from costwatch.core import durations, grants, times
from costwatch.core.policy import Limits, Policy
from costwatch.core.record import RunRecord
from costwatch.core.step import Step
from costwatch.errors import InputError, RefusedError, UnknownRun

_TRIES: Final = 4


@click.command(short_help="Give a run more time, up to the hard cap.")
@click.argument("run", metavar="RUN")
@click.argument("duration", metavar="DURATION", type=Duration())
@as_json
@with_session
def extend(session: Session, run: str, duration: timedelta, as_json: bool) -> None:
    """Let RUN go on for DURATION past its deadline (past now, when that is over).

    Never past the hard cap, and all extensions of a run together at most extend.owner_total; beyond that it takes
    an exemption. RUN is a run's id, the name in it, a member's id or the name it shows.
    """
    policy = session.policy
    with show.busy("Extending"):
        ledger = session.ledger(policy=policy)
        _refuse_another_configuration(session, policy)
        found = runs.find_open(session, ledger, run)

        def grant(record: RunRecord) -> Step:
            return grants.extend(
                record,
                by=session.caller.arn,
                duration=duration,
                owner_total=policy.extend_owner_total,
                hard_cap=_limits(policy, record).hard_cap,
                now=session.now(),
            )

        step = _save(ledger, found, grant)
    record = _after(step)
    last = record.extensions[-1]
    left = policy.extend_owner_total - record.extended_total
    if as_json:
        body = {
            "until": times.to_key(last.until),
            "gained_seconds": int(last.duration.total_seconds()),
            "cut_at_hard_cap": last.duration < duration,
            "left_seconds": int(left.total_seconds()),
        }
        show.document(_granted(step, body))
        return
    out = show.console()
    show.say(out, _sentence(step))
    show.say(out, f"{durations.show(left)} of {durations.show(policy.extend_owner_total)} are left.")


@click.command(short_help="Exempt a run for a while, with a reason.")
@click.argument("run", metavar="RUN")
@click.option("--for", "duration", type=Duration(), help="How long from now, for example 7d.")
@click.option("--until", type=Moment(), help="Until when, for example 2026-12-01T00:00:00Z.")
@click.option("--reason", required=True, help="Why; everybody can read it in the ledger.")
@as_json
@with_session
def exempt(
    session: Session, run: str, duration: timedelta | None, until: datetime | None, reason: str, as_json: bool
) -> None:
    """Exempt RUN: it is neither warned nor stopped, the hard cap included, until the exemption ends.

    Every exemption ends, after 365 days at the latest. Then the run is warned anew before anything is stopped.
    """
    if (duration is None) == (until is None):
        raise InputError("give either --for or --until: every exemption ends")
    with show.busy("Exempting"):
        ledger = session.ledger()
        found = runs.find_open(session, ledger, run)

        def grant(record: RunRecord) -> Step:
            now = session.now()
            ends = until if until is not None else now + (duration or timedelta(0))
            return grants.exempt(record, by=session.caller.arn, until=ends, reason=reason, now=now)

        step = _save(ledger, found, grant)
    exemption = _after(step).exemption
    if as_json:
        show.document(_granted(step, {"until": times.to_key(exemption.until) if exemption else None}))
        return
    show.say(show.console(), _sentence(step))


@click.command(short_help="Release what a cap holds.")
@click.argument("hold", metavar="HOLD_ID|RUN")
@as_json
@with_session
def release(session: Session, hold: str, as_json: bool) -> None:
    """Release what a cap holds: the next sweep may stop it.

    It lifts the caps only. Notice, protection and exemptions still hold, and other holds are not released: they
    end when what the reason names has changed.
    """
    with show.busy("Releasing"):
        ledger = session.ledger()
        found = _held(session, ledger, hold)
        wanted = found.hold.id if found.hold else ""

        def grant(record: RunRecord) -> Step | None:
            if wanted and (record.hold is None or record.hold.id != wanted):
                raise RefusedError(f"{wanted} is over: costwatch explain {found.run_id}")
            return grants.release(record, by=session.caller.arn, now=session.now())

        step = _save(ledger, found, grant)
    if as_json:
        body = {"run": str(found.run_id), "hold": wanted, "released": step is not None}
        show.document(_granted(step, body))
        return
    if step is None:
        show.say(show.console(), f"{wanted} was released before; the next sweep looks at it.")
        return
    show.say(show.console(), _sentence(step))
    show.say(show.console(), "The next sweep looks at it.")


def _save(ledger: Ledger, found: RunRecord, grant: Callable[[RunRecord], Step | None]) -> Step | None:
    """Save what `grant` makes of the record as it is now; when somebody was faster, of what they left.

    None: there is nothing to change. Raises UnknownRun when the run ended, RefusedError when it never stood still.
    """
    seen: RunRecord | None = None
    for _ in range(_TRIES):
        record = ledger.record(found.run_id)
        if record is None:
            raise UnknownRun(f"{found.run_id} is over: costwatch explain {found.run_id}")
        step = grant(record)
        if step is None:
            return None
        if ledger.save(step):
            if seen is not None:
                _tell_overtaken(seen, record)
            return step
        seen = seen or record
    raise RefusedError(f"{found.run_id} was changed by others each time; nothing was written: try again")


def _tell_overtaken(seen: RunRecord, record: RunRecord) -> None:
    """Who lost a race is told what the winner did, since it counts as well."""
    theirs = record.extensions[len(seen.extensions) :]
    for extension in theirs:
        show.note(
            f"{extension.by} extended it by {durations.show(extension.duration)} at the same moment; yours comes on top"
        )
    if record.exemption is not None and record.exemption != seen.exemption:
        show.note(f"{record.exemption.by} exempted it at the same moment, until {times.to_key(record.exemption.until)}")
    if record.status is not seen.status:
        show.note(f"it went from {seen.status.value} to {record.status.value} at the same moment")


def _held(session: Session, ledger: Ledger, text: str) -> RunRecord:
    """By hold id, else by run."""
    if not text.startswith("hold-"):
        return runs.find_open(session, ledger, text)
    records = runs.open_records(session, ledger)
    found = next((r for r in records if r.hold is not None and r.hold.id == text), None)
    if found is None:
        holds = [f"{r.hold.id} ({r.name})" for r in records if r.hold is not None]
        raise UnknownRun(f"no hold is called {text!r}; holds: {', '.join(holds[:6]) or 'none'}")
    return found


def _limits(policy: Policy, record: RunRecord) -> Limits:
    selector = policy.selector(record.selector)
    if selector is None:
        raise InputError(
            f"{record.run_id} is picked by selector {record.selector!r}, which your configuration does not have: "
            "use the one that is deployed (--config)"
        )
    return selector.limits


def _refuse_another_configuration(session: Session, policy: Policy) -> None:
    """By another hard cap or owner_total an extension would be promised and recorded that the sweep does not keep."""
    deployed = session.deployment
    if not deployed.policy_digest:
        show.note(f"the deployed configuration is not known here; yours ({policy.digest[:12]}) is taken for it")
    elif deployed.policy_digest != policy.digest:
        raise RefusedError(
            f"your configuration ({policy.digest[:12]}) is not the deployed one ({deployed.policy_digest[:12]}, commit "
            f"{deployed.config_commit[:12]}), whose limits hold: use the deployed one with --config"
        )


def _after(step: Step | None) -> RunRecord:
    if step is None or step.after is None:
        raise ValueError("a grant neither is nothing nor ends a run")
    return step.after


def _granted(step: Step | None, body: dict[str, Any]) -> dict[str, Any]:
    """What was granted; `body` alone when there was nothing to change."""
    if step is None:
        return body
    entry = step.entries[0]
    return {
        "run": str(_after(step).run_id),
        "transition": entry.transition.value,
        "at": times.to_key(entry.at),
        "by": entry.actor,
        "reason": entry.reason,
        **body,
    }


def _sentence(step: Step | None) -> str:
    return f"{_after(step).name}: {step.entries[0].reason if step else ''}."
