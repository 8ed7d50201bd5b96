"""The replay of retraining policies: nothing is known before its time, and nothing that was not paid for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.replay import run, table
from bench.replay.account import Account, LookAheadError
from bench.replay.matrix import Matrix
from bench.replay.ours import ShouldRetrain
from bench.replay.policies import PageHinkley, Policy, policies
from bench.replay.promotion import AtOnce, IfBetter, Judged, OnTrial, Promotion, PublishedRes
from tests.support.matrices import drifting, given

POLICIES = {policy.name: policy for policy in policies()}
WEEKS = 60


def outcome(matrix: Matrix, policy: Policy, variant: int = 0) -> run.Outcome:
    return run.replay(matrix, policy.variants[variant](), policy.promotion(1))


def every_week(_: Account) -> bool:
    return True


def never(_: Account) -> bool:
    return False


def scrambled(matrix: Matrix, week: int) -> Matrix:
    """All that lies in `week` or later is something else."""
    rng = np.random.default_rng(week)
    errors, costs, y = matrix.errors.copy(), matrix.costs.copy(), matrix.y.copy()
    errors[:, week:] = np.where(np.isnan(errors[:, week:]), np.nan, rng.exponential(50, errors[:, week:].shape))
    costs[week:] = rng.exponential(9, costs[week:].size)
    y[week:] = rng.normal(0, 99, y[week:].size)
    return replace(matrix, errors=errors, costs=costs, y=y)


# --- no look-ahead --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("week", [1, 17, 40])
def test_what_is_decided_up_to_a_week_does_not_know_that_week(name: str, week: int) -> None:
    matrix = drifting(WEEKS)
    known, other = (outcome(each, POLICIES[name]) for each in (matrix, scrambled(matrix, week)))
    assert known.served[: week + 1].tolist() == other.served[: week + 1].tolist()
    assert known.trained[: week + 1].tolist() == other.trained[: week + 1].tolist()


def test_the_scrambled_future_is_seen_once_it_is_over() -> None:
    matrix = drifting(WEEKS)
    known, other = (outcome(each, POLICIES["costwatch"]) for each in (matrix, scrambled(matrix, 17)))
    assert known.served.tolist() != other.served.tolist()


@pytest.mark.parametrize("name", POLICIES)
def test_what_was_not_paid_is_never_looked_at(name: str) -> None:
    """The same replay with other errors and costs of every candidate that it did not train."""
    matrix = drifting(WEEKS)
    known = outcome(matrix, POLICIES[name])
    errors, costs = matrix.errors.copy(), matrix.costs.copy()
    errors[~known.trained], costs[~known.trained] = 0.0, 0.0
    assert outcome(replace(matrix, errors=errors, costs=costs), POLICIES[name]).served.tolist() == known.served.tolist()


class Peeks:
    """A policy that asks for what it has no right to."""

    def __init__(self, ask: Callable[[Account], float]) -> None:
        self._ask = ask

    def __call__(self, account: Account) -> bool:
        return account.week == 1 or self._ask(account) > 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda account: account.error(2, 2),
        lambda account: account.error(0, account.week),
        lambda account: account.error(1, 0),
        lambda account: account.cost(account.week),
    ],
    ids=["error of an unpaid candidate", "error of the week to come", "error before its own week", "cost of an unpaid"],
)
def test_a_policy_that_looks_where_it_may_not_fails(ask: Callable[[Account], float]) -> None:
    with pytest.raises(LookAheadError):
        run.replay(drifting(WEEKS), Peeks(ask), AtOnce(1))


def test_serving_a_candidate_that_was_not_paid_fails() -> None:
    account = Account(drifting(WEEKS))
    with pytest.raises(LookAheadError, match="candidate 0 was not paid for"):
        account.serve(0)


def test_the_series_is_known_before_the_week_only() -> None:
    account = Account(drifting(WEEKS))
    account.pay()
    account.serve(0)
    account.serve(0)
    assert account.past_y().size == 2


# --- promotion ------------------------------------------------------------------------------------------

BETTER_NOW_WORSE_LATER = given([[9, 9, 9, 9, 9], [0, 5, 20, 20, 20], [0] * 5, [0] * 5, [0] * 5])
"""Candidate 1 wins its own week and loses all later ones."""


def only_week_1(account: Account) -> bool:
    return account.week == 1


def served(matrix: Matrix, promotion: Promotion) -> list[int]:
    return [int(each) for each in run.replay(matrix, only_week_1, promotion).served]


def test_at_once_serves_the_week_that_it_was_trained_before() -> None:
    assert served(BETTER_NOW_WORSE_LATER, AtOnce(1)) == [0, 1, 1, 1, 1]


def test_if_better_serves_from_the_week_after() -> None:
    assert served(BETTER_NOW_WORSE_LATER, IfBetter(1)) == [0, 0, 1, 1, 1]


def test_if_better_drops_one_that_is_as_good() -> None:
    assert served(given([[9] * 5] * 5), IfBetter(1)) == [0] * 5


def test_a_trial_serves_at_once_and_goes_back_when_it_errs_more() -> None:
    assert served(BETTER_NOW_WORSE_LATER, OnTrial(1, weeks=8, noise=0, allowed=0)) == [0, 1, 1, 0, 0]


def test_a_new_trial_does_not_inherit_what_the_one_before_lost() -> None:
    matrix = given([[1.0] * 5, [0, 3, 10, 10, 10], [0, 0, 11, 10, 10], [0] * 5, [0] * 5])
    promotion = OnTrial(1, weeks=8, noise=0, allowed=0.5)
    found = run.replay(matrix, lambda account: account.week in {1, 2}, promotion)
    assert found.served.tolist() == [0, 1, 2, 2, 2]


def test_a_trial_that_is_over_does_not_go_back() -> None:
    assert served(BETTER_NOW_WORSE_LATER, OnTrial(1, weeks=1, noise=0, allowed=0)) == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(("gain", "last"), [(2.49, 0), (2.5, 1)])
def test_a_verdict_needs_the_least_gain(gain: float, last: int) -> None:
    matrix = given([[10.0] * 3, [0, 10 - gain, 1], [0] * 3])
    assert served(matrix, Judged(1, least_gain=0.25, worth=12))[-1] == last


@pytest.mark.parametrize(("cost", "last"), [(2.0, 1), (2.1, 0), (0.0, 1)])
def test_the_published_rule_divides_raw_gain_by_seconds(cost: float, last: int) -> None:
    matrix = given([[10.0] * 3, [0, 8, 8], [0] * 3], costs=[1, cost, 1])
    assert served(matrix, PublishedRes(1))[-1] == last


def test_the_published_rule_promotes_nothing_that_gains_nothing_even_for_free() -> None:
    matrix = given([[10.0] * 3, [0, 10, 10], [0] * 3], costs=[1, 0, 1])
    assert served(matrix, PublishedRes(1))[-1] == 0


# --- policies -------------------------------------------------------------------------------------------


def test_the_policies_are_those_of_the_table() -> None:
    periods = [f"every_{k}_promote_{how}" for k in (2, 3, 4, 6, 8) for how in ("all", "if_better")]
    assert [*POLICIES] == [
        "always_at_once", "always_validated", "never", *periods, "drift_trigger", "published_res",
        "costwatch-promotion-only", "costwatch",
    ]  # fmt: skip


def test_every_third_week_has_three_offsets_and_the_first_week_always() -> None:
    trained = [
        np.flatnonzero(outcome(drifting(10), POLICIES["every_3_promote_all"], each).trained) for each in range(3)
    ]
    assert [each.tolist() for each in trained] == [[0, 3, 6, 9], [0, 1, 4, 7], [0, 2, 5, 8]]


def test_page_hinkley_fires_after_a_jump_and_not_before() -> None:
    jump = given([[1.0] * 20 + [9.0] * 20] * 40)
    weeks = np.flatnonzero(run.replay(jump, PageHinkley(), AtOnce(1)).trained)
    assert weeks[:2].tolist() == [0, 21]


def test_ours_trains_soon_after_a_jump_that_a_new_model_mends() -> None:
    rng = np.random.default_rng(5)
    old = np.concatenate([rng.uniform(0.8, 1.2, 40), rng.uniform(8, 12, 20)])
    rows = np.tile(old, (60, 1))
    rows[41:] = rng.uniform(0.8, 1.2, (19, 60))
    matrix = given(rows.tolist())
    found = run.replay(matrix, ShouldRetrain(), AtOnce(1))
    assert 41 in np.flatnonzero(found.trained)


def test_ours_never_skips_more_than_six_weeks_in_a_row() -> None:
    for seed in range(5):
        weeks = np.flatnonzero(outcome(drifting(120, seed), POLICIES["costwatch"]).trained)
        assert np.diff(weeks).max() <= 7


# --- random schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
def test_a_schedule_gives_the_same_errors_whether_decided_or_given(name: str) -> None:
    """So that the random schedules are judged by the very rule of the policy."""
    matrix, policy = drifting(WEEKS), POLICIES[name]
    found = outcome(matrix, policy)
    others = run.random_schedules(WEEKS, 20, 3)
    schedules = np.vstack([others[:2], found.trained[None], others[2:]])
    errors = run.replay_schedules(matrix, schedules, policy.promotion(len(schedules)))
    assert errors[2].tolist() == found.errors.tolist()


def test_random_schedules_have_the_first_week_and_as_many_others() -> None:
    made = run.random_schedules(30, 9, 500)
    assert made[:, 0].all()
    assert set(made.sum(axis=1)) == {10}
    assert len({tuple(each) for each in made.tolist()}) > 490
    assert (made == run.random_schedules(30, 9, 500)).all()


def percentile(matrix: Matrix, weeks: list[int]) -> float | None:
    policy = Policy("chosen", AtOnce)
    found = run.replay(matrix, lambda account: account.week in weeks, AtOnce(1))
    return run.RandomPeers(matrix, policy).percentile(found)


def test_the_best_week_of_all_is_at_the_top_and_the_worst_at_the_bottom() -> None:
    rows = [[1.0 + abs(candidate - 20) / 10] * 40 for candidate in range(40)]
    rows[0] = [99.0] * 40
    matrix = given(rows)
    best = min(range(1, 40), key=lambda week: 99 * week + (40 - week) * rows[week][0])
    assert percentile(matrix, [best]) == pytest.approx(100 - 100 / 39 / 2, abs=1.5)
    assert percentile(matrix, [39]) == pytest.approx(100 / 39 / 2, abs=1.5)


def test_where_all_schedules_are_as_good_the_percentile_is_fifty() -> None:
    assert percentile(given([[3.0] * 20] * 20), [4]) == 50


def test_without_a_choice_there_is_no_percentile() -> None:
    matrix = drifting(20)
    assert percentile(matrix, []) is None
    assert percentile(matrix, [*range(20)]) is None


# --- what is told ---------------------------------------------------------------------------------------


def rows(matrix: Matrix) -> dict[str, table.Row]:
    return {row.name: row for row in table.rows(matrix)}


def test_the_baselines_are_what_they_are_compared_with() -> None:
    found = rows(drifting(WEEKS))
    validated, at_once = found["always_validated"], found["always_at_once"]
    assert (validated.training_avoided, validated.vs_always_validated) == (0, 0)
    assert validated.vs_always_validated_ci == (0, 0)
    assert (at_once.promotions_avoided, at_once.vs_always_at_once) == (0, 0)
    assert found["never"].promotions_avoided == 1


def test_costs_are_avoided_by_what_they_cost_and_not_by_their_number() -> None:
    costs = [1.0, *[0.0] * 9, *[3.0] * 10]
    assert rows(given([[1.0] * 20] * 20, costs))["never"].training_avoided == pytest.approx(30 / 31)


def test_where_all_trainings_are_free_their_number_is_what_is_avoided() -> None:
    matrix = replace(given([[1.0] * 20] * 20), costs=np.zeros(20))
    assert rows(matrix)["never"].training_avoided == pytest.approx(0.95)


def test_nothing_beats_the_oracle() -> None:
    found = rows(drifting(WEEKS))
    against = {name: row.vs_always_validated for name, row in found.items()}
    assert min(value for value in against.values() if value is not None) == against["oracle"]


def test_without_any_error_there_is_no_difference_and_no_interval() -> None:
    found = rows(given([[0.0] * 20] * 20))["costwatch"]
    assert (found.vs_always_validated, found.vs_always_validated_ci) == (0, None)


def test_the_interval_is_paired_a_constant_share_has_no_width() -> None:
    baseline = np.random.default_rng(3).exponential(1, 80)
    low, high = table.interval(baseline * 1.1, baseline) or (0, 0)
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)


def test_the_interval_covers_the_difference_and_is_the_same_again() -> None:
    rng = np.random.default_rng(4)
    baseline, other = rng.exponential(1, 200), rng.exponential(1, 200)
    found = table.interval(other, baseline)
    assert found == table.interval(other, baseline)
    low, high = found or (0, 0)
    assert low < (table.relative(other, baseline) or 0) < high


def test_blocks_are_as_long_as_the_cube_root_of_the_weeks() -> None:
    assert [table.block_length(weeks) for weeks in (27, 28, 64, 70, 600)] == [3, 4, 4, 5, 9]
