"""What training now is likely to gain: from drift of the served error, and from what age has cost before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Final

from costwatch.core.retraining_facts import PastTraining, RetrainRules, ServedError

_FEW: Final = 3
"""Periods from which on their median says what is normal, since no single one can move it far."""
_JUDGED: Final = 8
"""So many of the last judged trainings say what a period of age costs."""
_PRIOR: Final = 4
"""`ageing` counts as so many of them."""
_LEAST_RATIO, _MOST_RATIO = Decimal("0.2"), Decimal(5)
"""One period says no more than this: a holiday is no reason to believe in a tenfold error."""
_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Drift:
    """`ratio`: the serving model's recent error as a multiple of `normal`, hard periods discounted; 1 is normal.

    `noise`: the standard error of `ratio`, by how much periods differ anyway. `recent`: the error as it was shown.
    `periods`: how many the serving model has shown.
    """

    ratio: Decimal
    noise: Decimal
    normal: Decimal
    recent: Decimal
    periods: int


def drift_of(shown: Sequence[ServedError], since: datetime, rules: RetrainRules) -> Drift | None:
    """None: the model that serves `since` then has not shown anything yet, or too little was shown to say what is
    normal. `shown`: in the order of time.

    What is normal comes from periods before it, where they are few from its own first ones too, and never from the
    newest: the more it errs, the higher its ratio.
    """
    own = [each for each in shown if each.at >= since]
    if not own:
        return None
    before = [each for each in shown if each.at < since][-rules.normal_periods :]
    basis = before if len(before) >= _FEW else [*before, *own[:-1]][:_FEW]
    if len(basis) < _FEW:
        return None
    references = [each.reference for each in [*before, *own][-rules.normal_periods :] if each.reference is not None]
    usual = median(references) if references else None
    normal = median(_discounted(each, usual, rules) for each in basis)
    ratio = recent = weights = squares = _ZERO
    weight = _ONE
    for each in reversed(own):
        ratio += weight * _ratio(_discounted(each, usual, rules), normal)
        recent += weight * each.error
        weights += weight
        squares += weight * weight
        weight *= rules.memory
        if not weight:
            break
    spread = _spread([_ratio(_discounted(each, usual, rules), normal) for each in basis])
    noise = spread * squares.sqrt() / weights
    return Drift(ratio / weights, noise, normal, recent / weights, len(own))


def gain_from_drift(drift: Drift, rules: RetrainRules) -> Decimal:
    """What it would gain if a new model erred as is normal, as far as it is believed. Negative while it errs less."""
    beyond = drift.ratio - _ONE
    certain = beyond * beyond + rules.doubt * drift.noise * drift.noise
    sure = beyond * beyond / certain if certain else _ONE
    if rules.relative_gain:
        return sure * (_ONE - _ONE / max(drift.ratio, _LEAST_RATIO))
    return sure * beyond * drift.normal


def gain_from_age(past: Sequence[PastTraining], age: float, drift: Drift | None, rules: RetrainRules) -> Decimal | None:
    """What an age of so many periods has cost before; not negative. None: nothing was judged and nothing shown."""
    rates = [
        _beyond_noise(each) / Decimal((each.at - before.at) / rules.every)
        for before, each in pairwise(past)
        if each.gain is not None and each.at > before.at
    ][-_JUDGED:]
    if drift is not None:
        rates += [rules.ageing if rules.relative_gain else rules.ageing * drift.normal] * _PRIOR
    return max(median(rates), _ZERO) * Decimal(age) if rates else None


def _beyond_noise(training: PastTraining) -> Decimal:
    gain = training.gain or _ZERO
    return _ZERO if training.margin is not None and abs(gain) <= training.margin else gain


def _discounted(each: ServedError, usual: Decimal | None, rules: RetrainRules) -> Decimal:
    """The error as if the period had been as hard as usual."""
    if each.reference is None or not usual:
        return each.error
    hard = min(max(each.reference / usual, _LEAST_RATIO), _MOST_RATIO)
    return each.error / (_ONE - rules.hardness + rules.hardness * hard)


def _spread(ratios: Sequence[Decimal]) -> Decimal:
    """Standard deviation by the median distance from 1, which single outliers do not move."""
    return median(abs(each - _ONE) for each in ratios) * Decimal("1.4826")


def _ratio(error: Decimal, normal: Decimal) -> Decimal:
    if not normal:
        return _MOST_RATIO if error else _ONE
    return min(error / normal, _MOST_RATIO)
