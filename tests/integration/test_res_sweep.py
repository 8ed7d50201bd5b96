"""The breaker's sweep finds whatever an event did not tell, and one candidate that fails costs itself alone."""

from __future__ import annotations

from typing import Any

from costwatch.core.judgements import State
from costwatch.core.packages import ModelPackage
from costwatch.errors import InputError
from tests.support.res_town import ResTown, res_town


def with_serving(**changes: Any) -> ResTown:
    """A town where churn v1 serves, known to Costwatch since yesterday."""
    town = res_town(**changes)
    town.told_of(town.serving("churn-38", "0.912"))
    town.clock.forward(days=1)
    return town


def states(town: ResTown, *packages: ModelPackage) -> list[State | None]:
    rows = [town.found(each) for each in packages]
    return [row.state if row is not None else None for row in rows]


# --- one that fails ---------------------------------------------------------------------------------------------------


def test_a_candidate_whose_own_facts_are_refused_costs_itself_alone() -> None:
    town = with_serving()
    refused, other = town.candidate("churn-41", "0.911"), town.candidate("churn-42", "0.911")

    def fault(operation: str, _region: str, ids: tuple[str, ...]) -> None:
        if operation == "DescribeTrainingJob" and "churn-41" in ids:
            raise InputError("the metric is later than now")

    town.world.fault = fault
    report = town.sweep()
    assert [(each["where"], each["reason"], each["retry"]) for each in report["failures"]] == [
        ("us-east-1/churn/2", "the metric is later than now", False)
    ]
    assert states(town, refused, other) == [None, State.WRITTEN]
