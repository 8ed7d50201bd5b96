"""The one line of costwatch.yaml that makes a selector enforce, as `costwatch status --would-have` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from costwatch.config import graduate
from costwatch.config.loader import load
from costwatch.core.changes import Change, Changes
from costwatch.core.policy import Policy

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
    assert found == Change(line, lines[line - 1], then, file=str(config))
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


GUARDS = """\
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml-platform", app_id: A0123456789}
approval:   # before money flows
  tiers: [{above_usd: 100, approvers: [U012AB3CD]}]
res: {models: {churn: {metric: auc, direction: maximize, worth: {usd: 4000, per: 0.01, over: 30d}}}}
"""


def guards(directory: Path, text: str = GUARDS) -> Changes:
    path = directory / "costwatch.yaml"
    path.write_text(text, encoding="utf-8")
    load(path)
    return graduate.changes(path, "costwatch.yaml")


@pytest.mark.parametrize(
    ("before", "line", "then"),
    [
        ("approval:   # before money flows", 4, "approval:   # before money flows\n  mode: enforce"),
        ("approval:\n  mode: 'warn' # real cards", 5, "  mode: 'enforce' # real cards"),
        ("approval:\n  judge_by: expected\n  mode: observe", 6, "  mode: enforce"),
    ],
)
def test_the_line_of_the_gate_makes_the_gate_enforce_and_nothing_else(
    tmp_path: Path, before: str, line: int, then: str
) -> None:
    text = GUARDS.replace("approval:   # before money flows", before)
    found = guards(tmp_path, text).approval
    lines = text.split("\n")
    assert found == Change(line, lines[line - 1], then, file="costwatch.yaml")
    lines[line - 1] = then
    assert guards(tmp_path, "\n".join(lines)).approval is None
    assert guards(tmp_path, "\n".join(lines)).res is not None


def test_the_line_of_the_breaker_is_found_inside_of_brackets_too(tmp_path: Path) -> None:
    found = guards(tmp_path).res
    assert found is not None
    assert (found.line, found.then[:28]) == (6, "res: {mode: enforce, models:")


def test_a_gate_that_nobody_could_answer_is_told_why_and_gets_no_line(tmp_path: Path) -> None:
    without = GUARDS.replace("approval:   # before money flows\n", "").replace(
        "  tiers: [{above_usd: 100, approvers: [U012AB3CD]}]\n", ""
    )
    for text in (without, GUARDS.replace(", approvers: [U012AB3CD]", "")):
        found = guards(tmp_path, text).approval
        assert found is not None
        assert (found.line, found.problem[:33]) == (0, "it cannot enforce as it stands: i")
        assert "approvers" in found.problem


def test_a_breaker_without_models_has_no_line_to_change(tmp_path: Path) -> None:
    assert guards(tmp_path, GUARDS.partition("res:")[0]).res is None


def test_what_ships_has_the_lines_and_a_comment_above_changes_them_and_not_the_digest(config: Path) -> None:
    before = load(config).shipped()
    config.write_text(f"# a comment\n{CONFIG}", encoding="utf-8")
    after = load(config).shipped()
    assert before["digest"] == after["digest"]
    one, other = (Policy.from_document(document).changes.selectors for document in (before, after))
    assert (one["trainers"].line, other["trainers"].line) == (7, 8)
    assert set(one) == {"trainers", "notebooks", "jobs/training", "jobs/tuning", "inline", "short", "untagged"}


def test_no_path_of_the_machine_ships(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {c.file for c in Policy.from_document(load(config).shipped()).changes.selectors.values()} == {
        "costwatch.yaml",
        "",
    }
    assert str(config.parent) not in str(load(config).shipped())
    monkeypatch.chdir(config.parent.parent)
    there = Path(config.parent.name) / config.name
    assert load(there).shipped()["changes"]["selectors"]["trainers"]["file"] == there.as_posix()
    assert graduate.shipped_name(Path("../elsewhere/costwatch.yaml")) == "costwatch.yaml"


def test_a_policy_of_before_lines_were_kept_has_none(config: Path) -> None:
    assert Policy.from_document(load(config).policy_document).changes == Changes()


@pytest.mark.parametrize(("most", "kept"), [(6, 6), (7, 7), (8, 7), (None, 7)])
def test_of_very_many_selectors_the_first_ones_get_a_line(config: Path, most: int | None, kept: int) -> None:
    assert len(graduate.changes(config, most=most).selectors) == kept
