"""The workflows of `costwatch res` that people copy: their shell steps as written, with the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
GITHUB = yaml.safe_load((GUIDES / "costwatch-res.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((GUIDES / "costwatch-res.gitlab-ci.yml").read_text(encoding="utf-8"))
STEPS = {step.get("name", step.get("uses")): step for step in GITHUB["jobs"]["promote"]["steps"]}
CONFIG = """\
version: 1
regions: [us-east-1]
res:
  models:
    churn: {metric: auc, direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}
"""
GUARDED = f"""\
{CONFIG.replace("30d}}", "30d},")}
      guardrails: [
        {{metric: recall, direction: maximize, tolerance: 0.01}},
        {{metric: recall, slice: c=*, direction: maximize, tolerance: 0.01}}]}}
"""
NUMBERS = {"BASELINE": "0.912", "CANDIDATE": "0.914", "COST_USD": "3200"}
Done = subprocess.CompletedProcess[str]
Judge = Callable[..., Done]


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's workspace with the configuration, and the commands that the steps call."""
    (tmp_path / "costwatch.yaml").write_text(CONFIG, encoding="utf-8")
    command(tmp_path, "costwatch", f'echo "$@" >> costwatch-was-told; exec "{sys.executable}" -m costwatch.cli "$@"')
    command(tmp_path, "aws", 'printf "%s\\n" "$@" > aws-was-told')
    return tmp_path


def command(runner: Path, name: str, script: str) -> None:
    file = runner / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def run(runner: Path, script: str, settings: dict[str, Any], *, shell: tuple[str, ...]) -> Done:
    file = runner / "step.sh"
    file.write_text(script, encoding="utf-8")
    env = {
        **{key: str(value) for key, value in settings.items() if "${{" not in str(value)},
        "PATH": f"{runner / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(runner),
        "NO_COLOR": "1",
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
        "GITHUB_OUTPUT": str(runner / "outputs"),
    }
    return subprocess.run(
        [*shell, str(file)], cwd=runner, env=env, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(params=["github", "gitlab"])
def judge(request: pytest.FixtureRequest, runner: Path) -> Judge:
    def judged(**env: str) -> Done:
        if request.param == "github":
            return run(runner, STEPS["Judge"]["run"], {**GITHUB["env"], **env}, shell=("bash", "-e"))
        (script,) = GITLAB["costwatch-res"]["script"]
        return run(runner, script, {**GITLAB["variables"], **env}, shell=("sh", "-e"))

    return judged


def earned(runner: Path) -> bool:
    """What the step of the promotion goes by."""
    handed = [file.read_text(encoding="utf-8") for name in ("outputs", "res.env") if (file := runner / name).exists()]
    return handed in (["earned=true\n"], ["EARNED=true\n"])


def test_what_earned_its_compute_passes(judge: Judge, runner: Path) -> None:
    done = judge(**{**NUMBERS, "COST_USD": "800"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert earned(runner)
    assert "Promote: churn. A real gain, worth its cost" in done.stdout
    assert "::error::" not in done.stdout


def test_what_did_not_fails_with_the_reason_in_the_log(judge: Judge, runner: Path) -> None:
    done = judge(**NUMBERS)
    assert done.returncode == 7
    assert not earned(runner)
    assert "Not promoted: churn. A real gain, too small for its cost" in done.stdout
    assert "It would have passed at auc 0.920 or better, or at $800.00 or less." in done.stdout
    assert "Score | 0.20, needed 0.50" in (runner / "res.md").read_text(encoding="utf-8")


def test_what_may_be_chance_fails(judge: Judge) -> None:
    done = judge(**{**NUMBERS, "COST_USD": "800", "STANDARD_ERROR": "0.01"})
    assert done.returncode == 7
    assert "The gain may be chance" in done.stdout


@pytest.mark.parametrize(("strict", "code"), [("true", 3), ("false", 0), ("yes", 3)])
def test_what_cannot_be_judged_fails_only_where_it_is_strict_and_is_never_promoted(
    judge: Judge, runner: Path, strict: str, code: int
) -> None:
    done = judge(**{**NUMBERS, "COST_USD": "", "STRICT": strict})
    assert done.returncode == code
    assert not earned(runner)
    assert "NOT JUDGED: what its training cost is not known" in done.stdout + done.stderr
    assert "Not judged: churn. What its training cost is not known" in done.stdout


def test_the_metrics_of_guardrails_are_handed_on(judge: Judge, runner: Path) -> None:
    (runner / "costwatch.yaml").write_text(GUARDED, encoding="utf-8")
    cheap = {**NUMBERS, "COST_USD": "800"}
    done = judge(**cheap, ALSO="recall=0.81,0.80 recall@c=*=0.5,0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert earned(runner)
    assert judge(**cheap, ALSO="recall=0.81,0.79  recall@c=*=0.5,0.5").returncode == 7
    assert judge(**cheap).returncode == 3, "a guardrail is not known"
    assert judge(**{**cheap, "BASELINE": "none"}, ALSO="recall=none,0.8").returncode == 0


def test_bad_input_fails_with_its_sentence(judge: Judge) -> None:
    done = judge(**{**NUMBERS, "CANDIDATE": "nan"})
    assert done.returncode == 2
    assert "'--candidate': it is nan, expected a finite number" in done.stdout + done.stderr


def test_a_training_job_is_read_instead_of_numbers(judge: Judge, runner: Path) -> None:
    command(runner, "costwatch", "printf '%s\\n' \"$@\" > costwatch-was-told; echo '### Costwatch: Promote: churn.'")
    assert judge(TRAINING_JOB="churn 41").returncode == 0
    told = (runner / "costwatch-was-told").read_text(encoding="utf-8").splitlines()
    assert told == ["res", "--model", "churn", "--training-job", "churn 41", "--region", "us-east-1", "--strict",
                    "--markdown"]  # fmt: skip


def test_github_shows_the_reason_in_the_summary_and_as_an_annotation(runner: Path) -> None:
    done = run(runner, STEPS["Judge"]["run"], {**GITHUB["env"], **NUMBERS}, shell=("bash", "-e"))
    assert "::error::Costwatch: Not promoted: churn. A real gain, too small for its cost" in done.stdout
    assert (runner / "summary").read_text(encoding="utf-8") == (runner / "res.md").read_text(encoding="utf-8")
    warned = {**GITHUB["env"], **NUMBERS, "COST_USD": "", "STRICT": "false"}
    done = run(runner, STEPS["Judge"]["run"], warned, shell=("bash", "-e"))
    assert "::warning::Costwatch: Not judged: churn." in done.stdout


def test_the_version_is_approved_after_that(runner: Path) -> None:
    (of_gitlab,) = GITLAB["promote"]["script"]
    for script in (STEPS["Promote"]["run"], of_gitlab):
        settings = {"PACKAGE": "arn:aws:sagemaker:x", "EARNED": "true"}
        assert run(runner, script, settings, shell=("sh", "-e")).returncode == 0
        told = (runner / "aws-was-told").read_text(encoding="utf-8").split()
        assert told == ["sagemaker", "update-model-package", "--model-package-arn", "arn:aws:sagemaker:x",
                        "--model-approval-status", "Approved"]  # fmt: skip
    assert list(STEPS)[-2:] == ["Judge", "Promote"]


def test_only_what_earned_it_is_approved(runner: Path) -> None:
    assert STEPS["Judge"]["id"] == "judge"
    assert STEPS["Promote"]["if"] == "steps.judge.outputs.earned == 'true'"
    (of_gitlab,) = GITLAB["promote"]["script"]
    assert "needs" not in GITLAB["promote"], "with them it would not know PACKAGE, which the training job hands on"
    assert GITLAB["stages"] == ["judge", "promote"]
    assert GITLAB["costwatch-res"]["artifacts"]["reports"] == {"dotenv": "res.env"}
    for earned in ("false", ""):
        settings = {"PACKAGE": "arn:aws:sagemaker:x", "EARNED": earned}
        assert run(runner, of_gitlab, settings, shell=("sh", "-e")).returncode == 0
    assert not (runner / "aws-was-told").exists()


def test_no_step_puts_an_expression_into_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")
