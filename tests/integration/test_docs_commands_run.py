"""Every `costwatch` and `aws` command of the documentation is run, page by page, in an account that has what they name.

What a page calls RUN, HOLD or churn-41 is made by tests/support/company_life.py; tests/support/shown_commands.py says
what stands for which name, and what must come of each command. A page is typed from its top to its end by one reader.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.iam_questions import questions
from demo.recorder import OPERATOR, collecting
from demo.resource_context import describe
from tests.support import aws_command, docs, shown_commands
from tests.support.company_life import company, gate_only_warns
from tests.support.iam import evaluate, statements_of
from tests.support.reader import Reader, differs

_TELLING = [
    page for page in docs.PAGES if {"aws", "costwatch"} & {docs.program_of(each.text) for each in docs.commands(page)}
]
_RUN_BEFORE: set[str] = set()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with company(tmp_path_factory.mktemp("desk")) as of:
        yield Reader(of)
        assert of.aws.errors == []


@pytest.mark.parametrize("page", _TELLING)
def test_each_command_of_the_page_does_what_it_says(reader: Reader, page: str) -> None:
    reader.anew()
    wrong, here = [], set[str]()
    for shown in docs.commands(page):
        if docs.program_of(shown.text) == "aws":
            wrong.append(reader.ask_aws(shown))
        for it in shown_commands.typed(shown, reader.known):
            said = it.text.removeprefix(".venv/bin/")
            # A sentence repeats what another page has shown; a block is there to be typed from its top to its end.
            if said in here or (not shown.fenced and said in _RUN_BEFORE):
                continue
            here.add(said)
            if it.how.anew:
                reader.anew()
            wrong.append(differs(it, reader.type(it)))
    _RUN_BEFORE.update(here)
    assert not any(wrong), "\n\n".join(filter(None, wrong))


# --- what the pages say that it takes -----------------------------------------------------------------------


LOOKS = ("status", "explain churn-41", "spend", "report --html report.html", "ledger", "export costs")
STANDS_FOR = {
    "111122223333": "123456789012",
    "YOUR-LEDGER": "costwatch-ledger",
    "your-evaluation-data": "churn",
}


def asked_for(reader: Reader, command: str) -> set[tuple[str, str]]:
    """The action and the resource of each permission that a command needs; who one is may be asked without any."""
    with collecting(roles=(OPERATOR, None)) as calls:
        result = reader.of.costwatch(*shlex.split(command))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    account = reader.of.aws.account_id
    needed = [
        each
        for call in calls
        for each in questions(
            call.service, call.operation, call.params, account=account, region=call.region, describe=describe
        )
    ]
    return {(each.action, each.resource) for each in needed if each.action != "sts:GetCallerIdentity"}


@pytest.mark.parametrize(
    ("page", "part", "commands"),
    [
        ("docs/platform-teams.md", "FindCostwatch", LOOKS),
        ("docs/guides/github-actions.md", "lambda:InvokeFunction", ("gate --job train.json",)),
        (
            "docs/guides/github-actions.md",
            "DescribeHyperParameterTuningJob",
            ("res --model churn --training-job churn-weekly-2",),
        ),
    ],
)
def test_a_shown_policy_is_enough_for_what_its_page_says(
    reader: Reader, page: str, part: str, commands: tuple[str, ...]
) -> None:
    reader.anew()
    (shown,) = [block.text for block in docs.blocks(page) if block.language == "json" and part in block.text]
    for word, stands in STANDS_FOR.items():
        shown = shown.replace(word, stands)
    granted = statements_of(json.loads(shown))
    needed = {each for command in commands for each in asked_for(reader, command)}
    assert needed
    assert {each for each in needed if not evaluate(granted, *each).allowed} == set()


def test_the_policy_to_look_is_not_enough_to_change_anything(reader: Reader) -> None:
    reader.anew()
    (shown,) = [block.text for block in docs.blocks("docs/platform-teams.md") if "FindCostwatch" in block.text]
    granted = statements_of(json.loads(shown.replace("111122223333", "123456789012").replace("YOUR-LEDGER", "*")))
    refused = {action for action, _ in asked_for(reader, "pause") if not evaluate(granted, action, "*").allowed}
    assert "dynamodb:PutItem" in refused


# --- outputs ------------------------------------------------------------------------------------------------


def test_the_shown_would_haves_are_printed_so(reader: Reader) -> None:
    reader.anew()
    (shown,) = [each.text for each in docs.blocks("docs/spending.md") if "--would-have" in each.text]
    command, _, told = shown.removeprefix("$ costwatch ").partition("\n")
    with gate_only_warns(reader.of):
        printed = reader.of.costwatch(*shlex.split(command), env={"COLUMNS": "120"})
    assert docs.not_printed(told, printed.stdout) == ""


# --- scripts ------------------------------------------------------------------------------------------------


def script(page: str, part: str) -> str:
    (found,) = [each.text for each in docs.blocks(page) if docs.is_script(each) and part in each.text]
    return found


def in_a_shell(reader: Reader, tmp_path: Path, text: str, *, typed: str = "") -> str:
    """What it prints, run at the desk by somebody who has these commands."""
    commands = {"aws": f'"{aws_command.__file__}"', "costwatch": "-m costwatch.cli", "python3": ""}
    for name, arguments in commands.items():
        file = tmp_path / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', "utf-8")
        file.chmod(0o755)
    environ = {**os.environ, **reader.of.variables("maria"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command, desk = ["bash", "-euc", text], reader.of.desk
    done = subprocess.run(
        command, cwd=desk, env=environ, input=typed, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return done.stdout


def test_what_only_a_shell_understands_is_typed_into_one(reader: Reader, tmp_path: Path) -> None:
    reader.anew()
    guide = "docs/guides/should-retrain.md"
    asks = script(guide, "--served-error").replace('"$BUILD_ID"', "build-7")
    answer = reader.of.costwatch(*shlex.split(asks)[1:])
    assert (answer.exit_code, "Skip" in answer.stdout) == (6, True)
    assert in_a_shell(reader, tmp_path, script(guide, "retrain_function")) == "costwatch-retrain\n"


def test_the_shown_way_stores_secrets_that_are_typed(reader: Reader, tmp_path: Path) -> None:
    reader.anew()
    text = script("README.md", "slack-manifest").replace("/costwatch/slack-", "/typed/slack-")
    in_a_shell(reader, tmp_path, text, typed="xoxb-1\n8f74\n")
    assert "request_url" in (reader.of.desk / "manifest.yaml").read_text("utf-8")
    kept = reader.of.aws.client("ssm").get_parameters_by_path(Path="/typed", WithDecryption=True)["Parameters"]
    assert {(each["Name"], each["Type"], each["Value"]) for each in kept} == {
        ("/typed/slack-token", "SecureString", "xoxb-1"),
        ("/typed/slack-signing-secret", "SecureString", "8f74"),
    }
