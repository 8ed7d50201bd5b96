"""Silence, stalls and runs that are nearly done, over the real procedures: what a beat may do and what it may not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from costwatch.core import grants
from costwatch.core.heartbeats import BeatKind
from costwatch.core.record import Status
from costwatch.core.selection import HoldCode
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION, SECOND
from tests.support.fakes import FakeInstance, Town
from tests.support.memory_table import MemoryTable
from tests.support.town import TAGS, destroyed, later, records, transitions

EVERY_45_MIN = policies.selector(heartbeat_seconds=45 * 60)
GRACE = 3 * 45 * MINUTE


def town(*selectors: dict[str, Any], **changes: Any) -> Town:
    return Town(policies.policy(selectors=list(selectors) or [EVERY_45_MIN], **changes))


def beating(of: Town, trainer: FakeInstance, *, times: int = 3, first: int = 1, **said: Any) -> None:
    """It beats every five minutes, and the sweeps look on."""
    for n in range(first, first + times):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n, **said)
        sweep(of.watchdog())


def sweeps(of: Town, during: timedelta) -> list[SweepReport]:
    return [later(of, minutes=5) for _ in range(int(during / (5 * MINUTE)))]


def pushed(of: Town) -> list[str]:
    return [card.text for _, _, card in of.world.posts]


def trainer_in(of: Town, **tags: str) -> FakeInstance:
    return of.world.launch(age=HOUR, tags={**TAGS, **{f"costwatch:{key}": value for key, value in tags.items()}})


# --- silence ------------------------------------------------------------------------------------------------------


def test_a_run_that_fell_silent_is_warned_first_and_stopped_after_its_notice() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    sweeps(of, GRACE)
    assert pushed(of) == []
    later(of, seconds=1)
    (card,) = pushed(of)
    assert "stops in 30 min" in card
    sweeps(of, 30 * MINUTE)
    assert trainer.alive
    sweeps(of, 5 * MINUTE)
    assert not trainer.alive
    assert of.world.posts[0][2].plain.count("silent: no heartbeat since 2026-11-22T09:15:00Z") == 1


def test_a_run_that_beats_on_is_never_silent() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer, times=100)
    assert trainer.alive
    assert pushed(of) == []


def test_silence_without_selector_or_tag_says_nothing_and_the_tag_alone_asks_for_it() -> None:
    of = town(policies.selector())
    quiet, asked = trainer_in(of), trainer_in(of, heartbeat="45m")
    for n in range(1, 4):
        of.clock.forward(minutes=5)
        of.beat(quiet, seq=n)
        of.beat(asked, seq=n)
        sweep(of.watchdog())
    sweeps(of, 4 * HOUR)
    assert (quiet.alive, asked.alive) == (True, False)


def test_the_tag_says_it_for_the_run_where_the_selector_says_otherwise() -> None:
    of = town()
    patient = trainer_in(of, heartbeat="2h")
    beating(of, patient)
    sweeps(of, 6 * HOUR)
    assert pushed(of) == []
    later(of, seconds=1)
    assert len(pushed(of)) == 1


def test_a_malformed_heartbeat_tag_ends_the_watch_for_silence_and_is_told() -> None:
    of = town()
    trainer = trainer_in(of, heartbeat="45")
    beating(of, trainer)
    sweeps(of, 6 * HOUR)
    assert trainer.alive
    assert [text.partition(" (")[0] for text in pushed(of)] == [f"A tag of {trainer.id} cannot be read"]


def test_two_beats_are_no_habit() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer, times=2)
    sweeps(of, 8 * HOUR)
    assert trainer.alive
    assert pushed(of) == []


def test_one_beat_after_the_warning_ends_it_and_the_next_silence_is_warned_anew() -> None:
    of = town({**EVERY_45_MIN, "limits": policies.limits(max_runtime_seconds=24 * 3600)})
    trainer = trainer_in(of)
    beating(of, trainer)
    sweeps(of, GRACE + 10 * MINUTE)
    of.beat(trainer, seq=4)
    pause = of.clock() - (trainer.launch_time or of.clock()) - HOUR - 15 * MINUTE
    sweeps(of, 3 * pause)
    assert trainer.alive
    assert records(of)[trainer.id].status is Status.RUNNING
    sweeps(of, 45 * MINUTE)
    assert not trainer.alive
    assert sum("stops in" in text for text in pushed(of)) == 2


def test_a_beat_between_the_claim_and_the_act_saves_the_run() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    sweeps(of, GRACE + 10 * MINUTE)

    class BeatsAtTheLastMoment(MemoryTable):
        def transact(self, writes: Any) -> None:
            super().transact(writes)
            if any("stop#enforce" in str(write) for write in writes):
                of.beat(trainer, seq=9)

    last = BeatsAtTheLastMoment()
    last.items = of.table.items
    of.table = last
    sweeps(of, HOUR)
    assert trainer.alive
    assert destroyed(of) == []
    assert "stands down" in transitions(of, trainer.id)


def test_an_announced_phase_is_waited_for_and_done_ends_the_watch() -> None:
    of = town()
    loading, finished = trainer_in(of), trainer_in(of)
    beating(of, loading)
    of.beat(loading, seq=4, next_within=4 * HOUR)
    beating(of, finished)
    of.beat(finished, seq=4, kind=BeatKind.DONE)
    sweeps(of, 4 * HOUR + GRACE - 15 * MINUTE)
    assert pushed(of) == []
    sweeps(of, 30 * MINUTE)
    assert [loading.id in text for text in pushed(of)] == [True]


def test_an_extension_says_that_it_goes_on_so_silence_waits_for_its_end() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    sweep(of.watchdog())
    record = records(of)[trainer.id]
    step = grants.extend(
        record, by="maria", duration=4 * HOUR, owner_total=24 * HOUR, hard_cap=72 * HOUR, now=of.clock()
    )
    assert of.ledger.save(step)
    sweeps(of, 10 * HOUR)
    assert trainer.alive


def test_a_restarted_instance_must_beat_anew_before_its_silence_counts() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    trainer.launch_time = of.clock() + SECOND
    of.clock.forward(seconds=2)
    sweeps(of, 8 * HOUR)
    assert trainer.alive


def test_silence_never_outlives_the_time_limit_and_never_moves_it() -> None:
    of = town()
    trainer = of.world.launch(age=11 * HOUR + 30 * MINUTE, tags=TAGS)
    beating(of, trainer, times=12)
    assert not trainer.alive, "it beat to the end, and its time was up"


# --- the way of the beats, and many at once ------------------------------------------------------------------------


def test_while_no_canary_arrives_nobody_is_silent_and_that_is_a_failure() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    of.world.heartbeats_arrive = False
    reports = sweeps(of, 8 * HOUR)
    assert trainer.alive
    assert pushed(of) == []
    (failure,) = reports[-1].failures
    assert (failure.where, "silence counts for nobody" in failure.reason) == ("heartbeats", True)


def test_after_an_outage_the_grace_of_everybody_begins_anew() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    of.world.heartbeats_arrive = False
    sweeps(of, 6 * HOUR)
    of.world.heartbeats_arrive = True
    sweeps(of, GRACE)
    assert pushed(of) == []
    sweeps(of, 10 * MINUTE)
    assert len(pushed(of)) == 1


def mass(of: Town, number: int) -> list[FakeInstance]:
    trainers = [trainer_in(of) for _ in range(number)]
    for n in range(1, 4):
        of.clock.forward(minutes=5)
        for trainer in trainers:
            of.beat(trainer, seq=n)
        sweep(of.watchdog())
    return trainers


def test_two_silent_runs_are_two_silent_runs() -> None:
    of = town()
    trainers = mass(of, 2)
    sweeps(of, 4 * HOUR)
    assert not any(trainer.alive for trainer in trainers)


def test_three_silent_runs_are_our_fault_until_somebody_releases_them() -> None:
    of = town()
    trainers = mass(of, 3)
    sweeps(of, 6 * HOUR)
    assert all(trainer.alive for trainer in trainers)
    (page,) = {text.partition(" (")[0] for text in pushed(of)}
    assert page == "3 runs fell silent at once: $65.87 an hour"
    assert {record.hold.code for record in records(of).values() if record.hold} == {HoldCode.MASS_SILENCE}


def test_what_is_released_is_warned_and_stopped_like_any_other_and_the_rest_waits() -> None:
    of = town()
    first, *rest = mass(of, 4)
    sweeps(of, GRACE + 10 * MINUTE)
    record = records(of)[first.id]
    step = grants.release(record, by="ada", now=of.clock())
    assert step is not None
    assert of.ledger.save(step)
    sweeps(of, 5 * MINUTE)
    assert sum("stops in" in text and first.id in text for text in pushed(of)) == 1
    sweeps(of, HOUR)
    assert not first.alive
    assert all(trainer.alive for trainer in rest)


def test_mass_silence_holds_on_when_others_recover_and_a_beat_of_its_own_ends_it() -> None:
    of = town()
    first, second, third = mass(of, 3)
    sweeps(of, GRACE + 10 * MINUTE)
    for trainer in (first, second):
        of.beat(trainer, seq=9)
    sweeps(of, HOUR)
    assert records(of)[third.id].status is Status.HELD
    of.beat(third, seq=9)
    sweeps(of, 5 * MINUTE)
    assert {record.status for record in records(of).values()} == {Status.RUNNING}


def test_what_was_released_counts_no_more_while_its_notice_runs() -> None:
    of = town()
    first, *others = mass(of, 3)
    sweeps(of, GRACE + 10 * MINUTE)
    step = grants.release(records(of)[first.id], by="ada", now=of.clock())
    assert step is not None
    assert of.ledger.save(step)
    of.beat(others[0], seq=9)
    of.beat(others[1], seq=9)
    sweeps(of, 5 * MINUTE)
    assert records(of)[first.id].status is Status.WARNED
    late = [trainer_in(of) for _ in range(2)]
    for trainer in late:
        for n in range(1, 4):
            of.beat(trainer, seq=n)
    waiting = policies.policy(selectors=[{**EVERY_45_MIN, "limits": policies.limits(min_notice_seconds=24 * 3600)}])
    of.policy = waiting
    sweeps(of, GRACE + 10 * MINUTE)
    assert first.alive
    assert {records(of)[trainer.id].status for trainer in late} == {Status.WARNED}, (
        "two silent runs are two silent runs"
    )


def test_mass_silence_holds_no_time_limit() -> None:
    """A held run whose time is up is warned and stopped as if it had beaten on."""
    of = town()
    trainers = mass(of, 3)
    sweeps(of, 10 * HOUR + 30 * MINUTE)
    assert {record.status for record in records(of).values()} == {Status.HELD}
    sweeps(of, HOUR + 30 * MINUTE)
    assert not any(trainer.alive for trainer in trainers)
    assert sum("stops in" in text for text in pushed(of)) == 3


def test_a_phase_is_waited_for_though_a_stranger_beats_in_the_trainers_name() -> None:
    of = town()
    trainer = trainer_in(of)
    beating(of, trainer)
    for n in range(1, 4):
        of.beat(trainer, seq=n, session="stranger")
    of.beat(trainer, seq=4, next_within=4 * HOUR)
    sweeps(of, 4 * HOUR + GRACE)
    assert pushed(of) == []


def test_the_page_comes_at_most_once_an_hour() -> None:
    of = town()
    mass(of, 3)
    sweeps(of, GRACE + 20 * MINUTE)
    late = [trainer_in(of) for _ in range(2)]
    for n in range(1, 4):
        for trainer in late:
            of.beat(trainer, seq=n)
        later(of, minutes=5)
    assert sum("fell silent" in text for text in pushed(of)) == 1


def test_in_observe_mass_silence_pages_nobody() -> None:
    of = town({**EVERY_45_MIN, "mode": "observe"})
    mass(of, 3)
    sweeps(of, GRACE + HOUR)
    assert not any("silent" in text for text in pushed(of) if "observes" not in text)


# --- nearly done ----------------------------------------------------------------------------------------------------


def nearing(of: Town, trainer: FakeInstance, *, per_beat: int, total: int, beats: int, first: int = 1) -> None:
    """A step of `per_beat` every five minutes."""
    for n in range(first, first + beats):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n, step=n * per_beat, total=total)
        sweep(of.watchdog())


def test_a_run_that_will_be_done_within_the_grace_is_let_finish_once_and_that_is_said() -> None:
    of = town(policies.selector())
    trainer = of.world.launch(age=10 * HOUR, tags=TAGS)  # due in two hours
    nearing(of, trainer, per_beat=10, total=400, beats=13)  # done in another 2 h 15 min
    (card,) = pushed(of)
    assert "is nearly done and is let finish" in card
    assert transitions(of, trainer.id).count("let finish") == 1
    nearing(of, trainer, per_beat=10, total=400, beats=22, first=14)
    assert trainer.alive
    assert not any("stops in" in text for text in pushed(of))


def test_a_run_that_overruns_its_grace_is_warned_and_stopped_and_gets_no_second_one() -> None:
    of = town(policies.selector())
    trainer = of.world.launch(age=10 * HOUR, tags=TAGS)
    nearing(of, trainer, per_beat=10, total=400, beats=13)
    sweeps(of, HOUR)
    nearing(of, trainer, per_beat=5, total=400, beats=48, first=27)  # half as fast: never done in time
    assert not trainer.alive
    assert transitions(of, trainer.id).count("let finish") == 1
    assert sum("stops in" in text for text in pushed(of)) == 1


def test_the_grace_ends_at_its_last_second_and_needs_progress_that_fits() -> None:
    for total, expected in ((375, 1), (500, 0)):  # done 2 h and 4 h past the warning, of which 2 h may be granted
        of = town(policies.selector())
        trainer = of.world.launch(age=10 * HOUR, tags=TAGS)
        nearing(of, trainer, per_beat=10, total=total, beats=13)
        assert transitions(of, trainer.id).count("let finish") == expected


def test_nobody_is_let_finish_beyond_the_hard_cap() -> None:
    limits = policies.limits(max_runtime_seconds=12 * 3600, hard_cap_seconds=12 * 3600 + 600)
    of = town(policies.selector(limits=limits))
    trainer = of.world.launch(age=10 * HOUR, tags=TAGS)
    nearing(of, trainer, per_beat=10, total=400, beats=13)
    assert transitions(of, trainer.id).count("let finish") == 0
    sweeps(of, 2 * HOUR)
    assert not trainer.alive


def test_a_run_that_does_not_beat_any_more_is_not_nearly_done() -> None:
    of = town(policies.selector())
    trainer = of.world.launch(age=9 * HOUR, tags=TAGS)
    nearing(of, trainer, per_beat=10, total=400, beats=13)
    sweeps(of, 3 * HOUR)
    assert not trainer.alive


def test_in_observe_the_ledger_says_that_it_would_be_let_finish_and_nobody_hears() -> None:
    of = town(policies.selector(mode="observe"))
    trainer = of.world.launch(age=10 * HOUR, tags=TAGS)
    nearing(of, trainer, per_beat=10, total=400, beats=13)
    assert transitions(of, trainer.id).count("let finish") == 1
    assert not any("nearly done" in text for text in pushed(of))


# --- stalled --------------------------------------------------------------------------------------------------------


def test_a_stuck_loop_is_told_once_with_its_checkpoint_and_is_not_stopped_for_it() -> None:
    of = town()
    trainer = trainer_in(of)
    nearing(of, trainer, per_beat=10, total=400, beats=4)
    for n in range(5, 41):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n, step=40)
        sweep(of.watchdog())
    (card,) = pushed(of)
    assert "beats and does not advance" in card
    assert "It reported no checkpoint" in of.world.posts[0][2].plain
    assert trainer.alive
    assert transitions(of, trainer.id).count("stalled") == 1


def test_a_run_that_moves_on_and_is_stuck_again_is_told_again() -> None:
    of = town()
    trainer = trainer_in(of)
    nearing(of, trainer, per_beat=10, total=4000, beats=4)
    for n in range(5, 90):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n, step=40 if n < 24 else 50)
        sweep(of.watchdog())
    assert transitions(of, trainer.id).count("stalled") == 2


# --- beats that are wrong, or many ------------------------------------------------------------------------------------


def test_beats_of_a_run_that_does_not_exist_are_kept_and_change_nothing() -> None:
    of = town()
    ghost = FakeInstance("i-0ghost0", REGION, "a", "p4d.24xlarge", {}, of.clock(), of.clock())
    trainer = trainer_in(of)
    for n in range(1, 5):
        of.beat(ghost, seq=n)
    beating(of, trainer)
    assert pushed(of) == []
    assert set(records(of)) == {trainer.id}


def test_a_flood_of_beats_is_one_row_and_neither_shortens_nor_prolongs_anything() -> None:
    of = town()
    trainer = trainer_in(of)
    for n in range(1, 3001):
        of.clock.forward(seconds=0.06)
        of.beat(trainer, seq=n, step=n)
    assert len(of.table.query(f"beats#{ACCOUNT}#{REGION}")) == 1
    last = of.clock()
    sweep(of.watchdog())
    while of.clock() < last + GRACE - 5 * MINUTE:
        later(of, minutes=5)
    assert pushed(of) == []
    sweeps(of, 10 * MINUTE)
    assert len(pushed(of)) == 1


def test_beats_for_somebody_elses_run_only_delay_its_stop_and_only_by_the_grace() -> None:
    """A stranger reports that the run is always nearly done: it is let finish once, and is stopped then."""
    of = town(policies.selector())
    trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
    for n in range(1, 60):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n, session="stranger", step=n * 10, total=n * 10 + 150)
        sweep(of.watchdog())
    assert not trainer.alive
    assert trainer.ended_at is not None
    assert trainer.launch_time is not None
    assert trainer.ended_at - trainer.launch_time <= 14 * HOUR + 10 * MINUTE


def test_a_strangers_beats_never_bring_a_stop_about() -> None:
    of = town(policies.selector())
    trainer = trainer_in(of)
    for n in range(1, 5):
        of.beat(trainer, seq=n, session="stranger")
    sweeps(of, 10 * HOUR)
    assert trainer.alive, "silence needs the selector or the tag"


def test_a_row_of_beats_that_cannot_be_read_leaves_its_run_alone_and_is_reported() -> None:
    of = town()
    broken, fine = trainer_in(of), trainer_in(of)
    for n in range(1, 4):
        of.beat(broken, seq=n)
        of.beat(fine, seq=n)
        later(of, minutes=5)
    key = next(key for key in of.table.items if broken.id in key[1] and key[0].startswith("beats#"))
    of.table.items[key]["sessions"][0]["last_at"] = "yesterday"
    reports = sweeps(of, 13 * HOUR)
    assert (broken.alive, fine.alive) == (True, False)
    assert f"ledger ec2#{broken.id}" in {failure.where for failure in reports[-1].failures}
