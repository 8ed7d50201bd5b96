"""check-config --fix: what has one meaning is mended, the rest is left and named, and the old file is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.config import migrations
from costwatch.config.loader import load
from costwatch.config.migrations import Migration, fixed
from costwatch.errors import ConfigError

VALID = """\
# ours
version: 1
account: "012345678901"
regions: [us-east-1]   # home
dead_man:
  max_runtime: 12h   # a night
  selectors:
    - {name: jobs, sagemaker: [training], warn_before: 2h}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fix(text: str) -> Result:
    Path("costwatch.yaml").write_text(text, "utf-8")
    env = {"COLUMNS": "200", "NO_COLOR": "1"}
    return CliRunner().invoke(main, ["check-config", "--fix"], env=env, prog_name="costwatch")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (VALID.replace("max_runtime", "max-runtime"), "line 6: max-runtime is called max_runtime"),
        (VALID.replace("max_runtime", "maxRuntime"), "line 6: maxRuntime is called max_runtime"),
        (VALID.replace("dead_man", "Dead_Man"), "line 5: Dead_Man is called dead_man"),
        (VALID.replace("warn_before", "warn-before"), "line 8: warn-before is called warn_before"),
        (VALID.replace('"012345678901"', "012345678901"), "line 3: the account id is put in quotes"),
        (VALID.replace("version: 1", "version: '1'"), "line 2: version is a number, without quotes"),
    ],
)
def test_a_slip_of_the_pen_is_mended_where_it_stands_and_comments_stay(here: Path, broken: str, said: str) -> None:
    result = fix(broken)
    assert result.exit_code == 0, result.output
    assert f"note: mended costwatch.yaml, {said}" in result.stderr
    assert Path("costwatch.yaml").read_text("utf-8") == VALID
    assert (here / "costwatch.yaml.bak").read_text("utf-8") == broken


def test_a_missing_version_is_added_as_the_first_line() -> None:
    text = VALID.replace("version: 1\n", "")
    result = fix(text)
    assert result.exit_code == 0, result.output
    assert Path("costwatch.yaml").read_text("utf-8") == f"version: 1\n{text}"


FLOW = "{regions: [us-east-1], dead_man: {selectors: [{name: jobs, sagemaker: [training]}]}}\n"


@pytest.mark.parametrize(
    ("broken", "mended", "said"),
    [
        (VALID.replace("version: 1", "verzion: 1"), VALID, "line 2: verzion is called version"),
        (VALID.replace("version: 1", "Version: 1"), VALID, "line 2: Version is called version"),
        (VALID.replace("version: 1", "version:"), VALID, "line 2: version has no value, and gets 1"),
        (
            VALID.replace("version: 1", "version:   # of the layout"),
            VALID.replace("version: 1", "version: 1   # of the layout"),
            "line 2: version has no value, and gets 1",
        ),
        (
            VALID.replace("# ours\nversion: 1\n", "# ours\n---\n"),
            VALID.replace("# ours\nversion: 1\n", "# ours\n---\nversion: 1\n"),
            "line 3: `version: 1` is added",
        ),
        (FLOW, FLOW.replace("{regions", "{version: 1, regions"), "line 1: `version: 1` is added"),
        (f"# ours\n{FLOW}", f"# ours\n{FLOW}".replace("{regions", "{version: 1, regions"), "line 2: `version: 1`"),
        (f"---\n{FLOW}", f"---\n{FLOW}".replace("{regions", "{version: 1, regions"), "line 2: `version: 1`"),
    ],
)
def test_a_version_that_is_missing_in_another_way_is_put_where_it_belongs(broken: str, mended: str, said: str) -> None:
    result = fix(broken)
    assert result.exit_code == 0, result.output
    assert Path("costwatch.yaml").read_text("utf-8") == mended
    assert said in result.stderr


@pytest.mark.parametrize("version", ["verzion: 7", "verzion: 1\nversoin: 1"])
def test_a_version_that_could_mean_another_is_left_to_the_check(here: Path, version: str) -> None:
    text = VALID.replace("version: 1", version)
    assert fix(text).exit_code == 2
    assert Path("costwatch.yaml").read_text("utf-8") == text
    assert [each.name for each in here.iterdir()] == ["costwatch.yaml"]


def test_what_can_be_seen_only_when_something_else_is_mended_is_mended_in_the_same_run(here: Path) -> None:
    result = fix(VALID.replace("dead_man", "dead-man").replace("max_runtime", "max-runtime"))
    assert result.exit_code == 0, result.output
    assert Path("costwatch.yaml").read_text("utf-8") == VALID
    assert "line 5: dead-man is called dead_man" in result.stderr
    assert "line 6: max-runtime is called max_runtime" in result.stderr
    assert sorted(each.name for each in here.iterdir()) == ["costwatch.yaml", "costwatch.yaml.bak"]


def test_an_added_line_ends_as_the_others_do() -> None:
    windows = VALID.replace("\n", "\r\n").encode()
    Path("costwatch.yaml").write_bytes(windows.replace(b"version: 1\r\n", b""))
    assert CliRunner().invoke(main, ["check-config", "--fix"], prog_name="costwatch").exit_code == 0
    assert Path("costwatch.yaml").read_bytes() == b"version: 1\r\n" + windows.replace(b"version: 1\r\n", b"")


def test_several_slips_are_mended_at_once() -> None:
    result = fix(VALID.replace("max_runtime", "maxRuntime").replace("warn_before", "warn-before").replace('"', ""))
    assert result.exit_code == 0, result.output
    assert Path("costwatch.yaml").read_text("utf-8") == VALID


def test_line_ends_stay_what_they_are() -> None:
    windows = VALID.replace("\n", "\r\n").encode()
    Path("costwatch.yaml").write_bytes(windows.replace(b"max_runtime", b"max-runtime"))
    assert CliRunner().invoke(main, ["check-config", "--fix"], prog_name="costwatch").exit_code == 0
    assert Path("costwatch.yaml").read_bytes() == windows


def test_what_is_well_is_not_touched_and_no_copy_is_made(here: Path) -> None:
    result = fix(VALID)
    assert result.exit_code == 0
    assert "note: nothing to mend in costwatch.yaml" in result.stderr
    assert [each.name for each in here.iterdir()] == ["costwatch.yaml"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (VALID.replace("max_runtime: 12h", "max_runtime: 12"), "costwatch.yaml:6: dead_man.max_runtime: '12'"),
        (VALID.replace("max_runtime", "max_runtimes"), "did you mean 'max_runtime'?"),
        (VALID.replace("max_runtime: 12h", "max_runtime: 12h\n  max-runtime: 13h"), "unknown key"),
        (VALID.replace("regions: [us-east-1]", "regions:"), "costwatch.yaml:4: regions: has no value"),
        (VALID.replace("[us-east-1]", "[us-esat-1]"), "did you mean 'us-east-1'?"),
        ("version: [", "costwatch.yaml:1:"),
        (VALID.replace("version: 1", "version: 0"), "0 is not a version this Costwatch reads; expected 1"),
    ],
)
def test_what_may_mean_several_things_is_left_as_it_is_and_named(here: Path, broken: str, said: str) -> None:
    result = fix(broken)
    assert result.exit_code == 2
    assert said in result.stderr
    assert [each.name for each in here.iterdir()] == ["costwatch.yaml"]
    assert Path("costwatch.yaml").read_text("utf-8") == broken


def test_what_is_mended_is_kept_though_something_else_is_wrong() -> None:
    result = fix(VALID.replace("max_runtime: 12h", "max-runtime: 12"))
    assert result.exit_code == 2
    assert "max-runtime is called max_runtime" in result.stderr
    assert "costwatch.yaml:6: dead_man.max_runtime: '12'" in result.stderr
    assert Path("costwatch.yaml").read_text("utf-8") == VALID.replace("max_runtime: 12h", "max_runtime: 12")


def test_a_file_of_a_later_version_is_not_taken_for_an_older_one(here: Path) -> None:
    result = fix(VALID.replace("version: 1", "version: 2"))
    assert result.exit_code == 2
    assert "costwatch.yaml: it is of version 2, and this Costwatch reads 1: install a later one" in result.stderr
    assert [each.name for each in here.iterdir()] == ["costwatch.yaml"]


def test_a_file_that_is_not_there_is_said_as_ever() -> None:
    result = CliRunner().invoke(main, ["check-config", "--fix", "none.yaml"], prog_name="costwatch")
    assert result.exit_code == 2
    assert "none.yaml: no such file" in result.stderr


# --- the way from version to version ----------------------------------------------------------------------------------


def renaming(old: str, new: str) -> Migration:
    return lambda text: (text.replace(f"{old}:", f"{new}:"), (f"{old} became {new}",))


def test_migrations_are_made_one_after_the_other_up_to_the_current_version() -> None:
    text = "version: 1  # first\nregions: [us-east-1]\nwatch: {}\n"
    steps = {1: renaming("watch", "guard"), 2: renaming("guard", "dead_man")}
    found = fixed(text, migrations=steps, current=3)
    assert found.text == "version: 3  # first\nregions: [us-east-1]\ndead_man: {}\n"
    assert found.said == ("version 1 to 2: watch became guard", "version 2 to 3: guard became dead_man")


def test_the_newest_version_is_not_migrated_and_a_missing_step_is_not_jumped_over() -> None:
    steps = {1: renaming("watch", "guard"), 3: renaming("guard", "dead_man"), 4: renaming("guard", "later")}
    newest = "version: 4\nregions: [us-east-1]\n"
    assert fixed(newest, migrations=steps, current=4) == migrations.Fixed(newest, ())
    found = fixed("version: 1\nregions: [us-east-1]\nwatch: {}\n", migrations=steps, current=4)
    assert found.text == "version: 2\nregions: [us-east-1]\nguard: {}\n"


def test_this_version_is_the_first_so_nothing_leads_to_it() -> None:
    assert (migrations.CURRENT, dict(migrations.MIGRATIONS)) == (1, {})
    with pytest.raises(ConfigError, match="it is of version 2"):
        fixed("version: 2\n")


def test_the_sample_has_nothing_to_mend() -> None:
    sample = Path(__file__).parents[2] / "costwatch.yaml"
    assert fixed(sample.read_text("utf-8")).said == ()
    load(sample)


def test_a_pipe_cannot_be_mended_and_stays_one(here: Path) -> None:
    os.mkfifo("costwatch.yaml")
    result = CliRunner().invoke(main, ["check-config", "--fix"], prog_name="costwatch")
    assert result.exit_code == 2
    assert "costwatch.yaml is no regular file" in result.stderr
    assert [each.name for each in here.iterdir()] == ["costwatch.yaml"]
    assert Path("costwatch.yaml").is_fifo()
