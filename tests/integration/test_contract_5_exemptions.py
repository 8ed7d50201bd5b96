"""Line 5 of the safety contract: exemptions by tag and by command, how long they last and whom they follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from costwatch.adapters.table import Put
from costwatch.core import grants
from costwatch.errors import AwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fakes import FakeInstance, Town
from tests.support.town import TAGS, destroyed, hint, later, records, run_id, town, warn_and_let_the_notice_pass


def test_5_an_exempt_tag_that_was_set_after_the_warning_is_respected_and_ends() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    trainer.tags["costwatch:exempt"] = "paper deadline"
    for _ in range(28):
        later(of, hours=6)
    assert trainer.alive, "a reason lasts seven days from when it was first seen, six hours after it was given"
    later(of, hours=7)
    later(of, minutes=32)
    assert not trainer.alive


def test_5_an_exemption_by_command_outlasts_a_restart() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    record = records(of)[trainer.id]
    until = of.clock.now + 5 * 24 * HOUR
    step = grants.exempt(record, until=until, by="arn:jonas", reason="paper", now=of.clock.now)
    assert of.ledger.save(step)
    of.clock.forward(hours=1)
    of.world.restart(trainer)
    for _ in range(16):
        later(of, hours=6)
    assert trainer.alive
    assert of.world.posts == []
    assert records(of)[trainer.id].restarts == 1


def exempted(of: Town, name: str, *, days: float = 5) -> datetime:
    """A person exempts the run called `name`; returns until when."""
    now = of.clock()
    until = now + timedelta(days=days)
    step = grants.exempt(records(of)[name], by="arn:jonas", until=until, reason="paper", now=now)
    assert of.ledger.save(step)
    return until


def left_alone_until(of: Town, until: datetime) -> list[str]:
    """Sweep until just before `until`; what people heard of a stop to come by then, and in the sweep after it."""
    heard = len(of.world.posts)
    while of.clock() + 6 * HOUR < until:
        later(of, hours=6)
    assert [card.text for _, _, card in of.world.posts[heard:]] == []
    of.clock.now = until
    sweep(of.watchdog())
    return [card.text for _, _, card in of.world.posts[heard:]]


@pytest.mark.parametrize("heard", [True, False], ids=["an event tells of the stop", "a sweep sees it stopped"])
def test_5_an_exemption_by_command_outlasts_a_stop_and_start_with_a_look_in_the_gap(heard: bool) -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    of.world.halt(trainer)
    if heard:
        hint(of, trainer)
    else:
        later(of, minutes=5)
    assert records(of) == {}, "its record ended with it"
    of.world.restart(trainer)
    assert [text.partition(" in ")[0] for text in left_alone_until(of, until)] == [f"{trainer.id} stops"]
    assert trainer.alive


def test_5_an_exemption_by_command_outlasts_one_answer_in_which_its_run_is_missing() -> None:
    of = town(policies.selector(), policies.selector("jobs", service="training"))
    trainer, job = of.world.launch(age=11 * HOUR, tags=TAGS), of.world.train("churn", age=11 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    exempted(of, "churn")
    missing = of.world.instances.pop(trainer.id), of.world.jobs.pop("churn")
    later(of, minutes=5)
    of.world.instances[trainer.id], of.world.jobs["churn"] = missing
    assert len(left_alone_until(of, until)) == 2
    assert (trainer.alive, job.status) == (True, "InProgress")


def test_5_an_exempt_instance_stays_so_when_it_gets_a_run_tag_and_its_run_with_it() -> None:
    of = town()
    trainer = of.world.launch(age=11 * HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    trainer.tags["costwatch:run"] = "llm"
    other = of.world.launch(age=11 * HOUR, tags={**TAGS, "costwatch:run": "llm"})
    assert len(left_alone_until(of, until)) == 1
    assert (trainer.alive, other.alive) == (True, True)


def test_5_a_member_of_an_exempt_run_stays_exempt_when_it_loses_its_run_tag() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "llm"}
    first, second = of.world.launch(age=11 * HOUR, tags=tags), of.world.launch(age=11 * HOUR, tags=tags)
    sweep(of.watchdog())
    until = exempted(of, "llm")
    del second.tags["costwatch:run"]
    assert len(left_alone_until(of, until)) == 2
    assert (first.alive, second.alive) == (True, True)


def test_5_a_run_that_an_exempt_member_has_left_is_exempt_no_more() -> None:
    of = town()
    exempt = of.world.launch(age=HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    exempted(of, exempt.id)
    exempt.tags["costwatch:run"] = "llm"
    other = of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:run": "llm"})
    later(of, minutes=5)
    assert of.world.posts == []
    del exempt.tags["costwatch:run"]
    warn_and_let_the_notice_pass(of)
    assert (exempt.alive, other.alive) == (True, False)


def test_5_an_exempt_run_name_stays_exempt_when_all_its_members_were_replaced() -> None:
    of = town()
    tags = {**TAGS, "costwatch:run": "nightly"}
    first = of.world.launch(age=HOUR, tags=tags)
    sweep(of.watchdog())
    until = exempted(of, "nightly")
    of.world.end(first)
    later(of, minutes=5)
    second = of.world.launch(tags=tags)
    assert len(left_alone_until(of, until)) == 1
    assert second.alive


def test_5_a_later_exemption_replaces_the_one_before_also_by_a_sooner_end() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    exempted(of, trainer.id)
    until = exempted(of, trainer.id, days=1)
    assert len(left_alone_until(of, until)) == 1


def test_5_an_exemption_between_the_claim_and_the_act_of_the_run_that_its_member_joined_is_respected() -> None:
    of = town()
    joined = of.world.launch(age=40 * HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    alone = records(of)[joined.id]
    joined.tags["costwatch:run"] = "llm"
    sweep(of.watchdog())
    looks = 0

    def exempt_at_the_last_look(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal looks
        del where, ids
        looks += called == "DescribeInstanceAttribute"
        if called == "DescribeInstanceAttribute" and looks == 2:
            until = of.clock() + HOUR
            row = replace(alone, run_id=replace(alone.run_id, name="another"), version=0)
            step = grants.exempt(row, by="arn:jonas", until=until, reason="paper", now=of.clock())
            assert of.ledger.save(replace(step, before=None))
        return None

    of.world.fault = exempt_at_the_last_look
    later(of, minutes=32)
    assert looks == 2
    assert joined.alive
    assert destroyed(of) == []


def test_5_an_exemption_of_before_that_stands_only_in_its_record_still_counts() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    until = exempted(of, trainer.id)
    for key in [key for key in of.table.items if key[0].startswith("exempt#")]:
        del of.table.items[key]
    row = of.table.items[f"open#deployed#{ACCOUNT}#{REGION}", str(run_id(trainer))]
    del row["exemption"]["apart"]
    later(of, hours=1)
    assert len(left_alone_until(of, until)) == 1
    assert trainer.alive


def test_5_an_exemption_by_command_outlasts_a_tag_that_is_gone_for_a_moment() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags=dict(TAGS))
    sweep(of.watchdog())
    until = of.clock.now + 5 * 24 * HOUR
    step = grants.exempt(records(of)[trainer.id], until=until, by="arn:jonas", reason="paper", now=of.clock.now)
    assert of.ledger.save(step)
    purpose = trainer.tags.pop("Purpose")
    later(of, minutes=5)
    trainer.tags["Purpose"] = purpose
    for _ in range(16):
        later(of, hours=6)
    assert trainer.alive


def test_5_a_reason_exempts_for_seven_days_in_all_however_often_the_instance_is_restarted() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags={**TAGS, "costwatch:exempt": "paper deadline"})
    sweep(of.watchdog())
    for _ in range(6):
        later(of, hours=12)
        trainer.state = "stopped"
        later(of, minutes=5)
        later(of, hours=11)
        trainer.state = "running"
        of.world.restart(trainer)
        later(of, minutes=5)
    assert trainer.alive
    later(of, hours=30)
    later(of, minutes=32)
    assert trainer.state == "terminated"


def nights_of(of: Town, name: str, reason: str) -> Callable[[], FakeInstance]:
    """Each call launches the run `name` anew, exempt for `reason`, once what ran before has ended and was seen to."""

    def launch() -> FakeInstance:
        for before in of.world.instances.values():
            of.world.end(before)
        later(of, minutes=5)
        return of.world.launch(tags={**TAGS, "costwatch:run": name, "costwatch:exempt": reason})

    return launch


def test_5_a_reason_on_a_run_name_that_is_used_again_after_more_than_a_week_exempts_anew() -> None:
    of = town()
    night = nights_of(of, "nightly", "paper deadline")
    night()
    for _ in range(20):
        later(of, hours=1)
    of.clock.forward(days=30)
    again = night()
    for _ in range(60):
        later(of, hours=1)
    assert again.alive
    assert of.world.posts == []


def test_5_a_reason_that_was_away_for_a_week_at_most_goes_on_and_ends() -> None:
    of = town()
    night = nights_of(of, "nightly", "paper deadline")
    night()
    later(of, minutes=5)
    of.clock.forward(days=6, hours=22)
    again = night()
    for _ in range(16):
        later(of, hours=1)
    assert not again.alive


def test_5_a_reason_that_is_seen_every_day_ends_after_seven_days_and_stays_so() -> None:
    of = town()
    night = nights_of(of, "nightly", "paper deadline")
    for _ in range(12):
        last = night()
        for _ in range(20):
            later(of, hours=1)
    assert not last.alive, "twelve nights, one after the other: the exemption of the first is over"


def test_5_when_a_reason_was_last_seen_is_written_once_a_day() -> None:
    of = town()
    nights_of(of, "nightly", "paper deadline")()
    written: list[str] = []
    of.table.before_transact = lambda writes: written.extend(w.item["pk"] for w in writes if isinstance(w, Put))
    for _ in range(72):
        later(of, hours=1)
    assert sum(pk.startswith("seen#") for pk in written) == 3


def test_5_an_exempt_tag_until_a_far_year_ends_however_often_the_instance_is_restarted() -> None:
    of = town()
    trainer = of.world.launch(age=HOUR, tags={**TAGS, "costwatch:exempt": "until 9998-01-01T00:00:00Z"})
    for _ in range(4):
        sweep(of.watchdog())
        of.clock.forward(days=91)
        of.world.restart(trainer)
        of.clock.forward(hours=13)
    assert sweep(of.watchdog()).judged[0].verdict.value == "warn"
