"""The ledger's contract on records: what is saved, read back, changed and ended. The same on DynamoDB and in memory."""

from __future__ import annotations

from dataclasses import replace

from costwatch.adapters.ledger import ClaimOutcome, Ledger
from costwatch.adapters.table import Table
from costwatch.core import endings
from costwatch.core.modes import Mode
from costwatch.core.record import Entry, Transition
from costwatch.core.step import Step
from costwatch.core.sweeps import SweepDone
from tests.contract.test_ledger_costs import COST
from tests.support.builders import ACCOUNT, MINUTE, NOW, REGION
from tests.support.ledger_steps import LATE, NO_CAPS, STAMP, claim_step, due, first, held


def test_what_was_never_saved_is_none(ledger: Ledger) -> None:
    assert ledger.record(LATE.id) is None
    assert ledger.open_records(ACCOUNT, REGION) == {}
    assert ledger.timeline(LATE.id) == []
    assert ledger.outbox(NOW) == []
    assert ledger.pause() is None
    assert ledger.last_sweep() is None


def test_of_sweeps_that_came_to_their_end_the_last_one_reads_back_as_it_was(ledger: Ledger) -> None:
    before = SweepDone(NOW, NOW + MINUTE, Mode.OBSERVE, "d0", "0ff1ce", "0.1.0", 2, "us-east-1 ec2")
    last = SweepDone(NOW + 5 * MINUTE, NOW + 6 * MINUTE, Mode.WARN, "d1", "c0ffee", "0.2.0")
    for done in (before, last):
        ledger.keep_sweep(done)
        assert ledger.last_sweep() == done


def test_a_saved_record_reads_back_as_it_was_with_its_version(ledger: Ledger) -> None:
    step = first()
    assert ledger.save(step)
    assert step.after is not None
    assert ledger.record(LATE.id) == replace(step.after, version=1)
    assert ledger.open_records(ACCOUNT, REGION) == {LATE.id: replace(step.after, version=1)}


def test_records_of_another_region_or_account_are_apart(ledger: Ledger) -> None:
    ledger.save(first())
    assert ledger.open_records(ACCOUNT, "eu-central-1") == {}
    assert ledger.open_records("999988887777", REGION) == {}


def test_of_two_sweeps_that_save_the_same_first_sight_one_is_told_no(ledger: Ledger) -> None:
    assert ledger.save(first())
    assert not ledger.save(first())
    assert len(ledger.outbox(NOW)) == 1
    assert len(ledger.timeline(LATE.id)) == 2


def test_of_two_changes_to_one_version_the_second_loses_and_writes_nothing(ledger: Ledger) -> None:
    waiting = due(ledger)
    entry = Entry(NOW, Transition.EXTENDED, "by ada")
    assert ledger.save(Step(waiting, replace(waiting, owner="ada"), (entry,)))
    assert not ledger.save(Step(waiting, replace(waiting, owner="bob"), (replace(entry, reason="by bob"),)))
    assert held(ledger).owner == "ada"
    assert "by bob" not in [row.entry.reason for row in ledger.timeline(LATE.id)]


def test_a_final_step_ends_the_record_and_keeps_its_timeline(ledger: Ledger) -> None:
    waiting = due(ledger)
    assert ledger.save(endings.superseded(waiting, "started anew", NOW + MINUTE, COST))
    assert ledger.record(LATE.id) is None
    assert [row.entry.transition for row in ledger.timeline(LATE.id)][-1] is Transition.SUPERSEDED


def test_a_record_that_was_ended_meanwhile_cannot_be_changed(ledger: Ledger) -> None:
    waiting = due(ledger)
    assert ledger.save(endings.superseded(waiting, "started anew", NOW, COST))
    assert not ledger.save(Step(waiting, replace(waiting, owner="bob"), ()))
    assert ledger.record(LATE.id) is None


def test_every_row_carries_the_policy_that_decided(ledger: Ledger) -> None:
    ledger.save(first())
    assert {row.stamp for row in ledger.timeline(LATE.id)} == {STAMP}


def test_a_laptops_observe_sweep_has_rows_of_its_own_and_blocks_nobody(table: Table) -> None:
    deployed, laptop = Ledger(table, stamp=STAMP), Ledger(table, stamp=STAMP, origin="laptop:ada")
    assert laptop.save(first())
    assert deployed.record(LATE.id) is None
    waiting_there, waiting_here = due(Ledger(table, stamp=STAMP, origin="laptop:bob")), due(deployed)
    assert waiting_there.origin == "laptop:bob"
    for each, waiting in ((Ledger(table, stamp=STAMP, origin="laptop:bob"), waiting_there), (deployed, waiting_here)):
        found = each.claim(claim_step(waiting), pause=None, caps=NO_CAPS, released=False, now=NOW)
        assert found.outcome is ClaimOutcome.CLAIMED
