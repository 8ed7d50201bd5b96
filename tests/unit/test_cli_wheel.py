"""The command line by itself, as a data scientist installs it: one wheel, without the clone's tools."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lambdas" / "costwatch"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORTED_AS = {"pyyaml": "yaml"}
NEVER_BY_A_COMMAND = ("handlers/", "wiring.py", "door_wiring.py")
"""What runs in AWS alone, with aws_lambda_powertools."""


def name(requirement: str) -> str:
    return re.split(r"[^\w-]", requirement)[0].lower()


def needed() -> set[str]:
    return {name(each) for each in PROJECT["dependencies"]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves its traces beside the source."""
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copy(ROOT / "pyproject.toml", copy)
    shutil.copytree(PACKAGE, copy / "lambdas" / "costwatch", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--wheel-dir", target, copy], check=True, timeout=120)
    (built,) = target.iterdir()
    return built


def test_it_has_every_file_of_the_package(wheel: Path) -> None:
    here = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        there = {each for each in archive.namelist() if ".dist-info/" not in each}
    assert there == {each for each in here if "__pycache__" not in each}


def test_a_command_runs_from_it_and_reads_its_own_prices(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    asked = ["estimate", "--service", "sagemaker", "--instance-type", "ml.g5.xlarge", "--max-runtime", "12h"]
    script = "import costwatch; print(costwatch.__file__); from costwatch.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *asked, "--region", "us-east-1"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)},
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == f"{tmp_path}/costwatch/__init__.py"
    assert "At most $16.90" in done.stdout


def test_it_asks_for_what_its_commands_import_and_nothing_else() -> None:
    imported: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if str(path.relative_to(PACKAGE)).startswith(NEVER_BY_A_COMMAND):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    outside = imported - set(sys.stdlib_module_names) - {"costwatch", "costwatch_client", "mypy_boto3_dynamodb"}
    comes_along = {"botocore", "urllib3", "markupsafe", "pydantic_core"}  # with boto3, Jinja2 and pydantic
    modules = {IMPORTED_AS.get(each, each).replace("-", "_") for each in needed()}
    outside = {each.lower() for each in outside if not each.startswith("mypy_boto3_")}
    assert modules == outside - comes_along | {"tzdata"}  # the zones of those systems that have none


def test_what_it_asks_for_is_set_up_for_the_tests_too() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert needed() <= {name(line) for line in lines if line and line[0] not in "#-"}
