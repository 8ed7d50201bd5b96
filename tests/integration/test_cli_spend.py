"""costwatch spend and status: dollars by team, forecast beside actual, would-haves closed with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from costwatch.procedures.sweep import sweep
from tests.support.builders import HOUR, SECOND
from tests.support.command_line import Terminal, town_of
from tests.support.fakes import Town
from tests.support.town import later

CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
dead_man:
  mode: observe
  blast_cap: {runs: 5, share: 100%, per_day: 20}
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
    - name: jobs
      sagemaker: [training]
"""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return town_of(tmp_path / "costwatch.yaml", CONFIG)


@pytest.fixture
def maria(tmp_path: Path, town: Town) -> Terminal:
    return Terminal(tmp_path / "costwatch.yaml", town)


def ran(of: Town, name: str, *, hours: int = 2, status: str = "Completed", **tags: str) -> None:
    job = of.world.train(name, tags={"Purpose": "training", **tags})
    sweep(of.watchdog())
    of.clock.forward(hours=hours)
    job.billable = hours * HOUR
    of.world.end(job, status=status)
    later(of, minutes=5)


def lines(document: Any) -> dict[str, tuple[str, int]]:
    return {line["key"]: (line["spent_usd"], line["runs"]) for line in document["lines"]}


def test_dollars_are_told_apart_by_team_and_what_has_no_team_says_so(town: Town, maria: Terminal) -> None:
    ran(town, "churn", team="risk")
    ran(town, "fraud", team="risk", hours=1)
    ran(town, "ranker", team="search")
    ran(town, "nobody")
    assert lines(maria.json("spend", "--by", "team")) == {
        "risk": ("75.75", 2),
        "search": ("50.50", 1),
        "(untagged)": ("50.50", 1),
    }


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("owner", "maria@example.com"),
        ("project", "churn"),
        ("model", "churn-bert"),
        ("selector", "jobs"),
        ("kind", "training"),
        ("family", "churn||ml.p4d.24xlarge"),
    ],
)
def test_they_are_told_apart_by_every_tag_and_by_what_the_run_is(
    town: Town, maria: Terminal, by: str, key: str
) -> None:
    ran(town, "churn-v7", owner="maria@example.com", project="churn", model="churn-bert")
    assert lines(maria.json("spend", "--by", by)) == {key: ("50.50", 1)}


def test_an_open_run_counts_with_what_it_has_accrued_and_is_said_to_be_open(town: Town, maria: Terminal) -> None:
    town.world.train("churn", age=HOUR, tags={"team": "risk"})
    sweep(town.watchdog())
    document = maria.json("spend")
    assert lines(document) == {"risk": ("25.25", 1)}
    assert (document["total"]["open"], document["total"]["forecast_error"]) == (1, None)


def test_forecast_stands_beside_what_the_same_runs_cost(town: Town, maria: Terminal) -> None:
    ran(town, "churn", team="risk")
    total = maria.json("spend")["total"]
    assert (total["forecast_usd"], total["actual_of_forecast_usd"]) == ("606.03", "50.50")
    assert total["forecast_error"] == "-0.9167"


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_what_failed_or_was_stopped_is_counted_apart(town: Town, maria: Terminal, status: str) -> None:
    ran(town, "churn")
    ran(town, "churn-2", status=status)
    total = maria.json("spend")["total"]
    assert (total["spent_usd"], total["failed_or_stopped_usd"]) == ("101.01", "50.50")


def test_a_run_whose_stop_was_accepted_costs_nothing_more(tmp_path: Path) -> None:
    of = town_of(
        tmp_path / "costwatch.yaml",
        CONFIG.replace("tag: {Purpose: training}}", "tag: {Purpose: training}}\n      mode: enforce"),
    )
    maria = Terminal(tmp_path / "costwatch.yaml", of)
    of.world.launch(age=40 * HOUR, tags={"Purpose": "training"})
    sweep(of.watchdog())
    later(of, minutes=35)
    at_stop = maria.json("spend")["total"]["spent_usd"]
    of.clock.forward(hours=10)
    assert maria.json("spend")["total"]["spent_usd"] == at_stop


def test_a_run_counts_from_its_start_and_not_from_when_a_sweep_first_saw_it(town: Town, maria: Terminal) -> None:
    town.world.launch(age=5 * HOUR, tags={"Purpose": "training"})
    sweep(town.watchdog())
    town.clock.forward(hours=1)
    total = maria.json("spend")["total"]
    assert (total["spent_usd"], total["gpu_hours"]) == ("131.75", "48.00")


def test_dollars_that_nobody_knows_are_counted_beside_the_sum(town: Town, maria: Terminal) -> None:
    job = town.world.train("odd", age=HOUR, tags={"team": "risk"}, instance_type="ml.p9.48xlarge")
    sweep(town.watchdog())
    town.world.end(job)
    later(town, minutes=5)
    total = maria.json("spend")["total"]
    assert (total["spent_usd"], total["without_price"]) == ("0.00", 1)
    assert "$0.00 + 1 unknown" in maria.costwatch("spend").output


@pytest.mark.parametrize(("since", "runs"), [("30m", 1), ("3h", 2)])
def test_only_what_ended_since_then_counts(town: Town, maria: Terminal, since: str, runs: int) -> None:
    ran(town, "churn", hours=1)
    ran(town, "churn-2", hours=2)
    assert maria.json("spend", "--since", since)["total"]["runs"] == runs


def test_a_run_that_ended_exactly_then_counts_and_one_a_second_before_does_not(town: Town, maria: Terminal) -> None:
    job = town.world.train("churn", tags={})
    sweep(town.watchdog())
    town.clock.forward(hours=1)
    town.world.end(job)
    ended = town.clock()
    later(town, minutes=5)
    since = (moment.isoformat() for moment in (ended, ended + SECOND))
    at, after = (maria.json("spend", "--since", each) for each in since)
    assert (at["total"]["runs"], after["total"]["runs"]) == (1, 0)


def test_the_future_is_refused_with_the_field(maria: Terminal) -> None:
    result = maria.costwatch("spend", "--since", "2030-01-01T00:00:00Z")
    assert (result.exit_code, "--since" in result.stderr) == (2, True)


def test_an_empty_range_is_no_error(maria: Terminal) -> None:
    result = maria.costwatch("spend")
    assert (result.exit_code, "$0.00 for 0 runs" in result.output) == (0, True)


def test_by_run_each_has_its_cost_for_a_step_and_an_epoch(town: Town, maria: Terminal) -> None:
    job = town.world.train("churn", age=HOUR, tags={})
    for number, step in enumerate([100, 200, 400], start=1):
        town.beat(job, seq=number, step=step, metrics={"epoch": str(number)})
    sweep(town.watchdog())
    town.clock.forward(hours=1)
    job.billable = 2 * HOUR
    town.world.end(job)
    later(town, minutes=5)
    (line,) = maria.json("spend", "--by", "run")["lines"]
    assert (line["usd_per_step"], line["usd_per_epoch"][:9]) == ("0.12625643", "16.834190")
    assert "$0.126256" in maria.costwatch("spend", "--by", "run", env={"COLUMNS": "160"}).output


def test_a_table_shows_the_same_on_a_terminal(town: Town, maria: Terminal) -> None:
    ran(town, "churn", team="risk")
    town.world.train("fraud", age=HOUR, tags={"team": "risk"})
    sweep(town.watchdog())
    text = maria.costwatch("spend").output
    assert "$75.75 for 2 runs, 1 of them open" in text
    assert "risk" in text
    assert "-92%" in text


# --- would-haves --------------------------------------------------------------------------------------------


def test_status_says_what_enforce_would_have_destroyed_and_saved(town: Town, maria: Terminal) -> None:
    finishing = town.world.train("finishes", age=12 * HOUR, tags={})
    stuck = town.world.train("stuck", age=12 * HOUR, tags={}, instance_count=2)
    sweep(town.watchdog())
    later(town, minutes=35)
    town.clock.forward(hours=1)
    for job, status in ((finishing, "Completed"), (stuck, "Stopped")):
        job.billable = town.clock() - (job.started_at or town.clock())
        town.world.end(job, status=status)
    later(town, minutes=5)
    found = maria.json("status")["would_haves_7d"]
    assert (found["would_have_destroyed"], found["ran_on"], found["without_price"]) == (1, 1, 0)
    assert (found["would_have_destroyed_usd"], found["ran_on_usd"]) == ("317.75", "50.50")
    assert found["net_usd"] == "-267.25"
    assert "net -$267.25" in " ".join(maria.costwatch("status").output.split())


def test_the_forecast_of_an_open_run_is_in_status_and_explain(town: Town, maria: Terminal) -> None:
    town.world.train("churn", age=HOUR, tags={})
    sweep(town.watchdog())
    (run,) = maria.json("status")["runs"]
    assert (run["forecast"]["worst_case_usd"], run["forecast"]["confidence"]) == ("606.03", "seed")
    assert "at most $606.03 (24 h" in " ".join(maria.costwatch("explain", "churn").output.split())
