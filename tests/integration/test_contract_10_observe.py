"""Line 10 of the safety contract: observe is the same code with an act that only writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.cli.sweeping import observing
from costwatch.core.record import Status, Transition
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR
from tests.support.fakes import FakeInstance, Town
from tests.support.money_town import MoneyTown
from tests.support.town import TAGS, destroyed, later, records, run_id, town, transitions, warn_and_let_the_notice_pass


@pytest.mark.parametrize("mode", ["observe", "warn", "off"])
def test_10_without_enforce_nothing_destructive_is_ever_called(mode: str) -> None:
    of = town(policies.selector(mode=mode), policies.selector("jobs", mode=mode, service="training"))
    of.world.launch(age=40 * HOUR, tags=TAGS, spot="persistent")
    of.world.train("churn", age=40 * HOUR)
    for _ in range(30):
        later(of, hours=1)
    assert destroyed(of) == []


def ladder_of(of: Town, trainer: FakeInstance) -> list[str]:
    same = {Transition.WOULD_STOP.value: Transition.STOPPING.value}
    told = {Transition.DELIVERED.value, Transition.NOTICE_ACCEPTED.value}
    steps = [same.get(each, each) for each in transitions(of, trainer.id) if each not in told]
    return steps[: steps.index(Transition.STOPPING.value) + 1]


def test_10_observe_climbs_the_same_ladder_at_the_same_times_up_to_the_act() -> None:
    found = []
    for mode in ("observe", "warn", "enforce"):
        of = town(policies.selector(mode=mode))
        trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
        for _ in range(16):
            later(of, minutes=5)
        due = next(item["at"] for item in of.table.items.values() if item.get("transition") == Transition.DUE.value)
        found.append((ladder_of(of, trainer), due))
    assert found[0] == found[1] == found[2]


def test_10_in_observe_people_hear_one_summary_a_day_and_only_the_platform_channel_does() -> None:
    of = town(policies.selector(mode="observe"))
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:max-runtime": "12"})
    of.world.launch(age=40 * HOUR, tags={**TAGS, "costwatch:never": ""})
    of.world.launch(age=40 * HOUR, tags=TAGS)
    for _ in range(48):
        later(of, hours=1)
    assert {channel for _, channel, _ in of.world.posts} == {"#ml-platform"}
    days = [at.date() for at, _, _ in of.world.posts]
    assert len(days) == len(set(days)) <= 3


def test_10_a_summary_never_counts_a_missing_price_as_zero_dollars() -> None:
    of = town(policies.selector(mode="observe"))
    of.world.launch(age=40 * HOUR, tags=TAGS, instance_type="p9.unheard-of")
    warn_and_let_the_notice_pass(of)
    later(of, hours=24)
    heads = [card.text for _, _, card in of.world.posts if "1 would be stopped now" in card.text]
    assert heads == ["Costwatch observes: 1 would be stopped now, rate unknown"]


def test_10_what_was_settled_in_observe_never_blocks_enforce() -> None:
    of = town(policies.selector(mode="observe"))
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    for _ in range(5):
        later(of, hours=1)
    assert records(of)[trainer.id].status is Status.WOULD_STOP
    of.policy = policies.policy()
    warn_and_let_the_notice_pass(of)
    assert not trainer.alive


def test_10_a_would_have_is_closed_with_what_really_happened() -> None:
    of = town(policies.selector(mode="observe", service="training"))
    job = of.world.train("churn", age=12 * HOUR)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(minutes=40)
    of.world.end(job)
    later(of, minutes=5)
    rows = of.ledger.since(of.clock() - HOUR, of.clock())
    assert "finished by itself 40 min later: would have destroyed $316." in rows[-1].entry.reason


def test_10_a_would_have_that_a_restart_closes_says_how_much_later_that_was() -> None:
    of = town(policies.selector(mode="observe"))
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(hours=5)
    of.world.restart(trainer)
    later(of, minutes=5)
    superseded = next(
        row.entry for row in of.ledger.timeline(run_id(trainer)) if row.entry.transition is Transition.SUPERSEDED
    )
    assert superseded.reason.startswith(
        "started anew 5 h later, at 2026-11-22T14:32:00Z: it had burned at most $109.79"
    )


def test_10_the_summary_says_what_the_would_haves_that_are_over_came_to() -> None:
    of = town(policies.selector("jobs", "observe", service="training"), mode="observe")
    job = of.world.train("churn", age=12 * HOUR, tags=TAGS)
    warn_and_let_the_notice_pass(of)
    of.clock.forward(hours=1)
    of.world.end(job)
    later(of, minutes=5)
    later(of, hours=23)
    said = " ".join(str(card.blocks) for _, _, card in of.world.posts)
    assert "1 finished by themselves ($316.48 of work would have been destroyed)" in said
    assert "net -$316.48" in said


def test_10_a_sweep_from_a_laptop_asks_nobody_and_says_what_would_have_been_asked() -> None:
    of = MoneyTown()
    trainer = of.launch()
    w = of.town.watchdog()
    ledger = Ledger(of.town.table, stamp=Stamp(of.town.policy.digest, ""), origin="laptop:ada")
    sweep(replace(w, policy=observing(of.town.policy), ledger=ledger, slack=None, topic=None, bus=None))
    assert Approvals(ledger).waiting(ACCOUNT) == []
    told = [row.entry.transition for row in ledger.timeline(run_id(trainer)) if row.origin == "laptop:ada"]
    assert Transition.WOULD_HOLD in told
