"""Who is asked once more about a run, who decides, and what its cards offer once a yes can lift nothing any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from costwatch.core import grants
from costwatch.core.approvals import Approval, State
from costwatch.core.consent import Word
from costwatch.core.record import RunRecord
from costwatch.core.step import Step
from costwatch.errors import RefusedError
from costwatch.procedures import approvals
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, SECOND
from tests.support.fakes import FakeInstance
from tests.support.money_town import JOBS, MARIA, P4D, USED_UP, MoneyTown
from tests.support.town import records

RUN_TAG = "costwatch:run"
AN_HOUR_TO_ANSWER = {"answer_within_seconds": 3600, "remind_before_seconds": 600}


def word(of: MoneyTown, trainer: FakeInstance) -> Word:
    consent = of.record(trainer).consent
    assert consent is not None
    return consent.word


def state(of: MoneyTown, approval: Approval) -> State:
    found = of.gate.approvals.get(ACCOUNT, approval.id)
    assert found is not None
    return found.state


def regrouped_for_a_sweep(of: MoneyTown, trainer: FakeInstance) -> None:
    """Its run tag is set, and gone before the sweep after the next."""
    age = of.now - of.start
    trainer.tags[RUN_TAG] = "big"
    of.at(age + 5 * MINUTE)
    del trainer.tags[RUN_TAG]
    of.at(age + 10 * MINUTE)


# --- a run that was another one for a moment --------------------------------------------------------------------


def test_a_run_that_was_another_one_for_a_sweep_is_asked_about_anew_and_a_yes_lets_it_go_on() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    first = of.question()
    regrouped_for_a_sweep(of, trainer)
    assert state(of, first) is State.WITHDRAWN
    assert of.question().source == first.source
    assert word(of, trainer) is Word.ASKED
    of.says(yes=True)
    of.through(USED_UP + 40 * MINUTE)
    assert trainer.alive


def test_however_often_that_happens_there_is_one_open_question_and_the_run_is_held_to_its_answer() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    asked = [of.question().id]
    for _ in range(3):
        regrouped_for_a_sweep(of, trainer)
        asked.append(of.question().id)
    assert len(set(asked)) == 4
    of.says(yes=False)
    assert word(of, trainer) is Word.DENIED


@pytest.mark.parametrize("yes", [True, False])
def test_an_answer_outlives_such_a_moment_and_nobody_is_asked_again(yes: bool) -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    regrouped_for_a_sweep(of, trainer)
    of.says(yes=yes)
    regrouped_for_a_sweep(of, trainer)
    assert word(of, trainer) is (Word.APPROVED if yes else Word.DENIED)
    assert of.questions() == []


def test_without_an_answer_to_the_new_question_it_is_warned_and_then_stopped() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    regrouped_for_a_sweep(of, trainer)  # what it spent until now was counted as the other run's
    of.through(10 * MINUTE + USED_UP)
    assert of.record(trainer).notice is not None
    assert trainer.alive
    of.at(10 * MINUTE + USED_UP + SECOND)
    assert not trainer.alive


@pytest.mark.parametrize("yes", [True, False])
def test_an_answer_to_the_new_question_is_heard_though_the_record_did_not_hear_of_the_question(yes: bool) -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    regrouped_for_a_sweep(of, trainer)
    step = Step(of.record(trainer), replace(of.record(trainer), consent=None), ())
    assert of.town.ledger.save(step)
    of.says(yes=yes)
    assert word(of, trainer) is (Word.APPROVED if yes else Word.DENIED)


# --- a question that ran out while nothing was stopped for it ---------------------------------------------------


def test_what_nobody_answered_while_the_gate_warned_is_asked_anew_when_it_enforces() -> None:
    of = MoneyTown(mode="warn", approval=AN_HOUR_TO_ANSWER)
    trainer = of.launch()
    of.sweep()
    first = of.question()
    of.through(5 * HOUR)
    assert state(of, first) is State.EXPIRED
    of.town.policy = MoneyTown(approval=AN_HOUR_TO_ANSWER).town.policy
    of.at(5 * HOUR + 5 * MINUTE)
    assert of.question().id != first.id
    assert of.record(trainer).notice is None
    of.at(5 * HOUR + 10 * MINUTE)
    of.at(5 * HOUR + 40 * MINUTE)
    assert trainer.alive
    of.says(yes=True)
    of.through(11 * HOUR - MINUTE)
    assert trainer.alive


def test_without_an_answer_to_that_either_it_is_stopped_and_nobody_is_asked_a_third_time() -> None:
    of = MoneyTown(mode="warn", approval=AN_HOUR_TO_ANSWER)
    trainer = of.launch()
    of.sweep()
    of.through(2 * HOUR)
    of.town.policy = MoneyTown(approval=AN_HOUR_TO_ANSWER).town.policy
    of.through(4 * HOUR)
    assert of.questions() == []
    assert of.timeline(trainer).count("approval asked") == 2
    of.town.policy = MoneyTown(mode="warn", approval=AN_HOUR_TO_ANSWER).town.policy
    of.at(4 * HOUR + 5 * MINUTE)
    assert of.questions() == []
    of.town.policy = MoneyTown(approval=AN_HOUR_TO_ANSWER).town.policy
    of.through(USED_UP)
    of.at(USED_UP + 35 * MINUTE)
    assert not trainer.alive
    assert of.timeline(trainer).count("approval asked") == 2


def test_what_its_owner_heard_while_the_gate_warned_is_said_again_once_it_ends_the_run() -> None:
    of = MoneyTown(mode="warn", approval=AN_HOUR_TO_ANSWER)
    trainer = of.launch()
    of.sweep()
    of.through(4 * HOUR)
    assert of.timeline(trainer).count("money nearly used up") == 1
    of.town.policy = MoneyTown(approval=AN_HOUR_TO_ANSWER).town.policy
    of.at(4 * HOUR + 5 * MINUTE)
    of.at(4 * HOUR + 10 * MINUTE)
    assert of.timeline(trainer).count("money nearly used up") == 2


def test_a_yes_of_before_stays_good_when_what_is_beyond_it_is_asked_about_anew() -> None:
    of = MoneyTown(mode="warn", approval=AN_HOUR_TO_ANSWER)
    tags = {**JOBS, RUN_TAG: "big"}
    of.launch(tags=tags)
    of.sweep()
    first = of.says(yes=True)
    for _ in range(9):
        of.launch(tags=tags)
    of.through(90 * MINUTE, every=5 * MINUTE)
    second = of.question()
    of.through(3 * HOUR)
    assert state(of, second) is State.EXPIRED
    of.town.policy = MoneyTown(approval=AN_HOUR_TO_ANSWER).town.policy
    of.at(3 * HOUR + 5 * MINUTE)
    assert of.question().id not in (first.id, second.id)
    record = records(of.town)["big"]
    assert record.consent is not None
    assert record.consent.granted_usd == first.granted_usd
    assert record.notice is None


# --- what a card offers -----------------------------------------------------------------------------------------


def of_its_money(of: MoneyTown) -> str:
    """The cards that say that its money ends it, or is nearly used up."""
    said = (str(card.blocks) for _, _, card in of.town.world.posts)
    return " ".join(each for each in said if "What it costs ends it" in each or "without a yes." in each)


def test_while_a_yes_is_waited_for_the_cards_say_how_to_give_it() -> None:
    of = MoneyTown()
    of.launch()
    of.sweep()
    of.through(USED_UP - 10 * MINUTE)
    said = of_its_money(of)
    assert said.count(f"costwatch approve {of.question().id}") == 2  # at four fifths, and warned of
    assert "Only a yes moves that" in said


@pytest.mark.parametrize(
    ("answer", "until"),
    [(None, USED_UP - 10 * MINUTE), ({"yes": False}, 5 * MINUTE), ({"yes": True, "cap": 6 * HOUR}, 5.5 * HOUR)],
    ids=["expired", "denied", "capped"],
)
def test_once_a_yes_would_be_refused_they_offer_an_exemption_and_not_a_yes(
    answer: dict[str, Any] | None, until: timedelta
) -> None:
    of = MoneyTown(approval=AN_HOUR_TO_ANSWER)
    trainer = of.launch()
    of.sweep()
    question = of.question()
    if answer is not None:
        of.says(**answer)
    of.through(until)
    assert of.record(trainer).notice is not None
    said = of_its_money(of)
    assert "costwatch approve" not in said
    assert f"costwatch exempt {trainer.id} --for 7d" in said
    assert "Only an exemption moves that" in said
    with pytest.raises(RefusedError):
        approvals.answer(of.gate, ACCOUNT, question.id, MARIA, yes=True)


@pytest.mark.parametrize(("mode", "offers"), [("enforce", True), ("warn", False)])
def test_at_four_fifths_of_the_threshold_a_question_that_expired_is_no_way_on(mode: str, offers: bool) -> None:
    above = str(P4D * 10)  # 80% at 8 h, warned of at 9 h
    of = MoneyTown(mode=mode, approval=AN_HOUR_TO_ANSWER, above_usd=above)
    trainer = of.launch()
    of.sweep()
    of.through(8 * HOUR)
    assert of.timeline(trainer).count("money nearly used up") == 1
    said = of_its_money(of)
    assert "costwatch approve" not in said
    assert (f"Only an exemption lifts it now: `costwatch exempt {trainer.id} --for 7d" in said) is offers


@pytest.mark.parametrize(("denied", "moves"), [(False, "a yes"), (True, "an exemption")])
def test_an_extension_says_what_moves_the_money(denied: bool, moves: str) -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    if denied:
        of.says(yes=False)
    of.at(USED_UP - HOUR)
    assert f"only {moves} moves that" in extended(of.record(trainer), of)


def extended(record: RunRecord, of: MoneyTown) -> str:
    cap = timedelta(seconds=policies.limits()["hard_cap_seconds"])
    step = grants.extend(record, duration=4 * HOUR, by="maria", owner_total=24 * HOUR, hard_cap=cap, now=of.now)
    return step.entries[0].reason


# --- who decides, and about what --------------------------------------------------------------------------------


TIERS = [{"above_usd": "100", "approvers": ["U0TEAM000"]}, {"above_usd": "400", "approvers": ["U0CFO0000"]}]


@pytest.mark.parametrize(
    ("others", "decides", "why"),
    [
        (30, "U0CFO0000", "$659.74 is spent already, above $400.00"),
        (15, "U0TEAM000", "$330.37 is spent already, above $100.00"),
        (3, "U0TEAM000", "$66.88 is spent already, half or more of $100.00"),
    ],
)
def test_what_grew_is_decided_by_those_whose_tier_it_has_reached(others: int, decides: str, why: str) -> None:
    of = MoneyTown(approval={"tiers": TIERS})
    tags = {**JOBS, RUN_TAG: "big"}
    of.launch(tags=tags, instance_type="g5.xlarge")
    of.sweep()
    assert of.questions() == []
    for _ in range(others):
        of.launch(tags=tags)
    of.at(HOUR)
    question = of.question()
    assert question.approvers == (decides,)
    assert why in str(of.town.table.items.values())
    (card,) = [card for _, _, card in of.town.world.posts if card.text.startswith("Approval needed")]
    assert why in str(card.blocks)
    assert "was expected" not in str(card.blocks)


@pytest.mark.parametrize(("age", "decides"), [(18 * HOUR, "U0TEAM000"), (19 * HOUR, "U0CFO0000")])
def test_more_spent_than_was_expected_is_decided_by_those_whose_tier_it_has_reached(
    age: timedelta, decides: str
) -> None:
    of = MoneyTown(approval={"tiers": TIERS})
    of.launch(age=age)  # $263.49 by its time limit, $395.24 and $417.20 spent
    of.sweep()
    assert of.question().approvers == (decides,)
    assert of.question().asked.judged_usd == P4D * int(age / HOUR)


# --- what an event asks about -----------------------------------------------------------------------------------


def exempted(of: MoneyTown, record: RunRecord, until: datetime) -> None:
    step = grants.exempt(record, by="maria", until=until, reason="the audit needs it", now=of.now)
    assert of.town.ledger.save(step)


@pytest.mark.parametrize(("lasts", "asks"), [(10 * 24 * HOUR, 0), (30 * MINUTE, 1)])
def test_the_event_of_a_new_start_asks_nobody_about_what_a_command_exempted(lasts: timedelta, asks: int) -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    exempted(of, of.record(trainer), of.now + lasts)
    of.at(5 * MINUTE)
    trainer.state, trainer.ended_at = "stopped", of.now
    of.at(10 * MINUTE)
    of.at(15 * MINUTE)
    assert of.questions() == []
    of.town.clock.now = of.start + 30 * MINUTE
    of.town.world.restart(trainer)
    of.hint(trainer)
    assert len(of.questions()) == asks
    assert of.record(trainer).run_id.name == trainer.id
