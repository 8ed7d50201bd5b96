"""The project's own series: models that see no later week, and tables that say where the aims are missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.replay.matrix import Floats, checked
from bench.replay.models import Batches, Lags, Level, Model, Season, error_matrix
from bench.replay.own import tables

WEEKS, KNOWN = 80, 50


def wave(rng: np.random.Generator) -> Floats:
    return np.asarray(50 + 10 * np.sin(np.arange(WEEKS) / 8) + rng.normal(0, 1, WEEKS))


def batches(y: Floats) -> Batches:
    samples = np.random.default_rng(2).normal(0, 1, (WEEKS, 12, 3))
    targets = [rows @ np.array([1.0, 2, 3]) + level for rows, level in zip(samples, y, strict=True)]
    return Batches(list(samples), targets)


MODELS: dict[str, Callable[[Floats], Model]] = {"season": Season, "lags": Lags, "level": Level, "batches": batches}


@pytest.mark.parametrize("name", MODELS)
def test_training_sees_nothing_of_its_own_week_or_later(name: str) -> None:
    y = wave(np.random.default_rng(1))
    other = y.copy()
    other[KNOWN:] += 1000
    trained, twin = MODELS[name](y), MODELS[name](other)
    trained.train(KNOWN)
    twin.train(KNOWN)
    learned = "_level" if name == "level" else "_weights"
    assert np.array_equal(getattr(trained, learned), getattr(twin, learned))
    assert np.any(getattr(trained, learned))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_makes_a_matrix_that_can_be_replayed(name: str) -> None:
    errors, costs, y = error_matrix(MODELS[name](wave(np.random.default_rng(1))), warm_up=30)
    found = checked(name, errors, costs, y)
    assert found.weeks == WEEKS - 30
    assert (np.diff(found.costs) >= 0).all()


@pytest.mark.parametrize("name", ["season", "lags"])
def test_what_is_learned_beats_the_mean(name: str) -> None:
    model = MODELS[name](wave(np.random.default_rng(1)))
    model.train(60)
    assert model.errors(60).mean() < np.abs(model.y[60:] - model.y[:60].mean()).mean()


def result(avoided: float, high: float, rank: float | None) -> dict[str, Any]:
    names = ("always_at_once", "never", "every_3_promote_all", "drift_trigger", "costwatch-promotion-only", "oracle")
    row = {
        "training_avoided": avoided, "promotions_avoided": 0.5, "vs_always_validated": 0.01,
        "vs_always_validated_ci": (-0.01, high), "vs_always_at_once": 0.02, "random_percentile": rank,
    }  # fmt: skip
    rows = [{"name": name, **row} for name in (*names, "costwatch")]
    return {"series": "sales", "weeks": 70, "given": False, "policies": rows}


@pytest.mark.parametrize(
    ("avoided", "high", "word"),
    [(0.60, 0.0499, "yes"), (0.5999, 0.0499, "**no**"), (0.60, 0.05, "**no**")],
)
def test_a_series_that_misses_an_aim_says_so(avoided: float, high: float, word: str) -> None:
    assert tables([result(avoided, high, 95)])[0].rows[0][-1] == word


@pytest.mark.parametrize(("ranks", "word"), [((90, 90), "yes"), ((89, 90), "**no**")])
def test_a_median_percentile_below_the_aim_says_so(ranks: tuple[float, float], word: str) -> None:
    *_, last = tables([result(0.7, 0.01, rank) for rank in ranks])[0].rows
    assert (last[0], last[-1]) == ("median", word)


def test_no_percentile_is_a_dash_and_no_part_of_the_median() -> None:
    first = tables([result(0.7, 0.01, None), result(0.7, 0.01, 93)])[0]
    assert first.rows[0][-2] == "-"
    assert first.rows[-1][-2] == "93.0"
