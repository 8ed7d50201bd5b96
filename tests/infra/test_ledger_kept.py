"""What becomes of the ledger when the stack goes: it stays, unless a deploy said otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from costwatch.errors import ConfigError
from infra.runtime import use_node

use_node()
from infra.compose import LEDGER_CONTEXT  # noqa: E402, imports the CDK library
from infra.ledger import OUTPUT, read_keeps  # noqa: E402, the same
from tests.infra import documents  # noqa: E402, as the imports above
from tests.support.synth import Synthesized, synthesize  # noqa: E402, the same


@pytest.mark.parametrize(("value", "keeps"), [(None, True), ("keep", True), ("delete", False)])
def test_it_stays_unless_somebody_says_delete(value: object, *, keeps: bool) -> None:
    assert read_keeps(value) is keeps


@pytest.mark.parametrize("value", ["", "Delete", "no", False, True])
def test_whatever_else_is_said_is_refused_with_what_was_expected(value: object) -> None:
    with pytest.raises(ConfigError, match=r"context ledger is .*; expected keep or delete"):
        read_keeps(value)


def test_it_goes_with_the_stack_where_a_deploy_says_so_and_never_by_an_update(tmp_path: Path) -> None:
    stand_in = tmp_path / "asset"
    stand_in.mkdir()
    (stand_in / "policy.json").write_text("{}", "utf-8")
    made = synthesize(tmp_path / "out", documents.document(), asset=stand_in, context={LEDGER_CONTEXT: "delete"})
    (table,) = made.of_type("AWS::DynamoDB::Table").values()
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Delete", "Retain")


def test_each_deploy_prints_its_name_by_which_it_is_found_when_the_stack_is_gone(observe: Synthesized) -> None:
    (table,) = observe.of_type("AWS::DynamoDB::Table")
    assert observe.template["Outputs"][OUTPUT]["Value"] == {"Ref": table}
