"""Groups that change while they are warned or stopped: nodes are replaced, others join, somebody sets the numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.model import RunId, RunKind
from costwatch.core.record import RunRecord
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fake_groups import FakeGroup, launch_missing, members_of
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
