"""The verdict about a retrained model: every bound from both sides, and a name for whatever cannot be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core import res
from costwatch.core.gains import Evaluation, EvaluationData, Reading
from costwatch.core.res import Cause, Cost, Extra, Value, Verdict, judge
from costwatch.core.res_policy import Direction, GainKind, Guardrail, ModelRules, WhenTooDear, Worth

D = Decimal
MONTH = timedelta(days=30)
DATA = EvaluationData("s3://data/validation.csv", "etag-1")
RULES = ModelRules("churn", "churn", "auc", Direction.MAXIMIZE, worth=Worth(D(4000), D("0.01"), MONTH))
DEAR = Cost(D(3200))
RECALL = Guardrail("recall", Direction.MAXIMIZE, tolerance=D("0.01"), floor=D("0.70"))


def measured(auc: str, data: EvaluationData | None = DATA, **others: str) -> Evaluation:
    named = {"auc": auc, **{name.replace("__", "@"): value for name, value in others.items()}}
    return Evaluation({name: Reading(D(value)) for name, value in named.items()}, data, "the final metrics")


def verdict(
    candidate: str | Evaluation = "0.914",
    baseline: str | Evaluation | None = "0.912",
    cost: Cost | str = DEAR,
    rules: ModelRules = RULES,
    *,
    extra: Extra | None = None,
    in_service: timedelta | None = None,
    same_data: bool | None = None,
    when_too_dear: WhenTooDear = WhenTooDear.ASK,
    **changes: object,
) -> Verdict:
    return judge(
        measured(candidate) if isinstance(candidate, str) else candidate,
        measured(baseline) if isinstance(baseline, str) else baseline,
        Cost(D(cost)) if isinstance(cost, str) else cost,
        replace(rules, **changes),  # type: ignore[arg-type]  # the fields are named by the tests
        extra=extra,
        in_service=in_service,
        same_data=same_data,
        when_too_dear=when_too_dear,
    )


# --- the score --------------------------------------------------------------------------------------------------


def test_the_example_of_the_card() -> None:
    """0.002 of AUC is worth $800 and cost $3,200."""
    found = verdict(extra=Extra(standard_error=D("0.0006")))
    assert (found.value, found.cause, found.ask) == (Value.TOO_DEAR, Cause.TOO_DEAR, True)
    assert found.score is not None
    assert (found.score.worth_usd, found.score.value, found.score.needed) == (D(800), D("0.2"), D("0.5"))
    assert (found.passes_at_metric, found.passes_at_usd) == (D("0.920"), D(800))
    assert found.gain is not None
    assert found.gain.standard_errors == D("0.002") / D("0.0006")


@pytest.mark.parametrize(
    ("usd", "value"),
    [("799.99", Value.PROMOTE), ("800", Value.PROMOTE), ("800.01", Value.TOO_DEAR)],
)
def test_exactly_the_minimum_score_is_enough(usd: str, value: Value) -> None:
    assert verdict(cost=usd).value is value


@pytest.mark.parametrize(("min_score", "value"), [("0.2", Value.PROMOTE), ("0.2000001", Value.TOO_DEAR)])
def test_the_minimum_is_what_is_configured(min_score: str, value: Value) -> None:
    assert verdict(min_score=D(min_score)).value is value


@pytest.mark.parametrize(("usd", "value"), [("2500", Value.PROMOTE), ("2500.01", Value.TOO_DEAR)])
def test_a_third_is_rounded_on_the_way_and_its_bound_stays_exact(usd: str, value: Value) -> None:
    """A third is worth $10,000: 0.8 is reached at $2,500 exactly."""
    worth = Worth(D(300), D("0.01"), MONTH)
    found = verdict("0.4", "0.3", cost=usd, min_score=D("0.8"), gain=GainKind.RELATIVE, worth=worth)
    assert found.value is value


@pytest.mark.parametrize(("usd", "value"), [("10000", Value.PROMOTE), ("10000.01", Value.TOO_DEAR)])
def test_what_is_worth_that_much_per_3_hundredths_is_exact_too(usd: str, value: Value) -> None:
    thirds = Worth(D(30000), D("0.03"), MONTH)
    assert verdict("0.31", "0.30", cost=usd, worth=thirds).value is value


@pytest.mark.parametrize(
    ("configured", "so_far", "score"),
    [(None, None, "0.2"), (None, 3 * MONTH, "0.428571428"), (3 * MONTH, MONTH, "0.428571428"), (MONTH, None, "0.2")],
    ids=["one over", "as those before it", "as configured", "configured as one over"],
)
def test_a_gain_is_worth_more_the_longer_it_serves(
    configured: timedelta | None, so_far: timedelta | None, score: str
) -> None:
    found = verdict(in_service=so_far, rules=replace(RULES, in_service=configured))
    assert found.score is not None
    assert str(found.score.value).startswith(score)
    assert found.in_service == (configured or so_far or MONTH)


def test_no_gain_is_worth_everything_so_the_score_stays_below_1() -> None:
    found = verdict("9e14", "-9e14", cost="0.000001")
    assert found.score is not None
    assert found.score.value < 1
    assert found.value is Value.PROMOTE


@pytest.mark.parametrize(("minimum", "value"), [("0.000625", Value.PROMOTE), ("0.000626", Value.TOO_DEAR)])
def test_without_a_worth_the_gain_per_1000_usd_is_held_against_its_minimum(minimum: str, value: Value) -> None:
    found = verdict(worth=None, min_gain_per_1000_usd=D(minimum))
    assert found.value is value
    assert found.score is not None
    assert (found.score.value, found.score.bounded, found.score.worth_usd) == (D("0.000625"), False, None)


def test_a_worth_decides_and_not_the_raw_score_beside_it() -> None:
    found = verdict(min_gain_per_1000_usd=D("0.000001"))
    assert found.value is Value.TOO_DEAR
    assert found.score is not None
    assert found.score.bounded


def test_whoever_is_not_asked_is_rejected() -> None:
    found = verdict(when_too_dear=WhenTooDear.REJECT)
    assert (found.value, found.ask) == (Value.TOO_DEAR, False)


# --- rejected ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "value", "cause"),
    [
        ("0.913", Value.PROMOTE, Cause.EARNED),
        ("0.912", Value.REJECT, Cause.NO_GAIN),
        ("0.911", Value.REJECT, Cause.NO_GAIN),
    ],
)
def test_what_is_not_better_is_rejected_however_cheap(candidate: str, value: Value, cause: Cause) -> None:
    found = verdict(candidate, cost="0.01")
    assert (found.value, found.cause, found.ask) == (value, cause, False)


def test_the_same_and_worse_are_told_apart() -> None:
    assert verdict("0.912").reason == "auc is the same as what serves"
    assert verdict("0.911").reason == "auc is worse than what serves"


@pytest.mark.parametrize(("error", "cause"), [("0.001", Cause.EARNED), ("0.0010001", Cause.WITHIN_NOISE)])
def test_a_gain_of_exactly_two_standard_errors_is_real(error: str, cause: Cause) -> None:
    assert verdict(cost="800", extra=Extra(standard_error=D(error))).cause is cause


@pytest.mark.parametrize(("needed", "cause"), [("2.5", Cause.EARNED), ("2.51", Cause.WITHIN_NOISE)])
def test_how_many_standard_errors_is_configured(needed: str, cause: Cause) -> None:
    extra = Extra(standard_error=D("0.0008"))
    found = verdict(cost="800", extra=extra, standard_errors=D(needed))
    assert found.cause is cause
    if cause is Cause.WITHIN_NOISE:
        assert (
            found.reason
            == "the gain may be chance: it is below 2.51 standard errors (the standard error of the difference)"
        )


def test_a_third_of_noise_is_exactly_a_third_of_gain() -> None:
    worth = Worth(D(10**6), D("0.01"), MONTH)
    at = Extra(standard_error=D("0.05"))
    assert verdict("0.4", "0.3", extra=at, gain=GainKind.RELATIVE, worth=worth).cause is Cause.EARNED
    above = Extra(standard_error=D("0.0500001"))
    assert verdict("0.4", "0.3", extra=above, gain=GainKind.RELATIVE, worth=worth).cause is Cause.WITHIN_NOISE


@pytest.mark.parametrize(("least", "cause"), [("0.002", Cause.EARNED), ("0.0020001", Cause.WITHIN_NOISE)])
def test_where_nothing_tells_the_noise_the_configured_minimum_gain_does(least: str, cause: Cause) -> None:
    assert verdict(cost="800", min_gain=D(least)).cause is cause


def test_a_known_noise_counts_before_the_configured_minimum_gain() -> None:
    assert verdict(cost="800", extra=Extra(standard_error=D("0.001")), min_gain=D("0.1")).cause is Cause.EARNED


def test_what_the_caller_says_of_the_noise_counts_before_what_the_readings_say() -> None:
    noisy = (
        Evaluation({"auc": Reading(D("0.914"), D("0.1"))}, DATA),
        Evaluation({"auc": Reading(D("0.912"), D(1))}, DATA),
    )
    assert verdict(*noisy, cost="800").cause is Cause.WITHIN_NOISE
    assert verdict(*noisy, cost="800", extra=Extra(standard_error=D("0.001"))).cause is Cause.EARNED
    pairs = Extra(differences=(D("0.001"), D("0.002"), D("0.003")))
    assert verdict(*noisy, cost="800", extra=pairs).cause is Cause.EARNED


def test_a_sample_size_tells_the_noise_of_an_accuracy() -> None:
    rules = replace(RULES, metric="accuracy")
    theirs, ours = (Evaluation({"accuracy": Reading(D(value))}, DATA) for value in ("0.912", "0.914"))
    assert verdict(ours, theirs, "800", rules, extra=Extra(sample_size=200_000)).cause is Cause.EARNED
    assert verdict(ours, theirs, "800", rules, extra=Extra(sample_size=100_000)).cause is Cause.WITHIN_NOISE


@pytest.mark.parametrize(
    ("recall", "told"),
    [
        ("0.79", ""),
        ("0.789", "recall is 0.789, 0.011 worse than 0.80; 0.01 is allowed"),
    ],
)
def test_a_guardrail_may_lose_exactly_its_tolerance(recall: str, told: str) -> None:
    rules = replace(RULES, guardrails=(RECALL,))
    found = verdict(measured("0.95", recall=recall), measured("0.912", recall="0.80"), rules=rules)
    assert found.cause is (Cause.GUARDRAIL if told else Cause.EARNED)
    assert not told or found.reason == told


@pytest.mark.parametrize(("recall", "told"), [("0.70", ""), ("0.699", "recall is 0.699, below the floor of 0.70")])
def test_a_guardrail_may_be_exactly_at_its_floor(recall: str, told: str) -> None:
    rules = replace(RULES, guardrails=(RECALL,))
    found = verdict(measured("0.95", recall=recall), measured("0.912", recall="0.70"), rules=rules)
    assert found.cause is (Cause.GUARDRAIL if told else Cause.EARNED)
    assert not told or found.reason == told


@pytest.mark.parametrize(("latency", "broken"), [("120", False), ("120.1", True), ("121", True)])
def test_a_guardrail_that_is_minimized_has_its_bounds_above(latency: str, broken: bool) -> None:
    rail = Guardrail("latency", Direction.MINIMIZE, tolerance=D(20), floor=D(120))
    found = verdict(measured("0.95", latency=latency), measured("0.912", latency="100"), guardrails=(rail,))
    assert (found.cause is Cause.GUARDRAIL) is broken
    if broken:
        assert f"latency is {latency}, above the most that is allowed, 120" in found.reason


def test_a_slice_is_guarded_as_the_whole_is() -> None:
    rail = Guardrail("recall", Direction.MAXIMIZE, "country=DE", tolerance=D("0.01"))
    ours, theirs = measured("0.95", recall="0.9"), measured("0.912", recall="0.9")
    sliced = [
        replace(each, readings={**each.readings, "recall@country=DE": Reading(D(value))})
        for each, value in ((ours, "0.5"), (theirs, "0.8"))
    ]
    found = verdict(sliced[0], sliced[1], guardrails=(rail,))
    assert found.cause is Cause.GUARDRAIL
    assert found.reason == "recall@country=DE is 0.5, 0.3 worse than 0.8; 0.01 is allowed"
    assert verdict(ours, theirs, guardrails=(rail,)).cause is Cause.NO_METRIC


def test_every_broken_guardrail_is_told_and_nothing_would_have_passed() -> None:
    rails = (RECALL, Guardrail("f1", Direction.MAXIMIZE, floor=D("0.5")))
    found = verdict(
        measured("0.95", recall="0.1", f1="0.1"), measured("0.912", recall="0.8", f1="0.8"), guardrails=rails
    )
    assert found.value is Value.REJECT
    assert found.reason.count(";") >= 2
    assert "recall is 0.1" in found.reason
    assert "f1 is 0.1, below the floor of 0.5" in found.reason
    assert (found.passes_at_metric, found.passes_at_usd) == (None, None)


# --- unjudged, and the first model ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usd", "told"),
    [
        (None, "what its training cost is not known"),
        ("0", "what its training cost is $0.00"),
        ("-1", "what its training cost is -$1.00"),
        ("NaN", "not known"),
        ("Infinity", "not known"),
        ("1e15", "not known"),
    ],
)
def test_nothing_is_infinitely_efficient(usd: str | None, told: str) -> None:
    found = verdict(cost=Cost(D(usd) if usd is not None else None))
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_COST)
    assert told in found.reason
    assert "nothing is infinitely efficient" in found.reason
    assert found.gain is not None, "what is known is told"


@pytest.mark.parametrize("usd", ["0.000001", "999999999999999"])
def test_any_cost_above_nothing_is_judged(usd: str) -> None:
    assert verdict(cost=usd).value is not Value.UNJUDGED


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (None, DATA, "nothing says what the candidate was measured on"),
        (DATA, None, "nothing says what the model that serves was measured on"),
        (None, None, "nothing says what the candidate was measured on"),
        (DATA, EvaluationData("s3://data/other.csv", "etag-1"), "s3://data/validation.csv and, for what serves, s3://"),
        (
            DATA,
            EvaluationData(DATA.uri, "etag-0"),
            "s3://data/validation.csv was changed since what serves was measured",
        ),
        (
            EvaluationData(DATA.uri, ""),
            EvaluationData(DATA.uri, ""),
            "nothing says whether s3://data/validation.csv is as",
        ),
    ],
    ids=["no data of ours", "no data of theirs", "no data", "another file", "changed", "no ETag"],
)
def test_different_data_is_not_judged(ours: EvaluationData | None, theirs: EvaluationData | None, told: str) -> None:
    found = verdict(measured("0.914", ours), measured("0.912", theirs))
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.DIFFERENT_DATA)
    assert "different data" in found.reason
    assert told in found.reason
    assert found.gain is None, "numbers of different data have no difference"


def test_whoever_measured_both_is_believed() -> None:
    assert verdict(measured("0.914", None), measured("0.912", None), same_data=True).value is Value.TOO_DEAR
    assert verdict(same_data=False).cause is Cause.DIFFERENT_DATA


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "sNaN", "1e16", "1e-400"])
def test_a_metric_that_is_no_number_is_not_judged(value: str) -> None:
    for whose, found in (("the candidate", verdict(value)), ("what serves", verdict(baseline=value))):
        assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_METRIC)
        assert found.reason.startswith(f"{whose}: auc is ")


def test_a_metric_that_is_missing_is_named_with_those_that_are_there() -> None:
    found = verdict(Evaluation({"f1": Reading(D(1))}, DATA, "the package's ModelMetrics"))
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_METRIC)
    assert found.reason == "the candidate has no metric auc in the package's ModelMetrics; it has f1"
    empty = verdict(baseline=Evaluation(data=DATA))
    assert empty.reason == "what serves has no metric auc; it has none"


def test_no_gain_is_a_share_of_a_baseline_of_zero() -> None:
    found = verdict("0.1", "0", gain=GainKind.RELATIVE)
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_METRIC)
    assert "the baseline is 0" in found.reason
    assert verdict("0.1", "0").value is Value.PROMOTE


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (Extra(standard_error=D("-1")), "expected 0 or more"),
        (Extra(standard_error=D("NaN")), "finite"),
        (Extra(differences=(D(1),)), "at least 2"),
        (Extra(differences=(D(1), D("NaN"))), "paired difference 2"),
        (Extra(differences=(D(5), D(6))), "expected candidate minus baseline"),
        (Extra(sample_size=100), "a sample size tells nothing about the noise of auc"),
    ],
)
def test_noise_that_cannot_be_is_not_judged(extra: Extra, told: str) -> None:
    found = verdict(extra=extra)
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_METRIC)
    assert told in found.reason


def test_without_a_worth_and_a_minimum_nothing_is_rejected() -> None:
    found = verdict(worth=None)
    assert (found.value, found.cause) == (Value.UNJUDGED, Cause.NO_MEASURE)
    assert found.reason == "neither a worth nor a minimum gain per $1,000 is configured"


def test_a_first_model_has_nothing_to_be_better_than() -> None:
    for candidate in (measured("0.9"), Evaluation()):
        found = verdict(candidate, None, Cost(None))
        assert (found.value, found.cause) == (Value.FIRST_MODEL, Cause.NO_BASELINE)


@pytest.mark.parametrize(
    ("recall", "value", "cause"),
    [
        ("0.70", Value.FIRST_MODEL, Cause.NO_BASELINE),
        ("0.699", Value.REJECT, Cause.GUARDRAIL),
        ("NaN", Value.UNJUDGED, Cause.NO_METRIC),
    ],
)
def test_a_floor_needs_nothing_to_be_held_against(recall: str, value: Value, cause: Cause) -> None:
    """Whatever it cost, known or not."""
    for cost in (DEAR, Cost(None)):
        found = verdict(measured("0.9", recall=recall), None, cost, guardrails=(RECALL,))
        assert (found.value, found.cause) == (value, cause)
        assert found.gain is None
    if cause is Cause.GUARDRAIL:
        assert found.reason == "recall is 0.699, below the floor of 0.70"


def test_a_first_model_whose_floor_cannot_be_read_is_not_judged() -> None:
    unread = verdict(measured("0.9"), None, guardrails=(RECALL,))
    assert (unread.value, unread.cause) == (Value.UNJUDGED, Cause.NO_METRIC)
    assert "no metric recall" in unread.reason


def test_a_tolerance_asks_nothing_of_a_first_model() -> None:
    rail = replace(RECALL, floor=None)
    assert verdict(measured("0.9"), None, guardrails=(rail,)).value is Value.FIRST_MODEL


# --- what would have passed -------------------------------------------------------------------------------------


def test_within_noise_no_cost_would_have_helped() -> None:
    found = verdict(cost="10", extra=Extra(standard_error=D("0.01")))
    assert found.cause is Cause.WITHIN_NOISE
    assert (found.passes_at_metric, found.passes_at_usd) == (D("0.932"), None)


def test_a_model_that_is_worse_would_have_passed_with_the_gain_that_its_cost_needs() -> None:
    found = verdict("0.9")
    assert (found.passes_at_metric, found.passes_at_usd) == (D("0.920"), None)


def test_where_every_better_model_passes_there_is_no_first_one() -> None:
    found = verdict("0.9", min_score=D(0))
    assert (found.passes_at_metric, found.passes_at_usd) == (None, None)
    better = verdict("0.9120000001", min_score=D(0))
    assert better.value is Value.PROMOTE
    assert better.passes_at_usd is None


def test_a_share_above_1_is_never_what_would_have_passed() -> None:
    rules = replace(RULES, metric="accuracy")
    theirs, ours = (Evaluation({"accuracy": Reading(D(value))}, DATA) for value in ("0.912", "0.914"))
    assert verdict(ours, theirs, "1e6", rules, extra=Extra(sample_size=10**9)).passes_at_metric is None
    assert verdict(ours, theirs, "3200", rules, extra=Extra(sample_size=10**9)).passes_at_metric == D("0.920")


def test_the_score_alone_can_be_asked_for() -> None:
    assert res.score(D("0.002"), D(3200), RULES, None) == res.Score(D("0.2"), D("0.5"), True, D(800))
    assert res.score(D("-0.002"), D(3200), RULES, None) == res.Score(D(0), D("0.5"), True, D(-800))
    assert res.score(D("0.002"), D(3200), replace(RULES, worth=None), None) is None
