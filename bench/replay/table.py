"""What is told of each policy: costs and promotions avoided, served error against both baselines, luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from bench.replay.matrix import Floats, Matrix
from bench.replay.policies import ALWAYS_AT_ONCE, ALWAYS_VALIDATED, policies
from bench.replay.run import SEED, Outcome, RandomPeers, replay

DRAWS: Final = 2_000
ORACLE: Final = "oracle"


@dataclass(frozen=True, slots=True)
class Row:
    """Shares of 1. Errors are relative differences of the mean: 0.05 is 5% worse. None: not defined."""

    name: str
    training_avoided: float
    promotions_avoided: float
    vs_always_validated: float | None
    vs_always_validated_ci: tuple[float, float] | None
    vs_always_at_once: float | None
    random_percentile: float | None


def rows(matrix: Matrix) -> list[Row]:
    """Every policy over `matrix`; averages over the offsets where a policy has several."""
    outcomes: dict[str, list[Outcome]] = {}
    percentiles: dict[str, float | None] = {}
    for policy in policies():
        peers = RandomPeers(matrix, policy)
        outcomes[policy.name] = [replay(matrix, make(), policy.promotion(1)) for make in policy.variants]
        found = [peers.percentile(outcome) for outcome in outcomes[policy.name]]
        known = [each for each in found if each is not None]
        percentiles[policy.name] = float(np.mean(known)) if known else None
    outcomes[ORACLE] = [oracle(matrix)]
    served = {name: np.mean([each.errors for each in found], axis=0) for name, found in outcomes.items()}
    validated, at_once = served[ALWAYS_VALIDATED], served[ALWAYS_AT_ONCE]
    return [
        Row(
            name,
            training_avoided=float(np.mean([_avoided(matrix, each) for each in found])),
            promotions_avoided=float(np.mean([1 - each.changes / (matrix.weeks - 1) for each in found])),
            vs_always_validated=relative(served[name], validated),
            vs_always_validated_ci=interval(served[name], validated),
            vs_always_at_once=relative(served[name], at_once),
            random_percentile=percentiles.get(name),
        )
        for name, found in outcomes.items()
    ]


def oracle(matrix: Matrix) -> Outcome:
    """A bound that knows the future: whichever candidate errs least serves a week, and no other one is paid."""
    served = np.nanargmin(matrix.errors, axis=0)
    trained = np.zeros(matrix.weeks, dtype=bool)
    trained[served] = True
    errors = matrix.errors[served, np.arange(matrix.weeks)]
    return Outcome(trained, served, errors, int(np.count_nonzero(np.diff(served))))


def _avoided(matrix: Matrix, outcome: Outcome) -> float:
    """Share of cost against training every week; of trainings, where all of them were free."""
    costs = matrix.costs if matrix.costs.any() else np.ones(matrix.weeks)
    return float(1 - costs[outcome.trained].sum() / costs.sum())


def relative(errors: Floats, baseline: Floats) -> float | None:
    """None where the baseline made no error."""
    mean = float(baseline.mean())
    if not mean:
        return None if errors.any() else 0.0
    return float(errors.mean() / mean - 1)


def block_length(weeks: int) -> int:
    """Weeks in a block of the bootstrap: the cube root, rounded up."""
    return int(np.ceil(round(weeks ** (1 / 3), 9)))


def interval(errors: Floats, baseline: Floats, *, draws: int = DRAWS, seed: int = SEED) -> tuple[float, float] | None:
    """95%, of `relative`: moving blocks of weeks, the same for both. None where a draw has no baseline error."""
    weeks, length = errors.size, block_length(errors.size)
    starts = np.random.default_rng(seed).integers(0, weeks - length + 1, (draws, -(-weeks // length)))
    drawn = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :weeks]
    means = baseline[drawn].mean(axis=1)
    if not means.all():
        return None
    low, high = np.percentile(errors[drawn].mean(axis=1) / means - 1, (2.5, 97.5))
    return float(low), float(high)


def as_json(series: str, found: Sequence[Row]) -> dict[str, Any]:
    """The shape that scripts read."""
    return {"series": series, "policies": [asdict(each) for each in found]}
