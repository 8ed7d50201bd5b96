"""Whether to train a model again now: what it is likely to be worth against what it costs.

Three things forecast the worth. How much more the serving model errs now than is normal, and whether the period was
hard for everybody: the error of a naive baseline in the same period tells a stale model from a hard week. What age has
cost before, by the gains of past trainings. And what a gain is worth in dollars. A budget bounds how often it trains, a
number of skips in a row bounds how rarely. What is not known never makes it skip.

Money and scores scale out: dollars or cents, metres or feet give the same decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from statistics import median

from costwatch.core.retraining_facts import PastTraining, RetrainRules, ServedError, in_order, not_negative
from costwatch.core.retraining_forecast import Drift, drift_of, gain_from_age, gain_from_drift
from costwatch.errors import InputError

__all__ = ["Advice", "Drift", "PastTraining", "RetrainRules", "Rule", "ServedError", "Verdict", "should_retrain"]

_ZERO, _ONE = Decimal(0), Decimal(1)


class Verdict(StrEnum):
    """The answer to the one question a schedule asks."""

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

    `served`: of the models before too, since they say what is normal. `skipped_in_a_row`: how often the answer was skip
    since it was last trained. `cost_usd`: what training now would cost; None: the median of the past.
    Raises InputError naming the field.
    """
    if skipped_in_a_row < 0:
        raise InputError(f"skipped_in_a_row must not be negative, not {skipped_in_a_row}")
    if cost_usd is not None:
        not_negative("cost_usd", cost_usd)
    past, shown = in_order(history, served, now)
    cost = cost_usd if cost_usd is not None else median(each.cost_usd for each in past) if past else None
    serving_since = max((each.at for each in past if each.promoted), default=past[0].at if past else now)
    age = now - serving_since
    drift = drift_of(shown, serving_since, rules)
    by_age = gain_from_age(past, age / rules.every, drift, rules)
    by_drift = gain_from_drift(drift, rules) if drift is not None else None
    gain = None if by_age is None and by_drift is None else (by_age or _ZERO) + (by_drift or _ZERO)
    worth = _worth(gain, rules)
    score = _score(worth, cost)

    def advice(verdict: Verdict, rule: Rule, why: str) -> Advice:
        return Advice(verdict, why, rule, gain, worth, cost, score, skipped_in_a_row, rules.most_skips, drift)

    if not past:
        return advice(Verdict.TRAIN, Rule.NEVER_TRAINED, "It was never trained.")
    if skipped_in_a_row >= rules.most_skips:
        return advice(
            Verdict.TRAIN, Rule.LONGEST_WAIT, f"It was skipped {skipped_in_a_row} in a row, the most allowed."
        )
    if (share := rules.budget_share) is not None and _saved_up(past, now, share, rules) < _draw(cost, past):
        why = f"Trainings may cost {share:.1%} of what training every time does, and that is used up for now."
        return advice(Verdict.SKIP, Rule.OVER_BUDGET, why)
    if gain is None or worth is None or cost is None or score is None:
        return advice(Verdict.TRAIN, Rule.UNKNOWN, f"It trains because {_unknown(gain, worth)}.")
    seen = any(each.at >= serving_since for each in shown)
    state = _state(drift, seen, age / rules.every)
    why = (
        f"{state}: {_shown(gain, rules)} to gain, worth ${worth:,.2f} against a cost of ${cost:,.2f} "
        f"(score {score:.2f}, needed {rules.min_score:.2f})."
    )
    if score < rules.min_score:
        return advice(Verdict.SKIP, Rule.NOT_WORTH, why)
    alone = _score(_worth(by_drift, rules), cost)
    drifted = alone is not None and alone >= rules.min_score
    return advice(Verdict.TRAIN, Rule.DRIFT if drifted else Rule.WORTH, why)


def _worth(gain: Decimal | None, rules: RetrainRules) -> Decimal | None:
    """USD over its expected time in service; 0 for no gain. None: the gain is not known, or nobody said its worth."""
    if gain is None or rules.worth_usd is None:
        return None
    return max(gain, _ZERO) / rules.per * rules.worth_usd * Decimal(rules.in_service / rules.over)


def _score(worth: Decimal | None, cost: Decimal | None) -> Decimal | None:
    """0.5 at break-even. None: one is not known, or the cost is zero, which says nothing."""
    return None if worth is None or not cost else worth / (worth + cost)


def _saved_up(past: Sequence[PastTraining], now: datetime, share: Decimal, rules: RetrainRules) -> Decimal:
    """Trainings of usual cost that the budget allows now. The first training was the first that it allowed.

    It is never in debt by more than it can save: one absurd cost would hold every training for years.
    """
    saved, since = _ONE, past[0].at
    for each in past:
        earned = share * Decimal((each.at - since) / rules.every)
        saved = max(min(rules.burst, saved + earned) - _draw(each.cost_usd, past), -rules.burst)
        since = each.at
    return min(rules.burst, saved + share * Decimal((now - since) / rules.every))


def _draw(cost: Decimal | None, past: Sequence[PastTraining]) -> Decimal:
    """A cost as a multiple of the usual one; 1 where none is known."""
    usual = median(each.cost_usd for each in past)
    return cost / usual if cost is not None and usual else _ONE


def _unknown(gain: Decimal | None, worth: Decimal | None) -> str:
    if gain is None:
        return "too little is known of past gains and of what it showed"
    return "nobody said what a gain is worth" if worth is None else "its cost is not known"


def _state(drift: Drift | None, seen: bool, age_periods: float) -> str:
    age = f"The model is {age_periods:.0f} periods old"
    if drift is None:
        return f"{age}, {'too little seen to say what error is normal' if seen else 'its error unseen'}"
    return f"{age} and errs {drift.ratio:.2f} times what is normal"


def _shown(gain: Decimal, rules: RetrainRules) -> str:
    return f"{gain:.1%}" if rules.relative_gain else f"{gain:.4g}"
