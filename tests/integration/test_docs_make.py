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
PACKAGES = "costwatch package --config costwatch.yaml --bucket"
DEPLOYS = f"{CDK} deploy -c config=costwatch.yaml"
RUNS = {
    "make bench": "-m bench.run",
    'make bench ARGS="--only res "': "-m bench.run --only res",
    'make bench ARGS="--only res --matrices DIRECTORY"': "-m bench.run --only res --matrices DIRECTORY",
    "make bootstrap": f"{CDK} bootstrap -c config=costwatch.yaml",
    "make check": "check-types check-code check-template",
    "make demo": "-m demo || exit",
    "make demo AUTO=1": "-m demo --auto || exit",
    "make deploy": DEPLOYS,
    "make deploy ARGS='-c @aws-cdk/core:permissionsBoundary=my-boundary'": f"{DEPLOYS} -c "
    "@aws-cdk/core:permissionsBoundary=my-boundary",
    "make deploy ARGS='-c ledger=delete'": f"{DEPLOYS} -c ledger=delete",
    "make deploy ARGS='-c role_prefix=ml-platform-'": f"{DEPLOYS} -c role_prefix=ml-platform-",
    "make deploy CONFIG=accounts/111122223333.yaml": f"{CDK} deploy -c config=accounts/111122223333.yaml",
    "make destroy": f"{CDK} destroy -c config=costwatch.yaml",
    "make package BUCKET=my-company-code ARGS='-c role_prefix=ml-platform-'": f"{PACKAGES} my-company-code",
    "make setup": "",
    "make synth": "python app.py",
    "make test": "-m pytest -n",
}
"""Part of what runs. Set-up is there when tests run: nothing is left to do."""


def test_every_shown_make_command_is_here_and_no_other() -> None:
    assert sorted(RUNS) == SHOWN


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("command", SHOWN)
def test_a_shown_make_command_comes_to_what_its_page_says(command: str, tmp_path: Path) -> None:
    there = [word for file in (".venv/.ready", ".venv/.ready-dev", CDK) for word in ("-o", file)]
    words = [*there, *shlex.split(command)[1:]]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}  # nothing of a make that runs the tests
    done = subprocess.run(
        ["make", "-n", *words], cwd=docs.ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert RUNS[command] in " ".join(done.stdout.split())


@pytest.mark.parametrize("switch", ["ledger", "role_prefix", "BOUNDARY_CONTEXT"])
def test_what_a_shown_deploy_is_told_has_a_test_of_its_effect(switch: str) -> None:
    assert any(switch in file.read_text("utf-8") for file in (docs.ROOT / "tests" / "infra").glob("test_*.py"))
