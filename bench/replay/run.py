"""Replay policies over a matrix, and schedules drawn at random beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.replay.account import Account, Candidates
from bench.replay.matrix import Floats, Matrix
from bench.replay.policies import Policy, Trains
from bench.replay.promotion import Bools, Promotion

SEED: Final = 20261128
RANDOM_SCHEDULES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one replay did: which weeks were trained, who served, what it erred, how often production changed."""

    trained: Bools
    served: Candidates
    errors: Floats
    changes: int


def replay(matrix: Matrix, trains: Trains, promotion: Promotion) -> Outcome:
    """Week by week through an Account. `promotion` has one row."""
    account = Account(matrix)
    for week in range(matrix.weeks):
        if week == 0 or trains(account):
            account.pay()
            if week:
                promotion.trained(week, np.ones(1, dtype=bool))
        account.serve(int(promotion.serving[0]))
        promotion.closed(account.last_errors, account.costs)
    trained = np.zeros(matrix.weeks, dtype=bool)
    trained[account.paid] = True
    served = np.array(account.served)
    return Outcome(trained, served, matrix.errors[served, np.arange(matrix.weeks)], int(promotion.changes[0]))


def replay_schedules(matrix: Matrix, schedules: Bools, promotion: Promotion) -> Floats:
    """Served errors (a row for each schedule) of schedules that are given and not decided."""
    served = np.empty(schedules.shape)
    for week in range(matrix.weeks):
        if week:
            promotion.trained(week, schedules[:, week])

        def errors(candidates: Candidates, week: int = week) -> Floats:
            return np.asarray(matrix.errors[candidates, week])

        served[:, week] = errors(promotion.serving)
        promotion.closed(errors, lambda candidates: matrix.costs[candidates])
    return served


def random_schedules(weeks: int, trainings: int, count: int, seed: int = SEED) -> Bools:
    """`count` schedules with the first week and `trainings` others, each such set equally likely."""
    draws = np.random.default_rng(seed).random((count, weeks - 1))
    chosen = np.argsort(draws, axis=1)[:, :trainings] + 1
    made = np.zeros((count, weeks), dtype=bool)
    made[:, 0] = True
    np.put_along_axis(made, chosen, values=True, axis=1)
    return made


class RandomPeers:
    """Mean errors of random schedules under a policy's own promotion rule; kept, since many share a count."""

    def __init__(self, matrix: Matrix, policy: Policy) -> None:
        self._matrix, self._policy = matrix, policy
        self._means: dict[int, Floats] = {}

    def percentile(self, outcome: Outcome) -> float | None:
        """Share of schedules that err more, ties by half, 0 to 100. None where there was nothing to choose."""
        trainings = int(outcome.trained[1:].sum())
        if trainings in {0, self._matrix.weeks - 1}:
            return None
        if trainings not in self._means:
            schedules = random_schedules(self._matrix.weeks, trainings, RANDOM_SCHEDULES)
            served = replay_schedules(self._matrix, schedules, self._policy.promotion(RANDOM_SCHEDULES))
            self._means[trainings] = served.mean(axis=1)
        others, own = self._means[trainings], outcome.errors.mean()
        same = np.isclose(others, own, rtol=1e-12, atol=0)
        return float(100 * (np.mean((others > own) & ~same) + np.mean(same) / 2))
