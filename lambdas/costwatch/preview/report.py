"""Everything a preview says, as values; the terminal and the document show the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from costwatch.core.deadman import Verdict
from costwatch.core.policy import Policy, Service
from costwatch.core.prices import PriceTable
from costwatch.preview.approvals import Approvals, approvals
from costwatch.preview.history import LeftOut, PastRun, RegionHistory, past_runs
from costwatch.preview.judging import Judged, judge
from costwatch.preview.limits import Family, families_of
from costwatch.preview.spending import Spending, spending
from costwatch.procedures.report import SweepReport
from costwatch.scan.inventory import Gap, GapKind

_DUE: Final = (Verdict.WARN, Verdict.WAIT, Verdict.FINISH, Verdict.HOLD, Verdict.STOP)


@dataclass(frozen=True, slots=True)
class Due:
    """A run of today's fleet that is past its limit, or within `warn_before` of it."""

    run_id: str
    name: str
    verdict: Verdict
    reason: str
    selector: str
    deadline: datetime | None
    hourly_rate_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Today's, as one sweep in observe saw it. `failures`: (where, reason) of what could not be judged."""

    watched: int
    due: tuple[Due, ...]
    failures: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, report: SweepReport) -> Fleet:
        due = [
            Due(
                run_id=str(judged.run_id),
                name=judged.name,
                verdict=judged.verdict,
                reason=judged.reason,
                selector=judged.selector or "",
                deadline=judged.deadline,
                hourly_rate_usd=judged.hourly_rate_usd,
            )
            for judged in report.judged
            if judged.verdict in _DUE
        ]
        due.sort(
            key=lambda each: (each.hourly_rate_usd is not None, -(each.hourly_rate_usd or Decimal(0)), each.run_id)
        )
        return cls(report.watched, tuple(due), tuple((each.where, each.reason) for each in report.failures))


@dataclass(frozen=True, slots=True)
class Preview:
    """`judged_by`: for people, whose limits these are."""

    account: str
    since: datetime
    now: datetime
    policy: Policy
    judged_by: str
    histories: tuple[RegionHistory, ...]
    runs: tuple[PastRun, ...]
    judged: Judged
    approvals: Approvals
    families: tuple[Family, ...]
    spending: Spending
    fleet: Fleet

    @property
    def jobs(self) -> Mapping[Service, int]:
        """How many were read, by kind."""
        return Counter(job.member.service for each in self.histories for job in each.jobs)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for each in self.histories for gap in each.gaps)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(one for each in self.histories for one in each.left_out)

    @property
    def not_read(self) -> list[str]:
        """A sentence for each operation, job or tag that could not be read."""
        said = [f"{gap.region}: {gap.kind}: {gap.operation} ({gap.reason})" for gap in self.gaps]
        for each in self.histories:
            said += each.notes
            reasons = Counter(reason for _job, reason in each.undescribed)
            said += [f"{each.region}: {number} x not described: {reason}" for reason, number in reasons.items()]
            untagged = sum(job.member.tags is None for job in each.jobs)
            if untagged:
                jobs, whose = ("1 job", "its") if untagged == 1 else (f"{untagged} jobs", "their")
                said.append(f"{each.region}: the tags of {jobs}, so no limit or protection of {whose} own is known")
        said += [f"today's fleet: {where}: {reason}" for where, reason in self.fleet.failures]
        return said

    @property
    def nothing_read(self) -> bool:
        return not any(each.answered for each in self.histories)

    @property
    def denied(self) -> bool:
        return any(gap.kind is GapKind.DENIED for gap in self.gaps)


def preview(
    histories: Sequence[RegionHistory],
    report: SweepReport,
    policy: Policy,
    prices: PriceTable,
    *,
    account: str,
    since: datetime,
    now: datetime,
    judged_by: str,
) -> Preview:
    """Judge and sum up what was read. Pure."""
    jobs = [job for each in histories for job in each.jobs]
    runs = past_runs(jobs, prices, account=account, run_tag=policy.tags.run)
    judged = judge(runs, policy)
    return Preview(
        account=account,
        since=since,
        now=now,
        policy=policy,
        judged_by=judged_by,
        histories=tuple(histories),
        runs=tuple(runs),
        judged=judged,
        approvals=approvals(runs, prices, since=since, now=now),
        families=tuple(families_of(runs)),
        spending=spending(runs, judged.over, since=since, now=now),
        fleet=Fleet.of(report),
    )
