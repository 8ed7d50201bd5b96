"""What is wrong with text that is no YAML, in words: where, and what was expected instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import yaml

_DASH_WITHOUT_SPACE: Final = re.compile(r"\s*-[^\s-]")
_KEY_AND_MORE: Final = re.compile(r"""(?:[^'"#]|'[^']*'|"[^"]*")*?:\s""")


def explained(text: str, error: yaml.MarkedYAMLError) -> tuple[int, str]:
    """The line to look at (from 1; 0 where none is to blame) and one sentence about it."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return 0, f"not YAML: {error.problem or error.context}"
    problem = error.problem or ""
    broken = _line(text, mark.line)
    if "\t" in broken[: _indent(broken)] or "'\\t'" in problem:
        return mark.line + 1, "not YAML: a tab; YAML indents with spaces only"
    if "but found another document" in problem:
        return mark.line + 1, "not one YAML document: a second one starts at `---`; expected a single mapping"
    for begin, explain in _EXPLAINED.items():
        if problem.startswith(begin):
            line, sentence = explain(text, error, mark)
            return line + 1, f"not YAML: {sentence}"
    return mark.line + 1, f"not YAML: {problem or error.context}"


def _block(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    """A line that does not belong to the mapping or list around it."""
    around = error.context_mark or mark
    found = (error.problem or "").rpartition("found ")[2]
    first = around.line + 1
    if found in ("']'", "'}'"):
        return mark.line, f"a closing {found[1]} that nothing opened; expected the end of the line"
    if found == "'<scalar>'" and mark.line == around.line:
        return mark.line, "text after a value that is complete; expected one value: put the whole of it in quotes"
    if mark.column != around.column:
        above = _above(text, mark.line)
        is_item = _line(text, mark.line).lstrip().startswith("-")
        column_of = _indent if is_item else _key_column
        columns = {column_of(_line(text, above)): above + 1}
        if is_item == ("collection" in (error.context or "")):  # PyYAML's word for a list
            columns[around.column] = first
        fitting = " or ".join(f"{column} as on line {line}" for column, line in columns.items())
        return mark.line, f"indented by {_spaces(mark.column)}, which fits no line above; expected {fitting}"
    if found == "'-'":
        return mark.line, f"a list item among the keys that begin on line {first}; expected `key: value`"
    return mark.line, f"a key among the list items that begin on line {first}; expected `- ` before it"


def _second_colon(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    """`: ` where a value has already begun: on the same line, or on the line above that this one seems to go on."""
    del error
    above = _above(text, mark.line)
    for number in (mark.line, above):
        if _DASH_WITHOUT_SPACE.match(_line(text, number)):
            return number, "a list item without a space after its dash; expected `- `"
    here = _line(text, mark.line)
    if above == mark.line or _KEY_AND_MORE.match(here[: mark.column]):
        return mark.line, "a second `:` in one line; expected one `key: value`, and text with a colon in quotes"
    return mark.line, (
        f"indented by {_spaces(_indent(here))}, below line {above + 1} which has its value already; expected "
        f"{_key_column(_line(text, above))}"
    )


def _no_colon(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    del text
    key = error.context_mark or mark
    return key.line, "no `key: value`; expected a colon and a space after the key"


def _not_closed(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    del text
    opened = error.context_mark or mark
    closing = "]" if "']'" in (error.problem or "") else "}"
    opening = "[" if closing == "]" else "{"
    return (
        mark.line,
        f"the {opening} of line {opened.line + 1} is still open; expected a comma or {closing}",
    )


def _open_quote(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    del text
    opened = error.context_mark or mark
    return opened.line, "a quote that is never closed; expected another one at the end of the text"


def _first_character(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    where = error.context_mark if "alias" in (error.context or "") or "anchor" in (error.context or "") else mark
    at = where or mark
    return at.line, f"a value that begins with {_line(text, at.line)[at.column : at.column + 1]}; expected it in quotes"


def _no_anchor(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    del text, error
    return mark.line, "a value that begins with * is an alias, and nothing has that name; expected text in quotes"


def _escape(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    del text, error
    return (
        mark.line,
        "a backslash that escapes nothing; expected \\\\ for a backslash, or single quotes",
    )


def _top(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    del text, error
    return mark.line, "not in the column of the first key; expected all keys at the top to begin in the same one"


_EXPLAINED: Final[dict[str, Callable[[str, yaml.MarkedYAMLError, yaml.Mark], tuple[int, str]]]] = {
    "expected <block end>": _block,
    "mapping values are not allowed here": _second_colon,
    "could not find expected ':'": _no_colon,
    "expected ',' or ": _not_closed,
    "found unexpected end of stream": _open_quote,
    "found character ": _first_character,
    "expected alphabetic or numeric character": _first_character,
    "found undefined alias": _no_anchor,
    "found unknown escape character": _escape,
    "expected '<document start>'": _top,
}


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number] if number < len(lines) else ""


def _above(text: str, number: int) -> int:
    """The last line before `number` that says something; `number` itself where there is none."""
    return max((n for n in range(number) if _says_something(_line(text, n))), default=number)


def _key_column(line: str) -> int:
    """Where a line's key begins: 4 for `  - name: a`."""
    return len(line) - len(re.sub(r"^\s*(-\s+)*", "", line))


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _spaces(count: int) -> str:
    return f"{count} space{'' if count == 1 else 's'}" if count else "no space"
