"""What a stop sets a group's numbers to, what it remembers of before, and when they may be put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from costwatch.core.group import Capacity, Group, GroupMember
from costwatch.core.lowering import Lowering, lowered_entry, lowering, to_put_back, to_restore
from costwatch.core.model import RunKind
from costwatch.core.record import RunRecord, Status, StopAttempt
from costwatch.errors import RefusedError
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, member, record, run

RECORD = record(run(member(age=13 * HOUR), kind=RunKind.ASG, name="nodes"))
STOP = StopAttempt("stop#1", "worker-1", 1, NOW, ("i-0a",))


def group(min_size: int, desired: int, **changes: Any) -> Group:
    given = {"zones": ("us-east-1a",), "suspended": frozenset(), "tags": {}, "members": ()}
    return Group("nodes", Capacity(min_size, desired), 8, **{**given, **changes})


def lowered(min_size: int, desired: int) -> Lowering:
    return Lowering(RECORD.run_id, Capacity(min_size, desired), Capacity(0, 0), NOW)


@pytest.mark.parametrize(("min_size", "desired"), [(8, 8), (0, 1), (1, 1), (0, 8)])
def test_whatever_it_has_is_recorded_and_set_to_nothing(min_size: int, desired: int) -> None:
    assert lowering(RECORD, group(min_size, desired), None, NOW) == lowered(min_size, desired)


def test_a_group_that_wants_nothing_already_is_not_lowered_and_keeps_what_was_recorded() -> None:
    assert lowering(RECORD, group(0, 0), None, NOW) is None
    assert lowering(RECORD, group(0, 0), lowered(8, 8), NOW) is None


def test_the_next_attempt_before_the_call_records_nothing_twice() -> None:
    assert lowering(RECORD, group(8, 8), lowered(8, 8), NOW + MINUTE) is None


def test_what_a_stop_of_before_had_recorded_gives_way_to_what_is_now_and_what_this_one_has_does_not() -> None:
    assert RECORD.start is not None
    before = replace(lowered(8, 8), at=RECORD.start)
    of_this_stop = replace(lowered(8, 8), at=RECORD.start + SECOND)
    assert lowering(RECORD, group(0, 8), before, NOW) == lowered(0, 8)
    assert lowering(RECORD, group(0, 8), of_this_stop, NOW) == lowered(8, 8)


def test_where_no_start_is_known_a_stop_is_told_from_one_of_before_by_when_its_run_was_first_seen() -> None:
    record = replace(RECORD, start=None, first_seen_at=NOW - MINUTE)
    assert lowering(record, group(0, 8), replace(lowered(8, 8), at=NOW - MINUTE), NOW) == lowered(0, 8)
    assert lowering(record, group(0, 8), replace(lowered(8, 8), at=NOW - SECOND), NOW) == lowered(8, 8)


def test_a_group_that_was_raised_since_is_lowered_again_and_the_timeline_says_from_what() -> None:
    again = lowering(RECORD, group(0, 8), lowered(8, 8), NOW + MINUTE)
    assert again == replace(lowered(8, 8), at=NOW + MINUTE)
    assert again is not None
    assert lowered_entry(RECORD, again, Capacity(0, 8)).reason == (
        "sets nodes from minimum 0, desired 8 to minimum 0, desired 0; costwatch restore puts back minimum 8, "
        "desired 8, which it had before it was first lowered"
    )
    assert lowered_entry(RECORD, again, Capacity(8, 8)).reason == (
        "sets nodes from minimum 8, desired 8 to minimum 0, desired 0; costwatch restore puts them back"
    )


def test_what_was_put_back_in_part_keeps_what_it_was_and_what_was_put_back_whole_is_recorded_anew() -> None:
    part = replace(lowered(8, 8), back=Capacity(3, 3))
    whole = replace(lowered(8, 8), back=Capacity(8, 9))
    assert lowering(RECORD, group(3, 3), part, NOW) == lowered(8, 8)
    assert lowering(RECORD, group(8, 9), whole, NOW) == lowered(8, 9)
    assert lowering(RECORD, group(0, 8), whole, NOW) == lowered(8, 8), "nobody knows that the call was made"
    assert lowering(RECORD, group(8, 8), replace(lowered(8, 8), back=Capacity(7, 7)), NOW) == lowered(8, 8)


# --- put back by a stop that may not go on ------------------------------------------------------------------------


def _members(count: int, **others: str) -> tuple[GroupMember, ...]:
    served = [GroupMember(f"i-{n}", "InService", protected=False) for n in range(count)]
    return (*served, *(GroupMember(i, lifecycle, protected=False) for i, lifecycle in others.items()))


@pytest.mark.parametrize(
    ("left", "before", "back", "undone"),
    [
        (8, (8, 8), (8, 8), True),
        (8, (0, 8), (0, 8), True),
        (9, (8, 8), (8, 9), True),
        (12, (8, 8), (8, 10), True),
        (3, (8, 8), (3, 3), False),
        (3, (2, 8), (2, 3), False),
        (7, (2, 8), (2, 7), False),
    ],
)
def test_a_lowered_group_gets_room_for_those_that_are_left_and_its_minimum_as_far_as_that_allows(
    left: int, before: tuple[int, int], back: tuple[int, int], undone: bool
) -> None:
    found = replace(group(0, 0, members=_members(left)), max_size=10)
    assert to_put_back(lowered(*before), found) == Capacity(*back)
    assert replace(lowered(*before), back=Capacity(*back)).undone is undone


def test_who_is_ending_or_stands_by_needs_no_room() -> None:
    others = {"i-a": "Terminating:Wait", "i-b": "Standby", "i-c": "Pending"}
    assert to_put_back(lowered(8, 8), group(0, 0, members=_members(2, **others))) == Capacity(3, 3)


def test_nobody_left_a_group_that_goes_and_numbers_of_somebody_else_are_left_as_they_are() -> None:
    assert to_put_back(lowered(8, 8), group(0, 0, members=_members(0, a="Terminating"))) is None
    assert to_put_back(lowered(8, 8), group(0, 0, members=_members(8), deleting=True)) is None
    assert to_put_back(lowered(8, 8), group(0, 1, members=_members(8))) is None


def test_once_a_part_was_seen_to_hold_what_the_stop_had_set_is_somebody_elses_too() -> None:
    part = replace(lowered(8, 8), back=Capacity(3, 3))
    found = group(0, 0, members=_members(3))
    assert to_put_back(part, found) == Capacity(3, 3)
    assert to_put_back(replace(part, settled=True), found) is None
    assert to_restore(replace(part, settled=True), found, None, "nodes").before == Capacity(8, 8)


def test_what_a_stop_has_put_back_in_part_may_be_restored_and_what_it_has_put_back_whole_is_restored() -> None:
    part = replace(lowered(8, 8), back=Capacity(3, 3))
    assert to_restore(part, group(3, 3), None, "nodes") == part
    assert to_restore(part, group(0, 0), None, "nodes") == part
    with pytest.raises(RefusedError, match="somebody changed it since"):
        to_restore(part, group(3, 4), None, "nodes")
    whole = replace(lowered(8, 8), back=Capacity(8, 9))
    with pytest.raises(RefusedError, match="the stop itself has set nodes back to minimum 8, desired 9"):
        to_restore(whole, group(8, 9), None, "nodes")
    assert to_restore(whole, group(0, 0), None, "nodes") == whole


@pytest.mark.parametrize(("min_size", "desired"), [(0, 0), (8, 8)])
def test_what_the_stop_set_and_what_it_was_may_be_put_back(min_size: int, desired: int) -> None:
    assert to_restore(lowered(8, 8), group(min_size, desired), None, "nodes") == lowered(8, 8)


@pytest.mark.parametrize(("min_size", "desired"), [(0, 1), (1, 1), (0, 8), (8, 9), (7, 8)])
def test_anything_else_is_somebodys_change_and_left(min_size: int, desired: int) -> None:
    with pytest.raises(RefusedError, match="somebody changed it since"):
        to_restore(lowered(8, 8), group(min_size, desired), None, "nodes")


@pytest.mark.parametrize("status", [Status.STOPPING, Status.FAILED])
def test_nothing_is_put_back_while_it_is_being_stopped(status: Status) -> None:
    with pytest.raises(RefusedError, match="not verified yet"):
        to_restore(lowered(8, 8), group(0, 0), replace(RECORD, status=status, stop=STOP), "nodes")


@pytest.mark.parametrize("status", [Status.RUNNING, Status.WARNED, Status.HELD])
def test_a_stop_that_was_given_up_stands_in_no_way(status: Status) -> None:
    known: RunRecord = replace(RECORD, status=status, stop=STOP)
    assert to_restore(lowered(8, 8), group(0, 0), known, "nodes") == lowered(8, 8)


@pytest.mark.parametrize(
    ("found", "known", "reason"),
    [
        (lambda: group(0, 0), None, "nothing was lowered"),
        (lambda: None, lowered(8, 8), "nodes is gone"),
        (lambda: group(0, 0, deleting=True), lowered(8, 8), "nodes is gone"),
    ],
)
def test_without_a_group_or_a_record_there_is_nothing_to_put_back(
    found: Callable[[], Group | None], known: Lowering | None, reason: str
) -> None:
    with pytest.raises(RefusedError, match=reason):
        to_restore(known, found(), None, "nodes")


@pytest.mark.parametrize(
    ("lifecycle", "serving", "ending"),
    [
        ("InService", True, False),
        ("Pending:Wait", True, False),
        ("Standby", False, False),
        ("Detaching", False, False),
        ("Terminating", False, True),
        ("Terminating:Wait", False, True),
        ("Terminating:Retained", False, False),
    ],
)
def test_a_member_serves_or_ends_or_is_in_between(lifecycle: str, serving: bool, ending: bool) -> None:
    found = GroupMember("i-1", lifecycle, protected=False)
    assert (found.serving, found.ending) == (serving, ending)
