"""What a report's tiles and notes say, and where its words may be broken."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core.estimator import Confidence
from costwatch.core.forecast import Forecast
from costwatch.core.graduating import Case, Truth
from costwatch.core.run_cost import RunCost
from costwatch.reporting import money, widths
from costwatch.reporting.page import LONGEST_WORD_EMS, breakable
from costwatch.reporting.parts import Section
from tests.unit.test_report_series import UNTIL, cost, facts


def forecast(*runs: tuple[str, str]) -> Section:
    """(expected, actual) of each; its p90 is twice what is expected, and not known of what is expected for $7."""
    return money.forecast(facts(*(forecast_cost(*run) for run in runs)))


def forecast_cost(expected: str, actual: str) -> RunCost:
    made = Forecast(
        made_at=UNTIL,
        family="",
        expected_usd=Decimal(expected),
        p90_usd=2 * Decimal(expected) if expected != "7" else None,
        worst_case_usd=None,
        confidence=Confidence.PREPAID,
        price_as_of=None,
        runtime=None,
        basis="",
    )
    return replace(cost(actual, UNTIL), forecast=made)


@pytest.mark.parametrize(
    ("actual", "figure", "figure_of"),
    [
        ("50", "50% less", "than forecast: 1 run"),
        ("99.4", "1% less", "than forecast: 1 run"),
        ("99.6", "as forecast", "is what 1 run cost"),
        ("100", "as forecast", "is what 1 run cost"),
        ("100.4", "as forecast", "is what 1 run cost"),
        ("100.6", "1% more", "than forecast: 1 run"),
        ("2345", "2,245% more", "than forecast: 1 run"),
    ],
)
def test_the_tile_about_forecasts_says_in_words_what_its_percent_are(actual: str, figure: str, figure_of: str) -> None:
    section = forecast(("100", actual))
    assert (section.figure, section.figure_of) == (figure, figure_of)


def test_runs_up_to_their_p90_are_counted_out_of_those_that_have_one() -> None:
    assert "2 of 3 cost no more than their p90" in forecast(("1", "2"), ("1", "2.01"), ("1", "1"), ("7", "1")).note


def test_without_a_run_nothing_is_counted_within_anything() -> None:
    section = forecast()
    assert "p90" not in section.note
    assert (section.figure, section.figure_of) == ("-", "no run has a forecast and an actual cost")


def case(truth: Truth, usd: str | None) -> Case:
    return Case(UNTIL - timedelta(hours=1), "run", "run", "trainers", truth, Decimal(usd) if usd else None, "")


@pytest.mark.parametrize(
    ("cases", "figure", "figure_of"),
    [
        ([], "-", "nothing would have been stopped"),
        ([(Truth.RAN_ON, "30"), (Truth.FINISHED, "10")], "$20.00", "saved on balance: 2 runs"),
        ([(Truth.RAN_ON, "10"), (Truth.FINISHED, "30")], "$20.00", "lost on balance: 2 runs"),
        ([(Truth.STILL_RUNS, "27.42")], "-", "1 run not over: $27.42 so far"),
        ([(Truth.STILL_RUNS, None)], "-", "1 run not over"),
        (
            [(Truth.RAN_ON, "5"), (Truth.STILL_RUNS, "7")],
            "$5.00",
            "saved on balance: 1 run; 1 run not over: $7.00 so far",
        ),
        ([(Truth.RAN_ON, None), (Truth.STOOD_DOWN, None)], "-", "1 without a known price; 1 not due any more"),
    ],
)
def test_the_tile_about_enforce_says_what_is_over_and_what_still_runs(
    cases: list[tuple[Truth, str | None]], figure: str, figure_of: str
) -> None:
    section = money.would_haves(replace(facts(), would_haves=tuple(case(*each) for each in cases)))
    assert (section.figure, section.figure_of) == (figure, figure_of)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("every ordinary word", ["every ordinary word"]),
        ("x" * 20, ["x" * 20]),
        ("x" * 21, ["x" * 20, "x"]),
        ("M" * 12, ["M" * 12]),
        ("M" * 13, ["M" * 12, "M"]),
        ("arn:aws:iam::111122223333:user/maria", ["arn:", "aws:", "iam::", "111122223333:", "user/", "maria"]),
        ("see https://x.example/" + "y" * 21, ["see https://", "x.", "example/", "y" * 20, "y"]),
    ],
)
def test_only_a_word_longer_than_any_of_ours_may_be_broken_at_its_punctuation_first(
    text: str, pieces: list[str]
) -> None:
    assert breakable(text).split("<wbr>") == pieces


def test_what_may_be_broken_is_escaped_and_printable_all_the_same() -> None:
    assert breakable("<b>\x07" + "&" * 30) == "&lt;b&gt;?" + "&amp;" * 16 + "<wbr>" + "&amp;" * 14


def test_what_draws_leaves_nothing_in_the_way_of_later_imports() -> None:
    assert "pygal" in sys.modules
    assert [finder for finder in sys.meta_path if not hasattr(finder, "find_spec")] == []


@pytest.mark.parametrize("text", ["", "a" * 18, "m" * 10])
def test_a_label_that_fits_stays(text: str) -> None:
    assert widths.cut(text, 10.8) == text


@pytest.mark.parametrize(
    ("text", "shown"), [("a" * 19, "a" * 16 + "…"), ("m" * 11, "m" * 9 + "…"), ("日" * 11, "日" * 9 + "…")]
)
def test_a_label_that_does_not_is_cut_to_its_room(text: str, shown: str) -> None:
    assert widths.cut(text, 10.8) == shown
    assert widths.ems(shown) <= 10.8 < LONGEST_WORD_EMS
