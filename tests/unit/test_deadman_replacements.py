"""Who joins after a notice makes another one due, but for a group's replacements and past the hard cap. In pairs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from costwatch.core.deadman import Decision, Verdict, judge
from costwatch.core.model import Run, RunKind
from costwatch.core.record import MemberSeen, RunRecord
from tests.support import policies
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, TAGGED, member, run, warned

POLICY = policies.policy()
CAP = 72 * HOUR


def nodes(*ids: str, kind: RunKind = RunKind.ASG, age: timedelta = 40 * HOUR, owner: str = "") -> Run:
    """The first has been there for `age`, all others for an hour."""
    tags = {**TAGGED, "owner": owner} if owner else TAGGED
    found = (member(i, age=age if n == 0 else HOUR, tags=tags) for n, i in enumerate(ids))
    return run(*found, kind=kind, name="nodes", fresh=False)


def told(of: Run, *ids: str, ago: timedelta = 5 * HOUR, owner: str = "maria@example.com") -> RunRecord:
    """A notice that was given to `ids`, of which each that is in `of` has the start it has there."""
    known = warned(of, POLICY, ago=ago)
    assert known.notice is not None
    starts = {m.id: m.clock.running_since for m in of.members}
    members = tuple(MemberSeen(i, starts.get(i, NOW - 40 * HOUR)) for i in ids)
    return replace(known, notice=replace(known.notice, members=members, owner=owner))


def decided(of: Run, known: RunRecord) -> Decision:
    return judge(of, known, POLICY, None, NOW)


# --- a group replaces what it loses -----------------------------------------------------------------------------


def test_a_replacement_in_a_group_makes_no_new_notice_due() -> None:
    of = nodes("i-0a", "i-0c")
    assert decided(of, told(of, "i-0a", "i-0b")).verdict is Verdict.STOP


def test_a_group_that_lost_one_and_replaced_another_makes_no_new_notice_due() -> None:
    of = nodes("i-0a", "i-0d")
    assert decided(of, told(of, "i-0a", "i-0b", "i-0c")).verdict is Verdict.STOP


def test_a_group_that_has_grown_by_one_is_warned_anew() -> None:
    of = nodes("i-0a", "i-0b", "i-0c")
    found = decided(of, told(of, "i-0a", "i-0b"))
    assert found.verdict is Verdict.WARN
    assert found.changed == "i-0c joined"


def test_a_group_that_has_replaced_one_and_grown_by_one_names_both() -> None:
    of = nodes("i-0a", "i-0c", "i-0d")
    assert decided(of, told(of, "i-0a", "i-0b")).changed == "i-0c, i-0d joined"


def test_a_replacement_in_a_tagged_run_is_a_joiner_as_ever() -> None:
    of = nodes("i-0a", "i-0c", kind=RunKind.TAGGED)
    assert decided(of, told(of, "i-0a", "i-0b")).verdict is Verdict.WARN


def test_a_replacement_that_brings_another_owner_is_warned_anew() -> None:
    of = nodes("i-0a", "i-0c", owner="ada@example.com")
    assert decided(of, told(of, "i-0a", "i-0b")).changed == "its owner became ada@example.com"


def test_an_instance_of_a_group_that_started_anew_is_warned_anew() -> None:
    of = nodes("i-0a", "i-0b")
    known = told(of, "i-0a", "i-0b")
    assert known.notice is not None
    earlier = tuple(replace(m, running_since=NOW - 39 * HOUR) for m in known.notice.members)
    known = replace(known, notice=replace(known.notice, members=(known.notice.members[0], earlier[1])))
    assert decided(of, known).changed == "i-0b started anew"


# --- past the hard cap the same owner was told of this run ------------------------------------------------------

KINDS = pytest.mark.parametrize("kind", [RunKind.TAGGED, RunKind.ASG])


@KINDS
def test_past_the_hard_cap_who_joined_makes_no_new_notice_due(kind: RunKind) -> None:
    of = nodes("i-0a", "i-0b", kind=kind, age=CAP + SECOND)
    assert decided(of, told(of, "i-0a")).verdict is Verdict.STOP


@KINDS
def test_exactly_at_the_hard_cap_who_joined_is_warned(kind: RunKind) -> None:
    of = nodes("i-0a", "i-0b", kind=kind, age=CAP)
    assert decided(of, told(of, "i-0a")).verdict is Verdict.WARN


def test_past_the_hard_cap_who_started_anew_makes_no_new_notice_due() -> None:
    def anew(age: timedelta) -> Verdict:
        of = nodes("i-0a", "i-0b", kind=RunKind.TAGGED, age=age)
        known = told(of, "i-0a", "i-0b")
        assert known.notice is not None
        first, second = known.notice.members
        earlier = replace(second, running_since=NOW - 39 * HOUR)
        return decided(of, replace(known, notice=replace(known.notice, members=(first, earlier)))).verdict

    assert (anew(CAP), anew(CAP + SECOND)) == (Verdict.WARN, Verdict.STOP)


def test_past_the_hard_cap_a_notice_accepted_min_notice_ago_is_enough_and_one_second_less_is_not() -> None:
    of = nodes("i-0a", "i-0b", kind=RunKind.TAGGED, age=CAP + HOUR)

    def reason(ago: timedelta) -> str:
        known = told(of, "i-0a", ago=ago)
        assert known.notice is not None
        # Asked for long before it was accepted: a new one would be due at once.
        asked = replace(known, notice=replace(known.notice, requested_at=NOW - 5 * HOUR))
        found = decided(of, asked)
        return f"{found.verdict.value}: {found.changed}"

    assert reason(30 * MINUTE - SECOND) == "warn: i-0b joined"
    assert reason(30 * MINUTE) == "wait: ", "its time is not over before the second after"
    assert reason(30 * MINUTE + SECOND) == "stop: "


def test_past_the_hard_cap_it_is_not_stopped_before_the_time_its_card_named() -> None:
    of = nodes("i-0a", "i-0b", kind=RunKind.TAGGED, age=CAP + HOUR)
    known = told(of, "i-0a", ago=45 * MINUTE)
    assert known.notice is not None
    named = replace(known, notice=replace(known.notice, stops_at=NOW))
    assert decided(of, named).verdict is Verdict.WAIT


@KINDS
def test_past_the_hard_cap_another_owner_is_warned(kind: RunKind) -> None:
    of = nodes("i-0a", "i-0b", kind=kind, age=CAP + HOUR, owner="ada@example.com")
    assert decided(of, told(of, "i-0a")).changed == "its owner became ada@example.com"
    assert decided(of, told(of, "i-0a", owner="ada@example.com")).verdict is Verdict.STOP


@KINDS
def test_past_the_hard_cap_a_member_that_left_and_runs_on_makes_a_notice_due(kind: RunKind) -> None:
    of = nodes("i-0a", "i-0b", kind=kind, age=CAP + HOUR)
    known = told(of, "i-0a", "i-0b", "i-0c")
    assert decided(replace(of, left=("i-0c",)), known).changed == "i-0c left it and runs on"
    assert decided(of, known).verdict is Verdict.STOP


def test_past_the_hard_cap_an_outdated_notice_is_given_anew() -> None:
    of = nodes("i-0a", "i-0b", kind=RunKind.TAGGED, age=CAP + HOUR)

    def verdict(named_ago: timedelta) -> Verdict:
        known = told(of, "i-0a", ago=30 * HOUR)
        assert known.notice is not None
        return decided(of, replace(known, notice=replace(known.notice, stops_at=NOW - named_ago))).verdict

    assert (verdict(24 * HOUR), verdict(24 * HOUR + SECOND)) == (Verdict.STOP, Verdict.WARN)
