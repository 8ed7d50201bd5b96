"""Whatever the ledger writes says which policy decided it and which version of the rows it is: whole stories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from costwatch.adapters.ledger_rows import SCHEMA_VERSION
from costwatch.adapters.table import Count, Put, Write
from costwatch.core import grants
from costwatch.core.record import Entry, Pause, Transition
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.fakes import ACCOUNT, Town
from tests.support.res_town import res_town

# First part of the partition key; every kind that the docstrings of ledger and pulses draw.
KINDS = {
    "open", "run", "stop", "outbox", "cap", "told", "seen", "control", "exempt", "beats", "jobs", "swept", "booked",
    "cost", "cost-of", "family",
}  # fmt: skip

OF_CANDIDATES = {"judgement", "judgement-of", "judgement-open", "judgement-line", "artifact"}


def written_by_a_story(town: Town) -> list[tuple[str, dict[str, Any]]]:
    """(kind, attributes) of everything put or counted while runs are warned, exempt, held, stopped and paused."""
    found: list[tuple[str, dict[str, Any]]] = []

    def look(writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put):
                found.append((write.item["pk"].split("#")[0], dict(write.item)))
            elif isinstance(write, Count):
                found.append((write.key.pk.split("#")[0], dict(write.also)))

    town.table.before_transact = look
    for hours in (13, 14, 15):
        town.world.launch(age=timedelta(hours=hours), tags={"Purpose": "training", "Name": "churn"})
    town.world.launch(age=timedelta(hours=13), tags={"Purpose": "training", "costwatch:exempt": "a demo for the board"})
    town.world.launch(tags={})
    town.world.train("churn", age=timedelta(hours=13))
    town.world.slack_is_up = False
    town.beat(next(iter(town.world.instances.values())), seq=1)
    sweep(town.watchdog())
    town.world.slack_is_up = True
    town.clock.forward(minutes=5)
    sweep(town.watchdog())
    town.clock.forward(minutes=35)
    sweep(town.watchdog())
    now = town.clock()
    record = next(iter(town.ledger.open_records(ACCOUNT, "us-east-1").values()))
    assert town.ledger.save(grants.exempt(record, by="ada", until=now + timedelta(hours=1), reason="demo", now=now))
    pause = Pause(version=1, until=now + timedelta(hours=1), by="ada", reason="maintenance", since=now)
    assert town.ledger.set_pause(pause, None, Entry(now, Transition.PAUSED, "paused by ada", actor="ada"))
    for _ in range(2):
        town.clock.forward(minutes=5)
        sweep(town.watchdog())
    assert not all(instance.alive for instance in town.world.instances.values())
    return found


def test_every_kind_of_row_repeats_the_digest_and_the_commit_of_the_policy_and_says_its_version() -> None:
    town = Town(policies.policy(blast_cap={"runs": 1, "share": "1", "per_day": 20}))
    written = written_by_a_story(town)
    bare = {
        (kind, attributes.get("sk", ""))
        for kind, attributes in written
        if (attributes.get("policy_digest"), attributes.get("config_commit"), attributes.get("v"))
        != (town.policy.digest, town.policy.config_commit, SCHEMA_VERSION)
    }
    assert bare == set()
    assert {kind for kind, _ in written} == KINDS


def test_every_row_about_candidates_does_too() -> None:
    town = res_town()
    town.told_of(town.serving("churn-38", "0.912"))
    town.clock.forward(days=1)
    job = town.trained("churn-41", "0.911")
    town.told_of_training(job)
    town.told_of(town.models.register(job="churn-41"))
    town.told_of(town.candidate("churn-42", "0.9121"))
    kinds = {pk.split("#")[0] for pk, _ in town.table.items}
    assert {*OF_CANDIDATES, "cost", "cost-of", "model-cost"} <= kinds
    stamps = {(i.get("policy_digest"), i.get("config_commit"), i.get("v")) for i in town.table.items.values()}
    assert stamps == {(town.policy.digest, town.policy.config_commit, SCHEMA_VERSION)}


def test_no_row_of_the_table_is_left_without_a_digest_when_the_story_is_over() -> None:
    town = Town(policies.policy(blast_cap={"runs": 1, "share": "1", "per_day": 20}))
    written_by_a_story(town)
    assert {item.get("policy_digest") for item in town.table.items.values()} == {town.policy.digest}
