"""The breaker dies before each of its calls and writes: Lambda brings the event once more, and the sweep comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from costwatch.adapters.table import Write
from costwatch.core.judgements import State
from costwatch.core.packages import ApprovalStatus, ModelPackage
from tests.support.res_town import ResTown, res_town
from tests.support.town import Crash

APPROVED, REJECTED, PENDING = ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.PENDING


class Countdown:
    """Lets the function die at its `dies_at`th call of anything outside of it; 0: never."""

    def __init__(self, town: ResTown, dies_at: int) -> None:
        self.calls, self._dies_at = 0, dies_at
        town.world.fault = self._called
        town.table.before_transact = self._written

    def _called(self, operation: str, region: str, ids: tuple[str, ...]) -> None:
        del operation, region, ids
        self._count()

    def _written(self, writes: Sequence[Write]) -> None:
        del writes
        self._count()

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._dies_at:
            raise Crash


def served(**changes: bool) -> tuple[ResTown, ModelPackage]:
    town = res_town("enforce", model=None, **changes)
    town.told_of(town.serving("churn-38", "0.912"))
    town.clock.forward(days=1)
    return town, town.candidate("churn-41", "0.911")


def dying_everywhere(
    story: Callable[[], tuple[ResTown, Callable[[], object]]], after: Callable[[ResTown], None]
) -> int:
    """Run a story's last act, dead at each of its calls; then again, then the sweeps of the next quarter of an hour."""
    crashes = 0
    while True:
        town, act = story()
        counted = Countdown(town, crashes + 1)
        try:
            act()
        except Crash:
            crashes += 1
        else:
            assert counted.calls == crashes
            after(town)
            return crashes
        town.world.fault, town.table.before_transact = None, None
        town.clock.forward(seconds=60)
        act()
        for _ in range(3):
            town.later(minutes=5)
        after(town)


def candidate_of(town: ResTown) -> ModelPackage:
    return max(town.models.packages.values(), key=lambda each: each.version)


def test_a_rejection_is_written_said_and_told_to_others_whatever_call_it_dies_at() -> None:
    def story() -> tuple[ResTown, Callable[[], object]]:
        town, candidate = served()
        return town, lambda: town.told_of(candidate)

    def after(town: ResTown) -> None:
        candidate = candidate_of(town)
        assert (town.row(candidate).state, candidate.approval) == (State.WRITTEN, REJECTED)
        assert candidate.metadata["costwatch:verdict"] == "reject"
        assert town.lines(candidate).count("registry written") == 1
        # Between Slack's or the bus's answer and its record a message may be said twice, never not at all.
        assert 1 <= len(town.cards) <= 2
        assert len({each["id"] for each in town.told_others(candidate)}) == 1
        assert 1 <= len(town.writes) <= 2
        assert town.ledger.outbox(town.clock()) == []

    assert dying_everywhere(story, after) > 15


def test_a_person_who_rejects_is_heard_whatever_call_it_dies_at() -> None:
    def story() -> tuple[ResTown, Callable[[], object]]:
        town, _ = served()
        candidate = town.candidate("churn-42", "0.9121")
        town.told_of(candidate)
        assert town.row(candidate).state is State.ASKED
        return town, lambda: town.decides(candidate, REJECTED)

    def after(town: ResTown) -> None:
        candidate = candidate_of(town)
        row = town.row(candidate)
        assert (row.state, candidate.approval) == (State.WRITTEN, REJECTED)
        assert row.decided is not None
        assert row.decided.by == "U0MARIA00"
        assert town.lines(candidate).count("promotion decided") == 1

    assert dying_everywhere(story, after) > 5


def test_a_persons_approval_is_put_back_whatever_call_it_dies_at() -> None:
    def story() -> tuple[ResTown, Callable[[], object]]:
        town, candidate = served(auto_approve=True)
        town.models.before_write.append((candidate.arn, APPROVED))
        town.told_of(candidate)
        assert town.now(candidate).approval is REJECTED
        moment = town.clock().isoformat()
        theirs = {"ModelApprovalStatus": "Approved", "LastModifiedTime": moment}
        return town, lambda: town.told_of(candidate, **theirs)

    def after(town: ResTown) -> None:
        candidate = candidate_of(town)
        assert (town.row(candidate).state, candidate.approval) == (State.OVERRIDDEN, APPROVED)
        assert town.lines(candidate).count("a person's decision restored") == 1

    assert dying_everywhere(story, after) > 5


@pytest.mark.parametrize("dies_at", range(1, 12))
def test_a_sweep_that_dies_costs_nobody_their_verdict(dies_at: int) -> None:
    town, candidate = served()
    Countdown(town, dies_at)
    with pytest.raises(Crash):
        town.sweep()
    town.world.fault, town.table.before_transact = None, None
    for _ in range(3):
        town.later(minutes=5)
    assert (town.row(candidate).state, town.now(candidate).approval) == (State.WRITTEN, REJECTED)
    assert town.now(candidate).approval is not PENDING
