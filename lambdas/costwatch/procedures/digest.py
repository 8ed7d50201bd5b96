"""What is said at most once: accelerators nobody watches, and in observe one summary a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from costwatch.core import durations, times, would_haves
from costwatch.core.accelerators import is_accelerator
from costwatch.core.consent import Word
from costwatch.core.deadman import MASS_SILENCE
from costwatch.core.messages import Audience, Message, MessageKind, heard
from costwatch.core.money import show_usd
from costwatch.core.policy import Mode, Policy
from costwatch.core.record import Entry, RunRecord, Status, Transition, hold_id
from costwatch.core.selection import HoldCode, protected_by
from costwatch.core.silences import StoppedSilent
from costwatch.procedures import res_summary, weekly
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Seen, SweepReport

SUMMARY_HOUR = 9
"""Local hour, in the policy's time zone, from which the day's summary may go out."""
TAGS_MAY_BE_LATE = timedelta(minutes=10)
"""Tags may arrive after the instance: one seen untagged at birth is not unwatched yet."""
_LINES = 20
_TOLD_AT_ONCE = 90
"""The next hour goes on: a transaction takes at most 100 writes."""


def unwatched(w: Watchdog, report: SweepReport) -> None:
    """Once an hour list accelerators that no selector picks; tell each only once. They are never touched."""
    now = w.now()
    if not report.unwatched or not w.ledger.first_time(f"unwatched#{now:%Y-%m-%dT%H}", now):
        return
    fresh: dict[str, Seen] = {}
    for seen in report.unwatched:
        exists_since = seen.run.members[0].clock.exists_since or seen.run.start
        if exists_since is not None and now - exists_since < TAGS_MAY_BE_LATE:
            continue
        key = f"unwatched#{seen.run.id}"  # once, however often it is restarted
        if len(fresh) < _TOLD_AT_ONCE and not w.ledger.was_told(key):
            fresh[key] = seen
    # Noted before it counts as told: after a crash in between it is noted again, never forgotten.
    for seen in fresh.values():
        what = f"{capacity_text(seen)}: no selector picks it; {show_usd(seen.burn.hourly_rate_usd)}/h"
        w.ledger.note(seen.run.id, Entry(now, Transition.UNWATCHED, what, mode=w.policy.mode.value))
    if not fresh:
        return
    message = _unwatched_message(list(fresh.values()), now) if heard(w.policy.mode) else None
    w.ledger.say_once(list(fresh), message, now)


def _unwatched_message(fresh: Sequence[Seen], now: datetime) -> Message:
    lines = "\n".join(f"{s.run.id}: {capacity_text(s)}, {show_usd(s.burn.hourly_rate_usd)}/h" for s in fresh[:_LINES])
    more = f"\n... and {len(fresh) - _LINES} more" if len(fresh) > _LINES else ""
    burn = burn_text([s.burn.hourly_rate_usd for s in fresh])
    facts = {"count": str(len(fresh)), "burn": burn, "lines": lines + more}
    return Message(f"unwatched#{times.to_key(now)}", MessageKind.UNWATCHED, Audience.PLATFORM, facts)


def mass_silence(w: Watchdog, held: Sequence[Seen], stopped: Sequence[StoppedSilent]) -> None:
    """One message about all runs that fell silent together, at most one an hour. In observe the summary tells.

    `stopped`: for their silence before it was seen that there are many, the first one first.
    """
    heard_of = [seen for seen in held if heard(seen.decision.mode)]
    now = w.now()
    if not heard_of:
        return
    lines = [f"{hold_id(s.decision.key, HoldCode.MASS_SILENCE)}: {s.run.name} ({s.run.id})" for s in heard_of]
    more = f"\n... and {len(lines) - _LINES} more: costwatch status" if len(lines) > _LINES else ""
    burn = burn_text([seen.burn.hourly_rate_usd for seen in heard_of])
    facts = {"count": str(len(lines)), "burn": burn, "lines": "\n".join(lines[:_LINES]) + more}
    if stopped:
        facts |= {"before": str(len(stopped)), "before_lines": _stopped_lines(stopped)}
        facts["few"] = "yes" if len(heard_of) < MASS_SILENCE else ""  # many only with those before
    key = f"mass-silence#{now:%Y-%m-%dT%H}"
    w.ledger.say_once([key], Message(key, MessageKind.MASS_SILENCE, Audience.PLATFORM, facts), now)


def _stopped_lines(stopped: Sequence[StoppedSilent]) -> str:
    lines = [f"{each.how} {each.at:%d %b %H:%M} UTC: {each.run_id}" for each in stopped[:_LINES]]
    return "\n".join(lines + ([f"... and {len(stopped) - _LINES} more"] if len(stopped) > _LINES else []))


def is_unwatched(seen: Seen, policy: Policy) -> bool:
    """Whether a run that no selector picks holds accelerators that no protect rule says are meant so."""
    protected = any(protected_by(member, policy) is not None for member in seen.run.judged)
    if seen.decision.selector is not None or (protected and seen.run.id.kind.has_children):
        return False
    return any(
        is_accelerator(kind) and protected_by(member, policy) is None
        for member in seen.run.members
        for kind, _count in member.capacity
    )


@dataclass(frozen=True, slots=True)
class _Today:
    """The day's summary. `keys` remember what it tells, the first one that it is told."""

    keys: tuple[str, ...]
    head: str
    lines: str


def summary(w: Watchdog, records: list[RunRecord], report: SweepReport) -> None:
    """In observe: one message a day to the platform channel with what would have happened, when anything would.

    In every mode: on Mondays the digest of the week, which then has the day's summary in it.
    """
    if w.slack is None and w.topic is None:
        return  # a laptop's sweep tells whoever runs it, and nobody else
    now = w.now()
    today, week = _today(w, records, report), weekly.due(w, records, report)
    if week is not None and week.lines:
        facts = week.facts | ({"today": f"{today.head}\n{today.lines}"} if today is not None else {})
        keys = [week.key, *(today.keys if today is not None else ())]
        w.ledger.say_once(keys, Message(week.key, MessageKind.WEEK, Audience.PLATFORM, facts), now)
        return
    if week is not None:
        w.ledger.say_once([week.key], None, now)
    if today is not None:
        facts = {"head": today.head, "lines": today.lines}
        w.ledger.say_once(today.keys, Message(today.keys[0], MessageKind.SUMMARY, Audience.PLATFORM, facts), now)


def _today(w: Watchdog, records: list[RunRecord], report: SweepReport) -> _Today | None:
    """None: nothing is to be said, or was today."""
    now = w.now()
    local = now.astimezone(ZoneInfo(w.policy.timezone))
    observes = w.policy.approval.mode is Mode.OBSERVE
    asked = [r for r in records if observes and r.consent is not None and r.consent.word is Word.WOULD_ASK]
    judges = w.policy.res.mode is Mode.OBSERVE and bool(w.policy.res.models)
    if local.hour < SUMMARY_HOUR or not (asked or judges or any(s.mode is Mode.OBSERVE for s in w.policy.selectors)):
        return None
    key = f"summary#{local.date()}"
    if w.ledger.was_told(key):
        return None
    observed = [r for r in records if r.mode is Mode.OBSERVE]
    would = [r for r in observed if r.status in (Status.WOULD_STOP, Status.WARNED, Status.HELD)]
    closed = [
        row
        for row in w.ledger.since(now - timedelta(days=1), now, report.skip)
        if row.origin == w.ledger.origin
        and row.entry.mode == Mode.OBSERVE.value
        and row.entry.transition in (Transition.ENDED_BY_ITSELF, Transition.UNWATCHED)
    ]
    models = res_summary.fresh(w, report.skip) if judges else {}
    if not would and not closed and not asked and not models:
        return None
    lines = [_line(r, now - (r.start or now)) for r in would]
    lines.extend(_asked_line(r, now) for r in asked)
    truth = would_haves.closed(row.entry for row in closed)
    if truth.closed:
        lines.insert(0, truth.sentence)
    lines.extend(f"{row.run_id}: {row.entry.reason}" for row in closed)
    lines[:0] = models.values()
    stops = [r for r in would if r.status is Status.WOULD_STOP]
    head = f"Costwatch observes: {_counted(stops, 'would be stopped now')}"
    if not stops:
        warned = [r for r in would if r.status is Status.WARNED]
        head = f"Costwatch observes: nothing would be stopped now; {_counted(warned, 'would have been warned')}"
    if asked:
        head += f"; {_counted(asked, 'would have been asked about')}"
    if models:
        head += f"; {len(models)} retrained model{'s' if len(models) > 1 else ''} judged"
    shown = lines[:_LINES] + ([f"... and {len(lines) - _LINES} more: costwatch status"] if len(lines) > _LINES else [])
    return _Today((key, *models), head, "\n".join(shown))


def _counted(records: Sequence[RunRecord], what: str) -> str:
    return f"{len(records)} {what}, {burn_text([r.hourly_rate_usd for r in records])}" if records else f"none {what}"


def burn_text(rates_usd: Sequence[Decimal | None]) -> str:
    """`$43.92 an hour`, with what has no price said beside it: a missing price is never $0."""
    known = [rate for rate in rates_usd if rate is not None]
    unknown = len(rates_usd) - len(known)
    if unknown and not known:
        return "rate unknown"
    text = f"{show_usd(sum(known, Decimal(0)))} an hour"
    return f"{text}, and {unknown} without a known price" if unknown else text


def capacity_text(seen: Seen) -> str:
    """`2 x p4d.24xlarge`."""
    return " + ".join(f"{count} x {kind}" for kind, count in sorted(seen.run.capacity.items())) or "unknown type"


def _line(record: RunRecord, elapsed: timedelta) -> str:
    rate = show_usd(record.hourly_rate_usd)
    return f"{record.name}: {record.status.value}, {durations.show(elapsed)}, {rate}/h ({record.run_id})"


def _asked_line(record: RunRecord, now: datetime) -> str:
    """What the gate would have done about its money."""
    ended = record.consent is not None and record.consent.used_up_told
    what = "and without a yes stopped" if ended else "and waited for"
    return f"{record.name}: somebody would have been asked, {what}; {show_usd(record.spent_usd(now))} ({record.run_id})"
