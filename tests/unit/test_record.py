"""The ledger's row: what is still the same episode of a run, and the keys made of its facts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from costwatch.core.model import Clock, RunId, RunKind
from costwatch.core.policy import Mode
from costwatch.core.record import Extension, MemberSeen, claim_key, hold_id, members_seen, same_episode, start_of
from costwatch.core.selection import HoldCode
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, family, job, member, pause, record, run


def test_an_instance_with_the_same_start_is_the_same_episode() -> None:
    assert same_episode(run(), record(run()))


def test_an_instance_that_was_stopped_and_started_is_another_episode() -> None:
    assert not same_episode(run(member(age=MINUTE)), record(run(member(age=HOUR))))


def test_what_had_not_started_goes_on_when_it_starts() -> None:
    assert same_episode(run(job(age=HOUR)), record(run(job(age=None))))


def test_what_had_started_and_has_no_start_in_this_answer_is_the_same_episode_since_nothing_shows_another() -> None:
    assert same_episode(run(job(age=None)), record(run(job(age=HOUR))))
    assert same_episode(run(member(age=None)), record(run(member(age=HOUR))))


def test_a_tagged_run_goes_on_when_a_known_member_has_no_start_in_this_answer_and_not_for_one_that_joined() -> None:
    before = record(run(member("i-1", age=HOUR), kind=RunKind.TAGGED, name="churn"))
    known, joined = member("i-1", age=None), member("i-2", age=None)
    assert same_episode(run(known, member("i-3"), kind=RunKind.TAGGED, name="churn"), before)
    assert not same_episode(run(joined, kind=RunKind.TAGGED, name="churn"), before)


def test_a_start_that_one_answer_leaves_out_is_remembered() -> None:
    before = record(run(member("i-1", age=HOUR), member("i-2", age=MINUTE), kind=RunKind.TAGGED, name="churn"))
    now = run(member("i-1", age=None), member("i-3", age=None), kind=RunKind.TAGGED, name="churn")
    assert members_seen(now, before) == (MemberSeen("i-1", NOW - HOUR), MemberSeen("i-3", None))


def test_a_tagged_run_goes_on_while_one_member_of_before_runs_on() -> None:
    old, other, new = member("i-1", age=9 * HOUR), member("i-2", age=8 * HOUR), member("i-3", age=MINUTE)
    before = record(run(old, other, kind=RunKind.TAGGED, name="churn"))
    assert same_episode(run(other, new, kind=RunKind.TAGGED, name="churn"), before)
    assert not same_episode(run(new, kind=RunKind.TAGGED, name="churn"), before)


def test_a_tagged_runs_clock_does_not_jump_when_its_first_member_goes() -> None:
    old, other = member("i-1", age=9 * HOUR), member("i-2", age=8 * HOUR)
    before = record(run(old, other, kind=RunKind.TAGGED, name="churn"))
    assert start_of(run(other, kind=RunKind.TAGGED, name="churn"), before) == NOW - 9 * HOUR


def test_restarting_one_member_of_a_tagged_run_does_not_reset_its_clock() -> None:
    old, restarted = member("i-1", age=9 * HOUR), member("i-1", age=MINUTE)
    other = member("i-2", age=8 * HOUR)
    before = record(run(old, other, kind=RunKind.TAGGED, name="churn"))
    after = run(restarted, other, kind=RunKind.TAGGED, name="churn")
    assert same_episode(after, before)
    assert start_of(after, before) == NOW - 9 * HOUR


def test_a_family_goes_on_when_all_its_children_are_others() -> None:
    before = record(family(age=9 * HOUR))
    after = family(age=9 * HOUR, children=0)
    assert same_episode(after, before)
    assert start_of(after, before) == NOW - 9 * HOUR


def test_a_family_whose_head_was_created_anew_is_another_episode() -> None:
    assert not same_episode(family(age=MINUTE), record(family(age=9 * HOUR)))


def test_a_family_whose_head_cannot_be_read_for_a_moment_is_the_same_episode() -> None:
    lost = Clock(None, "CreationTime", None, "CreationTime")
    before = record(family(age=9 * HOUR))
    for children in (0, 2):
        unread = family(clock=lost, tags=None, children=children, child_age=MINUTE)
        assert same_episode(unread, before)
        assert start_of(unread, before) == NOW - 9 * HOUR


def test_what_a_family_has_spent_is_unknown_where_a_rate_was() -> None:
    known = record(family(), rate_since=NOW - HOUR, spent_before_usd=Decimal("7"), hourly_rate_usd=Decimal("2"))
    assert known.spent_usd(NOW) == Decimal("9")
    assert known.spent_usd(NOW - 2 * HOUR) == Decimal("7"), "what was spent by then is known as one sum"
    assert record(family(), rate_since=NOW - HOUR, spent_before_usd=None).spent_usd(NOW) is None


def test_a_claim_key_is_made_of_mode_run_start_and_deadline() -> None:
    run_id = RunId("111122223333", "us-east-1", RunKind.INSTANCE, "i-0a")
    key = claim_key(run_id, Mode.ENFORCE, NOW - HOUR, NOW)
    assert key == "stop#enforce#111122223333/us-east-1/instance/i-0a#2026-11-22T08:00:00Z#2026-11-22T09:00:00Z"
    assert claim_key(run_id, Mode.ENFORCE, None, None).endswith("#-#-")


def test_a_hold_id_is_short_and_the_same_for_the_same_facts() -> None:
    assert hold_id("key", HoldCode.CAP) == hold_id("key", HoldCode.CAP)
    assert hold_id("key", HoldCode.CAP) != hold_id("key", HoldCode.PAUSED)
    assert hold_id("key", HoldCode.CAP) != hold_id("other", HoldCode.CAP)
    assert len(hold_id("key", HoldCode.CAP)) == len("hold-1a2b3c4d")


def test_what_a_run_has_spent_is_unknown_without_a_price_and_never_zero() -> None:
    assert record(run(member(age=2 * HOUR))).spent_usd(NOW) == Decimal("43.915284")
    assert record(run(), hourly_rate_usd=None).spent_usd(NOW) is None
    assert record(run(job(age=None))).spent_usd(NOW) is None


def test_extensions_add_up_and_the_latest_end_counts() -> None:
    given = (Extension("a", NOW, 4 * HOUR, NOW + 4 * HOUR), Extension("b", NOW, 2 * HOUR, NOW + 2 * HOUR))
    extended = record(run(), extensions=given)
    assert extended.extended_until == NOW + 4 * HOUR
    assert extended.extended_total == timedelta(hours=6)
    assert record(run()).extended_until is None


def test_the_end_of_a_pause_is_exclusive() -> None:
    assert pause(until=NOW).active(NOW - SECOND)
    assert not pause(until=NOW).active(NOW)
