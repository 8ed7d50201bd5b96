"""`costwatch estimate`: what it shows, what each exit code means, and what is wrong with what was asked."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from costwatch.adapters.prices import SeedPrices
from costwatch.cli import known_types, price_source
from costwatch.cli.estimate_shown import MARKER
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.core.prices import PriceTable, Trust, VolumeUse
from tests.support.priced import P4D, Priced
from tests.unit.test_job_bodies import PROCESSING, TRAINING, TUNING
from tests.unit.test_pipelines import PARAMETERS, get, train

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
VOLUMES = {(use, kind): "0.14" for use in VolumeUse for kind in ("gp2", "gp3")}
ASKED = f"--service sagemaker --instance-type {P4D} --count 2 --max-runtime 24h"


@pytest.fixture(autouse=True)
def prices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Priced:
    """A table that no refresh changes, in a directory without a configuration, without AWS and without a network."""
    table = Priced(volumes=VOLUMES, spot={"p4d.24xlarge": ("9.1", "11.4")})
    use(monkeypatch, table)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))

    def refused(*_: object) -> None:
        raise AssertionError("an estimate needs no network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    return table


def use(monkeypatch: pytest.MonkeyPatch, table: PriceTable) -> None:
    monkeypatch.setattr(price_source, "prices_for", lambda session, now: table)


def estimate(
    asked: str = ASKED, *more: str, region: str = "us-east-1", stdin: bytes | None = None, **env: str
) -> Result:
    environ = {"AWS_REGION": region} if region else {}
    tools = Tools(environ=environ, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))
    settings = {"COLUMNS": "80", "NO_COLOR": "1", **env}
    arguments = ["estimate", *shlex.split(asked), *more]
    return CliRunner().invoke(main, arguments, obj=tools, env=settings, input=stdin, prog_name="costwatch")


def answer(asked: str = ASKED, *more: str, code: int = 0, **rest: Any) -> dict[str, Any]:
    result = estimate(asked, *more, "--json", **rest)
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def wrong(asked: str, *more: str, **rest: Any) -> str:
    """What is said of bad input: a line, and perhaps where to look."""
    result = estimate(asked, *more, **rest)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    first, *others = result.stderr.splitlines()
    assert others in ([], ["costwatch: see costwatch estimate --help"])
    return first


def written(tmp_path: Path, body: Any, name: str = "job.json") -> str:
    path = tmp_path / name
    path.write_text(json.dumps(body), encoding="utf-8")
    return str(path)


def pipeline(*steps: Any) -> dict[str, Any]:
    return {"Version": "2020-12-01", "Parameters": PARAMETERS, "Steps": list(steps)}


def stated(name: str, shown: str) -> None:
    """As it was reviewed. Blanks at the ends of lines do not count."""
    lines = [line.rstrip() for line in shown.splitlines()]
    golden = GOLDEN / name
    if os.environ.get("COSTWATCH_WRITE_GOLDEN"):
        golden.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == golden.read_text(encoding="utf-8").splitlines(), name


# --- shown as reviewed -------------------------------------------------------------------------------

FULL = f"{ASKED} --expected-runtime 6h --warm-pool 30m --volume-gb 100"


def test_the_json_of_a_job_is_as_it_was_agreed_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Priced(volumes=VOLUMES, multipliers={P4D: "0.71"}, trust=Trust.STALE))
    stated("estimate-job.json", estimate(FULL, "--json").stdout)


def test_the_json_of_a_pipeline_is_as_it_was_agreed_upon(tmp_path: Path) -> None:
    body = pipeline(
        {"Name": "Features", "Type": "Processing", "Arguments": PROCESSING},
        train(InstanceCount=get("Count")),
        {"Name": "Score", "Type": "Transform", "Arguments": {}},
        {"Name": "Register", "Type": "RegisterModel", "Arguments": {}},
    )
    shown = estimate("--json --pipeline", written(tmp_path, body))
    assert shown.exit_code == 3
    stated("estimate-pipeline.json", shown.stdout)


def test_the_keys_of_the_contract_come_first_and_in_their_order() -> None:
    keys = list(answer())
    assert keys[:9] == [
        "currency", "hourly_usd", "expected_usd", "p90_usd", "worst_case_usd", "gpu_hours", "confidence",
        "price_as_of", "line_items",
    ]  # fmt: skip
    assert list(answer()["line_items"][0])[:5] == ["what", "quantity", "unit", "unit_price_usd", "hourly_usd"]


def test_a_terminal_shows_lines_totals_basis_and_prices() -> None:
    stated("estimate-job.txt", estimate(FULL).stdout)
    stated("estimate-job-wide.txt", estimate(FULL, COLUMNS="120").stdout)


def test_a_terminal_shows_a_pipeline_step_by_step(tmp_path: Path) -> None:
    body = pipeline(train(), train("Fine"), {"Name": "Ask", "Type": "Callback"})
    stated("estimate-pipeline.txt", estimate("--pipeline", written(tmp_path, body)).stdout)


def test_the_markdown_is_as_it_was_reviewed(tmp_path: Path) -> None:
    shown = estimate("--markdown --expected-runtime 6h --fail-above 400 --job", written(tmp_path, TRAINING))
    assert shown.exit_code == 4
    stated("estimate-job.md", shown.stdout)


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_it_is_readable_from_sixty_columns_on(columns: str) -> None:
    shown = estimate(FULL, COLUMNS=columns).stdout
    assert all(len(line.rstrip()) <= int(columns) for line in shown.splitlines() if "$" in line)
    assert "$1,212.06" in shown


# --- amounts -----------------------------------------------------------------------------------------


def test_amounts_are_text_with_every_digit() -> None:
    shown = answer(f"--service training --instance-type {P4D} --max-runtime 24h")
    assert (shown["hourly_usd"], shown["worst_case_usd"]) == ("25.251286", "606.030864")
    assert shown["gpu_hours"] == "192"
    assert (shown["confidence"], shown["price_as_of"]) == ("list", "2026-11-14")
    small = answer(f"--service training --instance-type {P4D} --max-runtime 1s")
    assert Decimal(small["expected_usd"]) == Decimal("25.251286") / 3600
    assert "E" not in small["expected_usd"]


@pytest.mark.parametrize(
    ("asked", "worst"),
    [
        ("--service ec2 --instance-type p4d.24xlarge --max-runtime 1h", "21.957642"),
        ("--service ec2 --instance-type p4d.24xlarge --max-runtime 1h --spot", "21.957642"),
        ("--service ec2 --instance-type g5.xlarge --max-runtime 72h --volume-gb 100", "73.832"),
        ("--service ec2 --instance-type g5.xlarge --max-runtime 72h --volume-gb 100 --volume-kind gp2", "73.832"),
        ("--service processing --instance-type ml.m5.xlarge --count 2 --max-runtime 1h", "0.46"),
        ("--service tuning --instance-type ml.g5.xlarge --max-runtime 2h --jobs 20 --parallel 4", "56.32"),
        (
            "--service tuning --instance-type ml.g5.xlarge --max-runtime 2h --jobs 9 --parallel 4 --total-runtime 2h",
            "11.264",
        ),
        ("--service training --instance-type ml.g5.xlarge --max-runtime 2h --spot", "2.816"),
        ("--service training --instance-type ml.g5.xlarge --max-runtime 2h --prepaid", "0"),
        ("--service training --instance-type ml.g5.xlarge --max-runtime 2h --warm-pool 1h", "4.224"),
    ],
)
def test_each_service_and_option_is_priced(asked: str, worst: str) -> None:
    assert answer(asked)["worst_case_usd"] == worst


def test_spot_and_prepaid_say_what_they_are() -> None:
    spot = answer("--service ec2 --instance-type p4d.24xlarge --max-runtime 10h --spot")
    assert (spot["expected_usd"], spot["p90_usd"], spot["confidence"]) == ("91", "114", "spot-p90")
    managed = estimate(f"--service training --instance-type {P4D} --max-runtime 1h --spot", COLUMNS="200").stdout
    assert "managed spot training at list price, its upper bound" in managed
    prepaid = answer(f"--service training --instance-type {P4D} --max-runtime 10h --prepaid")
    assert (prepaid["expected_usd"], prepaid["list_value_usd"], prepaid["confidence"]) == ("0", "252.51286", "prepaid")
    assert (
        "$0.00 more, prepaid with a list value of $252.51."
        in estimate(f"--service training --instance-type {P4D} --max-runtime 10h --prepaid").stdout
    )


# --- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "worst"), [(TRAINING, "606.030864"), (TUNING, "56.32"), (PROCESSING, "0.7075")]
)  # fmt: skip
def test_a_job_may_be_a_file_or_standard_input(tmp_path: Path, body: Any, worst: str) -> None:
    assert answer("--job", written(tmp_path, body))["worst_case_usd"] == worst
    assert answer("--job -", stdin=json.dumps(body).encode())["worst_case_usd"] == worst


def test_a_pipelines_parameters_can_be_set(tmp_path: Path) -> None:
    path = written(tmp_path, pipeline(train(InstanceCount=get("Count"), InstanceType=get("Type"))))
    assert answer("--pipeline", path)["worst_case_usd"] == "2.816"
    given = ("--parameter", "Count=3", "--parameter", "Type=ml.g5.12xlarge")
    assert answer("--pipeline", path, *given)["worst_case_usd"] == "21.27"


def test_every_line_of_a_pipeline_says_its_step(tmp_path: Path) -> None:
    shown = answer("--pipeline", written(tmp_path, pipeline(train("A"), train("B"))))
    assert [line["step"] for line in shown["line_items"]] == ["A", "B"]
    assert [step["worst_case_usd"] for step in shown["steps"]] == ["1.408", "1.408"]


@pytest.mark.parametrize(
    ("body", "option", "says"),
    [
        (b"instance: p4d", "--job", "no JSON: Expecting value"),
        (b"[1]", "--job", "expected a JSON object, got of kind list"),
        (b" " * 5_000_000, "--job", "it is larger than 4 MiB"),
        (b'{"a": ' + b"[" * 100_000, "--pipeline", "it is nested too deeply"),
        (json.dumps(TRAINING).encode(), "--pipeline", "Steps is missing"),
        (b'{"Steps": []}', "--job", "give it with --pipeline"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, body: bytes, option: str, says: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(body)
    assert says in wrong(option, str(path))
    if option == "--job":
        assert says in wrong("--job -", stdin=body)


def test_files_that_are_not_there_are_bad_input(tmp_path: Path) -> None:
    assert "No such file" in wrong("--job nowhere.json")
    assert "directory" in wrong("--job", str(tmp_path)).lower()


# --- exit codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "judge_by", "code"),
    [
        ("1212.061728", "forecast_p90", 0),
        ("1212.061727", "forecast_p90", 4),
        ("1212.061727", "worst_case", 4),
        ("303.015432", "expected", 0),
        ("303.015431", "expected", 4),
        ("0", "expected", 4),
    ],
)
def test_exactly_the_threshold_passes_and_a_millionth_more_does_not(limit: str, judge_by: str, code: int) -> None:
    asked = f"{ASKED} --expected-runtime 6h --fail-above {limit} --judge-by {judge_by}"
    assert estimate(asked).exit_code == code
    assert answer(asked, code=code)["worst_case_usd"] == "1212.061728", "printed all the same"


def test_what_is_above_the_threshold_is_said_on_standard_error() -> None:
    result = estimate(f"{ASKED} --fail-above 400", "--json")
    assert result.stderr == "costwatch: The p90, $1,212.06, is above $400.00\n"
    near = estimate(f"{ASKED} --fail-above 1212.061727")
    assert "is above $1,212.06 by $0.000001" in near.stderr


def test_the_default_judges_the_p90_and_not_the_expected() -> None:
    assert estimate(f"{ASKED} --expected-runtime 1h --fail-above 500").exit_code == 4


def test_an_unknown_price_is_3_with_and_without_a_threshold_and_is_printed() -> None:
    asked = "--service sagemaker --instance-type ml.p9.48xlarge --max-runtime 1h"
    shown = estimate(asked)
    assert shown.exit_code == 3
    assert "No known price: ml.p9.48xlarge in us-east-1" in shown.stdout
    assert shown.stderr == "note: no known price: ml.p9.48xlarge in us-east-1\n"
    judged = estimate(f"{asked} --fail-above 1000000")
    assert judged.exit_code == 3
    assert "The p90 is unknown" in judged.stderr
    assert answer(asked, code=3)["expected_usd"] is None


def test_what_a_threshold_looks_at_decides_though_something_else_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Priced(rates={}, spot={"p4d.24xlarge": ("9.1", "11.4")}))
    asked = "--service ec2 --instance-type p4d.24xlarge --max-runtime 10h --spot"
    assert estimate(asked).exit_code == 3
    assert estimate(f"{asked} --fail-above 114").exit_code == 0
    assert estimate(f"{asked} --fail-above 113").exit_code == 4
    assert estimate(f"{asked} --fail-above 1000 --judge-by worst_case").exit_code == 3


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            "--service sagemaker --instance-type ml.p4d.24xlrge --max-runtime 1h",
            "instance_type: 'ml.p4d.24xlrge' is no instance type; did you mean 'ml.p4d.24xlarge'",
        ),
        (
            "--service ec2 --instance-type p4d --max-runtime 1h",
            "'p4d' is no instance type; expected one such as p4d.24xlarge",
        ),
        ("--service ec2 --instance-type P4D.24XLARGE --max-runtime 1h", "did you mean 'p4d.24xlarge'?"),
        ("--service ec2 --instance-type ml.p4d.24xlarge --max-runtime 1h", "did you mean 'p4d.24xlarge'?"),
        ("--service training --instance-type p4d.24xlarge --max-runtime 1h", "did you mean 'ml.p4d.24xlarge'?"),
        ("--service sagemaker --instance-type '' --max-runtime 1h", "'' is no instance type"),
        (f"--service sagemaker --instance-type {P4D}", "--max-runtime is missing (or --job FILE, or --pipeline FILE)"),
        (f"--instance-type {P4D} --max-runtime 1h", "--service is missing"),
        ("--service sagemaker --max-runtime 1h", "--instance-type is missing"),
        ("--service batch", "'batch' is not one of"),
        (f"{ASKED} --count 0", "instance_count: 0 is no number of instances"),
        (f"{ASKED} --count -2", "instance_count: -2 is no number of instances"),
        (f"{ASKED} --count 1.5", "'1.5' is not a valid integer"),
        (f"{ASKED} --max-runtime 24", "a bare number has no unit"),
        (f"{ASKED} --max-runtime 0h", "must be longer than zero"),
        (f"{ASKED} --max-runtime -1h", "is not a duration"),
        (f"{ASKED} --max-runtime 29d", "max_runtime: 696h is above the service's limit of 672h"),
        (f"{ASKED} --expected-runtime 25h", "expected_runtime: 25h is longer than max_runtime, 24h"),
        (f"{ASKED} --jobs 3", "only a tuning job starts several jobs"),
        (f"{ASKED} --spot --prepaid", "--spot and --prepaid: give one of them"),
        (f"{ASKED} --volume-gb 0", "volume_gb: 0 is no number of GB"),
        (f"{ASKED} --volume-gb 10 --volume-kind gp3", "volume_kind: SageMaker attaches gp2"),
        (f"{ASKED} --volume-kind gp2", "--volume-kind goes with --volume-gb"),
        (f"{ASKED} --warm-pool 7h", "warm_pool: expected at most 6h"),
        (
            "--service processing --instance-type ml.m5.xlarge --max-runtime 1h --warm-pool 1h",
            "warm_pool: only training jobs",
        ),
        (
            "--service processing --instance-type ml.m5.xlarge --max-runtime 1h --spot",
            "purchase: a processing job is on-demand",
        ),
        (f"{ASKED} --json --markdown", "--json and --markdown are two documents: give one of them"),
        (f"{ASKED} --fail-above cheap", "'cheap' is no amount of USD such as 400 or 99.50"),
        (f"{ASKED} --fail-above -1", "'-1' is no amount of USD"),
        (f"{ASKED} --fail-above nan", "'nan' is no amount of USD"),
        (f"{ASKED} --judge-by p50", "'p50' is not one of"),
        (f"{ASKED} --currency EUR", "No such option"),
        (f"{ASKED} --parameter A=1", "--parameter goes with --pipeline"),
        (f"{ASKED} --parameter A", "'A' is no parameter; expected NAME=VALUE"),
        (f"{ASKED} --region us-esat-1", "did you mean 'us-east-1'?"),
        (f"{ASKED} --region Ireland", "--region: 'Ireland' is no region; expected one such as us-east-1"),
    ],
)
def test_bad_input_is_2_and_one_sentence_that_names_it(asked: str, says: str) -> None:
    assert says in wrong(asked)


@pytest.mark.parametrize("option", ["--service ec2", "--count 2", "--spot", "--max-runtime 1h", "--warm-pool 1h"])
def test_what_a_file_says_is_not_said_twice(tmp_path: Path, option: str) -> None:
    path = written(tmp_path, TRAINING)
    name = option.split(maxsplit=1)[0]
    assert f"{name}: the file of --job says it; give one of them" in wrong(f"{option} --job", path)


def test_a_job_and_a_pipeline_are_not_both_taken(tmp_path: Path) -> None:
    path = written(tmp_path, TRAINING)
    assert "--job and --pipeline: give one of them" in wrong("--job", path, "--pipeline", path)
    steps = written(tmp_path, pipeline(train()), "pipeline.json")
    assert "--expected-runtime is of one job" in wrong("--expected-runtime 1h --pipeline", steps)


def test_a_step_with_a_misspelt_type_is_bad_input(tmp_path: Path) -> None:
    path = written(tmp_path, pipeline(train(InstanceType="ml.g5.xlrge")))
    assert "'ml.g5.xlrge' is no instance type; did you mean 'ml.g5.xlarge'" in wrong("--pipeline", path)


def test_a_type_that_may_exist_is_unknown_with_what_may_have_been_meant() -> None:
    result = estimate("--service ec2 --instance-type p4d.42xlarge --max-runtime 1h")
    assert result.exit_code == 3
    assert "no known price: p4d.42xlarge in us-east-1; did you mean 'p4d.24xlarge'" in result.stderr


# --- where it runs -----------------------------------------------------------------------------------


def test_the_region_is_given_or_the_home_region_or_asked_for(tmp_path: Path) -> None:
    assert answer(ASKED, "--region", "eu-west-1")["region"] == "eu-west-1"
    assert answer(ASKED, region="us-west-2")["region"] == "us-west-2"
    assert "no region: give --region" in wrong(ASKED, region="")
    (tmp_path / "costwatch.yaml").write_text(
        'version: 1\nregions: [eu-central-1]\nslack: {platform_channel: "#ml"}\n', encoding="utf-8"
    )
    assert answer(ASKED, region="")["region"] == "eu-central-1"


def test_it_works_as_a_process_without_credentials_configuration_or_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "costwatch.cli", "estimate", *shlex.split(ASKED), "--region", "us-east-1", "--json"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "lambdas"), "HOME": "/nonexistent"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["worst_case_usd"] == "1212.061728"


# --- other people's text -----------------------------------------------------------------------------

RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("|`\\*_[]()<>&#@!~$:/w.\n-+="), min_size=1, max_size=40))
@settings(deadline=None)
def test_a_steps_name_is_nothing_but_text_in_a_comment(name: str) -> None:
    body = json.dumps(pipeline(train(name), train(f"{name} again"))).encode()
    shown = estimate("--markdown --pipeline -", stdin=body)
    assert shown.exit_code == 0, shown.output
    rendered = RENDERER.render(shown.stdout)
    assert rendered.count("<tr>") == 4 + 2
    assert shown.stdout.startswith(f"{MARKER}\n\n### Costwatch: at most $2.82, expected $2.82\n")
    for forbidden in ("<a ", "<img", "<script", "<em>x", "<code>"):
        assert forbidden not in rendered


def test_a_name_that_steers_a_terminal_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    path = written(tmp_path, {**TRAINING, "TrainingJobName": "a\x1b[31mb\u202ec"})
    shown = estimate("--job", path).stdout
    assert "\x1b" not in shown
    assert "a?[31mb?c" in shown


# --- what the documents say --------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "docs/guides/estimate.md"])
def test_an_estimate_is_shown_as_it_is_printed(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, SeedPrices())
    _, _, told = (ROOT / page).read_text(encoding="utf-8").partition("$ costwatch estimate ")
    command, _, rest = told.replace("\\\n", "").partition("\n")
    printed = estimate(command, COLUMNS="100")
    assert printed.exit_code == 0
    lines = [line.rstrip() for line in printed.stdout.splitlines()]
    assert lines == rest.partition("```")[0].splitlines()


def test_every_estimate_of_the_guide_is_one_that_can_be_asked_for(tmp_path: Path) -> None:
    body = {**pipeline(train()), "Parameters": [{"Name": "Epochs", "Type": "Integer", "DefaultValue": 1}]}
    written(tmp_path, body, "churn.json")
    for name in ("create-training-job.json", "train.json"):
        written(tmp_path, TRAINING, name)
    guide = (ROOT / "docs" / "guides" / "estimate.md").read_text(encoding="utf-8")
    lines = [line for line in guide.splitlines() if line.startswith("costwatch estimate ")]
    # That with past runs asks a deployment: it has tests of its own.
    commands = [line.partition("#")[0] for line in lines if "--past-runs" not in line]
    assert (len(commands), len(lines)) == (4, 5)
    codes = [estimate(command.removeprefix("costwatch estimate ")).exit_code for command in commands]
    assert codes == [0, 0, 4, 0]


def test_the_guide_names_every_key_of_the_contract_in_its_order() -> None:
    guide = (ROOT / "docs/guides/github-actions.md").read_text(encoding="utf-8")
    keys = re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)
    shown = answer()
    assert keys == list(shown)
    for part in ("line_items", "steps"):
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{part}` |"))
        named = re.findall(r"`(\w+)`", row)[1:]
        assert [key for key in shown[part][0] if key in named] == named


# --- beside ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "offered"),
    [("--service ec2 --instance-type p4d", ["p4d.24xlarge"]), ("--instance-type ml.p4d.", ["ml.p4d.24xlarge"])],
)
def test_known_types_complete_in_a_shell(words: str, offered: list[str]) -> None:
    line = f"costwatch estimate {words}"
    environ = {"_COSTWATCH_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "costwatch.cli"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "lambdas"), "HOME": "/nonexistent", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in done.stdout.split() if "p4de" not in name] == [f"plain,{name}" for name in offered]


def test_every_known_type_is_spelt_as_types_are() -> None:
    in_ec2 = known_types.known(sagemaker=False)
    assert {"p4d.24xlarge", "trn2.48xlarge", "m5.xlarge"} <= in_ec2
    assert {P4D, "ml.c5.9xlarge"} <= known_types.known(sagemaker=True)
    assert all(not known_types.problem(name, sagemaker=False) for name in in_ec2)
    assert all(not known_types.problem(name, sagemaker=True) for name in known_types.known(sagemaker=True))


def test_estimate_explains_itself_with_its_exit_codes() -> None:
    text = CliRunner().invoke(main, ["estimate", "--help"], prog_name="costwatch").stdout
    assert "--json" in text
    assert "3 a price is unknown" in " ".join(text.split())
    assert "USD" in text
