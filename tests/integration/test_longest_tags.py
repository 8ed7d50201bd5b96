"""Tags as long as AWS allows: 256 characters, of up to 4 bytes each. The run is watched like any other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from costwatch.procedures.sweep import sweep
from tests.support.command_line import Terminal, town_of
from tests.support.fakes import ACCOUNT

LONGEST = "\U0001f9ea" * 256
TAGS = {"Purpose": "training", "owner": "maria@example.com", "Name": LONGEST, "costwatch:run": LONGEST}
RUN = f"{ACCOUNT}/us-east-1/run/{LONGEST}"


def test_a_run_with_the_longest_tag_is_warned_stopped_verified_and_explained(tmp_path: Path) -> None:
    config = tmp_path / "costwatch.yaml"
    town = town_of(config)
    maria = Terminal(config, town)
    trainers = [town.world.launch(age=timedelta(hours=13), tags=TAGS) for _ in range(2)]

    for _ in range(2):
        assert sweep(town.watchdog()).failures == []
        town.clock.forward(minutes=35)
    assert [trainer.alive for trainer in trainers] == [False, False]
    assert maria.json("status")["runs"][0]["run"] == RUN
    for _ in range(2):
        assert sweep(town.watchdog()).failures == []
        town.clock.forward(minutes=5)

    told = [entry["transition"] for entry in maria.json("explain", RUN)["timeline"]]
    for wanted in ("warned", "notice accepted", "stop requested", "verified gone"):
        assert wanted in told
    assert maria.json("explain", LONGEST)["run"] == RUN
    assert maria.costwatch("explain", LONGEST).exit_code == 0
    assert [event["run"] for event in town.world.events] == [RUN]
    assert town.ledger.outbox(town.clock.now) == []


def test_the_longest_exempt_reason_exempts_for_seven_days_over_restarts(tmp_path: Path) -> None:
    town = town_of(tmp_path / "costwatch.yaml")
    trainer = town.world.launch(age=timedelta(hours=13), tags={**TAGS, "costwatch:exempt": LONGEST})
    for _ in range(7):
        report = sweep(town.watchdog())
        assert (report.failures, [judged.verdict.value for judged in report.judged]) == ([], ["keep"])
        town.clock.forward(days=1)
        town.world.restart(trainer)
    assert "exempt" not in sweep(town.watchdog()).judged[0].reason


def test_accelerators_with_the_longest_tag_that_nobody_picks_are_told_once(tmp_path: Path) -> None:
    town = town_of(tmp_path / "costwatch.yaml")
    town.world.launch(age=timedelta(hours=13), tags={**TAGS, "Purpose": "other"})
    for _ in range(3):
        assert sweep(town.watchdog()).failures == []
        town.clock.forward(hours=1)
    assert len(town.world.posts) == 1


def test_a_laptops_observe_sweep_keeps_it_as_well(tmp_path: Path) -> None:
    config = tmp_path / "costwatch.yaml"
    town = town_of(config)
    role = f"arn:aws:sts::{ACCOUNT}:assumed-role/{'R' * 64}/{'s' * 64}"
    town.origin = f"laptop:{role}"
    town.world.launch(age=timedelta(hours=13), tags=TAGS)
    assert sweep(town.watchdog()).failures == []
    assert Terminal(config, town, arn=role).json("explain", RUN)["origin"] == town.origin
