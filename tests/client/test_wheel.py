"""What is installed: one file for Python 3.9 and newer, that needs boto3 and nothing of Costwatch."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import costwatch_client

SOURCE = Path(costwatch_client.__file__)
PROJECT = tomllib.loads(SOURCE.with_name("pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves its traces beside the source."""
    copy, target = tmp_path_factory.mktemp("client"), tmp_path_factory.mktemp("wheel")
    for name in ("costwatch_client.py", "pyproject.toml", "README.md"):
        shutil.copy(SOURCE.with_name(name), copy)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--wheel-dir", target, copy], check=True, timeout=120)
    (built,) = target.iterdir()
    return built


def test_the_wheel_is_one_file(wheel: Path) -> None:
    version = costwatch_client.__version__
    assert wheel.name == f"costwatch_client-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.startswith(f"costwatch_client-{version}.dist-info/")]
        assert names == ["costwatch_client.py"]
        assert archive.read("costwatch_client.py") == SOURCE.read_bytes()


def test_the_wheel_asks_for_boto3_and_the_extras_for_their_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"costwatch_client-{costwatch_client.__version__}.dist-info/METADATA").decode()
    needs = [line for line in metadata.splitlines() if line.startswith(("Requires-", "Provides-"))]
    assert sorted(needs) == [
        "Provides-Extra: lightning",
        "Provides-Extra: transformers",
        "Requires-Dist: boto3",
        'Requires-Dist: lightning; extra == "lightning"',
        'Requires-Dist: transformers; extra == "transformers"',
        "Requires-Python: >=3.9",
    ]


def test_the_wheel_runs_by_itself(wheel: Path) -> None:
    # A wheel is a zip file that Python can import from; -I hides everything else of this project.
    script = f"import sys; sys.path.insert(0, {str(wheel)!r}); import costwatch_client as c; print(c.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"{wheel}/costwatch_client.py"


def test_the_file_is_python_3_9() -> None:
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert PROJECT["requires-python"] == ">=3.9"


def test_the_file_imports_the_standard_library_boto3_and_what_its_extras_bring() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    outside = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert outside == {"boto3", "botocore", "lightning", "pytorch_lightning", "transformers"}


def test_the_readme_names_the_wheel_that_is_built() -> None:
    readme = SOURCE.with_name("README.md").read_text(encoding="utf-8")
    assert f"costwatch_client-{costwatch_client.__version__}-py3-none-any.whl" in readme
    assert f"costwatch-client/{costwatch_client.__version__}" in readme
