"""Line 3 of the safety contract: a sweep and a day have caps, and a pause holds everything."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core import grants
from costwatch.core.record import Status
from costwatch.core.selection import HoldCode
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import FakeInstance, Town
from tests.support.town import (
    TAGS,
    destroyed,
    failing,
    later,
    paused,
    records,
    refusing,
    released,
    town,
    warn_and_let_the_notice_pass,
    warnings_of,
)


@pytest.mark.parametrize(
    ("cap", "stopped"),
    [
        ({"runs": 2, "share": "1", "per_day": 20}, 2),
        ({"runs": 9, "share": "0.5", "per_day": 20}, 3),
        ({"runs": 9, "share": "1", "per_day": 4}, 4),
        ({"runs": 9, "share": "0.1", "per_day": 20}, 1),
    ],
)
def test_3_more_due_than_a_cap_allows_is_held_and_never_stopped_by_a_later_sweep(
    cap: dict[str, Any], stopped: int
) -> None:
    of = town(blast_cap=cap)
    trainers = [of.world.launch(age=40 * HOUR, tags=TAGS) for _ in range(6)]
    report = warn_and_let_the_notice_pass(of)
    assert report.stopped == stopped
    for _ in range(30):
        later(of, hours=1)
    assert sum(not trainer.alive for trainer in trainers) == stopped
    held = [record.hold for record in records(of).values()]
    assert len(held) == 6 - stopped
    assert all(hold is not None and hold.code.value == "cap" for hold in held)


def held_by_a_cap(of: Town, **tags: str) -> FakeInstance:
    """One of two that are due is stopped; returns the other, which has `tags` too."""
    first = of.world.launch(age=41 * HOUR, tags=TAGS)
    held = of.world.launch(age=40 * HOUR, tags={**TAGS, **tags})
    warn_and_let_the_notice_pass(of)
    assert (first.alive, held.alive, records(of)[held.id].status) == (False, True, Status.HELD)
    return held


ONE_A_SWEEP = {"runs": 1, "share": "1", "per_day": 20}
ONE_A_DAY = {"runs": 5, "share": "1", "per_day": 1}


@pytest.mark.parametrize("limit", ["13h", "39h"])
def test_3_a_cap_hold_does_not_escape_by_a_deadline_that_moves_while_the_run_is_overdue(limit: str) -> None:
    of = town(blast_cap=ONE_A_SWEEP)
    held = held_by_a_cap(of)
    before = records(of)[held.id].hold
    held.tags["costwatch:max-runtime"] = limit
    for _ in range(12):
        later(of, minutes=10)
    assert held.alive
    assert records(of)[held.id].hold == before, "it is the same hold, with the same id"
    assert sum(card.text.startswith("Held: ") for _, _, card in of.world.posts) == 1


def test_3_its_release_counts_for_the_deadline_that_moved_and_it_is_warned_of_that_first() -> None:
    of = town(blast_cap=ONE_A_DAY)
    held = held_by_a_cap(of)
    held.tags["costwatch:max-runtime"] = "13h"
    later(of, minutes=10)
    released(of, held.id)
    later(of, minutes=5)
    assert held.alive
    assert len(warnings_of(of, held)) == 2
    later(of, minutes=32)
    assert not held.alive


def test_3_a_cap_hold_ends_by_itself_when_the_run_is_not_overdue_any_more() -> None:
    of = town(blast_cap=ONE_A_SWEEP)
    held = held_by_a_cap(of)
    held.tags["costwatch:max-runtime"] = "44h"
    later(of, minutes=5)
    assert records(of)[held.id].status is Status.RUNNING
    for _ in range(40):
        later(of, minutes=6)
    assert not held.alive
    assert held.launch_time is not None
    assert held.ended_at is not None
    assert held.ended_at - held.launch_time > 44 * HOUR
    assert len(warnings_of(of, held)) == 2


def test_3_a_release_of_before_counts_no_more_once_the_run_was_not_overdue() -> None:
    of = town(blast_cap=ONE_A_DAY)
    held = held_by_a_cap(of)
    released(of, held.id)
    held.tags["costwatch:max-runtime"] = "42h"
    for _ in range(26):
        later(of, minutes=5)
    assert held.alive
    assert records(of)[held.id].status is Status.HELD


def test_3_a_cap_hold_does_not_escape_by_tags_that_cannot_be_read_for_a_moment() -> None:
    of = town(policies.selector(service="training"), blast_cap=ONE_A_SWEEP)
    tags = {**TAGS, "costwatch:max-runtime": "1h"}
    of.world.train("first", age=11 * HOUR, tags=tags)
    held = of.world.train("held", age=10 * HOUR, tags=tags)
    warn_and_let_the_notice_pass(of)
    assert records(of)["held"].status is Status.HELD
    held.tags = None
    later(of, minutes=5)
    held.tags = tags
    for _ in range(12):
        later(of, minutes=10)
    assert held.status == "InProgress"


def test_3_a_cap_hold_outlasts_a_pause_and_needs_no_other_notice_until_it_is_released() -> None:
    of = town(blast_cap=ONE_A_SWEEP)
    held = held_by_a_cap(of)
    paused(of, HOUR)
    for _ in range(20):
        later(of, minutes=10)
    assert held.alive
    assert len(warnings_of(of, held)) == 1
    assert "release hold-" in next(card.plain for _, _, card in of.world.posts if card.text.startswith("Held: "))


def test_3_what_a_cap_held_is_told_once_with_the_command_that_releases_it() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    for _ in range(2):
        of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    for _ in range(5):
        later(of, minutes=5)
    held = [card for _, _, card in of.world.posts if card.text.startswith("Held: ")]
    assert len(held) == 1
    assert "costwatch release hold-" in held[0].plain


def test_3_the_longest_overdue_goes_first() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    young, old = of.world.launch(age=20 * HOUR), of.world.launch(age=40 * HOUR)
    warn_and_let_the_notice_pass(of)
    assert (young.alive, old.alive) == (True, False)


def test_3_two_sweeps_at_once_share_the_caps() -> None:
    of = town(blast_cap={"runs": 3, "share": "1", "per_day": 20})
    trainers = [of.world.launch(age=40 * HOUR, tags=TAGS) for _ in range(6)]
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    sweep(of.watchdog())
    sweep(of.watchdog())
    assert sum(not trainer.alive for trainer in trainers) == 3


def test_3_a_failed_stop_that_is_tried_again_counts_once() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.world.fault = failing("TerminateInstances", TransientAwsError("Throttling"))
    later(of, minutes=32)
    of.world.fault = None
    later(of, minutes=5)
    assert not trainer.alive


def test_3_a_cap_hold_does_not_escape_by_a_tag_that_is_gone_for_a_moment() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    first = of.world.launch(age=41 * HOUR, tags=dict(TAGS))
    held = of.world.launch(age=40 * HOUR, tags=dict(TAGS))
    warn_and_let_the_notice_pass(of)
    assert (first.alive, held.alive) == (False, True)
    purpose = held.tags.pop("Purpose")
    later(of, minutes=5)
    held.tags["Purpose"] = purpose
    for _ in range(20):
        later(of, minutes=20)
    assert held.alive


def test_3_a_member_of_a_selector_that_is_off_holds_its_run_and_does_not_hide_it() -> None:
    off = policies.selector("small", mode="off", types=["m5.*"])
    of = town(off, policies.selector())
    tags = {**TAGS, "costwatch:run": "mixed"}
    big = of.world.launch(age=40 * HOUR, tags=tags)
    of.world.launch(age=40 * HOUR, tags=tags, instance_type="m5.large")
    sweep(of.watchdog())
    assert [record.hold and record.hold.code for record in records(of).values()] == [HoldCode.OUTSIDE]
    assert big.alive


def test_3_what_failed_before_counts_against_the_caps_like_any_other() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 20})
    trainers = [of.world.launch(age=40 * HOUR), of.world.launch(age=0 * HOUR)]
    of.world.fault = refusing("TerminateInstances")
    for _ in range(30):
        later(of, minutes=31)
    assert {call[2][0] for call in of.world.calls if call[0] == "TerminateInstances"} == {t.id for t in trainers}
    of.world.fault = None
    later(of, minutes=5)
    assert sum(not trainer.alive for trainer in trainers) == 1
    assert {record.status for record in records(of).values()} >= {Status.HELD}


def test_3_a_stop_that_was_begun_is_finished_whatever_the_caps_count() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    tags = {**TAGS, "costwatch:run": "churn"}
    first, second = (of.world.launch(age=40 * HOUR, tags=tags, zone=zone) for zone in "ab")
    of.world.fault = failing(
        "TerminateInstances", PermanentAwsError("UnauthorizedOperation", code="U"), holding=second.id
    )
    warn_and_let_the_notice_pass(of)
    assert (first.alive, second.alive) == (False, True)
    of.world.fault = None
    later(of, minutes=5)
    assert not second.alive


def test_3_a_release_is_for_the_run_as_it_was() -> None:
    of = town(blast_cap={"runs": 1, "share": "1", "per_day": 1})
    other = of.world.launch(age=50 * HOUR)
    node = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    warn_and_let_the_notice_pass(of)
    held = next(record for record in records(of).values() if record.status is Status.HELD)
    step = grants.release(held, by="ops", now=of.clock.now)
    assert step is not None
    assert of.ledger.save(step)
    more = of.world.launch(age=0 * HOUR, tags={**TAGS, "costwatch:run": "churn"})
    for _ in range(3):
        later(of, minutes=31)
    assert (other.alive, node.alive, more.alive) == (False, True, True)


# --- pauses -------------------------------------------------------------------------------------------------------


def test_3_a_pause_holds_everything_and_ends() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    paused(of, 3 * HOUR)
    for _ in range(2):
        later(of, hours=1)
    assert trainer.alive
    assert of.world.posts == [] or all("stops in" not in card.text for _, _, card in of.world.posts)
    later(of, hours=1)
    later(of, minutes=32)
    assert not trainer.alive


def test_3_a_pause_between_the_claim_and_the_act_still_stops_nobody() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    of.clock.forward(minutes=32)
    attributes = 0

    def pause_at_the_last_look(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal attributes
        del where, ids
        attributes += called == "DescribeInstanceAttribute"
        if called == "DescribeInstanceAttribute" and attributes == 2:
            paused(of, HOUR)
        return None

    of.world.fault = pause_at_the_last_look
    sweep(of.watchdog())
    assert attributes == 2
    assert trainer.alive
    assert destroyed(of) == []
