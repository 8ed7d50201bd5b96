"""What a run has spent, kept up while members come and go: each one counts from its own start, at its own price.

A record keeps one sum and the moment it was made at, and what is spent an hour since then; whenever members or prices
change the sum is made anew. What left is counted until the sweep that misses it. While a price is not known the sum
stays as it was, and is made anew when the price is back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from costwatch.core.model import Member, Run, RunKind
from costwatch.core.money import Burn, spent_usd
from costwatch.core.record import RunRecord


def kept_up(record: RunRecord, run: Run, burn: Burn, now: datetime, moved: Collection[str] = frozenset()) -> RunRecord:
    """`record` (members as they were seen last) with the price and the sum that hold for `run` from `now` on, UTC.

    `moved`: members that another run has counted until now; here they count from now on.
    """
    was = {member.id: member.running_since for member in record.members}
    same = was == {member.id: member.clock.running_since for member in run.members}
    priced = (record.hourly_rate_usd, record.price_note) == (burn.hourly_rate_usd, burn.note)
    if same and priced and record.rate_since is not None:
        return record
    known, since = record.spent_before_usd, record.rate_since
    unpriced = record.hourly_rate_usd is None
    # Who left while nobody knew the price has cost nobody knows what.
    left = unpriced and not _all_of(was, run)
    if unpriced and burn.hourly_rate_usd is None and not left:
        return replace(record, price_note=burn.note)
    # A run of one instance or job: a price that becomes known holds for all of it.
    alone = same and run.id.kind in (RunKind.INSTANCE, RunKind.TRAINING, RunKind.PROCESSING)
    if left:
        before = None
    elif since is None or record.start is None or (alone and known is None):
        before = _sum(_cost(m, burn, now if m.id in moved else m.clock.running_since, now) for m in run.members)
    elif unpriced:
        # The price is back: what it is now holds for the time in which nobody knew it.
        before = _sum([known, *(_cost(m, burn, _later(m.clock.running_since, since), now) for m in run.members)])
    else:
        joined = [m for m in run.members if was.get(m.id) is None and m.id not in moved]
        # What had not started was in the rate all the same.
        early = [_cost(m, burn, since, now) for m in joined if m.id in was]
        before = _sum([record.spent_usd(now), *(_cost(m, burn, m.clock.running_since, now) for m in joined)])
        counted = _sum(early)
        before = before - counted if before is not None and counted is not None else None
    return replace(
        record, hourly_rate_usd=burn.hourly_rate_usd, price_note=burn.note, rate_since=now, spent_before_usd=before
    )


def _all_of(was: Mapping[str, datetime | None], run: Run) -> bool:
    """Whether all that were in it are in it yet, and have not started anew."""
    running = {member.id: member.clock.running_since for member in run.members}
    return all(each in running and start in (None, running[each]) for each, start in was.items())


def _later(start: datetime | None, since: datetime) -> datetime | None:
    return max(start, since) if start is not None else None


def _cost(member: Member, burn: Burn, since: datetime | None, now: datetime) -> Decimal | None:
    """Of one member from `since` to `now`; what has not started has cost nothing."""
    return spent_usd(burn.by_member.get(member.id), now - since) if since is not None else Decimal(0)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Unknown as soon as one of them is."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
