"""A yes is for so many dollars: what grows after it, or is extended, is asked about again beyond them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from costwatch.core import grants, unapproved
from costwatch.core.approvals import State, Way
from costwatch.core.consent import Word
from costwatch.core.record import RunRecord
from tests.support.builders import HOUR, MINUTE
from tests.support.money_town import APPROVAL_TAG, JOBS, P4D, MoneyTown
from tests.support.town import destroyed, records

GRANTED = P4D * 12
"""What one p4d costs by its time limit."""
AS_A_RUN = {**JOBS, "costwatch:run": "big"}


def approved(of: MoneyTown) -> None:
    """One p4d of the run `big`, and Maria's yes to it."""
    of.launch(tags=AS_A_RUN)
    of.sweep()
    of.says(yes=True)


def big(of: MoneyTown) -> RunRecord:
    return records(of.town)["big"]


def grown(of: MoneyTown) -> None:
    for _ in range(9):
        of.launch(tags=AS_A_RUN)


def test_a_run_that_keeps_to_what_was_approved_is_never_asked_about_again() -> None:
    of = MoneyTown()
    approved(of)
    of.through(12 * HOUR - MINUTE)
    consent = big(of).consent
    assert consent is not None
    assert (consent.word, consent.granted_usd) == (Word.APPROVED, GRANTED)
    assert not of.questions()


def test_one_that_grew_is_asked_about_half_a_threshold_beyond_its_yes_and_stopped_a_whole_one_beyond_it() -> None:
    of = MoneyTown()
    approved(of)
    grown(of)
    of.through(80 * MINUTE, every=5 * MINUTE)
    assert not of.questions()
    of.through(90 * MINUTE, every=5 * MINUTE)
    question = of.question()
    assert question.asked.judged_usd is not None
    assert GRANTED + 50 <= question.asked.judged_usd < GRANTED + 75
    assert not destroyed(of.town)
    of.through(3 * HOUR, every=5 * MINUTE)
    assert destroyed(of.town)


def test_a_second_yes_is_good_for_what_it_says() -> None:
    of = MoneyTown()
    approved(of)
    grown(of)
    of.through(90 * MINUTE, every=5 * MINUTE)
    again = of.says(yes=True)
    assert again.state is State.APPROVED
    of.through(11 * HOUR)
    assert not destroyed(of.town)
    assert not of.questions()
    consent = big(of).consent
    assert consent is not None
    assert consent.granted_usd == again.granted_usd


def test_a_no_to_the_rest_ends_it() -> None:
    of = MoneyTown()
    approved(of)
    grown(of)
    of.through(90 * MINUTE, every=5 * MINUTE)
    of.says(yes=False)
    of.through(150 * MINUTE, every=5 * MINUTE)
    assert destroyed(of.town)


@pytest.mark.parametrize(("hours", "stopped"), [(16, False), (17, True)])
def test_an_extension_is_beyond_what_was_granted(hours: int, stopped: bool) -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.sweep()
    of.says(yes=True)
    record = of.record(trainer)
    extended = grants.extend(
        record, by="maria", duration=10 * HOUR, now=of.now, hard_cap=72 * HOUR, owner_total=24 * HOUR
    )
    assert of.town.watchdog().save(extended)
    of.through(14 * HOUR)
    assert not of.questions()
    of.through(timedelta(hours=14, minutes=30))
    assert of.question().asked.above_usd == 100
    of.through(hours * HOUR)
    assert bool(destroyed(of.town)) is stopped


def test_what_drew_on_a_yes_is_held_to_its_dollars_too() -> None:
    of = MoneyTown()
    granted = of.granted(Way.COMMAND)
    job = of.train(tags={APPROVAL_TAG: granted.id}, declared=24 * HOUR)
    of.sweep()
    consent = of.record(job).consent
    assert consent is not None
    purse = of.gate.approvals.purse(of.record(job).run_id.account, granted.id)
    assert purse is not None
    assert (consent.word, consent.granted_usd) == (Word.DREW, purse.granted_usd)


def test_a_yes_whose_dollars_nobody_knew_is_not_outgrown() -> None:
    of = MoneyTown()
    approved(of)
    record = big(of)
    assert record.consent is not None
    unknown = replace(record, consent=replace(record.consent, granted_usd=None))
    grown(of)
    assert unapproved.cause(unknown, of.town.watchdog().policy.approval, of.now + 100 * HOUR) is None
