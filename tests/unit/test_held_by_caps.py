"""Runs of observe and warn that a blast cap held: named beside the would-haves, and never counted as ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from costwatch.core import held_by_caps
from costwatch.core.graduating import NO_SELECTOR, by_selector, cases
from costwatch.core.held_by_caps import HeldByCap
from costwatch.core.modes import Mode
from costwatch.core.record import Entry, Hold, RunRecord, Status, Transition
from costwatch.core.selection import HoldCode
from tests.support import builders
from tests.support.builders import HOUR, NOW

RUN = "111122223333/us-east-1/instance/i-1"
SHARE = "more is due than blast_cap.share (1 of 3 runs of trainers a sweep) allows; it waits for a release"


def held(run: str = RUN, *, code: HoldCode = HoldCode.CAP, mode: str = "observe") -> tuple[str, Entry]:
    evidence = (("selector", "trainers"), ("hold", "hold-1"), ("code", code.value))
    return run, Entry(NOW, Transition.HELD, SHARE, mode=mode, evidence=evidence)


def waiting(code: HoldCode = HoldCode.CAP, mode: Mode = Mode.OBSERVE) -> RunRecord:
    record = builders.record(builders.run(builders.member("i-1", now=NOW)), mode=mode, status=Status.HELD, name="churn")
    return replace(record, selector="trainers", hold=Hold("hold-1", code, SHARE, NOW - HOUR, "key"))


def names(found: list[HeldByCap]) -> list[tuple[str, bool]]:
    return [(each.name, each.waits) for each in found]


@pytest.mark.parametrize("mode", ["observe", "warn"])
def test_what_a_cap_held_is_named_also_when_it_is_over(mode: str) -> None:
    (found,) = held_by_caps.held_by_caps([held(mode=mode)], [])
    assert (found.name, found.selector, found.cap, found.waits) == ("i-1", "trainers", "blast_cap.share", False)
    assert found.sentence == SHARE.replace("it waits for a release", "it waits no more")


@pytest.mark.parametrize("other", [held(mode="enforce"), held(code=HoldCode.PAUSED), held(code=HoldCode.MASS_SILENCE)])
def test_what_anything_else_held_or_really_waits_is_none(other: tuple[str, Entry]) -> None:
    assert held_by_caps.held_by_caps([other], []) == []


def test_one_that_waits_is_named_however_long_ago_it_was_held() -> None:
    (found,) = held_by_caps.held_by_caps([], [waiting()])
    assert (found.at, found.name, found.waits, found.sentence) == (NOW - HOUR, "churn", True, SHARE)
    assert names(held_by_caps.held_by_caps([held(str(waiting().run_id))], [waiting()])) == [("churn", True)]
    for other in (waiting(HoldCode.PAUSED), waiting(mode=Mode.ENFORCE), replace(waiting(), status=Status.RUNNING)):
        assert held_by_caps.held_by_caps([], [other]) == []


def test_one_that_was_released_is_a_would_have_and_no_more_than_that() -> None:
    stopped = RUN, Entry(NOW, Transition.WOULD_STOP, "it would have been stopped", mode="observe")
    assert held_by_caps.held_by_caps([held(), stopped], []) == []
    assert names(held_by_caps.held_by_caps([stopped, held()], [])) == [("i-1", False)]
    released = replace(waiting(), status=Status.WOULD_STOP, hold=None, would_stop_at=NOW)
    assert held_by_caps.held_by_caps([held(str(released.run_id))], [released]) == []


def test_they_stand_beside_the_would_haves_of_their_selector_and_are_in_no_sum() -> None:
    facts = (("selector", "trainers"), ("would_have", "ran on"), ("would_have_usd", "20.00"))
    ended = "111122223333/us-east-1/instance/i-0", Entry(NOW, Transition.ENDED_BY_ITSELF, "it ended", evidence=facts)
    found = held_by_caps.held_by_caps([held(), held(f"{RUN}2")], [])
    trainers, idle = by_selector(cases([ended], [], [], NOW), ["trainers", "idle"], found)
    assert (len(trainers.cases), trainers.net_usd, len(trainers.held)) == (1, Decimal(20), 2)
    assert (idle.held, idle.sums) == ((), ())
    assert trainers.sums[1:] == (
        "2 more held by blast_cap.share, as enforce would have held them: none of them waits for a release any more",
    )
    (only,) = by_selector([], [], found)
    assert (only.selector, only.cases, len(only.held)) == ("trainers", (), 2)
    (nobody,) = by_selector([], [], [replace(found[0], selector="")])
    assert nobody.selector == NO_SELECTOR


def test_the_sentence_says_how_many_by_which_caps_and_how_many_wait() -> None:
    (one,) = held_by_caps.held_by_caps([], [waiting()])
    day = replace(
        one, reason="more is due than blast_cap.per_day (20 a day) allows; it waits for a release", waits=False
    )
    unsaid = replace(one, reason="a cap held it before")
    assert held_by_caps.sentence([]) == ""
    assert held_by_caps.sentence([one, day]) == (
        "2 more held by blast_cap.per_day and blast_cap.share, as enforce would have held them: 1 waits for a release"
    )
    assert held_by_caps.sentence([one, one]).endswith("2 wait for a release")
    assert held_by_caps.sentence([unsaid]).startswith("1 more held by blast_cap, as ")
