"""costwatch preview over the embedded AWS: what it says about four weeks, what it may call, and what it survives."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.cli.read_only import ALLOWED
from costwatch.cli.session import Tools
from costwatch.preview import permissions
from costwatch.preview.history import RegionHistory
from costwatch.preview.reading import Reader, Wanted
from demo.embedded import EmbeddedAws
from demo.recorder import PREVIEWER, acting_as, collecting
from tests.support import past_zoo
from tests.support.past_zoo import EAST, G5, NOW, P4D, WEST, ago, job

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
dead_man:
  mode: enforce
  protect: [{tag: {Environment: prod}}]
  selectors:
    - {name: nightly, sagemaker: {jobs: [training], tag: {Purpose: nightly}}, max_runtime: 2h}
"""


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=lambda: NOW) as aws, mock.patch.dict(os.environ, aws.environment()):
        os.environ.pop("AWS_PROFILE", None)
        yield aws


@pytest.fixture
def aws(running: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedAws:
    """An empty account, seen from a directory without a costwatch.yaml."""
    running.reset()
    monkeypatch.chdir(tmp_path)
    return running


def preview(*arguments: str, columns: int = 80) -> Result:
    env = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    with acting_as(PREVIEWER):
        return CliRunner().invoke(
            main, ["preview", *arguments], obj=Tools(clock=lambda: NOW), env=env, prog_name="costwatch"
        )


def document(*arguments: str) -> dict[str, Any]:
    result = preview(*arguments, "--json")
    assert result.exit_code == 0, result.output
    body: dict[str, Any] = json.loads(result.stdout)
    return body


def history(aws: EmbeddedAws, *, most: int = 2000, stop: Event | None = None) -> RegionHistory:
    """One region read by a client that tries once, so that a fault shows at once."""
    wanted = Wanted(ago(days=28), most)
    return Reader(aws.client("sagemaker"), EAST, wanted, lambda _more: None, stop or Event()).read()


# --- what it says -----------------------------------------------------------------------------------------------


def test_the_terminal_shows_the_golden_preview(aws: EmbeddedAws) -> None:
    # A change of this file is to be read by eye: it is what decides whether somebody deploys.
    past_zoo.fill(aws)
    result = preview("--since", "28d")
    assert (result.exit_code, aws.errors) == (0, [])
    assert result.stdout == (GOLDEN / "preview_80_columns.txt").read_text("utf-8")


def test_the_document_has_what_the_terminal_shows_and_all_of_it(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    body = document("--since", "28d")
    assert body["jobs_read"] == {"processing": 8, "training": 25, "tuning": 1}
    fates = {each["run"].rpartition("/")[2]: each["fate"] for each in body["past_limits"]["over"]}
    assert fates == {
        "llm-7b-try-3": "stopped",
        "embeddings-debug": "stopped",
        "churn-bert-2026-11-01-09-00-00": "stopped",
        "export-2026-11-20": "stopped",
        "ranker-sweep": "only warned",
    }
    assert {key: body["past_limits"][key] for key in ("destroyed_usd", "saved_usd", "net_usd", "of_unknown_cost")} == {
        "destroyed_usd": "303.02", "saved_usd": "998.97", "net_usd": "695.96", "of_unknown_cost": 1,
    }  # fmt: skip
    assert [each["name"] for each in body["fleet"]["due"]] == ["churn-bert-2026-11-21-21-30-00", "trainer"]
    assert len(body["families"]) == 9
    assert body["spending"]["unpriced"] == [{"what": "ml.m5.4xlarge in us-east-1 (processing)", "jobs": 1}]
    assert body["not_read"] == []


def test_what_was_created_before_is_not_in_it(aws: EmbeddedAws) -> None:
    job(aws, "old", P4D, ago(days=7.01), hours=1)
    job(aws, "new", P4D, ago(days=7), hours=1)
    assert document("--since", "7d")["jobs_read"] == {"training": 1}


def test_an_empty_account_has_nothing_to_say_and_says_so(aws: EmbeddedAws) -> None:
    result = preview()
    assert result.exit_code == 0
    assert "Jobs read: none; 0 runs." in result.stdout
    assert "No job with machines of its own ended." in result.stdout


def test_it_is_judged_by_the_configuration_that_lies_here(aws: EmbeddedAws) -> None:
    Path("costwatch.yaml").write_text(CONFIG, "utf-8")
    nightly = {"Purpose": "nightly"}
    job(aws, "a", G5, ago(days=2), hours=3, status="Failed", tags=nightly)
    job(aws, "b", G5, ago(days=2), hours=3, tags={**nightly, "Environment": "prod"})
    job(aws, "c", G5, ago(days=2), hours=30)
    body = document()
    assert body["judged_by"] == "costwatch.yaml"
    assert {each["run"].rpartition("/")[2]: each["fate"] for each in body["past_limits"]["over"]} == {
        "a": "stopped", "b": "held",
    }  # fmt: skip
    assert body["past_limits"]["without_limit"] == 1


def test_regions_given_come_before_those_of_the_configuration(aws: EmbeddedAws) -> None:
    Path("mine.yaml").write_text(CONFIG, "utf-8")
    job(aws, "far", G5, ago(days=2), hours=3, region=WEST)
    body = document("--config", "mine.yaml", "--region", WEST, "--region", EAST)
    assert (body["regions"], body["jobs_read"]) == ([WEST, EAST], {"training": 1})


# --- what it calls ----------------------------------------------------------------------------------------------


def test_it_only_reads_and_no_more_than_its_policy_allows(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    before = everything(aws)
    with collecting(roles=(PREVIEWER,)) as calls:
        assert preview("--since", "28d").exit_code == 0
    made = {(call.service, call.operation) for call in calls}
    allowed = {(service, name) for service, names in permissions.CALLS.items() for name in names}
    assert made <= allowed | {("sts", "GetCallerIdentity")}
    assert all(name.startswith(("Describe", "List", "Get", "Search")) for _service, name in made)
    assert everything(aws) == before


def test_between_them_a_busy_fleet_and_a_denied_search_need_every_call_of_the_policy(aws: EmbeddedAws) -> None:
    aws.fleet.group("trainers", size=1, type="p4d.24xlarge", launched_at=ago(hours=30))
    aws.fleet.instance(type="g5.xlarge", spot="persistent", launched_at=ago(hours=30))
    tuner = aws.fleet.tuning_job("sweep", type=G5, created_at=ago(hours=73))
    aws.fleet.child_of(tuner, "sweep-1", type=G5, started_at=ago(hours=70))
    auto = aws.fleet.automl_job("auto", created_at=ago(hours=50))
    aws.fleet.end_family_job(auto, ago(hours=40))
    past_zoo.fill(aws)
    aws.faults.fail("sagemaker", "Search", "AccessDeniedException", times=None)
    with collecting(roles=(PREVIEWER,)) as calls:
        body = document("--since", "28d")
    assert {each["name"] for each in body["fleet"]["due"]} >= {"trainers", "sweep"}
    made = {(call.service, call.operation) for call in calls} - {("sts", "GetCallerIdentity")}
    assert made == {(service, name) for service, names in permissions.CALLS.items() for name in names}


def everything(aws: EmbeddedAws) -> dict[str, Any]:
    """All jobs with their states and tags, all instances with theirs, and every table."""
    since = {"Name": "CreationTime", "Operator": "GreaterThan", "Value": "2020-01-01T00:00:00"}
    found = (
        aws.client("sagemaker")
        .get_paginator("search")
        .paginate(Resource="TrainingJob", SearchExpression={"Filters": [since]})
    )
    records = [record["TrainingJob"] for page in found for record in page["Results"]]
    jobs = {each["TrainingJobName"]: (each["TrainingJobStatus"], each["Tags"]) for each in records}
    reservations = aws.client("ec2").describe_instances()["Reservations"]
    instances = {each["InstanceId"]: (each["State"]["Name"], each.get("Tags")) for one in reservations
                 for each in one["Instances"]}  # fmt: skip
    return {"jobs": jobs, "instances": instances, "tables": aws.client("dynamodb").list_tables()["TableNames"]}


def test_every_call_of_a_preview_is_one_that_the_command_line_may_make() -> None:
    for service, names in permissions.CALLS.items():
        assert names <= ALLOWED[service]
    assert all(
        name.startswith(("Describe", "List", "Search")) for names in permissions.CALLS.values() for name in names
    )


def test_the_policy_it_prints_is_the_one_it_needs(aws: EmbeddedAws) -> None:
    result = preview("--policy")
    assert json.loads(result.stdout) == permissions.policy_document()
    assert result.stdout in (Path(__file__).parents[2] / "docs" / "guides" / "preview.md").read_text("utf-8")


def test_a_thousand_training_jobs_take_ten_pages_and_no_description(aws: EmbeddedAws) -> None:
    for number in range(1000):
        job(aws, f"j-{number}", G5, ago(days=20, hours=-number / 100), hours=1)
    with collecting(roles=(PREVIEWER,)) as calls:
        body = document("--since", "28d")
    assert body["jobs_read"] == {"training": 1000}
    counted = Counter(call.operation for call in calls)
    assert counted["Search"] == 11, "ten pages of training jobs, one of tuning jobs"
    assert counted["DescribeTrainingJob"] == counted["ListTags"] == 0
    assert sum(counted.values()) < 25, counted
    with collecting(roles=(PREVIEWER,)) as fewer:
        assert document("--since", "28d", "--max-jobs", "100")["jobs_read"] == {"training": 100}
    assert Counter(call.operation for call in fewer)["Search"] == 3, "no page beyond the one that shows there are more"


def test_every_key_of_the_document_is_in_the_guide(aws: EmbeddedAws) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "preview.md").read_text("utf-8")
    assert [key for key in document() if f"`{key}`" not in guide] == []


# --- what it survives -------------------------------------------------------------------------------------------


def test_without_search_every_job_is_described_and_the_answer_is_the_same(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    with_search = document("--since", "28d")
    aws.faults.fail("sagemaker", "Search", "AccessDeniedException", times=None)
    without = document("--since", "28d")
    [first, _second] = without.pop("not_read")
    assert first.startswith("us-east-1: sagemaker:Search denied for training jobs, so each was described by itself")
    with_search.pop("not_read")
    assert without == with_search


def test_a_kind_that_is_denied_is_a_line_and_the_others_go_on(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    aws.faults.fail("sagemaker", "ListProcessingJobs", "AccessDeniedException", times=None)
    result = preview("--since", "28d")
    assert result.exit_code == 0
    assert "Jobs read: 25 training, 1 tuning" in result.stdout
    assert "Not read: us-east-1: denied: sagemaker:ListProcessingJobs (AccessDeniedException:" in result.stdout


def test_a_region_that_is_denied_is_a_line_and_the_others_go_on(aws: EmbeddedAws) -> None:
    job(aws, "here", G5, ago(days=2), hours=3)
    aws.faults.fail("sagemaker", None, "AccessDeniedException", times=None, region=WEST)
    body = document("--region", EAST, "--region", WEST)
    assert body["jobs_read"] == {"training": 1}
    assert any(each.startswith("us-west-2: denied: sagemaker:ListTrainingJobs") for each in body["not_read"])


def test_where_nothing_at_all_may_be_read_it_is_denied(aws: EmbeddedAws) -> None:
    aws.faults.fail("sagemaker", None, "AccessDeniedException", times=None)
    result = preview()
    assert result.exit_code == 4
    assert "Not read: us-east-1: denied: sagemaker:ListTrainingJobs" in result.stdout


def test_throttling_is_waited_out(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    aws.faults.fail("sagemaker", "DescribeProcessingJob", "ThrottlingException", times=2)
    aws.faults.fail("sagemaker", "Search", "ThrottlingException", times=1)
    assert document("--since", "28d")["not_read"] == []


def test_throttling_that_does_not_end_is_a_line(aws: EmbeddedAws) -> None:
    job(aws, "here", G5, ago(days=2), hours=3)
    aws.faults.fail("sagemaker", "Search", "ThrottlingException", times=None)
    found = history(aws)
    assert (found.answered, found.jobs) == (False, ())
    assert [(gap.operation, gap.kind.value) for gap in found.gaps] == [("sagemaker:Search", "no answer")]


def test_three_descriptions_in_a_row_that_fail_end_that_kind_and_no_other(aws: EmbeddedAws) -> None:
    for number in range(40):
        arn = aws.fleet.processing_job(f"p-{number}", type=G5, started_at=ago(days=2))
        aws.fleet.end_family_job(arn, ago(days=1))
    job(aws, "here", G5, ago(days=2), hours=3)
    fault = aws.faults.fail("sagemaker", "DescribeProcessingJob", "AccessDeniedException", times=None)
    found = history(aws)
    assert len(found.jobs) == 1
    assert len(found.undescribed) == 40
    assert fault.hits <= 3 + 8, "those that were in flight"
    result = preview("--since", "28d")
    assert result.exit_code == 0
    assert "x not described: sagemaker:DescribeProcessingJob: AccessDeniedException" in result.stdout


def test_tags_that_cannot_be_read_hold_a_job_and_are_told(aws: EmbeddedAws) -> None:
    arn = aws.fleet.processing_job("slow", type=G5, started_at=ago(days=2))
    aws.fleet.end_family_job(arn, ago(days=1))
    aws.faults.fail("sagemaker", "ListTags", "AccessDeniedException", times=None)
    body = document()
    assert [each["fate"] for each in body["past_limits"]["over"]] == ["held"]
    assert body["not_read"] == ["us-east-1: the tags of 1 job, so no limit or protection of its own is known"]


def test_what_max_jobs_left_out_is_said_with_how_many(aws: EmbeddedAws) -> None:
    past_zoo.fill(aws)
    result = preview("--since", "28d", "--max-jobs", "5")
    assert "Left out: us-east-1: the newest 5 training jobs were read, of 25" in result.stdout
    assert "Left out: us-east-1: the newest 5 processing jobs were read, and there are more" in result.stdout
    exactly = preview("--since", "28d", "--max-jobs", "25")
    assert "Left out" not in exactly.stdout


def test_a_parent_created_before_gives_its_children_their_clock(aws: EmbeddedAws) -> None:
    tuner = aws.fleet.tuning_job("sweep", type=G5, created_at=ago(days=29))
    job(aws, "sweep-001", G5, ago(days=27), hours=30, parent=tuner)
    aws.fleet.end_family_job(tuner, ago(days=25))
    body = document("--since", "28d")
    [over] = body["past_limits"]["over"]
    assert (over["run"].rpartition("/")[2], over["usd_after"]) == ("sweep", str(round(6 * 1.408, 2)))
    assert body["approvals"]["runs"] == 0


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "sentence"),
    [
        ("0d", "'0d' must be longer than zero and at most 365d"),
        ("366d", "'366d' must be longer than zero and at most 365d"),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00+00:00 is not in the past"),
        ("2026-11-22T09:00:00Z", "2026-11-22T09:00:00+00:00 is not in the past"),
        ("2025-11-22T08:59:59Z", "2025-11-22T08:59:59+00:00 is more than 365d ago"),
        ("soon", "'soon' is neither a duration"),
    ],
)
def test_a_time_that_is_none_is_bad_input_with_a_sentence(aws: EmbeddedAws, since: str, sentence: str) -> None:
    result = preview("--since", since)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_a_year_is_not_too_long(aws: EmbeddedAws) -> None:
    assert preview("--since", "2025-11-22T09:00:00Z").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--region", "atlantis-1"), 2),
        (("--config", "nowhere.yaml"), 2),
        (("--max-jobs", "0"), 2),
    ],
)
def test_other_bad_input_is_two(aws: EmbeddedAws, arguments: tuple[str, ...], code: int) -> None:
    assert preview(*arguments).exit_code == code


def test_a_configuration_of_another_account_is_refused(aws: EmbeddedAws) -> None:
    Path("costwatch.yaml").write_text(CONFIG + 'account: "999900001111"\n', "utf-8")
    result = preview()
    assert result.exit_code == 4
    assert "the configuration is for account 999900001111" in " ".join(result.stderr.split())
