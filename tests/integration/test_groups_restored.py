"""A group that was lowered is put back once, by a person, and only as it was left."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core.group import Capacity
from costwatch.core.model import RunId, RunKind
from costwatch.errors import PermanentAwsError, RefusedError
from costwatch.procedures.restore_asked import restore_asked
from tests.support.builders import ACCOUNT, REGION
from tests.support.fake_groups import FakeGroup
from tests.support.fakes import Town
from tests.support.groups import NODES, alive, overdue, town, transitions
from tests.support.town import failing, later, warn_and_let_the_notice_pass

ADA = "arn:aws:iam::111122223333:user/ada"


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
