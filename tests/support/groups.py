"""Auto Scaling groups over the real procedures: one overdue group of eight, and what can be seen of it.

The fake's group ends protected instances without a word and replaces what is missing, as AWS does.
"""

from __future__ import annotations

from typing import Any

from costwatch.core.model import RunId, RunKind
from costwatch.core.record import RunRecord
from costwatch.core.selection import HoldCode
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fake_groups import FakeGroup, members_of
from tests.support.fakes import FakeInstance, Town
from tests.support.town import TAGS

NODES = RunId(ACCOUNT, REGION, RunKind.ASG, "nodes")
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
