"""What beats say: silence, stalls and the end in sight. Boundaries come in pairs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.core import heartbeats
from costwatch.core.heartbeats import Beat, BeatKind, Path, Pulse, Vitals
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
    found = heartbeats.vitals_of(members, _keyed(members, pulses), path_since)
    assert found is not None
    return found


def _keyed(members: list[Member], pulses: tuple[Pulse, ...]) -> dict[tuple[Service, str], Pulse]:
    return {(m.service, m.id): p for m, p in zip(members, pulses, strict=True)}


# --- one member's beats --------------------------------------------------------------------------------------------


def test_a_beat_that_comes_twice_counts_once() -> None:
    once = pulse(beat(NOW, 1), beat(NOW + MINUTE, 2))
    assert heartbeats.after(once, beat(NOW + MINUTE, 2)) == once


def test_a_beat_out_of_order_is_a_sign_of_life_and_takes_no_step_back() -> None:
    known = pulse(beat(NOW, 1, step=10), beat(NOW + MINUTE, 3, step=30))
    late = heartbeats.after(known, beat(NOW + 2 * MINUTE, 2, step=20))
    assert (late.beats, late.step, late.last_at) == (2, 30, NOW + 2 * MINUTE)


def test_a_foreign_sequence_number_cannot_make_a_trainer_look_silent() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + MINUTE, 10**15))
    for n in range(2, 5):
        known = heartbeats.after(known, beat(NOW + n * HOUR, n))
    assert known.last_at == NOW + 4 * HOUR


def test_the_longest_pause_is_between_two_beats_and_leaves_out_what_was_announced() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + 10 * MINUTE, 2, next_within=2 * HOUR), beat(NOW + 2 * HOUR, 3))
    assert known.longest_gap == 10 * MINUTE
    assert heartbeats.after(known, beat(NOW + 5 * HOUR, 4)).longest_gap == 3 * HOUR


def test_a_pause_longer_than_announced_counts_with_what_is_over() -> None:
    known = pulse(beat(NOW, 1, next_within=HOUR), beat(NOW + 90 * MINUTE, 2))
    assert known.longest_gap == 30 * MINUTE


def test_a_new_process_is_counted_anew_and_keeps_its_longest_pause_and_checkpoint() -> None:
    known = pulse(beat(NOW, 1, checkpoint="s3://a"), beat(NOW + HOUR, 2, step=9), beat(NOW + 5 * HOUR, 1, session="b"))
    assert (known.beats, known.step, known.first_at) == (1, None, NOW + 5 * HOUR)
    assert (known.longest_gap, known.checkpoint) == (HOUR, "s3://a")


def test_a_beat_of_the_process_before_is_a_sign_of_life_only() -> None:
    known = pulse(beat(NOW, 1), beat(NOW + HOUR, 1, session="b"), beat(NOW + 2 * HOUR, 2))
    assert (known.session, known.beats, known.last_at) == ("b", 1, NOW + 2 * HOUR)


def test_a_phase_that_one_process_announced_stands_whatever_others_send() -> None:
    strangers = [beat(NOW + n * SECOND, n, session="x") for n in range(1, 4)]
    before = pulse(beat(NOW, 1, next_within=4 * HOUR), *strangers)
    after = pulse(
        beat(NOW, 1), *strangers, beat(NOW + MINUTE, 2, next_within=4 * HOUR), beat(NOW + HOUR, 4, session="x")
    )
    assert (before.announced_until, after.announced_until) == (NOW + 4 * HOUR, NOW + MINUTE + 4 * HOUR)
    assert heartbeats.silent_at(vitals(after, age=HOUR), INTERVAL) == NOW + MINUTE + 4 * HOUR + 3 * INTERVAL


def test_a_phase_ends_with_the_next_beat_of_the_process_that_announced_it() -> None:
    known = pulse(beat(NOW, 1), beat(NOW, 1, session="x"), beat(NOW + MINUTE, 2, next_within=4 * HOUR))
    assert heartbeats.after(known, beat(NOW + 2 * MINUTE, 3)).announced_until is None
    assert heartbeats.after(known, beat(NOW, 1)).announced_until == NOW + MINUTE + 4 * HOUR, "it came twice"


def test_a_trainer_keeps_its_own_pauses_whatever_others_send() -> None:
    """Else three beats of a stranger would make a trainer that beats every two hours look silent."""
    strangers = [beat(NOW + n * SECOND, n, session="x") for n in range(1, 4)]
    known = pulse(beat(NOW, 1), *strangers, beat(NOW + 2 * HOUR, 2))
    assert known.longest_gap == 2 * HOUR - 3 * SECOND
    forged = pulse(beat(NOW, 1), beat(NOW + SECOND, 10**15), beat(NOW + 2 * HOUR, 2))
    assert forged.longest_gap == 2 * HOUR - SECOND


def test_a_trainer_that_falls_back_to_a_checkpoint_has_not_advanced() -> None:
    known = pulse(beat(NOW, 1, step=100), beat(NOW + HOUR, 2, step=40), beat(NOW + 2 * HOUR, 3, step=90))
    assert (known.step, known.step_at, known.advances) == (100, NOW, 1)


def test_what_ended_the_watch_is_taken_back_by_the_next_beat() -> None:
    done = pulse(beat(NOW, 1), beat(NOW + MINUTE, 2, kind=BeatKind.DONE))
    assert done.done_at == NOW + MINUTE
    assert heartbeats.after(done, beat(NOW + 2 * MINUTE, 3)).done_at is None


# --- a run's beats -------------------------------------------------------------------------------------------------


def test_any_members_beat_counts_for_its_run() -> None:
    old, fresh = every(5 * MINUTE, 3, last=NOW - 9 * HOUR), every(5 * MINUTE, 2, last=NOW - MINUTE)
    found = vitals(old, fresh)
    assert (found.beats, found.last_at) == (5, NOW - MINUTE)


def test_beats_from_before_the_present_start_are_those_of_another_run() -> None:
    restarted = member("i-0", age=HOUR)
    before = {(Service.EC2, "i-0"): every(5 * MINUTE, 9, last=NOW - HOUR - SECOND)}
    since = {(Service.EC2, "i-0"): every(5 * MINUTE, 9, last=NOW)}
    assert heartbeats.vitals_of([restarted], before, NOW) is None
    assert heartbeats.vitals_of([restarted], since, NOW) is not None


def test_a_jobs_name_is_compared_without_regard_to_case_as_arns_have_it_in_lower_case() -> None:
    of = member("Churn-BERT", service=Service.TRAINING)
    beats = {(Service.TRAINING, "churn-bert"): every(MINUTE, 3)}
    assert heartbeats.vitals_of([of], beats, NOW) is not None


def test_beats_of_others_are_not_its_own() -> None:
    assert heartbeats.vitals_of([member("i-1")], {(Service.EC2, "i-2"): every(MINUTE, 5)}, NOW) is None
    assert heartbeats.vitals_of([member("i-1")], {(Service.TRAINING, "i-1"): every(MINUTE, 5)}, NOW) is None


def test_a_run_is_done_when_all_that_beat_are() -> None:
    done = pulse(beat(NOW, 1), beat(NOW, 2, kind=BeatKind.DONE))
    assert vitals(done).done
    assert not vitals(done, every(MINUTE, 2)).done


# --- silence -------------------------------------------------------------------------------------------------------


def test_silence_says_nothing_unless_selector_or_tag_ask() -> None:
    assert heartbeats.silent_at(vitals(every(5 * MINUTE, 9)), None) is None


def test_two_beats_prove_nothing_and_three_do() -> None:
    assert heartbeats.silent_at(vitals(every(5 * MINUTE, 2)), INTERVAL) is None
    assert heartbeats.silent_at(vitals(every(5 * MINUTE, 3)), INTERVAL) is not None


def test_the_grace_is_three_intervals() -> None:
    assert heartbeats.silent_at(vitals(every(5 * MINUTE, 3)), INTERVAL) == NOW + 3 * INTERVAL


def test_the_grace_is_at_least_three_times_the_runs_own_longest_pause() -> None:
    assert heartbeats.silent_at(vitals(every(INTERVAL + SECOND, 3)), INTERVAL) == NOW + 3 * (INTERVAL + SECOND)


def test_an_announced_phase_comes_on_top() -> None:
    announced = pulse(*(beat(NOW - n * MINUTE, 4 - n) for n in (3, 2, 1)), beat(NOW, 4, next_within=2 * HOUR))
    assert heartbeats.silent_at(vitals(announced), INTERVAL) == NOW + 2 * HOUR + 3 * INTERVAL


def test_done_ends_the_watch() -> None:
    done = pulse(*(beat(NOW - n * MINUTE, 4 - n) for n in (3, 2, 1)), beat(NOW, 4, kind=BeatKind.DONE))
    assert heartbeats.silent_at(vitals(done), INTERVAL) is None


def test_while_the_way_is_not_proven_nobody_is_silent_and_after_that_the_grace_begins_anew() -> None:
    of = every(5 * MINUTE, 3, last=NOW - 9 * HOUR)
    assert heartbeats.silent_at(vitals(of, path_since=None), INTERVAL) is None
    assert heartbeats.silent_at(vitals(of, path_since=NOW - HOUR), INTERVAL) == NOW - HOUR + 3 * INTERVAL


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 50), st.sampled_from("abc")), min_size=1, max_size=30))
def test_no_beat_whatever_it_says_makes_silence_come_sooner(drawn: list[tuple[int, int, str]]) -> None:
    found: Pulse | None = None
    at = NOW
    before = NOW
    for seconds, seq, session in drawn:
        at += timedelta(seconds=seconds)
        found = heartbeats.after(found, beat(at, seq, session=session))
        silent = heartbeats.silent_at(vitals(found, age=HOUR), INTERVAL)
        assert silent is None or silent >= max(before, at + 3 * INTERVAL)
        before = silent or before


# --- the way of the beats ------------------------------------------------------------------------------------------


def test_a_canary_in_time_keeps_the_way_proven_and_a_second_later_it_is_not() -> None:
    allowed = heartbeats.path_allows(5 * MINUTE)
    path = Path(last_sent_at=NOW - allowed, unbroken_since=NOW - 9 * HOUR)
    assert heartbeats.path_since(path, 5 * MINUTE, NOW) == NOW - 9 * HOUR
    assert heartbeats.path_since(path, 5 * MINUTE, NOW + SECOND) is None


def test_without_any_canary_the_way_is_not_proven() -> None:
    assert heartbeats.path_since(None, 5 * MINUTE, NOW) is None


def test_after_a_gap_the_row_of_canaries_begins_anew() -> None:
    path = heartbeats.path_after(heartbeats.path_after(None, NOW, 20 * MINUTE), NOW + 20 * MINUTE, 20 * MINUTE)
    assert path.unbroken_since == NOW
    assert heartbeats.path_after(path, NOW + 41 * MINUTE, 20 * MINUTE).unbroken_since == NOW + 41 * MINUTE


def test_a_canary_that_arrives_out_of_order_breaks_nothing() -> None:
    path = heartbeats.path_after(Path(NOW, NOW - HOUR), NOW - 5 * MINUTE, 20 * MINUTE)
    assert path == Path(NOW, NOW - HOUR)


# --- stalled -------------------------------------------------------------------------------------------------------


def stuck(since: timedelta, *, pace: timedelta = 5 * MINUTE, advances: int = 3, **said: Any) -> Vitals:
    """It took steps at `pace`, the last one `since` ago, and beats on."""
    start = NOW - since - (advances - 1) * pace
    steps = [beat(start + n * pace, n + 1, step=n * 100, **said) for n in range(advances)]
    return vitals(pulse(*steps, beat(NOW, 99, step=(advances - 1) * 100)))


def test_a_step_that_is_an_hour_old_is_no_stall_and_a_second_more_is() -> None:
    assert heartbeats.stalled_since(stuck(HOUR), NOW) is None
    assert heartbeats.stalled_since(stuck(HOUR + SECOND), NOW) == NOW - HOUR - SECOND


def test_a_slow_trainer_has_three_times_its_own_longest_step() -> None:
    assert heartbeats.stalled_since(stuck(6 * HOUR, pace=2 * HOUR), NOW) is None
    assert heartbeats.stalled_since(stuck(6 * HOUR + SECOND, pace=2 * HOUR), NOW) is not None


def test_fewer_than_three_steps_forward_show_no_pace() -> None:
    assert heartbeats.stalled_since(stuck(9 * HOUR, advances=2), NOW) is None


def test_what_is_silent_is_not_stalled_too() -> None:
    assert heartbeats.stalled_since(vitals(every(5 * MINUTE, 5, last=NOW - 2 * HOUR, steps=10)), NOW) is None


def test_a_member_that_is_done_makes_nobody_look_stalled_who_goes_on() -> None:
    done = pulse(*(beat(NOW - (6 - n) * HOUR, n, step=n) for n in range(1, 4)), beat(NOW, 4, kind=BeatKind.DONE))
    assert heartbeats.stalled_since(vitals(done, every(5 * MINUTE, 12)), NOW) is None
    assert vitals(done, every(5 * MINUTE, 12)).progress.step is None


def test_what_has_done_its_steps_is_not_stalled() -> None:
    assert heartbeats.stalled_since(stuck(9 * HOUR, total=200), NOW) is None
    assert heartbeats.stalled_since(stuck(9 * HOUR, total=201), NOW) is not None


# --- nearly done ---------------------------------------------------------------------------------------------------


def test_the_end_is_where_the_steps_so_far_lead() -> None:
    on_its_way = every(5 * MINUTE, 13, steps=10, total=140)  # from 10 to 130 in an hour; 10 more take 5 minutes
    assert heartbeats.finishes_at(vitals(on_its_way), NOW) == NOW + 5 * MINUTE


def test_what_should_be_over_ends_now_and_never_before() -> None:
    assert heartbeats.finishes_at(vitals(every(5 * MINUTE, 13, last=NOW - 9 * MINUTE, steps=10, total=131)), NOW) == NOW


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
    assert heartbeats.finishes_at(vitals(of), NOW) is None


def test_what_is_stalled_has_no_end() -> None:
    assert heartbeats.finishes_at(stuck(2 * HOUR, total=201), NOW) is None


@given(st.integers(0, heartbeats.LONGEST_STEP), st.integers(1, heartbeats.LONGEST_STEP), st.integers(0, 10**9))
def test_no_step_is_absurd_enough_to_break_anything(step: int, total: int, seconds: int) -> None:
    of = pulse(beat(NOW, 1, step=0, total=total), beat(NOW + timedelta(seconds=seconds), 2, step=step, total=total))
    now = NOW + timedelta(seconds=seconds)
    found = heartbeats.finishes_at(vitals(of, age=HOUR), now)
    assert found is None or now <= found <= now + heartbeats.LONGEST_ANNOUNCED
    heartbeats.stalled_since(vitals(of, age=HOUR), now)


# --- whose beats are worth a look ------------------------------------------------------------------------------------


def test_whoever_may_be_silent_is_worth_a_look_a_second_after_the_grace_and_not_at_it() -> None:
    of = every(5 * MINUTE, 3)
    assert not heartbeats.may_matter(of, INTERVAL, NOW + 3 * INTERVAL)
    assert heartbeats.may_matter(of, INTERVAL, NOW + 3 * INTERVAL + SECOND)
    assert not heartbeats.may_matter(of, None, NOW + 3 * INTERVAL + SECOND), "nobody asks for its silence"


def test_whoever_may_be_stalled_is_worth_a_look_a_second_after_the_hour_and_not_at_it() -> None:
    of = every(5 * MINUTE, 3, steps=1)
    assert not heartbeats.may_matter(of, None, NOW + HOUR)
    assert heartbeats.may_matter(of, None, NOW + HOUR + SECOND)


def test_whoever_is_done_or_has_done_its_steps_is_not() -> None:
    done = pulse(*(beat(NOW - (4 - n) * MINUTE, n, step=n) for n in range(1, 4)), beat(NOW, 4, kind=BeatKind.DONE))
    assert not heartbeats.may_matter(done, INTERVAL, NOW + 99 * HOUR)
    assert not heartbeats.may_matter(every(5 * MINUTE, 3, steps=1, total=3), None, NOW + 99 * HOUR)


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
    silent_at = heartbeats.silent_at(together, 30 * MINUTE)
    silent = silent_at is not None and silent_at < NOW
    if silent or heartbeats.stalled_since(together, NOW) is not None:
        assert any(heartbeats.may_matter(each, 30 * MINUTE, NOW) for each in pulses)
