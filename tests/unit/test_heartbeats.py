"""What beats say: silence, stalls and the end in sight. Boundaries come in pairs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.core import beat_path, heartbeats, liveness
from costwatch.core.beat_path import Path
from costwatch.core.heartbeats import Beat, BeatKind, Pulse, Session
from costwatch.core.liveness import Vitals
from costwatch.core.model import Member
from costwatch.core.policy import Service
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, member

INTERVAL = 45 * MINUTE


def beat(at: datetime, seq: int, *, session: str = "a", kind: BeatKind = BeatKind.BEAT, **said: Any) -> Beat:
    return Beat(Service.EC2, "i-0a", "111122223333", "us-east-1", at, kind, session, seq, **said)


def pulse(*beats: Beat) -> Pulse:
    found: Pulse | None = None
    for each in beats:
        found = heartbeats.after(found, each)
    assert found is not None
    return found


def every(gap: timedelta, times: int, *, last: datetime = NOW, steps: int = 0, total: int | None = None) -> Pulse:
    """`times` beats, `gap` apart, the last at `last`; with `steps` each is that many steps on."""
    return pulse(
        *(
            beat(last - (times - n) * gap, n, step=n * steps if steps else None, total=total)
            for n in range(1, times + 1)
        )
    )


def vitals(*pulses: Pulse, path_since: datetime | None = NOW - 99 * HOUR, age: timedelta = 40 * HOUR) -> Vitals:
    members = [member(f"i-{n}", age=age) for n, _ in enumerate(pulses)]
    found = liveness.vitals_of(members, _keyed(members, pulses), path_since)
    assert found is not None
    return found


def _keyed(members: list[Member], pulses: tuple[Pulse, ...]) -> dict[tuple[Service, str], Pulse]:
    return {(m.service, m.id): p for m, p in zip(members, pulses, strict=True)}


def only(of: Pulse) -> Session:
    (session,) = of.sessions
    return session


# --- one member's beats --------------------------------------------------------------------------------------------


def test_a_beat_that_comes_twice_counts_once() -> None:
    once = pulse(beat(NOW, 1), beat(NOW + MINUTE, 2))
    assert heartbeats.after(once, beat(NOW + MINUTE, 2)) == once


def test_a_beat_out_of_order_is_a_sign_of_life_and_takes_no_step_back() -> None:
    late = only(pulse(beat(NOW, 1, step=10), beat(NOW + MINUTE, 3, step=30), beat(NOW + 2 * MINUTE, 2, step=20)))
    assert (late.beats, late.step, late.last_at) == (2, 30, NOW + 2 * MINUTE)


def test_a_beat_that_arrived_before_another_takes_no_sign_of_life_back() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + HOUR, 3))
    for late in (beat(NOW + MINUTE, 2), beat(NOW + MINUTE, 4)):
        assert heartbeats.after(known, late).last_at == NOW + HOUR


def test_a_foreign_sequence_number_cannot_make_a_trainer_look_silent() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + MINUTE, 10**15))
    for n in range(2, 5):
        known = heartbeats.after(known, beat(NOW + n * HOUR, n))
    assert known.last_at == NOW + 4 * HOUR


def test_the_longest_pause_is_between_two_beats_and_leaves_out_what_was_announced() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + 10 * MINUTE, 2, next_within=2 * HOUR), beat(NOW + 2 * HOUR, 3))
    assert only(known).longest_gap == 10 * MINUTE
    assert only(heartbeats.after(known, beat(NOW + 5 * HOUR, 4))).longest_gap == 3 * HOUR


def test_a_pause_longer_than_announced_counts_with_what_is_over() -> None:
    assert only(pulse(beat(NOW, 1, next_within=HOUR), beat(NOW + 90 * MINUTE, 2))).longest_gap == 30 * MINUTE


def test_a_trainer_that_falls_back_to_a_checkpoint_has_not_advanced() -> None:
    known = only(pulse(beat(NOW, 1, step=100), beat(NOW + HOUR, 2, step=40), beat(NOW + 2 * HOUR, 3, step=90)))
    assert (known.step, known.step_at, known.advances) == (100, NOW, 1)


def test_what_ended_the_watch_is_taken_back_by_the_next_beat() -> None:
    done = pulse(beat(NOW, 1), beat(NOW + MINUTE, 2, kind=BeatKind.DONE))
    assert done.done
    assert not heartbeats.after(done, beat(NOW + 2 * MINUTE, 3)).done


# --- several processes of one member --------------------------------------------------------------------------------


def test_each_process_is_counted_apart_and_none_takes_anything_away_from_another() -> None:
    trainer = every(5 * MINUTE, 9, steps=10, total=200)
    for n in range(1, 4):
        beside = heartbeats.after(trainer, beat(NOW + n * MINUTE, n, session="b", step=1, total=10**9))
        assert beside.sessions[0] == trainer.sessions[0]
        trainer = beside
    assert [(session.id, session.beats) for session in trainer.sessions] == [("a", 9), ("b", 3)]


def test_a_pause_before_the_process_that_comes_next_is_a_pause_of_the_run() -> None:
    two = heartbeats.after(every(5 * MINUTE, 9), beat(NOW + 50 * MINUTE, 1, session="b"))
    assert vitals(two).longest_gap == 50 * MINUTE


def test_no_pause_is_one_that_was_announced_or_came_after_the_end() -> None:
    announced = heartbeats.after(every(5 * MINUTE, 9), beat(NOW + MINUTE, 10, next_within=HOUR))
    two = heartbeats.after(announced, beat(NOW + 65 * MINUTE, 1, session="b"))
    assert vitals(two).longest_gap == 5 * MINUTE
    over = heartbeats.after(every(5 * MINUTE, 9), beat(NOW + MINUTE, 10, kind=BeatKind.DONE))
    again = heartbeats.after(over, beat(NOW + 9 * HOUR, 1, session="b"))
    assert vitals(again).longest_gap == 5 * MINUTE


def test_a_strangers_beat_in_the_middle_makes_no_pause_shorter() -> None:
    stranger = heartbeats.after(every(5 * MINUTE, 9), beat(NOW + 30 * MINUTE, 1, session="s"))
    two = heartbeats.after(stranger, beat(NOW + HOUR, 1, session="b"))
    assert vitals(two).longest_gap == HOUR


def test_of_too_many_processes_who_beat_least_is_forgotten_but_not_what_excuses_its_silence() -> None:
    known = every(5 * MINUTE, 9)
    known = heartbeats.after(known, beat(NOW + MINUTE, 1, session="announcer", next_within=3 * HOUR))
    for n in range(100):
        known = heartbeats.after(known, beat(NOW + 2 * MINUTE, 1, session=f"flood-{n}"))
    assert len(known.sessions) == heartbeats.MOST_SESSIONS
    assert known.sessions[0].beats == 9
    assert vitals(known).quiet_until == NOW + MINUTE + 3 * HOUR


def test_of_too_many_processes_the_pauses_between_them_and_an_end_are_kept() -> None:
    known = every(5 * MINUTE, 3)
    known = heartbeats.after(known, beat(NOW + 80 * MINUTE, 1, session="b"))
    known = heartbeats.after(known, beat(NOW + 81 * MINUTE, 2, session="b", kind=BeatKind.DONE))
    for n in range(100):
        for seq in (1, 2, 3):
            known = heartbeats.after(known, beat(NOW + (81 + seq) * MINUTE, seq, session=f"flood-{n}"))
    assert "b" not in {session.id for session in known.sessions}
    assert vitals(known).longest_gap >= 80 * MINUTE
    assert vitals(known).done


def test_who_reports_how_far_it_is_is_forgotten_last_however_rarely_it_beats() -> None:
    known = every(30 * MINUTE, 3, steps=10, total=40)
    for n in range(100):
        for seq in range(1, 9):
            known = heartbeats.after(known, beat(NOW, seq, session=f"worker-{n}"))
    assert liveness.finishes_at(vitals(known), NOW) == NOW + 30 * MINUTE


def test_under_a_foreign_sequence_number_a_trainer_can_still_announce_a_phase_and_its_end() -> None:
    known = heartbeats.after(every(5 * MINUTE, 9), beat(NOW, 2**53))
    announced = heartbeats.after(known, beat(NOW + MINUTE, 10, next_within=6 * HOUR))
    assert vitals(announced).quiet_until == NOW + MINUTE + 6 * HOUR
    assert vitals(heartbeats.after(known, beat(NOW + MINUTE, 10, kind=BeatKind.DONE))).done


def test_silence_says_nothing_until_the_process_that_began_last_has_beaten_three_times() -> None:
    known = every(5 * MINUTE, 9)
    for n in (1, 2):
        known = heartbeats.after(known, beat(NOW + n * MINUTE, n, session="b"))
        assert liveness.silent_at(vitals(known), INTERVAL) is None
    known = heartbeats.after(known, beat(NOW + 3 * MINUTE, 3, session="b"))
    assert liveness.silent_at(vitals(known), INTERVAL) is not None


def test_processes_of_two_members_that_call_themselves_the_same_are_still_two() -> None:
    first_at = NOW - HOUR
    two, three = (pulse(*(beat(first_at + n * MINUTE, n + 1) for n in range(times))) for times in (2, 3))
    assert liveness.silent_at(vitals(three, two), INTERVAL) is None
    assert liveness.silent_at(vitals(three, three), INTERVAL) is not None


def test_short_trainings_of_one_process_prove_together_that_it_beats() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + MINUTE, 1, session="a.2"))
    assert liveness.silent_at(vitals(known), INTERVAL) is None
    known = heartbeats.after(known, beat(NOW + 2 * MINUTE, 1, session="a.3"))
    assert liveness.silent_at(vitals(known), INTERVAL) == NOW + 2 * MINUTE + 3 * INTERVAL


@pytest.mark.parametrize("beats", [1, 3, 30])
def test_no_beats_of_another_process_undo_an_announced_phase(beats: int) -> None:
    known = heartbeats.after(every(5 * MINUTE, 9), beat(NOW + MINUTE, 10, next_within=6 * HOUR))
    for n in range(1, beats + 1):
        known = heartbeats.after(known, beat(NOW + (1 + n) * MINUTE, n, session="s"))
    silent = liveness.silent_at(vitals(known), INTERVAL)
    assert silent is None or silent >= NOW + MINUTE + 6 * HOUR + 3 * INTERVAL


@pytest.mark.parametrize("beats", [1, 3, 30])
def test_no_beats_of_another_process_take_away_that_a_run_is_nearly_done(beats: int) -> None:
    known = every(5 * MINUTE, 13, steps=10, total=140)
    end = liveness.finishes_at(vitals(known), NOW)
    for n in range(1, beats + 1):
        known = heartbeats.after(known, beat(NOW - (beats - n) * MINUTE, n, session="s", step=n, total=5_000))
    assert end is not None
    assert liveness.finishes_at(vitals(known), NOW) == end


def test_a_beat_of_another_process_hides_no_stall() -> None:
    stalled = stuck_pulse(2 * HOUR)
    for n in range(1, 3):
        stalled = heartbeats.after(stalled, beat(NOW, n, session="s"))
    assert liveness.stalled_since(vitals(stalled), NOW) == NOW - 2 * HOUR


def test_a_trainer_that_began_anew_is_not_stalled_by_the_steps_of_the_process_before() -> None:
    known = every(5 * MINUTE, 9, last=NOW - 2 * HOUR, steps=10)
    for n in (1, 2, 3):
        known = heartbeats.after(known, beat(NOW - (3 - n) * MINUTE, n, session="b"))
    assert liveness.stalled_since(vitals(known), NOW) is None


# --- a run's beats -------------------------------------------------------------------------------------------------


def test_any_members_beat_counts_for_its_run() -> None:
    old, fresh = every(5 * MINUTE, 3, last=NOW - 9 * HOUR), every(5 * MINUTE, 2, last=NOW - MINUTE)
    found = vitals(old, fresh)
    assert (found.beats, found.last_at) == (5, NOW - MINUTE)


def test_beats_from_before_the_present_start_are_those_of_another_run() -> None:
    restarted = member("i-0", age=HOUR)
    before = {(Service.EC2, "i-0"): every(5 * MINUTE, 9, last=NOW - HOUR - SECOND)}
    since = {(Service.EC2, "i-0"): every(5 * MINUTE, 9, last=NOW)}
    assert liveness.vitals_of([restarted], before, NOW) is None
    assert liveness.vitals_of([restarted], since, NOW) is not None


def test_a_jobs_name_is_compared_without_regard_to_case_as_arns_have_it_in_lower_case() -> None:
    of = member("Churn-BERT", service=Service.TRAINING)
    beats = {(Service.TRAINING, "churn-bert"): every(MINUTE, 3)}
    assert liveness.vitals_of([of], beats, NOW) is not None


def test_beats_of_others_are_not_its_own() -> None:
    assert liveness.vitals_of([member("i-1")], {(Service.EC2, "i-2"): every(MINUTE, 5)}, NOW) is None
    assert liveness.vitals_of([member("i-1")], {(Service.TRAINING, "i-1"): every(MINUTE, 5)}, NOW) is None


@pytest.mark.parametrize("since", [-SECOND, SECOND, HOUR])
def test_a_run_is_done_when_one_process_said_so_whatever_others_say(since: timedelta) -> None:
    done = pulse(beat(NOW, 1), beat(NOW, 2, kind=BeatKind.DONE))
    assert vitals(done).done
    beside = done
    for n in range(1, 5):
        beside = heartbeats.after(beside, beat(NOW + since, n, session="s"))
    assert vitals(beside).done
    assert vitals(done, every(MINUTE, 5, last=NOW + since)).done


def test_the_same_process_takes_the_watch_up_again_when_it_trains_once_more() -> None:
    again = heartbeats.after(pulse(beat(NOW, 1), beat(NOW, 2, kind=BeatKind.DONE)), beat(NOW + HOUR, 1, session="a.2"))
    assert not vitals(again).done
    late = heartbeats.after(again, beat(NOW + 2 * HOUR, 3, kind=BeatKind.DONE))
    assert not vitals(late).done, "the end of the training before, arriving late"
    assert vitals(heartbeats.after(again, beat(NOW + 2 * HOUR, 2, session="a.2", kind=BeatKind.DONE))).done


def test_who_took_over_on_another_node_says_for_both_that_they_are_done() -> None:
    before = every(5 * MINUTE, 9, last=NOW - 2 * HOUR)
    after = pulse(*(beat(NOW - (9 - n) * MINUTE, n, session="b") for n in range(1, 9)),
                  beat(NOW, 9, session="b", kind=BeatKind.DONE))  # fmt: skip
    assert liveness.silent_at(vitals(before, after), INTERVAL) is None


# --- silence -------------------------------------------------------------------------------------------------------


def test_silence_says_nothing_unless_selector_or_tag_ask() -> None:
    assert liveness.silent_at(vitals(every(5 * MINUTE, 9)), None) is None


def test_two_beats_prove_nothing_and_three_do() -> None:
    assert liveness.silent_at(vitals(every(5 * MINUTE, 2)), INTERVAL) is None
    assert liveness.silent_at(vitals(every(5 * MINUTE, 3)), INTERVAL) is not None


def test_the_grace_is_three_intervals() -> None:
    assert liveness.silent_at(vitals(every(5 * MINUTE, 3)), INTERVAL) == NOW + 3 * INTERVAL


def test_the_grace_is_at_least_three_times_the_runs_own_longest_pause() -> None:
    assert liveness.silent_at(vitals(every(INTERVAL + SECOND, 3)), INTERVAL) == NOW + 3 * (INTERVAL + SECOND)


def test_an_announced_phase_comes_on_top() -> None:
    announced = pulse(*(beat(NOW - n * MINUTE, 4 - n) for n in (3, 2, 1)), beat(NOW, 4, next_within=2 * HOUR))
    assert liveness.silent_at(vitals(announced), INTERVAL) == NOW + 2 * HOUR + 3 * INTERVAL


def test_done_ends_the_watch() -> None:
    done = pulse(*(beat(NOW - n * MINUTE, 4 - n) for n in (3, 2, 1)), beat(NOW, 4, kind=BeatKind.DONE))
    assert liveness.silent_at(vitals(done), INTERVAL) is None


def test_while_the_way_is_not_proven_nobody_is_silent_and_after_that_the_grace_begins_anew() -> None:
    of = every(5 * MINUTE, 3, last=NOW - 9 * HOUR)
    assert liveness.silent_at(vitals(of, path_since=None), INTERVAL) is None
    assert liveness.silent_at(vitals(of, path_since=NOW - HOUR), INTERVAL) == NOW - HOUR + 3 * INTERVAL


_SAID: list[dict[str, Any]] = [
    {}, {}, {"next_within": 6 * HOUR}, {"next_within": MINUTE}, {"kind": BeatKind.DONE}, {"step": 1, "total": 9},
    {"step": 10**9},
]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(1, 50), st.sampled_from("abc"), st.sampled_from(_SAID)),
        min_size=1,
        max_size=30,
    )
)
def test_silence_never_comes_sooner_than_the_grace_after_the_last_beat(
    drawn: list[tuple[int, int, str, dict[str, Any]]],
) -> None:
    found: Pulse | None = None
    at = NOW
    for seconds, seq, session, said in drawn:
        at += timedelta(seconds=seconds)
        found = heartbeats.after(found, beat(at, seq, session=session, **said))
        silent = liveness.silent_at(vitals(found, age=HOUR), INTERVAL)
        assert silent is None or silent >= at + 3 * INTERVAL


_OWN = st.lists(st.tuples(st.integers(1, 10_000), st.sampled_from(_SAID)), min_size=3, max_size=12)
_FOREIGN = st.lists(
    st.tuples(st.integers(0, 100_000), st.sampled_from("xyz"), st.integers(1, 9), st.sampled_from(_SAID)), max_size=12
)


@given(own=_OWN, foreign=_FOREIGN)
def test_no_beats_of_others_make_a_trainer_silent_sooner_or_its_end_out_of_sight(
    own: list[tuple[int, dict[str, Any]]], foreign: list[tuple[int, str, int, dict[str, Any]]]
) -> None:
    beats: list[Beat] = []
    at = NOW
    for n, (seconds, said) in enumerate(own, start=1):
        at += timedelta(seconds=seconds)
        beats.append(beat(at, n, **said))
    others = [beat(NOW + timedelta(seconds=s), seq, session=name, **said) for s, name, seq, said in foreign]
    alone = pulse(*beats)
    among = pulse(*sorted([*beats, *others], key=lambda each: each.received_at))
    without, having = (vitals(each, age=HOUR) for each in (alone, among))
    silent, then = (liveness.silent_at(each, INTERVAL) for each in (without, having))
    if then is not None:
        assert silent is not None
        assert then >= silent
    now = max(without.last_at, having.last_at)
    end = liveness.finishes_at(without, now)
    if end is not None:
        among_end = liveness.finishes_at(having, now)
        assert among_end is not None
        assert among_end <= end


# --- the way of the beats ------------------------------------------------------------------------------------------


def test_a_canary_in_time_keeps_the_way_proven_and_a_second_later_it_is_not() -> None:
    allowed = beat_path.path_allows(5 * MINUTE)
    path = Path(last_sent_at=NOW - allowed, unbroken_since=NOW - 9 * HOUR)
    assert beat_path.path_since(path, 5 * MINUTE, NOW) == NOW - 9 * HOUR
    assert beat_path.path_since(path, 5 * MINUTE, NOW + SECOND) is None


def test_a_canary_from_the_future_proves_nothing() -> None:
    allowed = beat_path.path_allows(5 * MINUTE)
    path = Path(last_sent_at=NOW + allowed, unbroken_since=NOW - 9 * HOUR)
    assert beat_path.path_since(path, 5 * MINUTE, NOW) == NOW - 9 * HOUR
    assert beat_path.path_since(path, 5 * MINUTE, NOW - SECOND) is None


def test_without_any_canary_the_way_is_not_proven() -> None:
    assert beat_path.path_since(None, 5 * MINUTE, NOW) is None


def test_after_a_gap_the_row_of_canaries_begins_anew() -> None:
    path = beat_path.path_after(beat_path.path_after(None, NOW, 20 * MINUTE), NOW + 20 * MINUTE, 20 * MINUTE)
    assert path.unbroken_since == NOW
    assert beat_path.path_after(path, NOW + 41 * MINUTE, 20 * MINUTE).unbroken_since == NOW + 41 * MINUTE


def test_a_canary_that_arrives_out_of_order_breaks_nothing() -> None:
    path = beat_path.path_after(Path(NOW, NOW - HOUR), NOW - 5 * MINUTE, 20 * MINUTE)
    assert path == Path(NOW, NOW - HOUR)


# --- stalled -------------------------------------------------------------------------------------------------------


def stuck_pulse(since: timedelta, *, pace: timedelta = 5 * MINUTE, advances: int = 3, **said: Any) -> Pulse:
    """It took steps at `pace`, the last one `since` ago, and beats on."""
    start = NOW - since - (advances - 1) * pace
    steps = [beat(start + n * pace, n + 1, step=n * 100, **said) for n in range(advances)]
    return pulse(*steps, beat(NOW, 99, step=(advances - 1) * 100))


def stuck(since: timedelta, **told: Any) -> Vitals:
    return vitals(stuck_pulse(since, **told))


def test_a_step_that_is_an_hour_old_is_no_stall_and_a_second_more_is() -> None:
    assert liveness.stalled_since(stuck(HOUR), NOW) is None
    assert liveness.stalled_since(stuck(HOUR + SECOND), NOW) == NOW - HOUR - SECOND


def test_a_slow_trainer_has_three_times_its_own_longest_step() -> None:
    assert liveness.stalled_since(stuck(6 * HOUR, pace=2 * HOUR), NOW) is None
    assert liveness.stalled_since(stuck(6 * HOUR + SECOND, pace=2 * HOUR), NOW) is not None


def test_fewer_than_three_steps_forward_show_no_pace() -> None:
    assert liveness.stalled_since(stuck(9 * HOUR, advances=2), NOW) is None


def test_what_is_silent_is_not_stalled_too() -> None:
    assert liveness.stalled_since(vitals(every(5 * MINUTE, 5, last=NOW - 2 * HOUR, steps=10)), NOW) is None


def test_a_member_that_is_done_makes_nobody_look_stalled_who_goes_on() -> None:
    done = pulse(*(beat(NOW - (6 - n) * HOUR, n, step=n) for n in range(1, 4)), beat(NOW, 4, kind=BeatKind.DONE))
    assert liveness.stalled_since(vitals(done, every(5 * MINUTE, 12)), NOW) is None
    assert vitals(done, every(5 * MINUTE, 12)).progress.step is None


def test_what_has_done_its_steps_is_not_stalled() -> None:
    assert liveness.stalled_since(stuck(9 * HOUR, total=200), NOW) is None
    assert liveness.stalled_since(stuck(9 * HOUR, total=201), NOW) is not None


def test_a_run_whose_furthest_has_done_its_steps_is_not_stalled_by_one_that_stopped_before_it() -> None:
    behind = stuck_pulse(4 * HOUR)
    assert liveness.stalled_since(vitals(behind, stuck_pulse(2 * HOUR, total=200)), NOW) is None
    assert liveness.stalled_since(vitals(behind, stuck_pulse(2 * HOUR, total=201)), NOW) == NOW - 2 * HOUR


# --- nearly done ---------------------------------------------------------------------------------------------------


def test_the_end_is_where_the_steps_so_far_lead() -> None:
    on_its_way = every(5 * MINUTE, 13, steps=10, total=140)  # from 10 to 130 in an hour; 10 more take 5 minutes
    assert liveness.finishes_at(vitals(on_its_way), NOW) == NOW + 5 * MINUTE


def test_what_should_be_over_ends_now_and_never_before() -> None:
    assert liveness.finishes_at(vitals(every(5 * MINUTE, 13, last=NOW - 9 * MINUTE, steps=10, total=131)), NOW) == NOW


@pytest.mark.parametrize(
    "of",
    [
        every(5 * MINUTE, 13, steps=10),
        every(5 * MINUTE, 13, total=900),
        every(5 * MINUTE, 1, steps=10, total=900),
        every(5 * MINUTE, 13, steps=10, total=100),
        every(5 * MINUTE, 13, steps=1, total=10**15),
        every(timedelta(0), 13, steps=10, total=900),
        every(5 * MINUTE, 13, last=NOW - HOUR, steps=10, total=140),
    ],
    ids=["no total", "no step", "one step", "beyond its total", "in a million years", "in no time", "not alive"],
)
def test_what_does_not_show_an_end_has_none(of: Pulse) -> None:
    assert liveness.finishes_at(vitals(of), NOW) is None


def test_what_is_stalled_has_no_end() -> None:
    assert liveness.finishes_at(stuck(2 * HOUR, total=201), NOW) is None


@given(st.integers(0, heartbeats.LONGEST_STEP), st.integers(1, heartbeats.LONGEST_STEP), st.integers(0, 10**9))
def test_no_step_is_absurd_enough_to_break_anything(step: int, total: int, seconds: int) -> None:
    of = pulse(beat(NOW, 1, step=0, total=total), beat(NOW + timedelta(seconds=seconds), 2, step=step, total=total))
    now = NOW + timedelta(seconds=seconds)
    found = liveness.finishes_at(vitals(of, age=HOUR), now)
    assert found is None or now <= found <= now + heartbeats.LONGEST_ANNOUNCED
    liveness.stalled_since(vitals(of, age=HOUR), now)


# --- whose beats are worth a look ------------------------------------------------------------------------------------


def test_whoever_may_be_silent_is_worth_a_look_a_second_after_the_grace_and_not_at_it() -> None:
    of = every(5 * MINUTE, 3)
    assert not liveness.may_matter(of, INTERVAL, NOW + 3 * INTERVAL)
    assert liveness.may_matter(of, INTERVAL, NOW + 3 * INTERVAL + SECOND)
    assert not liveness.may_matter(of, None, NOW + 3 * INTERVAL + SECOND), "nobody asks for its silence"


def test_whoever_may_be_stalled_is_worth_a_look_a_second_after_the_hour_and_not_at_it() -> None:
    of = every(5 * MINUTE, 3, steps=1)
    assert not liveness.may_matter(of, None, NOW + HOUR)
    assert liveness.may_matter(of, None, NOW + HOUR + SECOND)


def test_whoever_is_done_or_has_done_its_steps_is_not() -> None:
    done = pulse(*(beat(NOW - (4 - n) * MINUTE, n, step=n) for n in range(1, 4)), beat(NOW, 4, kind=BeatKind.DONE))
    assert not liveness.may_matter(done, INTERVAL, NOW + 99 * HOUR)
    assert not liveness.may_matter(every(5 * MINUTE, 3, steps=1, total=3), None, NOW + 99 * HOUR)


@given(
    ages=st.lists(st.tuples(st.integers(1, 400), st.integers(1, 6), st.booleans()), min_size=1, max_size=4),
    minutes=st.integers(1, 90),
)
def test_a_run_is_silent_or_stalled_only_where_some_member_is_worth_a_look(
    ages: list[tuple[int, int, bool]], minutes: int
) -> None:
    pulses = [
        every(minutes * MINUTE, times, last=NOW - ago * MINUTE, steps=1 if steps else 0) for ago, times, steps in ages
    ]
    together = vitals(*pulses, age=999 * HOUR)
    silent_at = liveness.silent_at(together, 30 * MINUTE)
    silent = silent_at is not None and silent_at < NOW
    if silent or liveness.stalled_since(together, NOW) is not None:
        assert any(liveness.may_matter(each, 30 * MINUTE, NOW) for each in pulses)
