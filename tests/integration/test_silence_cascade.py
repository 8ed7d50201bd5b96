"""One fault that silences many runs which are not due together: those stopped meanwhile count for the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from costwatch.core import grants
from costwatch.core.record import RunRecord, Status
from costwatch.core.selection import HoldCode
from costwatch.core.step import Step
from costwatch.errors import PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.integration.test_silence import mass, pushed, sweeps, trainer_in
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION, SECOND
from tests.support.fakes import FakeInstance, Town
from tests.support.memory_table import MemoryTable
from tests.support.town import TAGS, failing, later, records, transitions

EVERY_30_MIN = policies.selector(heartbeat_seconds=30 * 60, limits=policies.limits(max_runtime_seconds=48 * 3600))
ELSEWHERE = "eu-central-1"
MASS_PAGE = "fell silent"


def town(**changes: Any) -> Town:
    return Town(policies.policy(**{"selectors": [EVERY_30_MIN], **changes}))


def trainers_in(of: Town, number: int, region: str = REGION) -> list[FakeInstance]:
    return [of.world.launch(age=HOUR, tags=TAGS, region=region) for _ in range(number)]


def beats(of: Town, trainers: list[FakeInstance], during: timedelta) -> None:
    """They beat every five minutes, each before the sweep."""
    for _ in range(int(during / (5 * MINUTE))):
        of.clock.forward(minutes=5)
        for trainer in trainers:
            beat(of, trainer)
        sweep(of.watchdog())


def beat(of: Town, trainer: FakeInstance) -> None:
    of.beat(trainer, seq=int((of.clock() - datetime(2026, 1, 1, tzinfo=of.clock().tzinfo)).total_seconds()))


STOPPED_AFTER = 90 * MINUTE + 5 * MINUTE + 35 * MINUTE
"""From the last beat, which a sweep saw, to the sweep that stops: grace, the next sweep, its notice and the next."""


def one_after_the_other(of: Town, first: list[FakeInstance], last: FakeInstance, apart: timedelta) -> None:
    """The first ones fall silent and are stopped; the last one's last beat comes so long after the stop."""
    beats(of, [*first, last], 15 * MINUTE)
    beats(of, [last], STOPPED_AFTER - 5 * MINUTE)
    assert all(trainer.alive for trainer in first)
    of.clock.forward(seconds=(5 * MINUTE + min(apart, timedelta(0))).total_seconds())
    if apart <= timedelta(0):
        beat(of, last)
    of.clock.forward(seconds=max(-apart, timedelta(0)).total_seconds())
    sweep(of.watchdog())
    assert not any(trainer.alive for trainer in first)
    if apart > timedelta(0):
        of.clock.forward(seconds=apart.total_seconds())
        beat(of, last)


def changed(of: Town, trainer: FakeInstance, by: Callable[[RunRecord], Step | None]) -> None:
    step = by(records(of)[trainer.id])
    assert step is not None
    assert of.ledger.save(step)


# --- what counts ----------------------------------------------------------------------------------------------------


def test_one_outage_that_hits_runs_of_different_intervals_stops_two_and_holds_the_others() -> None:
    of = Town(policies.policy(selectors=[{**EVERY_30_MIN, "heartbeat_seconds": None}]))
    trainers = [trainer_in(of, heartbeat=every) for every in ("30m", "30m", "1h", "1h", "90m", "90m")]
    beats(of, trainers, HOUR)
    sweeps(of, 8 * HOUR)
    assert [trainer.alive for trainer in trainers] == [False, False, True, True, True, True]
    assert {record.hold.code for record in records(of).values() if record.hold} == {HoldCode.MASS_SILENCE}
    assert sum("stops in" in text for text in pushed(of)) == 2
    pages = [text.partition(" (")[0] for text in pushed(of) if MASS_PAGE in text]
    assert pages == ["2 runs fell silent like 2 before: $43.92 an hour"] * 2


@pytest.mark.parametrize(
    ("apart", "held"), [(-SECOND, True), (timedelta(0), True), (SECOND, False)], ids=["before", "at", "after"]
)
def test_a_run_is_held_only_where_two_were_stopped_for_silence_since_its_own_last_beat(
    apart: timedelta, *, held: bool
) -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    one_after_the_other(of, first, last, apart)
    sweeps(of, 3 * HOUR)
    assert last.alive is held


def test_each_run_counts_from_its_own_last_beat_also_where_two_fall_silent_in_one_sweep() -> None:
    of = town()
    *first, slow, late = trainers_in(of, 4)
    slow.tags["costwatch:heartbeat"] = "35m"
    beats(of, [*first, slow, late], 15 * MINUTE)
    beats(of, [slow, late], STOPPED_AFTER - 5 * MINUTE)
    beats(of, [slow, late], 5 * MINUTE)
    assert not any(trainer.alive for trainer in first)
    beats(of, [late], 15 * MINUTE)
    sweeps(of, 95 * MINUTE)
    assert records(of)[slow.id].status is Status.HELD
    assert records(of)[late.id].status is Status.WARNED


def test_one_stopped_before_and_one_silent_now_are_two_silent_runs() -> None:
    of = town()
    first, last = trainers_in(of, 2)
    one_after_the_other(of, [first], last, -SECOND)
    sweeps(of, 3 * HOUR)
    assert not last.alive


def test_one_stopped_before_and_two_silent_now_are_three() -> None:
    of = town()
    first, second, third = trainers_in(of, 3)
    beats(of, [first, second, third], 15 * MINUTE)
    beats(of, [second, third], HOUR)
    sweeps(of, 4 * HOUR)
    assert [trainer.alive for trainer in (first, second, third)] == [False, True, True]


def test_independent_hangs_one_after_the_other_are_each_stopped() -> None:
    of = town()
    first, second, third, fourth = trainers_in(of, 4)
    one_after_the_other(of, [first], second, SECOND)
    beats(of, [third, fourth], STOPPED_AFTER + 10 * MINUTE)
    assert not second.alive
    beats(of, [fourth], STOPPED_AFTER + 10 * MINUTE)
    assert not third.alive
    sweeps(of, STOPPED_AFTER + 10 * MINUTE)
    assert not fourth.alive
    assert not any(MASS_PAGE in text for text in pushed(of))


def test_what_was_stopped_in_another_region_counts() -> None:
    of = town(regions=[REGION, ELSEWHERE])
    first = [*trainers_in(of, 1), *trainers_in(of, 1, ELSEWHERE)]
    (last,) = trainers_in(of, 1, ELSEWHERE)
    one_after_the_other(of, first, last, -SECOND)
    sweeps(of, 3 * HOUR)
    assert last.alive


def test_in_observe_those_that_would_have_been_stopped_count_though_they_are_past_their_limit() -> None:
    short = policies.limits(max_runtime_seconds=4 * 3600)
    of = town(selectors=[{**EVERY_30_MIN, "mode": "observe", "limits": short}])
    *first, last = trainers_in(of, 3)
    last.tags["costwatch:max-runtime"] = "48h"
    beats(of, [*first, last], 15 * MINUTE)
    beats(of, [last], 90 * MINUTE)
    sweeps(of, 90 * MINUTE)
    ended = [trainer.id for trainer in first]
    assert [transitions(of, name).count("would stop") for name in ended] == [1, 1]
    sweeps(of, HOUR)
    assert records(of)[last.id].status is Status.HELD
    assert not any(MASS_PAGE in text for text in pushed(of))


def test_an_attempt_that_fails_again_and_again_is_one_run() -> None:
    of = town()
    first, last = trainers_in(of, 2)
    of.world.fault = failing("TerminateInstances", PermanentAwsError("denied"), holding=first.id)
    beats(of, [first, last], 15 * MINUTE)
    beats(of, [last], HOUR)
    sweeps(of, 4 * HOUR)
    assert (first.alive, last.alive) == (True, False)


def test_of_two_sweeps_at_the_same_moment_neither_counts_a_run_twice() -> None:
    of = town()
    first, last = trainers_in(of, 2)
    beats(of, [first, last], 15 * MINUTE)
    for during in (2 * HOUR, 3 * HOUR):
        for _ in range(int(during / (5 * MINUTE))):
            later(of, minutes=5)
            sweep(of.watchdog())
            if during == 2 * HOUR:
                beat(of, last)
    assert (first.alive, last.alive) == (False, False)


# --- what does not --------------------------------------------------------------------------------------------------


def test_what_a_person_released_does_not_count_once_it_is_stopped() -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    beats(of, [*first, last], 15 * MINUTE)
    sweeps(of, 95 * MINUTE)
    for trainer in first:
        changed(of, trainer, lambda record: grants.release(record, by="ada", now=of.clock()))
    beat(of, last)
    sweeps(of, 40 * MINUTE)
    assert not any(trainer.alive for trainer in first)
    sweeps(of, 5 * HOUR)  # three times its own longest pause, and its notice
    assert not last.alive


def test_what_a_person_stopped_does_not_count_and_mass_silence_does_not_hold_it() -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    beats(of, [*first, last], 15 * MINUTE)
    sweeps(of, 95 * MINUTE)
    assert {record.status for record in records(of).values()} == {Status.HELD}
    for trainer in first:
        changed(
            of,
            trainer,
            lambda record: grants.order_stop(record, by="ada", reason="", members=record.member_ids, now=of.clock()),
        )
    sweeps(of, 5 * MINUTE)
    assert not any(trainer.alive for trainer in first)
    beat(of, last)
    sweeps(of, 6 * HOUR)
    assert not last.alive


def test_what_was_stopped_for_its_time_does_not_count() -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    for trainer in first:
        trainer.tags["costwatch:max-runtime"] = "2h"
    beats(of, [*first, last], 30 * MINUTE)
    beats(of, first, 40 * MINUTE)
    assert not any(trainer.alive for trainer in first)
    sweeps(of, 3 * HOUR)
    assert not last.alive


def test_a_claim_that_was_given_back_since_the_run_beat_again_does_not_count() -> None:
    of = town()
    saved, last = trainers_in(of, 2)
    (gone,) = trainers_in(of, 1)
    beats(of, [saved, last, gone], 15 * MINUTE)

    class BeatsAtTheLastMoment(MemoryTable):
        def transact(self, writes: Any) -> None:
            super().transact(writes)
            if any("stop#enforce" in str(write) and saved.id in str(write) for write in writes):
                of.clock.forward(seconds=1)
                beat(of, saved)

    beats(of, [last], HOUR)
    table = BeatsAtTheLastMoment()
    table.items = of.table.items
    of.table = table
    while "stands down" not in transitions(of, saved.id):
        sweeps(of, 5 * MINUTE)
    beats(of, [saved], 4 * HOUR)
    assert (saved.alive, gone.alive, last.alive) == (True, False, False)


def test_what_a_laptop_would_have_stopped_and_what_is_deployed_know_nothing_of_each_other() -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    one_after_the_other(of, first, last, -SECOND)
    sweeps(of, 95 * MINUTE)
    assert records(of)[last.id].status is Status.HELD
    observing = [{**EVERY_30_MIN, "mode": "observe"}]
    laptop = Town(policies.policy(selectors=observing), of.clock, of.table, "laptop:ada")
    laptop.world = of.world
    sweep(laptop.watchdog())
    assert records(laptop)[last.id].status is Status.WARNED


# --- what cannot be known -------------------------------------------------------------------------------------------


class Blind(MemoryTable):
    blind = True

    def query_day(self, day: str, *, since: str = "") -> Any:
        if self.blind:
            raise TransientAwsError("ProvisionedThroughputExceeded")
        return super().query_day(day, since=since)


def test_while_the_timeline_cannot_be_read_nobody_is_stopped_for_silence_and_time_goes_on() -> None:
    of = town()
    silent, late = trainers_in(of, 2)
    late.tags["costwatch:max-runtime"] = "4h"
    table = Blind()
    table.items = of.table.items
    of.table = table
    beats(of, [silent, late], 15 * MINUTE)
    beats(of, [late], 4 * HOUR)
    assert (silent.alive, late.alive) == (True, False)
    failures = [failure.where for failure in later(of, minutes=5).failures]
    assert failures.count("who was stopped for silence") == 1
    table.blind = False
    sweeps(of, 40 * MINUTE)
    assert not silent.alive, "it was warned once the timeline could be read, and not before"
    assert sum("stops in" in text and silent.id in text for text in pushed(of)) == 1


def test_a_line_of_the_timeline_that_cannot_be_read_may_be_another_one_and_is_reported() -> None:
    of = town()
    first, second, last = trainers_in(of, 3)
    one_after_the_other(of, [first, second], last, -SECOND)
    sk = next(
        sk
        for (pk, sk), item in of.table.items.items()
        if pk.endswith(first.id) and item.get("transition") == "stopping"
    )
    pk = next(pk for pk, _ in of.table.items if pk.startswith("run#") and pk.endswith(first.id))
    del of.table.items[pk, sk]["evidence"]
    reports = sweeps(of, 3 * HOUR)
    assert last.alive
    assert any(f"ledger {sk}" == failure.where for report in reports for failure in report.failures)


def test_the_timeline_is_read_only_where_somebody_is_to_be_warned_or_stopped_for_silence() -> None:
    of = town()

    class Counting(MemoryTable):
        reads = 0

        def query_day(self, day: str, *, since: str = "") -> Any:
            type(self).reads += 1
            return super().query_day(day, since=since)

    table = Counting()
    table.items = of.table.items
    of.table = table
    trainers = trainers_in(of, 2)
    beats(of, trainers, 15 * MINUTE)
    sweeps(of, 90 * MINUTE)
    assert Counting.reads == 0
    sweeps(of, 2 * HOUR)
    assert not any(trainer.alive for trainer in trainers)
    assert Counting.reads == 2, "to warn, and to stop"


# --- what is begun, and what is said ----------------------------------------------------------------------------------


def test_a_stop_that_is_half_done_is_finished_whoever_else_is_silent() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "llm"}
    half = [of.world.launch(age=HOUR, tags=tags, zone=zone) for zone in "ab"]
    others = trainers_in(of, 2)
    beats(of, [*half, *others], 15 * MINUTE)
    of.world.fault = failing("TerminateInstances", PermanentAwsError("denied"), holding=half[1].id)
    beats(of, others, 110 * MINUTE)
    sweeps(of, 20 * MINUTE)
    assert [member.alive for member in half] == [False, True]
    sweeps(of, 75 * MINUTE)
    assert {records(of)[trainer.id].status for trainer in others} == {Status.HELD}
    of.world.fault = None
    sweeps(of, 5 * MINUTE)
    assert not half[1].alive
    assert all(trainer.alive for trainer in others)


def test_the_page_names_whom_it_holds_and_whom_it_is_too_late_for() -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    one_after_the_other(of, first, last, -SECOND)
    stopped_at = of.clock()
    sweeps(of, 95 * MINUTE)
    (card,) = [card for _, _, card in of.world.posts if MASS_PAGE in card.text]
    assert card.text.startswith("1 run fell silent like 2 before: $21.96 an hour")
    held, _, before = card.plain.partition("Before that, and perhaps by the same fault")
    assert last.id in held
    assert not any(trainer.id in held for trainer in first)
    for trainer in first:
        assert f"stopped {stopped_at:%d %b %H:%M} UTC: {ACCOUNT}/{REGION}/instance/{trainer.id}" in before
    record = records(of)[last.id]
    assert record.hold is not None
    assert "counting those stopped for it since its last heartbeat" in record.hold.reason


def test_three_that_are_silent_at_once_are_told_so_and_the_one_stopped_before_is_named_beside_them() -> None:
    of = town()
    first, *others = trainers_in(of, 4)
    beats(of, [first, *others], 15 * MINUTE)
    beats(of, others, HOUR)
    sweeps(of, 3 * HOUR)
    (card,) = [card for _, _, card in of.world.posts if MASS_PAGE in card.text]
    assert card.text.startswith("3 runs fell silent at once")
    assert first.id in card.plain.partition("Before that")[2]


def test_three_that_are_silent_at_once_are_told_as_ever() -> None:
    of = town()
    mass(of, 3)
    sweeps(of, 3 * HOUR)
    (page,) = [text for text in pushed(of) if MASS_PAGE in text]
    assert page.startswith("3 runs fell silent at once")
    hold = next(iter(records(of).values())).hold
    assert hold is not None
    assert hold.reason.startswith("3 or more runs fell silent: taken for a fault")


def test_one_that_is_held_for_those_stopped_before_waits_for_its_release_and_its_time_goes_on() -> None:
    of = town()
    *first, last = trainers_in(of, 3)
    one_after_the_other(of, first, last, -SECOND)
    sweeps(of, 95 * MINUTE)
    changed(of, last, lambda record: grants.release(record, by="ada", now=of.clock()))
    sweeps(of, 40 * MINUTE)
    assert not last.alive
