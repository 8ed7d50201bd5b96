"""Which of the paid candidates serves. Each rule keeps many schedules at once: one row for each.

A rule is told of a training before its week (`trained`) and of the errors of a week when it is over (`closed`). It asks
for errors of candidates that were trained, and for no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.replay.account import Candidates
from bench.replay.matrix import Floats

Bools = NDArray[np.bool_]
Lookup = Callable[[Candidates], Floats]


class Promotion(Protocol):
    """`serving`: the candidate in production, for each schedule. `changes`: how often it changed."""

    serving: Candidates
    changes: Candidates

    def trained(self, week: int, which: Bools) -> None:
        """The candidate of `week` was trained in the schedules of `which`; the week has not begun."""

    def closed(self, errors: Lookup, costs: Lookup) -> None:
        """The week is over. `errors`: those of that week."""


class AtOnce:
    """Whatever was trained serves from its own week on, unseen."""

    def __init__(self, schedules: int) -> None:
        self.serving = np.zeros(schedules, dtype=np.intp)
        self.changes = np.zeros(schedules, dtype=np.intp)

    def trained(self, week: int, which: Bools) -> None:
        """Serve it."""
        self._change(which, np.full_like(self.serving, week))

    def closed(self, errors: Lookup, costs: Lookup) -> None:
        """Nothing is judged."""

    def _change(self, which: Bools, to: Candidates) -> None:
        self.serving = np.where(which, to, self.serving)
        self.changes += which


class IfBetter(AtOnce):
    """A candidate is scored beside production in its own week and serves from the next one if it erred less."""

    def __init__(self, schedules: int) -> None:
        super().__init__(schedules)
        self.candidate = self.serving.copy()
        """Beside production; the same as production: none."""

    def trained(self, week: int, which: Bools) -> None:
        """Put it beside production."""
        self.candidate = np.where(which, week, self.candidate)

    def closed(self, errors: Lookup, costs: Lookup) -> None:
        """Promote it or drop it."""
        better = self._is_better(errors(self.serving), errors(self.candidate), costs) & self._waiting
        self._change(better, self.candidate)
        self.candidate = self.serving.copy()

    @property
    def _waiting(self) -> Bools:
        return np.not_equal(self.candidate, self.serving)

    def _is_better(self, production: Floats, candidate: Floats, costs: Lookup) -> Bools:
        return np.less(candidate, production)


class PublishedRes(IfBetter):
    """As published: promoted when the gain, in the metric's raw unit, over the seconds of its training is enough."""

    threshold = 1.0

    def _is_better(self, production: Floats, candidate: Floats, costs: Lookup) -> Bools:
        return production - candidate >= np.maximum(self.threshold * costs(self.candidate), np.finfo(float).tiny)


class OnTrial(AtOnce):
    """A candidate serves at once, on trial: production stays warm beside it and comes back if it clearly errs less.

    Each week gives a gain from -1 to 1: the difference over the sum of both errors, so that no single week decides.
    Production takes over when the sum of its gains is above `allowed + noise x sqrt(weeks)`.
    """

    def __init__(self, schedules: int, *, weeks: int, noise: float, allowed: float) -> None:
        super().__init__(schedules)
        self.before = self.serving.copy()
        """Production before the trial; the same as serving: no trial."""
        self._weeks, self._noise, self._allowed = weeks, noise, allowed
        self._gains = np.zeros(schedules)
        self._count = np.zeros(schedules)

    def trained(self, week: int, which: Bools) -> None:
        """Begin its trial; one that is still going on ends well."""
        self.before = np.where(which, self.serving, self.before)
        self._gains = np.where(which, 0.0, self._gains)
        self._count = np.where(which, 0.0, self._count)
        super().trained(week, which)

    def closed(self, errors: Lookup, costs: Lookup) -> None:
        """Go back, or on, or end the trial."""
        tried = self.before != self.serving
        now, before = errors(self.serving), errors(self.before)
        self._gains += np.where(tried, relative_gains(now, before), 0.0)
        self._count += tried
        back = tried & (self._gains > self._allowed + self._noise * np.sqrt(self._count))
        over = back | (self._count >= self._weeks)
        self._change(back, self.before)
        self.before = np.where(over, self.serving, self.before)


class Judged(IfBetter):
    """As the verdict on a candidate: promoted when its relative gain is beyond the noise and earns its cost.

    One week says nothing of its noise, so a configured gain is the least. `worth`: what a relative gain of 1 is worth
    over its time in service, in trainings of usual cost; `V / (V + C)` must be at least 0.5.
    """

    def __init__(self, schedules: int, *, least_gain: float, worth: float) -> None:
        super().__init__(schedules)
        self._least = max(least_gain, 1 / worth)

    def _is_better(self, production: Floats, candidate: Floats, costs: Lookup) -> Bools:
        return production - candidate >= np.maximum(self._least * production, np.finfo(float).tiny)


def relative_gains(served: Floats, other: Floats) -> Floats:
    """By how much `other` erred less than `served`, over the sum of both: -1 to 1, and 0 where both are 0."""
    total = served + other
    return (served - other) / np.where(total > 0, total, 1.0)
