"""Whatever the numbers: which way a verdict may move, which units it may depend on, and that there always is one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

from hypothesis import assume, given
from hypothesis import strategies as st

from costwatch.core.gains import Evaluation, EvaluationData, Reading
from costwatch.core.res import Cause, Cost, Extra, Value, Verdict, judge, score
from costwatch.core.res_policy import Direction, GainKind, Guardrail, ModelRules, WhenTooDear, Worth

D = Decimal
RANK: Final = {Cause.NO_GAIN: 0, Cause.WITHIN_NOISE: 1, Cause.TOO_DEAR: 2, Cause.EARNED: 3}
HAIR: Final = D("1e-9")
"""Of a gain or a cost: far below what anybody measures, far above the digits that are kept."""

METRIC = st.decimals("-10", "10", places=6)
SHARE = st.decimals("0", "1", places=6)
USD = st.decimals("0.01", "1000000", places=2)
SMALL = st.decimals("0.0001", "10", places=4)
TIMES = st.integers(3600, 400 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
WORTHS = st.builds(Worth, USD, SMALL, TIMES)


@st.composite
def rules(draw: st.DrawFn) -> ModelRules:
    worth = draw(st.none() | WORTHS)
    return ModelRules(
        "churn",
        "churn",
        "accuracy",
        draw(st.sampled_from(Direction)),
        gain=draw(st.sampled_from(GainKind)),
        worth=worth,
        in_service=draw(st.none() | TIMES),
        min_score=draw(st.decimals("0.01", "0.99", places=2)),
        min_gain_per_1000_usd=draw(SMALL) if worth is None else None,
        min_gain=draw(st.none() | SMALL),
        standard_errors=draw(st.decimals("0", "10", places=1)),
    )


EXTRAS = st.none() | st.builds(Extra, standard_error=st.decimals("0", "1", places=5))


def held(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None = None, **more: Reading
) -> Verdict:
    theirs, ours = ({by.metric: Reading(value), **more} for value in (baseline, candidate))
    return judge(Evaluation(ours), Evaluation(theirs), Cost(usd), by, extra=extra, same_data=True)


def rank(verdict: Verdict) -> int:
    return RANK[verdict.cause]


@given(METRIC, METRIC, USD, USD, rules(), EXTRAS)
def test_a_higher_cost_never_helps(
    candidate: Decimal, baseline: Decimal, one: Decimal, other: Decimal, by: ModelRules, extra: Extra | None
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    cheap, dear = (held(candidate, baseline, usd, by, extra) for usd in sorted((one, other)))
    assert rank(dear) <= rank(cheap)
    assert cheap.score is not None
    assert dear.score is not None
    assert dear.score.value <= max(cheap.score.value, D(0))


@given(METRIC, METRIC, METRIC, USD, rules(), EXTRAS)
def test_a_higher_gain_never_hurts(
    one: Decimal, other: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    worse, better = sorted((one, other), reverse=by.direction is Direction.MINIMIZE)
    low, high = (held(candidate, baseline, usd, by, extra) for candidate in (worse, better))
    assert rank(low) <= rank(high)
    assert low.score is not None
    assert high.score is not None
    assert low.score.value <= high.score.value


@given(SHARE, SHARE, SHARE, USD, rules(), st.integers(1, 10**6))
def test_a_higher_gain_never_hurts_although_the_noise_of_shares_moves_with_it(
    one: Decimal, other: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, examples: int
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    worse, better = sorted((one, other), reverse=by.direction is Direction.MINIMIZE)
    low, high = (held(candidate, baseline, usd, by, Extra(sample_size=examples)) for candidate in (worse, better))
    assert rank(low) <= rank(high)


@given(METRIC, METRIC, USD, rules(), EXTRAS)
def test_dollars_or_cents_are_the_same(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    worth, raw = by.worth, by.min_gain_per_1000_usd
    in_cents = replace(
        by,
        worth=replace(worth, usd=worth.usd * 100) if worth is not None else None,
        min_gain_per_1000_usd=raw / 100 if raw is not None else None,
    )
    dollars, cents = held(candidate, baseline, usd, by, extra), held(candidate, baseline, usd * 100, in_cents, extra)
    assert dollars.cause is cents.cause
    assert dollars.passes_at_metric == cents.passes_at_metric
    if worth is not None:
        assert dollars.score is not None
        assert cents.score is not None
        assert dollars.score.value == cents.score.value


@given(METRIC, METRIC, USD, rules(), EXTRAS, st.sampled_from([D(100), D("0.001"), D(7), D("0.3")]))
def test_units_of_the_metric_cancel(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None, unit: Decimal
) -> None:
    """Of a relative gain by themselves; of an absolute one with `per`, and with what else is in the metric's unit."""
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    scaled = by
    if by.gain is GainKind.ABSOLUTE:
        scaled = replace(
            by,
            worth=replace(by.worth, per=by.worth.per * unit) if by.worth is not None else None,
            min_gain=by.min_gain * unit if by.min_gain is not None else None,
            min_gain_per_1000_usd=by.min_gain_per_1000_usd * unit if by.min_gain_per_1000_usd is not None else None,
        )
    error = extra.standard_error if extra is not None else None
    noise = Extra(standard_error=error * unit) if error is not None else None
    plain, other = (
        held(candidate, baseline, usd, by, extra),
        held(candidate * unit, baseline * unit, usd, scaled, noise),
    )
    assert plain.cause is other.cause
    if by.worth is not None:
        assert plain.score is not None
        assert other.score is not None
        assert abs(plain.score.value - other.score.value) < D("1e-18")


@given(METRIC, METRIC, USD, rules(), EXTRAS)
def test_to_maximize_a_metric_is_to_minimize_its_negative(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    other = Direction.MINIMIZE if by.direction is Direction.MAXIMIZE else Direction.MAXIMIZE
    plain = held(candidate, baseline, usd, by, extra)
    mirrored = held(-candidate, -baseline, usd, replace(by, direction=other), extra)
    assert (plain.value, plain.cause, plain.score) == (mirrored.value, mirrored.cause, mirrored.score)
    assert plain.passes_at_usd == mirrored.passes_at_usd
    if plain.passes_at_metric is not None:
        assert mirrored.passes_at_metric == -plain.passes_at_metric


@given(st.decimals("-1e14", "1e14"), USD | st.decimals("1e-9", "1e14"), WORTHS, st.none() | TIMES)
def test_a_bounded_score_is_at_least_0_and_below_1(
    gain: Decimal, usd: Decimal, worth: Worth, serves: timedelta | None
) -> None:
    by = ModelRules("churn", "churn", "auc", Direction.MAXIMIZE, worth=worth)
    found = score(gain, usd, by, serves)
    assert found is not None
    assert found.worth_usd is not None
    assert 0 <= found.value < 1
    assert (found.value == 0) == (found.worth_usd <= 0)
    assert found.value <= D("0.5") or found.worth_usd > usd * (1 - HAIR)


@given(METRIC, METRIC, USD, rules(), EXTRAS)
def test_the_metric_that_would_have_passed_passes_and_a_hair_worse_does_not(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    at = held(candidate, baseline, usd, by, extra).passes_at_metric
    assert at is not None
    assert held(at, baseline, usd, by, extra).value is Value.PROMOTE
    assert held(at - (at - baseline) * HAIR, baseline, usd, by, extra).value is not Value.PROMOTE


@given(SHARE, SHARE, USD, rules(), st.integers(1, 10**6))
def test_the_share_that_would_have_passed_passes_and_a_hair_worse_does_not(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, examples: int
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    extra = Extra(sample_size=examples)
    at = held(candidate, baseline, usd, by, extra).passes_at_metric
    best = D(1) if by.direction is Direction.MAXIMIZE else D(0)
    if at is None:
        assert held(best, baseline, usd, by, extra).value is not Value.PROMOTE
        return
    assert held(at, baseline, usd, by, extra).value is Value.PROMOTE
    assert held(at - (at - baseline) * HAIR, baseline, usd, by, extra).value is not Value.PROMOTE


@given(METRIC, METRIC, USD, rules(), EXTRAS)
def test_the_cost_that_would_have_passed_passes_and_a_hair_more_does_not(
    candidate: Decimal, baseline: Decimal, usd: Decimal, by: ModelRules, extra: Extra | None
) -> None:
    assume(baseline or by.gain is GainKind.ABSOLUTE)
    found = held(candidate, baseline, usd, by, extra)
    at = found.passes_at_usd
    assert (at is None) == (found.value is Value.REJECT)
    if at is not None:
        assert held(candidate, baseline, at, by, extra).value is Value.PROMOTE
        assert held(candidate, baseline, at * (1 + HAIR), by, extra).value is Value.TOO_DEAR


JUNK = st.decimals() | METRIC
READINGS = st.builds(Reading, JUNK, st.none() | JUNK, st.none() | st.integers(-3, 10**12))
SETS = st.dictionaries(st.sampled_from(["accuracy", "recall", "recall@a=b"]), READINGS)
PLACES = st.none() | st.builds(EvaluationData, st.sampled_from(["", "s3://a/b"]), st.sampled_from(["", "1", "2"]))
EVALUATIONS = st.builds(Evaluation, SETS, PLACES, st.sampled_from(["", "the final metrics"]))
RAILS = st.builds(
    Guardrail,
    st.just("recall"),
    st.sampled_from(Direction),
    st.sampled_from(["", "a=b"]),
    st.none() | SMALL,
    st.none() | METRIC,
)


@given(
    EVALUATIONS,
    st.none() | EVALUATIONS,
    st.builds(Cost, st.none() | JUNK),
    rules(),
    st.lists(RAILS, max_size=2),
    st.none() | st.builds(Extra, st.none() | JUNK, st.lists(JUNK, max_size=4).map(tuple), st.none() | st.integers()),
    st.none() | st.booleans(),
    st.sampled_from(WhenTooDear),
)
def test_there_is_a_verdict_whatever_comes_in(
    candidate: Evaluation,
    baseline: Evaluation | None,
    cost: Cost,
    by: ModelRules,
    rails: list[Guardrail],
    extra: Extra | None,
    same_data: bool | None,
    when_too_dear: WhenTooDear,
) -> None:
    """And a reason, and nobody is rejected or asked about without a whole judgement."""
    guarded = replace(by, guardrails=tuple(rails))
    found = judge(candidate, baseline, cost, guarded, extra=extra, same_data=same_data, when_too_dear=when_too_dear)
    assert found.reason
    whole = found.gain is not None and found.score is not None and cost.usd is not None and cost.usd > 0
    below_a_floor = baseline is None and found.cause is Cause.GUARDRAIL
    assert whole or below_a_floor or found.value in (Value.UNJUDGED, Value.FIRST_MODEL)
    assert found.value is not Value.FIRST_MODEL or baseline is None
    assert baseline is not None or found.value in (Value.FIRST_MODEL, Value.REJECT, Value.UNJUDGED)
    assert found.ask == (found.value is Value.TOO_DEAR and when_too_dear is WhenTooDear.ASK)
