"""`python -m bench.replay.series DIRECTORY`: the project's own error matrices, from data that ships inside packages.

Runs in an environment of its own (see `environment`). Every candidate is really trained, on what lies before its week.
Weeks of the streams are batches of samples that are called so; all else are calendar weeks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from arch.data import nasdaq, vix, wti
from river import datasets
from river.datasets import synth
from statsmodels.datasets import co2
from vega_datasets import local_data

from bench.replay.matrix import Floats
from bench.replay.models import Batches, Lags, Level, Model, Season, error_matrix

SEED: Final = 7
STREAM_WEEKS: Final = 200
SAMPLES_A_WEEK: Final = 70
"""Ten a day."""


def main() -> int:
    """Write one `NAME.npz` for each."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, model, warm_up in own_series():
        errors, costs, y = error_matrix(model, warm_up)
        np.savez_compressed(directory / f"{name}.npz", E=errors, C=costs, y=y)
        print(f"{name}: {y.size} weeks", file=sys.stderr, flush=True)
    return 0


def own_series() -> Iterator[tuple[str, Model, int]]:
    """Name, model, and the weeks before the first candidate."""
    yield "co2", Season(_values(co2.load_pandas().data["co2"].interpolate())[-460:]), 156
    weather = local_data.seattle_weather().set_index("date")
    yield "seattle_temperature", Season(_weekly(weather["temp_max"])), 78
    yield "seattle_wind", Lags(_weekly(weather["wind"])), 60
    yield "trump_approval", Batches(*_approval()), 20
    yield "vix", Lags(np.log(_weekly(vix.load().iloc[:, 0]))), 60
    yield "wti", Level(_weekly(wti.load().iloc[:, 0])[-360:]), 60
    yield "nasdaq_volume", Season(np.log(_weekly(nasdaq.load()["Volume"])[-420:])), 120
    slow = synth.FriedmanDrift(drift_type="gsg", position=(4_000, 9_000), transition_window=1_400, seed=SEED)
    yield "friedman_drift", Batches(*_stream(slow)), 26
    plane = synth.Hyperplane(seed=SEED, n_features=10, n_drift_features=4, mag_change=0.002, noise_percentage=0.05)
    yield "hyperplane", Batches(*_stream(plane)), 26
    yield "sea_shifts", Batches(*_stream(_sea())), 26


def _sea() -> Iterator[Any]:
    """Three abrupt changes of concept."""
    for variant, samples in ((0, 4_000), (3, 4_000), (1, 3_000), (2, 3_000)):
        yield from islice(synth.SEA(variant=variant, seed=SEED + variant, noise=0.1), samples)


def _stream(stream: Any) -> tuple[list[Floats], list[Floats]]:
    taken = list(islice(iter(stream), STREAM_WEEKS * SAMPLES_A_WEEK))
    rows = np.array([[float(each) for each in features.values()] for features, _ in taken])
    targets = np.array([float(target) for _, target in taken])
    cut = range(SAMPLES_A_WEEK, len(taken), SAMPLES_A_WEEK)
    return np.split(rows, cut), np.split(targets, cut)


def _approval() -> tuple[list[Floats], list[Floats]]:
    """The average of polls (FiveThirtyEight) from five pollsters, 7 days a week."""
    taken = list(datasets.TrumpApproval())
    rows = np.array([[each for name, each in features.items() if name != "ordinal_date"] for features, _ in taken])
    targets = np.array([target for _, target in taken])
    cut = range(7, len(taken) - 6, 7)
    return np.split(rows, cut)[: len(cut)], np.split(targets, cut)[: len(cut)]


def _weekly(daily: pd.Series) -> Floats:
    """Means of whole weeks; the first and the last are left out."""
    means = daily.set_axis(pd.to_datetime(daily.index)).resample("W").mean()
    return _values(means.iloc[1:-1].interpolate())


def _values(series: pd.Series) -> Floats:
    return np.asarray(series, dtype=np.float64)


if __name__ == "__main__":
    sys.exit(main())
