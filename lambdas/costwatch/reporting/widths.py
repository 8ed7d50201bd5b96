"""How wide a text is, nearly: enough to leave room for it, whatever the letters and the reader's fonts."""

from __future__ import annotations

import unicodedata
from typing import Final

_WIDE: Final = frozenset("mwMW@%…")
_WIDE_SCRIPTS: Final = frozenset("WF")


def ems(text: str) -> float:
    """In sizes of its font, for a sans serif; rather too much than too little."""
    return sum(map(_percent, text)) / 100


def cut(text: str, most_ems: float) -> str:
    """Its beginning, and `…` where something is missing."""
    if ems(text) <= most_ems:
        return text
    return f"{pieces(text, most_ems - ems('…'))[0]}…"


def pieces(text: str, most_ems: float) -> list[str]:
    """All of it, cut wherever the next letter would be too much; each has one letter at least."""
    found, most = [""], round(most_ems * 100)
    room = most
    for letter in text:
        room -= _percent(letter)
        if room < 0 and found[-1]:
            found.append("")
            room = most - _percent(letter)
        found[-1] += letter
    return found


def _percent(letter: str) -> int:
    """Of an em."""
    if letter in _WIDE or unicodedata.east_asian_width(letter) in _WIDE_SCRIPTS:
        return 100
    return 75 if letter.isupper() else 60
