"""Each `make` command of the pages comes to what its page says: read from what make would run (`make -n`)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import docs

SHOWN = sorted(
    {
        variant
        for page in docs.PAGES
        for command in docs.commands(page)
        if docs.program_of(command.text) == "make"
        for variant in docs.variants(command.text)
    }
)
CDK = "node_modules/.bin/cdk"
READ = {
    "make bench": "-m bench.run",
    'make bench ARGS="--only res "': "-m bench.run --only res",
    'make bench ARGS="--only res --matrices DIRECTORY"': "-m bench.run --only res --matrices DIRECTORY",
    "make cli-wheel": "pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build .",
    "make client": "pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build ./client",
    "make check": "check-types check-code check-template",
    "make demo": "-m demo || exit",
    "make demo AUTO=1": "-m demo --auto || exit",
    "make sandbox": "-m demo sandbox || exit",
    "make setup": "",
    "make synth": "python app.py",
    "make test": "-m pytest -n",
}
"""Part of what would run. Set-up is there when tests run: nothing is left to do."""
DEPLOY = "deploy -c config=costwatch.yaml"
TOLD = {
    "make bootstrap": ["bootstrap -c config=costwatch.yaml"],
    "make deploy": [DEPLOY],
    "make deploy ARGS='-c @aws-cdk/core:permissionsBoundary=my-boundary'": [
        f"{DEPLOY} -c @aws-cdk/core:permissionsBoundary=my-boundary"
    ],
    "make deploy ARGS='-c ledger=delete'": [f"{DEPLOY} -c ledger=delete"],
    "make deploy ARGS='-c role_prefix=ml-platform-'": [f"{DEPLOY} -c role_prefix=ml-platform-"],
    "make deploy CONFIG=accounts/111122223333.yaml": ["deploy -c config=accounts/111122223333.yaml"],
    "make destroy": ["destroy -c config=costwatch.yaml"],
    "make package BUCKET=my-company-code ARGS='-c role_prefix=ml-platform-'": [
        "synth --quiet -c config=costwatch.yaml -c role_prefix=ml-platform-",
        "package --config costwatch.yaml --bucket my-company-code",
    ],
}
"""What the CDK's command line and Costwatch's are told."""
THERE = [word for file in (".venv/.ready", ".venv/.ready-dev") for word in ("-o", file)]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(tmp_path: Path, *words: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}  # nothing of a make that runs the tests
    command = ["make", *THERE, *words]
    return subprocess.run(
        command, cwd=docs.ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_every_shown_make_command_is_here_and_no_other() -> None:
    assert sorted([*READ, *TOLD]) == SHOWN


@pytest.mark.parametrize("command", READ)
def test_a_shown_make_command_comes_to_what_its_page_says(command: str, tmp_path: Path) -> None:
    printed = make(tmp_path, "-n", "-o", CDK, *shlex.split(command)[1:])
    assert READ[command] in " ".join(printed.split())


@pytest.mark.parametrize("command", TOLD)
def test_a_shown_deploy_tells_the_cdk_what_its_page_says(command: str, tmp_path: Path) -> None:
    for name in ("cdk", "costwatch"):
        file = tmp_path / name
        file.write_text('#!/bin/sh\necho "$@"\n', "utf-8")
        file.chmod(0o755)
    stands_in = tmp_path / "cdk"
    printed = make(
        tmp_path, "-s", "-o", str(stands_in), f"CDK={stands_in}", f"BIN={tmp_path}", *shlex.split(command)[1:]
    )
    assert printed.splitlines() == TOLD[command]


@pytest.mark.parametrize("switch", ["ledger", "role_prefix", "BOUNDARY_CONTEXT"])
def test_what_a_shown_deploy_is_told_has_a_test_of_its_effect(switch: str) -> None:
    assert any(switch in file.read_text("utf-8") for file in (docs.ROOT / "tests" / "infra").glob("test_*.py"))
