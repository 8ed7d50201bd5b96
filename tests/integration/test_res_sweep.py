"""The breaker's sweep finds whatever an event did not tell, and one candidate that fails costs itself alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from costwatch.core.judgements import State
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.errors import InputError, PermanentAwsError
from costwatch.procedures.breaker import Breaker
from tests.support.res_town import ResTown, res_town
from tests.support.town import failing


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


def test_a_version_that_may_not_be_described_hides_no_other_of_its_group() -> None:
    town = with_serving()
    packages = [town.candidate(f"churn-{n}", "0.911") for n in (41, 42, 43)]
    denied = PermanentAwsError("denied", code="AccessDeniedException")
    town.world.fault = failing("DescribeModelPackage", denied, holding=packages[1].arn)
    report = town.sweep()
    assert [each["where"] for each in report["failures"]] == ["us-east-1/churn/3"]
    assert states(town, *packages) == [State.WRITTEN, None, State.WRITTEN]


# --- only what may be due ---------------------------------------------------------------------------------------------


def described(town: ResTown) -> set[str]:
    return {ids[0] for operation, _, ids in town.world.calls if operation == "DescribeModelPackage"}


def test_what_is_pending_and_not_due_is_described_by_no_sweep() -> None:
    town = with_serving()
    settled = town.candidate("churn-41", "0.9121")
    old = town.candidate("churn-42", "0.911", created_at=town.clock() - timedelta(days=31))
    town.sweep()
    assert town.row(settled).state is State.ASKED
    town.world.calls.clear()
    town.later(minutes=5)
    assert described(town).isdisjoint({settled.arn, old.arn})


def test_what_could_not_be_judged_is_described_again_after_exactly_an_hour() -> None:
    town = with_serving()
    unjudged = town.candidate("churn-41", "")
    town.sweep()
    town.world.calls.clear()
    town.later(minutes=59)
    assert unjudged.arn not in described(town)
    town.later(minutes=1)
    assert unjudged.arn in described(town)


def test_a_person_who_undid_a_rejection_is_found_without_their_event() -> None:
    town = with_serving()
    candidate = town.candidate("churn-41", "0.911")
    town.sweep()
    town.models.decide(candidate.arn, ApprovalStatus.PENDING)
    town.later(minutes=5)
    assert states(town, candidate) == [State.OVERRIDDEN]


def test_a_version_of_a_group_that_was_made_anew_is_found_though_one_of_its_number_was_settled() -> None:
    town = with_serving()
    town.models.packages.clear()
    anew = town.candidate("churn-1", "0.9")
    assert anew.version == 1  # as what serves was
    town.later(minutes=5)
    assert town.row(anew).created_at == anew.created_at


def test_a_rollback_of_what_costwatch_approved_is_found_without_its_event() -> None:
    town = with_serving(auto_approve=True)
    candidate = town.candidate("churn-41", "0.95", hours=1)
    town.told_of(candidate)
    town.models.decide(candidate.arn, ApprovalStatus.REJECTED)
    town.later(minutes=5)
    row = town.row(candidate)
    assert row.decided is not None
    assert (row.state, row.decided.target) == (State.OVERRIDDEN, ApprovalStatus.REJECTED)


def test_what_costwatch_approved_and_was_deleted_is_done_with() -> None:
    town = with_serving(auto_approve=True)
    candidate = town.candidate("churn-41", "0.95", hours=1)
    town.told_of(candidate)
    del town.models.packages[candidate.arn]
    town.later(minutes=5)
    assert states(town, candidate) == [State.OVERRIDDEN]


# --- the function's time ---------------------------------------------------------------------------------------------


def hurried(town: ResTown, *looks: int) -> None:
    """From now on there is time for so many looks in each sweep, of this one and those to come."""
    make, left = town.breaker, iter(looks)

    def breaker() -> Breaker:
        b, more = make(), next(left)
        seconds = iter([200.0] * more)
        return replace(b, w=replace(b.w, seconds_left=lambda: next(seconds, 59.0)))

    vars(town)["breaker"] = breaker


def test_the_newest_candidate_comes_first_when_older_ones_would_fill_the_time() -> None:
    town = with_serving()
    older = [town.candidate(f"churn-{n}", "") for n in (41, 42, 43)]
    newest = town.candidate("churn-44", "0.911")
    hurried(town, 3, 4)
    report = town.sweep()
    assert "time is nearly over" in report["failures"][0]["reason"]
    assert states(town, newest, *older) == [State.WRITTEN, None, None, None]
    town.later(minutes=5)
    assert states(town, *older) == [None, State.JUDGED, State.JUDGED]


def test_the_next_sweep_begins_with_the_next_region_so_that_none_is_starved() -> None:
    town = with_serving()
    town.policy = replace(town.policy, regions=("us-east-1", "eu-west-1"))
    there = town.candidate("churn-41", "0.911", region="eu-west-1")
    here = town.candidate("churn-42", "0.911")
    hurried(town, 3, 3)
    town.sweep()
    assert [each is None for each in (town.found(here), town.found(there))].count(True) == 1
    town.later(minutes=5)
    assert None not in (town.found(here), town.found(there))
