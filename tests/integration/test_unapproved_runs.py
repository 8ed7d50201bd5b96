"""Runs that no gate stands in front of: asked about, warned, and stopped only where nobody said yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from costwatch.core import grants
from costwatch.core.approvals import State
from costwatch.core.consent import Word
from costwatch.core.policy import Mode
from costwatch.errors import RefusedError
from costwatch.procedures import approvals
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR, MINUTE, SECOND
from tests.support.money_town import JOBS, MARIA, P4D, USED_UP, MoneyTown
from tests.support.prices import NoPrices
from tests.support.town import destroyed, paused

TWELVE_HOURS = P4D * 12
"""What a p4d costs by its time limit: the forecast without past runs."""


# --- who is asked about ---------------------------------------------------------------------------------------


def test_a_run_that_is_expected_to_cost_more_is_asked_about_when_it_is_first_seen_and_once() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.at(5 * MINUTE)
    question = of.question()
    assert (question.asked.name, question.asked.judged_usd) == (trainer.id, TWELVE_HOURS)
    assert [text for text in of.cards() if text.startswith("Approval needed")] == of.cards()
    assert of.timeline(trainer).count("approval asked") == 1


@pytest.mark.parametrize(("above", "asks"), [(TWELVE_HOURS, 0), (TWELVE_HOURS - Decimal("0.01"), 1)])
def test_exactly_at_the_threshold_nobody_is_asked_and_a_cent_above_somebody_is(above: Decimal, asks: int) -> None:
    of = MoneyTown(above_usd=str(above))
    of.launch()
    of.at(SECOND)
    assert len(of.questions()) == asks


@pytest.mark.parametrize(("age", "asks"), [(6 * HOUR - SECOND, 0), (6 * HOUR, 1)])
def test_when_half_of_the_threshold_is_spent_somebody_is_asked_whatever_was_expected(age: timedelta, asks: int) -> None:
    of = MoneyTown(above_usd=str(TWELVE_HOURS))
    of.launch()
    of.sweep()
    of.at(age)
    assert len(of.questions()) == asks


def test_a_cheap_run_is_never_asked_about() -> None:
    of = MoneyTown()
    trainer = of.launch(instance_type="g5.xlarge")
    of.through(11 * HOUR)
    assert of.questions() == []
    assert of.record(trainer).consent is None


def test_an_unknown_price_is_asked_about_and_stops_nothing_whatever_the_answer() -> None:
    of = MoneyTown()
    trainer = of.launch(instance_type="p9.48xlarge")
    of.sweep()
    assert of.questions() == []
    of.at(5 * MINUTE)
    assert of.question().asked.judged_usd is None
    of.says(yes=False)
    of.through(11 * HOUR - MINUTE)
    assert not of.stopped()
    assert of.record(trainer).notice is None


def test_what_no_table_takes_for_a_job_is_asked_about_and_costs_the_others_neither_question_nor_warning() -> None:
    of = MoneyTown()
    odd, trainer = of.launch(instance_type="ml.p4d.24xlarge"), of.launch(age=8 * HOUR)
    of.sweep()
    of.at(5 * MINUTE)
    (asked,) = [each.asked for each in of.questions() if each.asked.name == odd.id]
    assert asked.judged_usd is None
    assert "is no type of EC2" in " ".join(asked.notes)
    of.at(10 * MINUTE)
    notice = of.record(trainer).notice
    assert notice is not None
    assert notice.accepted_at is not None


@pytest.mark.parametrize("instance_type", ["p4d.24xlarge", "p9.48xlarge"])
def test_capacity_that_is_prepaid_is_not_asked_about_though_nobody_knows_its_price(instance_type: str) -> None:
    of = MoneyTown(changes={"selectors": [policies.selector(purchase="capacity_block")]})
    of.launch(lifecycle="capacity_block", instance_type=instance_type)
    of.through(2 * HOUR)
    assert of.questions() == []


@pytest.mark.parametrize(
    "tags", [{"costwatch:exempt": "the audit needs it"}, {"Environment": "prod"}, {"costwatch:never": "1"}]
)
def test_what_is_exempt_or_protected_is_not_asked_about(tags: dict[str, str]) -> None:
    of = MoneyTown(changes={"protect": [{"tags": {"Environment": ["prod"]}, "asg": None}]})
    of.launch(tags={**JOBS, **tags})
    of.through(6 * HOUR)
    assert of.questions() == []
    assert not of.stopped()


def test_while_a_pause_lasts_nobody_is_asked() -> None:
    of = MoneyTown()
    of.launch()
    paused(of.town, HOUR)
    of.sweep()
    assert of.questions() == []
    of.at(HOUR)
    assert len(of.questions()) == 1


def test_with_the_gate_off_nobody_is_asked_and_nothing_is_noted() -> None:
    of = MoneyTown(mode="off")
    trainer = of.launch()
    of.through(6 * HOUR)
    assert of.questions() == []
    assert of.record(trainer).consent is None


def test_a_new_start_of_a_run_is_another_question() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    first = of.question().id
    of.says(yes=True)
    of.town.clock.now = of.start + HOUR
    of.town.world.restart(trainer)
    of.at(HOUR + 5 * MINUTE)
    assert of.question().id != first


def test_a_question_about_a_run_that_is_over_is_withdrawn() -> None:
    of = MoneyTown()
    job = of.train()
    of.sweep()
    asked = of.question()
    of.town.world.end(job)
    of.at(5 * MINUTE)
    found = of.gate.approvals.get(asked.asked.account, asked.id)
    assert found is not None
    assert found.state is State.WITHDRAWN
    assert of.questions() == []


# --- when its money is used up ----------------------------------------------------------------------------------


def test_without_an_answer_it_is_warned_an_hour_before_its_money_is_used_up_and_then_stopped() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.at(USED_UP - HOUR - SECOND)
    assert of.record(trainer).notice is None
    of.at(USED_UP - HOUR)
    notice = of.record(trainer).notice
    assert notice is not None
    assert notice.money
    of.at(USED_UP)
    assert not of.stopped()
    of.at(USED_UP + SECOND)
    assert [call[0] for call in destroyed(of.town)] == ["TerminateInstances"]
    assert not trainer.alive


def test_its_cards_say_that_its_money_ends_it_and_not_its_time() -> None:
    of = MoneyTown()
    of.launch()
    of.sweep()
    of.through(USED_UP + 10 * MINUTE)
    said = " ".join(str(card.blocks) for _, _, card in of.town.world.posts)
    assert "What it costs ends it" in said
    assert "What it costs ended it" in said
    assert "$100.00 is all that needs no yes" in said


def test_first_seen_when_its_money_is_used_up_it_is_asked_about_and_warned_before_anything_else() -> None:
    of = MoneyTown()
    of.launch(age=8 * HOUR)
    of.sweep()
    assert len(of.questions()) == 1
    of.at(5 * MINUTE)
    of.at(35 * MINUTE)
    assert not of.stopped()
    of.at(36 * MINUTE)
    assert of.stopped()


def test_a_yes_lifts_it_until_its_time_is_up() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.says(yes=True)
    of.through(11 * HOUR - MINUTE)
    assert not of.stopped()
    assert of.record(trainer).notice is None
    of.through(12 * HOUR + MINUTE)
    assert of.stopped()


@pytest.mark.parametrize(("age", "ends"), [(6 * HOUR, False), (6 * HOUR + SECOND, True)])
def test_a_yes_with_a_cap_ends_it_at_its_start_and_the_cap(age: timedelta, ends: bool) -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.says(yes=True, cap=6 * HOUR)
    of.through(5 * HOUR)
    assert of.record(trainer).notice is not None
    of.at(age)
    assert of.stopped() is ends
    assert "capped at 6 h by Maria Lopez" in str(list(of.town.table.items.values()))


def test_a_no_ends_it_after_a_notice_of_its_own_and_not_before() -> None:
    of = MoneyTown()
    of.launch()
    of.sweep()
    of.town.clock.forward(minutes=1)
    of.says(yes=False)
    of.at(2 * MINUTE)
    of.at(32 * MINUTE)
    assert not of.stopped()
    of.at(32 * MINUTE + SECOND)
    assert of.stopped()


def test_no_answer_in_time_means_no_and_it_runs_until_the_threshold_is_spent() -> None:
    of = MoneyTown(approval={"answer_within_seconds": 3600, "remind_before_seconds": 600})
    trainer = of.launch()
    of.sweep()
    of.at(HOUR)
    consent = of.record(trainer).consent
    assert consent is not None
    assert consent.word is Word.EXPIRED
    of.through(USED_UP)
    assert not of.stopped()
    of.at(USED_UP + SECOND)
    assert of.stopped()


def test_an_answer_between_the_claim_and_the_act_is_heard() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.through(USED_UP)
    asked = of.question()

    def answers(operation: str, _region: str, _ids: tuple[str, ...]) -> None:
        # Read afresh for the last time: the claim is in the ledger.
        record = of.record(trainer)
        if operation == "DescribeInstances" and record.status.value == "stopping" and not heard:
            heard.append(operation)
            of.says(yes=True)

    heard: list[str] = []
    of.town.world.fault = answers
    of.at(USED_UP + SECOND)
    of.town.world.fault = None
    assert heard
    assert not of.stopped()
    of.at(USED_UP + 5 * MINUTE)
    found = of.gate.approvals.get(asked.asked.account, asked.id)
    assert found is not None
    assert not found.open
    consent = of.record(trainer).consent
    assert consent is not None
    assert consent.word is Word.APPROVED
    assert trainer.alive


def test_an_answer_that_comes_while_it_is_being_stopped_is_too_late_and_costs_the_stop_nothing() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.through(USED_UP)
    asked = of.question()
    heard: list[str] = []

    def answers(operation: str, _region: str, _ids: tuple[str, ...]) -> None:
        if operation == "TerminateInstances" and not heard:
            heard.append(operation)
            of.says(yes=True)

    of.town.world.fault = answers
    of.at(USED_UP + SECOND)
    of.town.world.fault = None
    assert heard
    assert not trainer.alive
    assert of.timeline(trainer).count("stop requested") == 1
    of.at(USED_UP + 5 * MINUTE)
    found = of.gate.approvals.get(asked.asked.account, asked.id)
    assert found is not None
    assert found.effect is not None
    assert found.effect.outcome in ("too late: the run was being stopped", "the run is over, so nothing follows")


def test_no_grace_to_finish_makes_up_for_a_yes() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    for number in range(1, 31):
        of.town.clock.now = of.start + number * 10 * MINUTE - 30 * MINUTE
        if of.now < of.start + USED_UP:
            of.town.beat(trainer, seq=number, step=number * 10, total=340)
    of.at(USED_UP - 10 * MINUTE)
    of.at(USED_UP + 21 * MINUTE)
    assert "let finish" not in of.timeline(trainer)
    assert of.stopped()


def test_an_extension_moves_the_time_limit_and_not_the_money() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.at(USED_UP - HOUR)
    before = of.record(trainer)
    limits = policies.limits()
    step = grants.extend(
        before,
        duration=4 * HOUR,
        by="maria",
        owner_total=24 * HOUR,
        hard_cap=timedelta(seconds=limits["hard_cap_seconds"]),
        now=of.now,
    )
    assert of.town.ledger.save(step)
    after = of.record(trainer)
    assert after.deadline == before.deadline == of.start + USED_UP
    assert after.time_limit == of.start + 16 * HOUR
    assert "only a yes moves that" in step.entries[0].reason
    of.at(USED_UP + SECOND)
    assert of.stopped()


def test_a_malformed_tag_leaves_the_hard_cap_as_time_limit_and_says_nothing_of_money() -> None:
    of = MoneyTown()
    of.launch(tags={**JOBS, "costwatch:max-runtime": "soon"})
    of.sweep()
    of.through(USED_UP + MINUTE)
    assert of.stopped()


def test_what_bounds_unapproved_money_is_recorded_term_by_term_and_it_stays_within() -> None:
    of = MoneyTown()
    of.launch()
    of.sweep()
    of.through(USED_UP)
    of.at(USED_UP + 5 * MINUTE)
    (row,) = [row for row in of.town.table.items.values() if row.get("transition") == "stopping"]
    evidence = row["evidence"]
    assert evidence["bound_terms"] == "$100.00 + $21.96/h x (5 min to a sweep + 30 min notice + 2 min to stop)"
    assert Decimal(evidence["unapproved_usd"]) <= Decimal(evidence["bound_usd"]) == Decimal("113.54")
    assert "over_bound_usd" not in evidence


def test_what_was_held_past_the_bound_says_by_how_much_and_why() -> None:
    of = MoneyTown()
    trainer = of.launch(protected=True)
    of.sweep()
    of.through(8 * HOUR)
    trainer.protected = False
    of.through(10 * HOUR)
    (row,) = [row for row in of.town.table.items.values() if row.get("transition") == "stopping"]
    assert Decimal(row["evidence"]["over_bound_usd"]) > 50
    assert "used up before its notice of" in row["evidence"]["over_bound_why"]


def test_one_sweep_without_a_price_does_not_end_the_money_limit_of_a_run_of_several() -> None:
    of = MoneyTown()
    trainers = [of.launch(tags={**JOBS, "costwatch:run": "big"}) for _ in range(2)]
    of.sweep()
    of.town.clock.now = of.start + HOUR
    assert sweep(replace(of.town.watchdog(), prices=NoPrices())).failures == []
    of.through(USED_UP / 2, every=5 * MINUTE)
    assert not of.stopped()
    of.at(USED_UP / 2 + MINUTE)
    assert not any(trainer.alive for trainer in trainers)


# --- what holds a stop holds this one ---------------------------------------------------------------------------


def test_what_is_protected_against_termination_is_held() -> None:
    of = MoneyTown()
    trainer = of.launch(protected=True)
    of.sweep()
    of.through(USED_UP + HOUR)
    assert trainer.alive
    assert of.record(trainer).hold is not None


def test_an_exemption_that_comes_later_holds_it() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.at(USED_UP - HOUR)
    trainer.tags["costwatch:exempt"] = "the audit needs it"
    of.at(USED_UP + HOUR)
    assert trainer.alive


def test_the_caps_hold_what_is_over_them() -> None:
    of = MoneyTown(changes={"blast_cap": {"runs": 1, "share": "1", "per_day": 20}})
    trainers = [of.launch() for _ in range(2)]
    of.sweep()
    of.through(USED_UP + MINUTE)
    assert [trainer.alive for trainer in trainers].count(True) == 1


def test_a_pause_holds_it_and_after_it_comes_a_notice_of_its_own() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.at(USED_UP - HOUR)
    paused(of.town, 2 * HOUR)
    of.through(USED_UP + HOUR)
    assert trainer.alive
    of.at(USED_UP + HOUR + 31 * MINUTE)
    assert not trainer.alive


@pytest.mark.parametrize("selector", ["observe", "warn"])
def test_a_selector_that_does_not_enforce_stops_nothing_for_its_money(selector: str) -> None:
    of = MoneyTown(selector=selector)
    of.launch()
    of.sweep()
    of.through(9 * HOUR)
    assert not of.stopped()


# --- the other modes --------------------------------------------------------------------------------------------


def test_a_gate_that_warns_asks_and_tells_and_stops_nothing() -> None:
    of = MoneyTown(mode="warn")
    trainer = of.launch()
    of.sweep()
    assert len(of.questions()) == 1
    of.through(11 * HOUR - MINUTE)
    assert not of.stopped()
    assert of.record(trainer).notice is None
    assert of.timeline(trainer).count("money nearly used up") == 1


def test_in_observe_the_ledger_says_once_what_would_have_been_asked_and_stopped_and_people_hear_the_summary() -> None:
    of = MoneyTown(mode="observe", selector="observe")
    trainer = of.launch()
    of.sweep()
    of.through(10 * HOUR)
    told = of.timeline(trainer)
    assert told.count("would have held") == 1
    assert told.count("would have been stopped for its money") == 1
    assert of.questions() == []
    (summary,) = of.cards()
    assert summary.endswith("1 would have been asked about, $21.96 an hour")
    assert not of.stopped()


def test_in_observe_the_days_one_summary_names_who_would_have_been_asked_about() -> None:
    of = MoneyTown(mode="observe")
    trainer = of.launch()
    of.sweep()
    of.at(5 * MINUTE)
    of.at(USED_UP + 5 * MINUTE)
    of.at(USED_UP + 10 * MINUTE)
    said = [str(card.blocks) for _, _, card in of.town.world.posts]
    assert len(said) == 1
    assert f"{trainer.id}: somebody would have been asked" in said[0]


def test_once_the_gate_is_off_the_summary_says_nothing_of_it() -> None:
    of = MoneyTown(mode="observe", selector="observe")
    of.town.clock.now = of.start = of.start - 3 * HOUR  # before the hour of the summary
    of.launch()
    of.sweep()
    of.town.policy = MoneyTown(mode="off", selector="observe").town.policy
    of.at(4 * HOUR)
    assert of.cards() == []


def test_in_observe_it_would_have_been_stopped_when_the_threshold_is_spent_and_not_before() -> None:
    of = MoneyTown(mode="observe")
    trainer = of.launch()
    of.sweep()
    of.at(USED_UP)
    assert "would have been stopped for its money" not in of.timeline(trainer)
    of.at(USED_UP + SECOND)
    assert "would have been stopped for its money" in of.timeline(trainer)


def test_what_was_only_observed_is_asked_about_when_the_gate_is_switched_to_enforce() -> None:
    of = MoneyTown(mode="observe")
    trainer = of.launch(age=8 * HOUR)
    of.sweep()
    of.through(35 * MINUTE)
    of.town.policy = MoneyTown().town.policy
    of.at(40 * MINUTE)
    assert len(of.questions()) == 1
    assert trainer.alive
    of.at(45 * MINUTE)
    of.at(70 * MINUTE)
    assert trainer.alive
    of.at(80 * MINUTE)
    assert not trainer.alive


# --- 80% --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("short", "told"), [(SECOND, 0), (timedelta(0), 1)])
def test_at_four_fifths_of_the_threshold_its_owner_is_told_and_not_a_second_before(short: timedelta, told: int) -> None:
    of = MoneyTown(above_usd=str(P4D * 10))  # 80% at 8 h, warned of at 9 h
    trainer = of.launch()
    of.sweep()
    of.at(8 * HOUR - short)
    assert of.timeline(trainer).count("money nearly used up") == told
    assert len([text for text in of.cards() if "nobody has said yes" in text]) == told


def test_it_is_told_once_and_not_to_whom_a_yes_was_given() -> None:
    of = MoneyTown(above_usd=str(P4D * 10))
    silent, approved = of.launch(), of.launch()
    of.sweep()
    first = next(each for each in of.questions() if each.asked.name == approved.id)
    approvals.answer(of.gate, first.asked.account, first.id, MARIA, yes=True)
    of.through(9 * HOUR - MINUTE)
    assert of.timeline(silent).count("money nearly used up") == 1
    assert "money nearly used up" not in of.timeline(approved)


# --- people -----------------------------------------------------------------------------------------------------


def test_its_owner_may_not_say_yes_to_a_run_of_their_own() -> None:
    of = MoneyTown()
    of.town.world.slack_users["maria@example.com"] = MARIA.principal
    of.launch()
    of.sweep()
    question = of.question()
    with pytest.raises(RefusedError, match="not proven"):
        approvals.answer(of.gate, question.asked.account, question.id, MARIA, yes=True, owner_user=MARIA.principal)


def test_the_modes_of_the_gate_that_people_hear_are_two() -> None:
    asked: dict[str, Any] = {}
    for mode in Mode:
        of = MoneyTown(mode=mode.value)
        of.launch()
        of.sweep()
        asked[mode.value] = len(of.questions())
    assert asked == {"off": 0, "observe": 0, "warn": 1, "enforce": 1}
