"""Whether an instance that observe would have stopped did its work: its own heartbeats say so, or nobody knows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costwatch.core import grants, would_haves
from costwatch.core.heartbeats import BeatKind
from costwatch.core.record import Entry, Transition
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import FakeInstance, Town
from tests.support.town import later

OBSERVE = policies.policy(selectors=[policies.selector(mode="observe")])


@pytest.fixture
def town() -> Town:
    return Town(OBSERVE)


def would_have_been_stopped(of: Town) -> FakeInstance:
    """A trainer that reports, and that enforce would have stopped just now."""
    trainer = of.world.launch(age=20 * HOUR, tags={"Purpose": "training"})
    of.beat(trainer, seq=1, step=100, total=600)
    sweep(of.watchdog())
    later(of, minutes=31)
    sweep(of.watchdog())
    return trainer


def end_of(of: Town, trainer: FakeInstance) -> Entry:
    of.world.end(trainer)
    later(of, minutes=5)
    sweep(of.watchdog())
    rows = of.ledger.since(of.clock() - timedelta(days=2), of.clock())
    (entry,) = [row.entry for row in rows if row.entry.transition is Transition.ENDED_BY_ITSELF]
    return entry


def told(entry: Entry) -> tuple[str | None, bool]:
    facts = dict(entry.evidence)
    return facts.get(would_haves.WHICH), would_haves.DOUBTFUL in facts


def test_a_trainer_that_says_it_is_done_afterwards_would_have_lost_its_work(town: Town) -> None:
    trainer = would_have_been_stopped(town)
    town.clock.forward(hours=3)
    town.beat(trainer, seq=2, step=600, total=600, kind=BeatKind.DONE)
    town.clock.forward(minutes=2)
    entry = end_of(town, trainer)
    assert told(entry) == (would_haves.DESTROYED, False)
    assert "would have destroyed $" in entry.reason


def test_one_that_was_done_before_only_ran_on_and_that_is_certain(town: Town) -> None:
    trainer = town.world.launch(age=20 * HOUR, tags={"Purpose": "training"})
    town.beat(trainer, seq=1, step=600, total=600, kind=BeatKind.DONE)
    sweep(town.watchdog())
    later(town, minutes=31)
    sweep(town.watchdog())
    town.clock.forward(hours=3)
    entry = end_of(town, trainer)
    assert told(entry) == (would_haves.RAN_ON, False)
    assert entry.reason.endswith("; its work was done before)")


def test_one_that_began_another_training_after_it_was_done_is_in_doubt(town: Town) -> None:
    trainer = would_have_been_stopped(town)
    town.clock.forward(hours=3)
    town.beat(trainer, seq=2, kind=BeatKind.DONE)
    town.beat(trainer, seq=1, session="a.2", step=1, total=600)
    assert told(end_of(town, trainer)) == (would_haves.RAN_ON, True)


def test_one_that_never_said_so_is_in_doubt(town: Town) -> None:
    trainer = would_have_been_stopped(town)
    town.clock.forward(hours=3)
    assert told(end_of(town, trainer)) == (would_haves.RAN_ON, True)


def test_what_was_done_before_its_present_start_says_nothing_of_this_run(town: Town) -> None:
    trainer = town.world.launch(age=20 * HOUR, tags={"Purpose": "training"})
    town.clock.now -= 21 * HOUR
    town.beat(trainer, seq=1, kind=BeatKind.DONE)
    town.clock.now += 21 * HOUR
    sweep(town.watchdog())
    later(town, minutes=31)
    sweep(town.watchdog())
    town.clock.forward(hours=3)
    assert told(end_of(town, trainer)) == (would_haves.RAN_ON, True)


# --- none vanishes without a word --------------------------------------------------------------------------------


def closings(of: Town) -> list[tuple[Transition, str]]:
    rows = of.ledger.since(of.clock() - timedelta(days=2), of.clock())
    found = ((row.entry.transition, dict(row.entry.evidence).get(would_haves.WHICH)) for row in rows)
    return [(transition, which) for transition, which in found if which is not None]


def test_a_pause_ends_a_would_have_where_it_is_warned_anew(town: Town) -> None:
    would_have_been_stopped(town)
    begun = grants.pause(None, by="ops", duration=24 * HOUR, reason="", now=town.clock())
    assert town.ledger.set_pause(begun.after, None, begun.entry)
    later(town, minutes=5)
    assert closings(town) == [], "it would have been stopped before"
    over = grants.resume(begun.after, by="ops", now=town.clock())
    assert over is not None
    assert town.ledger.set_pause(over.after, begun.after, over.entry)
    later(town, minutes=5)
    assert closings(town) == [(Transition.WARNED, would_haves.STOOD_DOWN)]


def test_another_mode_ends_a_would_have(town: Town) -> None:
    would_have_been_stopped(town)
    town.policy = policies.policy(selectors=[policies.selector(mode="warn")])
    later(town, minutes=5)
    assert closings(town)[0] == (Transition.MODE_CHANGED, would_haves.STOOD_DOWN)


def test_a_selector_that_is_taken_out_ends_a_would_have(town: Town) -> None:
    would_have_been_stopped(town)
    town.policy = policies.policy(selectors=[policies.selector(mode="observe", tags={"Purpose": ["batch"]})])
    later(town, minutes=5)
    assert closings(town) == [(Transition.STANDS_DOWN, would_haves.STOOD_DOWN)]


def test_what_a_stop_would_have_destroyed_at_worst_stands_with_it(town: Town) -> None:
    trainer = would_have_been_stopped(town)
    town.clock.forward(hours=3)
    facts = dict(end_of(town, trainer).evidence)
    lost = would_haves.lost_usd(facts)
    assert lost is not None
    assert float(lost) == pytest.approx(21.957642 * (20 + 31 / 60), abs=0.2)
