"""A run that falls silent near its time limit: it goes by whichever lets it be stopped first, on one notice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from costwatch.core.record import Status
from costwatch.core.selection import HoldCode
from costwatch.procedures.sweep import sweep
from tests.integration.test_silence import EVERY_45_MIN, mass, pushed, sweeps, town
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION
from tests.support.fakes import FakeInstance, Town
from tests.support.town import TAGS, records, transitions

LIMIT = 12 * HOUR
WARNED_LATE = {**EVERY_45_MIN, "limits": policies.limits(warn_before_seconds=60)}
"""So that silence is warned about before the time limit is."""


def launched(trainer: FakeInstance) -> datetime:
    assert trainer.launch_time is not None
    return trainer.launch_time


def stopped_at_age(trainer: FakeInstance) -> timedelta:
    assert trainer.ended_at is not None
    return trainer.ended_at - launched(trainer)


def until(of: Town, trainer: FakeInstance, age: timedelta) -> None:
    sweeps(of, age - (of.clock() - launched(trainer)))


def last_beating_at(of: Town, age: timedelta) -> FakeInstance:
    """A trainer of this age that has beaten every five minutes and beats no more: it is silent 2 h 15 min later."""
    trainer = of.world.launch(age=8 * HOUR, tags=TAGS)
    seq = 1
    while of.clock() - launched(trainer) < age:
        sweeps(of, 5 * MINUTE)
        of.beat(trainer, seq=seq)
        seq += 1
    return trainer


def warned_at_age(of: Town, trainer: FakeInstance) -> list[timedelta]:
    rows = of.table.query(f"run#deployed#{ACCOUNT}/{REGION}/instance/{trainer.id}")
    found = [datetime.fromisoformat(row["at"]) for row in rows if row["transition"] == "warned"]
    return [at - launched(trainer) for at in found]


# --- the notice of the time limit counts on -------------------------------------------------------------------------


@pytest.mark.parametrize("last_beat", [9 * HOUR + 15 * MINUTE, 9 * HOUR + 35 * MINUTE, 9 * HOUR + 40 * MINUTE])
def test_a_run_that_falls_silent_in_its_last_half_hour_keeps_its_time_limit_and_the_one_notice(
    last_beat: timedelta,
) -> None:
    of = town()
    trainer = last_beating_at(of, last_beat)
    until(of, trainer, LIMIT)
    assert trainer.alive
    sweeps(of, 5 * MINUTE)
    assert stopped_at_age(trainer) == LIMIT + 5 * MINUTE, "as one that beats to the end"
    assert warned_at_age(of, trainer) == [11 * HOUR]
    assert sum("stops in" in text for text in pushed(of)) == 1


def test_one_that_falls_silent_earlier_goes_by_its_silence_after_a_notice_of_its_own() -> None:
    of = town()
    trainer = last_beating_at(of, 9 * HOUR)  # silent after 11:15
    until(of, trainer, LIMIT)
    assert warned_at_age(of, trainer) == [11 * HOUR, 11 * HOUR + 20 * MINUTE]
    assert stopped_at_age(trainer) == 11 * HOUR + 55 * MINUTE


@pytest.mark.parametrize(("before", "notices"), [(1, 2), (0, 1)])
def test_silence_takes_over_only_where_its_own_notice_ends_before_the_one_of_the_limit(
    before: int, notices: int
) -> None:
    of = town()
    trainer = last_beating_at(of, 9 * HOUR)
    until(of, trainer, 11 * HOUR + 10 * MINUTE)
    of.clock.forward(seconds=(20 * MINUTE).total_seconds() - before)  # half an hour before the limit
    sweep(of.watchdog())
    assert len(warned_at_age(of, trainer)) == notices


def test_a_notice_of_the_limit_that_nothing_has_taken_yet_is_not_replaced_either() -> None:
    of = town()
    of.world.slack_is_up = False
    trainer = last_beating_at(of, 9 * HOUR + 20 * MINUTE)
    until(of, trainer, LIMIT - 10 * MINUTE)
    assert (warned_at_age(of, trainer), pushed(of)) == ([11 * HOUR], [])
    of.world.slack_is_up = True
    sweeps(of, 5 * MINUTE)  # taken at 11:55
    sweeps(of, 30 * MINUTE)
    assert trainer.alive
    sweeps(of, 5 * MINUTE)
    assert stopped_at_age(trainer) == LIMIT + 30 * MINUTE
    assert len(warned_at_age(of, trainer)) == 1


def test_one_that_beats_again_is_at_its_time_limit_with_the_notice_it_had() -> None:
    of = town()
    trainer = last_beating_at(of, 9 * HOUR + 20 * MINUTE)  # silent after 11:35
    until(of, trainer, 11 * HOUR + 50 * MINUTE)
    of.beat(trainer, seq=99)
    sweeps(of, 15 * MINUTE)
    assert stopped_at_age(trainer) == LIMIT + 5 * MINUTE
    assert warned_at_age(of, trainer) == [11 * HOUR]


# --- the notice of silence counts on --------------------------------------------------------------------------------


def test_a_notice_of_silence_counts_on_when_the_time_limit_passes_meanwhile() -> None:
    of = town(WARNED_LATE)
    trainer = last_beating_at(of, 9 * HOUR + 30 * MINUTE)  # silent after 11:45, warned at 11:50
    until(of, trainer, LIMIT + 20 * MINUTE)
    assert trainer.alive
    sweeps(of, 5 * MINUTE)
    assert stopped_at_age(trainer) == LIMIT + 25 * MINUTE
    assert warned_at_age(of, trainer) == [11 * HOUR + 50 * MINUTE]


def test_in_observe_silence_and_the_limit_are_one_would_have() -> None:
    of = town({**WARNED_LATE, "mode": "observe"})
    trainer = last_beating_at(of, 9 * HOUR)  # would be stopped at 11:55
    until(of, trainer, LIMIT + 6 * HOUR)
    assert transitions(of, trainer.id).count("would stop") == 1
    assert records(of)[trainer.id].status is Status.WOULD_STOP


def test_one_that_beats_again_past_its_limit_is_warned_of_the_limit_first() -> None:
    of = town(WARNED_LATE)
    trainer = last_beating_at(of, 9 * HOUR + 30 * MINUTE)
    until(of, trainer, LIMIT + 15 * MINUTE)
    of.beat(trainer, seq=99)
    sweeps(of, 5 * MINUTE)
    assert warned_at_age(of, trainer) == [11 * HOUR + 50 * MINUTE, LIMIT + 20 * MINUTE]
    sweeps(of, 30 * MINUTE)
    assert trainer.alive
    sweeps(of, 5 * MINUTE)
    assert stopped_at_age(trainer) == LIMIT + 55 * MINUTE


def test_while_silence_counts_for_nobody_a_notice_of_it_stops_nobody_past_its_limit() -> None:
    of = town(WARNED_LATE)
    trainer = last_beating_at(of, 9 * HOUR + 30 * MINUTE)
    until(of, trainer, LIMIT)
    of.world.heartbeats_arrive = False
    until(of, trainer, LIMIT + 30 * MINUTE)
    assert trainer.alive
    assert warned_at_age(of, trainer) == [11 * HOUR + 50 * MINUTE, LIMIT + 25 * MINUTE]


def test_a_notice_of_silence_is_none_of_a_limit_that_lies_at_the_same_moment() -> None:
    of = town(WARNED_LATE)
    trainer = last_beating_at(of, 9 * HOUR)  # silent after 11:15, warned at 11:20
    until(of, trainer, 11 * HOUR + 40 * MINUTE)
    trainer.tags["costwatch:deadline"] = f"{launched(trainer) + 11 * HOUR + 15 * MINUTE:%Y-%m-%dT%H:%M:%SZ}"
    of.beat(trainer, seq=99)
    until(of, trainer, 12 * HOUR + 15 * MINUTE)
    assert trainer.alive, "it beats, and was warned of its limit half an hour ago at the most"
    assert warned_at_age(of, trainer) == [11 * HOUR + 20 * MINUTE, 11 * HOUR + 45 * MINUTE]


# --- mass silence holds no time limit -------------------------------------------------------------------------------


def test_time_limits_go_on_while_mass_silence_holds() -> None:
    of = town()
    trainers = mass(of, 3)
    until(of, trainers[0], LIMIT)
    assert {record.hold.code for record in records(of).values() if record.hold} == {HoldCode.MASS_SILENCE}
    until(of, trainers[0], LIMIT + 35 * MINUTE)
    assert all(trainer.alive for trainer in trainers), "their notice runs"
    until(of, trainers[0], LIMIT + 40 * MINUTE)
    assert not any(trainer.alive for trainer in trainers)


def test_a_notice_of_the_limit_that_mass_silence_found_there_counts_when_the_limit_is_over() -> None:
    of = town({**EVERY_45_MIN, "limits": policies.limits(warn_before_seconds=3 * 3600)})
    trainers = [of.world.launch(age=8 * HOUR, tags=TAGS) for _ in range(3)]
    for seq in range(1, 4):
        of.clock.forward(minutes=5)
        for trainer in trainers:
            of.beat(trainer, seq=seq)
        sweep(of.watchdog())
    until(of, trainers[0], LIMIT)  # warned at 9:00, silent together after 10:30
    assert {record.status for record in records(of).values()} == {Status.HELD}
    sweeps(of, 5 * MINUTE)
    assert {stopped_at_age(trainer) for trainer in trainers} == {LIMIT + 5 * MINUTE}
