"""costwatch init over the embedded AWS: its defaults are what scan and preview find there, and it only reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from costwatch.core.policy import Mode
from demo.embedded import EmbeddedAws
from demo.recorder import BEGINNER, acting_as, collecting
from tests.support import past_zoo
from tests.support.past_zoo import EAST, NOW, ago

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=lambda: NOW) as aws, mock.patch.dict(os.environ, aws.environment()):
        os.environ.pop("AWS_PROFILE", None)
        yield aws


@pytest.fixture
def aws(running: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedAws:
    running.reset()
    monkeypatch.chdir(tmp_path)
    return running


def init(*arguments: str, answers: str = "") -> Result:
    env = {"COLUMNS": "100", "NO_COLOR": "1"}
    tools = Tools(clock=lambda: NOW)
    with acting_as(BEGINNER):
        return CliRunner().invoke(main, ["init", *arguments], obj=tools, env=env, input=answers, prog_name="costwatch")


def test_what_scan_and_preview_find_becomes_the_file_and_nothing_but_reads_were_made(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    for hours in (2, 3):
        aws.fleet.instance(
            type="g5.xlarge", launched_at=ago(hours=hours), tags={"Purpose": "ml-training", "Owner": "li"}
        )
    aws.fleet.instance(type="g5.xlarge", launched_at=ago(hours=99), tags={"Environment": "prod"})
    with collecting(roles=(BEGINNER,)) as calls:
        result = init("--yes", "--regions", EAST, "--channel", "#ml-platform")
    assert result.exit_code == 0, result.output
    # EC2's ids all alike: moto draws them, and what else ran in this process draws with it.
    text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-" + 17 * "0", Path("costwatch.yaml").read_text("utf-8"))
    assert text == (GOLDEN / "init_costwatch.yaml").read_text("utf-8")
    assert load(Path("costwatch.yaml")).warnings == ()
    assert {
        call.operation for call in calls if not call.operation.startswith(("Describe", "List", "Get", "Search"))
    } == set()


def test_the_defaults_of_the_questions_are_what_was_found(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    result = init("--regions", EAST, answers="\n" * 8)
    assert result.exit_code == 0, result.output
    asked = [line for line in result.stdout.splitlines() if line.endswith("]: ")]
    assert asked == [
        f"Account to deploy into, or any [{aws.account_id}]: ",
        "Time zone of the people who read [UTC]: ",
        "Begin by noting what would happen (observe), or by telling people too (warn) (observe, warn) [observe]: ",
        "How long may a run take: an instance, a group or a job [14h]: ",
        "Ask somebody before a job that costs more than, in USD [50]: ",
    ]
    config = load(Path("costwatch.yaml")).config
    assert config.account == aws.account_id
    assert config.dead_man.mode is Mode.OBSERVE


def test_where_the_history_is_denied_the_scan_still_counts_and_a_note_says_so(aws: EmbeddedAws) -> None:
    aws.fleet.instance(type="g5.xlarge", launched_at=ago(hours=2), tags={"Purpose": "ml-training"})
    for operation in (
        "Search",
        "ListTrainingJobs",
        "ListProcessingJobs",
        "ListHyperParameterTuningJobs",
        "ListAutoMLJobs",
    ):
        aws.faults.fail("sagemaker", operation, "AccessDeniedException", times=None)
    result = init("--yes", "--regions", EAST)
    assert result.exit_code == 0, result.output
    assert "us-east-1: denied: sagemaker:ListAutoMLJobs" in " ".join(result.stderr.split())
    config = load(Path("costwatch.yaml")).config
    assert [selector.name for selector in config.dead_man.selectors] == ["ml-training-on-demand", "sagemaker"]
    assert config.dead_man.max_runtime.total_seconds() == 12 * 3600


def test_an_empty_account_gets_a_file_that_observes_jobs(aws: EmbeddedAws) -> None:
    assert init("--yes", "--regions", EAST).exit_code == 0
    config = load(Path("costwatch.yaml")).config
    assert (config.account, config.regions) == (aws.account_id, (EAST,))
    assert [selector.name for selector in config.dead_man.selectors] == ["sagemaker"]
