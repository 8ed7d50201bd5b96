"""The ladder as a newcomer would see it: warned, stopped, verified, or held; over the real procedures."""

from __future__ import annotations

from datetime import timedelta

from costwatch.core.record import Status, Transition
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.fakes import Town


def transitions(town: Town) -> list[str]:
    """Every transition of every run in time order."""
    items = [i for (pk, _), i in sorted(town.table.items.items(), key=lambda x: x[0][1]) if pk.startswith("run#")]
    return [i["transition"] for i in items if i["transition"] != Transition.DELIVERED.value]


def test_a_forgotten_trainer_is_warned_then_stopped_then_verified_gone() -> None:
    town = Town(policies.policy())
    trainer = town.world.launch(
        age=timedelta(hours=11, minutes=30), tags={"Purpose": "training", "owner": "maria@example.com"}
    )

    sweep(town.watchdog())
    assert trainer.alive
    assert [channel for _, channel, _ in town.world.posts] == ["U0MARIA01"]

    town.clock.forward(minutes=31)
    sweep(town.watchdog())
    assert trainer.state == "terminated"

    for _ in range(2):
        town.clock.forward(minutes=5)
        sweep(town.watchdog())
    assert transitions(town) == [
        "first seen", "warned", "notice accepted", "due", "stopping", "stop requested", "verified gone",
    ]  # fmt: skip
    assert len(town.world.events) == 1


def test_observe_for_three_sweeps_then_enforce_warns_before_it_stops() -> None:
    observe = policies.policy(selectors=[policies.selector(mode="observe")])
    town = Town(observe)
    trainer = town.world.launch(age=timedelta(hours=40))
    for _ in range(3):
        sweep(town.watchdog())
        town.clock.forward(minutes=40)
    assert trainer.alive
    said = [card.text for _, _, card in town.world.posts]
    assert said == ["Costwatch observes: nothing would be stopped now; 1 would have been warned, $21.96 an hour"]
    assert "would stop" in transitions(town)
    town.world.posts.clear()

    town.policy = policies.policy()
    sweep(town.watchdog())
    assert trainer.alive
    assert len(town.world.posts) == 1
    town.clock.forward(minutes=29)
    sweep(town.watchdog())
    assert trainer.alive
    town.clock.forward(minutes=3)
    sweep(town.watchdog())
    assert not trainer.alive


def test_a_persistent_spot_request_is_cancelled_before_its_instance_goes() -> None:
    town = Town(policies.policy())
    trainer = town.world.launch(age=timedelta(hours=13), spot="persistent")
    sweep(town.watchdog())
    town.clock.forward(minutes=35)
    sweep(town.watchdog())
    assert trainer.state == "terminated"
    assert [i for i in town.world.instances.values() if i.alive] == []


def test_more_due_than_the_cap_is_held_and_released() -> None:
    town = Town(policies.policy(blast_cap={"runs": 2, "share": "1", "per_day": 20}))
    trainers = [town.world.launch(age=timedelta(hours=13 + n)) for n in range(4)]
    sweep(town.watchdog())
    town.clock.forward(minutes=35)
    sweep(town.watchdog())
    assert [t.alive for t in trainers] == [True, True, False, False]
    for _ in range(6):
        town.clock.forward(minutes=5)
        sweep(town.watchdog())
    assert [t.alive for t in trainers] == [True, True, False, False]
    records = town.ledger.open_records("111122223333", "us-east-1")
    assert {r.status for r in records.values()} == {Status.HELD}
