"""A group is one run: warned once, lowered by numbers that are recorded first, stopped whole and verified."""

from __future__ import annotations

from typing import Any

from costwatch.core.group import Capacity
from costwatch.core.record import Status
from costwatch.errors import AwsError
from costwatch.procedures.sweep import sweep
from tests.support.builders import REGION
from tests.support.groups import NODES, acts, alive, overdue, record, town, transitions
from tests.support.town import later, warn_and_let_the_notice_pass


def test_a_group_is_one_run_warned_once_and_stopped_whole_by_its_own_call() -> None:
    of = town()
    group = overdue(of)
    ids = tuple(i.id for i in alive(of, group))
    sweep(of.watchdog())
    assert len(alive(of, group)) == 8
    assert [card.text for _, _, card in of.world.posts if "stops at" in card.text or "stops in" in card.text] != []
    report = later(of, minutes=32)
    assert (report.stopped, report.failures) == (1, [])
    assert alive(of, group) == []
    assert acts(of) == [("UpdateAutoScalingGroup", ("nodes",)), ("TerminateInstanceInAutoScalingGroup", ids)]
    assert (group.min_size, group.desired, group.max_size) == (0, 0, 8)


def test_its_numbers_are_recorded_before_the_call_that_changes_them() -> None:
    of = town()
    group = overdue(of)
    recorded: list[Any] = []

    def look(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called == "UpdateAutoScalingGroup":
            recorded.append((of.ledger.lowering(NODES), (group.min_size, group.desired)))
        return None

    of.world.fault = look
    warn_and_let_the_notice_pass(of)
    [(lowering, numbers)] = recorded
    assert numbers == (8, 8)
    assert lowering is not None
    assert (lowering.before, lowering.after) == (Capacity(8, 8), Capacity(0, 0))
    told = [name for name in transitions(of) if name in ("stopping", "capacity lowered", "stop requested")]
    assert told == ["stopping", "capacity lowered", "stop requested"]


def test_it_is_verified_gone_when_nothing_lives_and_its_numbers_stay() -> None:
    of = town()
    overdue(of)
    warn_and_let_the_notice_pass(of)
    later(of, minutes=5)
    later(of, minutes=5)
    assert of.ledger.record(NODES) is None
    assert transitions(of)[-2:] == ["verified gone", "delivered"]


def test_a_group_above_no_minimum_keeps_its_minimum_and_needs_no_lowering_of_it() -> None:
    of = town(at_min_size="hold")
    group = overdue(of, min_size=0)
    warn_and_let_the_notice_pass(of)
    assert alive(of, group) == []
    assert (group.min_size, group.desired) == (0, 0)


def test_more_than_a_hundred_instances_go_by_calls_of_a_hundred() -> None:
    of = town()
    group = overdue(of, size=101)
    warn_and_let_the_notice_pass(of)
    assert alive(of, group) == []
    assert [len(ids) for operation, ids in acts(of) if operation.startswith("Terminate")] == [100, 1]


def test_an_instance_that_the_listing_missed_is_warned_and_stopped_with_its_group() -> None:
    of = town()
    group = overdue(of, size=3)
    late = alive(of, group)[0]
    before = late.asg
    late.region, late.asg = "nowhere", before
    sweep(of.watchdog())
    late.region = REGION
    later(of, minutes=5)
    assert late.id in record(of).member_ids


def test_in_observe_the_ledger_says_what_would_have_been_and_nothing_is_lowered() -> None:
    of = town(mode="observe")
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    assert record(of).status is Status.WOULD_STOP
    assert (acts(of), of.ledger.lowering(NODES), len(alive(of, group))) == ([], None, 8)
