"""`explain --markdown`: a post-mortem that shows what the ledger holds, and nothing that a tag smuggles in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from costwatch.cli import markdown
from costwatch.procedures.sweep import sweep
from tests.support.command_line import CONFIG, Terminal, town_of
from tests.support.fakes import FakeInstance, Town

GOLDEN = Path(__file__).parents[1] / "golden"
PURPOSE = {"Purpose": "training"}
HOSTILE = (
    "a|b\n`code` <img src=x onerror=y> [link](https://evil.example) @here *bold* _it_ \\| &lt; #12 www.evil.example"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "costwatch.yaml"


def sweeps(town: Town, count: int) -> None:
    for _ in range(count):
        sweep(town.watchdog())
        town.clock.forward(minutes=5)


def story(config: Path) -> tuple[Town, Terminal, FakeInstance]:
    """Three trainers are overdue and a sweep may stop two: the third is restarted, extended, held and released."""
    town = town_of(config, "timezone: Europe/Berlin\n" + CONFIG)
    maria = Terminal(config, town)
    for name in ("bert", "churn"):
        town.world.launch(age=timedelta(hours=14), tags={**PURPOSE, "Name": name})
    third = town.world.launch(
        age=timedelta(hours=2), tags={**PURPOSE, "Name": "llm | <b>", "owner": "maria@example.com", "team": "risk"}
    )
    sweeps(town, 1)
    town.world.restart(third)
    sweeps(town, 1)
    maria.json("extend", third.id, "1h")
    maria.json("exempt", third.id, "--for", "30m", "--reason", HOSTILE)
    for _ in range(2):
        town.world.launch(age=timedelta(hours=2), tags=PURPOSE)
    town.clock.forward(hours=12, minutes=30)
    sweeps(town, 12)
    return town, maria, third


def section(document: str, title: str) -> str:
    """The last section of that title."""
    return document.rpartition(f"# {title}\n")[2].partition("\n#")[0]


def test_the_post_mortem_of_an_open_run_and_of_one_that_is_over_are_as_they_were_reviewed(config: Path) -> None:
    town, maria, third = story(config)
    held = maria.costwatch("explain", third.id, "--markdown")
    assert held.exit_code == 0, held.output
    maria.json("release", third.id)
    sweeps(town, 6)
    over = maria.costwatch("explain", third.id, "--markdown")
    assert maria.json("explain", third.id)["record"] is None
    for name, document in (("held", held.stdout), ("over", over.stdout)):
        shown = document.replace(town.policy.digest, "digest")
        assert shown == (GOLDEN / f"post-mortem-{name}.md").read_text(encoding="utf-8"), name


def test_what_would_have_been_is_told_with_what_really_happened(config: Path) -> None:
    town = town_of(config, CONFIG.replace("mode: enforce", "mode: warn"))
    maria = Terminal(config, town)
    trainer = town.world.launch(age=timedelta(hours=12))
    sweeps(town, 8)
    told = section(maria.costwatch("explain", trainer.id, "--markdown").stdout, "What would have been")
    assert "| would have been stopped: over its limit by" in told
    assert "what really happened so far: it runs on, 5 min more: $1.83" in told
    town.clock.forward(hours=3)
    town.world.end(trainer)
    sweeps(town, 1)
    told = section(maria.costwatch("explain", trainer.id, "--markdown").stdout, "What would have been")
    assert "what really happened: ran 3 h 5 min more: $67.70" in told
    assert "so far" not in told


def test_a_warning_that_nobody_took_is_told_as_such_and_times_are_utc_without_a_configuration(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = town_of(config)
    maria = Terminal(config, town)
    trainer = town.world.launch(age=timedelta(hours=13))
    town.world.slack_is_up = False
    sweep(town.watchdog())
    monkeypatch.chdir(config.parent.parent)
    document = maria.costwatch("explain", trainer.id, "--markdown", config=False).stdout
    assert "| not accepted for delivery |" in section(document, "Warnings")
    assert "Not delivered yet\n\n- warning to the owner" in document
    assert "| At (UTC) | Transition |" in document


def test_markdown_and_json_at_once_are_refused(config: Path) -> None:
    result = Terminal(config, town_of(config)).costwatch("explain", "x", "--markdown", "--json")
    assert result.exit_code == 2
    assert "give one of them" in result.stderr


# --- other people's text ------------------------------------------------------------------------------

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def inline(document: str) -> list[tuple[str, str]]:
    """(type, content) of every inline token of every cell."""
    tokens = RENDERER.parse(document)
    assert {token.type for token in tokens} <= {
        f"{kind}_{edge}" for kind in ("table", "thead", "tbody", "tr", "th", "td") for edge in ("open", "close")
    } | {"inline"}  # fmt: skip
    return [(child.type, child.content) for token in tokens for child in token.children or []]


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("|`\\*_[]()<>&#@!~$:/w.\n-+="), max_size=60))
def test_any_text_stays_one_cell_of_nothing_but_text(raw: str) -> None:
    document = markdown.table(("a", "b", "c"), [("x", markdown.text(raw), "y"), ("x", markdown.code(raw), "y")])
    tokens = inline(document)
    assert {kind for kind, _ in tokens} <= {"text", "text_special", "code_inline"}
    shown = "".join(content for _, content in tokens)
    assert shown.startswith("abcx")
    assert shown.endswith("y")
    assert RENDERER.render(document).count("<td") == 6


def test_hostile_text_is_shown_as_it_was_written() -> None:
    shown = "".join(content for _, content in inline(markdown.table(("a",), [(markdown.text(HOSTILE),)])))
    assert shown.replace("\u200b", "") == "a" + HOSTILE.replace("\n", " ")


@pytest.mark.parametrize(
    ("raw", "parts"),
    [("@here", "@|here"), ("(@org/team)", "(@|org/team)"), ("fixes #12", "fixes #|12"), ("GH-7", "GH-|7"),
     ("https://x.y", "https:|//x.y"), ("www.x.y", "www|.x.y"), ("mailto:a", "mailto|:a")],
)  # fmt: skip
def test_what_a_tracker_would_link_or_mention_is_cut_by_nothing_visible(raw: str, parts: str) -> None:
    assert markdown.text(raw) == parts.replace("|", "\u200b")


@pytest.mark.parametrize("raw", ["maria@example.com", "max_runtime 12h", "team/llm", "$21.96 (+$3)", "i-0abc"])
def test_ordinary_text_is_left_alone(raw: str) -> None:
    assert markdown.text(raw) == raw


def test_an_id_is_code_and_what_code_cannot_hold_is_text() -> None:
    assert markdown.code("111122223333/us-east-1/run/llm") == "`111122223333/us-east-1/run/llm`"
    assert markdown.code("a`|b") == "a&#96;&#124;b"
