"""costwatch.yaml as plain values with the line of every key. Read by YAML 1.2's rules for bare words.

PyYAML follows YAML 1.1, where `off` is false, `1:30` is 90 and `012` is 10. Here only true and false are
booleans, only decimal digits are numbers, and everything else is text as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from costwatch.config import syntax
from costwatch.config.problems import Path, Problem

LARGEST_BYTES = 1_000_000
_MOST_VALUES = 20_000
_MERGE = "tag:yaml.org,2002:merge"


class UnreadableSource(ValueError):
    """Text that is no YAML mapping. `line` counts from 1; 0 where no line is to blame."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass
class Source:
    """`document` holds dicts, lists, text, numbers, booleans and None. `lines` has the line of each path, from 1."""

    document: dict[str, object] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    """Duplicate keys and keys that are not text, with their lines: the document leaves them out."""

    def line_of(self, path: Path) -> int:
        """The line of the key at `path`, or of the nearest key around it that is in the file."""
        return next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 1)

    def shown_path(self, path: Path) -> Path:
        """`path` as the file spells it: a key that is missing from a mapping stays, steps into a plain value go."""
        value: object = self.document
        for n, part in enumerate(path):
            if isinstance(value, dict) and isinstance(part, str):
                if part not in value:
                    return path
                value = value[part]
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return path[:n]
        return path


def read(content: bytes) -> Source:
    """Parse the bytes of a configuration file. Raises UnreadableSource."""
    if len(content) > LARGEST_BYTES:
        raise UnreadableSource(0, f"is larger than {LARGEST_BYTES:,} bytes, which no configuration is")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableSource(
            line, f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    try:
        root = _Loader(text).get_single_node()
        return _Reader().read(root)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableSource(line, f"character U+{ord(text[error.position]):04X} is not allowed in YAML") from error
    except yaml.MarkedYAMLError as error:
        raise UnreadableSource(*syntax.explained(text, error)) from error
    except RecursionError as error:
        raise UnreadableSource(0, "is nested too deeply to be a configuration") from error


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's idea of what is not text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


class _Reader:
    """Turns composed nodes into values, keeping lines. Anchors, aliases and merge keys are followed."""

    def __init__(self) -> None:
        self.source = Source()
        self._count = 0
        self._open: set[int] = set()
        self._told: set[int] = set()

    def read(self, root: yaml.Node | None) -> Source:
        if root is None or (isinstance(root, yaml.ScalarNode) and root.tag.endswith(":null")):
            raise UnreadableSource(1, "is empty; expected a mapping that starts with `version: 1`")
        if not isinstance(root, yaml.MappingNode):
            kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
            raise UnreadableSource(_line(root), f"holds {kind} at the top; expected a mapping such as `version: 1`")
        self.source.document = self._mapping(root, ())
        return self.source

    def _value(self, node: yaml.Node, path: Path) -> object:
        with self._opened(node):
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            return _scalar(node)

    def _item(self, node: yaml.Node, path: Path) -> object:
        self.source.lines[path] = _line(node)
        return self._value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, (key_node, value_node) in self._pairs(node, path).items():
            self.source.lines[(*path, key)] = _line(key_node)
            values[key] = self._value(value_node, (*path, key))
        return values

    def _pairs(self, node: yaml.MappingNode, path: Path) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Key and value nodes by key; what `<<` merges comes after what is set here, and never replaces it."""
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged += _merge_sources(value_node)
            elif not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                self._tell(path, key_node, "is a key that is not text: put it in quotes")
            elif key_node.value in pairs:
                first = _line(pairs[key_node.value][0])
                self._tell(path, key_node, f"is set twice; the first is on line {first}")
            else:
                pairs[key_node.value] = (key_node, value_node)
        for source in merged:
            with self._opened(source):
                inherited = self._pairs(source, path)
            pairs = {**inherited, **pairs}
        return pairs

    @contextmanager
    def _opened(self, node: yaml.Node) -> Iterator[None]:
        """Guards against anchors that contain themselves and aliases that multiply."""
        self._count += 1
        if self._count > _MOST_VALUES:
            raise UnreadableSource(_line(node), f"more than {_MOST_VALUES:,} values once aliases are followed")
        if id(node) in self._open:
            raise UnreadableSource(_line(node), "an anchor that contains itself")
        self._open.add(id(node))
        try:
            yield
        finally:
            self._open.discard(id(node))

    def _tell(self, path: Path, key: yaml.Node, message: str) -> None:
        if id(key) in self._told:
            return  # the same line, seen again through an alias
        self._told.add(id(key))
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "(list or mapping)"
        self.source.problems.append((_line(key), Problem((*path, name), message)))


def _merge_sources(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    """The mappings behind `<<:`; of several the earlier ones win, as YAML's merge type says."""
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for item in items:
        if not isinstance(item, yaml.MappingNode):
            raise UnreadableSource(_line(node), "`<<` merges mappings only")
        yield item


def _scalar(node: yaml.Node) -> object:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    text: str = node.value
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        # More digits than Python converts, or an explicit !!int on text: no field takes it, and each says so.
        return text
    if kind in ("str", "merge"):
        return text
    raise UnreadableSource(_line(node), f"YAML tag {node.tag} is not used here; write the plain value")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
