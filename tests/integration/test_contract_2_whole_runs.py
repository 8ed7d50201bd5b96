"""Line 2 of the safety contract: a run is stopped whole or not at all, whoever joins, leaves or starts anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from costwatch.core.record import Status
from costwatch.procedures.sweep import sweep
from tests.support.builders import HOUR, MINUTE
from tests.support.fakes import Town
from tests.support.town import TAGS, destroyed, later, overdue_and_warned, records, town, warn_and_let_the_notice_pass


def test_2_a_run_is_stopped_whole() -> None:
    of = town()
    trainers = [of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}, zone=zone) for zone in "aab"]
    warn_and_let_the_notice_pass(of)
    assert [trainer.alive for trainer in trainers] == [False, False, False]


def test_2_who_joins_a_run_after_its_notice_gets_a_notice_too() -> None:
    of = town()
    early = of.world.launch(age=11 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    sweep(of.watchdog())
    of.clock.forward(minutes=50)
    late = of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    sweep(of.watchdog())
    assert f"another notice: {late.id} joined since the last one" in str(of.world.posts[-1][2].blocks)
    told_at = of.clock.now
    later(of, minutes=29)
    assert (early.alive, late.alive) == (True, True), "the first notice is over, the second is not"
    later(of, minutes=3)
    assert (early.alive, late.alive) == (False, False)
    assert late.ended_at is not None
    assert late.ended_at - told_at > 30 * MINUTE


def test_2_a_run_that_somebody_joins_all_the_time_is_never_stopped_unwarned_nor_told_at_every_sweep() -> None:
    of = town()
    first = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    for _ in range(24):
        of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
        later(of, minutes=5)
    assert first.alive
    assert len(of.world.posts) == 4, "every half hour"


def test_2_two_owners_under_one_run_tag_are_held_and_not_stopped_on_one_owners_notice() -> None:
    of = town()
    mine = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "test", "owner": "maria@example.com"})
    yours = of.world.launch(age=1 * HOUR, tags={**TAGS, "costwatch:run": "test", "owner": "joe@example.com"})
    for _ in range(5):
        later(of, hours=1)
    assert (mine.alive, yours.alive) == (True, True)
    hold = next(iter(records(of).values())).hold
    assert hold is not None
    assert "its members belong to joe@example.com and maria@example.com" in hold.reason


@pytest.mark.parametrize(
    "member",
    [
        {"tags": {"costwatch:run": "churn"}},
        {"tags": {**TAGS, "costwatch:run": "churn", "costwatch:never": ""}},
        {"tags": {**TAGS, "costwatch:run": "churn", "Environment": "prod"}},
        {"tags": {**TAGS, "costwatch:run": "churn"}, "protected": True},
        {"tags": {**TAGS, "costwatch:run": "churn"}, "asg": "trainers"},
        {"tags": {**TAGS, "costwatch:run": "churn"}, "lifecycle": "capacity_block"},
    ],
    ids=["untagged", "never", "protect", "termination protection", "in a group", "prepaid"],
)
def test_2_one_member_that_must_not_be_stopped_holds_the_whole_run(member: dict[str, Any]) -> None:
    of = town(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}])
    trainers = [
        of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}),
        of.world.launch(age=40 * HOUR, **member),
    ]
    for _ in range(4):
        later(of, hours=1)
    assert all(trainer.alive for trainer in trainers)
    assert destroyed(of) == []
    assert records(of)["churn"].status is Status.HELD


def test_2_a_member_that_joined_after_the_warning_and_is_outside_holds_the_run_at_the_last_look() -> None:
    of = town()
    first = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    joined = of.world.launch(tags={"costwatch:run": "churn"})
    sweep(of.watchdog())
    assert (first.alive, joined.alive) == (True, True)


def test_2_a_pending_instance_of_a_tagged_run_is_not_stopped_under_its_predecessors_clock() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "nightly"}
    first = of.world.launch(age=40 * HOUR, tags=tags)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    of.world.end(first)
    second = of.world.launch(tags={**tags, "owner": "otto@example.com"})
    second.state = "pending"
    sweep(of.watchdog())
    later(of, minutes=5)
    assert second.alive


def test_2_an_instance_that_is_started_again_after_its_warning_gets_its_own_clock_while_pending() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    of.world.restart(trainer)
    trainer.state = "pending"
    sweep(of.watchdog())
    later(of, minutes=5)
    assert trainer.alive


def between_verdict_and_act(of: Town, happens: Callable[[], None]) -> None:
    """Let `happens` happen once the instances are judged: jobs are read after them, and stops come last."""
    seen: list[str] = []

    def watch(operation: str, region: str, ids: tuple[str, ...]) -> None:
        if operation == "ListTrainingJobs" and not seen:
            seen.append(operation)
            happens()

    of.world.fault = watch
    later(of, minutes=1)
    of.world.fault = None
    assert seen


def test_2_what_was_started_anew_between_the_verdict_and_the_act_is_not_stopped() -> None:
    of = town()
    trainer = overdue_and_warned(of)
    between_verdict_and_act(of, lambda: of.world.restart(trainer))
    for _ in range(10):
        later(of, hours=1)
    assert trainer.alive


def test_2_what_joined_another_run_between_the_verdict_and_the_act_is_not_stopped_alone() -> None:
    of = town()
    of.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "grp"}, protected=True)
    trainer = overdue_and_warned(of)
    between_verdict_and_act(of, lambda: trainer.tags.update({"costwatch:run": "grp"}))
    for _ in range(3):
        later(of, hours=1)
    assert trainer.alive


def test_2_a_run_is_not_cut_in_two_while_a_tag_is_gone_from_one_member() -> None:
    of = town()
    nodes = [of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"}) for _ in range(3)]
    sweep(of.watchdog())
    of.clock.forward(minutes=31)
    gone = nodes[2].tags.pop("costwatch:run")
    sweep(of.watchdog())
    assert [node.alive for node in nodes] == [True, True, True]
    nodes[2].tags["costwatch:run"] = gone
    for _ in range(3):
        later(of, minutes=31)
    assert [node.alive for node in nodes] == [False, False, False]
    assert not any("came back after" in card.text for _, _, card in of.world.posts)
