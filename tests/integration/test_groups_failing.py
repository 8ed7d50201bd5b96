"""Whole or not at all when AWS fails: what a group's numbers show counts, and the next sweep goes on from there."""

from __future__ import annotations

from costwatch.core.group import Capacity
from costwatch.core.record import Status
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support.builders import REGION
from tests.support.groups import NODES, acts, alive, held, overdue, record, town, transitions
from tests.support.town import failing, later, warn_and_let_the_notice_pass


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
