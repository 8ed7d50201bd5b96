"""The command line by itself, as `make cli-wheel` builds it and `pip install` of a clone puts it: no Node, no CDK."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import costwatch

ROOT = Path(costwatch.__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CALLED = {
    "botocore": "boto3", "markupsafe": "jinja2", "pydantic_core": "pydantic", "slack_sdk": "slack-sdk",
    "urllib3": "boto3", "yaml": "pyyaml",
}  # fmt: skip
"""What a module is imported as, and the distribution that brings it, where they differ."""
ONLY_DEPLOYED = {"aws_lambda_powertools", "costwatch_client"}
"""The functions' own, and what `heartbeat --check` asks for by name where it is missing."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves its traces beside the source."""
    copy, target = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    shutil.copy(ROOT / "pyproject.toml", copy)
    shutil.copytree(ROOT / "lambdas", copy / "lambdas", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--wheel-dir", target, copy], check=True, timeout=120)
    (built,) = target.iterdir()
    with zipfile.ZipFile(built) as archive:
        archive.extractall(target / "site")
    return target / "site"


def test_it_brings_the_command_and_the_files_that_commands_read(unpacked: Path, tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r}); import costwatch; "
        f"assert costwatch.__file__.startswith({str(unpacked)!r}); "
        "from costwatch.cli.main import main; main(prog_name='costwatch')"
    )
    for arguments, told in (
        (["estimate", "--service", "ec2", "--instance-type", "p4d.24xlarge", "--max-runtime", "1h", "--region",
          "us-east-1"], "$21.96"),
        (["slack-manifest", "--url", "https://abc.execute-api.us-east-1.amazonaws.com/slack"], "display_information"),
        (["scan", "--policy"], "CostwatchScan"),
    ):  # fmt: skip
        command = [sys.executable, "-I", "-c", script, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout


def test_it_asks_for_every_library_that_a_command_imports_and_for_no_other() -> None:
    imported: set[str] = set()
    for path in (ROOT / "lambdas" / "costwatch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            found += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            imported |= {name.partition(".")[0] for name in found}
    others = imported - sys.stdlib_module_names - {"costwatch"} - ONLY_DEPLOYED
    others = {name for name in others if not name.startswith("mypy_boto3_")}  # for mypy alone
    needed = {CALLED.get(name, name) for name in others} | {"tzdata"}  # which zoneinfo has where no system brings zones
    asked = {line.partition(">")[0].strip().lower() for line in PROJECT["dependencies"]}
    assert asked == needed


def test_the_command_is_called_costwatch() -> None:
    assert PROJECT["scripts"] == {"costwatch": "costwatch.cli.main:main"}
