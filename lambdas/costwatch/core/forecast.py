"""What a watched run was expected to cost when it was first seen: kept with its record, compared with what it cost.

A run is priced like a job that has not started: by what moves money in it, and by what its family's past runs took. At
most it runs to its own limit: the MaxRuntimeInSeconds of a job, and the time limit of everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from costwatch.core import durations, families
from costwatch.core.estimator import (
    DEFAULT_MAX_RUNTIME,
    LONGEST,
    Confidence,
    InstanceGroup,
    JobSpec,
    estimate,
    weakest,
)
from costwatch.core.families import PastRun
from costwatch.core.model import Member, Run, RunKind
from costwatch.core.money import in_region, show_usd
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import PriceTable
from costwatch.errors import InputError


@dataclass(frozen=True, slots=True)
class Forecast:
    """USD, unrounded; None: unknown. `made_at`: UTC. `runtime`: the expected one, `basis` says where it is from."""

    made_at: datetime
    family: str
    expected_usd: Decimal | None
    p90_usd: Decimal | None
    worst_case_usd: Decimal | None
    confidence: Confidence
    price_as_of: date | None
    runtime: timedelta | None
    basis: str
    ends_itself: bool = True
    """Whether its worst case is one: SageMaker ends a job at its maximum; a time limit of ours may be moved, and while
    a selector does not enforce it nothing ends there."""

    @property
    def sentence(self) -> str:
        """For a card: `$707.04 (14 h: the median of its last 11 runs), at most $1,212.06`."""
        if self.expected_usd is None:
            return f"unknown ({self.basis})" if self.basis else "unknown"
        most = f"at most {show_usd(self.worst_case_usd)}"
        if not self.ends_itself:
            most = f"{show_usd(self.worst_case_usd)} by its time limit"
        if self.expected_usd == self.worst_case_usd and self.runtime is not None:
            return f"{most} ({durations.show(self.runtime)}; no past run says how long it takes)"
        how = f"{durations.show(self.runtime)}: {self.basis}" if self.runtime is not None else self.basis
        return f"{show_usd(self.expected_usd)} ({how}), {most}"


def family_of(run: Run) -> str:
    """The family of a run; instances have no image here, since each build of one has an id of its own.

    Empty: an instance that nobody named is of none, since what else is of its type is another job.
    """
    if run.id.kind is RunKind.INSTANCE and run.name == run.id.name:
        return ""
    head = run.judged[0] if run.judged else run.members[0]
    types = [group.instance_type for group in head.spec.groups] if head.spec is not None else head.types or run.capacity
    return families.family(run.name, head.image, types)


def forecast(run: Run, limit: timedelta | None, prices: PriceTable, past: Sequence[PastRun], now: datetime) -> Forecast:
    """Price `run`. `limit`: its time limit, None where it has none yet. Unknown where nothing says what it is made of.

    `past`: the runs of its family that are over.
    """
    family = family_of(run)
    try:
        found = [estimate(spec, prices, past) for spec in specs_of(run, limit)]
    except InputError as error:
        return _unknown(now, family, str(error))
    if not found:
        return _unknown(now, family, "nothing says yet how large it is")
    unpriced = ", ".join(dict.fromkeys(name for each in found for name in each.unpriced))
    longest = max(found, key=lambda each: each.expected_runtime)
    return Forecast(
        made_at=now,
        family=family,
        expected_usd=_sum(each.expected_usd for each in found),
        p90_usd=_sum(each.p90_usd for each in found),
        worst_case_usd=_sum(each.worst_case_usd for each in found),
        confidence=weakest(each.confidence for each in found),
        price_as_of=min((each.price_as_of for each in found if each.price_as_of is not None), default=None),
        runtime=longest.expected_runtime,
        basis=f"no known price for {unpriced}" if unpriced else longest.basis,
        ends_itself=run.id.kind.service.is_sagemaker,
    )


def specs_of(run: Run, limit: timedelta | None) -> list[JobSpec]:
    """What moves money in a run, one for each purchase option and zone. Empty: it is not known.

    Raises InputError for an instance whose price no table has, such as one with Windows.
    """
    if run.id.kind.has_children:
        return [head.spec for head in run.judged if head.spec is not None]
    found: dict[tuple[Service, PurchaseOption, str, timedelta], dict[str, int]] = {}
    specs: list[JobSpec] = []
    for member in run.members:
        if member.spec is not None:
            specs.append(member.spec)
            continue
        most = _most(member, limit)
        if not member.capacity or most is None:
            return []
        if member.priced_apart or not in_region(member.zone, run.id.region):
            apart = member.priced_apart or f"zone {member.zone}"
            raise InputError(f"no known price for {member.id} ({apart})")
        groups = found.setdefault((member.service, member.purchase, member.zone, most), {})
        for kind, count in member.capacity:
            groups[kind] = groups.get(kind, 0) + count
    for (service, purchase, zone, most), groups in found.items():
        made = tuple(InstanceGroup(kind, count) for kind, count in sorted(groups.items()))
        specs.append(JobSpec(service, run.id.region, made, max_runtime=most, purchase=purchase, zone=zone))
    return specs


def _most(member: Member, limit: timedelta | None) -> timedelta | None:
    if not member.service.is_sagemaker:
        return limit
    return min(member.declared_limit or DEFAULT_MAX_RUNTIME, LONGEST[member.service])


def _unknown(now: datetime, family: str, why: str) -> Forecast:
    return Forecast(now, family, None, None, None, Confidence.UNKNOWN, None, None, why)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
