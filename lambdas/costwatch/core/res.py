"""RES, the retraining-efficiency score: what a retrained model gained for what its training cost. Pure.

The published form is RES = P / C_train. Held in dollars it is one of two:

    raw      = gain / cost x 1,000                           gain for each $1,000
    bounded  = V / (V + C), 0 where V <= 0                   in [0, 1); 0.5: worth what it cost
    V        = gain / per x usd x (time in service / over)   what the gain is worth, in USD

Nothing is rejected that could not be judged whole: whatever is missing makes the verdict `unjudged`, and the candidate
stays as it is. Bounds are inclusive: exactly the minimum score, gain or floor is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from typing import Final

from costwatch.core import gains, guardrails
from costwatch.core.gains import Evaluation, Gain, Noise
from costwatch.core.money import show_usd
from costwatch.core.res_policy import ModelRules, WhenTooDear, Worth
from costwatch.errors import InputError

_ZERO: Final = Decimal(0)
_THOUSAND: Final = Decimal(1000)
_MOST_USD: Final = Decimal("1e15")
_SURE: Final = Context(prec=20)
"""Bounds are held to so many digits: a third is rounded on the way, and three of them are still exactly one."""
_SOLVED: Final = Context(prec=24)
_UP, _DOWN = Context(prec=18, rounding=ROUND_CEILING), Context(prec=18, rounding=ROUND_FLOOR)
"""Of what was solved for: without what was rounded on the way, then to the side that passes."""


class Value(StrEnum):
    """What a verdict comes to."""

    PROMOTE = "promote"
    REJECT = "reject"
    TOO_DEAR = "better but too dear"
    FIRST_MODEL = "first model"
    UNJUDGED = "unjudged"
    OVERRIDDEN = "overridden"
    """A person decided otherwise, or before: that stands."""


class Cause(StrEnum):
    """Why."""

    EARNED = "earned its compute"
    NO_GAIN = "no gain"
    WITHIN_NOISE = "within noise"
    GUARDRAIL = "guardrail"
    TOO_DEAR = "too dear"
    NO_BASELINE = "no approved model"
    DIFFERENT_DATA = "different data"
    NO_METRIC = "no metric"
    NO_COST = "no known cost"
    NO_MEASURE = "no worth and no minimum"
    NOT_PENDING = "not pending"
    BY_A_PERSON = "by a person"


_OF_COST: Final = frozenset({Cause.EARNED, Cause.TOO_DEAR})
"""A real gain: what it cost decides."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the candidate's run cost. `usd` None: unknown. `all_candidates_usd`: of all since the last promotion.

    `what`: for people, such as `training job churn-41` or `all 4 steps of its pipeline execution`.
    """

    usd: Decimal | None
    gpu_hours: Decimal | None = None
    all_candidates_usd: Decimal | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a caller knows besides the readings: at most one of them counts, the first that is there.

    `standard_error`: of the difference, in the metric's unit. `differences`: candidate minus baseline, per example.
    """

    standard_error: Decimal | None = None
    differences: tuple[Decimal, ...] = ()
    sample_size: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """`value` against `needed`; bounded in [0, 1), raw in gain for each $1,000."""

    value: Decimal
    needed: Decimal
    bounded: bool
    worth_usd: Decimal | None = None

    @property
    def passes(self) -> bool:
        return self.value >= self.needed and self.value > 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided, why, and by which figures; what is not known is None."""

    value: Value
    cause: Cause
    reason: str
    """One sentence for people, without the model's name."""
    metric: str = ""
    gain: Gain | None = None
    score: Score | None = None
    cost: Cost | None = None
    in_service: timedelta | None = None
    passes_at_metric: Decimal | None = None
    """The metric's value from which on it would have passed at this cost; None: none would have, or any better one."""
    passes_at_usd: Decimal | None = None
    """The cost up to which it would have passed with this gain; None: none would have, or whatever it cost."""
    ask: bool = False
    """Whether somebody is asked instead of rejecting."""


def judge(
    candidate: Evaluation,
    baseline: Evaluation | None,
    cost: Cost,
    rules: ModelRules,
    *,
    extra: Extra | None = None,
    in_service: timedelta | None = None,
    same_data: bool | None = None,
    when_too_dear: WhenTooDear = WhenTooDear.ASK,
) -> Verdict:
    """Hold a candidate against what serves. `baseline` None: nothing serves yet.

    `in_service`: how long models of this kind served so far; `rules.in_service` comes before it. `same_data`: True
    where a caller measured both; None: judged by what both were measured on. What cannot be judged is a verdict as
    well: nothing is raised for it.
    """
    if baseline is None:
        return _first(candidate, cost, rules)
    if same_data is None:
        same_data = candidate.data is not None and candidate.data == baseline.data and bool(candidate.data.etag)
    if not same_data:
        return _unjudged(Cause.DIFFERENT_DATA, _data_sentence(candidate, baseline), cost, rules)
    try:
        found = _gain(candidate, baseline, rules, extra or Extra())
        broken = list(guardrails.broken(candidate, baseline, rules.guardrails))
    except InputError as error:
        return _unjudged(Cause.NO_METRIC, str(error), cost, rules)
    serves = rules.in_service or in_service or (rules.worth.over if rules.worth is not None else None)
    if cost.usd is None or not cost.usd.is_finite() or not 0 < cost.usd < _MOST_USD:
        readable = cost.usd is not None and cost.usd.is_finite() and abs(cost.usd) < _MOST_USD
        known = show_usd(cost.usd) if readable else "not known"
        sentence = f"what its training cost is {known}, and nothing is infinitely efficient"
        return _unjudged(Cause.NO_COST, sentence, cost, rules, found)
    measured = score(found.amount, cost.usd, rules, serves)
    if measured is None:
        sentence = "neither a worth nor a minimum gain per $1,000 is configured"
        return _unjudged(Cause.NO_MEASURE, sentence, cost, rules, found)
    value, cause, reason, ask = _decided(found, measured, broken, rules, when_too_dear)
    return Verdict(
        value,
        cause,
        reason,
        metric=rules.metric,
        gain=found,
        score=measured,
        cost=cost,
        in_service=serves,
        passes_at_metric=_passes_at_metric(found, cost.usd, rules, serves) if not broken else None,
        passes_at_usd=_passes_at_usd(found.amount, measured) if cause in _OF_COST else None,
        ask=ask,
    )


def score(gain: Decimal, cost_usd: Decimal, rules: ModelRules, in_service: timedelta | None) -> Score | None:
    """The bounded score where there is a worth, else the raw one where there is a minimum; None: neither.

    `cost_usd` above 0. `in_service` None: one `over`.
    """
    if rules.worth is not None:
        worth = worth_usd(gain, rules.worth, in_service)
        bounded = worth / (worth + cost_usd) if worth > 0 else _ZERO
        return Score(_below_1(_SURE.plus(bounded)), rules.min_score, True, worth)
    if rules.min_gain_per_1000_usd is not None:
        return Score(_SURE.plus(gain * _THOUSAND / cost_usd), rules.min_gain_per_1000_usd, False)
    return None


def worth_usd(gain: Decimal, worth: Worth, in_service: timedelta | None) -> Decimal:
    """USD that a gain is worth over the time in service; None: one `over`. Negative for a loss."""
    periods = Decimal(1) if in_service is None else _ratio(in_service, worth.over)
    return gain * worth.usd * periods / worth.per


def _decided(
    found: Gain, measured: Score, broken: list[str], rules: ModelRules, when_too_dear: WhenTooDear
) -> tuple[Value, Cause, str, bool]:
    if broken:
        return Value.REJECT, Cause.GUARDRAIL, "; ".join(broken), False
    if found.amount <= 0:
        how = "the same as" if not found.amount else "worse than"
        return Value.REJECT, Cause.NO_GAIN, f"{rules.metric} is {how} what serves", False
    margin, why = _margin(found, rules)
    if _SURE.plus(found.amount) < _SURE.plus(margin):
        return Value.REJECT, Cause.WITHIN_NOISE, f"the gain may be chance: it is below {why}", False
    if measured.passes:
        return Value.PROMOTE, Cause.EARNED, "a real gain, worth its cost", False
    ask = when_too_dear is WhenTooDear.ASK
    return Value.TOO_DEAR, Cause.TOO_DEAR, "a real gain, too small for its cost", ask


def _margin(found: Gain, rules: ModelRules) -> tuple[Decimal, str]:
    """What a gain must be at least, and where that comes from."""
    if found.noise is not None:
        margin = found.noise.standard_error * rules.standard_errors
        return margin, f"{rules.standard_errors:f} standard errors ({found.noise.basis})"
    return rules.min_gain or _ZERO, f"the configured minimum of {rules.min_gain}"


def _gain(candidate: Evaluation, baseline: Evaluation, rules: ModelRules, extra: Extra) -> Gain:
    ours = guardrails.reading(candidate, rules.metric, "the candidate")
    theirs = guardrails.reading(baseline, rules.metric, "what serves")
    found = gains.gain(ours.value, theirs.value, rules.direction, rules.gain)
    noise = _noise(ours, theirs, rules, extra, found)
    return Gain(found.amount, found.kind, found.candidate, found.baseline, found.direction, noise)


def _noise(ours: gains.Reading, theirs: gains.Reading, rules: ModelRules, extra: Extra, found: Gain) -> Noise | None:
    if extra.standard_error is not None:
        return gains.given(extra.standard_error, found)
    if extra.differences:
        return gains.paired(extra.differences, found)
    if extra.sample_size is not None:
        return gains.of_shares(extra.sample_size, rules.metric, found)
    return gains.of_readings(ours, theirs, rules.metric, found)


def _first(candidate: Evaluation, cost: Cost, rules: ModelRules) -> Verdict:
    """There is nothing to be better than. Floors need nothing to be held against: one that is broken rejects."""
    try:
        broken = list(guardrails.broken(candidate, None, rules.guardrails))
    except InputError as error:
        return _unjudged(Cause.NO_METRIC, str(error), cost, rules)
    if broken:
        return Verdict(Value.REJECT, Cause.GUARDRAIL, "; ".join(broken), metric=rules.metric, cost=cost)
    reason = "no approved model serves yet, so there is nothing to be better than"
    return Verdict(Value.FIRST_MODEL, Cause.NO_BASELINE, reason, metric=rules.metric, cost=cost)


def _unjudged(cause: Cause, reason: str, cost: Cost, rules: ModelRules, found: Gain | None = None) -> Verdict:
    return Verdict(Value.UNJUDGED, cause, reason, metric=rules.metric, gain=found, cost=cost)


def _data_sentence(candidate: Evaluation, baseline: Evaluation) -> str:
    if candidate.data is None or baseline.data is None:
        whose = "the candidate" if candidate.data is None else "the model that serves"
        return f"different data, as far as can be seen: nothing says what {whose} was measured on, as it was then"
    if candidate.data.uri != baseline.data.uri:
        return f"different data: {candidate.data.uri} and, for what serves, {baseline.data.uri}"
    if not candidate.data.etag or not baseline.data.etag:
        return f"different data, as far as can be seen: nothing says whether {candidate.data.uri} is as it was"
    return f"different data: {candidate.data.uri} was changed since what serves was measured on it"


def _passes_at_metric(found: Gain, cost_usd: Decimal, rules: ModelRules, serves: timedelta | None) -> Decimal | None:
    """Solve the score for the gain; never below what is noise, and rounded to the side that passes."""
    if rules.worth is not None:
        needed = cost_usd * rules.min_score / (1 - rules.min_score) / worth_usd(Decimal(1), rules.worth, serves)
    elif rules.min_gain_per_1000_usd is not None:
        needed = rules.min_gain_per_1000_usd * cost_usd / _THOUSAND
    else:
        return None
    beyond_chance = gains.least_beyond_chance(found, rules.standard_errors) if found.noise else rules.min_gain or _ZERO
    least = _UP.plus(_SOLVED.plus(max(needed, beyond_chance)))
    if least <= 0:
        return None
    metric = found.metric_at(least)
    if found.noise is not None and found.noise.examples is not None and not 0 <= metric <= 1:
        return None
    return metric


def _passes_at_usd(gain: Decimal, measured: Score) -> Decimal | None:
    """Solve the score for the cost, rounded to the side that passes."""
    if not measured.needed:
        return None
    if measured.worth_usd is not None:
        solved = measured.worth_usd * (1 - measured.needed) / measured.needed
    else:
        solved = gain * _THOUSAND / measured.needed
    return _DOWN.plus(_SOLVED.plus(solved))


def _below_1(score: Decimal) -> Decimal:
    """What is rounded to 1 was below it: no gain is worth more than everything."""
    return min(score, 1 - Decimal(1).scaleb(-_SURE.prec))


def _ratio(time: timedelta, over: timedelta) -> Decimal:
    microsecond = timedelta(microseconds=1)
    return Decimal(time // microsecond) / Decimal(over // microsecond)
