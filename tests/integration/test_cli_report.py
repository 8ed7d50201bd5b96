"""costwatch report: one page of what the ledger holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command_line import Terminal, town_of
from tests.support.report_town import ReportTown, four_weeks

CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
dead_man:
  mode: observe
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
    - name: jobs
      sagemaker: [training]
"""


def terminal(tmp_path: Path, of: ReportTown) -> Terminal:
    config = tmp_path / "costwatch.yaml"
    town_of(config, CONFIG)
    return Terminal(config, of.town)


def report(maria: Terminal, tmp_path: Path, *arguments: str) -> str:
    file = tmp_path / "report.html"
    result = maria.costwatch("report", "--html", str(file), *arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return file.read_text("utf-8")


def text_of(page: str) -> str:
    """What is read, without plots and styles."""
    without = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without))


@pytest.fixture(scope="module")
def lived() -> ReportTown:
    return four_weeks()


def test_the_page_holds_every_part_with_its_figures(tmp_path: Path, lived: ReportTown) -> None:
    shown = text_of(report(terminal(tmp_path, lived), tmp_path))
    for wanted in (
        "$3,827.58 spent",
        "13 runs, 1 of them open",
        "search 4 $1,085.81",
        "ranker-3 finished 2026-12-11 04:40 $606.03",
        "jobs 1 $328.27 1 $50.50 -$277.77",
        "finished by itself 7 h later: would have destroyed $328.27 of work",
        "churn risk · apr-",
        "approved after 2 h Maria Lopez",
        "The median time to a decision was 2 h",
        "churn v41 risk",
        "better but too dear",
        "churn enforce 2026-12-11 15:50 skip $1,600.00",
        "Nothing was stopped in this time.",
    ):
        assert wanted in shown, wanted


def test_its_figures_are_those_of_the_other_commands(tmp_path: Path, lived: ReportTown) -> None:
    maria = terminal(tmp_path, lived)
    total = maria.json("spend")["total"]
    assert f"${float(total['spent_usd']):,.2f} spent" in text_of(report(maria, tmp_path))


def test_each_chart_without_data_says_so(tmp_path: Path) -> None:
    page = report(terminal(tmp_path, ReportTown()), tmp_path)
    assert "<svg" not in page
    for sentence in (
        "No run with a known cost ended or was open in this time.",
        "No run that ended in this time has both a forecast and an actual cost above $0.",
        "Nothing would have been stopped in this time.",
        "Nothing was stopped in this time.",
        "Nobody was asked and nobody decided anything in this time.",
        "No retrained model was judged in this time.",
        "Nobody asked whether to train in this time.",
    ):
        assert sentence in page, sentence


def test_what_came_before_since_is_left_out(tmp_path: Path, lived: ReportTown) -> None:
    shown = text_of(report(terminal(tmp_path, lived), tmp_path, "--since", "2026-12-18T00:00:00Z"))
    assert "segment-2" in shown
    assert "ranker-4" not in shown
    assert "churn v41" not in shown


def test_the_same_ledger_makes_the_same_page(tmp_path: Path, lived: ReportTown) -> None:
    maria = terminal(tmp_path, lived)
    assert report(maria, tmp_path) == report(maria, tmp_path)


def test_without_a_file_it_is_written_to_its_usual_name(
    tmp_path: Path, lived: ReportTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = terminal(tmp_path, lived).costwatch("report", "--html")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "costwatch-report.html").is_file()
    assert "costwatch-report.html is written" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Missing option '--html'"),
        (("--html", "nowhere/at/all.html"), "nowhere/at is no directory"),
        (("--html", "x.html", "--since", "2030-01-01T00:00:00Z"), "--since: 2030-01-01T00:00:00Z is in the future"),
        (("--html", "x.html", "--since", "12"), "--since"),
        (("--html", "x.html", "--since", "401d"), "'401d' must be longer than zero and at most 400d"),
        (("--html", "x" * 300), "Invalid value for '--html'"),
        (("--html", ""), "'' is no name of a file"),
        (("--html", "-"), "'-' is no name of a file"),
        (("--html", "."), ". is a directory"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    tmp_path: Path, lived: ReportTown, arguments: tuple[str, ...], told: str
) -> None:
    result = terminal(tmp_path, lived).costwatch("report", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_row_that_cannot_be_read_is_said_and_the_others_are_shown(tmp_path: Path) -> None:
    of = ReportTown()
    of.ran("churn", hours=2)
    of.ran("ranker", hours=2, team="search")
    (row,) = [(pk, sk) for pk, sk in of.town.table.items if pk.startswith("cost#") and "/ranker#" in sk]
    of.town.table.items[row]["actual_usd"] = "much"
    maria = terminal(tmp_path, of)
    file = tmp_path / "report.html"
    result = maria.costwatch("report", "--html", str(file))
    assert result.exit_code == 0
    assert "cannot be read" in result.stderr
    assert "churn" in file.read_text("utf-8")


def test_what_cannot_be_printed_in_a_name_is_shown_as_a_question_mark(tmp_path: Path) -> None:
    of = ReportTown()
    of.ran("churn", hours=2, team="ri\u202esk\x07")
    page = report(terminal(tmp_path, of), tmp_path)
    assert "ri?sk?" in page
    assert "\u202e" not in page


def test_as_far_back_as_the_ledger_keeps_is_taken_and_a_time_before_it_is_said_to_be_cut(tmp_path: Path) -> None:
    of = ReportTown()
    maria = terminal(tmp_path, of)
    for since, cut in (("400d", False), ("2020-01-01T00:00:00Z", True)):
        result = maria.costwatch("report", "--html", str(tmp_path / "report.html"), "--since", since)
        assert result.exit_code == 0, result.output
        assert ("the ledger keeps 400 days: what is shown begins 20" in result.stderr) is cut


def test_it_replaces_its_last_page_and_no_other_file(tmp_path: Path, lived: ReportTown) -> None:
    maria = terminal(tmp_path, lived)
    before = report(maria, tmp_path, "--since", "1d")
    assert report(maria, tmp_path) != before
    configuration = maria.config.read_bytes()
    files = sorted(tmp_path.iterdir())
    result = maria.costwatch("report", "--html", str(maria.config))
    assert result.exit_code == 2
    assert "is there and is no page that costwatch wrote" in " ".join(result.stderr.split())
    assert maria.config.read_bytes() == configuration
    assert sorted(tmp_path.iterdir()) == files
