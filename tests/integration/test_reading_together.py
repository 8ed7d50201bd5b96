"""Whoever is to be warned or stopped is read once more: many in a few calls, and nobody on what was true before."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.record import Status
from costwatch.errors import AwsError, TransientAwsError
from costwatch.procedures import looking
from costwatch.procedures.sweep import sweep
from tests.integration.test_sweep_story import transitions
from tests.support import policies
from tests.support.builders import ACCOUNT, REGION
from tests.support.fakes import Town

RUN_TAG = "costwatch:run"
OVERDUE = timedelta(hours=20)
TAGS = {"Purpose": "training"}


def town(mode: str = "observe") -> Town:
    return Town(policies.policy(mode="enforce", selectors=[policies.selector(mode=mode)]))


def asked(of: Town) -> Counter[str]:
    return Counter(operation for operation, region, _ids in of.world.calls if region)


def statuses(of: Town) -> Counter[Status]:
    return Counter(record.status for record in of.ledger.open_records(ACCOUNT, REGION).values())


def when(of: Town, operation: str, number: int, change: Any) -> None:
    """Something happens right before that call of its kind."""
    seen: Counter[str] = Counter()

    def fault(called: str, _region: str, _ids: tuple[str, ...]) -> AwsError | None:
        seen[called] += 1
        if called == operation and seen[called] == number:
            answer: AwsError | None = change()
            return answer
        return None

    of.world.fault = fault


def test_in_observe_many_are_warned_of_with_one_look_and_their_protection_is_not_asked_for() -> None:
    of = town()
    for _ in range(20):
        of.world.launch(age=OVERDUE, spot="persistent")
    for n in range(6):
        of.world.launch(age=OVERDUE, tags={**TAGS, RUN_TAG: f"run-{n // 2}"})
    sweep(of.watchdog())
    assert statuses(of) == {Status.WARNED: 23}
    calls = asked(of)
    assert calls["DescribeInstances"] == 3, "the listing, by id, by run tag"
    assert calls["DescribeSpotInstanceRequests"] == 1
    assert calls["DescribeInstanceAttribute"] == 0


@pytest.mark.parametrize("mode", ["warn", "enforce"])
def test_whoever_is_told_of_a_warning_is_asked_for_protection_first(mode: str) -> None:
    of = town(mode)
    of.world.launch(age=OVERDUE)
    of.world.launch(age=OVERDUE, protected=True)
    sweep(of.watchdog())
    assert statuses(of) == {Status.WARNED: 1, Status.HELD: 1}
    assert asked(of)["DescribeInstanceAttribute"] == 2


def test_in_observe_what_is_protected_is_held_when_it_would_be_stopped() -> None:
    of = town()
    of.world.launch(age=OVERDUE)
    of.world.launch(age=OVERDUE, protected=True)
    sweep(of.watchdog())
    of.clock.forward(minutes=31)
    sweep(of.watchdog())
    assert statuses(of) == {Status.WOULD_STOP: 1, Status.HELD: 1}
    told = len(transitions(of))
    for _ in range(12):
        of.clock.forward(minutes=10)
        sweep(of.watchdog())
        assert statuses(of) == {Status.WOULD_STOP: 1, Status.HELD: 1}, "it stays held while it is protected"
    assert len(transitions(of)) == told, "nothing about it is told anew"


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_a_tag_that_comes_between_the_listing_and_the_second_look_counts(mode: str) -> None:
    of = town(mode)
    spared, other = of.world.launch(age=OVERDUE), of.world.launch(age=OVERDUE)
    when(of, "DescribeInstances", 2, lambda: spared.tags.update({"costwatch:exempt": "the paper is due"}))
    sweep(of.watchdog())
    records = {r.run_id.name: r.status for r in of.ledger.open_records(ACCOUNT, REGION).values()}
    assert records == {spared.id: Status.RUNNING, other.id: Status.WARNED}


def test_what_ended_or_was_regrouped_before_the_second_look_is_not_warned() -> None:
    of = town()
    ended, moved, other = (of.world.launch(age=OVERDUE) for _ in range(3))

    def change() -> None:
        of.world.end(ended)
        moved.tags[RUN_TAG] = "churn"

    when(of, "DescribeInstances", 2, change)
    sweep(of.watchdog())
    assert [r.run_id.name for r in of.ledger.open_records(ACCOUNT, REGION).values()] == [other.id]


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_when_many_cannot_be_read_together_each_is_read_by_itself(mode: str) -> None:
    of = town(mode)
    for _ in range(3):
        of.world.launch(age=OVERDUE)
    when(of, "DescribeInstances", 2, lambda: TransientAwsError("RequestLimitExceeded"))
    report = sweep(of.watchdog())
    assert report.failures == []
    assert statuses(of) == {Status.WARNED: 3}
    assert asked(of)["DescribeInstances"] == 5, "the listing, all together, and one for each"


def test_more_than_go_together_are_read_in_parts() -> None:
    of = town()
    for _ in range(looking.TOGETHER + 1):
        of.world.launch(age=OVERDUE)
    sweep(of.watchdog())
    assert statuses(of) == {Status.WARNED: looking.TOGETHER + 1}
    assert asked(of)["DescribeInstances"] == 3


# --- written together ---------------------------------------------------------------------------------------------


def writes_of(of: Town) -> list[int]:
    """How many writes each transaction of the next sweeps has."""
    found: list[int] = []
    of.table.before_transact = lambda writes: found.append(len(writes))
    return found


def test_steps_of_many_runs_are_written_with_few_calls_and_none_is_torn_apart() -> None:
    of = town()
    for _ in range(60):
        of.world.launch(age=OVERDUE)
    found = writes_of(of)
    sweep(of.watchdog())
    assert statuses(of) == {Status.WARNED: 60}
    assert Counter(transitions(of)) == {"first seen": 60, "warned": 60}
    assert found[-3:] == [99, 81, 1], "33 steps of three writes, then the others; and how far costs are booked"


def test_where_one_step_is_too_late_the_others_are_written_all_the_same() -> None:
    of = town()
    trainers = [of.world.launch(age=OVERDUE) for _ in range(5)]
    sweep(of.watchdog())
    for trainer in trainers:
        trainer.tags["owner"] = "joe@example.com"
    taken = False

    def somebody_else_is_first(writes: Any) -> None:
        nonlocal taken
        if len(writes) > 1 and not taken:
            taken = True
            (row,) = (i for (pk, sk), i in of.table.items.items() if pk.startswith("open#") and trainers[2].id in sk)
            row["version"] += 1

    of.table.before_transact = somebody_else_is_first
    report = later(of)
    assert report.failures == []
    owners = {r.run_id.name: r.owner for r in of.ledger.open_records(ACCOUNT, REGION).values()}
    assert owners == {i.id: "" if i is trainers[2] else "joe@example.com" for i in trainers}
    of.table.before_transact = None
    later(of)
    owners = {r.run_id.name: r.owner for r in of.ledger.open_records(ACCOUNT, REGION).values()}
    assert set(owners.values()) == {"joe@example.com"}


def test_where_aws_takes_them_not_together_each_fails_or_is_written_by_itself() -> None:
    of = town()
    bad, *_ = [of.world.launch(age=OVERDUE) for _ in range(5)]

    def refuse(writes: Any) -> None:
        if any(bad.id in str(write) for write in writes):
            raise TransientAwsError("ProvisionedThroughputExceeded")

    of.table.before_transact = refuse
    report = sweep(of.watchdog())
    assert [failure.where for failure in report.failures] == [f"{ACCOUNT}/{REGION}/instance/{bad.id}"]
    assert statuses(of) == {Status.WARNED: 4}


def later(of: Town) -> Any:
    of.clock.forward(minutes=5)
    return sweep(of.watchdog())
