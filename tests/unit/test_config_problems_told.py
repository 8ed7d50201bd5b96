"""How problems of a configuration are told: all at once, in the file's order, where they stand, and without secrets."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.config import loader
from costwatch.core.policy import Policy
from costwatch.errors import ConfigError
from tests.support.refusals import TOP, refusal


def test_a_key_that_is_not_text_is_asked_to_be_quoted(tmp_path: Path) -> None:
    told = refusal(tmp_path, TOP + "dead_man:\n  protect:\n    - tag: {a: b, 12: c}")
    assert told == ["costwatch.yaml:5: dead_man.protect[0].tag.12: is a key that is not text: put it in quotes"]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        dedent(
            """\
            version: 1
            account: 111122223333
            regions: [us-east-1]
            slack:
              platform_chanel: "#ml"
            dead_man:
              mode: enforce
              max_runtime: 12
              warn_before: 10m
              selectors:
                - name: all
                  ec2: {types: ["p4d.*"]}
                - name: all
                  ec2: {tag: {Purpose: true}}
                  max_runtime: 100h
              mode: observe
            budgets: {}
            """
        ),
    )
    assert [line.split(": ")[0] + ": " + line.split(": ")[1] for line in told] == [
        "costwatch.yaml:2: account",
        "costwatch.yaml:5: slack.platform_chanel",
        "costwatch.yaml:8: dead_man.max_runtime",
        "costwatch.yaml:9: dead_man.warn_before",
        "costwatch.yaml:12: dead_man.selectors[0].ec2",
        "costwatch.yaml:13: dead_man.selectors[1].name",
        "costwatch.yaml:14: dead_man.selectors[1].ec2.tag.Purpose",
        "costwatch.yaml:15: dead_man.selectors[1].max_runtime",
        "costwatch.yaml:16: dead_man.mode",
        "costwatch.yaml:17: budgets",
    ]


def test_a_key_that_would_break_the_line_is_escaped(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path, TOP + '"a\\nb\\x1b[31m": 1')
    assert told.startswith(r"costwatch.yaml:3: 'a\nb\x1b[31m': unknown key")


def test_a_token_pasted_where_its_parameter_belongs_is_not_repeated(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path, TOP + "slack: {token_parameter: xoxb-12345-secret}")
    assert "xoxb" not in told


def test_a_problem_behind_an_alias_is_told_where_it_was_written(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        TOP
        + dedent(
            """\
            dead_man:
              selectors:
                - name: a
                  sagemaker: [training]
                  <<: &limits
                    max_runtime: 5
                - name: b
                  ec2: {}
                  <<: *limits
            """
        ),
    )
    assert [line.split(": '5'")[0] for line in told] == [
        "costwatch.yaml:8: dead_man.selectors[0].max_runtime",
        "costwatch.yaml:8: dead_man.selectors[1].max_runtime",
    ]


SAMPLE = yaml.safe_load((Path(__file__).parents[2] / "costwatch.yaml").read_text(encoding="utf-8"))
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["off", "12h", "0s", "20%", "ml.p4d.*", "#ml", "*", "${x}", "us-east-1", "declared", "training"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(places(SAMPLE)), value=ODD_VALUES)
def test_any_value_in_any_place_either_compiles_or_is_refused_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(replaced(SAMPLE, place, value), allow_unicode=True), encoding="utf-8")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loader, "config_commit", lambda _: "uncommitted")  # git has no part in this
            Policy.from_document(loader.load(path).policy_document)
    except ConfigError as refused:
        lines = str(refused).splitlines()
        assert lines
        assert all(re.match(rf"{re.escape(str(path))}:\d+: ", line) for line in lines), lines
