"""`costwatch heartbeat --check`: the training client's own check, from the operator's command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from costwatch import names
from costwatch.cli.main import main
from demo.embedded import EmbeddedAws

ROOT = Path(__file__).parents[2]
MEMBER = "arn:aws:ec2:us-east-1:123456789012:instance/i-0abc12345def67890"


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=lambda: datetime.now(UTC)) as made:
        yield made


def check(aws: EmbeddedAws, **environ: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a training run would be."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COSTWATCH_"))}
    return subprocess.run(
        [sys.executable, "-m", "costwatch.cli", "heartbeat", "--check"],
        env={
            **kept,
            **aws.environment(),
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(ROOT / "client"),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_all_well_is_exit_code_0_and_the_statement_to_paste(aws: EmbeddedAws) -> None:
    aws.client("events").create_event_bus(Name=names.HEARTBEAT_BUS)
    try:
        done = check(aws, COSTWATCH_RUN_MEMBER=MEMBER)
    finally:
        aws.client("events").delete_event_bus(Name=names.HEARTBEAT_BUS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "identity     instance i-0abc12345def67890 in us-east-1" in done.stdout
    assert "bus          event bus costwatch in us-east-1 accepted a check beat\n" in done.stdout
    needed, _seeing = json.loads(done.stdout[done.stdout.index("[\n") :])
    assert (needed["Action"], needed["Condition"]) == (
        "events:PutEvents",
        {
            "StringEquals": {"events:source": names.SOURCE_CLIENT},
            "ForAllValues:StringEquals": {"events:detail-type": list(names.CLIENT_DETAIL_TYPES)},
        },
    )


def test_what_is_missing_is_exit_code_1_and_said(aws: EmbeddedAws) -> None:
    no_bus = check(aws, COSTWATCH_RUN_MEMBER=MEMBER)
    assert no_bus.returncode == 1
    assert "bus          MISSING: there is no event bus costwatch in us-east-1" in no_bus.stdout
    nobody = check(aws)
    assert nobody.returncode == 1
    assert "identity     MISSING: no SageMaker job" in nobody.stdout


def test_without_the_client_it_is_one_line_that_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "costwatch_client", None)
    done = CliRunner().invoke(main, ["heartbeat", "--check"], env={"COLUMNS": "400"}, prog_name="costwatch")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("costwatch: costwatch-client is not installed here: pip install the wheel")
    assert "python -m costwatch_client --check" in done.stderr


def test_without_check_it_says_what_it_is_for() -> None:
    done = CliRunner().invoke(main, ["heartbeat"], prog_name="costwatch")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Missing option '--check'" in done.stderr
