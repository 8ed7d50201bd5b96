"""Markdown that says what it says wherever it is pasted: names, tags and reasons are other people's text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from costwatch.cli.show import clean

# Entities and not backslashes: a backslash before a pipe ends a cell in some renderers and not in others.
_ENTITIES: Final = str.maketrans({c: f"&#{ord(c)};" for c in "|`\\*[]~"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NOT_IN_A_WORD: Final = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_-]*")
_NOTHING: Final = "\u200b"
"""Zero width. Issue trackers look for mentions and links in what is rendered, where an escape does not show."""
_LINKING: Final = re.compile(
    r"(?<![a-z0-9])@(?=\w) | (?<!&)\#(?=\d) | \bgh-(?=\d) | :(?=//) | \bwww(?=\.) | \bmailto(?=:)", re.I | re.X
)


def text(raw: str) -> str:
    """One line that is read as nothing but text: no cell, code, HTML, emphasis, link, mention or issue number."""
    told = clean(" ".join(raw.split())).translate(_ENTITIES)
    told = _NOT_IN_A_WORD.sub("&#95;", told)
    return _LINKING.sub(lambda found: found.group() + _NOTHING, told)


def code(raw: str) -> str:
    """An id to copy. What code could not hold in every renderer is text."""
    return f"`{raw}`" if _PLAIN.fullmatch(raw) else text(raw)


def heading(level: int, said: str) -> str:
    """`said` is safe already."""
    return f"{'#' * level} {said}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are safe already. A cell with nothing to say is empty."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Labels and values, safe already; what is empty is left out."""
    return table(("Fact", ""), [(label, value) for label, value in pairs if value])
