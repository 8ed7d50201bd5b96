"""How much better a candidate is, and how much of that may be chance."""

from __future__ import annotations

from decimal import Decimal

import pytest

from costwatch.core import gains
from costwatch.core.gains import Gain, Reading
from costwatch.core.res_policy import Direction, GainKind
from costwatch.errors import InputError

D = Decimal
UP, DOWN = Direction.MAXIMIZE, Direction.MINIMIZE
ABSOLUTE, RELATIVE = GainKind.ABSOLUTE, GainKind.RELATIVE
ACCURACY = "validation:accuracy"


def of(
    candidate: str, baseline: str, direction: Direction = Direction.MAXIMIZE, kind: GainKind = GainKind.ABSOLUTE
) -> Gain:
    return gains.gain(D(candidate), D(baseline), direction, kind)


# --- the gain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "baseline", "direction", "kind", "amount"),
    [
        ("0.914", "0.912", UP, ABSOLUTE, "0.002"),
        ("0.912", "0.914", UP, ABSOLUTE, "-0.002"),
        ("0.25", "0.30", DOWN, ABSOLUTE, "0.05"),
        ("0.30", "0.25", DOWN, ABSOLUTE, "-0.05"),
        ("0.306", "0.3", UP, RELATIVE, "0.02"),
        ("0.294", "0.3", DOWN, RELATIVE, "0.02"),
        ("-1.8", "-2", UP, RELATIVE, "0.1"),
        ("-2.2", "-2", DOWN, RELATIVE, "0.1"),
        ("0", "-2", UP, RELATIVE, "1"),
    ],
)
def test_a_gain_is_positive_where_the_candidate_is_better(
    candidate: str, baseline: str, direction: Direction, kind: GainKind, amount: str
) -> None:
    assert of(candidate, baseline, direction, kind).amount == D(amount)


def test_no_gain_is_a_share_of_a_baseline_of_zero() -> None:
    with pytest.raises(InputError, match="baseline is 0, and no gain is a share of nothing: use an absolute gain"):
        of("0.1", "0", UP, RELATIVE)
    assert of("0.1", "0").amount == D("0.1")


def test_nor_so_many_times_one_that_is_next_to_zero() -> None:
    assert of("9e14", "1", UP, RELATIVE).amount < D("1e15")
    with pytest.raises(InputError, match=r"the baseline is 0\.5, and no gain is 2e\+15 times what serves"):
        of("9e14", "0.5", UP, RELATIVE)


@pytest.mark.parametrize("kind", GainKind)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("baseline", ["0.5", "-2"])
def test_the_metric_of_a_gain_has_that_gain(baseline: str, direction: Direction, kind: GainKind) -> None:
    metric = of("0.7", baseline, direction, kind).metric_at(D("0.25"))
    assert gains.gain(metric, D(baseline), direction, kind).amount == D("0.25")


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"), [("0.914", "0.914"), (" 1e-4 ", "0.0001"), (0.1, "0.1"), (3, "3"), (D("0.9"), "0.9"), (0, "0")]
)
def test_a_metric_is_the_decimal_that_is_written(value: object, number: str) -> None:
    assert gains.finite(value, "auc") == D(number)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "auc is nan, expected a finite number"),
        ("-Infinity", "auc is -Infinity, expected a finite number"),
        ("sNaN", "expected a finite number"),
        ("0,914", "auc is '0,914', expected a number"),
        ("", "auc is '', expected a number"),
        ("x" * 10_000, f"auc is '{'x' * 40}', expected a number"),
        (None, "auc is NoneType, expected a number"),
        (True, "auc is bool, expected a number"),
        ([0.9], "auc is list, expected a number"),
        ("1e15", "which no metric is: expected less than 1e+15"),
        ("-1e999999", "which no metric is"),
        ("1e-101", "which no metric is: expected 0, or at least 1e-100"),
    ],
)
def test_what_is_no_number_is_named(value: object, told: str) -> None:
    with pytest.raises(InputError) as error:
        gains.finite(value, "auc")
    assert told in str(error.value)


@pytest.mark.parametrize("edge", ["999999999999999.9", "-999999999999999.9", "1e-100", "-1e-100"])
def test_the_last_number_that_a_metric_may_be_is_one(edge: str) -> None:
    assert gains.finite(edge, "loss") == D(edge)


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (Reading(D("NaN")), "auc is NaN, expected a finite number"),
        (Reading(D(1), standard_error=D("Infinity")), "the standard error of auc is Infinity"),
        (Reading(D(1), standard_error=D("-0.1")), "the standard error of auc is -0.1, expected 0 or more"),
        (Reading(D(1), sample_size=0), "the sample size of auc is 0, expected 1 or more"),
    ],
)
def test_a_reading_that_nobody_can_reckon_with_is_named(reading: Reading, told: str) -> None:
    with pytest.raises(InputError) as error:
        gains.checked(reading, "auc")
    assert told in str(error.value)


# --- noise ------------------------------------------------------------------------------------------------------


def test_a_given_standard_error_is_of_the_difference_and_becomes_a_share_with_the_gain() -> None:
    assert gains.given(D("0.0006"), of("0.914", "0.912")).standard_error == D("0.0006")
    assert gains.given(D("0.003"), of("0.306", "0.3", kind=RELATIVE)).standard_error == D("0.01")
    assert gains.given(D("0.2"), of("-1.8", "-2", kind=RELATIVE)).standard_error == D("0.1")


@pytest.mark.parametrize("wrong", ["-0.0001", "NaN", "Infinity"])
def test_a_standard_error_below_zero_is_refused(wrong: str) -> None:
    assert gains.given(D(0), of("2", "1")).standard_error == 0
    with pytest.raises(InputError, match="standard error"):
        gains.given(D(wrong), of("2", "1"))


def test_without_noise_a_gain_is_no_number_of_standard_errors() -> None:
    found = of("2", "1")
    assert found.standard_errors is None
    assert Gain(D(1), ABSOLUTE, D(2), D(1), UP, gains.given(D(0), found)).standard_errors is None
    assert Gain(D(1), ABSOLUTE, D(2), D(1), UP, gains.given(D("0.25"), found)).standard_errors == 4


def thirty(*each: str) -> list[Decimal]:
    """So many examples, of which each kind is as many."""
    return [D(value) for value in each for _ in range(30 // len(each))]


def test_paired_differences_tell_the_error_of_their_mean() -> None:
    """Ten each of 1, 2, 3: a variance of 20/29."""
    noise = gains.paired(thirty("1", "2", "3"), of("12", "10"))
    assert noise.standard_error == (D(20) / 29 / 30).sqrt()
    assert noise.basis == "30 paired differences"


def test_paired_differences_are_candidate_minus_baseline_whichever_way_the_metric_goes() -> None:
    assert gains.paired(thirty("-1", "-2", "-3"), of("8", "10", DOWN)).standard_error == (D(20) / 29 / 30).sqrt()
    with pytest.raises(InputError, match="expected candidate minus baseline"):
        gains.paired(thirty("1", "2", "3"), of("8", "10", DOWN))


def test_thirty_paired_differences_are_enough_and_one_less_is_not() -> None:
    assert gains.paired(thirty("1", "3"), of("12", "10")).standard_error == (D(1) / 29).sqrt()
    with pytest.raises(InputError, match="there are 29 paired differences, expected at least 30"):
        gains.paired([*thirty("1", "3")[:28], D(2)], of("12", "10"))
    with pytest.raises(InputError, match="there is 1 paired difference, expected at least 30"):
        gains.paired([D(2)], of("12", "10"))


@pytest.mark.parametrize(
    ("candidate", "fits"), [("12.185", True), ("12.186", False), ("11.815", True), ("11.814", False)]
)
def test_differences_of_something_else_are_refused(candidate: str, fits: bool) -> None:
    """Their mean is 2 and its error is 0.1857: the metrics may differ by so much more or less."""
    found = of(candidate, "10")
    if fits:
        assert gains.paired(thirty("1", "3"), found).standard_error
    else:
        with pytest.raises(InputError, match="paired differences have a mean of 2"):
            gains.paired(thirty("1", "3"), found)


def test_differences_with_next_to_no_spread_may_be_off_by_a_hundredth() -> None:
    nearly = [*thirty("2.02")[2:], D("2.0201"), D("2.0199")]
    assert gains.paired(nearly, of("12.04", "10")).standard_error < D("0.0001")
    assert gains.paired(nearly, of("12", "10")).standard_error > 0
    with pytest.raises(InputError, match="paired differences have a mean"):
        gains.paired(nearly, of("12.05", "10"))


def test_differences_without_any_spread_tell_no_noise() -> None:
    with pytest.raises(InputError, match="the 30 paired differences are all 2, which does not tell what is chance"):
        gains.paired(thirty("2"), of("12", "10"))
    assert gains.paired(thirty("0"), of("10", "10")).standard_error == 0, "and no gain either"


def test_a_difference_that_is_no_number_is_named() -> None:
    with pytest.raises(InputError, match="paired difference 2 is NaN"):
        gains.paired([D(1), D("NaN"), *thirty("2")], of("12", "10"))


def test_shares_of_examples_tell_their_noise() -> None:
    """Of both together 0.5: sqrt(2 x 0.5 x 0.5 / 200) = 0.05."""
    noise = gains.of_shares(200, ACCURACY, of("0.6", "0.4"))
    assert noise.standard_error == D("0.05")
    assert noise.basis == "two shares of 200 examples"


@pytest.mark.parametrize(
    "metric",
    [
        "accuracy",
        "validation:accuracy",
        "val_acc",
        "eval/accuracy",
        "top5_accuracy",
        "top_5_accuracy",
        "top-5-accuracy",
        "Top-5 accuracy",
        "val_top_1_acc",
        "top_k_accuracy",
        "error_rate",
        "top-5 error rate",
    ],
)
def test_shares_are_known_by_their_names(metric: str) -> None:
    assert gains.is_share(metric)
    assert gains.is_share(f"{metric}@country=DE")


@pytest.mark.parametrize(
    "metric",
    [
        "auc",
        "validation:auc",
        "f1",
        "rmse",
        "loss",
        "balanced_accuracy",
        "logloss",
        "error",
        "validation:error",
        "top5",
        "topaccuracy",
    ],
)
def test_a_sample_size_says_nothing_about_other_metrics(metric: str) -> None:
    with pytest.raises(InputError, match="a sample size tells nothing about the noise of"):
        gains.of_shares(100, metric, of("0.6", "0.5"))
    assert gains.of_readings(Reading(D("0.6"), sample_size=100), Reading(D("0.5")), metric, of("0.6", "0.5")) is None


@pytest.mark.parametrize(("candidate", "baseline"), [("1", "0"), ("0", "1")])
def test_shares_go_from_0_to_1_and_are_never_without_noise_where_they_differ(candidate: str, baseline: str) -> None:
    assert gains.of_shares(50, "accuracy", of(candidate, baseline)).standard_error == D("0.1")
    assert gains.of_shares(50, "accuracy", of(candidate, candidate)).standard_error == 0, "and no gain either"
    for wrong in (of("1.001", "0.5"), of("0.5", "-0.001"), of("91.4", "91.2")):
        with pytest.raises(InputError, match="expected shares from 0 to 1 with a sample size"):
            gains.of_shares(30, "accuracy", wrong)


@pytest.mark.parametrize("size", [29, 1, 0])
def test_fewer_than_thirty_examples_are_no_sample(size: int) -> None:
    assert gains.of_shares(30, "accuracy", of("0.6", "0.5")).standard_error
    with pytest.raises(InputError, match=f"the sample size is {size}, expected at least 30"):
        gains.of_shares(size, "accuracy", of("0.6", "0.5"))


def test_the_errors_of_both_readings_add_up_as_variances() -> None:
    noise = gains.of_readings(Reading(D(2), D("0.3")), Reading(D(1), D("0.4")), "rmse", of("2", "1"))
    assert noise is not None
    assert noise.standard_error == D("0.5")
    assert gains.of_readings(Reading(D(2), D("0.3")), Reading(D(1)), "rmse", of("2", "1")) is None


def test_of_two_sample_sizes_the_smaller_counts() -> None:
    found = of("0.6", "0.4")
    noise = gains.of_readings(Reading(D("0.6"), None, 400), Reading(D("0.4"), None, 200), "accuracy", found)
    assert noise is not None
    assert noise.standard_error == D("0.05")


def test_the_least_gain_beyond_chance_is_solved_for() -> None:
    found = of("0.914", "0.912")
    assert gains.least_beyond_chance(found, D(2)) == 0
    given = Gain(found.amount, ABSOLUTE, found.candidate, found.baseline, UP, gains.given(D("0.0006"), found))
    assert gains.least_beyond_chance(given, D(2)) == D("0.0012")


@pytest.mark.parametrize("kind", GainKind)
@pytest.mark.parametrize(("baseline", "direction"), [("0.5", UP), ("0.912", UP), ("0.088", DOWN), ("0.6", DOWN)])
def test_the_least_gain_of_shares_is_so_many_of_its_own_standard_errors(
    baseline: str, direction: Direction, kind: GainKind
) -> None:
    found = of("0.6", baseline, direction, kind)
    noisy = Gain(found.amount, kind, found.candidate, found.baseline, direction, gains.of_shares(500, "acc", found))
    least = gains.least_beyond_chance(noisy, D(2))
    there = gains.gain(found.metric_at(least), D(baseline), direction, kind)
    errors = there.amount / gains.of_shares(500, "acc", there).standard_error
    assert abs(errors - 2) < D("1e-20")
