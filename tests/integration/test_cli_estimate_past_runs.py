"""costwatch estimate --past-runs: what the ledger remembers of a family says how long its next run will take."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costwatch.cli.session import Session, Tools
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


def remember(town: Town, name: str, hours: int, number: int, **but: Any) -> None:
    ended_at = town.clock() - number * 24 * HOUR
    cost = RunCost(
        **{
            **{field: getattr(COST, field) for field in COST.__slots__},
            "run_id": COST.run_id.__class__(COST.run_id.account, REGION, COST.run_id.kind, f"{name}-{number}"),
            "started_at": ended_at - hours * HOUR,
            "ended_at": ended_at,
            "family": family(name, IMAGE, ["ml.p4d.24xlarge"]),
            "forecast": None,
            **but,
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


def test_a_tuning_job_is_expected_to_cost_what_the_last_ones_of_its_family_did(
    town: Town, maria: Terminal, tmp_path: Path
) -> None:
    sweep = family("sweep", IMAGE, ["ml.p4d.24xlarge"])
    for number, usd in enumerate(["200", "210", "400"], start=1):
        remember(town, "sweep", 30, number, family=sweep, actual_usd=Decimal(usd))
    definition = {name: part for name, part in BODY.items() if name != "TrainingJobName"}
    limits = {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 3}
    body = {
        "HyperParameterTuningJobName": "sweep-2026-11-27",
        "HyperParameterTuningJobConfig": {"Strategy": "Bayesian", "ResourceLimits": limits},
        "TrainingJobDefinition": definition,
    }
    found = estimated(maria, tmp_path / "job.json", body, "--job", "--past-runs")
    assert (found["expected_usd"], found["p90_usd"], found["worst_case_usd"]) == ("210", "400", "6060.30864")
    assert found["notes"] == ["expected and p90 are what its last 3 runs cost, and not the sums of the lines"]
    shown = maria.costwatch("estimate", "--job", str(tmp_path / "job.json"), "--region", REGION, "--past-runs").stdout
    assert re.search(r"^Expected +the median cost of its last 3 runs *$", shown, re.MULTILINE)


@pytest.fixture
def nothing_names_a_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of AWS, and no configuration where the command runs."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.mark.usefixtures("nothing_names_a_region")
def test_where_nothing_names_a_home_region_the_deployment_is_looked_for_where_the_job_runs(
    town: Town, maria: Terminal, tmp_path: Path
) -> None:
    for number, hours in enumerate([3, 4, 10], start=1):
        remember(town, "churn", hours, number)
    del maria.environ["AWS_REGION"]
    file = tmp_path / "job.json"
    file.write_text(json.dumps(BODY), encoding="utf-8")
    asked = ("estimate", "--job", str(file), "--region", REGION, "--past-runs", "--json")
    result = maria.costwatch(*asked, config=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["expected_usd"] == "101.005144"


@pytest.mark.usefixtures("nothing_names_a_region")
def test_where_a_job_runs_is_not_where_the_deployment_is_when_something_else_says_that() -> None:
    def homes(**environ: str) -> tuple[str, ...]:
        return Session(else_region="eu-west-1", tools=Tools(environ=environ)).again().home_regions

    assert homes() == ("eu-west-1",)
    assert homes(AWS_REGION="us-west-2") == ("us-west-2",)


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
