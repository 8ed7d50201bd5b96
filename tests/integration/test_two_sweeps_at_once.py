"""Two sweeps at once, one inside any outside call or write of the other: one decision, one stop, one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from costwatch.adapters.table import Write
from costwatch.core.policy import Service
from costwatch.procedures.hints import follow
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.fakes import ACCOUNT, Town

TAGS = {"Purpose": "training", "owner": "maria@example.com"}
SELECTORS = [policies.selector(), policies.selector("jobs", service="training")]
FINAL = {"verified gone", "ended by itself", "superseded"}


@dataclass
class Interruption:
    """Runs `inside` once, at the nth outside call or write; counts them."""

    at: int
    inside: Callable[[], object]
    seen: int = 0

    def here(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.inside()

    @property
    def reached(self) -> bool:
        return self.seen >= self.at


def seeded(town: Town) -> None:
    """A trainer on a persistent request, a run of two members in two zones and a training job, all overdue."""
    town.world.launch(age=timedelta(hours=13), tags=TAGS, spot="persistent")
    for zone in "ab":
        town.world.launch(age=timedelta(hours=14), tags={**TAGS, "costwatch:run": "bert"}, zone=zone)
    town.world.train("churn", age=timedelta(hours=15), tags=TAGS)


def interrupt(town: Town, hook: Interruption) -> None:
    """Put the hook into every outside call and before every write."""

    def fault(operation: str, region: str, ids: tuple[str, ...]) -> None:
        del operation, region, ids
        hook.here()

    def before_transact(writes: Sequence[Write]) -> None:
        del writes
        hook.here()

    town.world.fault = fault
    town.table.before_transact = before_transact


def quiet(town: Town) -> None:
    town.world.fault = None
    town.table.before_transact = None


def interleaved(town: Town, n: int) -> bool:
    """Sweep once, with another whole sweep inside its nth call; False when it has fewer calls."""

    def another() -> None:
        quiet(town)
        sweep(town.watchdog())
        interrupt(town, hook)

    hook = Interruption(n, another)
    interrupt(town, hook)
    sweep(town.watchdog())
    quiet(town)
    return hook.reached


def until_final(town: Town) -> None:
    """What a crash of leases or a lost race left is done within two more sweeps, and then verified."""
    for _ in range(4):
        town.clock.forward(minutes=5)
        sweep(town.watchdog())


def transitions(town: Town) -> Counter[tuple[str, str]]:
    rows = (row for (pk, _), row in town.table.items.items() if pk.startswith("run#"))
    return Counter((row["run_id"], row["transition"]) for row in rows if row["transition"] != "delivered")


def destructive_calls(town: Town) -> Counter[tuple[str, tuple[str, ...]]]:
    names = ("TerminateInstances", "StopTrainingJob", "CancelSpotInstanceRequests")
    return Counter((name, ids) for name, _, ids in town.world.calls if name in names)


def cards(town: Town) -> Counter[str]:
    """Cards by their header: what a person was told."""
    return Counter(str(card.blocks[0]["text"]["text"]) for _, _, card in town.world.posts)


def alone() -> Town:
    """The story with one sweep at a time."""
    town = Town(policies.policy(selectors=SELECTORS))
    seeded(town)
    sweep(town.watchdog())
    town.clock.forward(minutes=31)
    sweep(town.watchdog())
    until_final(town)
    return town


def calls_of(prepare: Callable[[Town], None]) -> int:
    """How many outside calls and writes one sweep makes after `prepare`."""
    town = Town(policies.policy(selectors=SELECTORS))
    prepare(town)
    hook = Interruption(0, lambda: None)
    interrupt(town, hook)
    sweep(town.watchdog())
    return hook.seen


def warned_and_due(town: Town) -> None:
    seeded(town)
    sweep(town.watchdog())
    town.clock.forward(minutes=31)


def stopped(town: Town) -> None:
    warned_and_due(town)
    sweep(town.watchdog())
    town.clock.forward(minutes=5)


STAGES = {"warn": seeded, "stop": warned_and_due, "verify": stopped}


def rest_of(stage: str, town: Town) -> None:
    if stage == "warn":
        town.clock.forward(minutes=31)
        sweep(town.watchdog())
    until_final(town)


@pytest.mark.parametrize("stage", STAGES)
def test_a_sweep_inside_any_call_of_another_changes_nothing(stage: str) -> None:
    expected = alone()
    points = calls_of(STAGES[stage])
    assert points >= 10
    for n in range(1, points + 1):
        town = Town(policies.policy(selectors=SELECTORS))
        STAGES[stage](town)
        reached = interleaved(town, n)
        rest_of(stage, town)
        where = f"{stage}, call {n} of {points}"
        assert reached, where
        assert transitions(town) == transitions(expected), where
        assert destructive_calls(town) == destructive_calls(expected), where
        assert cards(town) == cards(expected), where
        assert {e["stop_key"] for e in town.world.events} == {e["stop_key"] for e in expected.world.events}, where
        assert len(town.world.events) == len(expected.world.events), where
        assert not [i for i in town.world.instances.values() if i.alive], where


def test_a_hint_inside_any_call_of_a_sweep_changes_nothing() -> None:
    expected = alone()
    for stage, prepare in STAGES.items():
        for n in range(1, calls_of(prepare) + 1):
            town = Town(policies.policy(selectors=SELECTORS))
            prepare(town)
            hook = Interruption(n, lambda town=town: hinted(town))  # type: ignore[misc]
            interrupt(town, hook)
            sweep(town.watchdog())
            quiet(town)
            rest_of(stage, town)
            where = f"{stage}, call {n}"
            assert transitions(town) == transitions(expected), where
            assert destructive_calls(town) == destructive_calls(expected), where
            assert cards(town) == cards(expected), where


def hinted(town: Town) -> None:
    """An event about everything there is."""
    fault, before_transact = town.world.fault, town.table.before_transact
    quiet(town)
    for instance in list(town.world.instances.values()):
        follow(town.watchdog(), ACCOUNT, instance.region, Service.EC2, instance.id)
    for job in list(town.world.jobs.values()):
        follow(town.watchdog(), ACCOUNT, job.region, Service.TRAINING, job.name)
    town.world.fault, town.table.before_transact = fault, before_transact


def finals(town: Town) -> dict[str, list[str]]:
    """The final states of every run, in order."""
    found: dict[str, list[str]] = {}
    for (pk, _), row in sorted(town.table.items.items()):
        if pk.startswith("run#") and row["transition"] in FINAL:
            found.setdefault(row["run_id"], []).append(row["transition"])
    return found


def test_with_all_events_dropped_the_ledger_ends_the_same() -> None:
    without, with_hints = (Town(policies.policy(selectors=SELECTORS)) for _ in range(2))
    for town in (without, with_hints):
        seeded(town)
        finished = town.world.train("done-early", age=timedelta(hours=2), tags=TAGS)
        town.world.launch(age=timedelta(hours=1), tags=TAGS)
        young = list(town.world.instances.values())[-1]
        for minutes in (0, 31, 5, 5, 5):
            town.clock.forward(minutes=minutes)
            sweep(town.watchdog())
            if minutes == 31:
                town.world.end(finished)
                town.world.end(young)
            if town is with_hints:
                for _ in range(2):
                    hinted(town)
    assert finals(without) == finals(with_hints)
    assert finals(without) == {
        f"{ACCOUNT}/us-east-1/instance/i-{1:017x}": ["verified gone"],
        f"{ACCOUNT}/us-east-1/run/bert": ["verified gone"],
        f"{ACCOUNT}/us-east-1/training/churn": ["verified gone"],
        f"{ACCOUNT}/us-east-1/training/done-early": ["ended by itself"],
        f"{ACCOUNT}/us-east-1/instance/i-{5:017x}": ["ended by itself"],
    }
    assert transitions(without) == transitions(with_hints)
