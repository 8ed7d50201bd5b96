"""A group's numbers in the ledger: recorded before a stop, ended by a restore; each by one conditional write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costwatch.adapters.ledger import Ledger
from costwatch.core.group import Capacity
from costwatch.core.lowering import Lowering, left_entry, lowered_entry, put_back_entry, restored_entry, restoring_entry
from costwatch.core.model import RunKind
from costwatch.core.record import RunRecord
from costwatch.core.step import Step
from tests.support.builders import HOUR, MINUTE, NOW, member, record, run

GROUP = run(member(age=40 * HOUR), kind=RunKind.ASG, name="nodes")
LOWERED = Lowering(GROUP.id, Capacity(8, 8), Capacity(0, 0), NOW)
ADA = "arn:aws:iam::111122223333:user/ada"


@pytest.fixture
def known(ledger: Ledger) -> RunRecord:
    assert ledger.save(Step(None, record(GROUP), ()))
    found = ledger.record(GROUP.id)
    assert found is not None
    return found


def test_nothing_was_lowered_at_first(ledger: Ledger) -> None:
    assert ledger.lowering(GROUP.id) is None


def test_what_was_lowered_is_read_back_as_it_was_and_stands_in_the_timeline(ledger: Ledger, known: RunRecord) -> None:
    assert ledger.lower(LOWERED, None, known, lowered_entry(known, LOWERED))
    assert ledger.lowering(GROUP.id) == LOWERED
    [row] = ledger.timeline(GROUP.id)
    assert dict(row.entry.evidence)["min_size_before"] == "8"


def test_it_is_not_recorded_over_a_run_that_changed_meanwhile(ledger: Ledger, known: RunRecord) -> None:
    stale = replace(known, version=known.version - 1)
    assert not ledger.lower(LOWERED, None, stale, lowered_entry(stale, LOWERED))
    assert ledger.lowering(GROUP.id) is None


def test_it_takes_the_place_of_no_other_than_was_read(ledger: Ledger, known: RunRecord) -> None:
    assert ledger.lower(LOWERED, None, known, lowered_entry(known, LOWERED))
    other = replace(LOWERED, before=Capacity(2, 4), at=NOW + MINUTE)
    assert not ledger.lower(other, None, known, lowered_entry(known, other))
    assert ledger.lower(other, LOWERED, known, lowered_entry(known, other))
    assert ledger.lowering(GROUP.id) == other


def test_it_is_put_back_once(ledger: Ledger, known: RunRecord) -> None:
    assert ledger.lower(LOWERED, None, known, lowered_entry(known, LOWERED))
    assert ledger.restoring(LOWERED, restoring_entry(LOWERED, by=ADA, reason="", now=NOW + MINUTE))
    assert ledger.restored(LOWERED, restored_entry(LOWERED, by=ADA, now=NOW + MINUTE))
    assert ledger.lowering(GROUP.id) is None
    assert not ledger.restored(LOWERED, restored_entry(LOWERED, by=ADA, now=NOW + 2 * MINUTE))
    assert not ledger.restoring(LOWERED, restoring_entry(LOWERED, by=ADA, reason="", now=NOW + 2 * MINUTE))
    told = [(row.entry.transition.value, row.entry.actor) for row in ledger.timeline(GROUP.id)]
    assert told == [("capacity lowered", "costwatch"), ("restore asked for", ADA), ("capacity restored", ADA)]


def test_what_it_is_put_back_to_is_recorded_before_and_ends_in_order_of_what_happened(
    ledger: Ledger, known: RunRecord
) -> None:
    assert ledger.lower(LOWERED, None, known, lowered_entry(known, LOWERED))
    back = replace(LOWERED, back=Capacity(8, 9))
    assert ledger.putting_back(back, known, put_back_entry(known, back, "i-1 joined", NOW))
    assert ledger.lowering(GROUP.id) == back
    assert ledger.restored(back, restored_entry(back, by="costwatch", now=NOW, to=back.back), known)
    assert ledger.lowering(GROUP.id) is None
    assert not ledger.putting_back(back, known, put_back_entry(known, back, "i-1 joined", NOW))
    told = [(row.entry.transition.value, row.entry.reason) for row in ledger.timeline(GROUP.id)]
    assert [name for name, _ in told] == ["capacity lowered", "capacity put back", "capacity restored"]
    assert told[1][1] == (
        "sets nodes from minimum 0, desired 0 back to minimum 8, desired 9, so that it ends none of those left: "
        "i-1 joined"
    )
    assert told[2][1] == "restored by costwatch: nodes is back at minimum 8, desired 9"


def test_what_became_of_a_part_that_was_put_back_is_recorded_over_nothing_that_changed_meanwhile(
    ledger: Ledger, known: RunRecord
) -> None:
    assert ledger.lower(LOWERED, None, known, lowered_entry(known, LOWERED))
    part = replace(LOWERED, back=Capacity(3, 3))
    assert ledger.putting_back(part, known, put_back_entry(known, part, "i-1 joined", NOW))
    held, left = replace(part, settled=True), replace(part, settled=True, left=True)
    assert ledger.settled(held, known)
    assert ledger.lowering(GROUP.id) == held
    assert ledger.settled(left, known, left_entry(known, left, Capacity(0, 0), NOW))
    assert ledger.lowering(GROUP.id) == left
    again = replace(LOWERED, at=NOW + MINUTE)
    assert ledger.lower(again, left, known, lowered_entry(known, again))
    assert not ledger.settled(held, known)
    assert ledger.lowering(GROUP.id) == again
    told = [row.entry.transition.value for row in ledger.timeline(GROUP.id)]
    assert told == ["capacity lowered", "capacity put back", "capacity left", "capacity lowered"]
