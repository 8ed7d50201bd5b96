"""What a run has spent, kept up while members come and go: each one counts from its own start, at its own price.

A record keeps one sum and the moment it was made at, and what is spent an hour since then; whenever members or prices
change the sum is made anew. What left is counted until the sweep that misses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    # A run of one instance or job: a price that becomes known holds for all of it.
    alone = same and run.id.kind in (RunKind.INSTANCE, RunKind.TRAINING, RunKind.PROCESSING)
    if record.rate_since is None or record.start is None or (alone and record.spent_before_usd is None):
        before = _sum(_cost(m, burn, now if m.id in moved else m.clock.running_since, now) for m in run.members)
    else:
        joined = [m for m in run.members if was.get(m.id) is None and m.id not in moved]
        # What had not started was in the rate all the same.
        early = [_cost(m, burn, record.rate_since, now) for m in joined if m.id in was]
        before = _sum([record.spent_usd(now), *(_cost(m, burn, m.clock.running_since, now) for m in joined)])
        counted = _sum(early)
        before = before - counted if before is not None and counted is not None else None
    return replace(
        record, hourly_rate_usd=burn.hourly_rate_usd, price_note=burn.note, rate_since=now, spent_before_usd=before
    )


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
