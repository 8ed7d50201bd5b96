"""`costwatch res`: what it says, what each exit code means, and what is wrong with what was asked."""

from __future__ import annotations

import json
import os
import shlex
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from costwatch.cli.main import main
from costwatch.cli.session import Tools

ASKED = "--direction maximize --baseline 0.912 --candidate 0.914 --cost-usd 3200"
WORTH = "--worth-usd 4000 --per 0.01 --over 30d"
EXAMPLE = f"{ASKED} {WORTH}"
CONFIG = """\
version: 1
regions: [us-east-1]
res:
  models:
    churn:
      metric: auc
      direction: maximize
      worth: {usd: 4000, per: 0.01, over: 30d}
      in_service: 90d
      guardrails: [{metric: recall, slice: country=DE, direction: maximize, tolerance: 0.01}]
    fresh:
      metric: auc
      direction: maximize
      worth: {usd: 4000, per: 0.01, over: 30d}
      guardrails: [{metric: recall, direction: maximize, tolerance: 0.01, floor: 0.7}]
    rank: {metric: accuracy, direction: maximize, min_gain_per_1000_usd: 0.001}
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory without a configuration, without AWS and without a network."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

    def refused(*_: object) -> None:
        raise AssertionError("a verdict needs no network")

    monkeypatch.setattr(socket.socket, "connect", refused)


def res(asked: str = EXAMPLE, *more: str, stdin: bytes | None = None) -> Result:
    tools = Tools(environ={"XDG_CACHE_HOME": os.getcwd()}, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))  # noqa: PTH109
    env = {"COLUMNS": "100", "NO_COLOR": "1"}
    return CliRunner().invoke(
        main, ["res", *shlex.split(asked), *more], obj=tools, env=env, input=stdin, prog_name="costwatch"
    )


def answer(asked: str = EXAMPLE, *more: str, code: int, stdin: bytes | None = None) -> dict[str, Any]:
    result = res(asked, *more, "--json", stdin=stdin)
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["exit_code"] == code
    return document


def wrong(asked: str, *more: str, stdin: bytes | None = None) -> str:
    """What is said of bad input: a line, and perhaps where to look."""
    result = res(asked, *more, stdin=stdin)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    first, *others = result.stderr.splitlines()
    assert others in ([], ["costwatch: see costwatch res --help"])
    return first


def lines(result: Result) -> list[str]:
    return [line.rstrip() for line in result.stdout.splitlines()]


# --- what it says -----------------------------------------------------------------------------------------------


def test_a_person_reads_what_would_have_passed_and_that_the_money_is_spent() -> None:
    result = res(
        EXAMPLE, *shlex.split("--metric auc --standard-error 0.0006 --gpu-hours 1014 --all-candidates-usd 9600")
    )
    assert result.exit_code == 7
    assert result.stderr == ""
    assert lines(result) == [
        "Not promoted: a real gain, too small for its cost.",
        "Gain   auc 0.912 -> 0.914: +0.002, 3.3 standard errors",
        "Noise  2 standard errors must be reached (the standard error of the difference)",
        "Worth  $800.00 ($4,000.00 per 0.01 over 30 days)",
        "Cost   $3,200.00 (1,014 GPU-hours)",
        "All    $9,600.00 for all candidates since the last promotion",
        "Score  0.20, needed 0.50",
        "It would have passed at auc 0.920 or better, or at $800.00 or less.",
        "Production stays on what serves.",
        "The $3,200.00 is spent either way. What saves money is not to train in vain.",
    ]


def test_the_document_has_every_figure() -> None:
    assert answer(EXAMPLE, *shlex.split("--metric auc --standard-error 0.001 --in-service 60d"), code=7) == {
        "verdict": "better but too dear",
        "cause": "too dear",
        "reason": "a real gain, too small for its cost",
        "asks": False,
        "exit_code": 7,
        "model": None,
        "metric": "auc",
        "direction": "maximize",
        "baseline": 0.912,
        "candidate": 0.914,
        "gain": 0.002,
        "gain_kind": "absolute",
        "standard_error": 0.001,
        "standard_errors": 2.0,
        "noise_basis": "the standard error of the difference",
        "score": pytest.approx(1 / 3),
        "needed": 0.5,
        "score_kind": "bounded",
        "worth_usd": "1600",
        "cost_usd": "3200",
        "all_candidates_usd": None,
        "gpu_hours": None,
        "in_service_seconds": 60 * 86_400,
        "passes_at_metric": 0.916,
        "passes_at_usd": "1600",
        "cost_of": None,
    }


def test_a_summary_is_one_table_and_no_word_of_others_is_read_as_anything() -> None:
    result = res(EXAMPLE, "--metric", "a|b<img>@maria", "--markdown")
    assert result.exit_code == 2, "an @ tells a slice"
    result = res(EXAMPLE, "--metric", "a|b<img>#1", "--markdown")
    assert result.exit_code == 7
    rendered = MarkdownIt("commonmark").enable("table").render(result.stdout)
    assert rendered.count("<table>") == 1
    assert "<img>" not in rendered
    assert "a|b&lt;img&gt;" in rendered
    assert result.stdout.startswith("### Costwatch: Not promoted: a real gain, too small for its cost\n")


def test_two_documents_at_once_are_refused() -> None:
    assert "--json and --markdown are two documents" in wrong(EXAMPLE, "--json", "--markdown")


def test_without_any_word_about_noise_it_says_so() -> None:
    assert lines(res())[-1] == "Nothing tells how much of the gain is chance: no standard error, and no minimum gain."


# --- exit codes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "verdict", "cause"),
    [
        ("--cost-usd 800", 0, "promote", "earned its compute"),
        ("--cost-usd 800.01", 7, "better but too dear", "too dear"),
        ("--cost-usd 800.01 --when-too-dear ask", 8, "better but too dear", "too dear"),
        ("--cost-usd 800 --min-score 0.51", 7, "better but too dear", "too dear"),
        ("--cost-usd 3200 --min-score 0.2", 0, "promote", "earned its compute"),
        ("--cost-usd 800 --standard-error 0.001", 0, "promote", "earned its compute"),
        ("--cost-usd 800 --standard-error 0.0011", 7, "reject", "within noise"),
        ("--cost-usd 800 --standard-error 0.0011 --standard-errors 1.8", 0, "promote", "earned its compute"),
        ("--cost-usd 800 --min-gain 0.0021", 7, "reject", "within noise"),
        ("--cost-usd 1 --candidate 0.912", 7, "reject", "no gain"),
        ("--cost-usd 1 --candidate 0.9", 7, "reject", "no gain"),
        ("--cost-usd 1 --direction minimize", 7, "reject", "no gain"),
        ("--cost-usd 800 --metric acc --sample-size 200000", 0, "promote", "earned its compute"),
        ("--cost-usd 800 --metric acc --sample-size 1000", 7, "reject", "within noise"),
        ("--cost-usd 877.19 --gain relative", 0, "promote", "earned its compute"),
        ("--cost-usd 877.20 --gain relative", 7, "better but too dear", "too dear"),
        ("--cost-usd 2400 --in-service 90d", 0, "promote", "earned its compute"),
        ("--baseline none", 0, "first model", "no approved model"),
        ("--baseline none --strict", 0, "first model", "no approved model"),
        ("--cost-usd 0", 0, "unjudged", "no known cost"),
        ("--cost-usd 0 --strict", 3, "unjudged", "no known cost"),
    ],
)
def test_the_exit_code_says_what_came_of_it(more: str, code: int, verdict: str, cause: str) -> None:
    document = answer(EXAMPLE, *shlex.split(more), code=code)
    assert (document["verdict"], document["cause"]) == (verdict, cause)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (f"--direction maximize --baseline 1 --candidate 2 {WORTH}", "what its training cost is not known"),
        (ASKED, "neither a worth nor a minimum gain per $1,000 is configured"),
    ],
)
def test_what_cannot_be_judged_is_said_loudly_and_rejects_nothing(asked: str, told: str) -> None:
    result = res(asked)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"costwatch: NOT JUDGED: {told}")
    assert "--strict would exit with 3" in result.stderr
    assert "Nothing is rejected that could not be judged" in result.stdout
    strict = res(asked, "--strict")
    assert strict.exit_code == 3
    assert "exit code 3, by --strict" in strict.stderr


def test_without_a_worth_the_gain_per_1000_usd_decides() -> None:
    assert answer(ASKED, "--min-gain-per-1000-usd", "0.000625", code=0)["score_kind"] == "raw"
    assert answer(ASKED, "--min-gain-per-1000-usd", "0.000626", code=7)["needed"] == 0.000626


# --- differences ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["0.001\n0.002\n\n 3e-3 \n", "[0.001, 0.002, 0.003]", '\ufeff["0.001", 0.002, 3e-3]'])
def test_differences_are_lines_or_a_list(body: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs"
    file.write_text(body, encoding="utf-8")
    for source, stdin in ((str(file), None), ("-", body.encode())):
        document = answer(EXAMPLE, "--cost-usd", "800", "--differences", source, code=0, stdin=stdin)
        assert document["noise_basis"] == "3 paired differences"
        assert document["standard_error"] == pytest.approx(0.001 / 3**0.5)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"0.1\nx\n", "--differences: line 2 is 'x', expected a number"),
        (b"[0.1, NaN]", "--differences: entry 2 is nan, expected a finite number"),
        (b"[0.1, null]", "--differences: entry 2 is NoneType, expected a number"),
        (b"[0.1", "--differences: it is neither a JSON list nor one number a line"),
        (b"", "--differences: it has 0 numbers, expected 2 or more"),
        (b"0.002", "--differences: it has 1 numbers, expected 2 or more"),
        (b"\xff\xfe0", "--differences: it is not UTF-8 text"),
        (b"-0.001\n-0.003\n", "--differences: the paired differences have a mean of -0.002"),
        (b"[" * 100_000, "--differences: it is neither a JSON list nor one number a line"),
    ],
)
def test_differences_that_are_none_are_named(body: bytes, told: str) -> None:
    assert told in wrong(EXAMPLE, "--differences", "-", stdin=body)


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", "--direction is missing: maximize or minimize (or --model NAME)"),
        ("--direction up", "'--direction': 'up' is not one of"),
        ("--direction maximize --candidate 1", "--baseline is missing: a number (none: nothing serves yet)"),
        ("--direction maximize --baseline 1", "--candidate is missing: a number"),
        ("--direction maximize --baseline 1 --candidate none", "'--candidate': it is 'none', expected a number"),
        (f"{EXAMPLE} --candidate nan", "'--candidate': it is nan, expected a finite number"),
        (f"{EXAMPLE} --baseline -inf", "'--baseline': it is -inf, expected a finite number"),
        (f"{EXAMPLE} --candidate 0,914", "'--candidate': it is '0,914', expected a number"),
        (f"{EXAMPLE} --candidate ''", "'--candidate': it is '', expected a number"),
        (f"{EXAMPLE} --cost-usd -1", "'--cost-usd': '-1' is no amount of USD"),
        (f"{EXAMPLE} --cost-usd nan", "'--cost-usd': 'nan' is no amount of USD"),
        (f"{EXAMPLE} --per 0", "'--per': 0 is not a number above 0"),
        (f"{EXAMPLE} --over 30", "'--over': '30' is not a duration"),
        (f"{EXAMPLE} --min-score 1", "'--min-score': 1 is not a score from 0 to 0.99"),
        (f"{EXAMPLE} --min-score -0.1", "'--min-score': -0.1 is not a score from 0 to 0.99"),
        (f"{EXAMPLE} --standard-errors 10.1", "'--standard-errors': 10.1 is not a number of standard errors"),
        (f"{EXAMPLE} --standard-error -0.1", "'--standard-error': -0.1 is not a number of 0 or more"),
        (f"{EXAMPLE} --sample-size 0", "'--sample-size'"),
        (f"{EXAMPLE} --min-gain 0", "'--min-gain': 0 is not a number above 0"),
        (f"{EXAMPLE} --worth-usd 0", "--worth-usd is 0, expected an amount of USD above 0"),
        (f"{ASKED} --worth-usd 1 --per 1", "--over is missing: it goes with --worth-usd"),
        (f"{ASKED} --over 30d", "--worth-usd is missing: it goes with --over"),
        (f"{ASKED} --min-score 0.5", "--min-score goes with --worth-usd, --per and --over"),
        (f"{ASKED} --in-service 30d", "--in-service goes with --worth-usd, --per and --over"),
        (f"{EXAMPLE} --min-gain-per-1000-usd 1", "--min-gain-per-1000-usd is for where there is no --worth-usd"),
        (f"{EXAMPLE} --metric auc --sample-size 9", "--sample-size: it tells nothing about the noise of auc"),
        (f"{EXAMPLE} --metric acc --sample-size 9 --candidate 91.4", "--sample-size: acc is 91.4 and 0.912, expected"),
        (f"{EXAMPLE} --standard-error 1 --sample-size 9", "--standard-error and --sample-size both tell the noise"),
        (f"{EXAMPLE} --gain relative --baseline 0", "--baseline is 0, and no gain is a share of nothing"),
        (f"{EXAMPLE} --metric ''", "--metric: '' is not a metric's name such as auc"),
        (f"{EXAMPLE} --also recall=1,1", "--also goes with --model"),
        (f"{EXAMPLE} --when-too-dear wait", "'--when-too-dear': 'wait' is not one of"),
        (f"{EXAMPLE} --differences nowhere", "'--differences': 'nowhere': No such file"),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_option(asked: str, told: str) -> None:
    assert told in wrong(asked)


# --- the configuration's rules ----------------------------------------------------------------------------------


NUMBERS = "--baseline 0.912 --candidate 0.914 --cost-usd 2400"
RECALL = "--also recall@country=DE=0.80,0.79"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "costwatch.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.mark.usefixtures("config")
def test_a_models_rules_come_from_the_configuration() -> None:
    document = answer(f"--model churn {NUMBERS} {RECALL}", code=0)
    assert (document["model"], document["metric"], document["worth_usd"]) == ("churn", "auc", "2400")
    assert answer(f"--model rank {NUMBERS}", code=7)["score_kind"] == "raw"
    assert lines(res(f"--model rank {NUMBERS}"))[0] == "Not promoted: rank. A real gain, too small for its cost."


@pytest.mark.usefixtures("config")
def test_a_guardrail_is_held_against_what_the_caller_says() -> None:
    broken = answer(f"--model churn {NUMBERS} --also recall@country=DE=0.80,0.78", code=7)
    assert (broken["verdict"], broken["cause"]) == ("reject", "guardrail")
    assert broken["reason"] == "recall@country=DE is 0.78, 0.02 worse than 0.80; 0.01 is allowed"
    unsaid = answer(f"--model churn {NUMBERS} --strict", code=3)
    assert unsaid["reason"] == "the candidate has no metric recall@country=DE in the options; it has auc"


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("also", "code", "cause"),
    [
        ("--also recall=none,0.7", 0, "no approved model"),
        ("--also recall=none,0.69", 7, "guardrail"),
        ("--also recall=0.8,0.69", 7, "guardrail"),
        ("", 3, "no metric"),
    ],
)
def test_a_first_model_is_held_against_a_floor(also: str, code: int, cause: str) -> None:
    asked = f"--model fresh --baseline none --candidate 0.9 --cost-usd 100 --strict {also}"
    assert answer(asked, code=code)["cause"] == cause
    assert "Production stays on what serves" not in res(asked).stdout, "nothing does"


def test_another_configuration_can_be_named(config: Path) -> None:
    other = config.rename(config.with_name("other.yaml"))
    assert answer(f"--model rank {NUMBERS} --config {other}", code=7)["model"] == "rank"
    assert "costwatch.yaml" in wrong(f"--model rank {NUMBERS}")


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            f"--model chrun {NUMBERS}",
            "--model: 'chrun' is not under res.models of costwatch.yaml, which has churn, fresh, rank",
        ),
        (f"--model churn {NUMBERS} --direction maximize", "--direction: the configuration says it for --model"),
        (f"--model churn {NUMBERS} --min-score 0.1", "--min-score: the configuration says it for --model"),
        (f"--model churn {NUMBERS} --also recall", "'--also': 'recall' is not NAME=BASELINE,CANDIDATE"),
        (f"--model churn {NUMBERS} --also recall=1,x", "'--also': recall of the candidate is 'x', expected a number"),
        (f"--model churn {NUMBERS} {RECALL} --also auc=0.5,0.99", "--also: auc is the model's own metric"),
        (f"--model churn {NUMBERS} {RECALL} {RECALL}", "--also: recall@country=DE is given twice: give it once"),
        (
            f"--model churn {NUMBERS} --also recall=0.8,0.8",
            "--also: 'recall' is no guardrail of churn, expected one of: recall@country=DE",
        ),
        (f"--model rank {NUMBERS} --also f1=1,1", "--also: 'f1' is no guardrail of rank, expected one of: none"),
        (f"--model churn {NUMBERS} --also recall@country=DE=none,1", "but --baseline says that something serves"),
        (f"--model churn {NUMBERS} --also recall@country=DE=1,none", "is 'none', expected a number"),
        ("--model churn --candidate 1", "--baseline is missing"),
    ],
)
def test_bad_input_about_a_model_names_the_option(asked: str, told: str) -> None:
    assert told in wrong(asked)
