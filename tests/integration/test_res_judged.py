"""Candidates are judged by what they gained and cost, whichever event comes first, and whether any comes at all."""

from __future__ import annotations

from costwatch.core.judgements import State
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Value
from tests.support.res_town import res_town


def test_in_observe_a_package_event_makes_a_judged_row_and_nobody_hears_of_it() -> None:
    town = res_town("observe")
    town.serving("churn-38", "0.912")
    candidate = town.candidate("churn-39", "0.9121", hours=10)
    town.told_of(candidate)
    row = town.row(candidate)
    assert (row.state, row.verdict.value) == (State.JUDGED, Value.TOO_DEAR)
    assert row.run == "111122223333/us-east-1/training/churn-39"
    assert row.verdict.cost is not None
    assert row.verdict.cost.usd is not None
    assert f"{row.verdict.cost.usd:.2f}" == "252.51"
    assert town.lines(candidate) == ["judged"]
    assert town.writes == []
    assert town.cards == []
    assert town.world.verdicts == []
    assert town.now(candidate).approval is ApprovalStatus.PENDING
