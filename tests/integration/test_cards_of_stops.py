"""The cards that people get of stops say why it was, over the real procedures."""

from __future__ import annotations

from datetime import timedelta

from costwatch.core import grants
from costwatch.core.blocks import date_token
from costwatch.errors import PermanentAwsError
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import FakeInstance, Town

TAGS = {"Purpose": "training", "owner": "maria@example.com"}


def sweeps(of: Town, during: timedelta) -> None:
    for _ in range(during // timedelta(minutes=5)):
        of.clock.forward(minutes=5)
        sweep(of.watchdog())


def fell_silent() -> tuple[Town, FakeInstance, str]:
    """It beat three times; nothing but its silence is ever due."""
    of = Town(policies.policy(selectors=[policies.selector(heartbeat_seconds=45 * 60)]))
    trainer = of.world.launch(age=HOUR, tags=TAGS)
    for n in range(1, 4):
        of.clock.forward(minutes=5)
        of.beat(trainer, seq=n)
        sweep(of.watchdog())
    return of, trainer, date_token(of.clock.now)


def cards(of: Town, said: str) -> list[str]:
    return [str(card.blocks) for _, _, card in of.world.posts if said in card.text]


def test_the_card_of_a_silent_run_that_was_stopped_says_when_it_beat_last() -> None:
    of, trainer, last_beat = fell_silent()
    sweeps(of, 4 * HOUR)
    assert not trainer.alive
    [stopped] = cards(of, "was stopped")
    assert f"It fell silent: its last heartbeat came {last_beat}." in stopped
    assert "Its time was up" not in stopped


def test_a_silent_run_whose_stop_is_settled_by_a_later_sweep_says_so_too() -> None:
    of, trainer, last_beat = fell_silent()

    def lost(called: str, where: str, ids: tuple[str, ...]) -> PermanentAwsError | None:
        del where
        if called == "TerminateInstances" and trainer.id in ids:
            raise KeyboardInterrupt  # the function dies in the act
        return None

    of.world.fault = lost
    try:
        sweeps(of, 4 * HOUR)
    except KeyboardInterrupt:
        of.world.fault = None
        of.world.end(trainer)
    sweeps(of, HOUR)
    [stopped] = cards(of, "was stopped")
    assert f"It fell silent: its last heartbeat came {last_beat}." in stopped


def test_a_silent_run_that_is_held_is_not_said_to_be_past_its_time() -> None:
    of, trainer, _ = fell_silent()
    trainer.protected = True
    sweeps(of, 4 * HOUR)
    assert trainer.alive
    assert cards(of, "is past its time") == []
    assert len(cards(of, "is silent and goes on")) == 1


def test_the_card_of_a_run_that_was_extended_says_until_when() -> None:
    of = Town(policies.policy())
    trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
    sweep(of.watchdog())
    [(_, record)] = of.ledger.open_records("111122223333", "us-east-1").items()
    step = grants.extend(
        record, by="maria", duration=4 * HOUR, owner_total=24 * HOUR, hard_cap=72 * HOUR, now=of.clock.now
    )
    assert of.ledger.save(step)
    sweeps(of, 6 * HOUR)
    assert not trainer.alive
    [stopped] = cards(of, "was stopped")
    assert "it was extended until" in stopped
    assert "nobody extended it further" in stopped


def test_a_run_that_beats_and_whose_time_is_up_is_not_said_to_be_silent() -> None:
    of = Town(policies.policy(selectors=[policies.selector(heartbeat_seconds=45 * 60)]))
    trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
    for n in range(1, 24):
        of.clock.forward(minutes=5)
        if trainer.alive:
            of.beat(trainer, seq=n)
        sweep(of.watchdog())
    assert not trainer.alive
    [stopped] = cards(of, "was stopped")
    assert "Its time was up and nobody extended it." in stopped


def test_the_card_of_a_run_that_was_let_finish_in_vain_says_until_when() -> None:
    of = Town(policies.policy())
    trainer = of.world.launch(age=11 * HOUR, tags=TAGS)
    for n in range(1, 60):
        of.clock.forward(minutes=5)
        if trainer.alive:
            of.beat(trainer, seq=n, step=min(n * 100, 2000), total=2600)
        sweep(of.watchdog())
    assert not trainer.alive
    [stopped] = cards(of, "was stopped")
    assert "It was let finish until" in stopped
    assert "was not done by then" in stopped
