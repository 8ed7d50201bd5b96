"""A stop that gets nowhere is as old as its first attempt, and its row stays as small as it was."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costwatch import names
from costwatch.core import caps, times
from costwatch.core.stopping import LEASE
from costwatch.procedures.sweep import sweep
from tests.support.builders import HOUR, MINUTE
from tests.support.fakes import FakeInstance, Town
from tests.support.town import (
    Crash,
    crashing,
    later,
    overdue_and_warned,
    records,
    refusing,
    town,
    transitions,
)

LATE = timedelta(minutes=names.UNSETTLED_AFTER_MINUTES)


@pytest.fixture
def of() -> Town:
    return town()


@pytest.fixture
def trainer(of: Town) -> FakeInstance:
    """The next sweep stops it."""
    return overdue_and_warned(of)


def test_a_stop_that_aws_refuses_each_time_grows_as_old_as_its_first_attempt(of: Town, trainer: FakeInstance) -> None:
    of.world.fault = refusing("TerminateInstances")
    assert sweep(of.watchdog()).oldest_claim == timedelta(0)
    ages = [later(of, minutes=5).oldest_claim for _ in range(25)]
    assert ages == [5 * MINUTE * n for n in range(1, 26)]
    assert (ages[23], ages[24] > LATE) == (LATE, True)
    assert trainer.alive


def test_a_stop_whose_function_dies_each_time_is_as_old_as_its_first_attempt(of: Town, trainer: FakeInstance) -> None:
    first = of.clock()
    of.world.fault = crashing("TerminateInstances")
    for _ in range(21):
        with pytest.raises(Crash):
            sweep(of.watchdog())
        of.clock.now += LEASE
    of.world.fault = None
    assert sweep(of.watchdog()).oldest_claim == of.clock() - first > LATE
    assert not trainer.alive


def test_once_aws_has_taken_it_it_is_that_old_until_it_is_verified_and_then_nothing_is(
    of: Town, trainer: FakeInstance
) -> None:
    of.world.fault = refusing("TerminateInstances")
    for _ in range(12):
        later(of, minutes=5)
    of.world.fault = None
    later(of, minutes=5)
    assert later(of, minutes=5).oldest_claim == 65 * MINUTE
    later(of, minutes=5)
    assert "verified gone" in transitions(of, trainer.id)
    assert later(of, minutes=5).oldest_claim == timedelta(0)


def test_what_people_let_go_on_meanwhile_is_no_claim_and_begins_anew(of: Town, trainer: FakeInstance) -> None:
    of.world.fault = refusing("TerminateInstances")
    sweep(of.watchdog())
    until = of.clock() + 3 * HOUR
    trainer.tags["costwatch:exempt"] = f"until {until:%Y-%m-%dT%H:%M:%SZ}"
    later(of, minutes=5)
    assert later(of, minutes=5).oldest_claim == timedelta(0)
    of.clock.now = until
    of.world.fault = None
    later(of, minutes=1)
    later(of, minutes=32)
    assert not trainer.alive
    assert later(of, minutes=5).oldest_claim == 5 * MINUTE


def test_a_day_of_refused_attempts_leaves_a_row_of_the_size_of_the_first(of: Town, trainer: FakeInstance) -> None:
    of.world.fault = refusing("TerminateInstances")
    sweep(of.watchdog())
    day = of.clock().date()
    tries = 1
    while of.clock().date() == day:
        later(of, minutes=5)
        tries += 1
    stop = records(of)[trainer.id].stop
    assert stop is not None
    assert (stop.attempt, tries > 100) == (tries, True)
    window = times.to_key(caps.window_start(of.policy, of.clock()))
    assert stop.counted == (f"day#{of.clock().date()}", f"share#{window}#trainers", f"sweep#{window}")
    counts = {sk: int(row["stops"]) for (pk, sk), row in of.table.items.items() if pk.startswith("cap#")}
    assert counts.pop(f"day#{day}") == 1
    assert set(counts.values()) == {1}
