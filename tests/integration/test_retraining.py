"""Whether to train, asked of the ledger: what it knows of past trainings, and what it was asked before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.adapters.ledger import DEPLOYED, Ledger
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.adapters.ledger_retraining import RetrainQuestions
from costwatch.adapters.table import Put
from costwatch.core import judgement_steps
from costwatch.core.judgements import Judgement, State
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Policy
from costwatch.core.retrain_questions import Asked, Question
from costwatch.core.run_cost import Outcome, Owners, RunCost
from costwatch.errors import InputError, TransientAwsError
from costwatch.handlers.retrain import document
from costwatch.procedures.retraining import Adviser, answer, outlook, trainings
from tests.support import policies
from tests.support.builders import ACCOUNT, REGION
from tests.support.judged import NOW, judgement, verdict
from tests.support.ledger_steps import STAMP
from tests.support.memory_table import MemoryTable

WEEK = timedelta(days=7)
CHURN: dict[str, Any] = {
    "name": "churn",
    "group": "churn",
    "metric": "auc",
    "direction": "maximize",
    "gain": "absolute",
    "worth": {"usd": "4000", "per": "0.01", "over_seconds": 30 * 86_400},
    "min_score": "0.5",
    "standard_errors": "2",
    "guardrails": [],
    "evaluation_channel": "",
    "retrain": {"every_seconds": 7 * 86_400, "most_skips": 3, "budget_share": None},
}


class Office:
    """A ledger, a clock, and whoever asks."""

    def __init__(self, mode: str = "enforce") -> None:
        self.now: datetime = NOW + WEEK
        self.table = MemoryTable()
        self.ledger = Ledger(self.table, stamp=STAMP, origin=DEPLOYED)
        self.judgements = Judgements(self.ledger)
        self.questions = RetrainQuestions(self.ledger)
        self.policy: Policy = policies.policy(
            res={"mode": mode, "when_too_dear": "ask", "auto_approve": False, "approvers": [], "models": [CHURN]}
        )
        self.adviser = Adviser(self.policy, ACCOUNT, self.judgements, self.questions, lambda: self.now, lambda *_: None)

    def judged(self, **changes: Any) -> Judgement:
        """A candidate that was judged, and serves since."""
        found = judgement(**{"state": State.JUDGED, "approved_at": NOW, **changes})
        assert self.judgements.save(judgement_steps.judged(None, found, found.judged_at, auto_approve=False))
        return found

    def trained_twice(self) -> None:
        """Four weeks apart; the younger gained 0.002 and serves."""
        self.judged(package_version=40, created_at=NOW - 4 * WEEK, judged_at=NOW - 4 * WEEK, approved_at=NOW - 4 * WEEK)
        self.judged()

    def ask(self, **asked: Any) -> Question:
        return answer(self.adviser, Asked("churn", **asked))


@pytest.fixture
def office() -> Office:
    made = Office()
    made.trained_twice()
    return made


def cost(name: str, at: datetime, usd: str | None = "900", outcome: Outcome = Outcome.FAILED) -> RunCost:
    return RunCost(
        run_id=RunId(ACCOUNT, REGION, RunKind.TRAINING, name),
        name=name,
        started_at=at - timedelta(hours=4),
        ended_at=at,
        outcome=outcome,
        owners=Owners("maria@example.com", "risk", "churn", "churn"),
        family="churn",
        capacity=(("ml.p4d.24xlarge", 1),),
        actual_usd=Decimal(usd) if usd is not None else None,
        basis="billable seconds",
        price_note="",
        gpu_hours=None,
    )


def test_a_model_that_was_never_trained_is_trained() -> None:
    question = Office().ask()
    assert (question.trains, question.rule) == (True, "never_trained")


def test_a_young_model_with_small_gains_is_skipped_and_the_question_is_kept(office: Office) -> None:
    question = office.ask()
    assert (question.trains, question.skipped_in_a_row) == (False, 1)
    assert question.expected_cost_usd == Decimal(3200)
    assert office.questions.of_model(ACCOUNT, "churn", NOW) == [question]


def test_it_is_skipped_as_often_as_is_allowed_and_then_trained(office: Office) -> None:
    answers: list[bool] = []
    for _week in range(8):
        # Far too dear, so nothing but the bound asks for a training.
        answers.append(office.ask(cost_usd=Decimal(1_000_000)).trains)
        office.now += WEEK
    assert answers[:4] == [False, False, False, True]
    assert answers[4:] == [False, False, False, True], "an answer to train begins anew"


def test_the_same_id_is_answered_as_it_was_whatever_has_changed_since(office: Office) -> None:
    first = office.ask(id="build-7")
    office.now += timedelta(hours=1)
    assert office.ask(id="build-7", served_error=Decimal(5)) == first


def test_a_served_error_far_above_what_is_normal_asks_for_a_training(office: Office) -> None:
    for _week in range(3):
        assert not office.ask(served_error=Decimal("0.1")).trains
        office.now += timedelta(days=2)
    question = office.ask(served_error=Decimal("0.4"))
    assert (question.trains, question.rule) == (True, "drift")


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_outside_of_enforce_it_is_trained_and_told_what_would_have_been(mode: str) -> None:
    office = Office(mode)
    office.trained_twice()
    question = office.ask()
    assert (question.trains, question.counted) == (True, False)
    body = document(question)
    assert (body["answer"], body["train"], body["advice"], body["mode"]) == ("train", True, "skip", mode)


def test_a_model_that_is_not_configured_is_named_beside_those_that_are(office: Office) -> None:
    with pytest.raises(InputError, match=r"model is 'fraud'; expected one of those under res.models: churn"):
        answer(office.adviser, Asked("fraud"))


def test_the_answer_is_flat_and_of_what_a_pipelines_lambda_step_takes(office: Office) -> None:
    body = document(office.ask())
    assert all(isinstance(value, str | int | bool) for value in body.values())
    assert body["expected_cost_usd"] == "3200.00"
    assert body["expected_worth_usd"]


def test_whoever_loses_the_moment_to_another_question_asks_again_and_is_answered(office: Office) -> None:
    taken = office.ask()
    assert taken.at == office.now
    again = office.ask()
    assert again.at == office.now + timedelta(milliseconds=1)


def test_a_ledger_that_is_always_in_the_way_is_an_error_and_never_a_skip(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetrainQuestions, "keep", lambda self, question: False)
    with pytest.raises(TransientAwsError, match="ask again"):
        office.ask()


def test_a_row_that_cannot_be_read_costs_no_answer(office: Office) -> None:
    for place, row in list(office.table.items.items()):
        if row.get("package_arn"):
            office.table.put(Put({**office.table.items[place], "mode": "loud"}))
    assert office.ask().rule == "never_trained"


# --- what counts as a training --------------------------------------------------------------------------------


def test_a_candidate_is_a_training_with_what_it_gained_and_a_failed_run_one_without() -> None:
    judged = judgement(approved_at=NOW, runs=(f"{ACCOUNT}/{REGION}/training/churn-41",))
    found = trainings([judged], [cost("churn-41", NOW), cost("churn-40", NOW)], NOW)
    assert [(each.cost_usd, each.gain, each.promoted) for each in found] == [
        (Decimal(900), None, False),
        (Decimal(3200), Decimal("0.002"), True),
    ]


def test_what_a_run_cost_and_nobody_knows_is_left_out_and_does_not_count_as_free() -> None:
    unknown = judgement(verdict=verdict(usd=None), runs=())
    assert trainings([unknown], [cost("churn-40", NOW, usd=None)], NOW) == []


def test_what_is_yet_to_come_is_left_out() -> None:
    later = replace(judgement(), created_at=NOW + WEEK)
    assert trainings([later], [cost("churn-42", NOW + WEEK)], NOW) == []


# --- what a card says of the next one ---------------------------------------------------------------------------


def test_a_card_says_when_another_training_like_it_would_be_skipped(office: Office) -> None:
    dear = judgement(package_version=42, created_at=office.now)
    rules = office.policy.res.models[0]
    assert outlook(office.adviser, dear, rules) == "skip another like it"
    assert office.questions.of_model(ACCOUNT, "churn", NOW) == [], "nobody asked"


def test_and_says_nothing_when_it_would_not(office: Office) -> None:
    cheap = judgement(package_version=42, created_at=office.now, verdict=verdict(usd="10"))
    assert outlook(office.adviser, cheap, office.policy.res.models[0]) == ""


def test_what_cannot_be_reckoned_with_costs_a_card_its_advice_and_nothing_else(office: Office) -> None:
    below_zero = judgement(package_version=42, created_at=office.now, verdict=verdict(usd="-0.01"))
    assert outlook(office.adviser, below_zero, office.policy.res.models[0]) == ""
