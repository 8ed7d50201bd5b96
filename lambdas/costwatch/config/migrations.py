"""`check-config --fix`: a file of an older version becomes one of this, and slips of the pen are mended.

Only what has one meaning is changed, line by line, so that comments and order stay. Nothing is invented: a value that
is missing or wrong is left to `check-config`, which names it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from costwatch.config import source
from costwatch.config.model import InvalidDocument, known_keys, parse
from costwatch.config.problems import Path
from costwatch.errors import ConfigError

CURRENT: Final = 1
Migration = Callable[[str], tuple[str, tuple[str, ...]]]
"""From the text of one version to that of the next, without the line `version`; and what it did, a sentence each."""
MIGRATIONS: Final[Mapping[int, Migration]] = {}
"""By the version that they lead away from. Empty: 1 is the first, and none of its keys was ever called otherwise."""
_VERSION: Final = re.compile(r"^version[ \t]*:[ \t]*(?P<quote>[\"']?)(?P<number>[0-9]+)(?P=quote)", re.MULTILINE)
_NO_VALUE: Final = re.compile(r"^(version[ \t]*:)(?=[ \t]*(#|\r?$))", re.MULTILINE)
_BEGIN: Final = re.compile(r"(?:(?:[ \t]*(?:#.*)?|%.*)\r?\n)*---[ \t]*(?:#.*)?\r?\n")
"""Of a file that says where its document begins: all before it."""
_FLOW: Final = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*\{(?=\s*[\w\"'])")
_NEAR: Final = 0.7
_ACCOUNT: Final = re.compile(r"(?<![\w-])(account[ \t]*:[ \t]*)([0-9]{12})(?![\w.\"'])")


@dataclass(frozen=True, slots=True)
class Fixed:
    """`said`: what was changed, a sentence each; empty: nothing was."""

    text: str
    said: tuple[str, ...]


def fixed(text: str, *, migrations: Mapping[int, Migration] = MIGRATIONS, current: int = CURRENT) -> Fixed:
    """The text as a file of version `current`, as far as that has one meaning.

    Raises ConfigError for a file of a later version; source.UnreadableSource for what is no YAML.
    """
    document = source.read(text.encode()).document
    said: list[str] = []
    if document.get("version") is None:
        text, told = _with_version(text, document, current)
        return Fixed(*_mended(text, told))
    found = _VERSION.search(text)
    if found is not None:
        version = int(found["number"])
        if version > current:
            raise ConfigError(f"it is of version {version}, and this Costwatch reads {current}: install a later one")
        while version < current and version in migrations:
            text, told_by = migrations[version](text)
            said += [f"version {version} to {version + 1}: {each}" for each in told_by]
            version += 1
            text = _VERSION.sub(f"version: {version}", text, count=1)
        if found["quote"] and version == current:
            text = _VERSION.sub(f"version: {version}", text, count=1)
            said.append(f"line {_line(text, found.start())}: version is a number, without quotes")
    return Fixed(*_mended(text, said))


def _with_version(text: str, document: Mapping[str, object], current: int) -> tuple[str, list[str]]:
    """The text with a version where it has none, and what was done; as it was where that would need a guess."""
    if "version" in document:
        changed, times = _NO_VALUE.subn(rf"\1 {current}", text)
        line = _line(text, found.start()) if (found := _NO_VALUE.search(text)) else 0
        return (changed, [f"line {line}: version has no value, and gets {current}"]) if times == 1 else (text, [])
    meant = [key for key in document if difflib.get_close_matches(str(key).lower(), ["version"], cutoff=_NEAR)]
    if meant:  # a second key beside the misspelt one would leave the file as wrong as it is
        written = re.compile(rf"^{re.escape(str(meant[0]))}(?=[ \t]*:)", re.MULTILINE)
        changed, times = written.subn("version", text)
        if len(meant) > 1 or times != 1 or str(document[meant[0]]) != str(current):
            return text, []
        found = written.search(text)
        return changed, [f"line {_line(text, found.start() if found else 0)}: {meant[0]} is called version"]
    end = "\r\n" if "\r\n" in text else "\n"
    begin = _BEGIN.match(text)
    at = begin.end() if begin is not None else 0
    line = text.count("\n", 0, at) + 1
    flow = _FLOW.match(text, at)
    if flow is not None:
        text = f"{text[: flow.end()]}version: {current}, {text[flow.end() :]}"
        line = _line(text, flow.end())
    else:
        text = f"{text[:at]}version: {current}{end}{text[at:]}"
    return text, [f"line {line}: `version: {current}` is added"]


def _mended(text: str, said: list[str]) -> tuple[str, tuple[str, ...]]:
    """What `_once` mends, and what can be seen only when that is mended: keys below a key that was unknown."""
    while True:
        text, more = _once(text)
        if not more:
            return text, tuple(said)
        said += more


def _once(text: str) -> tuple[str, list[str]]:
    """Keys in another spelling (`max-runtime`, `maxRuntime`), and an account id without its quotes."""
    said: list[str] = []
    read = source.read(text.encode())
    lines = text.splitlines(keepends=True)
    for path, key in _misspelt(read):
        number = read.line_of(path)
        written = re.compile(rf"(?<![\w-]){re.escape(str(path[-1]))}(?=[ \t]*:)")
        changed, times = written.subn(key, lines[number - 1])
        if times == 1:  # on a line that has the word twice nobody knows which is meant
            lines[number - 1] = changed
            said.append(f"line {number}: {path[-1]} is called {key}")
    if isinstance(read.document.get("account"), int):
        number = read.line_of(("account",))
        changed, times = _ACCOUNT.subn(r'\1"\2"', lines[number - 1])
        if times == 1:
            lines[number - 1] = changed
            said.append(f"line {number}: the account id is put in quotes, which keep its zeros")
    return "".join(lines), said


def _misspelt(read: source.Source) -> Iterator[tuple[Path, str]]:
    """Unknown keys that are a known one but for case, hyphens and underscores, which is not there itself."""
    try:
        parse(read.document)
    except InvalidDocument as error:
        for path in dict.fromkeys(problem.path for problem in error.problems if problem.path):
            key, around = str(path[-1]), _mapping_at(read.document, path[:-1])
            known = known_keys(path[:-1])
            meant = [each for each in known if _letters(each) == _letters(key)]
            if key in around and key not in known and len(meant) == 1 and meant[0] not in around:
                yield path, meant[0]


def _mapping_at(document: object, path: Path) -> Mapping[str, object]:
    for part in path:
        try:
            document = document[part]  # type: ignore[index]  # a path that parse gave, which may leave the document
        except (LookupError, TypeError):
            return {}
    return document if isinstance(document, dict) else {}


def _letters(key: str) -> str:
    return re.sub(r"[-_ ]", "", key).lower()


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
