"""What a report is made of, read from the ledger alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from costwatch.adapters.ledger import Ledger, TimelineRow
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_rows import Skip
from costwatch.core import graduating
from costwatch.core import spend as spending
from costwatch.core.approvals import Approval
from costwatch.core.graduating import Case
from costwatch.core.judgements import Judgement
from costwatch.core.record import Entry, RunRecord, Transition
from costwatch.core.run_cost import RunCost
from costwatch.core.spend import Spent

BY_PEOPLE: Final = frozenset(
    {
        Transition.EXTENDED, Transition.EXEMPTED, Transition.RELEASED, Transition.STOP_ASKED, Transition.PAUSED,
        Transition.RESUMED, Transition.RESTORE_ASKED,
    }
)  # fmt: skip
"""What somebody did by a button or a command; approvals and verdicts have tables of their own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the time from `since` (inclusive) to `until`, UTC. Lists are oldest first."""

    account: str
    since: datetime
    until: datetime
    costs: tuple[RunCost, ...]
    """Runs that ended."""
    open: tuple[RunRecord, ...]
    """Runs that are open at `until`."""
    would_haves: tuple[Case, ...]
    approvals: tuple[Approval, ...]
    """Questions that were asked, or answered."""
    judgements: tuple[Judgement, ...]
    rows: tuple[TimelineRow, ...]

    @property
    def spent(self) -> list[Spent]:
        """Every run, over or open."""
        over = [spending.of_cost(cost) for cost in self.costs]
        return over + [spending.of_open(record, self.until) for record in self.open]

    def entries(self, *transitions: Transition) -> list[tuple[str, Entry]]:
        """(what it is about, entry)."""
        return [(row.run_id, row.entry) for row in self.rows if row.entry.transition in transitions]


def gather(
    ledger: Ledger, account: str, records: Sequence[RunRecord], *, since: datetime, until: datetime, skip: Skip
) -> Facts:
    """Read everything once. `records`: the open ones. `skip` is given every row that cannot be read."""
    costs: list[RunCost] = []
    day = since.astimezone(UTC).date()
    while day <= until.astimezone(UTC).date():
        costs += [cost for cost in ledger.costs(account, day, skip) if cost.ended_at >= since]
        day += timedelta(days=1)
    costs.sort(key=lambda cost: (cost.ended_at, str(cost.run_id)))
    rows = [row for row in ledger.since(since, until, skip) if row.origin == ledger.origin]
    lines = [(row.run_id, row.entry) for row in rows]
    return Facts(
        account=account,
        since=since,
        until=until,
        costs=tuple(costs),
        open=tuple(records),
        would_haves=tuple(graduating.cases(lines, costs, records, until)),
        approvals=tuple(each for each in Approvals(ledger).every(account, skip) if _touched(each) >= since),
        judgements=tuple(each for each in Judgements(ledger).every(account, skip) if _decided(each) >= since),
        rows=tuple(rows),
    )


def _touched(approval: Approval) -> datetime:
    return approval.answer.at if approval.answer is not None else approval.asked_at


def _decided(judgement: Judgement) -> datetime:
    decided = judgement.decided.at if judgement.decided is not None else judgement.judged_at
    return max(decided, judgement.judged_at)
