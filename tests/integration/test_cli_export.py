"""costwatch export: timeline, costs and verdicts as CSV for spreadsheets and as JSON Lines for programs."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from costwatch.cli import export_rows
from costwatch.procedures.sweep import sweep
from tests.support.builders import HOUR, SECOND
from tests.support.command_line import CONFIG, MARIA, Terminal, town_of
from tests.support.fakes import Town
from tests.support.judged_town import JudgedHouse
from tests.support.town import later

JOBS = CONFIG.replace("mode: enforce", "mode: observe") + "    - name: jobs\n      sagemaker: [training]\n"
WHAT = {"timeline": export_rows.TIMELINE, "costs": export_rows.COSTS, "verdicts": export_rows.VERDICTS}


@pytest.fixture
def town(config: Path) -> Town:
    return town_of(config, JOBS)


def ran(of: Town, name: str, **tags: str) -> None:
    """A training job that took two hours and is booked."""
    job = of.world.train(name, tags={"Purpose": "training", **tags})
    sweep(of.watchdog())
    of.clock.forward(hours=2)
    job.billable = 2 * HOUR
    of.world.end(job)
    later(of, minutes=5)


def table(maria: Terminal, *arguments: str) -> list[dict[str, str]]:
    result = maria.costwatch("export", *arguments)
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def lines(maria: Terminal, *arguments: str) -> list[dict[str, Any]]:
    result = maria.costwatch("export", *arguments, "--format", "jsonl")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "command", [("export", "timeline"), ("export", "costs"), ("status", "--would-have"), ("spend",), ("ledger",)]
)
def test_every_since_goes_back_as_far_as_the_ledger_keeps_and_names_that_limit(
    maria: Terminal, command: tuple[str, ...]
) -> None:
    taken = maria.costwatch(*command, "--since", "400d")
    assert taken.exit_code == 0, taken.output
    assert "the ledger keeps" not in taken.stderr
    refused = maria.costwatch(*command, "--since", "401d")
    assert refused.exit_code == 2
    assert "'401d' must be longer than zero and at most 400d" in " ".join(refused.stderr.split())
    cut = maria.costwatch(*command, "--since", "2020-01-01T00:00:00Z")
    assert cut.exit_code == 0, cut.output
    assert "the ledger keeps 400 days: what is shown begins 2025-10-18" in " ".join(cut.stderr.split())


def test_verdicts_are_kept_longer_and_a_time_is_not_cut(maria: Terminal) -> None:
    result = maria.costwatch("export", "verdicts", "--since", "2020-01-01T00:00:00Z")
    assert "verdicts: nothing since 2020-01-01 00:00:00 UTC" in result.stderr


@pytest.mark.parametrize("what", WHAT)
def test_a_range_without_rows_gives_the_header_alone_and_a_word_beside_it(maria: Terminal, what: str) -> None:
    result = maria.costwatch("export", what)
    assert (result.exit_code, result.stdout) == (0, ",".join(WHAT[what]) + "\n")
    assert f"{what}: nothing since 2026-10-23" in result.stderr
    assert lines(maria, what) == []


@pytest.mark.parametrize("what", WHAT)
def test_what_cannot_be_read_prints_no_header_since_it_would_say_that_there_is_nothing(
    maria: Terminal, what: str
) -> None:
    maria.ssm.body = None
    result = maria.costwatch("export", what)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no Costwatch is deployed" in result.stderr


def test_costs_are_what_the_ledger_booked_to_the_last_digit(town: Town, maria: Terminal) -> None:
    ran(town, "churn", team="risk", owner="maria@example.com")
    (row,) = table(maria, "costs")
    assert (row["name"], row["kind"], row["team"], row["owner"], row["outcome"]) == (
        "churn", "training", "risk", "maria@example.com", "finished",
    )  # fmt: skip
    assert (row["actual_usd"], row["basis"], row["gpu_hours"]) == ("50.502572", "billable seconds", "16")
    assert (row["runtime_seconds"], row["forecast_at_most_usd"]) == ("7200", "606.030864")
    assert row["capacity"] == "1 x ml.p4d.24xlarge"


def test_both_forms_say_the_same(town: Town, maria: Terminal) -> None:
    ran(town, "churn", team="risk")
    ran(town, "ranker")
    for what in ("timeline", "costs"):
        rows, objects = table(maria, what), lines(maria, what)
        assert rows
        assert [list(each) for each in objects] == [list(WHAT[what])] * len(rows)
        for row, document in zip(rows, objects, strict=True):
            assert {name: read(name, text) for name, text in row.items()} == {
                name: value if value is not None else "" for name, value in document.items()
            }


def read(name: str, text: str) -> Any:
    return json.loads(text) if name in ("evidence", "runtime_seconds", "steps") and text else text


def test_what_nobody_knows_is_an_empty_cell_and_null_and_never_0(town: Town, maria: Terminal) -> None:
    job = town.world.train("odd", age=HOUR, tags={}, instance_type="ml.p9.48xlarge")
    sweep(town.watchdog())
    town.world.end(job)
    later(town, minutes=5)
    assert table(maria, "costs")[0]["actual_usd"] == ""
    assert lines(maria, "costs")[0]["actual_usd"] is None


def test_the_timeline_stands_in_order_over_days_with_its_evidence_and_policy(town: Town, maria: Terminal) -> None:
    for _ in range(3):
        ran(town, "churn")
        town.clock.forward(days=1)
    rows = lines(maria)
    assert len({row["at"][:10] for row in rows}) == 3
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert rows == maria.json("ledger", "--since", "30d")["entries"]
    ended = next(row for row in rows if "actual_usd" in row["evidence"])
    assert ended["policy_digest"] == town.policy.digest


def test_what_is_exactly_as_old_counts_and_what_is_a_second_older_does_not(town: Town, maria: Terminal) -> None:
    ran(town, "churn")
    (cost,) = lines(maria, "costs")
    ended = town.clock() - timedelta(minutes=5)
    at, after = (lines(maria, "costs", "--since", each.isoformat()) for each in (ended, ended + SECOND))
    assert (at, after) == ([cost], [])
    assert lines(maria, "timeline", "--since", (town.clock() + timedelta(microseconds=-1)).isoformat())
    town.clock.forward(seconds=1)
    assert lines(maria, "timeline", "--since", "0m1s")
    town.clock.forward(seconds=1)
    assert lines(maria, "timeline", "--since", "1s") == []


def test_verdicts_stand_with_their_figures_and_who_decided(tmp_path: Path) -> None:
    house = JudgedHouse()
    config = tmp_path / "costwatch.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    maria = Terminal(config, house.town, arn=MARIA)
    house.judge()
    (row,) = table(maria, "verdicts")
    assert (row["model"], row["version"], row["verdict"], row["gain"]) == (
        "churn",
        "41",
        "better but too dear",
        "0.002",
    )
    assert (row["cost_usd"], row["decided_by"], row["decided_at"]) == ("3200", "", "")
    house.town.clock.forward(days=2)
    assert table(maria, "verdicts", "--since", "1d") == []


def test_other_peoples_text_is_no_formula_in_a_spreadsheet_and_exact_in_json(town: Town, maria: Terminal) -> None:
    evil = '=HYPERLINK("http://x.example","a,b")'
    ran(town, "churn", team=evil, owner="-2", project="\x1b[2Jx", model="@SUM(A1)")
    (row,), (document,) = table(maria, "costs"), lines(maria, "costs")
    assert (row["team"], row["owner"], row["project"], row["model"]) == (f"'{evil}", "-2", "?[2Jx", "'@SUM(A1)")
    assert (document["team"], document["owner"], document["project"]) == (evil, "-2", "\x1b[2Jx")


@pytest.mark.parametrize("text", ["\uff1d1+1", "\uff0bcmd", "\uff0d1+1", "\uff20SUM(A1)", "  =cmd"])
def test_nor_is_it_one_in_full_width_or_after_blanks(town: Town, maria: Terminal, text: str) -> None:
    ran(town, "churn", team=text, owner=f"a{text}")
    (row,) = table(maria, "costs")
    assert (row["team"], row["owner"]) == (f"'{text}", f"a{text}")
    assert lines(maria, "costs")[0]["team"] == text


def test_every_row_is_one_line(town: Town, maria: Terminal) -> None:
    ran(town, "churn", team="two\nlines")
    assert len(maria.costwatch("export", "costs").stdout.splitlines()) == 2


def test_a_row_that_cannot_be_read_costs_no_other(town: Town, maria: Terminal) -> None:
    ran(town, "churn")
    ran(town, "ranker")
    broken = next(
        item for item in town.table.items.values() if item["pk"].startswith("cost#") and item["name"] == "churn"
    )
    town.table.items[(broken["pk"], broken["sk"])] = {**broken, "outcome": "eaten"}
    result = maria.costwatch("export", "costs")
    assert (result.exit_code, "eaten" in result.stderr) == (1, True)
    assert [row["name"] for row in csv.DictReader(io.StringIO(result.stdout))] == ["ranker"]


def test_the_future_is_refused_with_the_field_and_what_is_no_table_with_those_there_are(maria: Terminal) -> None:
    future = maria.costwatch("export", "--since", "2030-01-01T00:00:00Z")
    assert (future.exit_code, "--since" in future.stderr) == (2, True)
    other = maria.costwatch("export", "runs")
    assert other.exit_code == 2
    assert "'timeline', 'costs', 'verdicts'" in " ".join(other.stderr.split())


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_program_hears_that_rows_are_missing_which_cannot_be_read(town: Town, maria: Terminal, form: str) -> None:
    ran(town, "churn")
    whole = maria.costwatch("export", "timeline", "--format", form)
    spoilt = next(item for item in town.table.items.values() if str(item["pk"]).startswith("run#"))
    spoilt["transition"] = "meditating"
    result = maria.costwatch("export", "timeline", "--format", form)
    assert (whole.exit_code, result.exit_code) == (0, 1)
    assert "timeline: 1 row missing, since they cannot be read" in " ".join(result.stderr.split())
    assert len(result.stdout.splitlines()) == len(whole.stdout.splitlines()) - 1
