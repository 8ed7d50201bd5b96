"""Small error matrices for the replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.replay.matrix import Floats, Matrix


def drifting(weeks: int = 60, seed: int = 1) -> Matrix:
    """A level that wanders: a candidate knows it up to its own week, noise is on top."""
    rng = np.random.default_rng(seed)
    level = np.cumsum(rng.normal(0, 1, weeks))
    y = level + rng.normal(0, 1, weeks)
    known = np.concatenate([[0.0], level[:-1]])
    errors = np.abs(y[None, :] - known[:, None])
    return Matrix("drifting", before_is_nan(errors), np.linspace(1, 2, weeks), y)


def given(errors: list[list[float]], costs: list[float] | None = None) -> Matrix:
    """Rows as they are, padded to at least the weeks that they have; `nan` where t < i."""
    square = np.array(errors, dtype=np.float64)
    weeks = len(square)
    return Matrix("given", before_is_nan(square), np.array(costs or [1.0] * weeks), np.arange(weeks, dtype=np.float64))


def before_is_nan(errors: Floats) -> Floats:
    """NaN where t < i."""
    return np.where(np.triu(np.ones(errors.shape, dtype=bool)), errors, np.nan)


def saved(path: Path, matrix: Matrix, **instead: Any) -> Path:
    """As a file; `instead` replaces or (None) leaves out arrays."""
    arrays = {"E": matrix.errors, "C": matrix.costs, "y": matrix.y, **instead}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path
