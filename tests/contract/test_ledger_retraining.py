"""Questions whether to train in the ledger, on both tables: read back to the digit, answered once for each id."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from costwatch.adapters.ledger import Ledger
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.adapters.table import Put
from costwatch.core.modes import Mode
from costwatch.core.retrain_questions import Asked, Question
from costwatch.core.retraining import Verdict
from costwatch.errors import UnreadableRow
from tests.support.builders import ACCOUNT, NOW, REGION

QUESTION = Question(
    account=ACCOUNT,
    asked=Asked(
        "churn",
        "maria",
        "build-7",
        Decimal("3200.00"),
        Decimal("0.1200000000000000000000000000000000000000001"),
        region=REGION,
    ),
    at=NOW,
    mode=Mode.ENFORCE,
    advice=Verdict.SKIP,
    trains=False,
    rule="not_worth",
    reason="Not worth it.",
    most_skips=8,
    skipped_in_a_row=2,
    counted=True,
    expected_gain=Decimal(1) / Decimal(3),
    expected_cost_usd=Decimal(3200),
)


def test_a_question_is_read_back_to_the_digit(ledger: Ledger) -> None:
    questions = RetrainQuestions(ledger)
    assert questions.keep(QUESTION)
    assert questions.of_model(ACCOUNT, REGION, "churn", NOW) == [QUESTION]
    assert questions.of_model(ACCOUNT, REGION, "other", NOW) == []


def test_those_of_before_are_left_out(ledger: Ledger) -> None:
    questions = RetrainQuestions(ledger)
    assert questions.keep(QUESTION)
    assert questions.of_model(ACCOUNT, REGION, "churn", NOW + timedelta(seconds=1)) == []


def test_an_id_is_answered_once(ledger: Ledger) -> None:
    questions = RetrainQuestions(ledger)
    assert questions.keep(QUESTION)
    later = replace(QUESTION, at=NOW + timedelta(minutes=1), trains=True)
    assert not questions.keep(later)
    assert questions.by_id(ACCOUNT, REGION, "churn", "build-7") == QUESTION
    assert questions.by_id(ACCOUNT, REGION, "churn", "build-8") is None
    assert questions.of_model(ACCOUNT, REGION, "churn", NOW) == [QUESTION]


def test_two_questions_of_one_instant_are_two(ledger: Ledger) -> None:
    questions = RetrainQuestions(ledger)
    nameless = replace(QUESTION, asked=Asked("churn", region=REGION))
    assert questions.keep(nameless)
    assert not questions.keep(nameless)  # whoever lost asks again a moment later
    assert questions.keep(replace(nameless, at=NOW + timedelta(milliseconds=1)))


def test_the_same_id_in_another_region_is_another_question(ledger: Ledger) -> None:
    questions = RetrainQuestions(ledger)
    there = replace(QUESTION, asked=replace(QUESTION.asked, region="eu-west-1"), at=NOW + timedelta(milliseconds=1))
    assert questions.keep(QUESTION)
    assert questions.keep(there)
    assert questions.of_model(ACCOUNT, "eu-west-1", "churn", NOW) == [there]
    assert questions.by_id(ACCOUNT, "eu-west-1", "churn", "build-7") == there
    assert {dict(line.entry.evidence)["region"] for line in ledger.since(NOW, NOW)} == {"eu-west-1", REGION}


def test_a_question_has_a_line_among_the_days(ledger: Ledger) -> None:
    assert RetrainQuestions(ledger).keep(QUESTION)
    (line,) = ledger.since(NOW, NOW)
    assert (line.run_id, line.entry.transition.value) == (f"{ACCOUNT}/retraining/churn", "training skipped")
    assert dict(line.entry.evidence)["expected_gain"] == "0.3333"


def test_a_row_that_cannot_be_read_costs_itself_alone(ledger: Ledger) -> None:
    questions = RetrainQuestions(ledger)
    later = replace(QUESTION, at=NOW + timedelta(days=7), asked=Asked("churn", region=REGION))
    assert questions.keep(QUESTION)
    assert questions.keep(later)
    (first, _) = ledger.table.query(f"retrain#{ledger.origin}#{ACCOUNT}#churn")
    ledger.table.put(Put({**first, "mode": "loud"}))
    skipped: list[UnreadableRow] = []
    assert questions.of_model(ACCOUNT, REGION, "churn", NOW, skipped.append) == [later]
    assert len(skipped) == 1
    with pytest.raises(UnreadableRow):
        questions.by_id(ACCOUNT, REGION, "churn", "build-7")
