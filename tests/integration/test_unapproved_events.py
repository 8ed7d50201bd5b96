"""A job's beginning asks at once, by its event; the sweep asks no more of AWS or the ledger where nothing is dear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from costwatch.adapters.table import Item, Key
from costwatch.core.consent import Word
from costwatch.core.policy import Service
from costwatch.procedures import hints
from costwatch.procedures.sweep import sweep
from tests.support.builders import ACCOUNT, HOUR, MINUTE, REGION
from tests.support.fakes import FakeInstance, FakeJob
from tests.support.memory_table import MemoryTable
from tests.support.money_town import EXECUTION, JOBS, PIPELINE_TAG, MoneyTown
from tests.support.town import records

STARTS: dict[str, Callable[[MoneyTown], FakeInstance | FakeJob]] = {
    "training": lambda of: of.train(),
    "instance": lambda of: of.launch(),
    "tagged": lambda of: of.launch(tags={**JOBS, "costwatch:run": "bert"}),
}


@pytest.mark.parametrize("start", STARTS)
def test_the_event_of_its_beginning_asks_at_once_and_the_sweep_does_not_ask_again(start: str) -> None:
    of = MoneyTown()
    of.hint(STARTS[start](of))
    assert len(of.questions()) == 1
    of.sweep()
    of.at(5 * MINUTE)
    assert len([text for text in of.cards() if text.startswith("Approval needed")]) == 1


def test_the_event_of_a_pipelines_job_draws_on_the_yes_of_its_execution() -> None:
    of = MoneyTown()
    of.granted()
    job = of.train("pipelines-abcdefghijkl-Train-0123456789", tags={PIPELINE_TAG: EXECUTION})
    of.hint(job)
    consent = of.record(job).consent
    assert consent is not None
    assert consent.word is Word.DREW
    assert of.questions() == []


def test_the_function_that_hears_events_has_less_than_a_minute_and_asks_all_the_same() -> None:
    of = MoneyTown()
    trainer = of.launch()
    w = replace(of.town.watchdog(), seconds_left=lambda: 50.0)
    hints.follow(w, ACCOUNT, REGION, Service.EC2, trainer.id)
    assert len(of.questions()) == 1


def test_an_event_that_comes_twice_asks_once() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.hint(trainer)
    of.hint(trainer)
    assert len(of.questions()) == 1


def test_with_events_or_without_the_same_is_asked_one_sweep_later() -> None:
    ends = []
    for is_heard in (True, False):
        of = MoneyTown()
        trainer = of.launch()
        if is_heard:
            of.hint(trainer)
        of.sweep()
        ends.append((of.question().id, of.timeline(trainer)))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "launch",
    [{"instance_type": "g5.xlarge"}, {"tags": {"Purpose": "web"}}, {"asg": "nodes"}],
    ids=["cheap", "not watched", "of a group"],
)
def test_an_instance_that_is_cheap_or_the_sweeps_leaves_no_record(launch: dict[str, Any]) -> None:
    of = MoneyTown()
    of.hint(of.launch(**launch))
    assert records(of.town) == {}
    assert of.questions() == []


def test_with_the_gate_off_an_instance_that_came_up_costs_no_call() -> None:
    of = MoneyTown(mode="off")
    of.hint(of.launch())
    assert of.town.world.calls == []


# --- what it costs ----------------------------------------------------------------------------------------------


class Counted(MemoryTable):
    """Counts what is asked of it."""

    asked = 0

    def get(self, key: Key) -> Item | None:
        self.asked += 1
        return super().get(key)

    def query(self, pk: str, *, prefix: str = "") -> list[Item]:
        self.asked += 1
        return super().query(pk, prefix=prefix)


def asked_by_two_sweeps(mode: str, runs: int) -> tuple[int, int, int]:
    """Calls of AWS and Slack, reads and writes of the ledger by two sweeps over so many cheap runs."""
    of = MoneyTown(mode=mode)
    table = Counted()
    of.town.table = table
    for _ in range(runs):
        of.launch(instance_type="g5.xlarge", age=HOUR)
    for n in range(runs):
        of.train(f"job-{n}", instance_type="ml.g5.xlarge", age=HOUR)
    sweep(of.town.watchdog())
    of.town.clock.forward(minutes=5)
    sweep(of.town.watchdog())
    return len(of.town.world.calls), table.asked, table.transactions


@pytest.mark.parametrize("mode", ["observe", "warn", "enforce"])
def test_where_nothing_is_dear_a_sweep_calls_nobody_more_often_than_with_the_gate_off(mode: str) -> None:
    assert asked_by_two_sweeps(mode, 30) == asked_by_two_sweeps("off", 30)


def asked_about(mode: str, **launch: Any) -> int:
    """Reads of the ledger by the second sweep over one dear run."""
    of = MoneyTown(mode=mode)
    of.town.table = table = Counted()
    of.launch(**launch)
    of.sweep()
    before = table.asked
    sweep(of.town.watchdog())
    return table.asked - before


def test_what_is_exempt_is_not_looked_at_more_closely() -> None:
    tags = {**JOBS, "costwatch:exempt": "the audit needs it"}
    assert asked_about("enforce", tags=tags) == asked_about("off", tags=tags)


def test_a_run_that_was_asked_about_is_not_looked_at_again_until_there_is_an_answer() -> None:
    assert asked_about("enforce") == asked_about("off")


def test_an_event_reads_the_region_that_it_came_from() -> None:
    of = MoneyTown()
    trainer = of.launch()
    of.hint(trainer)
    assert {region for _, region, _ in of.town.world.calls if region} == {REGION}
