"""`costwatch explain` of a run that is over, by the name it showed: who asks why it was stopped asks afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR
from tests.support.command_line import CONFIG, Terminal, town_of
from tests.support.fakes import FakeInstance, Town
from tests.support.town import later

TAGS = {"Purpose": "training", "owner": "maria@example.com"}


@pytest.fixture
def town(config: Path) -> Town:
    made = town_of(config, CONFIG)
    made.policy = policies.policy(selectors=[policies.selector(), policies.selector("jobs", service="training")])
    return made


def stopped(of: Town, name: str = "run-a") -> FakeInstance:
    """Warned, stopped and verified."""
    instance = of.world.launch(age=13 * HOUR, tags={**TAGS, "Name": name})
    for minutes in (0, 65, 5, 5, 1):
        of.clock.forward(minutes=minutes)
        sweep(of.watchdog())
    assert not instance.alive
    return instance


def ended(of: Town, thing: FakeInstance) -> None:
    of.world.end(thing)
    later(of, minutes=5)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_stopped_instance_is_found_by_its_name_and_says_why(town: Town, maria: Terminal) -> None:
    instance = stopped(town)
    told = maria.costwatch("explain", "run-a")
    assert told.exit_code == 0, told.output
    assert f"instance/{instance.id}" in told.stdout
    assert "It is over." in told.stdout
    assert "verified gone" in told.stdout
    assert maria.json("explain", "run-a") == maria.json("explain", instance.id)
    assert "# Post-mortem: run-a" in maria.costwatch("explain", "run-a", "--markdown").stdout


def test_one_that_ended_by_itself_is_found_by_its_name_too(town: Town, maria: Terminal) -> None:
    instance = town.world.launch(age=HOUR, tags={**TAGS, "Name": "run-b"})
    sweep(town.watchdog())
    ended(town, instance)
    assert maria.json("explain", "run-b")["run"].endswith(f"instance/{instance.id}")


def test_a_run_of_several_machines_is_found_by_its_tag_and_by_each_machine(town: Town, maria: Terminal) -> None:
    machines = [town.world.launch(age=HOUR, tags={**TAGS, "costwatch:run": "alice/exp-1"}) for _ in range(2)]
    sweep(town.watchdog())
    for machine in machines:
        town.world.end(machine)
    later(town, minutes=5)
    for text in ("alice/exp-1", *(machine.id for machine in machines)):
        assert maria.json("explain", text)["run"].endswith("/alice/exp-1")
    assert maria.costwatch("explain", "exp-1").exit_code == 2


def test_a_job_is_found_by_its_name(town: Town, maria: Terminal) -> None:
    job = town.world.train("churn", tags=TAGS)
    sweep(town.watchdog())
    town.world.end(job)
    later(town, minutes=5)
    assert maria.json("explain", "churn")["run"].endswith("training/churn")


def test_two_of_one_name_are_answered_with_their_ids_and_ends_the_newest_first(town: Town, maria: Terminal) -> None:
    first, second = stopped(town), stopped(town)
    result = maria.costwatch("explain", "run-a")
    told = words(result.stderr)
    assert (result.exit_code, "'run-a' names 2 runs that are over; give one whole id: " in told) == (2, True)
    assert told.index(f"instance/{second.id} (until ") < told.index(f"instance/{first.id} (until ")
    for instance in (first, second):
        assert maria.json("explain", instance.id)["run"].endswith(instance.id)


def test_an_open_run_goes_before_one_of_its_name_that_is_over(town: Town, maria: Terminal) -> None:
    stopped(town)
    again = town.world.launch(tags={**TAGS, "Name": "run-a"})
    sweep(town.watchdog())
    assert maria.json("explain", "run-a")["run"].endswith(again.id)


def test_an_id_goes_before_a_name_that_is_the_same(town: Town, maria: Terminal) -> None:
    first = stopped(town)
    stopped(town, name=first.id)
    assert maria.json("explain", first.id)["run"].endswith(first.id)


@pytest.mark.parametrize(("minutes", "exit_code"), [(-1, 0), (1, 2)])
def test_a_name_lasts_for_thirty_days_and_an_id_for_longer(
    town: Town, maria: Terminal, minutes: int, exit_code: int
) -> None:
    instance = stopped(town)
    town.clock.forward(days=30, minutes=minutes)
    assert maria.costwatch("explain", "run-a").exit_code == exit_code
    run = f"{ACCOUNT}/us-east-1/instance/{instance.id}"
    assert maria.json("explain", run)["run"] == run


def test_what_acts_on_a_run_still_finds_open_ones_only(town: Town, maria: Terminal) -> None:
    stopped(town)
    result = maria.costwatch("stop", "run-a", "--yes")
    assert (result.exit_code, "no open run is called 'run-a'" in words(result.stderr)) == (2, True)
