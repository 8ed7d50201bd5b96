"""Questions whether to train: what counts as a skip, in which mode it is answered so, and what the next one reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.core.modes import Mode
from costwatch.core.retrain_questions import (
    Asked,
    Question,
    answered,
    served_errors,
    since_training,
    skips_in_a_row,
    told_now,
)
from costwatch.core.retraining import Advice, Rule, Verdict
from tests.support.builders import ACCOUNT, NOW

WEEK = timedelta(days=7)
SKIP = Advice(
    verdict=Verdict.SKIP,
    reason="Not worth it.",
    rule=Rule.NOT_WORTH,
    expected_gain=Decimal("0.001"),
    expected_worth_usd=Decimal(400),
    expected_cost_usd=Decimal(3200),
    score=Decimal("0.11"),
    skipped_in_a_row=0,
    most_skips=4,
    drift=None,
)
TRAIN = replace(SKIP, verdict=Verdict.TRAIN, reason="It drifts.", rule=Rule.DRIFT)


def ask(
    advice: Advice = SKIP,
    *,
    before: list[Question] | None = None,
    mode: Mode = Mode.ENFORCE,
    later: timedelta = WEEK * 0,
) -> Question:
    earlier = before or []
    advice = replace(advice, skipped_in_a_row=skips_in_a_row(earlier))
    return answered(ACCOUNT, Asked("churn"), advice, earlier, mode=mode, every=WEEK, now=NOW + later)


def test_in_enforce_a_skip_is_answered_and_counted() -> None:
    question = ask()
    assert (question.trains, question.counted, question.skipped_in_a_row) == (False, True, 1)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE, Mode.WARN])
def test_outside_of_enforce_it_trains_and_says_what_would_have_been(mode: Mode) -> None:
    question = ask(mode=mode)
    assert (question.trains, question.counted, question.advice) == (True, False, Verdict.SKIP)
    assert (
        question.reason == f"The guard is in {mode.value}, so it trains. In enforce it would be skipped: Not worth it."
    )


def test_an_answer_to_train_is_no_skip_and_no_training_either() -> None:
    question = ask(TRAIN, before=[ask()], later=WEEK)
    assert (question.trains, question.counted, question.skipped_in_a_row) == (True, False, 1)


def test_a_question_half_a_period_after_a_skip_counts_again() -> None:
    assert ask(before=[ask()], later=WEEK / 2).counted


def test_one_asked_a_second_before_that_is_of_the_same_period() -> None:
    question = ask(before=[ask()], later=WEEK / 2 - timedelta(seconds=1))
    assert (question.trains, question.counted, question.skipped_in_a_row) == (False, False, 1)


def test_whoever_asks_every_hour_of_a_period_has_skipped_once_or_twice_and_not_168_times() -> None:
    asked: list[Question] = []
    for hour in range(7 * 24):
        asked.append(ask(before=asked, later=timedelta(hours=hour)))
    assert skips_in_a_row(asked) == 2


def test_skips_before_the_last_training_are_forgotten_and_one_at_its_very_moment_too() -> None:
    asked = [ask(), ask(before=[ask()], later=WEEK)]
    assert since_training(asked, NOW) == asked[1:]
    assert since_training(asked, NOW - timedelta(seconds=1)) == asked
    assert since_training(asked, NOW + WEEK) == []


def test_skips_before_an_answer_to_train_are_counted_until_something_is_trained() -> None:
    asked = [ask(), ask(TRAIN, later=WEEK), ask(later=2 * WEEK)]
    assert since_training(asked, None) == asked
    assert since_training(asked, NOW + WEEK) == asked[2:]


def test_never_trained_and_never_told_to_all_count() -> None:
    assert since_training([ask()], None) == [ask()]


def test_what_the_model_showed_is_read_from_the_questions_that_told_it() -> None:
    quiet = ask()
    told = replace(quiet, asked=Asked("churn", served_error=Decimal("0.1"), reference_error=Decimal("0.2")))
    (shown,) = served_errors([quiet, told])
    assert (shown.at, shown.error, shown.reference) == (NOW, Decimal("0.1"), Decimal("0.2"))
    assert told_now(quiet.asked, NOW) == []
    assert told_now(told.asked, NOW) == [shown]
