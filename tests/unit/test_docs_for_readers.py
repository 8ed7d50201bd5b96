"""The pages for data scientists, operators, platform teams and contributors: links, tables and what they promise."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from costwatch import topology
from costwatch.config.loader import load
from costwatch.core.selection import HoldCode
from tests.support.iam import Verdict, evaluate, statements_of
from tests.support.refusals import TOP

ROOT = Path(__file__).parents[2]
NAMES = ("docs/data-scientists.md", "docs/operators.md", "docs/platform-teams.md", "CONTRIBUTING.md")
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Of all pages; one in a list is moved to the left."""
    found = []
    for text in PAGES.values():
        for indent, block in re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            found.append(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE))
    return found


def without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def inline(text: str) -> list[str]:
    """What stands between code marks, with its line breaks taken out."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", without_blocks(text))]


def test_what_a_platform_team_is_told_to_have_for_each_account_is_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "costwatch.yaml"
    path.write_text(next(block for block in blocks("yaml") if "account:" in block), encoding="utf-8")
    assert load(path).config.account == "111122223333"


def test_what_the_operators_page_lets_enforce_is_one_selector(tmp_path: Path) -> None:
    path = tmp_path / "costwatch.yaml"
    path.write_text(TOP + next(block for block in blocks("yaml") if block.startswith("dead_man:")), encoding="utf-8")
    policy = load(path).policy_document["policy"]
    assert [selector["mode"] for selector in policy["selectors"]] == ["enforce"]


EVERY_PAGE = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "client/README.md"]
)


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_a_link_leads_to_a_file_and_to_a_heading_in_it(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), f"{name}: {target}"
        if anchor and leads_to.suffix == ".md":
            assert anchor in anchors(leads_to.read_text(encoding="utf-8")), f"{name}: {target}"


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def entries() -> dict[str, str]:
    """Of the operators' page: what is written below each kind of hold."""
    parts = re.split(r"^### `(.+)`$", PAGES["docs/operators.md"], flags=re.MULTILINE)[1:]
    return {code: re.split(r"^## ", text, flags=re.MULTILINE)[0] for code, text in zip(*[iter(parts)] * 2, strict=True)}


def test_every_kind_of_hold_has_its_entry_and_there_is_no_other() -> None:
    assert sorted(entries()) == sorted(HoldCode)


@pytest.mark.parametrize("code", HoldCode)
def test_an_entry_says_what_it_means_what_to_look_at_and_what_releases_it(code: HoldCode) -> None:
    entry = entries()[code.value]
    assert re.findall(r"^- \*\*(.+?)\*\* \S", entry, re.MULTILINE) == ["Means", "Look at", "Releases it"]
    assert ("`costwatch release HOLD`" in entry) is code.waits_for_release


def test_every_function_has_its_row_for_the_platform_team() -> None:
    rows = PAGES["docs/platform-teams.md"].split("| function |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    assert sorted(row.split("`")[1] for row in rows) == sorted(function.name for function in topology.FUNCTIONS)


def deny_tags() -> tuple[Any, ...]:
    return statements_of(next(json.loads(block) for block in blocks("json") if "CostwatchTagsOfThePlatform" in block))


EVERYTHING = statements_of(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, "all"
)
SOMEBODY, BREAK_GLASS = "arn:aws:iam::111122223333:role/trainer", "arn:aws:iam::111122223333:role/BreakGlass"
INSTANCE = "arn:aws:ec2:us-east-1:111122223333:instance/i-0abc"
JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/churn-41"


@pytest.mark.parametrize(
    ("who", "action", "resource", "keys", "allowed"),
    [
        (SOMEBODY, "ec2:CreateTags", INSTANCE, ["costwatch:never"], False),
        (SOMEBODY, "ec2:CreateTags", INSTANCE, ["owner", "costwatch:exempt"], False),
        (SOMEBODY, "ec2:CreateTags", INSTANCE, ["costwatch:max-runtime", "owner"], True),
        (SOMEBODY, "sagemaker:AddTags", JOB, ["costwatch:exempt"], False),
        (SOMEBODY, "sagemaker:AddTags", JOB, ["costwatch:approval"], True),
        (SOMEBODY, "ec2:DeleteTags", INSTANCE, ["costwatch:never"], False),
        (SOMEBODY, "ec2:DeleteTags", INSTANCE, [], False),
        (SOMEBODY, "ec2:DeleteTags", INSTANCE, ["owner"], True),
        (SOMEBODY, "ec2:RunInstances", INSTANCE, [], True),
        (BREAK_GLASS, "ec2:CreateTags", INSTANCE, ["costwatch:never"], True),
        (BREAK_GLASS, "ec2:DeleteTags", INSTANCE, [], True),
    ],
)
def test_the_policy_about_tags_denies_the_two_that_switch_it_off(
    who: str, action: str, resource: str, keys: list[str], allowed: bool
) -> None:
    context = {"aws:PrincipalArn": [who]} | ({"aws:TagKeys": keys} if keys else {})
    decision = evaluate((*EVERYTHING, *deny_tags()), action, resource, context)
    assert decision.allowed is allowed
    assert allowed or decision.verdict is Verdict.EXPLICITLY_DENIED


def test_every_file_that_contributors_are_sent_to_is_there() -> None:
    named = [code for code in inline(PAGES["CONTRIBUTING.md"]) if re.fullmatch(r"[\w/]+\.(py|toml)", code)]
    assert len(named) > 20
    for name in named:
        assert any((folder / name).is_file() for folder in (ROOT, ROOT / "lambdas" / "costwatch")), name


def test_every_make_target_that_contributors_are_told_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for text in PAGES.values():
        for target in re.findall(r"^make (\w+)|`make (\w+)", text, re.MULTILINE):
            assert f".PHONY: {''.join(target)}" in makefile or f"\n{''.join(target)}:" in makefile


def test_the_readme_links_every_page_of_the_documentation() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", README.split("## Documentation", 1)[1].split("\n## ", 1)[0]))
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")}
    guides = {str(path.relative_to(ROOT)) for path in (ROOT / "docs/guides").glob("*.md")}
    assert pages | guides | {"CONTRIBUTING.md", "CHANGELOG.md", "client/README.md", "docs/decisions/"} == linked
