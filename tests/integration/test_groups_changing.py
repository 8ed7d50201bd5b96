"""A group that changes while it is looked at, warned or stopped, and what comes back after its stop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from costwatch.core.group import Capacity
from costwatch.core.record import Status
from costwatch.errors import AwsError
from costwatch.procedures.sweep import sweep
from tests.support.builders import REGION
from tests.support.fake_groups import FakeGroup
from tests.support.fakes import Town
from tests.support.groups import NODES, acts, alive, held, overdue, record, town, transitions
from tests.support.town import TAGS, later, warn_and_let_the_notice_pass


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
