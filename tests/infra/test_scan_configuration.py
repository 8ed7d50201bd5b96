"""The configuration that a scan fits to an account synthesizes, and its stack could stop nothing."""

from __future__ import annotations

from pathlib import Path

from costwatch.config.loader import load
from tests.infra.allowed_in_observe import DESTRUCTIVE
from tests.support.synth import as_list, statements, synthesize

GOLDEN = Path(__file__).parents[1] / "golden" / "scan_costwatch.yaml"


def test_the_fitted_configuration_synthesizes_without_a_destructive_permission(tmp_path: Path) -> None:
    asset = tmp_path / "asset"
    asset.mkdir()
    (asset / "policy.json").write_text("{}", "utf-8")
    # The golden file is what tests/integration/test_scan.py sees written.
    assembly = synthesize(tmp_path / "out", load(GOLDEN).policy_document, asset=asset)
    actions = {action for _, statement in statements(assembly) for action in as_list(statement["Action"])}
    assert "ec2:DescribeInstances" in actions
    assert not actions & DESTRUCTIVE
    assert not any("*" in action for action in actions)
