"""What a stop sets a group's numbers to, what it remembers of before, and when they may be put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from costwatch.core.group import Capacity, Group, GroupMember
from costwatch.core.lowering import Lowering, lowering, to_restore
from costwatch.core.model import RunKind
from costwatch.core.record import RunRecord, Status, StopAttempt
from costwatch.errors import RefusedError
from tests.support.builders import HOUR, MINUTE, NOW, member, record, run

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


def test_what_was_recorded_at_another_time_gives_way_to_what_is_now() -> None:
    found = lowering(RECORD, group(2, 4), lowered(8, 8), NOW)
    assert found == lowered(2, 4)


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
