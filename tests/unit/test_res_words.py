"""Figures as people read them: however they are rounded, they never say the contrary of the verdict."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.core import res_words
from costwatch.core.gains import Gain, Noise
from costwatch.core.res import Cause, Score, Value
from costwatch.core.res_card_figures import would_pass
from costwatch.core.res_policy import Direction, GainKind
from tests.support.judged import judgement, rules, verdict


def found(candidate: str, baseline: str, direction: Direction = Direction.MAXIMIZE, noise: str = "") -> Gain:
    ours, theirs = Decimal(candidate), Decimal(baseline)
    amount = ours - theirs if direction is Direction.MAXIMIZE else theirs - ours
    error = Noise(Decimal(noise), "given") if noise else None
    return Gain(amount, GainKind.ABSOLUTE, ours, theirs, direction, error)


@pytest.mark.parametrize(
    ("value", "needed", "shown"),
    [
        ("0.2", "0.5", ("0.20", "0.50")),
        ("0.4999", "0.5", ("0.49", "0.50")),
        ("0.5", "0.5", ("0.50", "0.50")),
        ("0.494", "0.495", ("0.494", "0.495")),
        ("0.4949", "0.495", ("0.494", "0.495")),
        ("0.000999", "0.001", ("0.00099", "0.001")),
        ("0.001", "0.001", ("0.001", "0.001")),
        ("0", "0.5", ("0.00", "0.50")),
        ("-0.0012", "0.001", ("-0.002", "0.001")),
        ("-0.00012", "0.001", ("-0.00012", "0.001")),
        ("1e-30", "0.5", (f"0.{'0' * 29}10", "0.50")),
    ],
)
def test_a_score_below_what_is_needed_never_looks_like_it(value: str, needed: str, shown: tuple[str, str]) -> None:
    assert res_words.show_scores(Score(Decimal(value), Decimal(needed), False)) == shown


@pytest.mark.parametrize(
    ("gain", "shown"), [("0.00196", "1.9"), ("0.002", "2.0"), ("0.00204", "2.0"), ("-0.001", "-1.0")]
)
def test_standard_errors_are_cut_and_not_rounded(gain: str, shown: str) -> None:
    noise = found(str(Decimal("0.9") + Decimal(gain)), "0.9", noise="0.001")
    assert res_words.show_errors(noise) == f"{shown} standard errors"


@pytest.mark.parametrize(
    ("candidate", "baseline", "shown"),
    [
        ("0.914", "0.912", ("0.912", "0.914")),
        ("0.9140", "0.912", ("0.912", "0.914")),
        ("12", "13", ("13", "12")),
        ("1E+2", "13", ("13", "100")),
        ("0.9140000152587891", "0.9120000004768372", ("0.912000", "0.914000")),
        ("0.91400000012", "0.91400000000", ("0.91400000000", "0.91400000012")),
    ],
)
def test_readings_have_the_digits_that_tell_them_apart(candidate: str, baseline: str, shown: tuple[str, str]) -> None:
    assert res_words.show_readings(found(candidate, baseline)) == shown


@pytest.mark.parametrize(
    ("amount", "kind", "shown"),
    [
        ("0.002", GainKind.ABSOLUTE, "+0.002"),
        ("-0.002", GainKind.ABSOLUTE, "-0.002"),
        ("0.00000000012345", GainKind.ABSOLUTE, "+0.00000000012"),
        ("0", GainKind.ABSOLUTE, "0"),
        ("10", GainKind.ABSOLUTE, "+10"),
        ("0.015", GainKind.RELATIVE, "+1.50%"),
        ("-0.000001", GainKind.RELATIVE, "-0.0001%"),
        ("0", GainKind.RELATIVE, "+0.00%"),
    ],
)
def test_a_gain_is_never_shown_as_nothing(amount: str, kind: GainKind, shown: str) -> None:
    assert res_words.show_gain(Decimal(amount), kind) == shown


@pytest.mark.parametrize(
    ("direction", "bound", "candidate", "shown"),
    [
        (Direction.MAXIMIZE, "0.92", "0.914", "0.920"),
        (Direction.MAXIMIZE, "0.9200000000000000000000000001", "0.914", "0.920"),
        (Direction.MAXIMIZE, "0.9200001", "0.914", "0.921"),
        (Direction.MAXIMIZE, "0.9140000001", "0.914", "0.915"),
        (Direction.MINIMIZE, "0.9200009", "0.93", "0.920"),
        (Direction.MINIMIZE, "0.9199", "0.93", "0.919"),
        (Direction.MAXIMIZE, "12.1", "12", "12.100"),
        (Direction.MAXIMIZE, "0.91399995", "0.9139999", "0.9140000"),
    ],
)
def test_what_would_have_passed_is_rounded_to_what_really_passes(
    direction: Direction, bound: str, candidate: str, shown: str
) -> None:
    assert res_words.show_passing_metric(found(candidate, "0.95", direction), Decimal(bound)) == shown


@pytest.mark.parametrize(
    ("bound", "shown"), [("800", "$800.00"), ("799.999", "$799.99"), ("0.01", "$0.01"), ("0.0099", "")]
)
def test_a_cost_that_would_have_passed_is_rounded_down(bound: str, shown: str) -> None:
    assert res_words.show_passing_usd(Decimal(bound)) == shown


@pytest.mark.parametrize(("usd", "shown"), [("800.01", "$800.01"), ("800.004", "$800.01"), ("3200", "$3,200.00")])
def test_a_cost_just_above_what_would_have_passed_is_not_shown_as_the_same(usd: str, shown: str) -> None:
    dear = verdict(usd=usd)
    assert dear.cause is Cause.TOO_DEAR
    assert res_words.show_cost(dear) == shown


def test_a_cost_just_below_is_shown_as_it_is() -> None:
    earned = verdict(usd="799.999")
    assert earned.cause is Cause.EARNED
    assert res_words.show_cost(earned) == "$800.00"


def test_a_worth_just_below_its_cost_is_not_shown_as_the_same() -> None:
    assert res_words.show_worth(verdict(candidate="0.91999999", usd="3200")) == "$3,199.99"


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (timedelta(days=30), "30 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=36), "36 h"),
        (timedelta(hours=12), "12 h"),
    ],
)
def test_whole_days_are_shown_as_such(duration: timedelta, shown: str) -> None:
    assert res_words.show_period(duration) == shown


@pytest.mark.parametrize(
    ("candidate", "direction", "metric", "told"),
    [
        ("0.914", Direction.MAXIMIZE, "auc", "No AUC would have been enough at this cost; at $800.00 or less it would"),
        ("0.010", Direction.MINIMIZE, "mae", "No MAE would have been enough at this cost; at $800.00 or less it would"),
    ],
)
def test_a_metric_that_is_not_to_be_had_is_not_named(
    candidate: str, direction: Direction, metric: str, told: str
) -> None:
    held = rules(metric=metric, direction=direction)
    baseline = "0.912" if direction is Direction.MAXIMIZE else "0.012"
    dear = verdict(candidate, baseline, "100000", by=held)
    assert told in would_pass(judgement(verdict=dear))


@pytest.mark.parametrize(
    ("candidate", "error", "told"),
    [
        ("0.911", "0.001", "It would have passed at AUC 0.920 or better."),
        ("0.914", "0.02", "It would have passed at AUC 0.952 or better."),
        ("0.914", "0.05", "No AUC would have been enough."),
    ],
)
def test_what_is_rejected_for_its_metric_names_the_metric_and_no_cost(candidate: str, error: str, told: str) -> None:
    assert would_pass(judgement(verdict=verdict(candidate, standard_error=error))) == told


# --- whatever the figures are ----------------------------------------------------------------------------

_METRICS = st.decimals(min_value="0.5", max_value="0.95", places=6)
_GAINS = st.decimals(min_value="0.000001", max_value="0.049", places=6)
_LESS = st.decimals(min_value="0.000001", max_value="0.999999", places=6)
_NEEDED = st.decimals("0.01", "0.99", places=3)


@settings(deadline=None)
@given(baseline=_METRICS, gain=_GAINS, less=_LESS, needed=_NEEDED)
def test_what_the_card_says_would_have_passed_does_pass(
    baseline: Decimal, gain: Decimal, less: Decimal, needed: Decimal
) -> None:
    held = rules(min_score=needed)
    candidate = baseline + gain
    usd = f"{gain * 400_000 * (1 - needed) / needed / less + Decimal('0.000001'):.6f}"
    dear = verdict(str(candidate), str(baseline), usd, by=held, standard_error="0")
    assert dear.value is Value.TOO_DEAR
    told = would_pass(judgement(verdict=dear))
    for metric in re.findall(r"at AUC (\S+) or better", told):
        again = verdict(metric, str(baseline), usd, by=held, standard_error="0")
        assert again.value is Value.PROMOTE, told
    for dollars in re.findall(r"at \$(\S+) or less", told):
        again = verdict(str(candidate), str(baseline), dollars.replace(",", ""), by=held, standard_error="0")
        assert again.value is Value.PROMOTE, told


@settings(deadline=None)
@given(
    baseline=_METRICS,
    gain=st.decimals("-0.049", "0.049", places=6),
    share=st.decimals("0.99999", "1.00001", places=7),
    needed=_NEEDED,
)
def test_the_figures_shown_say_the_same_as_the_verdict(
    baseline: Decimal, gain: Decimal, share: Decimal, needed: Decimal
) -> None:
    usd = max(abs(gain), Decimal("0.000001")) * 400_000 * (1 - needed) / needed * share
    seen = verdict(str(baseline + gain), str(baseline), str(usd), by=rules(min_score=needed), standard_error="0")
    assert seen.score is not None
    assert seen.gain is not None
    reached, asked = map(Decimal, res_words.show_scores(seen.score))
    assert (reached >= asked) is (seen.score.value >= seen.score.needed)
    before, after = map(Decimal, res_words.show_readings(seen.gain))
    assert (after > before) is (seen.gain.amount > 0)
    if seen.value is Value.TOO_DEAR and seen.passes_at_usd is not None:
        assert res_words.show_cost(seen) != res_words.show_passing_usd(seen.passes_at_usd)
