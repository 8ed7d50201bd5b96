"""What is wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

Path = tuple[str | int, ...]
Value = TypeVar("Value")


class Problem(NamedTuple):
    """Something to tell about the key at `path`. The empty path is the file as a whole."""

    path: Path
    message: str


def read(reader: Callable[[object], Value], value: object) -> Value | None:
    """The value, or None where it is absent or invalid in itself (which its own field tells)."""
    try:
        return None if value is None else reader(value)
    except ValueError:
        return None
