"""Accelerators that no selector picks are told of and never touched."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.core.policy import Policy
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR
from tests.support.fakes import Town
from tests.support.town import later


def watching(mode: str = "warn", **changes: Any) -> Policy:
    return policies.policy(mode=mode, **changes)


def test_an_accelerator_that_no_selector_picks_is_told_once_and_never_touched() -> None:
    of = Town(watching())
    stranger = of.world.launch(age=40 * HOUR, tags={})
    of.world.launch(age=40 * HOUR, tags={}, instance_type="m5.large")
    for _ in range(30):
        later(of, hours=1)
    assert stranger.alive
    told = [card.text for _, _, card in of.world.posts]
    assert told == ["1 run on accelerators that no selector picks: $21.96 an hour"]


def test_one_without_a_price_is_told_without_a_number() -> None:
    of = Town(watching())
    of.world.launch(age=40 * HOUR, tags={}, instance_type="p9.unheard-of")
    sweep(of.watchdog())
    assert [card.text for _, _, card in of.world.posts] == [
        "1 run on accelerators that no selector picks: rate unknown"
    ]


def test_one_that_a_protect_rule_says_is_meant_so_is_not_told() -> None:
    of = Town(watching(protect=[{"tags": {"Environment": ["prod"]}, "asg": None}]))
    of.world.launch(age=40 * HOUR, tags={"Environment": "prod"})
    sweep(of.watchdog())
    assert of.world.posts == []


def test_one_born_a_moment_ago_may_still_get_its_tags() -> None:
    of = Town(watching())
    of.world.launch(tags={})
    sweep(of.watchdog())
    assert of.world.posts == []
    later(of, hours=1)
    assert len(of.world.posts) == 1


def test_a_crash_before_the_message_was_saved_does_not_lose_it() -> None:
    of = Town(watching())
    of.world.launch(age=40 * HOUR, tags={})

    def crash(writes: Any) -> None:
        if any("outbox#" in str(getattr(write, "item", {}).get("pk", "")) for write in writes):
            raise KeyboardInterrupt

    of.table.before_transact = crash
    with pytest.raises(KeyboardInterrupt):
        sweep(of.watchdog())
    of.table.before_transact = None
    later(of, hours=1)
    assert len(of.world.posts) == 1
