"""What people grant: more time, an exemption, the release of a cap hold, a pause. Pure; `now` is an argument.

Each grant is a step like any other: it is saved only when nobody changed the run since it was read, so a grant
and a stop that meet cannot both win. Whether a person may grant it is judged by who lets them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from costwatch.core import durations, times
from costwatch.core.consent import open_question
from costwatch.core.exemptions import Exemption
from costwatch.core.messages import Audience, MessageKind, about
from costwatch.core.money import show_usd, spent_usd
from costwatch.core.overrides import LONGEST_EXEMPTION
from costwatch.core.record import Entry, Extension, Pause, RunRecord, Status, StopOrder, Transition
from costwatch.core.selection import HoldCode
from costwatch.core.step import Step
from costwatch.errors import InputError, RefusedError

DEFAULT_PAUSE: Final = timedelta(hours=24)
LONGEST_PAUSE: Final = timedelta(days=7)

_INSTEAD: Final = {
    HoldCode.PROTECT_RULE: "a protect rule of costwatch.yaml covers it; only a reviewed deploy changes that",
    HoldCode.NEVER: "the tag costwatch:never keeps it; whoever set the tag may remove it",
    HoldCode.PARENT: "what it belongs to would replace it; stop it there",
    HoldCode.OUTSIDE: "a member is outside the selector; tag that member, or take it out of the run",
    HoldCode.OWNERS: "its members have several owners; give each owner's instances a run tag of their own",
    HoldCode.UNPROVABLE: "nothing is stopped that cannot be proven eligible; each sweep looks again",
    HoldCode.TERMINATION_PROTECTION: "its termination protection is respected; switch that off first",
    HoldCode.STOP_PROTECTION: "its stop protection is respected; switch that off first",
    HoldCode.ONE_TIME_SPOT: "EC2 can only terminate it; give it a selector of its own, without `action: stop`",
    HoldCode.SPOT_REQUEST_UNTAGGED: "its spot request would relaunch it; tag the request as the reason says",
    HoldCode.GROUP_ACTION: "a group can only be terminated; give it a selector without `action: stop`",
    HoldCode.GROUP_UNTAGGED: "the permission to stop it is bound to the tag; tag the group as the reason says",
    HoldCode.SCALE_IN_PROTECTION: "its scale-in protection is respected; switch that off first",
    HoldCode.STANDBY: "an instance stands by; bring it back or take it out of the group",
    HoldCode.WARM_POOL: "its warm pool could keep what is stopped; take the pool away first",
    HoldCode.PROCESS_SUSPENDED: "it ends nothing while Terminate is suspended; resume that first",
    HoldCode.MIN_SIZE: "only a reviewed deploy lets Costwatch lower a minimum; or lower it yourself",
    HoldCode.ZONE_REBALANCE: "only a reviewed deploy accepts that AWS balances its zones; or suspend AZRebalance",
    HoldCode.PAUSED: "a pause holds it; `costwatch resume` ends the pause",
    HoldCode.UNDELIVERED: "no notice was delivered, and nobody is stopped unwarned; each sweep tries again",
}


@dataclass(frozen=True, slots=True)
class PauseStep:
    """From the last pause (None: there was none) to the next, with its entry for the ledger."""

    before: Pause | None
    after: Pause
    entry: Entry


def extend(
    record: RunRecord,
    *,
    by: str,
    duration: timedelta,
    owner_total: timedelta,
    hard_cap: timedelta,
    now: datetime,
    past_total: bool = False,
) -> Step:
    """Move the deadline by `duration` from the deadline, or from `now` where that is later.

    Of a run that its money ends first it moves the time limit alone. Never past the start plus `hard_cap`: what goes
    beyond is cut off, and only what was gained counts. All extensions of a run together gain at most `owner_total`,
    inclusive, unless an approver goes `past_total`. Raises RefusedError.
    """
    _refuse_when_stopping(record)
    if record.start is None or record.deadline is None:
        raise RefusedError(f"{record.run_id} has not started yet, so there is no deadline to move")
    hard_cap_at = record.start + hard_cap
    limit = record.time_limit or record.deadline
    base = max(now, limit)
    until = min(base + duration, hard_cap_at)
    gained = until - base
    if gained <= timedelta(0):
        raise RefusedError(
            f"the hard cap of {durations.show(hard_cap)} ends {record.run_id} at {times.to_key(hard_cap_at)}; no "
            "extension goes past it, only an exemption does: costwatch exempt"
        )
    left = left_to_extend(record, owner_total)
    if gained > left and not past_total:
        raise RefusedError(
            f"{durations.show(left)} of {durations.show(owner_total)} are left to extend {record.run_id} by, not "
            f"{durations.show(gained)}; past that it takes an exemption: costwatch exempt"
        )
    extension = Extension(by=by, at=now, duration=gained, until=until)
    by_money = record.time_limit is not None
    after = replace(record, extensions=(*record.extensions, extension))
    after = replace(after, time_limit=until) if by_money else replace(after, deadline=until)
    cost = spent_usd(record.hourly_rate_usd, gained)
    more = f"+{show_usd(cost)}" if cost is not None else "price unknown"
    reason = f"extended by {by}: runs until {times.to_key(until)} ({durations.show(gained)}, {more})"
    if gained < duration:
        reason += f"; cut at the hard cap of {durations.show(hard_cap)}"
    if by_money:
        moves = "a yes" if open_question(record.consent) else "an exemption"
        reason += (
            f"; what it costs ends it at {times.to_key(record.deadline)} all the same, and only {moves} moves that"
        )
    entry = _entry(
        record,
        Transition.EXTENDED,
        reason,
        by,
        now,
        deadline=times.to_key(until),
        deadline_before=times.to_key(limit),
        cost_usd=f"{cost:.2f}" if cost is not None else "unknown",
        left=durations.show(left_to_extend(after, owner_total)),
    )
    return Step(record, after, (entry,))


def left_to_extend(record: RunRecord, owner_total: timedelta) -> timedelta:
    """Of what all extensions of a run together may gain without an approver."""
    return max(owner_total - record.extended_total, timedelta(0))


def exempt(record: RunRecord, *, by: str, until: datetime, reason: str, now: datetime) -> Step:
    """Exempt the run and each of its members until `until` (exclusive); it replaces an exemption given before.

    Every exemption ends, within 365 days inclusive, and says why. Raises InputError or RefusedError.
    """
    if not reason.strip():
        raise InputError("an exemption needs a reason that others can read")
    if until <= now:
        raise InputError(f"{times.to_key(until)} is past: an exemption ends in the future")
    if until - now > LONGEST_EXEMPTION:
        raise InputError(
            f"{times.to_key(until)} is more than {LONGEST_EXEMPTION.days} days ahead; exempt it again then"
        )
    _refuse_when_stopping(record)
    exemption = Exemption(by=by, at=now, until=until, reason=reason.strip())
    after = replace(record, exemption=exemption)
    entry = _entry(record, Transition.EXEMPTED, exemption.sentence, by, now, until=times.to_key(until))
    return Step(record, after, (entry,), exempted=exemption)


def ask_exemption(record: RunRecord, *, by: str, now: datetime) -> Step:
    """Whoever may exempt is asked to. It changes nothing of the run. Raises RefusedError."""
    _refuse_when_stopping(record)
    step = Step(record, record, (_entry(record, Transition.EXEMPTION_ASKED, f"{by} asks for an exemption", by, now),))
    asked = about(record, MessageKind.EXEMPTION_ASKED, Audience.PLATFORM, version=step.version, by=by)
    return replace(step, messages=(asked,))


def order_stop(record: RunRecord, *, by: str, reason: str, members: Sequence[str], now: datetime) -> Step:
    """A named person, who was shown `members`, asks for the run to be stopped, now.

    Raises RefusedError when it is being stopped already.
    """
    _refuse_when_stopping(record)
    order = StopOrder(by=by, at=now, reason=reason.strip(), members=tuple(sorted(members)))
    text = f"{by} asked to stop it: {order.reason or 'no reason given'}"
    return Step(record, replace(record, order=order), (_entry(record, Transition.STOP_ASKED, text, by, now),))


def release(record: RunRecord, *, by: str, now: datetime) -> Step | None:
    """Lift what waits for it, a cap or mass silence; the next sweep judges the run anew. None: it is released already.

    It lifts nothing else: notice, protection and exemptions still hold. Raises RefusedError for any other hold.
    """
    hold = record.hold
    if hold is None:
        raise RefusedError(f"{record.run_id} is not held: there is nothing to release")
    if not hold.code.waits_for_release:
        raise RefusedError(
            f"{hold.id} is not a cap's, and a release lifts caps and mass silence only: {_INSTEAD[hold.code]}"
        )
    if record.released_key == hold.key:
        return None
    after = replace(record, released_key=hold.key)
    what = "mass silence no longer holds" if hold.code is HoldCode.MASS_SILENCE else "the caps no longer hold"
    reason = f"released by {by}: {what} it; notice, protection and exemptions still do"
    return Step(record, after, (_entry(record, Transition.RELEASED, reason, by, now, hold=hold.id),))


def pause(before: Pause | None, *, by: str, duration: timedelta, reason: str, now: datetime) -> PauseStep:
    """Pause everything for `duration` from `now`, at most 7 days inclusive; it replaces a pause that lasts.

    Raises InputError: a pause always ends.
    """
    if duration > LONGEST_PAUSE:
        raise InputError(
            f"a pause lasts at most {LONGEST_PAUSE.days} days, not {durations.show(duration)}; pause again"
        )
    going_on = before is not None and before.active(now)
    since = before.since if before is not None and going_on else now
    version = (before.version if before else 0) + 1
    after = Pause(version=version, until=now + duration, by=by, reason=reason.strip(), since=since)
    text = f"paused by {by} until {times.to_key(after.until)}: {after.reason or 'no reason given'}"
    return PauseStep(before, after, Entry(now, Transition.PAUSED, text, actor=by))


def resume(before: Pause | None, *, by: str, now: datetime) -> PauseStep | None:
    """End the pause at `now`; notices given before count no more. None: nothing is paused."""
    if before is None or not before.active(now):
        return None
    after = replace(before, version=before.version + 1, until=now)
    text = f"resumed by {by}: whoever is past its time is warned anew before anything is stopped"
    return PauseStep(before, after, Entry(now, Transition.RESUMED, text, actor=by))


def _refuse_when_stopping(record: RunRecord) -> None:
    if record.status is Status.STOPPING:
        raise RefusedError(f"too late: {record.run_id} is being stopped; costwatch explain {record.run_id} shows why")


def _entry(record: RunRecord, transition: Transition, reason: str, by: str, now: datetime, **evidence: str) -> Entry:
    return Entry(now, transition, reason, actor=by, mode=record.mode.value, evidence=tuple(evidence.items()))
