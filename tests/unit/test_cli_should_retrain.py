"""`costwatch should-retrain --history`: the advice without AWS, its exit codes, and what is wrong with a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.cli.session import Tools

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CONFIG = """\
version: 1
regions: [us-east-1]
res:
  mode: observe
  models:
    churn: {metric: auc, direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}
"""
CALM: dict[str, Any] = {
    "trainings": [
        {"at": "2026-10-01T00:00:00Z", "cost_usd": 3200, "gain": 0.01, "promoted": True},
        {"at": "2026-11-20T00:00:00Z", "cost_usd": 3200, "gain": 0.0005, "promoted": True},
    ],
    "served": [{"at": f"2026-11-{day}T00:00:00Z", "error": 0.12} for day in ("06", "13", "21", "27")],
}


def asked(tmp_path: Path, history: object, *more: str) -> Result:
    config = tmp_path / "costwatch.yaml"
    config.write_text(CONFIG)
    written = history if isinstance(history, str) else json.dumps(history)
    arguments = ["should-retrain", "--model", "churn", "--history", "-", "--config", str(config), *more]
    tools = Tools(environ={}, clock=lambda: NOW)
    return CliRunner().invoke(main, arguments, obj=tools, input=written, prog_name="costwatch")


def test_a_young_model_that_shows_nothing_unusual_is_not_worth_a_training(tmp_path: Path) -> None:
    result = asked(tmp_path, CALM)
    assert result.exit_code == 6, result.output
    assert result.output.startswith("Skip: churn\n")
    assert "against a cost of $3,200.00" in " ".join(result.output.split())


def test_one_that_errs_far_more_than_is_normal_is(tmp_path: Path) -> None:
    result = asked(tmp_path, CALM, "--served-error", "0.5", "--json")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert (body["answer"], body["train"], body["rule"]) == ("train", True, "drift")


def test_after_the_most_skips_in_a_row_it_trains_whatever_else_is_known(tmp_path: Path) -> None:
    assert asked(tmp_path, CALM | {"skipped_in_a_row": 5}).exit_code == 6
    result = asked(tmp_path, CALM | {"skipped_in_a_row": 6})
    assert result.exit_code == 0
    assert "It was skipped 6 in a row, the most allowed." in result.output


def test_a_model_that_was_never_trained_is(tmp_path: Path) -> None:
    assert asked(tmp_path, {}).exit_code == 0


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("{", "--history is no JSON"),
        ("[]", "--history holds no object"),
        ({"trainings": {}}, "trainings is no list"),
        ({"trainings": [7]}, "trainings[0] is no object"),
        ({"trainings": [{"cost_usd": 1}]}, "trainings[0].at is missing"),
        ({"trainings": [{"at": "2026-12-01T00:00:00Z", "cost_usd": 1}]}, "trainings[0].at is 2026-12-01T00:00:00Z"),
        ({"trainings": [{"at": "2026-11-01T00:00:00Z"}]}, "trainings[0].cost_usd is NoneType, expected a number"),
        ({"trainings": [{"at": "2026-11-01T00:00:00Z", "cost_usd": -1}]}, "cost_usd of a past training"),
        ({"served": [{"at": "2026-11-01T00:00:00Z", "error": "NaN"}]}, "served[0].error is NaN"),
        ({"skipped_in_a_row": -1}, "skipped_in_a_row is -1"),
        ({"skipped_in_a_row": True}, "skipped_in_a_row is True"),
    ],
)
def test_what_is_wrong_with_a_history_is_named(tmp_path: Path, history: object, said: str) -> None:
    result = asked(tmp_path, history)
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_a_model_that_is_not_configured_is_named_beside_those_that_are(tmp_path: Path) -> None:
    result = asked(tmp_path, CALM, "--model", "fraud")
    assert result.exit_code == 2
    assert "'fraud'; expected one of those under res.models: churn" in result.output
