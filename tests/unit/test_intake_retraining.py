"""A question whether to train comes as it is, or from the command line; what is wrong with it is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from costwatch import names
from costwatch.core.retrain_questions import Asked
from costwatch.errors import MalformedEvent
from costwatch.intake import retraining


def test_a_model_is_all_that_is_needed() -> None:
    assert retraining({"model": "churn"}) == Asked("churn")


def test_figures_come_as_numbers_or_as_text_and_keep_their_digits() -> None:
    event = {"model": "churn", "cost_usd": "3200.00", "served_error": 0.1, "reference_error": 1, "id": "b-7"}
    assert retraining(event) == Asked("churn", "", "b-7", Decimal("3200.00"), Decimal("0.1"), Decimal(1))


def test_a_region_may_be_named_and_none_is_an_empty_one() -> None:
    assert retraining({"model": "churn", "region": "eu-west-1"}) == Asked("churn", region="eu-west-1")
    assert retraining({"model": "churn", "region": None}).region == ""


def test_the_command_line_says_who_asks() -> None:
    detail = {"model": "churn", "id": "", "requested_by": "arn:aws:iam::111122223333:user/maria"}
    event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_ADVICE_REQUESTED, "detail": detail}
    assert retraining(event) == Asked("churn", "arn:aws:iam::111122223333:user/maria")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ([], "the event is a list"),
        ({}, "model is missing"),
        ({"model": 7}, "model is missing or no text"),
        ({"model": "m" * 501}, "model has 501 characters"),
        ({"model": "churn", "id": 7}, "id is no text"),
        ({"model": "churn", "region": 1}, "region is no text"),
        ({"model": "churn", "cost_usd": "dear"}, "cost_usd is 'dear', expected a number"),
        ({"model": "churn", "cost_usd": -1}, "cost_usd is -1; expected 0 or more"),
        ({"model": "churn", "served_error": float("nan")}, "served_error is nan, expected a finite number"),
        ({"model": "churn", "served_error": True}, "served_error is bool, expected a number"),
        ({"model": "churn", "error": 0.1}, "error is nothing this function takes; expected cost_usd, id, model"),
    ],
)
def test_what_is_wrong_is_named(event: Any, said: str) -> None:
    with pytest.raises(MalformedEvent) as refused:
        retraining(event)
    assert said in str(refused.value)


def test_an_empty_text_is_a_figure_that_is_not_known() -> None:
    assert retraining({"model": "churn", "cost_usd": "", "served_error": None}) == Asked("churn")
