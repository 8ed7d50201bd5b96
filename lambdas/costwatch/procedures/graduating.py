"""Look back over the ledger: what enforce would have done, of every selector, of the gate and of the breaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_rows import Skip
from costwatch.core import gate_graduating, graduated, graduating, held_by_caps, res_graduating, would_haves
from costwatch.core.changes import Changes
from costwatch.core.gate_graduating import GateGraduation
from costwatch.core.graduated import Graduated
from costwatch.core.graduating import Graduation
from costwatch.core.modes import Mode
from costwatch.core.policy import Policy
from costwatch.core.record import Entry, RunRecord, Transition
from costwatch.core.res_graduating import ResGraduation
from costwatch.core.run_cost import RunCost

LOOK_BACK: Final = timedelta(days=30)
"""Doubts go on to count for so long, unless somebody asks for another time."""
_USUAL_ANSWER: Final = timedelta(hours=24)
_KEPT: Final = (Transition.WOULD_STOP, Transition.WOULD_HOLD, Transition.WOULD_USE_UP)
_OBSERVES: Final = (Mode.OBSERVE, Mode.WARN)


@dataclass(frozen=True, slots=True)
class LookedBack:
    """`selectors`: those of the policy first, also without a case."""

    selectors: tuple[Graduation, ...]
    gate: GateGraduation
    res: ResGraduation

    def graduated(self, policy: Policy | None, changes: Changes) -> list[Graduated]:
        """As people read it. The guards are told where they observe or warn, or did and have a case.

        `policy` None: nobody knows what is configured.
        """
        modes = {each.name: each.mode for each in policy.selectors} if policy is not None else {}
        found = [
            graduated.of_selector(each, modes.get(each.selector), changes.selectors.get(each.selector))
            for each in self.selectors
        ]
        gate, res = (policy.approval.mode, policy.res.mode) if policy is not None else (None, None)
        if self.gate.cases or gate in _OBSERVES:
            found.append(graduated.of_gate(self.gate, gate, changes.approval))
        if self.res.cases or (res in _OBSERVES and policy is not None and policy.res.models):
            found.append(graduated.of_res(self.res, res, changes.res))
        return found

    def told(self, policy: Policy, changes: Changes) -> list[Graduated]:
        """The same without whatever has no case: for a message that nobody asked for."""
        seen = LookedBack(
            tuple(each for each in self.selectors if each.cases or each.held),
            GateGraduation(tuple(each for each in self.gate.tiers if each.cases)),
            ResGraduation(tuple(each for each in self.res.models if each.cases)),
        )
        return [each for each in seen.graduated(policy, changes) if each.says]


def look_back(
    ledger: Ledger, account: str, begin: datetime, now: datetime, still: Sequence[RunRecord], policy: Policy | None,
    skip: Skip,
) -> LookedBack:  # fmt: skip
    """From `begin` to `now`. `still`: the open records. `policy` None: none is at hand, and defaults hold.

    Day by day: of a long time and a large fleet only what a would-have is made of is kept. Raises AwsError.
    """
    lines: list[tuple[str, Entry]] = []
    costs: list[RunCost] = []
    moment = begin.astimezone(UTC)
    while moment <= now:
        next_day = datetime.combine(moment.date() + timedelta(days=1), datetime.min.time(), UTC)
        end = min(next_day - timedelta(microseconds=1), now)
        rows = (row for row in ledger.since(moment, end, skip) if row.origin == ledger.origin)
        lines += [(row.run_id, row.entry) for row in rows if _counts(row.entry)]
        costs += ledger.costs(account, moment.date(), skip)
        moment = next_day
    cases = graduating.cases(lines, costs, still, now)
    names = tuple(each.name for each in policy.selectors) if policy is not None else ()
    asked = [each for each in Approvals(ledger).every(account, skip) if begin <= each.asked_at <= now]
    judged = [each for each in Judgements(ledger).every(account, skip) if begin <= each.judged_at <= now]
    gate = gate_graduating.graduation(
        lines,
        asked,
        tiers_usd=[each.above_usd for each in policy.approval.tiers] if policy is not None else [],
        answer_within=policy.approval.answer_within if policy is not None else _USUAL_ANSWER,
        zone=ZoneInfo(policy.timezone if policy is not None else "UTC"),
    )
    res = res_graduating.graduation(
        judged,
        models=[each.name for each in policy.res.models] if policy is not None else [],
        auto_approve=policy.res.auto_approve if policy is not None else False,
    )
    held = held_by_caps.held_by_caps(lines, still)
    return LookedBack(tuple(graduating.by_selector(cases, names, held)), gate, res)


def _counts(entry: Entry) -> bool:
    return entry.transition in _KEPT or held_by_caps.is_one(entry) or would_haves.WHICH in dict(entry.evidence)
