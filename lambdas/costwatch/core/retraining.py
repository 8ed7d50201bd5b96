"""Whether to train a model again now: what it is likely to be worth against what it costs.

Three things forecast the worth. What past trainings gained, scaled by how old the serving model is. How much more it
errs now than is normal for this model, and whether the period was hard for everybody: the error of a naive baseline in
the same period tells a stale model from a hard week. And what a gain is worth in dollars. A budget bounds how often,
a number of skips in a row bounds how rarely. What is not known never makes it skip.

Errors are lower-is-better and of one unit; gains are positive when the candidate was better. Money and scores scale
out: dollars or cents, percent or shares, metres or feet give the same decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median
from typing import Final

from costwatch.errors import InputError

_WEEK: Final = timedelta(days=7)
_ZERO, _ONE = Decimal(0), Decimal(1)


class Verdict(StrEnum):
    """The one question a schedule asks."""

    TRAIN = "train"
    SKIP = "skip"


class Rule(StrEnum):
    """What decided, for filters and tests; the reason says it for people."""

    NEVER_TRAINED = "never_trained"
    LONGEST_WAIT = "longest_wait"
    OVER_BUDGET = "over_budget"
    UNKNOWN = "unknown"
    DRIFT = "drift"
    WORTH = "worth"
    NOT_WORTH = "not_worth"


@dataclass(frozen=True, slots=True)
class PastTraining:
    """One training of the model that was paid. `at`: when it was decided, aware.

    `gain`: against what served then, in the model's unit (see RetrainRules.relative_gain); None: not judged.
    `promoted`: it serves, or served until another did. `margin`: the noise of `gain`, None when unknown.
    """

    at: datetime
    cost_usd: Decimal
    gain: Decimal | None
    promoted: bool
    margin: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ServedError:
    """What the model that served showed in the period that began `at`. Lower is better, not negative.

    `reference`: the error of a naive baseline in that same period, such as "as in the period before", in the same unit;
    None: not known. It tells whether the period was hard for everybody.
    """

    at: datetime
    error: Decimal
    reference: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RetrainRules:
    """What a gain is worth, and how eager to be. The defaults are the same for every model.

    A gain of `per` is worth `worth_usd` for every `over` in service; None: nobody said, and then only the budget
    skips. `relative_gain`: gains are shares of the error (0.02: 2% less), else in the metric's own unit.
    """

    worth_usd: Decimal | None = None
    per: Decimal = Decimal("0.01")
    over: timedelta = timedelta(days=30)
    relative_gain: bool = True
    min_score: Decimal = Decimal("0.5")
    every: timedelta = _WEEK
    """How long a period is: how often the question is asked."""
    in_service_periods: int = 4
    """How long a candidate is expected to serve."""
    most_skips: int = 8
    """In a row; then it trains whatever else is known."""
    budget_share: Decimal | None = Decimal("0.385")
    """At most this share of what training in every period costs; None: no budget."""
    burst: Decimal = Decimal(4)
    """So many trainings can be saved up in quiet times."""
    normal_periods: int = 26
    """What is normal is the median error of so many periods before the serving model."""
    memory: Decimal = Decimal("0.5")
    """How much a period counts for drift, as a share of the one after it. 0: the newest only."""
    hardness: Decimal = Decimal("0.5")
    """How far the naive baseline explains an error. 0: not at all, 1: fully."""
    ageing: Decimal = Decimal("0.03")
    """What a period of age is taken to cost while too few trainings were judged, as a share of the error."""

    def __post_init__(self) -> None:
        """Raises InputError naming the field."""
        for name in ("per", "burst"):
            _more_than_zero(name, getattr(self, name))
        if self.worth_usd is not None:
            _not_negative("worth_usd", self.worth_usd)
        for name in ("memory", "hardness", "min_score"):
            _share(name, getattr(self, name))
        if self.budget_share is not None:
            _more_than_zero("budget_share", self.budget_share)
        _not_negative("ageing", self.ageing)
        if self.every <= timedelta(0) or self.over <= timedelta(0):
            raise InputError("every and over must be longer than zero")
        if self.most_skips < 0 or self.in_service_periods < 1 or self.normal_periods < 1:
            raise InputError("most_skips must not be negative, in_service_periods and normal_periods at least 1")


@dataclass(frozen=True, slots=True)
class Drift:
    """`ratio`: the serving model's recent error as a multiple of `normal`, hard periods discounted; 1 is normal."""

    ratio: Decimal
    normal: Decimal
    recent: Decimal
    periods: int


@dataclass(frozen=True, slots=True)
class Advice:
    """The decision and what it rests on; None: not known. USD, unrounded. `score`: worth / (worth + cost)."""

    verdict: Verdict
    reason: str
    rule: Rule
    expected_gain: Decimal | None
    expected_worth_usd: Decimal | None
    expected_cost_usd: Decimal | None
    score: Decimal | None
    skipped_in_a_row: int
    most_skips: int
    drift: Drift | None


def should_retrain(
    history: Sequence[PastTraining],
    served: Sequence[ServedError],
    *,
    now: datetime,
    rules: RetrainRules,
    skipped_in_a_row: int,
    cost_usd: Decimal | None = None,
) -> Advice:
    """Advise for the period that begins `now`. `history` and `served` in any order, nothing later than `now`.

    `cost_usd`: what training now would cost; None: the median of the past. `skipped_in_a_row`: how often this said
    skip since it last said train. Raises InputError naming the field.
    """
    past, shown = _checked(history, served, now, skipped_in_a_row, cost_usd)
    cost = cost_usd if cost_usd is not None else (median(each.cost_usd for each in past) if past else None)
    if not past:
        return Advice(
            Verdict.TRAIN, "It was never trained.", Rule.NEVER_TRAINED, None, None, cost, None,
            skipped_in_a_row, rules.most_skips, None,
        )  # fmt: skip
    serving_since = max((each.at for each in past if each.promoted), default=past[0].at)
    drift = _drift(shown, serving_since, rules)
    ageing = _ageing(past, (now - serving_since) / rules.every, drift, rules)
    excess = None if drift is None else _excess(drift, rules)
    gain = None if ageing is None and excess is None else (ageing or _ZERO) + (excess or _ZERO)
    worth = _worth(gain, rules)
    score = _score(worth, cost)

    def advice(verdict: Verdict, rule: Rule, why: str) -> Advice:
        return Advice(verdict, why, rule, gain, worth, cost, score, skipped_in_a_row, rules.most_skips, drift)

    if skipped_in_a_row >= rules.most_skips:
        return advice(
            Verdict.TRAIN,
            Rule.LONGEST_WAIT,
            f"It was skipped {_times(skipped_in_a_row)} in a row, and no more are allowed.",
        )
    if rules.budget_share is not None and _saved_up(past, now, rules, rules.budget_share) < _draw(cost, past):
        return advice(
            Verdict.SKIP, Rule.OVER_BUDGET,
            f"Trainings may cost {rules.budget_share:.1%} of what training every time would, and that is used up for now.",
        )  # fmt: skip
    unknown = _unknown(gain, cost, rules)
    if unknown or score is None or gain is None or worth is None or cost is None:
        return advice(Verdict.TRAIN, Rule.UNKNOWN, f"It trains since {unknown or 'its worth is not known'}.")
    figures = f"{_evidence(drift, now - serving_since, rules)}: expected to gain {_shown(gain, rules)}, worth ${worth:.2f} against a cost of ${cost:.2f} (score {score:.2f}, needed {rules.min_score:.2f})."
    if score < rules.min_score:
        return advice(Verdict.SKIP, Rule.NOT_WORTH, figures)
    by_drift = excess is not None and _passes(_score(_worth(excess, rules), cost), rules)
    return advice(Verdict.TRAIN, Rule.DRIFT if by_drift else Rule.WORTH, figures)


# --- forecast -------------------------------------------------------------------------------------------

_FEW: Final = 3
"""Periods before the serving model from which on their median says what is normal."""
_JUDGED: Final = 8
"""So many of the last judged trainings say what a period of age costs."""
_PRIOR: Final = 4
"""`ageing` counts as so many of them."""
_LEAST_RATIO, _MOST_RATIO = Decimal("0.2"), Decimal(5)
"""One period says no more than this: a holiday is no reason to believe in a tenfold error."""


def _drift(shown: Sequence[ServedError], since: datetime, rules: RetrainRules) -> Drift | None:
    """None: the serving model has not shown anything yet.

    What is normal comes from periods that the serving model did not serve, so that it errs more the more it errs.
    """
    own = [each for each in shown if each.at >= since]
    if not own:
        return None
    before = [each for each in shown if each.at < since][-rules.normal_periods :]
    references = [each.reference for each in [*before, *own][-rules.normal_periods :] if each.reference is not None]
    usual = median(references) if references else None
    basis = before if len(before) >= _FEW else own[:_FEW]
    normal = median(_discounted(each, usual, rules) for each in basis)
    total = weights = raw = _ZERO
    weight = _ONE
    for each in reversed(own):
        total += weight * _ratio(_discounted(each, usual, rules), normal)
        raw += weight * each.error
        weights += weight
        weight *= rules.memory
        if not weight:
            break
    return Drift(total / weights, normal, raw / weights, len(own))


def _discounted(each: ServedError, usual: Decimal | None, rules: RetrainRules) -> Decimal:
    """The error as if the period had been as hard as usual."""
    if each.reference is None or not usual:
        return each.error
    hard = min(max(each.reference / usual, _LEAST_RATIO), _MOST_RATIO)
    return each.error / (_ONE - rules.hardness + rules.hardness * hard)


def _ratio(error: Decimal, normal: Decimal) -> Decimal:
    if not normal:
        return _MOST_RATIO if error else _ONE
    return min(error / normal, _MOST_RATIO)


def _excess(drift: Drift, rules: RetrainRules) -> Decimal:
    """What it would gain if a new model erred as is normal. Negative while it errs less than that."""
    relative = _ONE - _ONE / max(drift.ratio, _LEAST_RATIO)
    return relative if rules.relative_gain else relative * drift.recent


def _ageing(past: Sequence[PastTraining], age: float, drift: Drift | None, rules: RetrainRules) -> Decimal | None:
    """What the serving model's age (in periods) is expected to cost. None: nothing was judged, nothing was shown."""
    rates: list[Decimal] = []
    for before, each in zip(past, past[1:], strict=False):
        if each.gain is not None and each.at > before.at:
            rates.append(each.gain / Decimal((each.at - before.at) / rules.every))
    rates = rates[-_JUDGED:]
    scale = _ONE if rules.relative_gain else drift.recent if drift is not None else None
    if scale is not None and (rates or drift is not None):
        rates += [rules.ageing * scale] * _PRIOR
    return max(median(rates), _ZERO) * Decimal(age) if rates else None


def _worth(gain: Decimal | None, rules: RetrainRules) -> Decimal | None:
    """USD over its expected time in service; 0 for no gain."""
    if gain is None or rules.worth_usd is None:
        return None
    in_service = Decimal(rules.in_service_periods * rules.every / rules.over)
    return max(gain, _ZERO) / rules.per * rules.worth_usd * in_service


def _score(worth: Decimal | None, cost: Decimal | None) -> Decimal | None:
    """`worth / (worth + cost)`, 0.5 at break-even. None: one is not known, or the cost is zero."""
    return None if worth is None or not cost else worth / (worth + cost)


def _passes(score: Decimal | None, rules: RetrainRules) -> bool:
    return score is not None and score >= rules.min_score


# --- budget ---------------------------------------------------------------------------------------------


def _saved_up(past: Sequence[PastTraining], now: datetime, rules: RetrainRules, share: Decimal) -> Decimal:
    """Trainings of usual cost that the budget allows now. The first one was the first of the budget."""
    saved, since = _ONE, past[0].at
    for each in past:
        saved = min(rules.burst, saved + share * Decimal((each.at - since) / rules.every)) - _draw(each.cost_usd, past)
        since = each.at
    return min(rules.burst, saved + share * Decimal((now - since) / rules.every))


def _draw(cost: Decimal | None, past: Sequence[PastTraining]) -> Decimal:
    """A cost as a multiple of the usual one; 1 where none is known."""
    usual = median(each.cost_usd for each in past)
    return cost / usual if cost is not None and usual else _ONE


# --- words and checks -----------------------------------------------------------------------------------


def _unknown(gain: Decimal | None, cost: Decimal | None, rules: RetrainRules) -> str:
    if gain is None:
        return "nothing is known of past gains or of what it serves"
    if rules.worth_usd is None:
        return "nobody said what a gain is worth"
    if cost is None or not cost:
        return "its cost is not known"
    return ""


def _evidence(drift: Drift | None, age: timedelta, rules: RetrainRules) -> str:
    periods = f"{age / rules.every:.0f} periods old"
    if drift is None:
        return f"The model is {periods} and nobody saw its error"
    return f"The model is {periods} and errs {drift.ratio:.2f} times what is normal"


def _shown(gain: Decimal, rules: RetrainRules) -> str:
    return f"{gain:.1%}" if rules.relative_gain else f"{gain:.4g}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _checked(
    history: Sequence[PastTraining],
    served: Sequence[ServedError],
    now: datetime,
    skipped_in_a_row: int,
    cost_usd: Decimal | None,
) -> tuple[list[PastTraining], list[ServedError]]:
    """Both in the order of time."""
    _time("now", now, None)
    if skipped_in_a_row < 0:
        raise InputError(f"skipped_in_a_row must not be negative, not {skipped_in_a_row}")
    if cost_usd is not None:
        _not_negative("cost_usd", cost_usd)
    for training in history:
        _time("at of a past training", training.at, now)
        _not_negative("cost_usd of a past training", training.cost_usd)
        if training.gain is not None and not training.gain.is_finite():
            raise InputError(f"gain of a past training must be a finite number or None, not {training.gain}")
        if training.margin is not None:
            _not_negative("margin of a past training", training.margin)
    for error in served:
        _time("at of a served error", error.at, now)
        _not_negative("error of a period", error.error)
        if error.reference is not None:
            _not_negative("reference of a period", error.reference)
    return sorted(history, key=lambda each: each.at), sorted(served, key=lambda each: each.at)


def _time(name: str, value: datetime, now: datetime | None) -> None:
    if value.tzinfo is None:
        raise InputError(f"{name} must have a time zone, not {value.isoformat()}")
    if now is not None and value > now:
        raise InputError(f"{name} must not be later than now, not {value.isoformat()}")


def _not_negative(name: str, value: Decimal) -> None:
    if not value.is_finite() or value < 0:
        raise InputError(f"{name} must be a finite number and not negative, not {value}")


def _more_than_zero(name: str, value: Decimal) -> None:
    if not value.is_finite() or value <= 0:
        raise InputError(f"{name} must be a finite number above zero, not {value}")


def _share(name: str, value: Decimal) -> None:
    if not value.is_finite() or not 0 <= value <= 1:
        raise InputError(f"{name} must be from 0 to 1, not {value}")
