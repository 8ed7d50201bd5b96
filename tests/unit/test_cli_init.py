"""costwatch init without AWS: answers become a file that check-config takes, and what was there is never lost."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.config.loader import Loaded, load
from costwatch.core.policy import Mode
from tests.support.command_line import FakeSts

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ANSWERS = (
    "--account", "111122223333", "--regions", "eu-west-1,us-east-1", "--timezone", "Europe/Berlin",
    "--channel", "#ml-platform", "--email", "ml@example.com", "--mode", "warn", "--max-runtime", "20h",
    "--above-usd", "250.50", "--approvers", "@risk-leads,arn:aws:iam::111122223333:role/Platform",
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(
    *arguments: str, answers: str = "", clients: dict[str, Any] | None = None, terminal: str = "", **environ: str
) -> Result:
    """`terminal`: so many columns of one; empty: a program reads."""
    tools = Tools(environ=environ, clock=lambda: NOW, clients=clients or {})
    env = {"COLUMNS": terminal or "100", "NO_COLOR": "1", "FORCE_COLOR": "1" if terminal else ""}
    return CliRunner().invoke(main, ["init", *arguments], obj=tools, env=env, input=answers, prog_name="costwatch")


def written(name: str = "costwatch.yaml") -> Loaded:
    loaded = load(Path(name))
    assert loaded.warnings == ()
    return loaded


def test_every_question_has_an_option_and_what_it_says_stands_in_the_file() -> None:
    result = init("--yes", "--offline", *ANSWERS)
    assert result.exit_code == 0, result.output
    config = written().config
    assert (config.account, config.regions, config.timezone) == (
        "111122223333", ("eu-west-1", "us-east-1"), "Europe/Berlin",
    )  # fmt: skip
    assert (config.slack.platform_channel, config.email.to) == ("#ml-platform", ("ml@example.com",))
    assert (config.dead_man.mode, config.approval.mode) == (Mode.WARN, Mode.WARN)
    assert config.dead_man.max_runtime.total_seconds() == 20 * 3600
    [tier] = config.approval.tiers
    assert (tier.above_usd, tier.approvers) == (
        Decimal("250.50"),
        ("@risk-leads", "arn:aws:iam::111122223333:role/Platform"),
    )


def test_with_nothing_but_yes_it_observes_jobs_and_is_valid() -> None:
    result = init("--yes", "--offline", AWS_REGION="eu-central-1", TZ="Europe/Berlin")
    assert result.exit_code == 0, result.output
    config = written().config
    assert (config.account, config.regions, config.timezone) == (None, ("eu-central-1",), "Europe/Berlin")
    assert config.dead_man.mode is Mode.OBSERVE
    assert [selector.name for selector in config.dead_man.selectors] == ["sagemaker"]
    assert not config.slack.platform_channel


def test_what_comes_next_is_said_with_the_commands_that_store_slacks_secrets() -> None:
    said = init("--yes", "--offline", *ANSWERS).stdout.splitlines()
    assert said[0] == "costwatch.yaml is written. Next:"
    stored = '--region eu-west-1 --type SecureString --overwrite --value "$SECRET"'
    assert [line.strip() for line in said if line.startswith("  ")] == [
        "costwatch check-config",
        f"make -C {ROOT} bootstrap CONFIG={Path.cwd()}/costwatch.yaml   # once per account and region",
        f"make -C {ROOT} deploy CONFIG={Path.cwd()}/costwatch.yaml",
        "costwatch slack-manifest > manifest.yaml",
        f"read -rs SECRET && aws ssm put-parameter --name /costwatch/slack-token {stored}",
        f"read -rs SECRET && aws ssm put-parameter --name /costwatch/slack-signing-secret {stored}",
        "costwatch doctor",
    ]


@pytest.mark.parametrize("columns", ["40", "60", "100"])
def test_a_command_to_copy_is_one_line_however_narrow_the_terminal_is(columns: str) -> None:
    narrow = init("--yes", "--offline", *ANSWERS, "prod.yaml", terminal=columns).stdout.splitlines()
    wide = init("--yes", "--offline", *ANSWERS, "prod.yaml").stdout.splitlines()
    commands = [line for line in wide if line.startswith("  ")]
    assert len(commands) == 7
    assert [line for line in narrow if line.startswith("  ")] == commands
    assert len(max(narrow, key=len)) > 100
    assert len(narrow) > len(wide) or columns == "100"  # what is no command is wrapped as ever


@pytest.mark.parametrize(
    ("file", "argument", "of_make"),
    [
        ("a b.yaml", "'a b.yaml'", "'{here}/a b.yaml'"),
        ("a'b.yaml", """'a'"'"'b.yaml'""", """'{here}/a'"'"'b.yaml'"""),
        ("a$b.yaml", "'a$b.yaml'", "'{here}/a$$b.yaml'"),
        ("-a.yaml", "./-a.yaml", "{here}/-a.yaml"),
    ],
)
def test_a_name_that_a_shell_would_read_otherwise_is_quoted_in_the_commands(
    file: str, argument: str, of_make: str
) -> None:
    said = init("--yes", "--offline", "--", file).stdout
    assert f"  costwatch check-config {argument}\n" in said
    assert f"  make -C {ROOT} deploy CONFIG={of_make.format(here=Path.cwd())}\n" in said
    assert f"  costwatch doctor --config {argument}\n" in said
    written(file)


def test_in_the_clone_itself_make_needs_no_place(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.chdir(ROOT)
    said = init("--yes", "--offline", str(here / "prod.yaml")).stdout
    assert f"  make deploy CONFIG={here}/prod.yaml\n" in said
    assert f"  make bootstrap CONFIG={here}/prod.yaml   # once" in said


def test_without_slack_no_secret_is_asked_for_and_another_name_goes_along() -> None:
    said = init("--yes", "--offline", "prod.yaml").stdout
    assert "put-parameter" not in said
    assert "costwatch check-config prod.yaml" in said
    assert f"make -C {ROOT} deploy CONFIG={Path.cwd()}/prod.yaml\n" in said
    assert "costwatch doctor --config prod.yaml" in said
    written("prod.yaml")


def test_questions_take_their_defaults_on_return_and_a_wrong_answer_is_asked_again() -> None:
    answers = ["", "", "Europe/Berln", "Europe/Berlin", "ml-platform", "#ml-platform", "", "", "12", "8h", "", ""]
    result = init("--offline", answers="\n".join(answers) + "\n", AWS_REGION="us-west-2")
    assert result.exit_code == 0, result.output
    assert "did you mean 'Europe/Berlin'?" in result.output
    assert "is not a Slack channel such as" in result.output
    config = written().config
    assert (config.regions, config.timezone, config.slack.platform_channel) == (
        ("us-west-2",), "Europe/Berlin", "#ml-platform",
    )  # fmt: skip
    assert config.dead_man.max_runtime.total_seconds() == 8 * 3600


def test_an_option_that_is_given_is_not_asked_about() -> None:
    result = init("--offline", *ANSWERS)
    assert result.exit_code == 0, result.output
    assert "Account to deploy into" not in result.stdout
    written()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--account", "1234", "'1234' is not an account id of 12 digits, such as 111122223333, nor 'any'"),
        ("--regions", "us-east-1,us-esat-1", "did you mean 'us-east-1'?"),
        ("--channel", "ml-platform", "is not a Slack channel"),
        ("--email", "ml", "is not an e-mail address"),
        ("--mode", "enforce", "is not one of"),
        ("--max-runtime", "12", "12"),
        ("--above-usd", "0", "is not an amount in USD above 0"),
        ("--approvers", "@risk-leads,maria", "is not an approver"),
    ],
)
def test_a_value_that_the_configuration_would_refuse_is_one_sentence_and_nothing_is_written(
    here: Path, option: str, value: str, said: str
) -> None:
    result = init("--yes", "--offline", option, value)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert option in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--max-runtime", "72h1s", "max_runtime (72h1s) is longer than hard_cap (72h)"),
        ("--regions", "us-east-1,cn-north-1", "'cn-north-1' is of partition aws-cn and 'us-east-1' of aws"),
        ("--regions", "", "'' is not an AWS region such as us-east-1"),
        ("--timezone", "", "'' is not an IANA time zone"),
        ("--max-runtime", " ", "'' is not a duration"),
        ("--above-usd", "", "an amount in USD"),
    ],
)
def test_what_fits_no_file_of_init_is_refused_where_it_is_given(here: Path, option: str, value: str, said: str) -> None:
    result = init("--yes", "--offline", option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
    assert said in " ".join(result.stderr.split())
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("given", "in_file"), [("1e3", "1000"), ("250.50", "250.50"), ("100", "100")])
def test_an_amount_stands_in_the_file_in_digits(given: str, in_file: str) -> None:
    assert init("--yes", "--offline", "--above-usd", given).exit_code == 0
    assert f"above_usd: {in_file}   # of the forecast" in Path("costwatch.yaml").read_text("utf-8")
    written()


def test_a_runtime_as_long_as_the_hard_cap_is_taken() -> None:
    assert init("--yes", "--offline", "--max-runtime", "72h").exit_code == 0
    assert written().config.dead_man.max_runtime.total_seconds() == 72 * 3600


def test_a_runtime_or_regions_that_fit_no_file_are_asked_again_and_no_answer_is_lost() -> None:
    answers = ["", "us-east-1,cn-north-1", "eu-west-1", "", "", "", "", "100h", "20h", "", ""]
    result = init("--offline", answers="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.output
    config = written().config
    assert (config.regions, config.dead_man.max_runtime.total_seconds()) == (("eu-west-1",), 20 * 3600)


def test_a_setting_of_aws_that_no_file_may_have_is_said_by_its_key_and_nothing_is_written(here: Path) -> None:
    result = init("--yes", "--offline", AWS_REGION="mars")
    assert result.exit_code == 2
    assert "these answers do not fit together, and nothing was written:" in result.stderr
    assert "costwatch: regions[0]: 'mars' is not an AWS region" in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("said", ["any", "ANY"])
def test_any_account_can_be_answered_though_the_question_has_a_default(said: str) -> None:
    assert init("--yes", "--offline", "--account", said).exit_code == 0
    assert written().config.account is None
    assert init("--offline", "other.yaml", answers=f"{said}\n" + 8 * "\n").exit_code == 0
    assert written("other.yaml").config.account is None


def test_what_check_config_would_warn_of_is_said_when_the_file_is_written() -> None:
    result = init("--yes", "--offline", "--mode", "warn")
    assert result.exit_code == 0, result.output
    warnings = load(Path("costwatch.yaml")).warnings
    assert warnings
    assert [f"warning: {each}" for each in warnings] == result.stderr.splitlines()
    assert "by slack or email above" in Path("costwatch.yaml").read_text("utf-8")


# --- a file that is there ---------------------------------------------------------------------------------------------


def test_over_a_file_that_is_there_it_asks_and_no_leaves_it(here: Path) -> None:
    Path("costwatch.yaml").write_text("mine", "utf-8")
    result = init("--offline", *ANSWERS, answers="n\n")
    assert result.exit_code == 4
    assert "costwatch.yaml is there. Write it anew, with nothing of it? The old one is kept [y/N]" in result.stdout
    assert [(each.name, each.read_text("utf-8")) for each in here.iterdir()] == [("costwatch.yaml", "mine")]


@pytest.mark.parametrize(("arguments", "answers"), [((), "y\n"), (("--yes",), "")])
def test_what_was_there_is_kept_and_so_is_what_was_kept_before(
    here: Path, arguments: tuple[str, ...], answers: str
) -> None:
    Path("costwatch.yaml").write_text("second", "utf-8")
    Path("costwatch.yaml").chmod(0o600)
    Path("costwatch.yaml.bak").write_text("first", "utf-8")
    result = init("--offline", *ANSWERS, *arguments, answers=answers)
    assert result.exit_code == 0, result.output
    assert "what costwatch.yaml was is kept as" in result.stderr
    kept = {name: (here / name).read_text("utf-8") for name in ("costwatch.yaml.bak", "costwatch.yaml.bak2")}
    assert kept == {"costwatch.yaml.bak": "first", "costwatch.yaml.bak2": "second"}
    modes = {name: (here / name).stat().st_mode & 0o777 for name in ("costwatch.yaml", "costwatch.yaml.bak2")}
    assert modes == {"costwatch.yaml": 0o600, "costwatch.yaml.bak2": 0o600}
    written()


def test_a_file_that_is_a_link_stays_one(here: Path) -> None:
    (here / "real.yaml").write_text("old", "utf-8")
    Path("costwatch.yaml").symlink_to("real.yaml")
    assert init("--yes", "--offline").exit_code == 0
    assert Path("costwatch.yaml").is_symlink()
    assert (here / "real.yaml.bak").read_text("utf-8") == "old"


@pytest.mark.parametrize("answers", ["", "y\n", "y\n\n\n"])
def test_where_nobody_answers_it_says_how_to_go_without_and_changes_nothing(here: Path, answers: str) -> None:
    Path("costwatch.yaml").write_text("mine", "utf-8")
    result = init("--offline", answers=answers)
    assert result.exit_code == 2
    assert "nobody can answer here: give --yes, and an option for each answer that is not to be the" in result.stderr
    assert [(each.name, each.read_text("utf-8")) for each in here.iterdir()] == [("costwatch.yaml", "mine")]


def test_whoever_sits_at_a_terminal_and_ends_it_is_not_told_that_nobody_is_there(here: Path) -> None:
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, b"\x04")  # Ctrl-D
        command = [sys.executable, "-m", "costwatch.cli", "init", "--offline"]
        result = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60, check=False)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert (result.returncode, result.stderr.strip()) == (1, "costwatch: interrupted")
    assert list(here.iterdir()) == []


def test_a_closed_input_is_nobody_too(here: Path) -> None:
    command = ["sh", "-c", 'exec "$0" -m costwatch.cli init --offline <&-', sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "nobody can answer here" in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (".", "is a directory"),
        ("no/such/costwatch.yaml", "is no directory"),
        ("", "'' is no name of a file"),
        ("-", "'-' is no name of a file"),
        ("a\nb.yaml", "has characters that cannot be printed"),
        ("pipe", "is no regular file"),
    ],
)
@pytest.mark.parametrize("yes", [("--yes",), ()])
def test_a_place_where_no_file_can_be_is_said_before_anything_is_asked(
    here: Path, file: str, said: str, yes: tuple[str, ...]
) -> None:
    os.mkfifo("pipe")
    result = init("--offline", *yes, "--", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert [each.name for each in here.iterdir()] == ["pipe"]
    assert Path("pipe").is_fifo()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a directory that takes no file, not even root's")
def test_a_directory_that_takes_no_file_is_one_sentence() -> None:
    result = init("--yes", "--offline", "/proc/self/costwatch.yaml")
    assert result.exit_code == 2
    assert "/proc/self/costwatch.yaml cannot be written: " in result.stderr


# --- without AWS ------------------------------------------------------------------------------------------------------


def test_without_credentials_it_says_so_and_goes_on_with_general_defaults() -> None:
    sts = FakeSts("", error=NoCredentialsError())
    result = init("--yes", clients={"sts": sts}, AWS_REGION="us-east-1")
    assert result.exit_code == 0, result.output
    assert "AWS was not asked, so the defaults are general ones: no AWS credentials were found" in result.stderr
    assert written().config.regions == ("us-east-1",)
