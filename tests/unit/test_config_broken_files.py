"""Configuration that is no YAML mapping at all: refused in one line and never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwatch.config import loader, source
from costwatch.errors import ConfigError
from tests.support.refusals import refusal

UNREADABLE = {
    "empty": (b"", 1, "is empty; expected a mapping that starts with `version: 1`"),
    "only comments": (b"# nothing\n", 1, "is empty"),
    "only a null": (b"~\n", 1, "is empty"),
    "a list at the top": (b"\n- version: 1\n", 2, "holds a list at the top; expected a mapping"),
    "text at the top": (b"version 1\n", 1, "holds a single value at the top"),
    "a tab": (b"version: 1\ndead_man:\n\tmode: off\n", 3, "a tab; YAML indents with spaces only"),
    "an open bracket": (b"version: 1\nregions: [us-east-1\nx: y", 3, "not YAML: "),
    "two documents": (b"version: 1\n---\nversion: 1\n", 2, "not one YAML document"),
    "Latin-1": (b"version: 1\n# Z\xfcrich\n", 2, "byte 0xfc is not UTF-8"),
    "UTF-16": ("version: 1".encode("utf-16"), 1, "byte 0xff is not UTF-8"),
    "a control character": (b"version: 1\nregions: [\x07]\n", 2, "character U+0007 is not allowed in YAML"),
    "an unknown YAML tag": (b"version: 1\nregions: !!python/name:os.system x\n", 2, "is not used here"),
    "an anchor that contains itself": (b"version: 1\nregions: &r [*r]\n", 2, "an anchor that contains itself"),
    "a first key below": (
        b"version: 1\n  regions: [a]\n",
        2,
        "not YAML: indented by 2 spaces, below line 1 which has its value already; expected 0",
    ),
    "a key too deep in a list": (
        b"a:\n  - name: a\n      ec2: 1\n",
        3,
        "indented by 6 spaces, below line 2 which has its value already; expected 4",
    ),
    "a key that fits nothing": (
        b"dead_man:\n    mode: off\n  warn: 1\n",
        3,
        "indented by 2 spaces, which fits no line above; expected 4 as on line 2 or 0 as on line 1",
    ),
    "a key that fits no list item": (
        b"a:\n  - name: a\n    ec2: 1\n   mode: b\n",
        4,
        "indented by 3 spaces, which fits no line above; expected 4 as on line 3",
    ),
    "a key that does not stand below its item's first": (
        b"a:\n  - name: a\n   mode: b\n",
        3,
        "indented by 3 spaces, which fits no line above; expected 4 as on line 2",
    ),
    "a list item that fits nothing": (
        b"a:\n  - b\n - c\n",
        3,
        "indented by 1 space, which fits no line above; expected 2 as on line 2",
    ),
    "a key among list items": (
        b"a:\n  - b\n  c: d\n",
        3,
        "a key among the list items that begin on line 2; expected `- `",
    ),
    "a list item among keys": (b"a:\n  b: c\n  - d\n", 3, "a list item among the keys that begin on line 2"),
    "no colon": (
        b"version: 1\nregions\ndead_man: 1\n",
        2,
        "no `key: value`; expected a colon and a space after the key",
    ),
    "no space after the colon": (b"version: 1\nregions:[a]\n", 2, "expected a colon and a space"),
    "no space after the dash": (b"a:\n  -b\n  -c: d\n", 3, "a list item without a space after its dash; expected `- `"),
    "two colons": (b"a: b: c\n", 1, "a second `:` in one line"),
    "an open brace": (b"a: {b: c\nd: e\n", 2, "the { of line 1 is still open; expected a comma or }"),
    "a closing bracket too many": (b"a: [b]]\n", 1, "a closing ] that nothing opened"),
    "an open quote": (b"a: 'b\nc: d\n", 1, "a quote that is never closed"),
    "text after a quote": (b'a: "b" c\nd: e\n', 1, "put the whole of it in quotes"),
    "a bare wildcard": (b"types: *.xlarge\n", 1, "a value that begins with *; expected it in quotes"),
    "a bare mention": (b"a: @here\n", 1, "a value that begins with @; expected it in quotes"),
    "a stray backslash": (b'a: "\\q"\n', 1, "a backslash that escapes nothing"),
    "keys at the top in two columns": (b"  version: 1\nregions: [a]\n", 2, "not in the column of the first key"),
    "an alias that is not there": (b"version: 1\nregions: *r\n", 2, "is an alias, and nothing has that name"),
    "a merge of text": (b"version: 1\n<<: text\n", 2, "merges mappings only"),
    "deep nesting": (b"a: " + b"[" * 500 + b"]" * 500, 1, "nested too deeply"),
    "too large": (b"#" * 1_000_001, 1, "is larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize(("content", "line", "expectation"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_is_no_yaml_mapping_is_refused_in_one_line(
    tmp_path: Path, content: bytes, line: int, expectation: str
) -> None:
    (told,) = refusal(tmp_path, content)
    assert told.startswith(f"costwatch.yaml:{line}: ")
    assert expectation in told


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (told,) = refusal(tmp_path, f"l0: &l0 [x]\n{levels}")
    assert "values once aliases are followed" in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        loader.load(tmp_path / "nowhere.yaml")


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        loader.load(tmp_path)


def test_only_what_would_fit_is_offered_for_a_list_item_in_the_wrong_column(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path, b"a:\n  - b\n - c\n")
    assert told.endswith("expected 2 as on line 2")


VALID_LINES = (Path(__file__).parents[2] / "costwatch.yaml").read_text(encoding="utf-8").splitlines()


@given(st.data())
def test_however_a_file_is_broken_the_answer_is_one_line_and_never_a_traceback(data: st.DataObject) -> None:
    lines = VALID_LINES.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = data.draw(st.integers(0, len(line)))
        lines[at] = line[:cut] + data.draw(st.text(" \t-:[]{}'\"*&!@%#,|>?\\ab\n", max_size=3)) + line[cut:]
    told, at = "", 0
    try:
        source.read("\n".join(lines).encode())
    except source.UnreadableSource as error:
        told, at = error.message, error.line
    assert "\n" not in told
    assert 0 <= at <= len("\n".join(lines).splitlines()) + 1
