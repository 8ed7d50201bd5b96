"""Once an hour everything is counted, where a sweep lists only what can matter.

Accelerators that nobody watches are seen by nobody else, and a share of a selector's runs is a share of all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from costwatch.core import candidates, grouping
from costwatch.core.accelerators import is_accelerator
from costwatch.core.census import Census
from costwatch.core.deadman import Decision, Verdict
from costwatch.core.messages import heard
from costwatch.core.model import Member, Run, RunId, RunKind
from costwatch.core.money import burn_rate, spent_usd
from costwatch.core.policy import Mode, Policy, Selector
from costwatch.core.selection import chosen_of, first_match, protected_by
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Seen, SweepReport

MOST_DEAR: Final = 50
"""So many dear runs are looked at after one count: each takes some calls, and the next one goes on."""


@dataclass(slots=True)
class _Tally:
    """Of one run: who picks its members, what they cost, and those that have accelerators and no protection."""

    picked: list[Selector | None] = field(default_factory=list)
    accelerators: list[Member] = field(default_factory=list)
    hourly_usd: Decimal | None = Decimal(0)
    """None: unknown."""

    def spend(self, rate_usd: Decimal | None) -> None:
        known = self.hourly_usd is not None and rate_usd is not None
        self.hourly_usd = (self.hourly_usd or Decimal(0)) + (rate_usd or Decimal(0)) if known else None

    def add(self, member: Member, policy: Policy) -> None:
        selector = first_match(member, policy)
        if selector not in self.picked:
            self.picked.append(selector)
        has_some = any(is_accelerator(kind) for kind, _count in member.capacity)
        if selector is None and has_some and protected_by(member, policy) is None:
            self.accelerators.append(member)


def take(w: Watchdog, region: str, report: SweepReport, known: Container[RunId] = ()) -> Census:
    """List everything and count it; what no selector picks goes into `report`, and so does what is dear. Raises
    AwsError. `known`: runs that have a record, and are looked at whatever they cost.

    Of what a selector picks nothing is kept but the count: it may be a hundred thousand.
    """
    now = w.now()
    instances = 0
    runs_of: Counter[str] = Counter()
    several: dict[RunId, _Tally] = {}
    asks = heard(w.policy.approval.mode)
    for member in w.ec2(region).matching(candidates.everything()):
        instances += 1
        run_id = grouping.run_id_of(member, account=w.account, region=region, run_tag=w.policy.tags.run)
        alone = run_id.kind is RunKind.INSTANCE
        tally = _Tally() if alone else several.setdefault(run_id, _Tally())
        tally.add(member, w.policy)
        if asks and run_id not in known:
            tally.spend(burn_rate(Run(run_id, (member,)), w.prices).hourly_rate_usd)
        if alone:
            _count(w, run_id, tally, runs_of, report)
    for run_id, tally in several.items():
        _count(w, run_id, tally, runs_of, report)
    census = Census(now, instances, dict(runs_of))
    w.ledger.keep_census(w.account, region, census)
    return census


def _count(w: Watchdog, run_id: RunId, tally: _Tally, runs_of: Counter[str], report: SweepReport) -> None:
    chosen = chosen_of(tally.picked, w.policy)
    if chosen is not None:
        runs_of[chosen.name] += chosen.mode is not Mode.OFF
        if chosen.mode is not Mode.OFF and len(report.dear) < MOST_DEAR and _is_dear(tally, chosen, w.policy):
            report.dear.append(run_id)
    elif tally.accelerators:
        run = Run(run_id, tuple(sorted(tally.accelerators, key=lambda m: m.id)))
        nobody = Decision(Verdict.IGNORE, "no selector picks it")
        report.unwatched.append(Seen(run, nobody, burn_rate(run, w.prices)))


def _is_dear(tally: _Tally, selector: Selector, policy: Policy) -> bool:
    """Whether by the time limit of `selector` it costs more than needs no yes, or nobody knows."""
    most = spent_usd(tally.hourly_usd, min(selector.limits.max_runtime, selector.limits.hard_cap))
    return most is None or most > policy.approval.tiers[0].above_usd
