"""The zip that the CDK command line itself made and uploaded, opened again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from costwatch import names, topology
from infra.asset import LEFT_OUT, RUNTIME, find_compiler
from tests.e2e.deployed import Deployed

_INSPECTOR = Path(__file__).with_name("inspect_asset.py")


@pytest.fixture(scope="module")
def inspected(deployed: Deployed) -> dict[str, Any]:
    """What the functions' own Python says about the asset."""
    python = _required(find_compiler(), os.environ)
    handlers = [function.handler for function in topology.FUNCTIONS]
    done = subprocess.run(
        [python, "-I", "-S", "-B", str(_INSPECTOR), str(deployed.code), *handlers],
        env={"AWS_REGION": deployed.aws.region},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_every_handler_imports_under_the_functions_python_with_the_zip_and_nothing_else(
    inspected: dict[str, Any],
) -> None:
    assert tuple(inspected["python"]) == RUNTIME
    assert inspected["handlers"] == {function.handler: True for function in topology.FUNCTIONS}
    assert inspected["foreign"] == []


def test_every_module_carries_bytecode_of_its_very_source_that_no_date_makes_stale(inspected: dict[str, Any]) -> None:
    wrong = {kind: inspected[kind] for kind in ("stale", "checked", "other_version", "orphaned", "missing")}
    assert wrong == {"stale": [], "checked": [], "other_version": [], "orphaned": [], "missing": []}
    assert "costwatch/handlers/__pycache__/deadman.cpython-313.pyc" in inspected["current"]


def test_the_zip_holds_the_policy_and_the_prices_and_neither_configuration_nor_command_line(deployed: Deployed) -> None:
    package = deployed.code / "costwatch"
    shipped = json.loads((deployed.code / names.POLICY_FILE).read_text("utf-8"))
    assert shipped["policy"]["selectors"]
    assert "approval" in shipped["changes"]  # the line that would make it enforce: functions have no file to look into
    assert (package / "data" / "prices.json").is_file()
    assert {"config", "cli"} <= LEFT_OUT
    assert [name for name in LEFT_OUT if (package / name).exists()] == []


def test_the_zip_holds_no_compiled_library(deployed: Deployed) -> None:
    assert [p.name for p in deployed.code.rglob("*") if p.suffix in (".so", ".dylib", ".pyd")] == []


def test_a_missing_python_of_the_functions_version_skips_here_and_fails_a_build_server() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"no Python 3\.13 on this machine"):
        _required(None, {})
    with pytest.raises(pytest.fail.Exception, match=r"no Python 3\.13 on this machine"):
        _required(None, {"CI": "true"})
    assert _required("python3.13", {"CI": "true"}) == "python3.13"


def _required(python: str | None, environ: Mapping[str, str]) -> str:
    if python is not None:
        return python
    reason = "no Python {}.{} on this machine, the version the functions run on".format(*RUNTIME)
    if environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)
