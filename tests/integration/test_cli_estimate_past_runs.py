"""costwatch estimate --past-runs: what the ledger remembers of a family says how long its next run will take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from costwatch.core.families import family
from costwatch.core.run_cost import RunCost
from tests.contract.test_ledger_costs import COST
from tests.support.builders import HOUR, REGION
from tests.support.command_line import Terminal, town_of
from tests.support.fakes import Town

IMAGE = "1111.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.3"
BODY = {
    "TrainingJobName": "churn-2026-11-27",
    "AlgorithmSpecification": {"TrainingImage": IMAGE},
    "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return town_of(tmp_path / "costwatch.yaml")


@pytest.fixture
def maria(tmp_path: Path, town: Town) -> Terminal:
    return Terminal(tmp_path / "costwatch.yaml", town)


def remember(town: Town, name: str, hours: int, number: int) -> None:
    ended_at = town.clock() - number * 24 * HOUR
    cost = RunCost(
        **{
            **{field: getattr(COST, field) for field in COST.__slots__},
            "run_id": COST.run_id.__class__(COST.run_id.account, REGION, COST.run_id.kind, f"{name}-{number}"),
            "started_at": ended_at - hours * HOUR,
            "ended_at": ended_at,
            "family": family(name, IMAGE, ["ml.p4d.24xlarge"]),
            "forecast": None,
        }
    )
    assert town.ledger.book_cost(cost)


def estimated(maria: Terminal, file: Path, body: Any, kind: str, *more: str) -> Any:
    file.write_text(json.dumps(body), encoding="utf-8")
    return maria.json("estimate", kind, str(file), "--region", REGION, *more)


def test_a_job_is_expected_to_take_what_the_last_ones_of_its_family_did(
    town: Town, maria: Terminal, tmp_path: Path
) -> None:
    for number, hours in enumerate([3, 4, 10], start=1):
        remember(town, "churn", hours, number)
    without = estimated(maria, tmp_path / "job.json", BODY, "--job")
    found = estimated(maria, tmp_path / "job.json", BODY, "--job", "--past-runs")
    assert without["expected_usd"] == without["worst_case_usd"] == found["worst_case_usd"] == "606.030864"
    assert (found["expected_usd"], found["p90_usd"]) == ("101.005144", "252.51286")


def test_a_step_of_a_pipeline_is_the_family_of_the_jobs_that_it_starts(
    town: Town, maria: Terminal, tmp_path: Path
) -> None:
    for number, hours in enumerate([2, 2, 2], start=1):
        remember(town, "pipelines-Train", hours, number)
    arguments = {name: value for name, value in BODY.items() if name != "TrainingJobName"}
    pipeline = {"Version": "2020-12-01", "Steps": [{"Name": "Train", "Type": "Training", "Arguments": arguments}]}
    found = estimated(maria, tmp_path / "pipeline.json", pipeline, "--pipeline", "--past-runs")
    assert found["expected_usd"] == "50.502572"


def test_without_a_deployment_it_says_so_and_estimates_nothing_by_halves(maria: Terminal, tmp_path: Path) -> None:
    maria.ssm.body = None
    (tmp_path / "job.json").write_text(json.dumps(BODY), encoding="utf-8")
    result = maria.costwatch("estimate", "--job", str(tmp_path / "job.json"), "--region", REGION, "--past-runs")
    assert (result.exit_code, "no Costwatch is deployed" in result.stderr) == (2, True)


def test_it_needs_a_job_that_has_a_name(maria: Terminal) -> None:
    result = maria.costwatch(
        "estimate", "--service", "ec2", "--instance-type", "p4d.24xlarge", "--max-runtime", "1h", "--past-runs"
    )
    assert (result.exit_code, "--past-runs goes with --job or --pipeline" in result.stderr) == (2, True)
