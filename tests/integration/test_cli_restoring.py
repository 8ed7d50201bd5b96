"""`costwatch restore RUN`: a named person's restore, over the real procedures."""

from __future__ import annotations

from pathlib import Path

import pytest

from costwatch import intake, names
from costwatch.core.model import RunId, RunKind
from costwatch.errors import MalformedEvent
from costwatch.procedures.sweep import sweep
from tests.support.builders import ACCOUNT, HOUR
from tests.support.command_line import CONFIG, JOHN, Terminal, town_of
from tests.support.fake_groups import FakeGroup
from tests.support.fakes import Town

TAGS = {"Purpose": "training", "owner": "maria@example.com"}
NODES = f"{ACCOUNT}/us-east-1/asg/nodes"


@pytest.fixture
def town(config: Path) -> Town:
    return town_of(config, CONFIG + "      at_min_size: lower\n")


@pytest.fixture
def stopped(town: Town) -> FakeGroup:
    """A group of three that was lowered, stopped and verified."""
    group = town.world.launch_group("nodes", size=3, age=13 * HOUR, tags=TAGS)
    for minutes in (0, 65, 5, 5, 1):
        town.clock.forward(minutes=minutes)
        sweep(town.watchdog())
    assert (group.desired, town.ledger.record(RunId.parse(NODES))) == (0, None)
    return group


@pytest.mark.parametrize("run", ["nodes", NODES])
def test_it_puts_the_numbers_back_and_the_ledger_says_who(
    town: Town, john: Terminal, stopped: FakeGroup, run: str
) -> None:
    result = john.costwatch("restore", run, "--yes", "--reason", "next run")
    assert result.exit_code == 0, result.output
    assert "nodes is back at minimum 3, desired 3" in result.output
    assert (stopped.min_size, stopped.desired) == (3, 3)
    told = john.costwatch("explain", "nodes")
    assert f"{JOHN} asked to put nodes back to minimum 3, desired 3: next run" in " ".join(told.output.split())
    assert "sets nodes from minimum 3, desired 3 to minimum 0, desired 0" in " ".join(told.output.split())


def test_for_machines_it_says_what_was_put_back_and_by_whom(john: Terminal, stopped: FakeGroup) -> None:
    del stopped
    assert john.json("restore", "nodes", "--yes") == {
        "run": NODES, "restored": True, "min_size": 3, "desired": 3, "by": JOHN,
    }  # fmt: skip


def test_nobody_is_asked_where_nobody_can_answer(john: Terminal, stopped: FakeGroup) -> None:
    result = john.costwatch("restore", "nodes")
    assert (result.exit_code, stopped.desired) == (2, 0)
    assert "give --yes" in result.output


def test_what_was_never_lowered_is_refused(town: Town, john: Terminal) -> None:
    town.world.launch_group("nodes", size=3, age=HOUR, tags=TAGS)
    sweep(town.watchdog())
    result = john.costwatch("restore", "nodes", "--yes")
    assert result.exit_code == 4
    assert "nothing was lowered" in result.output
    assert john.function.events == []


def test_what_the_function_refuses_is_told_with_its_reason(john: Terminal, stopped: FakeGroup) -> None:
    stopped.desired = 1
    result = john.costwatch("restore", "nodes", "--yes")
    assert result.exit_code == 4
    assert "somebody changed it since" in " ".join(result.output.split())
    assert stopped.desired == 1


def test_a_restore_comes_in_by_the_one_door() -> None:
    event = {
        "source": names.SOURCE_CLI,
        "detail-type": names.DETAIL_RESTORE_REQUESTED,
        "detail": {"run": NODES, "requested_by": JOHN, "reason": "next run"},
    }
    run_id = RunId(ACCOUNT, "us-east-1", RunKind.ASG, "nodes")
    assert intake.deadman(event) == intake.RestoreRequested(run_id, JOHN, "next run")
    with pytest.raises(MalformedEvent, match=r"detail\.reason is no text"):
        intake.deadman({**event, "detail": {"run": NODES, "requested_by": JOHN, "reason": 7}})
    with pytest.raises(MalformedEvent, match=r"detail\.requested_by is missing"):
        intake.deadman({**event, "detail": {"run": NODES}})
