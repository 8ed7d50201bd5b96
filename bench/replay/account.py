"""What a policy may know: what it paid for, in weeks that are over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.replay.matrix import Floats, Matrix

Candidates = NDArray[np.intp]


class LookAheadError(Exception):
    """A policy asked for what it could not have known. A fault of the policy, never of the data."""


class Account:
    """The one door to a matrix for a policy. `week`: the one that is about to begin."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._is_paid = np.zeros(matrix.weeks, dtype=bool)
        self.week = 0
        self.paid: list[int] = []
        self.served: list[int] = []
        """The candidate that served each week that is over."""

    def pay(self) -> int:
        """Train the candidate of this week, on data before it."""
        self.paid.append(self.week)
        self._is_paid[self.week] = True
        return self.week

    def serve(self, candidate: int) -> None:
        """End the week: `candidate` served it. Raises LookAheadError when it was not paid."""
        self._require_paid(candidate)
        self.served.append(candidate)
        self.week += 1

    def error(self, candidate: int, week: int) -> float:
        """Raises LookAheadError when the candidate was not paid or the week is not over."""
        self._require_paid(candidate)
        if not candidate <= week < self.week:
            raise LookAheadError(f"the error of candidate {candidate} in week {week} is not known in week {self.week}")
        return float(self._matrix.errors[candidate, week])

    def last_errors(self, candidates: Candidates) -> Floats:
        """Errors in the week that has just ended, for each of `candidates`."""
        return np.array([self.error(int(each), self.week - 1) for each in candidates])

    def served_error(self, week: int) -> float:
        """What production showed in a week that is over."""
        return self.error(self.served[week], week)

    def cost(self, candidate: int) -> float:
        """Raises LookAheadError when it was not paid."""
        self._require_paid(candidate)
        return float(self._matrix.costs[candidate])

    def costs(self, candidates: Candidates) -> Floats:
        """As `cost`, for each."""
        return np.array([self.cost(int(each)) for each in candidates])

    def past_y(self) -> Floats:
        """The series before this week."""
        return self._matrix.y[: self.week].copy()

    def _require_paid(self, candidate: int) -> None:
        if not self._is_paid[candidate]:
            raise LookAheadError(f"candidate {candidate} was not paid for")
