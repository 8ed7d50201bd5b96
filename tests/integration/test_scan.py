"""costwatch scan against an embedded account with one of everything: what it says, writes, and asks for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.cli.read_only import ALLOWED
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from costwatch.core.policy import Mode, Policy
from costwatch.scan import permissions
from demo.embedded import EmbeddedAws
from demo.recorder import SCANNER, Call, acting_as, collecting
from tests.support import scan_zoo
from tests.support.scan_zoo import ASKED, DENIED, DISABLED, GROUPS, HOME, NOW, POOR, SILENT

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Scanned:
    """One scan of the zoo in JSON, with the page and the file it wrote and the calls it made."""

    result: Result
    body: dict[str, Any]
    page: str
    written: Path
    calls: tuple[Call, ...]

    def line(self, name: str) -> dict[str, Any]:
        [found] = [line for line in self.body["lines"] if line["name"] == name]
        return dict(found)

    @property
    def names(self) -> set[str]:
        return {line["name"] for line in self.body["lines"]}


@pytest.fixture(scope="module")
def zoo() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(clock=lambda: NOW) as aws, mock.patch.dict(os.environ, aws.environment()):
        os.environ.pop("AWS_PROFILE", None)
        scan_zoo.fill(aws)
        yield aws


def numberless(text: str) -> str:
    """EC2's ids all alike: moto draws them, and what else ran in this process draws with it."""
    return re.sub(r"\bi-[0-9a-f]{17}\b", "i-" + 17 * "0", text)


def scan(*arguments: str, columns: int = 100) -> Result:
    env = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    wanted = ["scan", "--regions", ",".join(ASKED), *arguments]
    return CliRunner().invoke(main, wanted, obj=Tools(clock=lambda: NOW), env=env, prog_name="costwatch")


@pytest.fixture(scope="module")
def scanned(zoo: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    directory = tmp_path_factory.mktemp("scan")
    page, written = directory / "scan.html", directory / "costwatch.yaml"
    with acting_as(SCANNER), collecting(roles=(SCANNER,)) as calls:
        result = scan("--json", "--html", str(page), "--write", str(written))
    assert result.exit_code == 0, result.output
    assert zoo.errors == []
    return Scanned(result, json.loads(result.stdout), page.read_text("utf-8"), written, tuple(calls))


# --- what it says ---------------------------------------------------------------------------------------------------


def test_the_terminal_shows_the_golden_report(zoo: EmbeddedAws) -> None:
    # A change of this file is to be read by eye: it is what a newcomer sees first.
    assert numberless(scan().stdout) == numberless((GOLDEN / "scan_100_columns.txt").read_text("utf-8"))


def test_every_accelerator_instance_and_running_job_is_on_exactly_one_line(scanned: Scanned, zoo: EmbeddedAws) -> None:
    listed = [member["id"] for line in scanned.body["lines"] for member in line["members"]]
    running = set()
    for region in (HOME, GROUPS, POOR):
        for page in zoo.client("ec2", region).get_paginator("describe_instances").paginate():
            for group in page["Reservations"]:
                for each in group["Instances"]:
                    if each["State"]["Name"] == "running" and not each["InstanceType"].startswith("m5"):
                        running.add(each["InstanceId"])
    assert len(listed) == len(set(listed))
    assert running <= set(listed)
    assert not {"web", "gone", "asleep", "ended", "old-notebook"} & scanned.names


def test_children_stand_on_their_parents_line_alone(scanned: Scanned) -> None:
    tuning, automl = scanned.line("tune-churn"), scanned.line("auto-demand")
    assert tuning["children"] == ["tune-churn-0", "tune-churn-1", "tune-churn-2"]
    assert tuning["hourly_rate_usd"] == "4.22"  # 3 x 1.408
    assert sorted(automl["children"]) == ["auto-demand-p1", "auto-demand-t1"]
    assert automl["hourly_rate_usd"] == "2.82"  # training and processing, 1.408 each
    assert not {"tune-churn-0", "auto-demand-t1", "auto-demand-p1"} & scanned.names
    assert scanned.line("tune-idle")["hourly_rate_usd"] == "0.00"


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("churn-bert", "stop"), ("llm-7b", "stop"), ("churn-bert-large", "stop"), ("almost-over", "warn"),
        ("secret-describe", "unproven"), ("secret-tags", "unproven"), ("protected", "hold"), ("never", "hold"),
        ("trainers", "hold"), ("ml", "hold"), ("fresh", "keep"), ("long-run", "keep"),
        ("odd-tag", "keep"), ("paper", "keep"), ("uploading", "keep"), ("waiting-for-capacity", "keep"),
        ("reserved", "listed"), ("features", "stop"), ("li-notebook", "listed"), ("churn-api", "listed"),
        ("tune-churn", "keep"), ("tune-idle", "keep"), ("auto-demand", "keep"), ("pending-features", "keep"),
    ],
)  # fmt: skip
def test_each_line_says_what_the_defaults_would_do(scanned: Scanned, name: str, finding: str) -> None:
    assert scanned.line(name)["finding"] == finding


def test_what_has_no_price_is_unknown_and_in_no_total(scanned: Scanned) -> None:
    unknown = [line["name"] for line in scanned.body["lines"] if line["hourly_rate_usd"] is None]
    assert {"unpriced", "unpriced-features", "churn-api", "rarely", "secret-describe"} <= set(unknown)
    total = scanned.body["total"]
    assert total["without_price"] == len(unknown)
    known = sum(float(line["hourly_rate_usd"]) for line in scanned.body["lines"] if line["hourly_rate_usd"])
    assert float(total["hourly_rate_usd"]) == pytest.approx(known, abs=0.2)
    assert sum(each["lines"] for each in scanned.body["findings"].values()) == total["lines"]


def test_ages_come_with_their_evidence_and_a_restart_is_seen(scanned: Scanned) -> None:
    [restarted] = [line for line in scanned.body["lines"] if line["exists_since"] and line["region"] == HOME]
    assert (restarted["since"], restarted["evidence"]) == ("2026-11-19T09:00:00Z", "LaunchTime")
    assert restarted["exists_since"] == "2026-10-23T09:00:00Z"
    assert scanned.line("churn-bert-large")["evidence"] == "TrainingStartTime"
    assert scanned.line("waiting-for-capacity")["hourly_rate_usd"] == "0.00"


def test_a_region_that_is_denied_off_or_silent_is_a_line_and_not_a_failure(scanned: Scanned) -> None:
    kinds = {(gap["region"], gap["kind"]) for gap in scanned.body["not_read"]}
    assert kinds == {(DENIED, "denied"), (POOR, "denied"), (SILENT, "no answer")}
    assert scanned.body["regions_not_enabled"] == [DISABLED]
    assert [line["region"] for line in scanned.body["lines"]].count(POOR) == 2  # its EC2 could be read


# --- what it asks for -----------------------------------------------------------------------------------------------


def test_it_makes_only_describe_list_and_get_calls(scanned: Scanned) -> None:
    operations = {call.operation for call in scanned.calls}
    assert operations
    assert [name for name in operations if not re.match("Describe|List|Get", name)] == []


def test_the_printed_policy_is_exactly_the_calls_it_makes(scanned: Scanned) -> None:
    made = {f"{call.service}:{call.operation}" for call in scanned.calls} - {"sts:GetCallerIdentity"}
    printed = json.loads(CliRunner().invoke(main, ["scan", "--policy"]).stdout)
    assert printed == permissions.policy_document()
    [statement] = printed["Statement"]
    assert set(statement["Action"]) == made


def test_the_command_lines_own_list_lets_the_scan_through_and_nothing_that_changes_anything() -> None:
    for service, operations in permissions.CALLS.items():
        assert operations <= ALLOWED[service]
        assert all(re.match("Describe|List|Get", name) for name in operations)


def test_the_disabled_region_is_not_even_asked(scanned: Scanned) -> None:
    assert DISABLED not in {call.region for call in scanned.calls}


# --- what it writes -------------------------------------------------------------------------------------------------


def test_the_fitted_configuration_is_the_golden_one_and_is_accepted(scanned: Scanned) -> None:
    text = scanned.written.read_text("utf-8")
    assert text == scanned.body["configuration"]
    assert numberless(text) == numberless((GOLDEN / "scan_costwatch.yaml").read_text("utf-8"))
    loaded = load(scanned.written)
    policy = Policy.from_document(loaded.policy_document)
    assert loaded.warnings == ()
    assert policy.regions == (HOME, POOR, GROUPS)
    assert {selector.mode for selector in policy.selectors} == {Mode.OBSERVE}
    checked = CliRunner().invoke(main, ["check-config", str(scanned.written)])
    assert checked.exit_code == 0, checked.output


def test_the_page_asks_nobody_for_anything_and_knows_light_and_dark(scanned: Scanned) -> None:
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|@import|url\(|<script|<link|https?://""", scanned.page)
    assert "prefers-color-scheme: dark" in scanned.page
    assert "width=device-width" in scanned.page
    for line in scanned.body["lines"]:
        assert line["name"] in scanned.page
    assert f"{scanned.body['total']['without_price']} without a known price" in scanned.page


def test_page_and_file_are_mentioned_beside_the_document(scanned: Scanned) -> None:
    assert "scan.html is written" in scanned.result.stderr
    assert "costwatch check-config" in scanned.result.stderr
