"""Events are hints, the sweep is the truth."""

from __future__ import annotations

from costwatch.core.policy import Service
from costwatch.procedures import hints
from costwatch.procedures.sweep import sweep
from tests.support.builders import HOUR, MINUTE, REGION
from tests.support.town import TAGS, destroyed, hint, later, records, town, transitions


def test_with_events_or_without_the_ledger_is_the_same_one_sweep_later() -> None:
    ends = []
    for heard in (True, False):
        of = town()
        trainer = of.world.launch(age=11 * HOUR + 30 * MINUTE, tags=TAGS)
        sweep(of.watchdog())
        of.clock.forward(minutes=1)
        of.world.end(trainer)
        if heard:
            hint(of, trainer)
            hint(of, trainer)
        later(of, minutes=5)
        ends.append((transitions(of, trainer.id), len(of.world.posts), records(of)))
    assert ends[0] == ends[1]


def test_a_hint_warns_and_stops_nobody() -> None:
    of = town()
    trainer = of.world.launch(age=40 * HOUR, tags=TAGS)
    hint(of, trainer)
    assert of.world.posts == []
    sweep(of.watchdog())
    of.clock.forward(hours=5)
    hint(of, trainer)
    assert trainer.alive
    assert destroyed(of) == []


def test_a_hint_about_another_account_does_nothing() -> None:
    of = town()
    hints.follow(of.watchdog(), "999988887777", REGION, Service.EC2, "i-0abc")
    assert of.world.calls == []
