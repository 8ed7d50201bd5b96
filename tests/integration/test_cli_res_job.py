"""costwatch res --training-job against the embedded AWS: read there, judged here, and nothing written anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from costwatch import __version__
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.core.model import RunId, RunKind
from demo.embedded import EmbeddedAws
from tests.contract.test_ledger_costs import COST
from tests.support.builders import NOW
from tests.support.command_line import FakeSsm
from tests.support.looking_at_aws import CLOCK
from tests.support.memory_table import MemoryTable

VALIDATION = "s3://data/churn/validation.csv"
CONFIG = """\
version: 1
regions: [us-east-1]
res:
  when_better_but_too_dear: reject
  models:
    churn: {metric: "validation:auc", direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=CLOCK) as running:
        yield running


@pytest.fixture
def aws(server: EmbeddedAws, tmp_path: Path) -> Iterator[EmbeddedAws]:
    CLOCK.now = NOW
    server.reset()
    server.models.put(VALIDATION, b"1,2,3", at=NOW - timedelta(days=30))
    (tmp_path / "costwatch.yaml").write_text(CONFIG, encoding="utf-8")
    yield server
    assert server.errors == []


def trained(aws: EmbeddedAws, name: str, auc: float, hours: float = 10) -> None:
    """A p4d that ran until now; $25.251286 an hour."""
    aws.fleet.training_job(name, started_at=NOW - timedelta(hours=hours))
    aws.fleet.finish_job(name, NOW)
    aws.models.measured(name, {"validation:auc": auc})
    aws.models.read_from(name, {"validation": VALIDATION})


def res(aws: EmbeddedAws, tmp_path: Path, *more: str, ledger: MemoryTable | None = None) -> Result:
    """`ledger`: of a deployed Costwatch; None: none is deployed."""
    body = {"table": "ledger", "function": "f", "policy_digest": "d", "config_commit": "c", "version": __version__,
            "regions": ["us-east-1"]}  # fmt: skip
    clients = {service: aws.client(service) for service in ("sagemaker", "s3", "sts")}
    tools = Tools(
        environ={"AWS_REGION": "us-east-1", "XDG_CACHE_HOME": str(tmp_path / "cache")},
        clock=CLOCK,
        clients={**clients, "ssm": FakeSsm(body if ledger is not None else None)},
        table=ledger or MemoryTable(),
    )
    asked = ["res", "--model", "churn", "--config", str(tmp_path / "costwatch.yaml"), *more]
    env = {"COLUMNS": "100", "NO_COLOR": "1", "AWS_REGION": "us-east-1"}
    return CliRunner().invoke(main, asked, obj=tools, env=env, prog_name="costwatch")


def answer(
    aws: EmbeddedAws, tmp_path: Path, *more: str, code: int, ledger: MemoryTable | None = None
) -> dict[str, Any]:
    result = res(aws, tmp_path, *more, "--json", ledger=ledger)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize(
    ("auc", "code", "cause"), [(0.95, 0, "earned its compute"), (0.9125, 7, "too dear"), (0.9, 7, "no gain")]
)
def test_a_jobs_metrics_and_cost_are_read_and_held_against_what_serves(
    aws: EmbeddedAws, tmp_path: Path, auc: float, code: int, cause: str
) -> None:
    trained(aws, "churn-38", 0.912)
    aws.models.decide(aws.models.register("churn", job="churn-38"), "Approved")
    trained(aws, "churn-39", auc)
    found = answer(aws, tmp_path, "--training-job", "churn-39", code=code)
    assert (found["cause"], found["baseline"]) == (cause, pytest.approx(0.912))
    assert found["cost_usd"].startswith("252.5")
    assert found["gpu_hours"] == 80
    assert "training job churn-39, by its " in found["cost_of"]
    result = res(aws, tmp_path, "--training-job", "churn-39")
    assert "no Costwatch is deployed here" in result.stderr
    listed = aws.client("sagemaker").list_model_packages(ModelPackageGroupName="churn")["ModelPackageSummaryList"]
    assert [each["ModelApprovalStatus"] for each in listed] == ["Approved"]


def test_what_the_deployed_ledger_has_booked_is_what_it_cost(aws: EmbeddedAws, tmp_path: Path) -> None:
    trained(aws, "churn-38", 0.912)
    aws.models.decide(aws.models.register("churn", job="churn-38"), "Approved")
    trained(aws, "churn-39", 0.914)
    ledger = MemoryTable()
    run_id = RunId(aws.account_id, "us-east-1", RunKind.TRAINING, "churn-39")
    booked = replace(COST, run_id=run_id, started_at=NOW - timedelta(hours=10), ended_at=NOW, actual_usd=Decimal(3200))
    assert Ledger(ledger, stamp=Stamp("d", "c")).book_cost(booked)
    before = dict(ledger.items)
    found = answer(aws, tmp_path, "--training-job", "churn-39", code=7, ledger=ledger)
    assert (found["cost_usd"], found["all_candidates_usd"]) == ("3200", "3200")
    assert found["cost_of"] == "training job churn-39, as booked in the ledger"
    assert dict(ledger.items) == before


def test_the_first_model_of_a_group_is_promoted(aws: EmbeddedAws, tmp_path: Path) -> None:
    trained(aws, "churn-39", 0.9)
    assert answer(aws, tmp_path, "--training-job", "churn-39", code=0)["verdict"] == "first model"


def test_what_serves_without_any_word_on_its_data_is_not_judged(aws: EmbeddedAws, tmp_path: Path) -> None:
    aws.models.decide(aws.models.register("churn", artifact="s3://elsewhere/model.tar.gz"), "Approved")
    trained(aws, "churn-39", 0.9)
    found = answer(aws, tmp_path, "--training-job", "churn-39", "--strict", code=3)
    assert (found["verdict"], found["cause"]) == ("unjudged", "different data")
    assert "NOT JUDGED: different data" in res(aws, tmp_path, "--training-job", "churn-39").stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--training-job", "churn-40"], "there is no training job 'churn-40' in us-east-1"),
        (["--training-job", "churn-39", "--candidate", "1"], "--candidate: it is read for --training-job"),
        (["--training-job", "churn-39", "--sample-size", "9"], "--sample-size: it tells nothing about the noise of"),
    ],
)
def test_bad_input_is_named(aws: EmbeddedAws, tmp_path: Path, more: list[str], told: str) -> None:
    trained(aws, "churn-39", 0.9)
    result = res(aws, tmp_path, *more)
    assert result.exit_code == 2, result.output
    assert told in result.stderr


def test_a_job_goes_with_a_model(aws: EmbeddedAws, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["res", "--training-job", "churn-39"], prog_name="costwatch")
    assert result.exit_code == 2
    assert "--training-job goes with --model" in result.stderr
