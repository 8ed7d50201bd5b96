"""The one line of costwatch.yaml that makes a selector enforce, as `costwatch status --would-have` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from costwatch.config import graduate
from costwatch.config.graduate import Change
from costwatch.config.loader import load

CONFIG = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform"}
dead_man:
  mode: observe
  selectors:
    - name: trainers
      ec2: {tag: {Purpose: training}}
    - ec2: {tag: {Purpose: notebook}}
      name: "notebooks"   # by hand
    - name: jobs
      sagemaker: {jobs: [training, tuning], tag: {Purpose: training}}
      mode: warn   # for now
    - {name: inline, ec2: {tag: {x: y}}, mode: 'observe'}
    - {name: short, ec2: {tag: {x: z}}}
    - name: untagged
      sagemaker: [processing]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "costwatch.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    load(path)
    return path


@pytest.mark.parametrize(
    ("selector", "line", "then"),
    [
        ("trainers", 7, "    - name: trainers\n      mode: enforce"),
        ("notebooks", 10, '      name: "notebooks"   # by hand\n      mode: enforce'),
        ("jobs/training", 13, "      mode: enforce   # for now"),
        ("jobs/tuning", 13, "      mode: enforce   # for now"),
        ("inline", 14, "    - {name: inline, ec2: {tag: {x: y}}, mode: 'enforce'}"),
        ("short", 15, "    - {name: short, mode: enforce, ec2: {tag: {x: z}}}"),
    ],
)
def test_the_line_that_changes_makes_that_selector_enforce_and_no_other(
    config: Path, selector: str, line: int, then: str
) -> None:
    found = graduate.change(config, selector)
    lines = CONFIG.split("\n")
    assert found == Change(line, lines[line - 1], then)
    lines[line - 1] = then
    config.write_text("\n".join(lines), encoding="utf-8")
    modes = {each.name: each.mode for each in load(config).config.dead_man.selectors}
    assert {name for name, mode in modes.items() if mode == "enforce"} == {selector.partition("/")[0]}


def test_nothing_is_written(config: Path) -> None:
    graduate.change(config, "trainers")
    assert config.read_text("utf-8") == CONFIG


def test_a_file_of_windows_keeps_its_line_ends(config: Path) -> None:
    config.write_bytes(CONFIG.replace("\n", "\r\n").encode())
    found = graduate.change(config, "trainers")
    assert found.then == "    - name: trainers\r\n      mode: enforce\r"


def test_a_selector_that_may_not_enforce_is_told_why_and_gets_no_line(config: Path) -> None:
    found = graduate.change(config, "untagged")
    assert found.line == 0
    assert found.problem.startswith("it cannot enforce as it stands: in mode enforce a selector must name a tag")


def test_a_mode_that_several_selectors_share_is_no_single_line(config: Path) -> None:
    shared = CONFIG.replace(
        "    - name: trainers\n", "    - &both\n      mode: observe\n      name: trainers\n"
    ).replace(
        "    - name: untagged\n      sagemaker: [processing]\n",
        "    - <<: *both\n      name: others\n      ec2: {tag: {Purpose: other}}\n",
    )
    config.write_text(shared, encoding="utf-8")
    load(config)
    found = graduate.change(config, "others")
    assert found.line == 0
    assert "no single line does that alone" in found.problem


def test_while_everything_is_switched_off_no_single_line_makes_it_enforce(config: Path) -> None:
    config.write_text(CONFIG.replace("  mode: observe\n  selectors", '  mode: "off"\n  selectors'), encoding="utf-8")
    assert "no single line does that alone" in graduate.change(config, "trainers").problem


def test_a_selector_that_the_file_does_not_have_is_said(config: Path) -> None:
    assert graduate.change(config, "gone").problem == f"no selector of {config} is called gone"
