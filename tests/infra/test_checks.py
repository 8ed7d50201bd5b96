"""cfn-lint and cdk-nag find nothing, and cdk-nag is really asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infra import documents
from tests.support.synth import ROOT, Synthesized

LINT_TIMEOUT_SECONDS = 120


def test_cfn_lint_has_nothing_to_say(assemblies: dict[str, Synthesized]) -> None:
    found = [str(a.directory / "Costwatch.template.json") for a in assemblies.values()]
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [str(linter), *found], capture_output=True, text=True, timeout=LINT_TIMEOUT_SECONDS, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_cdk_nag_reports_no_violation_and_no_warning(assembly: Synthesized) -> None:
    report = json.loads((assembly.directory / "validation-report.json").read_text("utf-8"))
    assert report["pluginReports"] == []


def test_synthesis_leaves_no_warning_or_error_on_any_construct(assembly: Synthesized) -> None:
    manifest = json.loads((assembly.directory / "manifest.json").read_text("utf-8"))
    told = json.dumps(manifest)
    for artifact in manifest["artifacts"].values():
        if "additionalMetadataFile" in artifact:
            told += (assembly.directory / artifact["additionalMetadataFile"]).read_text("utf-8")
    assert "aws:cdk:warning" not in told
    assert "aws:cdk:error" not in told


def test_cdk_nag_fails_a_synthesis_over_a_finding_nobody_acknowledged(tmp_path: Path) -> None:
    app, stack = _composed(tmp_path)
    from aws_cdk import aws_s3  # noqa: PLC0415, importing it starts Node

    aws_s3.Bucket(stack, "Careless")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    assert "AwsSolutions-S1" in (tmp_path / "out" / "validation-report.json").read_text("utf-8")


def test_an_acknowledged_wildcard_does_not_cover_another_one(tmp_path: Path) -> None:
    app, stack = _composed(tmp_path)
    from aws_cdk import aws_iam  # noqa: PLC0415, importing it starts Node

    role = stack.node.find_child("Hints").node.find_child("Role")
    role.add_to_policy(aws_iam.PolicyStatement(actions=["s3:ListBucket"], resources=["arn:aws:s3:::*"]))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()


def _composed(tmp_path: Path) -> tuple[Any, Any]:
    import aws_cdk as cdk  # noqa: PLC0415, importing it starts Node

    from infra.compose import compose  # noqa: PLC0415
    from infra.inputs import Inputs  # noqa: PLC0415

    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    app = cdk.App(outdir=str(tmp_path / "out"), context=context)
    asset = tmp_path / "asset"
    asset.mkdir()
    (asset / "policy.json").write_text("{}", "utf-8")
    stack = compose(app, inputs=Inputs.of(documents.document(), environ={}), asset=asset)
    return app, stack
