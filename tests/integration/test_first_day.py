"""A new user's first day, command by command: scan, init, check-config, synth, deploy, doctor, report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.embedded import EmbeddedAws
from tests.e2e import cdk
from tests.e2e.cdk import ROOT
from tests.e2e.deploying import deploying

Done = subprocess.CompletedProcess[str]


def costwatch(aws: EmbeddedAws, directory: Path, *arguments: str) -> Done:
    """As a person types it, in an empty directory of theirs."""
    return subprocess.run(
        [sys.executable, "-m", "costwatch.cli", *arguments],
        cwd=directory,
        env=cdk.environment(aws)
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambdas")]),
            "XDG_CACHE_HOME": str(directory / "cache"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where scan and init were run in an account in which somebody forgot a trainer; holds the costwatch.yaml."""
    directory = tmp_path_factory.mktemp("first-day")
    with EmbeddedAws(clock=lambda: datetime.now(UTC)) as aws:
        aws.fleet.instance(
            type="p4d.24xlarge", tags={"Purpose": "training"}, launched_at=datetime.now(UTC) - timedelta(hours=30)
        )
        scan = costwatch(aws, directory, "scan", "--regions", "us-east-1")
        assert scan.returncode == 0, scan.stderr
        assert "p4d.24xlarge" in scan.stdout
        init = costwatch(aws, directory, "init", "--yes", "--regions", "us-east-1")
        assert init.returncode == 0, init.stdout + init.stderr
        check = costwatch(aws, directory, "check-config")
        assert check.returncode == 0, check.stdout + check.stderr
        assert "observe" in check.stdout
        before = costwatch(aws, directory, "doctor")
        assert "Traceback" not in before.stdout + before.stderr
    return directory


def test_what_init_writes_deploys_and_the_doctor_and_the_report_find_it(configured: Path, tmp_path: Path) -> None:
    with deploying(configured / "costwatch.yaml", tmp_path) as stack:
        late = stack.aws.fleet.instance(
            type="p4d.24xlarge", tags={"Purpose": "training"}, launched_at=stack.clock() - timedelta(hours=30)
        )
        stack.tick()
        stack.clock.forward(hours=1)
        assert stack.tick().answer["failures"] == []
        doctor = costwatch(stack.aws, configured, "doctor", "--json")
        told = json.loads(doctor.stdout)
        assert "Traceback" not in doctor.stderr
        assert told
        page = tmp_path / "report.html"
        report = costwatch(stack.aws, configured, "report", "--html", str(page))
        assert report.returncode == 0, report.stdout + report.stderr
        written = page.read_text("utf-8")
        assert written.lstrip().lower().startswith("<!doctype html>")
        status = costwatch(stack.aws, configured, "status")
        assert late in status.stdout
        state = stack.aws.client("ec2").describe_instances(InstanceIds=[late])
        assert state["Reservations"][0]["Instances"][0]["State"]["Name"] == "running", "it observes"
