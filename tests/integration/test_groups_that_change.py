"""Groups that change while they are warned or stopped: nodes are replaced, others join, somebody sets the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.group import Capacity
from costwatch.core.lowering import put_back_entry
from costwatch.core.model import RunId, RunKind
from costwatch.core.record import Entry, Pause, RunRecord, Status, Transition
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.put_back import put_back
from costwatch.procedures.report import SweepReport
from costwatch.procedures.restore_asked import restore_asked
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fake_groups import FakeGroup, groups_scale_in, launch_missing, members_of
from tests.support.fakes import FakeInstance, Town

TAGS = {"Purpose": "training", "owner": "maria@example.com"}
NODES = RunId(ACCOUNT, REGION, RunKind.ASG, "nodes")
M = timedelta(minutes=1)


def town(**changes: Any) -> Town:
    return Town(policies.policy(selectors=[policies.selector(at_min_size="lower", **changes)]))


def record(of: Town) -> RunRecord:
    found = of.ledger.record(NODES)
    assert found is not None
    return found


def alive(of: Town, group: FakeGroup) -> list[FakeInstance]:
    return [i for i in members_of(of.world, group) if i.alive]


def warnings(of: Town) -> int:
    return sum(" stops in " in card.text for _, _, card in of.world.posts)


# --- nodes that are replaced --------------------------------------------------------------------------------------


def stopped_after(of: Town, group: FakeGroup, *, change: Callable[[], object], every: int) -> timedelta | None:
    """Sweeps every 5 minutes for 100 hours; every so many minutes something changes. None: it is never stopped."""
    began = of.clock()
    for minutes in range(5, 100 * 60, 5):
        of.clock.forward(minutes=5)
        if minutes % every == 0:
            change()
        sweep(of.watchdog())
        if not alive(of, group):
            return of.clock() - began
    return None


@pytest.mark.parametrize("every", [15, 35, 60])
def test_a_group_that_replaces_a_node_all_the_time_is_stopped_at_its_limit_by_one_notice(every: int) -> None:
    of = town()
    group = of.world.launch_group(age=0 * HOUR, tags=TAGS, spot="one-time")

    def replaced() -> None:
        of.world.end(min(alive(of, group), key=lambda i: (i.launch_time, i.id)))
        launch_missing(of.world, group, "a health check")

    # While the first nodes are there: one clock as long as one of them runs on.
    after = stopped_after(of, group, change=replaced, every=every)
    assert after is not None
    assert timedelta(hours=12) < after <= timedelta(hours=12) + 5 * M
    assert warnings(of) == 1


def test_a_group_that_grows_all_the_time_is_warned_anew_and_is_stopped_at_its_hard_cap() -> None:
    of = town(limits=policies.limits(hard_cap_seconds=20 * 3600))
    group = of.world.launch_group(age=0 * HOUR, tags=TAGS, size=2)

    def grown() -> None:
        group.desired += 1
        group.max_size += 1
        launch_missing(of.world, group, "a scaling policy")

    after = stopped_after(of, group, change=grown, every=30)
    assert after is not None
    assert timedelta(hours=20) < after <= timedelta(hours=20, minutes=35)
    assert warnings(of) > 10


def test_a_tagged_run_that_is_joined_all_the_time_is_stopped_at_its_hard_cap_min_notice_after_a_notice() -> None:
    of = town(limits=policies.limits(hard_cap_seconds=20 * 3600))
    tags = {**TAGS, "costwatch:run": "churn"}
    of.world.launch(age=0 * HOUR, tags=tags)
    told_at: list[timedelta] = []
    began = of.clock()
    for _ in range(30 * 12):
        of.clock.forward(minutes=5)
        of.world.launch(age=0 * HOUR, tags=tags)
        before = warnings(of)
        sweep(of.watchdog())
        told_at += [of.clock() - began] * (warnings(of) - before)
        if not any(i.alive for i in of.world.instances.values()):
            break
    after = of.clock() - began
    assert timedelta(hours=20) < after <= timedelta(hours=20, minutes=35)
    assert after - told_at[-1] > 30 * M


# --- a lowered group that may not be ended: its numbers go back ---------------------------------------------------

Change = Callable[[Town, FakeGroup], object]


def overdue(of: Town, **changes: Any) -> FakeGroup:
    """Eight nodes past their time, at their minimum size; there is room for more."""
    group = of.world.launch_group(**{"age": 13 * HOUR, "tags": TAGS, "spot": "one-time", **changes})
    group.max_size = 20
    return group


def later(of: Town, **duration: float) -> SweepReport:
    of.clock.forward(**duration)
    return sweep(of.watchdog())


def at_the(operation: str, of: Town, change: Callable[[], object], *, time: int = 1) -> None:
    """Somebody changes something in the moment of the first (or `time`th) such call."""
    left = [time]

    def fault(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        left[0] -= called == operation
        if called == operation and not left[0]:
            change()
        return None

    of.world.fault = fault


def denied(of: Town, operation: str) -> None:
    def fault(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        return PermanentAwsError(f"AccessDenied: {operation}") if called == operation else None

    of.world.fault = fault


def joins(of: Town, group: FakeGroup, *, scale_in_protected: bool = False, **changes: Any) -> None:
    """Somebody raises the group by one: after the numbers were read, so what is recorded knows nothing of it."""
    launched = of.world.launch(**{"tags": TAGS, "asg": group.name, **changes})
    launched.scale_in_protected = scale_in_protected


def told(of: Town, *names: str) -> list[tuple[str, str]]:
    rows = [(row.entry.transition.value, row.entry.reason) for row in of.ledger.timeline(NODES)]
    return [(name, reason) for name, reason in rows if name in names]


def numbers(group: FakeGroup) -> tuple[int, int]:
    return group.min_size, group.desired


def updates(of: Town) -> int:
    return sum(operation == "UpdateAutoScalingGroup" for operation, _, _ in of.world.calls)


SPARED: dict[str, tuple[Change, str, int]] = {
    "a newcomer with termination protection": (
        lambda of, group: joins(of, group, protected=True), "has termination protection", 9,
    ),
    "a newcomer protected from scale-in": (
        lambda of, group: joins(of, group, scale_in_protected=True), "is protected from scale-in", 9,
    ),
    "a newcomer that must never be stopped": (
        lambda of, group: joins(of, group, tags={**TAGS, "costwatch:never": ""}), "carries costwatch:never", 9,
    ),
    "a newcomer that no selector picks": (
        lambda of, group: joins(of, group, tags={"Purpose": "inference"}), "is not picked by selector trainers", 9,
    ),
    "an old member that is protected from scale-in now": (
        lambda of, group: setattr(alive(of, group)[2], "scale_in_protected", True), "is protected from scale-in", 8,
    ),
    "a group that must never be stopped now": (
        lambda of, group: group.tags.update({"costwatch:never": ""}), "nodes carries costwatch:never", 8,
    ),
    "a group with a warm pool now": (
        lambda of, group: setattr(group, "warm_pool", True), "has a warm pool", 8,
    ),
    "a group whose process Terminate is suspended now": (
        lambda of, group: group.suspended.add("Terminate"), "the process Terminate", 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPARED)
def test_whoever_must_not_be_ended_after_the_lowering_has_the_numbers_put_back_and_the_group_ends_nobody(
    name: str,
) -> None:
    change, reason, count = SPARED[name]
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    at_the("UpdateAutoScalingGroup", of, lambda: change(of, group))
    failure = later(of, minutes=32).failures[0].reason
    of.world.fault = None
    assert reason in failure
    assert failure.endswith(f"; Auto Scaling group nodes is back at minimum 8, desired {count}")
    assert numbers(group) == (8, count)
    for _ in range(6):
        later(of, minutes=5)
    group.suspended.clear()  # what would keep it from ending anybody, whatever its numbers
    groups_scale_in(of.world)
    assert (numbers(group), len(alive(of, group)), updates(of)) == ((8, count), count, 2)
    assert of.ledger.lowering(NODES) is None
    [(_, back), (_, restored)] = told(of, "capacity put back", "capacity restored")
    assert back.startswith(f"sets nodes from minimum 0, desired 0 back to minimum 8, desired {count}, so that it ends")
    assert reason in back
    assert restored == f"restored by costwatch: nodes is back at minimum 8, desired {count}"


def test_once_nothing_is_in_the_way_any_more_the_group_is_lowered_anew_and_its_numbers_of_now_are_recorded() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    at_the("UpdateAutoScalingGroup", of, lambda: setattr(group, "warm_pool", True))
    later(of, minutes=32)
    of.world.fault = None
    group.warm_pool, group.min_size = False, 4
    later(of, minutes=5)
    assert alive(of, group) == []
    lowering = of.ledger.lowering(NODES)
    assert lowering is not None
    assert lowering.before == Capacity(4, 8)


def test_numbers_that_somebody_else_has_set_since_are_theirs() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    at_the("UpdateAutoScalingGroup", of, lambda: joins(of, group, protected=True))
    before = of.world.fault

    def raised(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        if called == "DescribeInstanceAttribute" and group.desired == 0:
            group.desired = 9
        return before(called, where, ids) if before is not None else None

    of.world.fault = raised
    failure = later(of, minutes=32).failures[0].reason
    assert failure.endswith("has termination protection")
    assert (numbers(group), updates(of), told(of, "capacity put back")) == ((0, 9), 1, [])


def test_a_put_back_that_is_denied_is_told_with_the_command_and_tried_again() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    at_the("UpdateAutoScalingGroup", of, lambda: group.suspended.add("Terminate"))
    first = of.world.fault

    def then_denied(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        if called == "UpdateAutoScalingGroup" and group.desired == 0:
            return PermanentAwsError("AccessDenied: autoscaling:UpdateAutoScalingGroup")
        return first(called, where, ids) if first is not None else None

    of.world.fault = then_denied
    failure = later(of, minutes=32).failures[0].reason
    command = "update-auto-scaling-group --auto-scaling-group-name nodes --min-size 8 --desired-capacity 8"
    refused = "its numbers could not be put back: AccessDenied: autoscaling:UpdateAutoScalingGroup; set them yourself"
    assert f"{refused}: aws autoscaling {command}" in failure
    failure = later(of, minutes=5).failures[0].reason
    assert "a stop that may not go on has lowered it, and its numbers could not be put back" in failure
    assert command in failure
    assert record(of).status is Status.HELD, "that it could not be put back is in the way of nothing else"
    of.world.fault = None
    assert later(of, minutes=5).failures == []
    assert (numbers(group), len(alive(of, group))) == ((8, 8), 8)
    assert len(told(of, "capacity put back")) == 1


def test_a_put_back_that_took_effect_and_said_it_failed_is_judged_by_what_the_group_shows() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    at_the("UpdateAutoScalingGroup", of, lambda: setattr(group, "warm_pool", True))
    first = of.world.fault

    def lost(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        if called == "UpdateAutoScalingGroup" and group.desired == 0:
            group.min_size = group.desired = 8
            return TransientAwsError("read timeout")
        return first(called, where, ids) if first is not None else None

    of.world.fault = lost
    assert later(of, minutes=32).failures[0].reason.endswith("is back at minimum 8, desired 8")
    assert of.ledger.lowering(NODES) is None


# --- between the last look and the act ------------------------------------------------------------------------------

RIGHT_BEFORE_THE_ACT = 3
"""Which look at the group that is: the sweep has looked, and once more after its claim."""

CHANGED: dict[str, Callable[[FakeGroup], object]] = {
    "the minimum": lambda group: setattr(group, "min_size", 4),
    "the desired capacity": lambda group: setattr(group, "desired", 9),
    "a suspended process": lambda group: group.suspended.add("HealthCheck"),
    "a tag": lambda group: group.tags.update({"stage": "blue"}),
    "a warm pool": lambda group: setattr(group, "warm_pool", True),
    "its deletion": lambda group: setattr(group, "deleting", True),
}


@pytest.mark.parametrize("name", CHANGED)
def test_whatever_changes_about_a_group_right_before_the_act_nothing_is_stopped(name: str) -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    at_the("DescribeAutoScalingGroups", of, lambda: CHANGED[name](group), time=RIGHT_BEFORE_THE_ACT)
    assert later(of, minutes=32).failures[0].reason == (
        "Auto Scaling group nodes changed while it was being looked at; nothing was stopped"
    )
    assert (updates(of), len(alive(of, group))) == (0, 8)


@pytest.mark.parametrize("protected", ["protected", "scale_in_protected"])
def test_a_member_that_its_group_is_ending_already_holds_nobody_though_it_is_protected(protected: str) -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    hooked = alive(of, group)[0]
    setattr(hooked, protected, True)
    hooked.group_state = "Terminating:Wait"
    assert later(of, minutes=32).failures == []
    assert alive(of, group) == [hooked]


# --- settled by a later sweep ---------------------------------------------------------------------------------------


def lowered_and_not_ended(**changes: Any) -> tuple[Town, FakeGroup]:
    """Its numbers are set, nobody could be ended, and the group itself takes its time."""
    of = town(**changes)
    group = overdue(of)
    sweep(of.watchdog())
    denied(of, "TerminateInstanceInAutoScalingGroup")
    later(of, minutes=32)
    of.world.fault = None
    group.scales_in_after = None
    assert (numbers(group), record(of).status) == ((0, 0), Status.FAILED)
    return of, group


def _exempt(of: Town, group: FakeGroup) -> None:
    alive(of, group)[0].tags["costwatch:exempt"] = "the demo"


def _paused(of: Town, group: FakeGroup) -> None:
    del group
    assert of.ledger.pause() is None
    pause = Pause(1, of.clock.now + 3 * HOUR, by="ada", reason="maintenance", since=of.clock.now)
    assert of.ledger.set_pause(pause, None, Entry(of.clock.now, Transition.PAUSED, "paused"))


def _joined(of: Town, group: FakeGroup) -> None:
    joins(of, group, age=1 * M)


def _protected(of: Town, group: FakeGroup) -> None:
    alive(of, group)[4].protected = True


def _unpicked(of: Town, group: FakeGroup) -> None:
    for instance in alive(of, group):
        instance.tags["Purpose"] = "inference"


LATER: dict[str, tuple[Change, int]] = {
    "exempt": (_exempt, 8),
    "paused": (_paused, 8),
    "another one joined": (_joined, 9),
    "protected": (_protected, 8),
    "no selector picks it": (_unpicked, 8),
}


@pytest.mark.parametrize("name", LATER)
def test_a_stop_that_may_not_go_on_has_its_numbers_put_back_by_the_next_sweep(name: str) -> None:
    change, count = LATER[name]
    of, group = lowered_and_not_ended()
    change(of, group)
    later(of, minutes=5)
    assert numbers(group) == (8, count)
    for _ in range(3):
        later(of, minutes=5)
    assert (numbers(group), len(alive(of, group)), updates(of)) == ((8, count), count, 2)
    assert of.ledger.lowering(NODES) is None


def test_a_stop_that_goes_on_has_nothing_put_back() -> None:
    of, group = lowered_and_not_ended()
    later(of, minutes=5)
    assert (numbers(group), alive(of, group), updates(of)) == ((0, 0), [], 1)


def test_where_the_selector_is_not_in_enforce_any_more_nothing_is_tried_that_its_role_may_not() -> None:
    of, group = lowered_and_not_ended()
    of.policy = town(mode="observe").policy
    assert later(of, minutes=5).failures == []
    assert (numbers(group), updates(of)) == ((0, 0), 1)


def test_what_begins_to_hold_it_right_before_the_next_attempt_has_its_numbers_put_back_at_once() -> None:
    of, group = lowered_and_not_ended()
    looks = [0]

    def protected(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        looks[0] += called == "DescribeAutoScalingGroups"
        if looks[0] == 2:  # the sweep has looked, and looks once more before the act
            group.warm_pool = True
        return None

    of.world.fault = protected
    later(of, minutes=5)
    assert (numbers(group), len(alive(of, group))) == ((8, 8), 8)
    assert "looked once more before the act" in told(of, "stands down")[-1][1]


def test_who_joins_while_a_lowered_group_is_looked_at_again_is_not_ended_by_it() -> None:
    of, group = lowered_and_not_ended()
    at_the("DescribeAutoScalingGroups", of, lambda: joins(of, group, age=1 * M), time=RIGHT_BEFORE_THE_ACT)
    failure = later(of, minutes=5).failures[0].reason
    of.world.fault = None
    assert failure.endswith("nothing was stopped; Auto Scaling group nodes is back at minimum 8, desired 9")
    later(of, minutes=5)
    assert (numbers(group), len(alive(of, group)), warnings(of)) == ((8, 9), 9, 2)


def test_what_a_stop_of_before_has_lowered_is_not_put_back_by_this_one() -> None:
    of, group = lowered_and_not_ended()
    later_run = replace(record(of), start=of.clock.now)
    assert put_back(of.watchdog(), NODES, later_run, "it is exempt") == ""
    assert (numbers(group), updates(of)) == ((0, 0), 1)


def test_a_crash_between_the_call_that_puts_back_and_its_record_is_settled_by_the_next_sweep() -> None:
    of, group = lowered_and_not_ended()
    _exempt(of, group)
    known = of.ledger.lowering(NODES)
    assert known is not None
    begun = replace(known, back=Capacity(8, 8))
    assert of.ledger.putting_back(begun, record(of), put_back_entry(record(of), begun, "exempt", of.clock.now))
    group.min_size = group.desired = 8
    later(of, minutes=5)
    assert of.ledger.lowering(NODES) is None
    assert (updates(of), len(told(of, "capacity put back")), len(told(of, "capacity restored"))) == (1, 1, 1)


def test_a_crash_between_the_record_of_a_put_back_and_its_call_is_settled_by_the_next_sweep() -> None:
    of, group = lowered_and_not_ended()
    _exempt(of, group)
    known = of.ledger.lowering(NODES)
    assert known is not None
    begun = replace(known, back=Capacity(8, 8))
    assert of.ledger.putting_back(begun, record(of), put_back_entry(record(of), begun, "exempt", of.clock.now))
    later(of, minutes=5)
    assert (numbers(group), of.ledger.lowering(NODES)) == ((8, 8), None)
    assert (updates(of), len(told(of, "capacity put back")), len(told(of, "capacity restored"))) == (2, 1, 1)


def test_a_put_back_that_was_begun_is_not_ended_over_numbers_that_somebody_set_meanwhile() -> None:
    of, group = lowered_and_not_ended()
    _exempt(of, group)
    known = of.ledger.lowering(NODES)
    assert known is not None
    begun = replace(known, back=Capacity(8, 8))
    assert of.ledger.putting_back(begun, record(of), put_back_entry(record(of), begun, "exempt", of.clock.now))
    group.desired = 3
    later(of, minutes=5)
    assert (numbers(group), of.ledger.lowering(NODES)) == ((0, 3), begun)


def half_ended() -> tuple[Town, FakeGroup]:
    """One of eight is left when the process Terminate is suspended."""
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    odd = alive(of, group)[5]

    def refused(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where
        if called != "TerminateInstanceInAutoScalingGroup" or odd.id not in ids:
            return None
        group.suspended.add("Terminate")
        return PermanentAwsError("ValidationError")

    of.world.fault = refused
    later(of, minutes=32)
    of.world.fault = None
    assert alive(of, group) == [odd]
    return of, group


def test_what_was_ended_already_is_not_launched_anew_and_may_be_restored_by_a_person() -> None:
    of, group = half_ended()
    later(of, minutes=5)
    assert (numbers(group), len(alive(of, group))) == ((1, 1), 1)
    [(_, back)] = told(of, "capacity put back")
    assert back.endswith("; before the stop it had minimum 8, desired 8, which costwatch restore puts back")
    later(of, minutes=5)
    assert updates(of) == 2
    assert put_back(of.watchdog(), NODES, record(of), "it is held") == ""
    of.clock.forward(minutes=1)
    assert restore_asked(of.watchdog(), NODES, by="ada", reason="")["restored"]
    assert (numbers(group), len(alive(of, group))) == ((8, 8), 8)


def test_the_next_attempt_after_a_part_was_put_back_still_knows_what_it_was_at_first() -> None:
    of, group = half_ended()
    later(of, minutes=5)
    group.suspended.clear()
    later(of, minutes=5)
    assert (numbers(group), warnings(of)) == ((1, 1), 2), "what held it has made its notice void"
    later(of, minutes=32)
    assert (numbers(group), alive(of, group)) == ((0, 0), [])
    lowering = of.ledger.lowering(NODES)
    assert lowering is not None
    assert (lowering.before, lowering.back) == (Capacity(8, 8), None)


def put_back_in_part() -> tuple[Town, FakeGroup]:
    """One of eight is left, and the group has been given its number again."""
    of, group = half_ended()
    group.scales_in_after = None  # AWS takes its time
    later(of, minutes=5)
    assert numbers(group) == (1, 1)
    return of, group


def test_who_sets_a_group_to_what_the_stop_had_set_after_its_numbers_were_seen_to_hold_is_left_alone() -> None:
    of, group = put_back_in_part()
    later(of, minutes=5)
    group.min_size = group.desired = 0
    for _ in range(4):
        later(of, minutes=5)
    assert (numbers(group), updates(of)) == ((0, 0), 2)
    [(_, left)] = told(of, "capacity left")
    assert left == (
        "nodes has minimum 0, desired 0 and no longer minimum 1, desired 1, to which it was put back: somebody has set "
        "it since, so it is left as it is; before the stop it had minimum 8, desired 8"
    )
    of.clock.forward(minutes=1)
    assert restore_asked(of.watchdog(), NODES, by="ada", reason="")["restored"]
    assert numbers(group) == (8, 8)


def test_who_sets_it_so_before_they_were_seen_to_hold_is_taken_for_the_stop_once_and_no_more() -> None:
    of, group = put_back_in_part()
    group.min_size = group.desired = 0
    later(of, minutes=5)
    assert (numbers(group), updates(of), told(of, "capacity left")) == ((1, 1), 3, [])
    later(of, minutes=5)
    group.min_size = group.desired = 0
    for _ in range(3):
        later(of, minutes=5)
    assert (numbers(group), updates(of), len(told(of, "capacity left"))) == ((0, 0), 3, 1)


def test_a_group_that_is_being_deleted_has_numbers_that_nobody_has_set() -> None:
    of, group = put_back_in_part()
    later(of, minutes=5)
    group.deleting, group.min_size, group.desired = True, 0, 0
    for _ in range(2):
        later(of, minutes=5)
    assert (numbers(group), told(of, "capacity left")) == ((0, 0), [])
    group.deleting = False
    later(of, minutes=5)
    assert len(told(of, "capacity left")) == 1


def test_any_other_numbers_than_were_put_back_are_told_once_too_and_nothing_where_they_hold() -> None:
    of, group = put_back_in_part()
    for _ in range(3):
        later(of, minutes=5)
    assert (told(of, "capacity left"), len(told(of, "capacity put back"))) == ([], 1)
    for desired in (3, 4, 0):
        group.desired = desired
        group.min_size = min(desired, 1)
        later(of, minutes=5)
    assert (numbers(group), len(told(of, "capacity left"))) == ((0, 0), 1)


def test_a_crash_after_the_call_that_puts_a_part_back_is_settled_by_the_next_sweep_and_one_before_it_repaired() -> None:
    of, group = put_back_in_part()
    known = of.ledger.lowering(NODES)
    assert known is not None
    assert (known.back, known.settled) == (Capacity(1, 1), False), "a sweep that crashed here would leave the same"
    group.min_size = group.desired = 0  # as where it crashed before the call
    later(of, minutes=5)
    assert numbers(group) == (1, 1)
    later(of, minutes=5)
    known = of.ledger.lowering(NODES)
    assert known is not None
    assert known.settled


def test_a_stop_that_goes_on_after_a_part_had_settled_begins_anew_and_is_put_back_again() -> None:
    of, group = put_back_in_part()
    later(of, minutes=5)
    group.suspended.clear()
    later(of, minutes=5)
    denied(of, "TerminateInstanceInAutoScalingGroup")
    later(of, minutes=32)
    of.world.fault = None
    group.scales_in_after = None
    known = of.ledger.lowering(NODES)
    assert known is not None
    assert (numbers(group), known.before, known.settled) == ((0, 0), Capacity(8, 8), False)
    _exempt(of, group)
    later(of, minutes=5)
    assert numbers(group) == (1, 1)


# --- somebody raises it between two attempts ------------------------------------------------------------------------


def test_what_the_numbers_were_before_the_first_attempt_is_what_restore_puts_back() -> None:
    of, group = lowered_and_not_ended()
    group.desired = 8  # a scheduled action names no minimum
    for _ in range(3):
        later(of, minutes=5)
    assert (numbers(group), alive(of, group), of.ledger.record(NODES)) == ((0, 0), [], None)
    first, second = (reason for _, reason in told(of, "capacity lowered"))
    assert first.startswith("sets nodes from minimum 8, desired 8 to minimum 0, desired 0")
    assert second.startswith("sets nodes from minimum 0, desired 8 to minimum 0, desired 0")
    assert second.endswith("puts back minimum 8, desired 8, which it had before it was first lowered")
    of.clock.forward(minutes=1)
    assert restore_asked(of.watchdog(), NODES, by="ada", reason="")["restored"]
    assert numbers(group) == (8, 8)


def test_a_later_stop_records_the_numbers_of_its_own_time_though_nobody_restored_those_of_before() -> None:
    of = town()
    group = overdue(of)
    for minutes in (0, 32, 5, 5):
        later(of, minutes=minutes)
    assert of.ledger.record(NODES) is None
    of.clock.forward(minutes=1)
    group.desired = 4
    launch_missing(of.world, group, "a scheduled action")
    for minutes in (5, 13 * 60, 32):
        later(of, minutes=minutes)
    assert alive(of, group) == []
    lowering = of.ledger.lowering(NODES)
    assert lowering is not None
    assert lowering.before == Capacity(0, 4)


# --- where putting back comes late --------------------------------------------------------------------------------


def test_a_put_back_that_failed_is_tried_again_though_all_that_were_in_the_group_have_ended_meanwhile() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    calls = [0]

    def fault(operation: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if operation != "UpdateAutoScalingGroup":
            return None
        calls[0] += 1
        if calls[0] == 1:
            joins(of, group, scale_in_protected=True)
        return TransientAwsError("Rate exceeded", code="Throttling") if calls[0] == 2 else None

    of.world.fault = fault
    later(of, minutes=32)
    assert numbers(group) == (0, 0)
    later(of, minutes=5)
    assert numbers(group) == (1, 1), "the newcomer has its number again"
    (newcomer,) = alive(of, group)
    newcomer.scale_in_protected = False
    later(of, minutes=5)
    assert newcomer.alive


def put_back_fails(times: int, *, seen: int | None = None) -> tuple[Town, FakeGroup]:
    """Somebody joins in the moment of the lowering, and so many calls for putting back fail, while all others end.

    `seen`: how many of them have failed when it returns; None: all.
    """
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    calls = [0]

    def fault(operation: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if operation != "UpdateAutoScalingGroup":
            return None
        calls[0] += 1
        if calls[0] == 1:
            joins(of, group, scale_in_protected=True)
        if not 1 < calls[0] <= 1 + times:
            return None
        return TransientAwsError("Rate exceeded", code="Throttling")

    of.world.fault = fault
    later(of, minutes=32)
    for _ in range((seen or times) - 1):
        later(of, minutes=5)
        assert (numbers(group), len(alive(of, group))) == ((0, 0), 1)
    return of, group


@pytest.mark.parametrize("failures", [2, 3, 4])
def test_a_put_back_that_fails_again_after_all_that_were_in_the_group_have_ended_is_tried_until_it_works(
    failures: int,
) -> None:
    of, group = put_back_fails(failures)
    assert later(of, minutes=5).failures == []
    assert numbers(group) == (1, 1)
    _, back = told(of, "capacity put back")[-1]
    assert back.startswith("sets nodes from minimum 0, desired 0 back to minimum 1, desired 1, so that it ends none")
    assert back.endswith("; before the stop it had minimum 8, desired 8, which costwatch restore puts back")
    (newcomer,) = alive(of, group)
    newcomer.scale_in_protected = False
    later(of, minutes=5)
    assert newcomer.alive
    assert record(of).status is Status.RUNNING
    of.clock.forward(minutes=1)
    assert restore_asked(of.watchdog(), NODES, by="ada", reason="")["restored"]
    assert numbers(group) == (8, 8)


def test_while_it_fails_restore_offers_the_numbers_of_before() -> None:
    of, group = put_back_fails(2)
    of.world.fault = None
    of.clock.forward(minutes=1)
    assert restore_asked(of.watchdog(), NODES, by="ada", reason="")["restored"]
    assert numbers(group) == (8, 8)
    later(of, minutes=5)
    assert (numbers(group), of.ledger.lowering(NODES)) == ((8, 8), None)


@pytest.mark.parametrize("failures", [2, 3, 4])
def test_it_is_tried_again_though_the_one_that_joined_has_been_replaced_meanwhile_too(failures: int) -> None:
    of, group = put_back_fails(failures, seen=2)
    (newcomer,) = alive(of, group)
    of.world.end(newcomer)
    joins(of, group, scale_in_protected=True)
    for _ in range(failures - 2):
        later(of, minutes=5)
        assert numbers(group) == (0, 0)
    assert later(of, minutes=5).failures == []
    assert numbers(group) == (1, 1)


def test_what_a_new_episode_puts_back_once_and_sees_hold_is_not_put_back_over_what_a_person_sets_then() -> None:
    of, group = put_back_fails(2)
    for _ in range(2):
        later(of, minutes=5)
    assert numbers(group) == (1, 1)
    group.min_size = group.desired = 0
    for _ in range(3):
        later(of, minutes=5)
    assert (numbers(group), len(told(of, "capacity left"))) == ((0, 0), 1)


def test_where_putting_back_did_not_fail_a_new_episode_owes_nothing_and_a_person_may_set_what_the_stop_had_set() -> (
    None
):
    of, group = lowered_and_not_ended()
    for node in alive(of, group):
        of.world.end(node)
    group.min_size, group.desired = 1, 1
    launch_missing(of.world, group, "a person raised it")
    later(of, minutes=5)
    assert len(told(of, "superseded")) == 1
    group.min_size = group.desired = 0
    for _ in range(3):
        later(of, minutes=5)
    assert (numbers(group), updates(of)) == ((0, 0), 1)


def test_who_ec2_ends_already_is_not_launched_anew_though_the_group_still_lists_it() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    denied(of, "TerminateInstanceInAutoScalingGroup")
    later(of, minutes=32)
    assert numbers(group) == (0, 0)
    group.scales_in_after = None  # AWS takes its time
    nodes = alive(of, group)
    for node in nodes[:3]:
        node.state = "shutting-down"
    nodes[3].tags["costwatch:exempt"] = "the paper is due"
    later(of, minutes=5)
    assert numbers(group) == (5, 5)


def test_what_mass_silence_holds_after_it_was_lowered_gets_its_numbers_back_in_that_sweep() -> None:
    of = Town(policies.policy(selectors=[policies.selector(at_min_size="lower", heartbeat_seconds=45 * 60)]))
    group = of.world.launch_group(age=HOUR, tags=TAGS, size=3)
    group.max_size = 20
    node, *others = alive(of, group)[0], *(of.world.launch(age=HOUR, tags=TAGS) for _ in range(2))

    def beats(trainers: list[FakeInstance], seq: int) -> None:
        of.clock.forward(minutes=5)
        for trainer in trainers:
            of.beat(trainer, seq=seq)
        sweep(of.watchdog())

    for n in range(1, 6):
        beats([node, *others], n)
    denied(of, "TerminateInstanceInAutoScalingGroup")
    n = 5
    while numbers(group) != (0, 0):
        n += 1
        beats(others if n < 19 else [], n)
        assert n < 80
    group.scales_in_after = None  # AWS takes its time
    while (hold := record(of).hold) is None or hold.code is not HoldCode.MASS_SILENCE:
        n += 1
        beats([], n)
        assert n < 120
    assert numbers(group) == (3, 3)
    assert len(alive(of, group)) == 3
