"""What README and docs/res.md show of `costwatch res` is what it prints, and their tables are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from costwatch.cli import verdict_document
from costwatch.cli.main import main
from costwatch.config.loader import load
from costwatch.core import packages
from costwatch.core.res import Cause, Cost, Value, Verdict
from costwatch.core.res_policy import Direction, ModelRules
from tests.support.refusals import TOP

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/res.md")}
SHOWN = [
    (command, output)
    for text in PAGES.values()
    for command, output in re.findall(r"^```console\n\$ costwatch (res .*)\n((?:.*\n)*?)```$", text, re.MULTILINE)
]


def test_both_pages_show_a_command() -> None:
    assert len(SHOWN) >= len(PAGES)


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_shown_output_is_the_real_one(command: str, output: str) -> None:
    env = {"COLUMNS": "120", "NO_COLOR": "1"}
    result = CliRunner().invoke(main, shlex.split(command), env=env, prog_name="costwatch")
    assert result.exit_code == 7
    assert [line.rstrip() for line in result.stdout.splitlines()] == output.splitlines()


def test_a_shown_configuration_is_valid(tmp_path: Path) -> None:
    shown = [block for text in PAGES.values() for block in re.findall(r"^```yaml\n(res:\n.*?)^```$", text, re.M | re.S)]
    assert shown
    for block in shown:
        path = tmp_path / "costwatch.yaml"
        path.write_text(TOP + block, encoding="utf-8")
        assert load(path).config.res.models


def test_every_key_of_the_document_is_explained() -> None:
    rules = ModelRules("", "", "auc", Direction.MAXIMIZE)
    verdict = Verdict(Value.UNJUDGED, Cause.NO_COST, "why", cost=Cost(None))
    table = PAGES["docs/res.md"].split("| key | means |", 1)[1].split("\n\n", 1)[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    told = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert told == list(verdict_document.document(verdict, rules, 0))


def test_every_verdict_cause_and_key_of_metadata_is_explained() -> None:
    page = PAGES["docs/res.md"]
    for value in Value:
        assert f"| {value.value} |" in page
    named = {Cause.TOO_DEAR, Cause.NO_BASELINE, Cause.NOT_PENDING, Cause.BY_A_PERSON}
    for cause in set(Cause) - named:
        assert cause.value in page
    for name in (name for name in dir(packages) if name.startswith("META_")):
        assert f"`{getattr(packages, name)}`" in page
