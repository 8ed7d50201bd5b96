"""The gate's workflow that people copy: its shell steps as written, with a `costwatch` that answers as told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "docs/guides/costwatch-gate.yml").read_text(encoding="utf-8"))
STEPS = {step.get("name", step.get("uses")): step for step in WORKFLOW["jobs"]["train"]["steps"]}
JOB = {"TrainingJobName": "churn", "StoppingCondition": {"MaxRuntimeInSeconds": 86400}, "Tags": [
    {"Key": "team", "Value": "risk"}, {"Key": "costwatch:approval", "Value": "old"}]}  # fmt: skip


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's workspace, with the commands that the steps call."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "train.json").write_text(json.dumps(JOB), encoding="utf-8")
    command(tmp_path, "python", f'exec "{sys.executable}" "$@"')
    command(tmp_path, "aws", 'printf "%s\\n" "$@" > aws-was-told')
    return tmp_path


def command(runner: Path, name: str, script: str) -> None:
    file = runner / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def run(runner: Path, name: str, **env: str) -> subprocess.CompletedProcess[str]:
    script = runner / "step.sh"
    script.write_text(STEPS[name]["run"], encoding="utf-8")
    settings = {
        **{key: str(value) for key, value in WORKFLOW["env"].items()},
        "PATH": f"{runner / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_RUN_ID": "4711",
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
        **env,
    }
    return subprocess.run(
        ["bash", "-e", str(script)], cwd=runner, env=settings, capture_output=True, text=True, timeout=60, check=False
    )


def said(runner: Path, code: int, **answer: Any) -> None:
    body = json.dumps({"reason": "approved by Maria", "id": "apr-1", "decision": "approved", "outputs": {}, **answer})
    command(runner, "costwatch", f"printf '%s\\n' \"$@\" > costwatch-was-told\necho '{body}'\nexit {code}")


@pytest.mark.parametrize(("code", "told"), [(0, ""), (4, "Denied"), (5, "Nobody answered"), (8, "run this job again")])
def test_the_step_ends_as_the_gate_does_and_says_why(runner: Path, code: int, told: str) -> None:
    said(runner, code)
    done = run(runner, "Ask")
    assert done.returncode == code
    assert told in done.stdout
    assert (runner / "summary").read_text(encoding="utf-8") == "approved by Maria\n"


def test_a_repeated_run_asks_the_same_question(runner: Path) -> None:
    said(runner, 8)
    told = []
    for _ in range(2):
        run(runner, "Ask", TEAM="risk team")
        told.append((runner / "costwatch-was-told").read_text(encoding="utf-8").splitlines())
    assert told[0] == told[1]
    assert "github-4711" in told[0]
    assert "risk team" in told[0]


@pytest.mark.parametrize(
    ("outputs", "seconds"),
    [({"max_runtime_seconds": "61200"}, 61200), ({"max_runtime_seconds": "172800"}, 86400), ({}, 86400)],
    ids=["capped", "never longer than it asked for", "no cap"],
)
def test_the_job_starts_with_what_was_granted(runner: Path, outputs: dict[str, str], seconds: int) -> None:
    body = {"id": "apr-1", "decision": "approved", "outputs": outputs}
    (runner / "gate.json").write_text(json.dumps(body), encoding="utf-8")
    assert run(runner, "Start").returncode == 0
    job = json.loads((runner / "job.json").read_text(encoding="utf-8"))
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": seconds}
    assert job["Tags"] == [{"Key": "team", "Value": "risk"}, {"Key": "costwatch:approval", "Value": "apr-1"}]
    assert "file://job.json" in (runner / "aws-was-told").read_text(encoding="utf-8")


def test_below_the_threshold_the_job_starts_as_it_is(runner: Path) -> None:
    (runner / "gate.json").write_text(json.dumps({"id": "x", "decision": "pass", "outputs": {}}), encoding="utf-8")
    assert run(runner, "Start").returncode == 0
    assert json.loads((runner / "job.json").read_text(encoding="utf-8")) == JOB


def test_no_step_puts_an_expression_into_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")
