"""Tab completion: offline for commands and options, from the ledger for runs, and never a word on the side."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from costwatch.cli import completion
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.procedures.sweep import sweep
from tests.support.command_line import Terminal, client_error, town_of
from tests.support.fakes import Town

ROOT = Path(__file__).parents[2]


def in_a_shell(words: str, *, at: int, **environ: str) -> subprocess.CompletedProcess[str]:
    """As bash asks, in a process that reaches no AWS and has no credentials."""
    return subprocess.run(
        [sys.executable, "-m", "costwatch.cli"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "lambdas"),
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "_COSTWATCH_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(at),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_commands_complete_in_a_shell_without_aws() -> None:
    answer = in_a_shell("costwatch ex", at=1)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.split() == ["plain,exempt", "plain,explain", "plain,export", "plain,extend"]


@pytest.mark.parametrize(
    ("words", "at", "environ"),
    [
        ("costwatch explain ", 2, {"AWS_REGION": "us-east-1"}),  # no credentials
        ("costwatch explain ", "x", {}),  # not what the protocol says
    ],
)
def test_runs_that_cannot_be_read_are_no_completions_and_no_word(words: str, at: int, environ: dict[str, str]) -> None:
    answer = in_a_shell(words, at=at, **environ)
    assert (answer.returncode, answer.stdout.strip(), answer.stderr) == (0, "", "")


# --- from the ledger ----------------------------------------------------------------------------------


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return town_of(tmp_path / "costwatch.yaml")


@pytest.fixture
def maria(tmp_path: Path, town: Town) -> Terminal:
    return Terminal(tmp_path / "costwatch.yaml", town)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer than a person waits, and that is not what most tests are about."""
    monkeypatch.setattr(completion, "PATIENCE_SECONDS", 30.0)


def offered(maria: Terminal, *words: str, incomplete: str = "") -> list[str]:
    tools = Tools(
        environ=maria.environ, clock=maria.town.clock, clients={"sts": maria.sts, "ssm": maria.ssm}, table=maria.table
    )
    asked = ShellComplete(main, {"obj": tools}, "costwatch", "_COSTWATCH_COMPLETE")
    return [item.value for item in asked.get_completions([*words, "--config", str(maria.config)], incomplete)]


def launch(town: Town, name: str, **tags: str) -> str:
    return town.world.launch(age=timedelta(hours=13), tags={"Purpose": "training", "Name": name, **tags}).id


@pytest.mark.parametrize("command", ["explain", "extend", "exempt"])
def test_open_runs_complete_by_id_and_by_name(town: Town, maria: Terminal, command: str) -> None:
    first, second = launch(town, "churn-bert"), launch(town, "llm")
    sweep(town.watchdog())
    assert offered(maria, command) == [first, "churn-bert", second, "llm"]
    assert offered(maria, command, incomplete="churn") == ["churn-bert"]
    assert offered(maria, command, incomplete="nobody") == []


def test_holds_complete_for_release(town: Town, maria: Terminal) -> None:
    ids = [launch(town, f"job-{n}") for n in range(3)]
    sweep(town.watchdog())
    town.clock.forward(minutes=31)
    sweep(town.watchdog())
    hold, held, name = offered(maria, "release")
    assert hold.startswith("hold-")
    assert held in ids
    assert name.startswith("job-")
    assert offered(maria, "release", incomplete="hold-") == [hold]


@pytest.mark.parametrize("name", ["$(reboot)", "a b", "`x`", "*", "-rf", "a;b", "a\nplain,b", "a,b", "'", "~root"])
def test_a_name_that_is_no_plain_word_is_not_offered_to_a_shell(town: Town, maria: Terminal, name: str) -> None:
    run = launch(town, name)
    sweep(town.watchdog())
    assert offered(maria, "explain") == [run]


def test_a_ledger_that_refuses_offers_nothing(maria: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (client_error("ExpiredTokenException", "GetParameter"), KeyError("surprise")):
        maria.ssm.error = error
        assert offered(maria, "explain") == []
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_ledger_that_does_not_answer_is_not_waited_for(
    town: Town, maria: Terminal, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(town, "churn")
    sweep(town.watchdog())
    monkeypatch.setattr(completion, "PATIENCE_SECONDS", 0.05)
    answer = maria.sts.get_caller_identity
    monkeypatch.setattr(maria.sts, "get_caller_identity", lambda: (never.wait(20), answer())[1])
    assert offered(maria, "explain") == []
    assert not never.is_set()


# --- the scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "wanted"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef costwatch"), ("fish", "complete --no-files")],
)
def test_the_script_of_every_shell_is_printed_and_its_shell_can_read_it(
    maria: Terminal, tmp_path: Path, shell: str, wanted: str
) -> None:
    result = maria.costwatch("completion", shell, config=False)
    assert result.exit_code == 0, result.output
    assert wanted in result.stdout
    assert f"_COSTWATCH_COMPLETE={shell}_complete" in result.stdout
    program = shutil.which(shell)
    if program is not None:
        script = tmp_path / "script"
        script.write_text(result.stdout, encoding="utf-8")
        assert subprocess.run([program, "-n", str(script)], timeout=20, check=False).returncode == 0


def test_a_shell_that_is_not_known_is_bad_input(maria: Terminal) -> None:
    result = maria.costwatch("completion", "powershell", config=False)
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr
