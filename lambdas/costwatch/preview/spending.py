"""What was spent, week by week: in all, after the limits, saved by managed spot, and what has no known price. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core.estimator import Confidence
from costwatch.preview.history import PastRun, PricedJob, known_total
from costwatch.preview.judging import Over

_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Week:
    """Jobs that began in seven days (UTC), `begins` inclusive. USD of what has a price."""

    begins: datetime
    jobs: int
    usd: Decimal
    after_limits_usd: Decimal
    saved_by_spot_usd: Decimal


@dataclass(frozen=True, slots=True)
class Spending:
    """Of all jobs that are over. USD of what has a price; `unpriced` jobs are in no sum."""

    weeks: tuple[Week, ...]
    """Newest first; the oldest may be cut short by the beginning of the time that is looked at."""
    jobs: int
    usd: Decimal
    after_limits_usd: Decimal
    saved_by_spot_usd: Decimal
    spot_jobs: int
    spot_usd: Decimal
    """What those cost that were managed spot: against it the saving is measured."""
    prepaid_list_usd: Decimal
    """What the prepaid ones among them were worth at list price."""
    prepaid_jobs: int
    unpriced: tuple[tuple[str, int], ...]
    """(type and region, or why else) and how many jobs."""
    storage_left_out: int
    """Jobs whose attached storage has no known price and is not in the sums."""
    discounts: tuple[str, ...]
    price_as_of: date | None
    confidences: tuple[tuple[Confidence, int], ...]


def spending(runs: Sequence[PastRun], over: Iterable[Over], *, since: datetime, now: datetime) -> Spending:
    """Sum up. A job counts in the week in which it began; what began before `since` in the oldest."""
    jobs = [each for run in runs for each in run.jobs if each.cost is not None]
    after = [(_began(each), usd) for found in over for each in found.past.jobs
             if (usd := each.usd_after(found.deadline))]  # fmt: skip
    weeks = []
    ends = now
    while ends > since:
        begins = max(ends - _WEEK, since)
        first = begins <= since
        inside = [each for each in jobs if (first or _began(each) >= begins) and _began(each) < ends]
        weeks.append(
            Week(
                begins=begins,
                jobs=len(inside),
                usd=_usd(inside),
                after_limits_usd=sum((usd for at, usd in after if (first or at >= begins) and at < ends), Decimal(0)),
                saved_by_spot_usd=_saved(inside),
            )
        )
        ends = begins
    spot = [each for each in jobs if each.cost is not None and each.cost.actual.saved_by_spot_usd is not None]
    prepaid = [each for each in jobs if _is_prepaid(each)]
    return Spending(
        weeks=tuple(weeks),
        jobs=len(jobs),
        usd=_usd(jobs),
        after_limits_usd=sum((usd for _at, usd in after), Decimal(0)),
        saved_by_spot_usd=_saved(jobs),
        spot_jobs=len(spot),
        spot_usd=_usd(spot),
        prepaid_list_usd=known_total(each.cost.actual.list_value_usd for each in prepaid if each.cost)[0],
        prepaid_jobs=len(prepaid),
        unpriced=_unpriced(jobs),
        storage_left_out=sum(each.cost.storage_left_out for each in jobs if each.cost is not None),
        discounts=tuple(sorted({f"{found.key} x {found.multiplier}" for each in jobs if each.cost
                                for found in each.cost.actual.discounts})),
        price_as_of=min((each.cost.actual.price_as_of for each in jobs
                         if each.cost and each.cost.actual.price_as_of), default=None),
        confidences=tuple(sorted(Counter(_confidence(each) for each in jobs).items())),
    )  # fmt: skip


def _began(each: PricedJob) -> datetime:
    return each.job.created


def _usd(jobs: Iterable[PricedJob]) -> Decimal:
    return known_total(each.cost.usd for each in jobs if each.cost is not None)[0]


def _saved(jobs: Iterable[PricedJob]) -> Decimal:
    return sum((each.cost.actual.saved_by_spot_usd or Decimal(0) for each in jobs if each.cost), Decimal(0))


def _is_prepaid(each: PricedJob) -> bool:
    return each.cost is not None and each.cost.actual.confidence is Confidence.PREPAID


def _confidence(each: PricedJob) -> Confidence:
    cost = each.cost
    return cost.actual.confidence if cost is not None and cost.usd is not None else Confidence.UNKNOWN


def _unpriced(jobs: Iterable[PricedJob]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for each in jobs:
        if each.cost is not None and each.cost.usd is None:
            service = each.job.member.service
            named = [f"{what} ({service})" for what in each.cost.actual.unpriced]
            found.update(named or [f"{service} jobs of unknown type or time"])
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))
