"""Small models that are trained in milliseconds. Each keeps what it was trained to last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from bench.replay.matrix import Floats

_WEEKS_A_YEAR: Final = 52.18


class Model(Protocol):
    """`y`: the series by weeks."""

    y: Floats

    @property
    def weeks(self) -> int:
        """How many there are."""

    def train(self, week: int) -> int:
        """On what lies before `week`. Returns the rows that it saw."""

    def errors(self, week: int) -> Floats:
        """Absolute errors of what was trained last, from `week` on."""


class _Weekly:
    def __init__(self, y: Floats) -> None:
        self.y = y

    @property
    def weeks(self) -> int:
        return int(self.y.size)


class Season(_Weekly):
    """Ridge on a trend and the year's first three waves; forecasts every later week from what it knew."""

    def __init__(self, y: Floats) -> None:
        super().__init__(y)
        time = np.arange(y.size)
        waves = [wave(2 * np.pi * k * time / _WEEKS_A_YEAR) for k in (1, 2, 3) for wave in (np.sin, np.cos)]
        self._rows = np.column_stack([np.ones(y.size), time / _WEEKS_A_YEAR, *waves])
        self._weights = np.zeros(self._rows.shape[1])

    def train(self, week: int) -> int:
        """On all before."""
        self._weights = ridge(self._rows[:week], self.y[:week])
        return week

    def errors(self, week: int) -> Floats:
        """Of the forecast."""
        return np.abs(self.y[week:] - self._rows[week:] @ self._weights)


class Lags(_Weekly):
    """Ridge on the last four weeks: sees what came before each week, and weighs it as it was trained to."""

    _lags: Final = 4

    def __init__(self, y: Floats) -> None:
        super().__init__(y)
        columns = [np.concatenate([np.full(lag, y[0]), y[:-lag]]) for lag in range(1, self._lags + 1)]
        self._rows = np.column_stack([np.ones(y.size), *columns])
        self._weights = np.zeros(self._rows.shape[1])

    def train(self, week: int) -> int:
        """On all before."""
        self._weights = ridge(self._rows[self._lags : week], self.y[self._lags : week])
        return week - self._lags

    def errors(self, week: int) -> Floats:
        """One week ahead."""
        return np.abs(self.y[week:] - self._rows[week:] @ self._weights)


class Level(_Weekly):
    """Exponential smoothing: the level when it was trained is its forecast for all weeks; how smooth is fitted."""

    _smoothings: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)

    def __init__(self, y: Floats) -> None:
        super().__init__(y)
        self._level = 0.0

    def train(self, week: int) -> int:
        """On the last two years."""
        known = self.y[max(0, week - 104) : week]
        fits = [self._smooth(known, smoothing) for smoothing in self._smoothings]
        self._level = min(fits)[1]
        return int(known.size)

    def errors(self, week: int) -> Floats:
        """Of a flat line."""
        return np.abs(self.y[week:] - self._level)

    @staticmethod
    def _smooth(known: Floats, smoothing: float) -> tuple[float, float]:
        level, missed = float(known[0]), 0.0
        for value in known[1:]:
            missed += abs(value - level)
            level += smoothing * (value - level)
        return missed, level


class Batches:
    """Ridge on the samples of the last 26 weeks and the squares of their features; a week's error is its mean."""

    _window: Final = 26

    def __init__(self, rows: Sequence[Floats], targets: Sequence[Floats]) -> None:
        together = np.concatenate(rows)
        middle, spread = together[: len(rows[0]) * 10].mean(axis=0), together[: len(rows[0]) * 10].std(axis=0) + 1e-9
        self._rows = [self._widened((each - middle) / spread) for each in rows]
        self._targets = list(targets)
        self.y = np.array([each.mean() for each in targets])
        self._weights = np.zeros(self._rows[0].shape[1])

    @property
    def weeks(self) -> int:
        """Whole batches."""
        return len(self._rows)

    def train(self, week: int) -> int:
        """On a window before."""
        window = slice(max(0, week - self._window), week)
        known = np.concatenate(self._rows[window])
        self._weights = ridge(known, np.concatenate(self._targets[window]))
        return len(known)

    def errors(self, week: int) -> Floats:
        """Mean absolute error of each later batch."""
        later = zip(self._rows[week:], self._targets[week:], strict=True)
        return np.array([np.abs(targets - rows @ self._weights).mean() for rows, targets in later])

    @staticmethod
    def _widened(rows: Floats) -> Floats:
        return np.column_stack([np.ones(len(rows)), rows, rows**2])


def ridge(rows: Floats, targets: Floats, penalty: float = 0.1) -> Floats:
    """Weights of least squares with a penalty."""
    return np.asarray(np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ targets), np.float64)


def error_matrix(model: Model, warm_up: int) -> tuple[Floats, Floats, Floats]:
    """`E`, `C` and `y` of the weeks after `warm_up`. A cost is the number of rows that the candidate was trained on."""
    weeks = model.weeks - warm_up
    errors, costs = np.full((weeks, weeks), np.nan), np.empty(weeks)
    for candidate in range(weeks):
        costs[candidate] = model.train(warm_up + candidate)
        errors[candidate, candidate:] = model.errors(warm_up + candidate)
    return errors, costs, model.y[warm_up:]
