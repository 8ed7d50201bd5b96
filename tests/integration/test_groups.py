"""Auto Scaling groups over the real procedures: read first, lowered by number, whole or not at all, and put back.

The fake's group ends protected instances without a word and replaces what is missing, as AWS does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.group import Capacity
from costwatch.core.model import RunId, RunKind
from costwatch.core.record import RunRecord, Status
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError, RefusedError, TransientAwsError
from costwatch.procedures.report import SweepReport
from costwatch.procedures.restore_asked import restore_asked
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fake_groups import FakeGroup, members_of
from tests.support.fakes import FakeInstance, Fault, Town

TAGS = {"Purpose": "training", "owner": "maria@example.com"}
NODES = RunId(ACCOUNT, REGION, RunKind.ASG, "nodes")
ADA = "arn:aws:iam::111122223333:user/ada"
ACTS = {
    "UpdateAutoScalingGroup",
    "TerminateInstanceInAutoScalingGroup",
    "TerminateInstances",
    "CancelSpotInstanceRequests",
}


def town(*, at_min_size: str = "lower", **changes: Any) -> Town:
    return Town(policies.policy(selectors=[policies.selector(at_min_size=at_min_size, **changes)]))


def overdue(of: Town, **changes: Any) -> FakeGroup:
    """Eight nodes past their time, at their minimum size."""
    return of.world.launch_group(**{"age": 13 * HOUR, "tags": TAGS, "spot": "one-time", **changes})


def later(of: Town, **duration: float) -> SweepReport:
    of.clock.forward(**duration)
    return sweep(of.watchdog())


def warn_and_let_the_notice_pass(of: Town) -> SweepReport:
    sweep(of.watchdog())
    return later(of, minutes=32)


def record(of: Town) -> RunRecord:
    found = of.ledger.record(NODES)
    assert found is not None
    return found


def held(of: Town) -> tuple[HoldCode, str]:
    hold = record(of).hold
    assert hold is not None
    return hold.code, hold.reason


def acts(of: Town) -> list[tuple[str, tuple[str, ...]]]:
    return [(operation, ids) for operation, _, ids in of.world.calls if operation in ACTS]


def alive(of: Town, group: FakeGroup) -> list[FakeInstance]:
    return [i for i in members_of(of.world, group) if i.alive]


def transitions(of: Town) -> list[str]:
    return [row.entry.transition.value for row in of.ledger.timeline(NODES)]


def failing(operation: str, error: AwsError, *, times: int = 1000) -> Fault:
    left = [times]

    def fault(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called != operation or not left[0]:
            return None
        left[0] -= 1
        return error

    return fault


# --- one run, lowered by number -------------------------------------------------------------------------------


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


# --- read first: what AWS does not look at itself --------------------------------------------------------------


def _protected(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].protected = True


def _scale_in_protected(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].scale_in_protected = True


def _standby(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].group_state = "Standby"
    group.desired = group.min_size = 7


def _detaching(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].group_state = "Detaching"


def _other_purpose(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].tags["Purpose"] = "inference"


def _run_tag(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].tags["costwatch:run"] = "llm"


def _never_on_one(of: Town, group: FakeGroup) -> None:
    alive(of, group)[3].tags["costwatch:never"] = ""


def _group(**changes: Any) -> Callable[[Town, FakeGroup], None]:
    def change(of: Town, group: FakeGroup) -> None:
        del of
        for name, value in changes.items():
            setattr(group, name, value)

    return change


HELD: dict[str, tuple[Callable[[Town, FakeGroup], None], HoldCode, str]] = {
    "termination protection": (_protected, HoldCode.TERMINATION_PROTECTION, "has termination protection"),
    "scale-in protection": (_scale_in_protected, HoldCode.SCALE_IN_PROTECTION, "is protected from scale-in"),
    "standby": (_standby, HoldCode.STANDBY, "exit-standby --auto-scaling-group-name nodes --instance-ids i-"),
    "detaching": (_detaching, HoldCode.UNPROVABLE, "is Detaching in Auto Scaling group nodes"),
    "outside the selector": (_other_purpose, HoldCode.OUTSIDE, "is not picked by selector trainers"),
    "never on an instance": (_never_on_one, HoldCode.NEVER, "carries costwatch:never"),
    "never on the group": (
        _group(tags={**TAGS, "costwatch:never": ""}),
        HoldCode.NEVER,
        "Auto Scaling group nodes carries costwatch:never",
    ),
    "the group untagged": (
        _group(tags={"Name": "nodes"}),
        HoldCode.GROUP_UNTAGGED,
        "aws autoscaling create-or-update-tags --tags ResourceId=nodes,ResourceType=auto-scaling-group,Key=Purpose,"
        "Value=training,PropagateAtLaunch=true",
    ),
    "a cluster's group": (_group(controller="EKS cluster ml"), HoldCode.PARENT, "belongs to EKS cluster ml"),
    "a warm pool": (_group(warm_pool=True), HoldCode.WARM_POOL, "delete-warm-pool --auto-scaling-group-name nodes"),
    "Terminate suspended": (
        _group(suspended={"Terminate"}),
        HoldCode.PROCESS_SUSPENDED,
        "resume-processes --auto-scaling-group-name nodes --scaling-processes Terminate",
    ),
    "several zones": (
        _group(zones=("us-east-1a", "us-east-1b")),
        HoldCode.ZONE_REBALANCE,
        "spans 2 zones and balances them while it shrinks; let selector trainers say `az_rebalance: accept`",
    ),
    "being deleted": (_group(deleting=True), HoldCode.UNPROVABLE, "Auto Scaling group nodes is gone or going"),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_what_holds_any_of_it_holds_the_whole_and_nothing_is_touched(name: str) -> None:
    change, code, reason = HELD[name]
    of = town()
    group = overdue(of)
    change(of, group)
    for _ in range(4):
        warn_and_let_the_notice_pass(of)
    assert held(of)[0] is code
    assert reason in held(of)[1]
    assert (acts(of), len([i for i in members_of(of.world, group) if i.alive])) == ([], 8)


@pytest.mark.parametrize("name", HELD)
def test_what_begins_to_hold_it_after_the_notice_holds_it_all_the_same(name: str) -> None:
    change, _, _ = HELD[name]
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    change(of, group)
    later(of, minutes=32)
    assert (acts(of), len([i for i in members_of(of.world, group) if i.alive])) == ([], 8)


def test_a_run_tag_over_instances_of_a_group_is_held_and_says_that_the_group_is_the_run() -> None:
    of = town()
    group = overdue(of, size=2)
    for instance in alive(of, group):
        instance.tags["costwatch:run"] = "llm"
    warn_and_let_the_notice_pass(of)
    found = of.ledger.record(RunId(ACCOUNT, REGION, RunKind.TAGGED, "llm"))
    assert found is not None
    assert found.hold is not None
    assert "which is the run: leave the tag costwatch:run off its instances" in found.hold.reason
    assert acts(of) == []


def test_one_run_tag_inside_a_group_holds_the_group() -> None:
    of = town()
    group = overdue(of)
    _run_tag(of, group)
    warn_and_let_the_notice_pass(of)
    later(of, minutes=32)
    assert held(of)[0] is HoldCode.OUTSIDE
    assert "the group is the run: leave the tag off" in held(of)[1]
    assert acts(of) == []


def test_a_protect_rule_by_tag_covers_the_group_itself() -> None:
    protect = [{"tags": {"Environment": ["prod"]}, "asg": None}]
    of = Town(policies.policy(selectors=[policies.selector(at_min_size="lower")], protect=protect))
    group = overdue(of)
    group.tags["Environment"] = "prod"
    warn_and_let_the_notice_pass(of)
    assert held(of) == (HoldCode.PROTECT_RULE, held(of)[1])
    assert acts(of) == []


def test_at_its_minimum_size_it_is_held_unless_the_selector_lowers_it() -> None:
    of = town(at_min_size="hold")
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    assert held(of)[0] is HoldCode.MIN_SIZE
    assert "minimum size of 8" in held(of)[1]
    assert "aws autoscaling update-auto-scaling-group --auto-scaling-group-name nodes --min-size 0" in held(of)[1]
    assert (acts(of), len(alive(of, group))) == ([], 8)


def test_a_minimum_of_nothing_is_no_minimum() -> None:
    of = town(at_min_size="hold")
    overdue(of, min_size=1)
    warn_and_let_the_notice_pass(of)
    assert held(of)[0] is HoldCode.MIN_SIZE


def test_several_zones_are_stopped_where_the_selector_accepts_it_or_aws_does_not_balance() -> None:
    accepting = town(az_rebalance="accept")
    group = overdue(accepting, zones="ab")
    warn_and_let_the_notice_pass(accepting)
    assert alive(accepting, group) == []

    unbalanced = town()
    group = overdue(unbalanced, zones="ab")
    group.suspended.add("AZRebalance")
    warn_and_let_the_notice_pass(unbalanced)
    assert alive(unbalanced, group) == []


def test_a_selector_that_stops_instances_holds_a_group_which_would_replace_them() -> None:
    of = town(action="stop")
    group = overdue(of, spot=None)
    warn_and_let_the_notice_pass(of)
    assert held(of)[0] is HoldCode.GROUP_ACTION
    assert (acts(of), len(alive(of, group))) == ([], 8)


# --- whole or not at all, when AWS fails ------------------------------------------------------------------------


def test_a_group_that_cannot_be_read_is_reported_and_left_alone() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    of.world.fault = failing("DescribeAutoScalingGroups", PermanentAwsError("AccessDenied"))
    report = later(of, minutes=32)
    assert [failure.where for failure in report.failures] == [str(NODES)]
    assert (acts(of), len(alive(of, group))) == ([], 8)


def test_a_group_that_vanished_between_the_listing_and_the_look_is_held() -> None:
    of = town()
    overdue(of)
    sweep(of.watchdog())
    del of.world.groups[REGION, "nodes"]
    later(of, minutes=32)
    assert held(of)[0] is HoldCode.UNPROVABLE
    assert acts(of) == []


def test_a_group_deleted_between_the_last_look_and_the_act_fails_loudly_and_ends_by_itself() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())

    def deleted(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called == "UpdateAutoScalingGroup":
            of.world.groups.clear()
            for instance in [i for i in of.world.instances.values() if i.asg == group.name]:
                of.world.end(instance)
            return PermanentAwsError("ValidationError: AutoScalingGroup name not found", code="ValidationError")
        return None

    of.world.fault = deleted
    later(of, minutes=32)
    of.world.fault = None
    later(of, minutes=5)
    later(of, minutes=5)
    assert of.ledger.record(NODES) is None
    assert not any(i.alive for i in of.world.instances.values())


def test_numbers_that_aws_refuses_to_set_leave_every_instance_alone() -> None:
    of = town()
    group = overdue(of)
    of.world.fault = failing("UpdateAutoScalingGroup", PermanentAwsError("AccessDenied", code="AccessDenied"))
    report = warn_and_let_the_notice_pass(of)
    assert "Auto Scaling group nodes keeps minimum 8, desired 8, so nothing was stopped" in report.failures[0].reason
    assert (len(alive(of, group)), record(of).status) == (8, Status.FAILED)
    of.world.fault = None
    later(of, minutes=5)
    assert alive(of, group) == []
    lowering = of.ledger.lowering(NODES)
    assert lowering is not None
    assert lowering.before == Capacity(8, 8)
    assert transitions(of).count("capacity lowered") == 1


def test_a_call_that_took_effect_and_said_it_failed_is_judged_by_what_the_group_shows() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    real = of.watchdog().autoscaling(REGION)

    def lost(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called == "UpdateAutoScalingGroup":
            of.world.fault = None
            real.set_capacity("nodes", Capacity(0, 0), min_size=True)
            return TransientAwsError("read timeout")
        return None

    of.world.fault = lost
    report = later(of, minutes=32)
    assert (report.failures, alive(of, group)) == ([], [])


def test_after_lowering_alone_the_next_attempt_neither_forgets_nor_lowers_again() -> None:
    of = town()
    group = overdue(of)
    for instance in alive(of, group):
        instance.scale_in_protected = False
    of.world.fault = failing("TerminateInstanceInAutoScalingGroup", PermanentAwsError("AccessDenied"))
    warn_and_let_the_notice_pass(of)
    assert record(of).status is Status.FAILED
    assert (group.min_size, group.desired) == (0, 0)
    of.world.fault = None
    later(of, minutes=5)
    lowering = of.ledger.lowering(NODES)
    assert lowering is not None
    assert lowering.before == Capacity(8, 8), "and never the 0 that the first attempt set"
    assert transitions(of).count("capacity lowered") == 1
    assert alive(of, group) == []


def test_one_id_that_the_group_does_not_know_spares_no_other() -> None:
    of = town()
    group = overdue(of)
    odd = alive(of, group)[5]

    def refuse(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where
        odd_one = called == "TerminateInstanceInAutoScalingGroup" and odd.id in ids
        return PermanentAwsError("ValidationError: no managed instance", code="ValidationError") if odd_one else None

    of.world.fault = refuse
    report = warn_and_let_the_notice_pass(of)
    assert [i.id for i in alive(of, group)] == [odd.id]
    assert f"{odd.id} still running" in report.failures[0].reason


# --- what is launched meanwhile, and what comes back -------------------------------------------------------------


def _joins(of: Town, group: FakeGroup, at: str, **changes: Any) -> Callable[..., AwsError | None]:
    """One more is launched while `at` is being called."""

    def fault(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        if called == at:
            of.world.fault = None
            of.world.launch(tags=TAGS, asg=group.name, **changes)
        return None

    return fault


def test_a_member_that_launches_during_the_stop_is_found_and_stopped_with_it() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    of.world.fault = _joins(of, group, "UpdateAutoScalingGroup")
    report = later(of, minutes=32)
    assert (report.failures, alive(of, group)) == ([], [])
    stop = record(of).stop
    assert stop is not None


def test_a_protected_member_that_launches_during_the_stop_is_left_and_told() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    of.world.fault = _joins(of, group, "UpdateAutoScalingGroup", protected=True)
    report = later(of, minutes=32)
    assert "joined Auto Scaling group nodes while it was being stopped" in report.failures[0].reason
    assert "has termination protection" in report.failures[0].reason
    assert record(of).status is Status.FAILED
    assert len(alive(of, group)) == 9


def test_a_member_that_launches_while_the_group_is_being_looked_at_makes_another_notice_due() -> None:
    of = town()
    group = overdue(of)
    sweep(of.watchdog())
    attributes = [0]

    def twelfth_look(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        del where, ids
        attributes[0] += called == "DescribeInstanceAttribute"
        if attributes[0] == 12:
            of.world.fault = None
            of.world.launch(tags=TAGS, asg=group.name)
        return None

    of.world.fault = twelfth_look
    report = later(of, minutes=32)
    assert "changed while it was being looked at; nothing was stopped" in report.failures[0].reason
    assert (acts(of), len(alive(of, group))) == ([], 9)
    later(of, minutes=5)
    assert acts(of) == []
    later(of, minutes=32)
    assert alive(of, group) == []


def test_a_member_that_launches_after_the_last_look_is_not_verified_gone() -> None:
    of = town()
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    straggler = of.world.launch(tags=TAGS, asg=group.name, age=timedelta(minutes=1))
    straggler.scale_in_protected = True
    later(of, minutes=5)
    later(of, minutes=5)
    assert record(of).status is Status.STOPPING
    later(of, minutes=10)
    assert record(of).status is Status.FAILED
    assert "still runs more than 15 min after the stop was accepted" in held(of)[1]
    later(of, minutes=5)
    assert straggler.alive
    assert record(of).start == straggler.launch_time, "nobody warned it: it is a new run with a clock of its own"


def test_whoever_raises_the_group_again_is_quoted_in_the_words_of_its_newest_activity() -> None:
    of = town()
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(minutes=3)
    of.watchdog().autoscaling(REGION).set_capacity("nodes", Capacity(0, 2), min_size=False)
    later(of, minutes=2)
    assert of.ledger.record(NODES) is None
    told = of.ledger.timeline(NODES)
    [came_back] = [row.entry.reason for row in told if row.entry.transition.value == "came back"]
    launched = sorted(i.id for i in alive(of, group))
    assert came_back == (
        f"Auto Scaling group nodes has minimum 0, desired 2 again and launched {', '.join(launched)}; its newest "
        f"activity: Launching a new EC2 instance: {launched[-1]}: a user request update of capacity to 2"
    )
    later(of, minutes=5)
    assert record(of).start == of.clock.now - timedelta(minutes=7), "and it is a new run with a clock of its own"


def test_a_group_that_is_deleted_before_the_verification_is_verified_gone() -> None:
    of = town()
    overdue(of)
    warn_and_let_the_notice_pass(of)
    of.world.groups.clear()
    later(of, minutes=5)
    later(of, minutes=5)
    assert of.ledger.record(NODES) is None
    assert "verified gone" in transitions(of)


def test_an_instance_that_a_lifecycle_hook_keeps_is_neither_alive_nor_gone() -> None:
    of = town()
    group = overdue(of)
    hooked = alive(of, group)[0]
    sweep(of.watchdog())
    hooked.group_state = "Terminating:Wait"
    later(of, minutes=32)
    assert hooked.id not in acts(of)[1][1], "what is ending is not asked twice"
    for _ in range(5):
        later(of, minutes=5)
    assert record(of).status is Status.STOPPING
    of.world.end(hooked)
    later(of, minutes=5)
    later(of, minutes=5)
    assert of.ledger.record(NODES) is None


def test_a_detached_member_of_the_notice_makes_another_notice_due() -> None:
    of = town()
    group = overdue(of)
    gone = alive(of, group)[0]
    sweep(of.watchdog())
    gone.asg, gone.tags = None, {"Name": "mine"}
    group.desired = group.min_size = 7
    later(of, minutes=32)
    assert acts(of) == []
    [again] = [row.entry.reason for row in of.ledger.timeline(NODES) if "is warned anew" in row.entry.reason]
    assert f"{gone.id} left it and runs on" in again


# --- put back ----------------------------------------------------------------------------------------------------


def stopped_and_verified() -> tuple[Town, FakeGroup]:
    of = town()
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    later(of, minutes=5)
    later(of, minutes=5)
    assert of.ledger.record(NODES) is None
    of.clock.forward(minutes=1)
    return of, group


def restore(of: Town, name: str = "nodes") -> dict[str, Any]:
    return restore_asked(of.watchdog(), RunId(ACCOUNT, REGION, RunKind.ASG, name), by=ADA, reason="next run")


def test_restore_puts_both_numbers_back_once_and_says_who() -> None:
    of, group = stopped_and_verified()
    assert restore(of) == {"run": str(NODES), "restored": True, "min_size": 8, "desired": 8}
    assert (group.min_size, group.desired, group.max_size, len(alive(of, group))) == (8, 8, 8, 8)
    told = [(row.entry.transition.value, row.entry.actor) for row in of.ledger.timeline(NODES)][-2:]
    assert told == [("restore asked for", ADA), ("capacity restored", ADA)]
    with pytest.raises(RefusedError, match="nothing was lowered"):
        restore(of)


def test_restore_refuses_what_was_never_lowered() -> None:
    of = town()
    overdue(of)
    with pytest.raises(RefusedError, match="nothing was lowered"):
        restore(of)


def test_restore_refuses_while_the_stop_is_not_verified() -> None:
    of = town()
    group = overdue(of)
    warn_and_let_the_notice_pass(of)
    with pytest.raises(RefusedError, match="is being stopped and that is not verified yet"):
        restore(of)
    assert group.desired == 0


def test_restore_refuses_when_the_group_is_gone() -> None:
    of, _ = stopped_and_verified()
    of.world.groups.clear()
    with pytest.raises(RefusedError, match="nodes is gone"):
        restore(of)


@pytest.mark.parametrize(("min_size", "desired"), [(0, 4), (4, 8), (1, 1)])
def test_restore_refuses_what_somebody_has_changed_since(min_size: int, desired: int) -> None:
    of, group = stopped_and_verified()
    group.min_size, group.desired = min_size, desired
    with pytest.raises(RefusedError, match="somebody changed it since"):
        restore(of)
    assert (group.min_size, group.desired) == (min_size, desired)


def test_restore_asked_again_after_a_crash_ends_what_was_begun() -> None:
    of, group = stopped_and_verified()
    group.min_size = group.desired = 8
    assert restore(of)["restored"]
    assert of.ledger.lowering(NODES) is None
    assert transitions(of)[-1] == "capacity restored"


def test_restore_that_aws_refuses_leaves_the_record_for_another_try() -> None:
    of, group = stopped_and_verified()
    of.world.fault = failing("UpdateAutoScalingGroup", PermanentAwsError("AccessDenied"))
    with pytest.raises(PermanentAwsError):
        restore(of)
    of.world.fault = None
    assert restore(of)["restored"]
    assert group.desired == 8


def test_a_second_stop_after_a_restore_records_the_numbers_of_that_time() -> None:
    of, group = stopped_and_verified()
    group.min_size, group.desired, group.max_size = 0, 0, 16
    restore(of)
    group.min_size, group.desired = 2, 8
    later(of, hours=12)
    warn_and_let_the_notice_pass(of)
    lowering = of.ledger.lowering(NODES)
    assert lowering is not None
    assert lowering.before == Capacity(2, 8)


def test_only_a_group_can_be_restored() -> None:
    of = town()
    with pytest.raises(RefusedError, match="is no Auto Scaling group"):
        restore_asked(of.watchdog(), RunId(ACCOUNT, REGION, RunKind.INSTANCE, "i-1"), by=ADA, reason="")
